/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * regionfmt.h: what a region looks like on its media; vmm-region(5) has it
 * with drawings.
 *
 * Numbers: pblk, a block of the media, from 0; blk, a block of a region as its
 * users count; vb, the place of a virtblock entry, 512 * pblk of its array
 * page + index there; slot, a block of mass storage; point, an index in the
 * table of points.  All 64 bits wide in memory.
 *
 *   pblk 0, 1       the superblock, twice; the one with the higher valid `seq'
 *                   counts
 *   roots           a page: word 0 says which point runs; the rest, and what
 *                   pages follow, the root table of each point
 *   points          a pair of struct vmm__point_rec each, as the superblock
 *   desc            a word per pblk: table or array page, and whose
 *   sums            a word per slot: crc32c of what is there
 *   data            the rest: data, table and array pages
 *
 * All else are words of 8 bytes, changed by one store: 48 bits of value below
 * 16 bits that check it and its place.  All zeros: nothing.
 * Little-endian; words are used in place.
 */
#ifndef VMM_FORMAT_REGIONFMT_H
#define VMM_FORMAT_REGIONFMT_H

#include <stdbool.h>
#include <stdint.h>

#include "include/vmm.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "words are used in place");

#define VMM__BLOCK_BYTES 4096u
#define VMM__PAGE_WORDS 512u            /* of a table or array page */
#define VMM__PAGE_WORDS_SHIFT 9
#define VMM__REGION_MAX_PBLKS (1ull << 36)
#define VMM__REGION_MAX_BLKS (1ull << 36)
#define VMM__REGION_MAX_SLOTS ((1ull << 36) - 1)
#define VMM__REGION_MAX_POINTS 16383u
#define VMM__POINT_NAME_BYTES 64u       /* with its 0 */
#define VMM__POINT_NONE UINT32_MAX

/* Words. */

enum vmm__word_kind {
    VMM__WORD_RUNNING = 1,      /* value: point + 1; index 0 */
    VMM__WORD_ROOT,             /* pblk of a table; index: point */
    VMM__WORD_TABLE,            /* pblk of a lower table; index in its page */
    VMM__WORD_LEAF,             /* vb; index in its page */
    VMM__WORD_VB,               /* enum vmm__loc; index in its page */
    VMM__WORD_DESC,             /* enum vmm__desc_type; index: pblk */
    VMM__WORD_SUM,              /* VMM__SUM_SET | crc32c; index: slot */
};
#define VMM__WORD_VALUE_BITS 48
#define VMM__WORD_VALUE_MASK ((1ull << VMM__WORD_VALUE_BITS) - 1)
#define VMM__SUM_SET (1ull << 32)

uint64_t vmm__word_make(enum vmm__word_kind kind, uint64_t index,
                        uint64_t value);
/* Zero is good. */
bool vmm__word_good(enum vmm__word_kind kind, uint64_t index, uint64_t word);

static inline uint64_t vmm__word_value(uint64_t word)
{
    return word & VMM__WORD_VALUE_MASK;
}

/* Virtblocks: where a block is.  Payload: 45 bits. */
enum vmm__loc {
    VMM__LOC_NONE = 0,
    VMM__LOC_NVM,               /* pblk */
    VMM__LOC_TRANSIT,           /* the same, and on its way to storage */
    VMM__LOC_SLOT,              /* slot, and which of its uses this is */
    VMM__LOC_SAME,              /* 1,024 times the same 32 bits */
    VMM__LOC_LOST,              /* its last slot, or none: cannot be read */
    VMM__NR_LOCS
};
#define VMM__LOC_SHIFT 45
#define VMM__LOC_PAYLOAD_MASK ((1ull << VMM__LOC_SHIFT) - 1)

/*
 * A slot that is used again by the same entry must not make the same word: who
 * is still reading the slot's old contents would take them for the new.
 */
#define VMM__SLOT_BITS 36
#define VMM__SLOT_USES (1u << (VMM__LOC_SHIFT - VMM__SLOT_BITS))

static inline enum vmm__loc vmm__vb_loc(uint64_t word)
{
    return vmm__word_value(word) >> VMM__LOC_SHIFT;
}

static inline uint64_t vmm__vb_payload(uint64_t word)
{
    return word & VMM__LOC_PAYLOAD_MASK;
}

/* What is lost and was in no slot. */
#define VMM__SLOT_NOWHERE ((1ull << VMM__SLOT_BITS) - 1)

/* Of SLOT and LOST. */
static inline uint64_t vmm__vb_slot(uint64_t word)
{
    return word & ((1ull << VMM__SLOT_BITS) - 1);
}

/* Descriptors of pblks: nothing, or one of these. */
enum vmm__desc_type {
    VMM__DESC_TABLE = 1,
    VMM__DESC_ARRAY = 2,
};

struct vmm__desc {
    enum vmm__desc_type type;
    uint32_t owner;             /* point */
    uint32_t level;             /* TABLE: 0 has virtblocks; ARRAY: below */
    uint64_t base;              /* first blk, of a table's whole span */
};
/*
 * Arrays of level 0 take entries as they come, and have no base.  One of level
 * 1 has those of the 512 blks from its base on, each at its blk's place: who
 * reads can guess where an entry is before the table has said so.
 */
#define VMM__ARRAY_PACKED 0u
#define VMM__ARRAY_PLACED 1u
uint64_t vmm__desc_make(uint64_t pblk, const struct vmm__desc *desc);
/* False for a word that is zero or does not say a descriptor. */
bool vmm__desc_of(uint64_t word, struct vmm__desc *desc_out);

static inline uint32_t vmm__desc_owner(uint64_t word)
{
    return (uint32_t)(word >> 30) & 0x3fff;
}

/* The superblock. */

struct vmm__region_geometry {
    uint8_t uuid[16];
    uint64_t nr_pblks;          /* of the media */
    uint64_t nr_blks;           /* as its users see it */
    uint64_t nr_slots;          /* of mass storage; 0: none */
    uint32_t nr_points;         /* the running one as well */
    /* Derived. */
    uint64_t roots_pblk, points_pblk, desc_pblk, sums_pblk, data_pblk;
    unsigned int levels;        /* of page tables */
};

/*
 * VMM_E_RANGE: no region can be so; then *what_out says what.  Fills in what
 * is derived.
 */
int vmm__region_geometry_check(struct vmm__region_geometry *geo,
                               const char **what_out);

struct vmm__super {
    struct vmm__region_geometry geo;
    uint64_t seq;
    bool clean;                 /* closed; nothing is to be repaired */
};
void vmm__super_encode(const struct vmm__super *super, uint8_t *block_out);
/*
 * VMM_E_FORMAT: no superblock; VMM_E_VERSION: one that we must not touch;
 * VMM_E_CHECKSUM: a damaged one.
 */
int vmm__super_decode(const uint8_t *block, struct vmm__super *super_out);

/* Points: the running one and its snapshots. */

struct vmm__point_rec {
    uint64_t seq;               /* 0: never written */
    uint64_t id;                /* 0: nobody; else grows with time */
    uint64_t parent_id;         /* 0: none */
    uint64_t created_s;         /* since 1970 */
    uint32_t parent;            /* point, or VMM__POINT_NONE */
    uint32_t _res1;
    char name[VMM__POINT_NAME_BYTES];   /* empty: no snapshot */
    uint32_t _res2[5];
    uint32_t crc32c;            /* of all before it */
};
_Static_assert(sizeof(struct vmm__point_rec) == 128, "point record");

void vmm__point_seal(struct vmm__point_rec *rec);
bool vmm__point_good(const struct vmm__point_rec *rec);
/* A name: 1 to 63 of letters, digits, and any of . _ - : and no leading -. */
bool vmm__point_name_ok(const char *name);

/* 1,024 times the same 32 bits? */
bool vmm__block_is_same(const void *block, uint32_t *value_out);
void vmm__block_fill(void *block, uint32_t value);

#endif
