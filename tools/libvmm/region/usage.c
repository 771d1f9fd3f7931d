/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage.c: what a point sees, where that is, and what it alone keeps.
 *
 * A virtblock is a point's alone if the point owns it and no child of the
 * point refers to it: it was made while the point ran, and what children do
 * not see, theirs do not either.
 */
#include <string.h>

#include "region/state.h"

static bool child_refers(const struct vmm__region *r, uint32_t point,
                         uint64_t blk, uint64_t vb)
{
    uint32_t i;

    for (i = 0; i < r->geo.nr_points; i++) {
        if (atomic_load(&r->points[i].state) != POINT_FREE &&
            r->points[i].parent == point && vmm__vb_of(r, i, blk) == vb) {
            return true;
        }
    }
    return false;
}

static void count(const struct vmm__region *r, uint32_t point, uint64_t blk,
                  uint64_t vb, struct vmm__region_usage *usage)
{
    uint64_t word = word_load(vb_at(r, vb));

    /* Zeros are what was never written as well, or was discarded. */
    if (vmm__vb_loc(word) == VMM__LOC_SAME && !vmm__vb_payload(word)) {
        return;
    }
    usage->nr_blks++;
    switch (vmm__vb_loc(word)) {
    case VMM__LOC_NVM:
    case VMM__LOC_TRANSIT:
        usage->nr_nvm++;
        break;
    case VMM__LOC_SLOT:
        usage->nr_storage++;
        break;
    case VMM__LOC_SAME:
        usage->nr_same++;
        break;
    default:
        usage->nr_lost++;
        break;
    }
    if (vb_owner(r, vb) == point && !child_refers(r, point, blk, vb)) {
        usage->nr_exclusive++;
    }
}

int vmm__region_usage(struct vmm__region *r, uint64_t id,
                      struct vmm__region_usage *usage_out)
{
    struct vmm__region_usage usage = { 0 };
    uint64_t base, leaf, vb;
    uint32_t point;
    unsigned int i;

    /* A table at a time, so that snapshots do not wait for all of them. */
    for (base = 0; base < r->geo.nr_blks; base += VMM__PAGE_WORDS) {
        pthread_rwlock_rdlock(&r->points_lock);
        point = vmm__point_of(r, id);
        leaf = point == VMM__POINT_NONE ? 0 :
               vmm__pgtab_table(r, word_load(&r->roots[1 + point]), 0, base);
        for (i = 0; leaf && i < VMM__PAGE_WORDS; i++) {
            vb = vmm__word_value(word_load(page_at(r, leaf) + i));
            if (vb) {
                count(r, point, base + i, vb, &usage);
            }
        }
        pthread_rwlock_unlock(&r->points_lock);
        if (point == VMM__POINT_NONE) {
            return VMM_E_NOENT;
        }
    }
    *usage_out = usage;
    return 0;
}
