/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * purge.c: from NVM to mass storage.
 *
 * A virtblock is found once, through the leaf tables of the point that owns
 * it, however many others refer to it, and moved by one store to its entry:
 * contents durable in the slot, their checksum durable, then the entry, then
 * the NVM block is free.  While it is marked as in transit its block is the
 * purge's: whoever replaces it leaves the block to us.
 */
#include "base/crc.h"
#include "region/state.h"

/* Looked at in one call, so that it takes no long time. */
#define PICK_TABLES 64u
/*
 * How often to come to the end without a find before there is none: what is
 * read is passed over once by ANY, and is cold then (a clock's second chance).
 */
static const unsigned int pick_wraps[] = {
    [VMM__PURGE_SNAPSHOT_ONLY] = 2,
    [VMM__PURGE_COLD] = 1,
    [VMM__PURGE_ANY] = 3,
};

static bool wanted(struct vmm__region *r, enum vmm__purge_what what,
                   bool referred, uint64_t pblk)
{
    return !referred || (what != VMM__PURGE_SNAPSHOT_ONLY &&
                         !atomic_exchange_explicit(&r->heat[pblk], 0,
                                                   memory_order_relaxed));
}

/* Those of one leaf table from `index' on; points lock shared. */
static unsigned int pick_leaf(struct vmm__region *r, uint64_t pblk,
                              enum vmm__purge_what what, unsigned int max,
                              struct vmm__purge *purges)
{
    const _Atomic uint64_t *mine = page_at(r, pblk), *active = NULL;
    unsigned int nr = 0, *index = &r->purge_next[what].index;
    struct vmm__desc desc;
    uint64_t leaf = 0;

    if (!vmm__desc_of(word_load(&r->descs[pblk]), &desc) || desc.level) {
        *index = VMM__PAGE_WORDS;
        return 0;
    }
    leaf = vmm__pgtab_table(r, word_load(&r->roots[1 + atomic_load(
                                &r->running)]), 0, desc.base);
    active = leaf ? page_at(r, leaf) : NULL;
    if (leaf == pblk && what == VMM__PURGE_SNAPSHOT_ONLY) {
        *index = VMM__PAGE_WORDS;
        return 0;
    }

    for (; *index < VMM__PAGE_WORDS && nr < max; ++*index) {
        uint64_t vb = vmm__word_value(word_load(&mine[*index])), word;
        struct vmm__purge *purge = &purges[nr];

        if (!vb || vb_owner(r, vb) != desc.owner) {
            continue;
        }
        word = word_load(vb_at(r, vb));
        if (vmm__vb_loc(word) != VMM__LOC_NVM ||
            !wanted(r, what, active && vmm__word_value(
                        word_load(&active[*index])) == vb,
                    vmm__vb_payload(word))) {
            continue;
        }
        purge->vb = vb;
        purge->data = pblk_at(r, vmm__vb_payload(word));
        purge->word = vb_word(vb, VMM__LOC_TRANSIT, vmm__vb_payload(word));
        /* Not durable: after a crash it is where it was. */
        if (vmm__vb_move(r, vb, word, purge->word, false)) {
            nr++;
        }
    }
    return nr;
}

/* The table at the cursor, or the next point's; false at the end of all. */
static bool table_at_cursor(struct vmm__region *r, enum vmm__purge_what what,
                            uint64_t *pblk_out)
{
    struct purge_cursor *next = &r->purge_next[what];
    bool found = false;

    pthread_mutex_lock(&r->alloc_lock);
    for (; next->point < r->geo.nr_points; next->point++) {
        const struct vmm__u64vec *tables = &r->points[next->point].tables;

        if (next->table < tables->nr &&
            !(what == VMM__PURGE_SNAPSHOT_ONLY &&
              next->point == atomic_load(&r->running))) {
            *pblk_out = tables->v[next->table];
            found = true;
            break;
        }
        next->table = 0;
        next->index = 0;
    }
    pthread_mutex_unlock(&r->alloc_lock);
    return found;
}

