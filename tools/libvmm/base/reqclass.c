/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reqclass.c: names of the request classes. */
#include "include/vmm.h"

const char *vmm_reqclass_name(enum vmm_reqclass reqclass)
{
    static const char *const names[VMM_NR_REQCLASSES] = {
        [VMM_REQ_DEMAND] = "demand",
        [VMM_REQ_FOREIGN] = "foreign",
        [VMM_REQ_PREFETCH] = "prefetch",
        [VMM_REQ_EVICT] = "evict",
        [VMM_REQ_PURGE] = "purge",
    };

    return (unsigned int)reqclass < VMM_NR_REQCLASSES ? names[reqclass]
                                                      : "unknown";
}
