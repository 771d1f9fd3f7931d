/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtblock.c: where the data of a block is.
 *
 * The order of every change: data durable, then the entry, then, if it is a
 * new one, the word of the leaf table that makes it the block's; only then is
 * what it replaces free.  One that is in no leaf table after a crash is found
 * and emptied when the region is opened.
 */
#include <assert.h>
#include <string.h>

#include "base/crc.h"
#include "base/log.h"
#include "region/state.h"

/* Points that are started while one block is read; then it is damage. */
#define MAX_TRIES 1000u

void vmm__vb_released(struct vmm__region *r, uint64_t word)
{
    switch (vmm__vb_loc(word)) {
    case VMM__LOC_NVM:
        vmm__pblk_retire(r, vmm__vb_payload(word));
        break;
    case VMM__LOC_TRANSIT:
        /* Who moves it will see, and let go of it. */
        break;
    case VMM__LOC_SLOT:
    case VMM__LOC_LOST:
        /* Who reads it now will see that the entry is another one. */
        if (vmm__vb_slot(word) != VMM__SLOT_NOWHERE) {
            vmm__slot_give(r, vmm__vb_slot(word));
        }
        break;
    default:
        break;
    }
}

void vmm__vb_free(struct vmm__region *r, uint64_t vb)
{
    uint64_t word = atomic_exchange(vb_at(r, vb), 0);
    struct vmm__desc desc;

    vmm__media_persist(&r->media, (const void *)vb_at(r, vb), sizeof(word));
    if (!word) {
        return;
    }
    vmm__vb_released(r, word);
    (void)vmm__desc_of(word_load(&r->descs[vb >> VMM__PAGE_WORDS_SHIFT]),
                       &desc);
    if (desc.level == VMM__ARRAY_PLACED) {
        return;
    }
    pthread_mutex_lock(&r->alloc_lock);
    /* Without memory its place is found again at the next open. */
    (void)vmm__u64vec_push(&r->points[desc.owner].free_vbs, vb);
    pthread_mutex_unlock(&r->alloc_lock);
}

/*
 * The entry of a block that was never written: its own in an array of its
 * neighbours, which are likely to be written as well.
 */
static int vb_place(struct vmm__region *r, uint64_t blk,
                    const _Atomic uint64_t *leaf_word, uint64_t *vb_out)
{
    struct vmm__desc desc, want = {
        .type = VMM__DESC_ARRAY,
        .level = VMM__ARRAY_PLACED,
        .owner = atomic_load_explicit(&r->running, memory_order_acquire),
        .base = blk & ~(uint64_t)(VMM__PAGE_WORDS - 1),
    };
    uint64_t pblk = guess_pblk(word_load(guess_at(r, blk)));
    int rc;

    /* The stripe is held: nobody else makes one. */
    if (!pblk || !vmm__desc_of(word_load(&r->descs[pblk]), &desc) ||
        desc.type != want.type || desc.level != want.level ||
        desc.owner != want.owner || desc.base != want.base) {
        rc = vmm__page_new(r, &want, NULL, &pblk);
        if (rc) {
            return rc;
        }
        word_store(guess_at(r, blk),
                   vmm__page_empty(leaf_word - blk % VMM__PAGE_WORDS)
                   ? pblk | GUESS_SURE : pblk);
    }
    *vb_out = pblk << VMM__PAGE_WORDS_SHIFT | blk % VMM__PAGE_WORDS;
    return 0;
}

