/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv_none.c: a build without Xen: there is no domain. */
#include <stddef.h>

#include "base/log.h"
#include "port/hv_xen.h"

int vmm__hv_xen_open(uint32_t domid, const struct vmm_logger *logger,
                     struct vmm__hv *hv_out,
                     struct vmm__hv_xen_info *info_out)
{
    (void)hv_out;
    (void)info_out;
    vmm__log(logger, VMM_LOG_ERROR,
             "domid=%u: this library was built without Xen", domid);
    return VMM_E_NOTSUP;
}

void vmm__hv_xen_close(struct vmm__hv *hv)
{
    (void)hv;
}
