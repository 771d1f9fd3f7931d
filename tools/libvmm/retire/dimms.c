/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dimms.c: pages follow the modules that they are of.
 *
 * The record has the modules as they were when its pages were retired, so what
 * becomes of a page is decided from both tables alone.  The next record is put
 * together beside this one, which stays as it is if that fails.
 */
#include <stdlib.h>
#include <string.h>

#include "retire/dimms.h"
#include "retire/entries.h"
#include "retire/past.h"

struct follow {
    const struct vmm__retirefile *old;
    struct vmm__retirefile next;
    uint32_t nr_now;            /* next.dimms[0] to [nr_now - 1] are there */
    uint16_t map[VMM_DIMMS_MAX];        /* of old.dimms, to next.dimms */
    bool all_known;             /* else who is missing may just have no name */
    uint64_t now_s;
    struct vmm_dimm_changes changes;
};

/* The modules that a page may be of, and how far that is so. */
struct cover {
    uint32_t nr, nr_left, index;        /* index: the last one */
    bool known, in_place;       /* all have a serial; those left are where
                                   they were */
    uint64_t end_mfn;
};

static bool same_place(const struct vmm_dimm *a, const struct vmm_dimm *b)
{
    return a->nr_ranges == b->nr_ranges && a->shared == b->shared &&
           !memcmp(a->ranges, b->ranges, sizeof(a->ranges));
}

static bool is_there(const struct follow *follow, uint32_t old_index)
{
    return follow->map[old_index] < follow->nr_now;
}

/* Where the history finds it; one that is gone is taken along for that. */
static uint16_t next_index(struct follow *follow, uint16_t old_index)
{
    struct vmm__retirefile *next = &follow->next;

    if (old_index == VMM_RETIRE_NO_DIMM ||
        !*follow->old->dimms[old_index].serial) {
        return VMM_RETIRE_NO_DIMM;
    }
    if (follow->map[old_index] == VMM_RETIRE_NO_DIMM &&
        next->nr_dimms < VMM_DIMMS_MAX) {
        next->dimms[next->nr_dimms] = follow->old->dimms[old_index];
        next->dimms[next->nr_dimms].absent = true;
        follow->map[old_index] = (uint16_t)next->nr_dimms++;
    }
    return follow->map[old_index];
}

static struct cover cover(const struct follow *follow, uint64_t mfn,
                          uint64_t end_mfn)
{
    struct cover c = { .known = true, .in_place = true, .end_mfn = end_mfn };
    uint32_t i, j;

    for (i = 0; i < follow->old->nr_dimms; i++) {
        const struct vmm_dimm *dimm = &follow->old->dimms[i];
        bool found = false;

        for (j = 0; !dimm->absent && j < dimm->nr_ranges; j++) {
            uint64_t first = dimm->ranges[j].first_mfn;
            uint64_t end = first + dimm->ranges[j].nr_pages;
            uint64_t bound = first > mfn ? first : end;

            found |= first <= mfn && mfn < end;
            if (bound > mfn && bound < c.end_mfn) {
                c.end_mfn = bound;
            }
        }
        if (!found) {
            continue;
        }
        c.nr++;
        c.index = i;
        c.known &= *dimm->serial != '\0';
        if (is_there(follow, i)) {
            c.nr_left++;
            c.in_place &= same_place(
                dimm, &follow->next.dimms[follow->map[i]]);
        }
    }
    return c;
}

static uint64_t all_pages(const struct vmm_dimm *dimm)
{
    uint64_t nr = 0;
    uint32_t i;

    for (i = 0; i < dimm->nr_ranges; i++) {
        nr += dimm->ranges[i].nr_pages;
    }
    return nr;
}