static unsigned int pick(struct vmm__region *r, enum vmm__purge_what what,
                         unsigned int max, struct vmm__purge *purges)
{
    struct purge_cursor *next = &r->purge_next[what];
    unsigned int nr = 0, tables;
    uint64_t pblk;

    for (tables = 0; nr < max && tables < PICK_TABLES &&
                     next->wraps < pick_wraps[what]; tables++) {
        pthread_rwlock_rdlock(&r->points_lock);
        if (!table_at_cursor(r, what, &pblk)) {
            next->point = 0;
            next->wraps++;
        } else {
            nr += pick_leaf(r, pblk, what, max - nr, &purges[nr]);
            if (next->index == VMM__PAGE_WORDS) {
                next->index = 0;
                next->table++;
            }
        }
        pthread_rwlock_unlock(&r->points_lock);
    }
    if (nr && what != VMM__PURGE_COLD) {
        next->wraps = 0;
    }
    return nr;
}

/* Back to where it is, or nobody's if it was replaced meanwhile. */
static void put_back(struct vmm__region *r, const struct vmm__purge *purge)
{
    uint64_t pblk = vmm__vb_payload(purge->word);

    if (!vmm__vb_move(r, purge->vb, purge->word,
                      vb_word(purge->vb, VMM__LOC_NVM, pblk), false)) {
        vmm__pblk_retire(r, pblk);
    }
}

unsigned int vmm__region_purge_pick(struct vmm__region *r,
                                    enum vmm__purge_what what,
                                    unsigned int max,
                                    struct vmm__purge *purges_out,
                                    bool *end_out)
{
    uint64_t first = 0;
    unsigned int nr, nr_slots, i;

    pthread_mutex_lock(&r->purge_lock);
    nr = pick(r, what, max, purges_out);
    nr_slots = nr ? vmm__slots_alloc(r, nr, &first) : 0;
    *end_out = r->purge_next[what].wraps >= pick_wraps[what] ||
               (nr && !nr_slots);
    if (*end_out) {
        r->purge_next[what].wraps = 0;
    }
    r->nr_slot_uses++;
    for (i = 0; i < nr; i++) {
        if (i < nr_slots) {
            purges_out[i].slot = first + i;
            purges_out[i].to = vb_word(purges_out[i].vb, VMM__LOC_SLOT,
                r->nr_slot_uses % VMM__SLOT_USES << VMM__SLOT_BITS |
                (first + i));
        } else {
            put_back(r, &purges_out[i]);
        }
    }
    pthread_mutex_unlock(&r->purge_lock);
    return nr_slots;
}

void vmm__region_purged(struct vmm__region *r,
                        const struct vmm__purge *purges, unsigned int nr,
                        int rc)
{
    unsigned int i;

    for (i = 0; !rc && i < nr; i++) {
        _Atomic uint64_t *sum = &r->sums[purges[i].slot];

        word_store(sum, vmm__word_make(VMM__WORD_SUM, purges[i].slot,
                       VMM__SUM_SET | vmm__crc32c(purges[i].data,
                                                  VMM__BLOCK_BYTES)));
        vmm__media_flush(&r->media, (const void *)sum, sizeof(*sum));
    }
    if (!rc) {
        vmm__media_drain(&r->media);
    }

    for (i = 0; i < nr; i++) {
        const struct vmm__purge *purge = &purges[i];

        if (rc) {
            vmm__slot_give(r, purge->slot);
            put_back(r, purge);
            continue;
        }
        if (vmm__vb_move(r, purge->vb, purge->word, purge->to, false)) {
            vmm__media_flush(&r->media, (const void *)vb_at(r, purge->vb),
                             sizeof(purge->to));
            atomic_fetch_add(&r->nr_purged, 1);
        } else {
            vmm__slot_give(r, purge->slot);
        }
    }
    if (rc) {
        return;
    }
    vmm__media_drain(&r->media);
    for (i = 0; i < nr; i++) {
        vmm__pblk_retire(r, vmm__vb_payload(purges[i].word));
    }
}
