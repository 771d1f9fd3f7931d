/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * regionio.h: a region and its storage, for callers that can wait; what
 * vmm_region.h offers, but for opening it.
 */
#ifndef VMM_CONSUMER_REGIONIO_H
#define VMM_CONSUMER_REGIONIO_H

#include "consumer/regiondrv.h"
#include "include/vmm_region.h"
#include "region/region.h"

struct vmm__regionio_deps {
    struct vmm__region *region;
    struct vmm__regiondrv *drv; /* NULL: no storage */
    uint64_t (*wall_s)(void);   /* since 1970 */
    void *owner;                /* for who made it */
};
/* VMM_E_NOMEM.  The parts stay the caller's, and outlive it. */
int vmm__regionio_new(const struct vmm__regionio_deps *deps,
                      vmm_region **region_out);
void vmm__regionio_free(vmm_region *region);
void *vmm__regionio_owner(const vmm_region *region);
const struct vmm__regionio_deps *
vmm__regionio_deps(const vmm_region *region);

#endif