/* An empty entry in an array of the running point. */
static int vb_alloc(struct vmm__region *r, uint64_t *vb_out)
{
    uint32_t running = atomic_load_explicit(&r->running,
                                            memory_order_acquire);
    struct vmm__desc desc = { .type = VMM__DESC_ARRAY, .owner = running };
    struct vmm__u64vec *vbs = &r->points[running].free_vbs;
    uint64_t pblk;
    unsigned int i;
    bool ok;
    int rc;

    for (;;) {
        pthread_mutex_lock(&r->alloc_lock);
        ok = vbs->nr > 0;
        if (ok) {
            *vb_out = vbs->v[--vbs->nr];
        }
        pthread_mutex_unlock(&r->alloc_lock);
        if (ok) {
            return 0;
        }

        rc = vmm__page_new(r, &desc, NULL, &pblk);
        if (rc) {
            return rc;
        }
        pthread_mutex_lock(&r->alloc_lock);
        ok = vmm__u64vec_reserve(vbs, VMM__PAGE_WORDS);
        for (i = VMM__PAGE_WORDS; ok && i-- > 0;) {
            (void)vmm__u64vec_push(vbs, pblk << VMM__PAGE_WORDS_SHIFT | i);
        }
        pthread_mutex_unlock(&r->alloc_lock);
        if (!ok) {
            return VMM_E_NOMEM;
        }
    }
}

/* The block is elsewhere from here on; points lock shared. */
static int place_block(struct vmm__region *r, uint64_t blk, enum vmm__loc loc,
                       uint64_t payload)
{
    _Atomic uint64_t *leaf_word;
    uint64_t vb = 0, old_vb, old = 0;
    int rc;

    rc = vmm__pgtab_own(r, blk, &leaf_word);
    if (rc) {
        return rc;
    }

    old_vb = vmm__word_value(word_load(leaf_word));
    if (old_vb && vb_owner(r, old_vb) ==
        atomic_load_explicit(&r->running, memory_order_acquire)) {
        old = atomic_exchange(vb_at(r, old_vb),
                              vb_word(old_vb, loc, payload));
        vmm__media_persist(&r->media, (const void *)vb_at(r, old_vb),
                           sizeof(old));
        vmm__vb_released(r, old);
        return 0;
    }

    rc = old_vb ? vb_alloc(r, &vb) : vb_place(r, blk, leaf_word, &vb);
    if (rc) {
        return rc;
    }
    if (old_vb) {
        word_store(guess_at(r, blk),
                   guess_pblk(word_load(guess_at(r, blk))));
    }
    word_persist(r, vb_at(r, vb), vb_word(vb, loc, payload));
    word_persist(r, leaf_word,
                 vmm__word_make(VMM__WORD_LEAF, blk % VMM__PAGE_WORDS, vb));
    if (old_vb && vmm__reap_left(r, old_vb, blk)) {
        vmm__vb_free(r, old_vb);
    }
    return 0;
}

static int set_block(struct vmm__region *r, uint64_t blk, enum vmm__loc loc,
                     uint64_t payload)
{
    pthread_mutex_t *stripe =
        &r->stripes[(blk >> VMM__PAGE_WORDS_SHIFT) % NR_STRIPES];
    int rc;

    pthread_rwlock_rdlock(&r->points_lock);
    pthread_mutex_lock(stripe);
    rc = place_block(r, blk, loc, payload);
    pthread_mutex_unlock(stripe);
    pthread_rwlock_unlock(&r->points_lock);
    return rc;
}

int vmm__region_write(struct vmm__region *r, uint64_t blk, const void *buf)
{
    uint64_t pblk;
    uint32_t value;
    int rc;

    if (blk >= r->geo.nr_blks) {
        return VMM_E_RANGE;
    }
    if (vmm__block_is_same(buf, &value)) {
        return set_block(r, blk, VMM__LOC_SAME, value);
    }

    rc = vmm__pblk_alloc(r, true, &pblk);
    if (rc) {
        return rc;
    }
    r->media.ops->copy(r->media.self, pblk_at(r, pblk), buf,
                       VMM__BLOCK_BYTES);
    vmm__media_drain(&r->media);
    /* What is new is not cold. */
    atomic_store_explicit(&r->heat[pblk], 1, memory_order_relaxed);
    rc = set_block(r, blk, VMM__LOC_NVM, pblk);
    if (rc) {
        vmm__pblk_give(r, pblk);
    }
    return rc;
}

