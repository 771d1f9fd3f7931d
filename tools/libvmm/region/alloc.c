/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * alloc.c: free blocks of the media and slots of the storage.
 *
 * Neither is on the media: both are what no entry and no descriptor says is
 * in use, found when the region is opened.
 */
#include <sched.h>

#include "region/state.h"

/* With the alloc lock: what readers have left is free. */
static void limbo_drain(struct vmm__region *r)
{
    uint64_t over;

    if (!r->limbo_nr) {
        return;
    }
    over = vmm__epoch_over(&r->epoch);
    while (r->limbo_nr && r->limbo[r->limbo_first].ticket < over) {
        vmm__slotmap_give(&r->pblks, r->limbo[r->limbo_first].pblk);
        r->limbo_first = (r->limbo_first + 1) % r->limbo_max;
        r->limbo_nr--;
    }
}

int vmm__pblk_alloc(struct vmm__region *r, bool data, uint64_t *pblk_out)
{
    uint32_t nr = 0;

    pthread_mutex_lock(&r->alloc_lock);
    if (r->limbo_nr > r->limbo_max / 2 ||
        r->pblks.nr_slots - r->pblks.nr_taken <= r->reserve) {
        limbo_drain(r);
    }
    if (!data ||
        r->pblks.nr_slots - r->pblks.nr_taken > r->reserve) {
        nr = vmm__slotmap_alloc(&r->pblks, 1, pblk_out);
    }
    pthread_mutex_unlock(&r->alloc_lock);

    return nr ? 0 : VMM_E_NOSPC;
}

void vmm__pblk_give(struct vmm__region *r, uint64_t pblk)
{
    pthread_mutex_lock(&r->alloc_lock);
    vmm__slotmap_give(&r->pblks, pblk);
    pthread_mutex_unlock(&r->alloc_lock);
}

void vmm__pblk_retire(struct vmm__region *r, uint64_t pblk)
{
    uint64_t ticket = vmm__epoch_ticket(&r->epoch);
    bool full;

    for (;;) {
        pthread_mutex_lock(&r->alloc_lock);
        if (r->limbo_nr == r->limbo_max) {
            limbo_drain(r);
        }
        full = r->limbo_nr == r->limbo_max;
        if (!full) {
            size_t at = (r->limbo_first + r->limbo_nr++) % r->limbo_max;

            r->limbo[at] = (struct limbo){ .ticket = ticket, .pblk = pblk };
        }
        pthread_mutex_unlock(&r->alloc_lock);
        if (!full) {
            return;
        }
        /* A reader is inside since long ago; it copies a page, no more. */
        (void)sched_yield();
    }
}

uint32_t vmm__slots_alloc(struct vmm__region *r, uint32_t nr,
                          uint64_t *first_out)
{
    pthread_mutex_lock(&r->alloc_lock);
    nr = vmm__slotmap_alloc(&r->slots, nr, first_out);
    pthread_mutex_unlock(&r->alloc_lock);
    return nr;
}

void vmm__slot_give(struct vmm__region *r, uint64_t slot)
{
    pthread_mutex_lock(&r->alloc_lock);
    vmm__slotmap_give(&r->slots, slot);
    pthread_mutex_unlock(&r->alloc_lock);
}
