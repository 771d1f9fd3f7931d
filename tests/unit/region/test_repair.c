/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_repair.c: every word of a region's metadata damaged in turn, and many
 * at once: what is repaired has each block as it was, or says that it is lost;
 * what cannot be is left as it is.  The power fails after each store.
 */
#include "region/repair.c"

#include <stdlib.h>

#include "base/crc.h"
#include "port/media_dram.h"
#include "tests/lib/last_log.h"
#include "tests/lib/ut.h"

#define NR_PBLKS 96u
#define NR_BLKS 1100u
#define NR_SLOTS 16u
#define NR_USED 9u
#define IMAGE_BYTES ((size_t)NR_PBLKS * VMM__BLOCK_BYTES)
#define NR_WORDS (IMAGE_BYTES / 8)
#define NR_POINTS 3u

static const uint64_t blks[NR_USED] = {
    0, 1, 2, 3, 510, 512, 513, 1024, 1099,
};
static uint8_t good[IMAGE_BYTES], before[IMAGE_BYTES];
static uint8_t slots[NR_SLOTS][VMM__BLOCK_BYTES];
static struct vmm__media media;
static struct vmm__region *region;
static struct vmm__region_geometry geo;
static uint64_t page[VMM__BLOCK_BYTES / 8];
static uint64_t ids[NR_POINTS], expected[NR_POINTS][NR_USED];

/* Media that lose power after some stores; 0: never. */
static const struct vmm__media_ops *real_ops;
static struct vmm__media_ops ops;
static uint8_t durable[IMAGE_BYTES];
static unsigned int nr_flushes, cut_at;

static void flush(void *self, const void *at, size_t len)
{
    size_t from = (size_t)((const uint8_t *)at - media.base);

    (void)self;
    if (!cut_at || ++nr_flushes < cut_at) {
        memcpy(durable + from, at, len);
    }
}

static int slot_read(void *self, uint64_t slot, void *buf)
{
    (void)self;
    memcpy(buf, slots[slot], VMM__BLOCK_BYTES);
    return 0;
}

static const struct vmm__store_ops store_ops = { .read = slot_read };
static const struct vmm__store store = {
    .ops = &store_ops, .nr_slots = NR_SLOTS,
};

static void put(unsigned int i, uint64_t value)
{
    unsigned int w;

    for (w = 0; w < VMM__BLOCK_BYTES / 8; w++) {
        page[w] = value + (value % 5 ? w : 0);
    }
    CU_ASSERT_EQUAL(vmm__region_write(region, blks[i], page), 0);
}

static void purge(unsigned int max)
{
    struct vmm__purge purges[4];
    unsigned int nr, i;
    bool end;

    do {
        nr = vmm__region_purge_pick(region, VMM__PURGE_ANY, max, purges,
                                    &end);
        for (i = 0; i < nr; i++) {
            memcpy(slots[purges[i].slot], purges[i].data, VMM__BLOCK_BYTES);
        }
    } while (!nr && !end);
    vmm__region_purged(region, purges, nr, 0);
}

/* The value of a block; 0 with *rc_out. */
static uint64_t get(uint64_t id, unsigned int i, int *rc_out)
{
    struct vmm__recall recall;
    int rc;

    rc = vmm__region_read(region, id, blks[i], page, &recall);
    if (rc == VMM_E_AGAIN) {
        memcpy(page, slots[recall.slot], VMM__BLOCK_BYTES);
        rc = vmm__region_recalled(region, &recall, page, 0, false);
    }
    *rc_out = rc;
    return rc ? 0 : page[0] + page[511] * 1000003;
}

/* Two snapshots and what runs: in NVM, in storage, same-filled, lost. */
static void make(void)
{
    unsigned int p, i;
    int rc;

    geo = (struct vmm__region_geometry){
        .nr_blks = NR_BLKS, .nr_slots = NR_SLOTS, .nr_points = 5,
    };
    CU_ASSERT_EQUAL_FATAL(vmm__media_dram_open(IMAGE_BYTES, &media), 0);
    CU_ASSERT_EQUAL_FATAL(vmm__region_create(&media, &geo, true, &logger), 0);
    CU_ASSERT_EQUAL_FATAL(vmm__region_open(&media, &logger, &region), 0);
    for (i = 0; i < NR_USED; i++) {
        put(i, 10 + i);
    }
    CU_ASSERT_EQUAL(vmm__region_snapshot(region, "a", 0), 0);
    purge(3);
    for (i = 0; i < NR_USED; i += 2) {
        put(i, 20 + i);
    }
    CU_ASSERT_EQUAL(vmm__region_snapshot(region, "b", 0), 0);
    put(1, 33);
    put(5, 35);
    purge(2);
    CU_ASSERT_EQUAL(vmm__region_find_snapshot(region, "a", &ids[1]), 0);
    CU_ASSERT_EQUAL(vmm__region_find_snapshot(region, "b", &ids[2]), 0);
    for (p = 0; p < NR_POINTS; p++) {
        for (i = 0; i < NR_USED; i++) {
            expected[p][i] = get(ids[p], i, &rc);
            CU_ASSERT_EQUAL(rc, 0);
        }
    }
    vmm__region_close(region);
    memcpy(good, media.base, IMAGE_BYTES);
    real_ops = media.ops;
    ops = *real_ops;
    ops.flush = flush;
}

