/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * state.h: a region in memory; for region/ alone.
 *
 * Locks, in this order: reap, points (writers of blocks share it, whoever
 * changes points has it alone), a stripe (of all blks of one leaf table),
 * tables, alloc.  Readers take none: they are inside `epoch', and pblks that
 * they may look at are not given away before they left.
 */
#ifndef VMM_REGION_STATE_H
#define VMM_REGION_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/epoch.h"
#include "base/slotmap.h"
#include "base/u64vec.h"
#include "region/region.h"

#define NR_STRIPES 64u
#define LIMBO_MAX 4096u
#define RECENT_MAX 1024u
#define GUESS_SURE (1ull << 63)

enum point_state {
    POINT_FREE = 0,
    POINT_LIVE,                 /* runs, or is a snapshot */
    POINT_CONDEMNED,            /* to be reaped */
};

struct point {
    _Atomic int state;          /* enum point_state */
    _Atomic uint64_t id;
    uint64_t seq, parent_id, created_s;
    uint32_t parent;
    char name[VMM__POINT_NAME_BYTES];
    /* Of pages that it owns; under the alloc lock. */
    struct vmm__u64vec tables, arrays;
    struct vmm__u64vec free_vbs;
};

/* pblks that a reader may still look at. */
struct limbo {
    uint64_t ticket;
    uint64_t pblk;
};

struct reaping {
    bool active;
    uint32_t point, heir;       /* heir: VMM__POINT_NONE if it has none */
    size_t next;                /* in the point's tables, or arrays */
    uint8_t *done;              /* a bit per pblk: leaf tables that are */
};

struct vmm__region {
    struct vmm__media media;
    struct vmm_logger logger;
    struct vmm__region_geometry geo;
    uint64_t super_seq;

    _Atomic uint64_t *roots;    /* word 0: the running one */
    struct vmm__point_rec *recs;
    _Atomic uint64_t *descs;
    _Atomic uint64_t *sums;

    struct point *points;
    _Atomic uint32_t running;
    uint64_t next_id;

    struct vmm__epoch epoch;
    pthread_rwlock_t points_lock;
    pthread_mutex_t stripes[NR_STRIPES];
    pthread_mutex_t tables_lock, alloc_lock, reap_lock, purge_lock;

    /* Under the alloc lock. */
    struct vmm__slotmap pblks, slots;
    struct limbo *limbo;        /* a ring */
    size_t limbo_first, limbo_nr;
    uint64_t *recent;           /* free again, the last first to be used */
    size_t recent_nr;
    uint64_t reserve;           /* pblks for metadata alone */

    /*
     * Per 512 blks: an array that probably has their entries, 0: none.  So
     * reading an entry need not wait for the tables; with GUESS_SURE, not even
     * look at them: the running point has none of these entries elsewhere.
     * Changed with the stripe, or with the points lock alone.  It is an array
     * as long as whoever read this is inside `epoch'.
     */
    _Atomic uint64_t *guesses;
    _Atomic uint8_t *heat;      /* per pblk: read since the last look */
    struct reaping reaping;
    struct purge_cursor {
        uint32_t point;
        size_t table;
        unsigned int index, wraps;  /* ... since something was found */
    } purge_next[VMM__PURGE_ANY + 1];
    uint64_t nr_slot_uses;      /* under the purge lock */
    _Atomic uint64_t nr_purged, nr_recalled, nr_lost;
};

static inline uint64_t word_load(const _Atomic uint64_t *at)
{
    return atomic_load_explicit(at, memory_order_acquire);
}

static inline void word_store(_Atomic uint64_t *at, uint64_t word)
{
    atomic_store_explicit(at, word, memory_order_release);
}

static inline void word_persist(struct vmm__region *r, _Atomic uint64_t *at,
                                uint64_t word)
{
    word_store(at, word);
    vmm__media_persist(&r->media, (const void *)at, sizeof(word));
}

static inline void *pblk_at(const struct vmm__region *r, uint64_t pblk)
{
    return r->media.base + pblk * VMM__BLOCK_BYTES;
}

static inline _Atomic uint64_t *page_at(const struct vmm__region *r,
                                        uint64_t pblk)
{
    return pblk_at(r, pblk);
}

static inline uint64_t guess_pblk(uint64_t guess)
{
    return guess & ~GUESS_SURE;
}

