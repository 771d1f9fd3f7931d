/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * alloc.c: free blocks of the media and slots of the storage.
 *
 * Neither is on the media: both are what no entry and no descriptor says is
 * in use, found when the region is opened.
 */
#include <sched.h>

#include "region/state.h"

/* When so many wait, see whether readers have left. */
#define LIMBO_SOME 64u

/*
 * With the alloc lock.  What was used last is used again first: it is in the
 * cache, and a file system has it initialized.
 */
static void give(struct vmm__region *r, uint64_t pblk)
{
    if (r->recent_nr < RECENT_MAX) {
        r->recent[r->recent_nr++] = pblk;
    } else {
        vmm__slotmap_give(&r->pblks, pblk);
    }
}

static bool take(struct vmm__region *r, uint64_t *pblk_out)
{
    if (r->recent_nr) {
        *pblk_out = r->recent[--r->recent_nr];
        return true;
    }
    return vmm__slotmap_alloc(&r->pblks, 1, pblk_out) == 1;
}

/* With the alloc lock: what readers have left is free. */
static void limbo_drain(struct vmm__region *r)
{
    uint64_t over;

    if (!r->limbo_nr) {
        return;
    }
    over = vmm__epoch_over(&r->epoch);
    while (r->limbo_nr && r->limbo[r->limbo_first].ticket < over) {
        give(r, r->limbo[r->limbo_first].pblk);
        r->limbo_first = (r->limbo_first + 1) % LIMBO_MAX;
        r->limbo_nr--;
    }
}

int vmm__pblk_alloc(struct vmm__region *r, bool data, uint64_t *pblk_out)
{
    bool ok;

    pthread_mutex_lock(&r->alloc_lock);
    if (r->limbo_nr >= LIMBO_SOME || vmm__pblks_free(r) <= r->reserve) {
        limbo_drain(r);
    }
    ok = (!data || vmm__pblks_free(r) > r->reserve) && take(r, pblk_out);
    pthread_mutex_unlock(&r->alloc_lock);

    return ok ? 0 : VMM_E_NOSPC;
}

void vmm__pblk_give(struct vmm__region *r, uint64_t pblk)
{
    pthread_mutex_lock(&r->alloc_lock);
    give(r, pblk);
    pthread_mutex_unlock(&r->alloc_lock);
}

void vmm__pblk_retire(struct vmm__region *r, uint64_t pblk)
{
    uint64_t ticket = vmm__epoch_ticket(&r->epoch);
    bool full;

    for (;;) {
        pthread_mutex_lock(&r->alloc_lock);
        if (r->limbo_nr == LIMBO_MAX) {
            limbo_drain(r);
        }
        full = r->limbo_nr == LIMBO_MAX;
        if (!full) {
            size_t at = (r->limbo_first + r->limbo_nr++) % LIMBO_MAX;

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