static uint64_t nr_problems(void)
{
    uint64_t nr = 0;

    CU_ASSERT_EQUAL_FATAL(vmm__region_check(&media, &store, NULL, NULL, &nr),
                          0);
    return nr;
}

/* How many blocks are lost; none is another. */
static unsigned int compare(void)
{
    unsigned int p, i, nr_lost = 0;
    uint64_t value;
    int rc;

    CU_ASSERT_EQUAL_FATAL(vmm__region_open(&media, &logger, &region), 0);
    for (p = 0; p < NR_POINTS; p++) {
        for (i = 0; i < NR_USED; i++) {
            value = get(ids[p], i, &rc);
            CU_ASSERT_TRUE(rc ? rc == VMM_E_LOST : value == expected[p][i]);
            nr_lost += rc != 0;
        }
    }
    vmm__region_close(region);
    CU_ASSERT_EQUAL(nr_problems(), 0);
    return nr_lost;
}

/* Of what is damaged now; 1: repaired, 0: it cannot be. */
static int repair(unsigned int *nr_lost_out)
{
    uint64_t nr, nr_repaired;
    int rc;

    memcpy(before, media.base, IMAGE_BYTES);
    rc = vmm__region_repair(&media, &store, NULL, NULL, &nr, &nr_repaired);
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT_TRUE(nr > 0);
    if (!nr_repaired) {
        return 0;
    }
    CU_ASSERT_EQUAL(nr, nr_repaired);
    *nr_lost_out = compare();
    return 1;
}

static bool is_metadata(uint64_t pblk)
{
    const uint64_t *descs = (const void *)(good + geo.desc_pblk *
                                                      VMM__BLOCK_BYTES);

    return pblk >= 2 && (pblk < geo.data_pblk || descs[pblk]);
}

/* Which kinds of words can be damaged and put right: by their place. */
static void repair__each_word(void)
{
    unsigned int nr_found = 0, nr_repaired = 0, nr_lost, how;
    struct vmm__desc desc;
    uint64_t at, *words;

    make();
    words = (void *)media.base;
    for (at = 0; at < NR_WORDS; at++) {
        uint64_t pblk = at / VMM__PAGE_WORDS;
        bool entry, leaf;

        if (!is_metadata(pblk) || (!((uint64_t *)(void *)good)[at] &&
                                   at % 97)) {
            continue;
        }
        entry = pblk >= geo.data_pblk &&
                vmm__desc_of(((uint64_t *)(void *)good)
                             [geo.desc_pblk * VMM__PAGE_WORDS + pblk],
                             &desc) && desc.type == VMM__DESC_ARRAY;
        leaf = pblk >= geo.data_pblk && !entry && !desc.level;
        for (how = 0; how < 3; how++) {
            memcpy(media.base, good, IMAGE_BYTES);
            words[at] = how == 0 ? words[at] ^ 1ull << at % 64 :
                        how == 1 ? 0 : words[at] + 0x100000001;
            if (!nr_problems()) {
                continue;
            }
            nr_found++;
            if (repair(&nr_lost)) {
                nr_repaired++;
                /* Two may say that they are in one place. */
                CU_ASSERT_TRUE(nr_lost <= 2 * NR_POINTS);
            } else {
                CU_ASSERT_EQUAL(memcmp(before, media.base, IMAGE_BYTES), 0);
                /* These can be, unless it is gone without a trace. */
                CU_ASSERT_TRUE(how == 1 || (!entry && !leaf));
            }
        }
    }
    printf("repair: %u of %u damaged words\n", nr_repaired, nr_found);
    CU_ASSERT_TRUE(nr_repaired > 40 && nr_found > nr_repaired);
    vmm__media_dram_close(&media);
}

/* Many at once, of those that can be. */
static void damage_some(unsigned int *state)
{
    uint64_t *words = (void *)media.base;
    unsigned int n = 1 + (unsigned int)rand_r(state) % 6;
    struct vmm__desc desc;

    memcpy(media.base, good, IMAGE_BYTES);
    while (n) {
        uint64_t pblk = geo.data_pblk + (unsigned int)rand_r(state) %
                                            (NR_PBLKS - geo.data_pblk);
        uint64_t at = pblk * VMM__PAGE_WORDS +
                      (unsigned int)rand_r(state) % 8;

        if (vmm__desc_of(words[geo.desc_pblk * VMM__PAGE_WORDS + pblk],
                         &desc) &&
            (desc.type == VMM__DESC_ARRAY || !desc.level)) {
            words[at] = (uint64_t)rand_r(state) << 32 |
                        (unsigned int)rand_r(state);
            n--;
        }
    }
}