int vmm__region_discard(struct vmm__region *r, uint64_t blk)
{
    if (blk >= r->geo.nr_blks) {
        return VMM_E_RANGE;
    }
    return set_block(r, blk, VMM__LOC_SAME, 0);
}

/* Inside an epoch. */
static int read_entry(struct vmm__region *r, uint64_t word, uint64_t vb,
                      void *buf, struct vmm__recall *recall_out)
{
    uint64_t payload = vmm__vb_payload(word);

    switch (vmm__vb_loc(word)) {
    case VMM__LOC_NVM:
    case VMM__LOC_TRANSIT:
        memcpy(buf, pblk_at(r, payload), VMM__BLOCK_BYTES);
        if (!atomic_load_explicit(&r->heat[payload], memory_order_relaxed)) {
            atomic_store_explicit(&r->heat[payload], 1, memory_order_relaxed);
        }
        return 0;
    case VMM__LOC_SAME:
        vmm__block_fill(buf, (uint32_t)payload);
        return 0;
    case VMM__LOC_SLOT:
        *recall_out = (struct vmm__recall){
            .slot = vmm__vb_slot(word),
            .vb = vb,
            .word = word,
            .crc32c = (uint32_t)word_load(&r->sums[vmm__vb_slot(word)]),
        };
        return VMM_E_AGAIN;
    case VMM__LOC_LOST:
        return VMM_E_LOST;
    case VMM__LOC_NONE:
        /* Its point was deleted while we were on our way. */
        return VMM_E_NOENT;
    default:
        return VMM_E_CHECKSUM;
    }
}

uint32_t vmm__point_of(const struct vmm__region *r, uint64_t id)
{
    uint32_t point = vmm__id_point(id);

    if (id == VMM__POINT_RUNNING) {
        return atomic_load_explicit(&r->running, memory_order_acquire);
    }
    return point < r->geo.nr_points &&
           atomic_load_explicit(&r->points[point].id,
                                memory_order_acquire) == id &&
           atomic_load_explicit(&r->points[point].state,
                                memory_order_acquire) == POINT_LIVE
           ? point : VMM__POINT_NONE;
}

uint64_t vmm__vb_of(const struct vmm__region *r, uint32_t point, uint64_t blk)
{
    const _Atomic uint64_t *leaf_word =
        vmm__pgtab_find(r, word_load(&r->roots[1 + point]), blk, NULL);

    return leaf_word ? vmm__word_value(word_load(leaf_word)) : 0;
}

/* Inside an epoch. */
static int read_point(struct vmm__region *r, uint32_t point, bool runs,
                      uint64_t blk, void *buf,
                      struct vmm__recall *recall_out)
{
    uint64_t array = word_load(guess_at(r, blk)), vb, seen;
    uint64_t guess = guess_pblk(array) << VMM__PAGE_WORDS_SHIFT |
                     blk % VMM__PAGE_WORDS;
    /*
     * Read before it is known to be the one: the processor goes on with it
     * while the tables are on their way.
     */
    uint64_t word = word_load(vb_at(r, guess));

    if (runs && array & GUESS_SURE && word) {
        return read_entry(r, word, guess, buf, recall_out);
    }
    vb = vmm__vb_of(r, point, blk);
    if (vb && vb != guess) {
        word = word_load(vb_at(r, vb));
    }
    /* Emptied, since the block has another one now? */
    while (vb && !word && (seen = vmm__vb_of(r, point, blk)) != vb) {
        vb = seen;
        word = word_load(vb_at(r, vb));
    }
    if (!vb) {
        /* Or its point has given up its root meanwhile. */
        if (atomic_load_explicit(&r->points[point].state,
                                 memory_order_acquire) != POINT_LIVE) {
            return VMM_E_NOENT;
        }
        vmm__block_fill(buf, 0);
        return 0;
    }
    return read_entry(r, word, vb, buf, recall_out);
}