/* The range with a page, and how many pages of the module are before it. */
static const struct vmm_dimm_range *range_at(const struct vmm_dimm *dimm,
                                             uint64_t page, bool is_mfn,
                                             uint64_t *before_out)
{
    uint32_t i;

    *before_out = 0;
    for (i = 0; i < dimm->nr_ranges; i++) {
        const struct vmm_dimm_range *range = &dimm->ranges[i];
        uint64_t first = is_mfn ? range->first_mfn : *before_out;

        if (page >= first && page - first < range->nr_pages) {
            return range;
        }
        *before_out += range->nr_pages;
    }
    return NULL;
}

/*
 * The first pages of an entry, of module `from', as they are called now that
 * it is `to'; 0 if nobody knows.
 */
static uint32_t translate(const struct vmm_dimm *from,
                          const struct vmm_dimm *to, uint64_t mfn,
                          uint32_t nr_pages, uint64_t *mfn_out)
{
    const struct vmm_dimm_range *range;
    uint64_t offset, before, left;

    if (from->shared || to->shared || all_pages(from) != all_pages(to)) {
        return 0;
    }
    range = range_at(from, mfn, true, &before);
    if (!range) {
        return 0;
    }
    offset = before + mfn - range->first_mfn;
    left = range->first_mfn + range->nr_pages - mfn;
    nr_pages = nr_pages < left ? nr_pages : (uint32_t)left;
    range = range_at(to, offset, false, &before);
    if (!range) {
        return 0;
    }
    *mfn_out = range->first_mfn + offset - before;
    left = range->nr_pages - (offset - before);
    return nr_pages < left ? nr_pages : (uint32_t)left;
}

static int keep(struct follow *follow, const struct vmm_retired *entry)
{
    bool changed;

    return vmm__entries_add(&follow->next, entry, &changed);
}

/* Returns how many of its first pages are dealt with; 0 if none can be. */
static uint32_t take_along(struct follow *follow, uint16_t old_index,
                           const struct vmm_retired *entry, int *rc)
{
    const struct vmm_dimm *to = &follow->next.dimms[follow->map[old_index]];
    struct vmm_retired piece = *entry;

    piece.nr_pages = translate(&follow->old->dimms[old_index], to, entry->mfn,
                               entry->nr_pages, &piece.mfn);
    *rc = piece.nr_pages ? keep(follow, &piece) : 0;
    return piece.nr_pages;
}

/* An entry whose pages are all of the same modules. */
static int follow_piece(struct follow *follow, const struct vmm_retired *entry,
                        const struct cover *c)
{
    struct vmm_retired rest = *entry;
    int rc = 0;

    if (!c->nr || !c->known || (!c->nr_left && !follow->all_known)) {
        return keep(follow, entry);
    }
    if (!c->nr_left) {
        follow->changes.nr_gone += entry->nr_pages;
        vmm__past_add(&follow->next, entry, VMM_RETIRE_REPLACED,
                      c->nr == 1 ? next_index(follow, (uint16_t)c->index)
                                 : VMM_RETIRE_NO_DIMM, follow->now_s);
        return 0;
    }
    if (c->in_place) {
        return keep(follow, entry);
    }
    while (!rc && c->nr == 1 && rest.nr_pages) {
        uint32_t nr = take_along(follow, (uint16_t)c->index, &rest, &rc);

        if (!nr) {
            break;
        }
        rest.mfn += nr;
        rest.nr_pages -= nr;
        follow->changes.nr_elsewhere += nr;
    }
    follow->changes.nr_doubtful += rest.nr_pages;
    return rc || !rest.nr_pages ? rc : keep(follow, &rest);
}

static int follow_entries(struct follow *follow)
{
    const struct vmm__retirefile *old = follow->old;
    uint32_t i;
    int rc = 0;

    for (i = 0; !rc && i < old->nr_entries; i++) {
        struct vmm_retired piece = old->entries[i];
        uint64_t end = piece.mfn + piece.nr_pages;

        while (!rc && piece.mfn < end) {
            struct cover c = cover(follow, piece.mfn, end);

            piece.nr_pages = (uint32_t)(c.end_mfn - piece.mfn);
            rc = follow_piece(follow, &piece, &c);
            piece.mfn = c.end_mfn;
        }
    }
    return rc;
}

