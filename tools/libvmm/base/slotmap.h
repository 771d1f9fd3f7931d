/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slotmap.h: which of many equal places are taken, a bit each.
 *
 * Next-fit: what is asked for soon after each other lies near each other.
 * One thread.
 */
#ifndef VMM_BASE_SLOTMAP_H
#define VMM_BASE_SLOTMAP_H

#include <stdbool.h>
#include <stdint.h>

struct vmm__slotmap {
    uint64_t *taken;
    uint64_t nr_slots, nr_taken;
    uint64_t next;              /* where the search goes on */
};

/* All free.  False: out of memory. */
bool vmm__slotmap_init(struct vmm__slotmap *map, uint64_t nr_slots);
void vmm__slotmap_dispose(struct vmm__slotmap *map);

bool vmm__slotmap_taken(const struct vmm__slotmap *map, uint64_t slot);
/* Of a free one; of a taken one. */
void vmm__slotmap_take(struct vmm__slotmap *map, uint64_t slot);
void vmm__slotmap_give(struct vmm__slotmap *map, uint64_t slot);
/*
 * Take a run of at most `nr', the first of that length, or the longest of
 * many that were looked at: returns its length, 0 if all are taken.
 */
uint32_t vmm__slotmap_alloc(struct vmm__slotmap *map, uint32_t nr,
                            uint64_t *first_out);

#endif
