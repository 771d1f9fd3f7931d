/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * regionbdev.h: the running state of a region as table/bdev.h, for a pager.
 *
 * Blocks in NVM are read and written at once; those on the storage are read
 * by the region's thread, in the class of the io, which may be promoted.
 * Reads are of one block.  A write is durable when it is done, and VMM_E_NOSPC
 * if NVM is full: ask room() first.  What cannot be read from the storage is
 * not marked as lost, so that it may be tried again; what is not what was
 * written there is (VMM_E_LOST).
 */
#ifndef VMM_CONSUMER_REGIONBDEV_H
#define VMM_CONSUMER_REGIONBDEV_H

#include "include/vmm_region.h"
#include "table/bdev.h"

/* The region outlives it.  VMM_E_NOMEM, VMM_E_LOCAL, VMM_E_BUSY. */
int vmm__regionbdev_open(const vmm_region *region,
                         struct vmm__bdev *bdev_out);
/* Nothing may be in flight.  A bdev that was not opened (all 0) is fine. */
void vmm__regionbdev_close(struct vmm__bdev *bdev);

#endif