static void repair__many_words(void)
{
    unsigned int state = 7, i, nr_lost, nr = 0;

    make();
    for (i = 0; i < 300; i++) {
        damage_some(&state);
        if (nr_problems() && repair(&nr_lost)) {
            nr++;
        }
    }
    CU_ASSERT_TRUE(nr > 250);
    vmm__media_dram_close(&media);
}

static void repair__two_entries_of_a_block(void)
{
    uint64_t *words, at, first = 0;
    unsigned int nr_lost = 0;
    struct vmm__desc desc;

    make();
    words = (void *)media.base;
    for (at = geo.data_pblk * VMM__PAGE_WORDS; at < NR_WORDS; at++) {
        if (!vmm__desc_of(words[geo.desc_pblk * VMM__PAGE_WORDS +
                                at / VMM__PAGE_WORDS], &desc) ||
            desc.type != VMM__DESC_ARRAY ||
            vmm__vb_loc(words[at]) != VMM__LOC_NVM) {
            continue;
        }
        if (!first) {
            first = at;
            continue;
        }
        words[at] = vmm__word_make(VMM__WORD_VB, at % VMM__PAGE_WORDS,
                                   vmm__word_value(words[first]));
        break;
    }
    CU_ASSERT_TRUE(nr_problems() > 0);
    CU_ASSERT_EQUAL(repair(&nr_lost), 1);
    CU_ASSERT_TRUE(nr_lost >= 2);
    vmm__media_dram_close(&media);
}

static void repair__storage(void)
{
    unsigned int nr_lost = 0, i, nr = 0;
    uint64_t nr_found;

    make();
    for (i = 0; i < NR_SLOTS; i++) {
        slots[i][77] ^= 4;
    }
    nr_found = nr_problems();
    CU_ASSERT_EQUAL(nr_found, 5);
    /* Without the storage there is nothing wrong. */
    CU_ASSERT_EQUAL(vmm__region_check(&media, NULL, NULL, NULL, &nr_found),
                    0);
    CU_ASSERT_EQUAL(nr_found, 0);
    CU_ASSERT_EQUAL(repair(&nr_lost), 1);
    CU_ASSERT_TRUE(nr_lost >= 5);
    /* And what is written again is there again. */
    CU_ASSERT_EQUAL_FATAL(vmm__region_open(&media, &logger, &region), 0);
    for (i = 0; i < NR_USED; i++) {
        int rc;

        put(i, 50 + i);
        (void)get(0, i, &rc);
        nr += !rc;
    }
    CU_ASSERT_EQUAL(nr, NR_USED);
    vmm__region_close(region);
    CU_ASSERT_EQUAL(nr_problems(), 0);
    vmm__media_dram_close(&media);
}

/* After any store: another repair comes to the end. */
static void repair__power_cuts(void)
{
    unsigned int state = 99, i, nr_lost, nr_cuts = 0;
    uint64_t nr, nr_repaired;

    make();
    for (i = 0; i < 60; i++) {
        damage_some(&state);
        memcpy(before, media.base, IMAGE_BYTES);
        if (!nr_problems() || !repair(&nr_lost)) {
            continue;
        }
        damage_some(&state);
        memcpy(before, media.base, IMAGE_BYTES);
        for (cut_at = 1; cut_at < 40; cut_at++) {
            memcpy(media.base, before, IMAGE_BYTES);
            memcpy(durable, before, IMAGE_BYTES);
            nr_flushes = 0;
            media.ops = &ops;
            CU_ASSERT_EQUAL(vmm__region_repair(&media, &store, NULL, NULL,
                                               &nr, &nr_repaired), 0);
            media.ops = real_ops;
            if (!nr_repaired || nr_flushes < cut_at) {
                break;
            }
            memcpy(media.base, durable, IMAGE_BYTES);
            if (nr_problems()) {
                CU_ASSERT_EQUAL(repair(&nr_lost), 1);
                nr_cuts++;
            } else {
                (void)compare();
            }
        }
        cut_at = 0;
    }
    CU_ASSERT_TRUE(nr_cuts > 100);
    vmm__media_dram_close(&media);
}

static const struct ut_case cases[] = {
    UT_CASE(repair__each_word),
    UT_CASE(repair__many_words),
    UT_CASE(repair__two_entries_of_a_block),
    UT_CASE(repair__storage),
    UT_CASE(repair__power_cuts),
};

UT_MAIN("region/repair", cases)