static inline _Atomic uint64_t *guess_at(const struct vmm__region *r,
                                         uint64_t blk)
{
    return &r->guesses[blk >> VMM__PAGE_WORDS_SHIFT];
}

/* alloc.c */

/* A pblk; data leave some for metadata.  VMM_E_NOSPC. */
int vmm__pblk_alloc(struct vmm__region *r, bool data, uint64_t *pblk_out);
/* Without those that readers may look at; with the alloc lock. */
static inline uint64_t vmm__pblks_free(const struct vmm__region *r)
{
    return r->geo.nr_pblks - r->pblks.nr_taken + r->recent_nr;
}
/* One that nobody has seen. */
void vmm__pblk_give(struct vmm__region *r, uint64_t pblk);
/* One that readers may look at. */
void vmm__pblk_retire(struct vmm__region *r, uint64_t pblk);
uint32_t vmm__slots_alloc(struct vmm__region *r, uint32_t nr,
                          uint64_t *first_out);
void vmm__slot_give(struct vmm__region *r, uint64_t slot);

/* pgtab.c */

/*
 * The word of `blk' in the leaf table below `root' (a ROOT word), or NULL if
 * there is no table; *leaf_out, if not NULL, is the leaf's pblk.
 */
_Atomic uint64_t *vmm__pgtab_find(const struct vmm__region *r, uint64_t root,
                                  uint64_t blk, uint64_t *leaf_out);
/* The pblk of the table of a level that `blk' is below; 0 if none. */
uint64_t vmm__pgtab_table(const struct vmm__region *r, uint64_t root,
                          unsigned int level, uint64_t blk);
/*
 * The same in tables of the running point, which are made or copied; with the
 * stripe.  VMM_E_NOSPC, VMM_E_NOMEM.
 */
int vmm__pgtab_own(struct vmm__region *r, uint64_t blk,
                   _Atomic uint64_t **word_out);
bool vmm__page_empty(const _Atomic uint64_t *words);
/* A page of metadata, its descriptor durable, in the point's list. */
int vmm__page_new(struct vmm__region *r, const struct vmm__desc *desc,
                  const void *contents, uint64_t *pblk_out);
/* Durably nobody's any more. */
void vmm__page_free(struct vmm__region *r, uint64_t pblk);

/* virtblock.c */

static inline _Atomic uint64_t *vb_at(const struct vmm__region *r,
                                      uint64_t vb)
{
    return page_at(r, vb >> VMM__PAGE_WORDS_SHIFT) + vb % VMM__PAGE_WORDS;
}

static inline uint64_t vb_word(uint64_t vb, enum vmm__loc loc,
                               uint64_t payload)
{
    return vmm__word_make(VMM__WORD_VB, vb % VMM__PAGE_WORDS,
                          (uint64_t)loc << VMM__LOC_SHIFT | payload);
}

static inline uint32_t vb_owner(const struct vmm__region *r, uint64_t vb)
{
    return vmm__desc_owner(word_load(&r->descs[vb >> VMM__PAGE_WORDS_SHIFT]));
}

/* The point of an id; VMM__POINT_NONE if it is gone. */
uint32_t vmm__point_of(const struct vmm__region *r, uint64_t id);
/* The virtblock of a block; 0: never written. */
uint64_t vmm__vb_of(const struct vmm__region *r, uint32_t point,
                    uint64_t blk);
/* What a word pointed to, and no longer does, durably. */
void vmm__vb_released(struct vmm__region *r, uint64_t word);
/*
 * Change an entry from one word to another, if it is still there and still
 * says so.
 */
bool vmm__vb_move(struct vmm__region *r, uint64_t vb, uint64_t from,
                  uint64_t to, bool durable);
/* Empty an entry that nobody refers to, and give its place to its owner. */
void vmm__vb_free(struct vmm__region *r, uint64_t vb);

/* snap.c */

/* An id says which point it is, and is used once. */
static inline uint32_t vmm__id_point(uint64_t id)
{
    return (uint32_t)id & 0x3fff;
}

/* With what the region was opened with: lost commits are undone. */
void vmm__points_recover(struct vmm__region *r);

/* Does the running point alone refer to an entry of another point? */
bool vmm__reap_left(struct vmm__region *r, uint64_t vb, uint64_t blk);

#endif
