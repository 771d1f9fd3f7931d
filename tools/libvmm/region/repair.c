/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * repair.c: what the checker found, put right as far as that can be.
 *
 * Nothing is made up.  A virtblock of which is not known for sure where it is
 * becomes lost, as does a block of which is not known which virtblock it has:
 * who reads it is told so.  If there is one problem of another kind, such as a
 * table that cannot be found or a point of which no record is good, nothing
 * is written.
 *
 * Each step leaves a region that another repair can finish: an entry is one
 * store; a leaf table's word comes after the entry that it leads to.
 */
#include <string.h>

#include "region/check.h"

#define MAX_ROUNDS 4u

struct repair {
    struct check check;
    uint64_t array;             /* a new one, with lost entries; 0: none */
    unsigned int nr_used;       /* of it */
};

static uint64_t lost_word(uint64_t vb, uint64_t slot)
{
    return vb_word(vb, VMM__LOC_LOST, slot);
}

static void persist(const struct repair *r, uint64_t *at, uint64_t word)
{
    *at = word;
    vmm__media_persist(r->check.media, at, sizeof(word));
}

static uint64_t *word_at(const struct repair *r, uint64_t vb)
{
    return (uint64_t *)(void *)(r->check.media->base +
                                (vb >> VMM__PAGE_WORDS_SHIFT) *
                                    VMM__BLOCK_BYTES) + vb % VMM__PAGE_WORDS;
}

/* All entries that say that they are there. */
static void lose_all(const struct repair *r, bool slots, uint64_t where)
{
    const struct check *c = &r->check;
    uint64_t pblk, vb, word;
    unsigned int i;

    for (pblk = c->geo.data_pblk; pblk < c->geo.nr_pblks; pblk++) {
        for (i = 0; c->array_index[pblk] != UINT64_MAX &&
                    i < VMM__PAGE_WORDS; i++) {
            enum vmm__loc loc;

            vb = pblk << VMM__PAGE_WORDS_SHIFT | i;
            word = *word_at(r, vb);
            loc = vmm__vb_loc(word);
            if (slots ? (loc == VMM__LOC_SLOT || loc == VMM__LOC_LOST) &&
                        vmm__vb_slot(word) == where
                      : (loc == VMM__LOC_NVM || loc == VMM__LOC_TRANSIT) &&
                        vmm__vb_payload(word) == where) {
                persist(r, word_at(r, vb),
                        lost_word(vb, VMM__SLOT_NOWHERE));
            }
        }
    }
}

static uint64_t bit_of(const struct check *c, uint64_t vb)
{
    return c->array_index[vb >> VMM__PAGE_WORDS_SHIFT]
               << VMM__PAGE_WORDS_SHIFT | vb % VMM__PAGE_WORDS;
}

/*
 * The entry that a leaf table's damaged word must have led to: a point has at
 * most one of its own for a block, and a place for it is known.  0: not known.
 */
static uint64_t own_entry(const struct repair *r,
                          const struct vmm__desc *leaf, unsigned int i)
{
    const struct check *c = &r->check;
    struct vmm__desc desc;
    uint64_t pblk, vb;

    for (pblk = c->geo.data_pblk; pblk < c->geo.nr_pblks; pblk++) {
        vb = pblk << VMM__PAGE_WORDS_SHIFT | i;
        if (c->array_index[pblk] != UINT64_MAX &&
            vmm__desc_of(c->descs[pblk], &desc) &&
            desc.level == VMM__ARRAY_PLACED && desc.owner == leaf->owner &&
            desc.base == leaf->base && *word_at(r, vb) &&
            !vmm__slotmap_taken(&c->referred, bit_of(c, vb))) {
            return vb;
        }
    }
    return 0;
}

/* A page for entries of blocks of which nothing else is known. */
static bool make_array(struct repair *r, uint32_t owner)
{
    struct vmm__desc desc = { .type = VMM__DESC_ARRAY, .owner = owner };
    struct check *c = &r->check;
    uint64_t *descs = (uint64_t *)(uintptr_t)c->descs;
    uint8_t *page;

    if (vmm__slotmap_alloc(&c->pblks, 1, &r->array) != 1) {
        return false;
    }
    page = c->media->base + r->array * VMM__BLOCK_BYTES;
    memset(page, 0, VMM__BLOCK_BYTES);
    vmm__media_persist(c->media, page, VMM__BLOCK_BYTES);
    persist(r, &descs[r->array], vmm__desc_make(r->array, &desc));
    r->nr_used = 0;
    return true;
}

/* vb: what it led to; 0: not known. */
static int fix_leaf(struct repair *r, uint64_t at, uint64_t vb)
{
    const struct check *c = &r->check;
    struct vmm__desc leaf, array;

    (void)vmm__desc_of(c->descs[at >> VMM__PAGE_WORDS_SHIFT], &leaf);
    if (!vb) {
        if (!r->array || r->nr_used == VMM__PAGE_WORDS ||
            !vmm__desc_of(c->descs[r->array], &array) ||
            array.owner != leaf.owner) {
            if (!make_array(r, leaf.owner)) {
                return VMM_E_NOSPC;
            }
        }
        vb = r->array << VMM__PAGE_WORDS_SHIFT | r->nr_used++;
        persist(r, word_at(r, vb), lost_word(vb, VMM__SLOT_NOWHERE));
    }
    persist(r, word_at(r, at),
            vmm__word_make(VMM__WORD_LEAF, at % VMM__PAGE_WORDS, vb));
    return 0;
}

