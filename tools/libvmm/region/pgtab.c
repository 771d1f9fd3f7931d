/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pgtab.c: from a block to its virtblock.
 *
 * Tables are shared by points until the running one writes: then it has
 * copies of its own, from the root down, so that what is above an own table is
 * own as well.  A copy is durable before anything points to it.
 */
#include <assert.h>
#include <string.h>

#include "region/state.h"

static unsigned int index_at(unsigned int level, uint64_t blk)
{
    return blk >> level * VMM__PAGE_WORDS_SHIFT & (VMM__PAGE_WORDS - 1);
}

uint64_t vmm__pgtab_table(const struct vmm__region *r, uint64_t root,
                          unsigned int level, uint64_t blk)
{
    uint64_t pblk = vmm__word_value(root);
    unsigned int l;

    for (l = r->geo.levels - 1; pblk && l > level; l--) {
        pblk = vmm__word_value(word_load(page_at(r, pblk) +
                                         index_at(l, blk)));
    }
    return pblk;
}

_Atomic uint64_t *vmm__pgtab_find(const struct vmm__region *r, uint64_t root,
                                  uint64_t blk, uint64_t *leaf_out)
{
    uint64_t leaf = vmm__pgtab_table(r, root, 0, blk);

    if (leaf_out) {
        *leaf_out = leaf;
    }
    return leaf ? page_at(r, leaf) + index_at(0, blk) : NULL;
}

bool vmm__page_empty(const _Atomic uint64_t *words)
{
    unsigned int i;

    for (i = 0; i < VMM__PAGE_WORDS; i++) {
        if (word_load(&words[i])) {
            return false;
        }
    }
    return true;
}

int vmm__page_new(struct vmm__region *r, const struct vmm__desc *desc,
                  const void *contents, uint64_t *pblk_out)
{
    struct point *owner = &r->points[desc->owner];
    struct vmm__u64vec *pages = desc->type == VMM__DESC_TABLE ? &owner->tables
                                                             : &owner->arrays;
    uint64_t pblk;
    bool ok;
    int rc;

    rc = vmm__pblk_alloc(r, false, &pblk);
    if (rc) {
        return rc;
    }
    if (contents) {
        memcpy(pblk_at(r, pblk), contents, VMM__BLOCK_BYTES);
    } else {
        memset(pblk_at(r, pblk), 0, VMM__BLOCK_BYTES);
    }
    vmm__media_persist(&r->media, pblk_at(r, pblk), VMM__BLOCK_BYTES);
    word_persist(r, &r->descs[pblk], vmm__desc_make(pblk, desc));

    pthread_mutex_lock(&r->alloc_lock);
    ok = vmm__u64vec_push(pages, pblk);
    pthread_mutex_unlock(&r->alloc_lock);
    if (!ok) {
        vmm__page_free(r, pblk);
        return VMM_E_NOMEM;
    }
    *pblk_out = pblk;
    return 0;
}

void vmm__page_free(struct vmm__region *r, uint64_t pblk)
{
    struct vmm__desc desc;

    (void)vmm__desc_of(word_load(&r->descs[pblk]), &desc);
    if (guess_pblk(word_load(guess_at(r, desc.base))) == pblk) {
        word_store(guess_at(r, desc.base), 0);
    }
    word_persist(r, &r->descs[pblk], 0);
    vmm__pblk_retire(r, pblk);
}

/* An own table of that level in place of what `at' says. */
static int own_table(struct vmm__region *r, uint32_t running,
                     _Atomic uint64_t *at, enum vmm__word_kind kind,
                     uint64_t index, unsigned int level, uint64_t blk)
{
    uint64_t word = word_load(at), pblk = vmm__word_value(word);
    struct vmm__desc desc = {
        .type = VMM__DESC_TABLE,
        .owner = running,
        .level = level,
        .base = blk >> (level + 1) * VMM__PAGE_WORDS_SHIFT
                    << (level + 1) * VMM__PAGE_WORDS_SHIFT,
    };
    int rc;

    if (pblk && vmm__desc_owner(word_load(&r->descs[pblk])) == running) {
        return 0;
    }
    rc = vmm__page_new(r, &desc, pblk ? pblk_at(r, pblk) : NULL, &pblk);
    if (rc) {
        return rc;
    }
    word_persist(r, at, vmm__word_make(kind, index, pblk));
    return 0;
}

int vmm__pgtab_own(struct vmm__region *r, uint64_t blk,
                   _Atomic uint64_t **word_out)
{
    uint32_t running = atomic_load_explicit(&r->running,
                                            memory_order_acquire);
    _Atomic uint64_t *at = &r->roots[1 + running];
    enum vmm__word_kind kind = VMM__WORD_ROOT;
    uint64_t index = running, leaf;
    unsigned int level = r->geo.levels;
    int rc = 0;

    *word_out = vmm__pgtab_find(r, word_load(at), blk, &leaf);
    if (leaf && vmm__desc_owner(word_load(&r->descs[leaf])) == running) {
        return 0;
    }

    pthread_mutex_lock(&r->tables_lock);
    while (level-- > 0) {
        rc = own_table(r, running, at, kind, index, level, blk);
        if (rc) {
            break;
        }
        index = index_at(level, blk);
        at = page_at(r, vmm__word_value(word_load(at))) + index;
        kind = VMM__WORD_TABLE;
    }
    pthread_mutex_unlock(&r->tables_lock);
    *word_out = at;
    return rc;
}
