/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv_xen.h: one domain of this host's Xen, through XENMEM_vmm_op. */
#ifndef VMM_PORT_HV_XEN_H
#define VMM_PORT_HV_XEN_H

#include "include/vmm.h"
#include "table/hv.h"

struct vmm__hv_xen_info {
    uint64_t nr_gfns;           /* one past the highest gfn */
    uint64_t nr_pages;          /* that the domain owns, or has paged out */
    uint32_t nr_vcpus;
};

/*
 * VMM_E_NOENT: no such domain; VMM_E_PERM: not the control domain;
 * VMM_E_NOTSUP: this Xen has no vmm_op, or not this version.
 * `logger' is copied.  One thread.
 */
int vmm__hv_xen_open(uint32_t domid, const struct vmm_logger *logger,
                     struct vmm__hv *hv_out,
                     struct vmm__hv_xen_info *info_out);
void vmm__hv_xen_close(struct vmm__hv *hv);

#endif