static void fix_entries(struct repair *r)
{
    const struct check *c = &r->check;
    size_t i;

    for (i = 0; i < c->nr_fixes; i++) {
        const struct vmm__fix *fix = &c->fixes[i];

        switch (fix->kind) {
        case VMM__FIX_ENTRY:
            persist(r, word_at(r, fix->at),
                    vmm__slotmap_taken(&c->referred, bit_of(c, fix->at))
                    ? lost_word(fix->at, fix->with) : 0);
            break;
        case VMM__FIX_BLOCK_TWICE:
            lose_all(r, false, fix->at);
            break;
        case VMM__FIX_SLOT_TWICE:
            lose_all(r, true, fix->at);
            break;
        default:
            break;
        }
    }
}

/*
 * What nothing refers to goes before the words are written that it may have
 * been for: the other way round, another repair would not know why it is.
 */
static int fix_leaves(struct repair *r)
{
    struct check *c = &r->check;
    struct vmm__desc leaf;
    size_t i;
    int rc = 0;

    for (i = 0; i < c->nr_fixes; i++) {
        struct vmm__fix *fix = &c->fixes[i];

        if (fix->kind == VMM__FIX_LEAF) {
            (void)vmm__desc_of(c->descs[fix->at >> VMM__PAGE_WORDS_SHIFT],
                               &leaf);
            fix->with = own_entry(r, &leaf, fix->at % VMM__PAGE_WORDS);
            if (fix->with) {
                vmm__slotmap_take(&c->referred, bit_of(c, fix->with));
            }
        }
    }
    for (i = 0; i < c->nr_fixes; i++) {
        if (c->fixes[i].kind == VMM__FIX_LEAK &&
            !vmm__slotmap_taken(&c->referred, bit_of(c, c->fixes[i].at))) {
            persist(r, word_at(r, c->fixes[i].at), 0);
        }
    }
    for (i = 0; !rc && i < c->nr_fixes; i++) {
        if (c->fixes[i].kind == VMM__FIX_LEAF) {
            rc = fix_leaf(r, c->fixes[i].at, c->fixes[i].with);
        }
    }
    return rc;
}

/* Is an entry damaged itself?  Then it is in the place of an empty one. */
static bool is_damaged(const struct check *c, uint64_t vb)
{
    size_t i;

    for (i = 0; i < c->nr_fixes; i++) {
        if (c->fixes[i].kind == VMM__FIX_ENTRY && c->fixes[i].at == vb) {
            return true;
        }
    }
    return false;
}

/*
 * What nothing refers to was a block's whose word is zero now, and would read
 * as such: only if there are words that say that they are damaged, it is one
 * of theirs.
 */
static bool can_be(const struct check *c)
{
    size_t i;
    bool leaves = false, leaks = false;

    for (i = 0; i < c->nr_fixes; i++) {
        leaves |= c->fixes[i].kind == VMM__FIX_LEAF;
        leaks |= c->fixes[i].kind == VMM__FIX_LEAK &&
                 !is_damaged(c, c->fixes[i].at);
    }
    return c->nr_fixable == c->nr_problems && (leaves || !leaks);
}

static int once(const struct vmm__media *media,
                const struct vmm__store *store,
                void (*problem)(void *user, const char *text), void *user,
                uint64_t *nr_out)
{
    struct repair r = {
        .check = {
            .media = media, .store = store, .problem = problem, .user = user,
        },
    };
    int rc;

    rc = vmm__check_walk(&r.check);
    *nr_out = r.check.nr_problems;
    if (!rc && !can_be(&r.check)) {
        rc = VMM_E_CHECKSUM;
    }
    if (!rc && r.check.nr_problems) {
        fix_entries(&r);
        rc = fix_leaves(&r);
    }
    vmm__check_dispose(&r.check);
    return rc;
}

int vmm__region_repair(const struct vmm__media *media,
                       const struct vmm__store *store,
                       void (*problem)(void *user, const char *text),
                       void *user, uint64_t *nr_out,
                       uint64_t *nr_repaired_out)
{
    uint64_t nr_left;
    unsigned int i;
    int rc;

    *nr_repaired_out = 0;
    rc = once(media, store, problem, user, nr_out);
    /* One that is damaged twice shows that only now. */
    for (i = 0, nr_left = *nr_out; !rc && nr_left && i < MAX_ROUNDS; i++) {
        rc = once(media, store, NULL, NULL, &nr_left);
    }
    if (!rc && nr_left) {
        rc = VMM_E_CHECKSUM;
    }
    if (!rc) {
        *nr_repaired_out = *nr_out;
    }
    return rc == VMM_E_CHECKSUM ? 0 : rc;
}
