/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check.h: what the checker knows of a region when it has walked all of it;
 * for check.c and repair.c alone.
 */
#ifndef VMM_REGION_CHECK_H
#define VMM_REGION_CHECK_H

#include "base/slotmap.h"
#include "region/region.h"
#include "region/state.h"

typedef unsigned long long ull;

/* What would put a problem right; a vb is its array's pblk and its place. */
enum vmm__fix_kind {
    VMM__FIX_ENTRY,             /* vb `at' is lost, and was in slot `with' */
    VMM__FIX_BLOCK_TWICE,       /* all that are in NVM block `at' are lost */
    VMM__FIX_SLOT_TWICE,        /* all that are in slot `at' are lost */
    VMM__FIX_LEAF,              /* the word `at', as a vb, of a leaf table */
    VMM__FIX_LEAK,              /* vb `at': nothing refers to it */
};

struct vmm__fix {
    enum vmm__fix_kind kind;
    uint64_t at, with;
};

struct check {
    const struct vmm__media *media;
    const struct vmm__store *store;     /* or NULL */
    struct vmm__super super;
    struct vmm__region_geometry geo;
    const uint64_t *roots, *descs, *sums;
    const struct vmm__point_rec *recs;
    const struct vmm__point_rec **points;   /* the valid one of each pair */
    uint32_t running;

    void (*problem)(void *user, const char *text);
    void *user;
    uint64_t nr_problems, nr_fixable;
    struct vmm__fix *fixes;
    size_t nr_fixes, max_fixes;

    uint8_t *reached;           /* per pblk: a table, by a live point */
    struct vmm__slotmap pblks, slots, referred;     /* referred: vbs */
    uint64_t *array_index;      /* per pblk, if it is an array */
    bool nomem;
};

static inline const uint64_t *vmm__check_words(const struct check *c,
                                               uint64_t pblk)
{
    return (const void *)(c->media->base + pblk * VMM__BLOCK_BYTES);
}

/* All of it; VMM_E_NOMEM.  dispose() in any case. */
int vmm__check_walk(struct check *c);
void vmm__check_dispose(struct check *c);

#endif
