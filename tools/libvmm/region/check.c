/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check.c: is a region what it should be?
 *
 * Written apart from what opens regions, so that it finds what that does
 * wrong.  Everything on the media is walked and counted twice: from the
 * points down, and over all descriptors.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/slotmap.h"
#include "region/check.h"

#define TEXT_BYTES 160u

static void problem(struct check *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void problem(struct check *c, const char *fmt, ...)
{
    char text[TEXT_BYTES];
    va_list args;

    c->nr_problems++;
    if (!c->problem) {
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    c->problem(c->user, text);
}

/* What would put the problem that was told last right. */
static void fix(struct check *c, enum vmm__fix_kind kind, uint64_t at,
                uint64_t with)
{
    struct vmm__fix *fixes;

    if (c->nr_fixes == c->max_fixes) {
        size_t max = c->max_fixes * 2 + 64;

        fixes = realloc(c->fixes, max * sizeof(*fixes));
        if (!fixes) {
            c->nomem = true;
            return;
        }
        c->fixes = fixes;
        c->max_fixes = max;
    }
    c->fixes[c->nr_fixes++] = (struct vmm__fix){ kind, at, with };
    c->nr_fixable++;
}


static bool find_super(struct check *c)
{
    struct vmm__super supers[2];
    bool good[2];
    unsigned int i;

    for (i = 0; i < 2; i++) {
        int rc = c->media->len_bytes < 2 * VMM__BLOCK_BYTES ? VMM_E_FORMAT :
                 vmm__super_decode((const void *)vmm__check_words(c, i),
                                   &supers[i]);

        good[i] = !rc;
        /* The one that is not in use may be half written. */
        if (rc == VMM_E_VERSION) {
            problem(c, "superblock %u is of a later version", i);
            return false;
        }
    }
    if (!good[0] && !good[1]) {
        problem(c, "no valid superblock");
        return false;
    }
    i = !good[0] || (good[1] && supers[1].seq > supers[0].seq);
    c->super = supers[i];
    c->geo = supers[i].geo;
    if (c->geo.nr_pblks > c->media->len_bytes / VMM__BLOCK_BYTES) {
        problem(c, "the media has %llu blocks, the region %llu",
                (ull)c->media->len_bytes / VMM__BLOCK_BYTES,
                (ull)c->geo.nr_pblks);
        return false;
    }
    c->roots = vmm__check_words(c, c->geo.roots_pblk);
    c->recs = (const void *)vmm__check_words(c, c->geo.points_pblk);
    c->descs = vmm__check_words(c, c->geo.desc_pblk);
    c->sums = vmm__check_words(c, c->geo.sums_pblk);
    return true;
}

/* Points. */

static bool is_used(const struct check *c, uint32_t point)
{
    return point < c->geo.nr_points && c->points[point] &&
           c->points[point]->id;
}

static bool is_live(const struct check *c, uint32_t point)
{
    return is_used(c, point) &&
           (point == c->running || c->points[point]->name[0]);
}

/* The point itself, or one that it was made from. */
static bool is_ancestor(const struct check *c, uint32_t old, uint32_t point)
{
    uint32_t n = 0;

    while (point != old && n++ < c->geo.nr_points && is_used(c, point)) {
        point = c->points[point]->parent;
    }
    return point == old;
}

static void check_points(struct check *c)
{
    uint32_t i, j;

    for (i = 0; i < c->geo.nr_points; i++) {
        const struct vmm__point_rec *a = &c->recs[2 * i], *b = a + 1;
        bool a_good = vmm__point_good(a), b_good = vmm__point_good(b);

        c->points[i] = b_good && (!a_good || b->seq > a->seq) ? b :
                       a_good ? a : NULL;
        if (!c->points[i] && a->seq && b->seq) {
            problem(c, "point %u: both records are damaged", i);
        }
    }
    c->running = (uint32_t)vmm__word_value(c->roots[0]) - 1;
    if (!vmm__word_good(VMM__WORD_RUNNING, 0, c->roots[0]) ||
        !is_used(c, c->running)) {
        problem(c, "no point runs");
    }
    for (i = 0; i < c->geo.nr_points; i++) {
        const struct vmm__point_rec *p = c->points[i];

        if (!is_used(c, i)) {
            continue;
        }
        if ((p->id & 0x3fff) != i) {
            problem(c, "point %u has the id of another", i);
        }
        if (p->parent != VMM__POINT_NONE &&
            (!is_used(c, p->parent) || c->points[p->parent]->id >= p->id)) {
            problem(c, "point %u was made from none that is there", i);
        }
        if (!vmm__word_good(VMM__WORD_ROOT, i, c->roots[1 + i])) {
            problem(c, "point %u: its root is damaged", i);
        }
        for (j = 0; j < i; j++) {
            if (p->name[0] && is_used(c, j) &&
                !strcmp(p->name, c->points[j]->name)) {
                problem(c, "points %u and %u have the same name", i, j);
            }
        }
    }
}

/* Descriptors, and what they say is there. */

static void take(struct check *c, struct vmm__slotmap *map, uint64_t at,
                 uint64_t vb, const char *what)
{
    if (at >= map->nr_slots) {
        problem(c, "%s %llu is past the end", what, (ull)at);
        fix(c, VMM__FIX_ENTRY, vb, VMM__SLOT_NOWHERE);
    } else if (vmm__slotmap_taken(map, at)) {
        /* Nobody knows whose it is. */
        problem(c, "%s %llu is used twice", what, (ull)at);
        fix(c, map == &c->slots ? VMM__FIX_SLOT_TWICE : VMM__FIX_BLOCK_TWICE,
            at, 0);
    } else {
        vmm__slotmap_take(map, at);
    }
}

static void check_slot(struct check *c, uint64_t vb, uint64_t slot)
{
    static _Thread_local _Alignas(8) uint8_t block[VMM__BLOCK_BYTES];
    int rc;

    if (slot >= c->geo.nr_slots) {
        return;
    }
    if (!c->sums[slot] ||
        !vmm__word_good(VMM__WORD_SUM, slot, c->sums[slot])) {
        problem(c, "slot %llu has no checksum", (ull)slot);
        fix(c, VMM__FIX_ENTRY, vb, slot);
        return;
    }
    if (!c->store) {
        return;
    }
    rc = slot < c->store->nr_slots
         ? c->store->ops->read(c->store->self, slot, block) : VMM_E_RANGE;
    if (!rc && vmm__crc32c(block, sizeof(block)) != (uint32_t)c->sums[slot]) {
        rc = VMM_E_CHECKSUM;
    }
    if (rc) {
        problem(c, "slot %llu, of virtblock %llu: %s", (ull)slot, (ull)vb,
                vmm_error_text(rc));
        fix(c, VMM__FIX_ENTRY, vb, slot);
    }
}

static void check_entry(struct check *c, uint64_t vb, uint64_t word)
{
    uint64_t at = vmm__vb_payload(word);

    if (!vmm__word_good(VMM__WORD_VB, vb % VMM__PAGE_WORDS, word)) {
        problem(c, "virtblock %llu is damaged", (ull)vb);
        fix(c, VMM__FIX_ENTRY, vb, VMM__SLOT_NOWHERE);
        return;
    }
    switch (vmm__vb_loc(word)) {
    case VMM__LOC_NONE:
        break;
    case VMM__LOC_NVM:
    case VMM__LOC_TRANSIT:
        take(c, &c->pblks, at, vb, "block");
        break;
    case VMM__LOC_SLOT:
        take(c, &c->slots, vmm__vb_slot(word), vb, "slot");
        check_slot(c, vb, vmm__vb_slot(word));
        break;
    case VMM__LOC_LOST:
        if (vmm__vb_slot(word) != VMM__SLOT_NOWHERE) {
            take(c, &c->slots, vmm__vb_slot(word), vb, "slot");
        }
        break;
    case VMM__LOC_SAME:
        if (at <= UINT32_MAX) {
            break;
        }
        /* fallthrough */
    default:
        problem(c, "virtblock %llu is nowhere", (ull)vb);
        fix(c, VMM__FIX_ENTRY, vb, VMM__SLOT_NOWHERE);
    }
}

static bool desc_at(const struct check *c, uint64_t pblk,
                    struct vmm__desc *desc_out)
{
    return pblk >= c->geo.data_pblk && pblk < c->geo.nr_pblks &&
           vmm__word_good(VMM__WORD_DESC, pblk, c->descs[pblk]) &&
           vmm__desc_of(c->descs[pblk], desc_out) &&
           is_used(c, desc_out->owner) && desc_out->base < c->geo.nr_blks;
}

static void check_descs(struct check *c)
{
    uint64_t pblk, nr_arrays = 0;
    struct vmm__desc desc;
    unsigned int i;

    for (pblk = 0; pblk < c->geo.nr_pblks; pblk++) {
        uint64_t word = c->descs[pblk];

        c->array_index[pblk] = UINT64_MAX;
        if (pblk < c->geo.data_pblk) {
            vmm__slotmap_take(&c->pblks, pblk);
        }
        if (!word) {
            continue;
        }
        if (!desc_at(c, pblk, &desc)) {
            problem(c, "block %llu: its descriptor is damaged", (ull)pblk);
            continue;
        }
        vmm__slotmap_take(&c->pblks, pblk);
        if (desc.type == VMM__DESC_ARRAY) {
            c->array_index[pblk] = nr_arrays++;
        }
    }
    if (!vmm__slotmap_init(&c->referred, nr_arrays * VMM__PAGE_WORDS)) {
        c->nomem = true;
        return;
    }
    for (pblk = 0; pblk < c->geo.nr_pblks; pblk++) {
        for (i = 0; c->array_index[pblk] != UINT64_MAX &&
                    i < VMM__PAGE_WORDS; i++) {
            check_entry(c, pblk << VMM__PAGE_WORDS_SHIFT | i,
                        vmm__check_words(c, pblk)[i]);
        }
    }
}

/* From the points down. */

static void check_leaf_word(struct check *c, uint32_t owner, uint64_t pblk,
                            uint64_t base, unsigned int i, bool live)
{
    struct vmm__desc desc;
    uint64_t vb = vmm__word_value(vmm__check_words(c, pblk)[i]), bit, array;

    array = vb >> VMM__PAGE_WORDS_SHIFT;
    if (array >= c->geo.nr_pblks || c->array_index[array] == UINT64_MAX) {
        /* The word is good, so it is the array that is not known any more. */
        problem(c, "table %llu, %u: no virtblock there", (ull)pblk, i);
        return;
    }
    (void)vmm__desc_of(c->descs[array], &desc);
    if (desc.level == VMM__ARRAY_PLACED &&
        (desc.base != base || vb % VMM__PAGE_WORDS != i)) {
        problem(c, "table %llu, %u: a virtblock of another block", (ull)pblk,
                i);
        fix(c, VMM__FIX_LEAF, pblk << VMM__PAGE_WORDS_SHIFT | i, 0);
        return;
    }
    if (!is_ancestor(c, desc.owner, owner)) {
        problem(c, "table %llu, %u: a virtblock of a stranger", (ull)pblk, i);
        fix(c, VMM__FIX_LEAF, pblk << VMM__PAGE_WORDS_SHIFT | i, 0);
        return;
    }
    if (live && !vmm__check_words(c, array)[vb % VMM__PAGE_WORDS]) {
        problem(c, "table %llu, %u: virtblock %llu is empty", (ull)pblk, i,
                (ull)vb);
        fix(c, VMM__FIX_ENTRY, vb, VMM__SLOT_NOWHERE);
    }
    bit = c->array_index[array] << VMM__PAGE_WORDS_SHIFT |
          vb % VMM__PAGE_WORDS;
    if (!vmm__slotmap_taken(&c->referred, bit)) {
        vmm__slotmap_take(&c->referred, bit);
    }
}

static void check_table(struct check *c, uint32_t point, uint64_t pblk,
                        unsigned int level, uint64_t base, bool live)
{
    struct vmm__desc desc = { 0 };
    unsigned int i;

    if (!desc_at(c, pblk, &desc) || desc.type != VMM__DESC_TABLE ||
        desc.level != level || desc.base != base) {
        problem(c, "point %u: block %llu is not the table that it should be",
                point, (ull)pblk);
        return;
    }
    if (!is_ancestor(c, desc.owner, point)) {
        problem(c, "point %u: table %llu of a stranger", point, (ull)pblk);
    }
    if (c->reached[pblk]) {
        return;
    }
    c->reached[pblk] = 1;
    for (i = 0; i < VMM__PAGE_WORDS; i++) {
        uint64_t word = vmm__check_words(c, pblk)[i];

        if (!word) {
            continue;
        }
        if (!vmm__word_good(level ? VMM__WORD_TABLE : VMM__WORD_LEAF, i,
                            word)) {
            problem(c, "table %llu, %u is damaged", (ull)pblk, i);
            if (!level) {
                fix(c, VMM__FIX_LEAF, pblk << VMM__PAGE_WORDS_SHIFT | i, 0);
            }
        } else if (level) {
            check_table(c, point, vmm__word_value(word), level - 1,
                        base + ((uint64_t)i << level *
                                               VMM__PAGE_WORDS_SHIFT), live);
        } else {
            check_leaf_word(c, desc.owner, pblk, base, i, live);
        }
    }
}

static void check_trees(struct check *c)
{
    unsigned int live;
    uint32_t i;

    /* What live points share with others is checked for these. */
    for (live = 2; live-- > 0;) {
        for (i = 0; i < c->geo.nr_points; i++) {
            if (is_used(c, i) && is_live(c, i) == !!live &&
                c->roots[1 + i]) {
                check_table(c, i, vmm__word_value(c->roots[1 + i]),
                            c->geo.levels - 1, 0, live);
            }
        }
    }
}

/*
 * Tables that nothing leads to, as a crash or half a deletion leaves them, are
 * whole as well; those of a point that is there, if it was closed, are leaks.
 */
static void check_orphans(struct check *c)
{
    struct vmm__desc desc;
    uint64_t pblk;

    for (pblk = c->geo.data_pblk; pblk < c->geo.nr_pblks; pblk++) {
        if (!c->reached[pblk] && desc_at(c, pblk, &desc) &&
            desc.type == VMM__DESC_TABLE &&
            (is_live(c, desc.owner) ? !c->super.clean
                                    : c->roots[1 + desc.owner] != 0)) {
            check_table(c, desc.owner, pblk, desc.level, desc.base, false);
        }
    }
}

/* What is used, and nobody refers to it.  After a crash that is so. */
static void check_leaks(struct check *c)
{
    struct vmm__desc desc;
    uint64_t pblk;
    unsigned int i;

    for (pblk = c->geo.data_pblk; pblk < c->geo.nr_pblks; pblk++) {
        if (!desc_at(c, pblk, &desc) || !is_live(c, desc.owner)) {
            continue;
        }
        if (desc.type == VMM__DESC_TABLE) {
            if (!c->reached[pblk]) {
                problem(c, "table %llu: nothing leads there", (ull)pblk);
            }
            continue;
        }
        for (i = 0; i < VMM__PAGE_WORDS; i++) {
            if (vmm__check_words(c, pblk)[i] &&
                !vmm__slotmap_taken(&c->referred,
                                    c->array_index[pblk] <<
                                        VMM__PAGE_WORDS_SHIFT | i)) {
                problem(c, "virtblock %llu: nothing refers to it",
                        (ull)(pblk << VMM__PAGE_WORDS_SHIFT | i));
                fix(c, VMM__FIX_LEAK, pblk << VMM__PAGE_WORDS_SHIFT | i, 0);
            }
        }
    }
}

int vmm__check_walk(struct check *c)
{
    if (!find_super(c)) {
        return 0;
    }
    c->points = calloc(c->geo.nr_points, sizeof(c->points[0]));
    c->reached = calloc(c->geo.nr_pblks, 1);
    c->array_index = calloc(c->geo.nr_pblks, sizeof(c->array_index[0]));
    if (!vmm__slotmap_init(&c->pblks, c->geo.nr_pblks) ||
        !vmm__slotmap_init(&c->slots, c->geo.nr_slots) || !c->points ||
        !c->reached || !c->array_index) {
        return VMM_E_NOMEM;
    }

    check_points(c);
    check_descs(c);
    if (c->nomem) {
        return VMM_E_NOMEM;
    }
    check_trees(c);
    check_orphans(c);
    if (c->super.clean) {
        check_leaks(c);
    }
    return c->nomem ? VMM_E_NOMEM : 0;
}

void vmm__check_dispose(struct check *c)
{
    free(c->points);
    free(c->reached);
    free(c->array_index);
    free(c->fixes);
    vmm__slotmap_dispose(&c->pblks);
    vmm__slotmap_dispose(&c->slots);
    vmm__slotmap_dispose(&c->referred);
}

int vmm__region_check(const struct vmm__media *media,
                      const struct vmm__store *store,
                      void (*problem_)(void *user, const char *text),
                      void *user, uint64_t *nr_out)
{
    struct check c = {
        .media = media, .store = store, .problem = problem_, .user = user,
    };
    int rc = vmm__check_walk(&c);

    if (!rc) {
        *nr_out = c.nr_problems;
    }
    vmm__check_dispose(&c);
    return rc;
}