int vmm__region_read(struct vmm__region *r, uint64_t id, uint64_t blk,
                     void *buf, struct vmm__recall *recall_out)
{
    struct vmm__epoch_reader *reader;
    unsigned int nr_tries = 0;
    uint32_t point;
    int rc;

    if (blk >= r->geo.nr_blks) {
        return VMM_E_RANGE;
    }

    do {
        reader = vmm__epoch_enter(&r->epoch);
        point = vmm__point_of(r, id);
        rc = point == VMM__POINT_NONE
             ? VMM_E_NOENT : read_point(r, point, id == VMM__POINT_RUNNING,
                                        blk, buf, recall_out);
        /* It may be another one by now, of the same number. */
        if (id != VMM__POINT_RUNNING && vmm__point_of(r, id) != point) {
            rc = VMM_E_NOENT;
        }
        vmm__epoch_exit(reader);
        /* The running point was another one a moment ago. */
    } while (rc == VMM_E_NOENT && id == VMM__POINT_RUNNING &&
             ++nr_tries < MAX_TRIES);

    return rc == VMM_E_NOENT && id == VMM__POINT_RUNNING ? VMM_E_CHECKSUM
                                                         : rc;
}

bool vmm__vb_move(struct vmm__region *r, uint64_t vb, uint64_t from,
                  uint64_t to, bool durable)
{
    struct vmm__epoch_reader *reader = vmm__epoch_enter(&r->epoch);
    struct vmm__desc desc;
    bool moved;

    /* What was an array may be data by now, but not while we are inside. */
    moved = vmm__desc_of(word_load(&r->descs[vb >> VMM__PAGE_WORDS_SHIFT]),
                         &desc) &&
            desc.type == VMM__DESC_ARRAY &&
            atomic_compare_exchange_strong(vb_at(r, vb), &from, to);
    if (moved && durable) {
        vmm__media_persist(&r->media, (const void *)vb_at(r, vb), sizeof(to));
    }
    vmm__epoch_exit(reader);
    return moved;
}

int vmm__region_recalled(struct vmm__region *r,
                         const struct vmm__recall *recall, const void *buf,
                         int rc, bool promote)
{
    uint64_t vb = recall->vb, pblk;

    if (!rc && vmm__crc32c(buf, VMM__BLOCK_BYTES) != recall->crc32c) {
        rc = VMM_E_CHECKSUM;
    }
    if (rc) {
        if (!vmm__vb_move(r, vb, recall->word,
                          vb_word(vb, VMM__LOC_LOST,
                                  vmm__vb_payload(recall->word)), true)) {
            return VMM_E_AGAIN;
        }
        atomic_fetch_add(&r->nr_lost, 1);
        vmm__log(&r->logger, VMM_LOG_ERROR, "slot %llu: block is lost (%s)",
                 (unsigned long long)recall->slot, vmm_error_text(rc));
        return VMM_E_LOST;
    }

    if (promote && !vmm__pblk_alloc(r, true, &pblk)) {
        r->media.ops->copy(r->media.self, pblk_at(r, pblk), buf,
                           VMM__BLOCK_BYTES);
        vmm__media_drain(&r->media);
        atomic_store_explicit(&r->heat[pblk], 1, memory_order_relaxed);
        if (!vmm__vb_move(r, vb, recall->word,
                          vb_word(vb, VMM__LOC_NVM, pblk), true)) {
            vmm__pblk_give(r, pblk);
            return VMM_E_AGAIN;
        }
        vmm__slot_give(r, recall->slot);
        atomic_fetch_add(&r->nr_recalled, 1);
        return 0;
    }

    /* The slot may have been another's when it was read. */
    return vmm__vb_move(r, vb, recall->word, recall->word, false)
           ? 0 : VMM_E_AGAIN;
}