/* A module that was away is there again, and its pages are as they were. */
static int come_back(struct follow *follow, const struct vmm_retired_past *p)
{
    struct vmm_retired rest = {
        .mfn = p->mfn, .time_s = p->time_s, .nr_pages = p->nr_pages,
        .nr_errors = p->nr_errors, .cause = p->cause,
    };
    int rc = 0;

    while (!rc && rest.nr_pages) {
        uint32_t nr = take_along(follow, p->dimm, &rest, &rc);

        if (!nr) {
            follow->changes.nr_doubtful += rest.nr_pages;
            vmm__past_add(&follow->next, &rest, p->reason,
                          follow->map[p->dimm], p->released_s);
            break;
        }
        rest.mfn += nr;
        rest.nr_pages -= nr;
        follow->changes.nr_back += nr;
    }
    return rc;
}

static int follow_past(struct follow *follow)
{
    const struct vmm__retirefile *old = follow->old;
    uint32_t i;
    int rc = 0;

    for (i = 0; !rc && i < old->nr_past; i++) {
        struct vmm_retired_past *p = &old->past[i];

        if (p->reason == VMM_RETIRE_REPLACED &&
            p->dimm != VMM_RETIRE_NO_DIMM && old->dimms[p->dimm].absent &&
            is_there(follow, p->dimm)) {
            rc = come_back(follow, p);
        } else {
            follow->next.past[follow->next.nr_past] = *p;
            follow->next.past[follow->next.nr_past++].dimm =
                next_index(follow, p->dimm);
        }
    }
    return rc;
}

uint64_t vmm_dimm_pages(const struct vmm_dimm *dimm, uint64_t mfn,
                        uint64_t nr_pages)
{
    uint64_t nr = 0;
    uint32_t i;

    for (i = 0; i < dimm->nr_ranges; i++) {
        uint64_t first = dimm->ranges[i].first_mfn;
        uint64_t end = first + dimm->ranges[i].nr_pages;

        first = first > mfn ? first : mfn;
        end = end < mfn + nr_pages ? end : mfn + nr_pages;
        nr += first < end ? end - first : 0;
    }
    return nr;
}

int vmm__dimms_follow(struct vmm__retirefile *file,
                      const struct vmm_dimm *dimms, uint32_t nr,
                      uint64_t now_s, struct vmm_dimm_changes *changes_out)
{
    struct follow follow = { .old = file, .nr_now = nr, .now_s = now_s };
    uint32_t i, j;
    int rc;

    rc = vmm__retirefile_init(&follow.next, 0);
    if (rc) {
        return rc;
    }
    follow.next.generation = file->generation;
    memcpy(follow.next.dimms, dimms, nr * sizeof(*dimms));
    follow.next.nr_dimms = nr;
    follow.all_known = true;
    for (j = 0; j < nr; j++) {
        follow.all_known &= *dimms[j].serial != '\0';
    }
    for (i = 0; i < file->nr_dimms; i++) {
        follow.map[i] = VMM_RETIRE_NO_DIMM;
        for (j = 0; j < nr; j++) {
            if (vmm_dimm_same(&file->dimms[i], &dimms[j])) {
                follow.map[i] = (uint16_t)j;
            }
        }
    }
    rc = follow_past(&follow);
    rc = rc ? rc : follow_entries(&follow);
    if (rc) {
        vmm__retirefile_free(&follow.next);
        return rc;
    }
    follow.changes.any = follow.changes.nr_gone ||
                         follow.changes.nr_elsewhere ||
                         follow.changes.nr_back ||
                         follow.next.nr_dimms != file->nr_dimms ||
                         memcmp(follow.next.dimms, file->dimms,
                                file->nr_dimms * sizeof(*dimms));
    vmm__retirefile_free(file);
    *file = follow.next;
    *changes_out = follow.changes;
    return 0;
}
