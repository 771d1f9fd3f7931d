/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_region.c: as its users see it, and what is refused. */
#include <stdlib.h>

/* The nth allocation fails; 0: none. */
static unsigned int fail_at;

static int fails_now(void)
{
    return fail_at && !--fail_at;
}

#define calloc(nr, bytes) (fails_now() ? NULL : calloc(nr, bytes))
#define aligned_alloc(to, bytes) \
    (fails_now() ? NULL : aligned_alloc(to, bytes))
#include "region/region.c"
#undef calloc
#undef aligned_alloc

#include "base/crc.h"
#include "port/media_dram.h"
#include "tests/lib/last_log.h"
#include "tests/lib/ut.h"

#define NR_PBLKS 128u
#define NR_BLKS 1200u
#define NR_SLOTS 32u

static struct vmm__media media;
static struct vmm__region *region;
static struct vmm__region_geometry geo;
static uint64_t nr_problems;
static uint64_t page[VMM__BLOCK_BYTES / 8];

static void begin(void)
{
    last_log[0] = '\0';
    fail_at = 0;
    geo = (struct vmm__region_geometry){
        .nr_blks = NR_BLKS, .nr_slots = NR_SLOTS, .nr_points = 6,
    };
    CU_ASSERT_EQUAL_FATAL(
        vmm__media_dram_open(NR_PBLKS * VMM__BLOCK_BYTES, &media), 0);
    CU_ASSERT_EQUAL_FATAL(vmm__region_create(&media, &geo, true, &logger), 0);
    CU_ASSERT_EQUAL_FATAL(vmm__region_open(&media, &logger, &region), 0);
}

static void is_good(void)
{
    CU_ASSERT_EQUAL(vmm__region_check(&media, NULL, NULL, NULL,
                                      &nr_problems), 0);
    CU_ASSERT_EQUAL(nr_problems, 0);
}

static void end(void)
{
    vmm__region_close(region);
    is_good();
    vmm__media_dram_close(&media);
}

static int put(uint64_t blk, uint64_t value)
{
    unsigned int i;

    for (i = 0; i < VMM__BLOCK_BYTES / 8; i++) {
        page[i] = value + i * (value > 9);
    }
    return vmm__region_write(region, blk, page);
}

static void has(uint64_t id, uint64_t blk, uint64_t value)
{
    struct vmm__recall recall;

    CU_ASSERT_EQUAL(vmm__region_read(region, id, blk, page, &recall), 0);
    CU_ASSERT_EQUAL(page[0], value);
    CU_ASSERT_EQUAL(page[511], value + 511 * (value > 9));
}

static uint64_t snapshot(const char *name)
{
    uint64_t id = 0;

    CU_ASSERT_EQUAL(vmm__region_snapshot(region, name, 1), 0);
    CU_ASSERT_EQUAL(vmm__region_find_snapshot(region, name, &id), 0);
    return id;
}

static void reap(void)
{
    while (vmm__region_reap(region)) {
        continue;
    }
}

static uint64_t nr_free(void)
{
    struct vmm__region_stat stat;

    vmm__region_stat(region, &stat);
    return stat.nr_pblks_free;
}

static void write__reads_back(void)
{
    begin();
    has(VMM__POINT_RUNNING, 0, 0);
    CU_ASSERT_EQUAL(put(0, 1), 0);
    CU_ASSERT_EQUAL(put(1199, 77), 0);
    has(VMM__POINT_RUNNING, 0, 1);
    has(VMM__POINT_RUNNING, 1199, 77);
    has(VMM__POINT_RUNNING, 1198, 0);
    CU_ASSERT_EQUAL(put(1199, 78), 0);
    has(VMM__POINT_RUNNING, 1199, 78);
    CU_ASSERT_EQUAL(vmm__region_discard(region, 1199), 0);
    has(VMM__POINT_RUNNING, 1199, 0);
    CU_ASSERT_EQUAL(put(1200, 1), VMM_E_RANGE);
    CU_ASSERT_EQUAL(vmm__region_discard(region, 1200), VMM_E_RANGE);
    CU_ASSERT_EQUAL(vmm__region_read(region, 0, 1200, page, NULL),
                    VMM_E_RANGE);
    end();
}

static void snapshot__keeps_what_was(void)
{
    struct vmm__point_info info;
    uint64_t a, b;

    begin();
    CU_ASSERT_EQUAL(put(3, 10), 0);
    a = snapshot("a");
    CU_ASSERT_EQUAL(put(3, 20), 0);
    b = snapshot("b");
    CU_ASSERT_EQUAL(put(3, 30), 0);
    CU_ASSERT_EQUAL(put(600, 40), 0);
    has(a, 3, 10);
    has(b, 3, 20);
    has(b, 600, 0);
    has(VMM__POINT_RUNNING, 3, 30);

    CU_ASSERT_EQUAL(vmm__region_next_snapshot(region, 0, &info), 0);
    CU_ASSERT_EQUAL(info.id, a);
    CU_ASSERT_STRING_EQUAL(info.name, "a");
    CU_ASSERT_EQUAL(vmm__region_next_snapshot(region, a, &info), 0);
    CU_ASSERT_EQUAL(info.id, b);
    CU_ASSERT_EQUAL(info.parent_id, a);
    CU_ASSERT_EQUAL(vmm__region_next_snapshot(region, b, &info),
                    VMM_E_NOENT);

    CU_ASSERT_EQUAL(vmm__region_snapshot_delete(region, a), 0);
    CU_ASSERT_EQUAL(vmm__region_snapshot_delete(region, a), VMM_E_NOENT);
    CU_ASSERT_EQUAL(vmm__region_read(region, a, 3, page, NULL), VMM_E_NOENT);
    reap();
    has(b, 3, 20);
    CU_ASSERT_EQUAL(vmm__region_read(region, a, 3, page, NULL), VMM_E_NOENT);
    end();
}

static void snapshot__bad_names(void)
{
    uint64_t id;

    begin();
    CU_ASSERT_EQUAL(vmm__region_snapshot(region, "", 0), VMM_E_INVAL);
    CU_ASSERT_EQUAL(vmm__region_snapshot(region, "a/b", 0), VMM_E_INVAL);
    (void)snapshot("a");
    CU_ASSERT_EQUAL(vmm__region_snapshot(region, "a", 0), VMM_E_EXISTS);
    (void)snapshot("b");
    (void)snapshot("c");
    (void)snapshot("d");
    (void)snapshot("e");
    CU_ASSERT_EQUAL(vmm__region_snapshot(region, "f", 0), VMM_E_NOSPC);
    CU_ASSERT_EQUAL(vmm__region_find_snapshot(region, "f", &id), VMM_E_NOENT);
    CU_ASSERT_EQUAL(vmm__region_find_snapshot(region, "", &id), VMM_E_NOENT);
    CU_ASSERT_EQUAL(vmm__region_snapshot_delete(region, VMM__POINT_RUNNING),
                    VMM_E_NOENT);
    CU_ASSERT_EQUAL(vmm__region_revert(region, 999, 0), VMM_E_NOENT);
    end();
}

/* Later snapshots stay, and what both share goes when one of them does. */
static void revert__makes_a_branch(void)
{
    uint64_t a, b, all;

    begin();
    CU_ASSERT_EQUAL(put(1, 10), 0);
    CU_ASSERT_EQUAL(put(2, 11), 0);
    a = snapshot("a");
    CU_ASSERT_EQUAL(put(1, 20), 0);
    b = snapshot("b");
    CU_ASSERT_EQUAL(put(1, 30), 0);
    CU_ASSERT_EQUAL(vmm__region_revert(region, a, 0), 0);
    has(VMM__POINT_RUNNING, 1, 10);
    has(b, 1, 20);
    reap();
    CU_ASSERT_EQUAL(put(1, 40), 0);

    /* a has two children now: it cannot go. */
    CU_ASSERT_EQUAL(vmm__region_snapshot_delete(region, a), 0);
    reap();
    has(b, 2, 11);
    has(VMM__POINT_RUNNING, 2, 11);
    all = nr_free();
    CU_ASSERT_EQUAL(vmm__region_snapshot_delete(region, b), 0);
    reap();
    /* b's table pages, array page and block, and a's block. */
    CU_ASSERT_TRUE(nr_free() > all + 3);
    has(VMM__POINT_RUNNING, 1, 40);
    has(VMM__POINT_RUNNING, 2, 11);
    end();
}

static void write__full(void)
{
    uint64_t blk, nr;
    int rc = 0;

    begin();
    for (blk = 0; !rc; blk++) {
        rc = put(blk, 100 + blk);
    }
    CU_ASSERT_EQUAL(rc, VMM_E_NOSPC);
    nr = blk - 1;
    CU_ASSERT_TRUE(nr > 90);
    for (blk = 0; blk < nr; blk++) {
        has(VMM__POINT_RUNNING, blk, 100 + blk);
    }
    /* What takes no room is still possible. */
    CU_ASSERT_EQUAL(put(1000, 0), 0);
    (void)snapshot("a");
    CU_ASSERT_EQUAL(vmm__region_discard(region, 7), 0);
    end();
}

static unsigned int purge(enum vmm__purge_what what, unsigned int max, int rc,
                          struct vmm__purge *purges)
{
    unsigned int nr;
    bool end;

    do {
        nr = vmm__region_purge_pick(region, what, max, purges, &end);
    } while (!nr && !end);
    vmm__region_purged(region, purges, nr, rc);
    return nr;
}

static void purge__and_recall(void)
{
    struct vmm__purge purges[NR_SLOTS + 1];
    struct vmm__recall recall;
    static uint64_t copy[VMM__BLOCK_BYTES / 8];
    uint64_t a;

    begin();
    CU_ASSERT_EQUAL(put(1, 10), 0);
    a = snapshot("a");
    CU_ASSERT_EQUAL(purge(VMM__PURGE_SNAPSHOT_ONLY, 8, 0, purges), 0);
    memcpy(copy, page, sizeof(copy));
    CU_ASSERT_EQUAL(put(1, 20), 0);
    CU_ASSERT_EQUAL(purge(VMM__PURGE_SNAPSHOT_ONLY, 8, VMM_E_IO, purges), 1);
    has(a, 1, 10);
    CU_ASSERT_EQUAL(purge(VMM__PURGE_SNAPSHOT_ONLY, 8, 0, purges), 1);
    CU_ASSERT_EQUAL(purge(VMM__PURGE_SNAPSHOT_ONLY, 8, 0, purges), 0);
    has(VMM__POINT_RUNNING, 1, 20);

    CU_ASSERT_EQUAL(vmm__region_read(region, a, 1, page, &recall),
                    VMM_E_AGAIN);
    CU_ASSERT_EQUAL(recall.slot, purges[0].slot);
    CU_ASSERT_EQUAL(vmm__region_recalled(region, &recall, copy, 0, false),
                    0);
    CU_ASSERT_EQUAL(vmm__region_read(region, a, 1, page, &recall),
                    VMM_E_AGAIN);
    CU_ASSERT_EQUAL(vmm__region_recalled(region, &recall, copy, 0, true), 0);
    has(a, 1, 10);
    /* It moved meanwhile. */
    CU_ASSERT_EQUAL(vmm__region_recalled(region, &recall, copy, 0, true),
                    VMM_E_AGAIN);
    end();
}

/* A slot that the same block has again: old contents must not come back. */
static void recall__of_a_slot_used_again(void)
{
    struct vmm__recall old, recall;
    static uint64_t was[VMM__BLOCK_BYTES / 8];
    struct vmm__purge purges[1];
    uint64_t slot;

    begin();
    CU_ASSERT_EQUAL(put(1, 10), 0);
    memcpy(was, page, sizeof(was));
    CU_ASSERT_EQUAL(purge(VMM__PURGE_ANY, 1, 0, purges), 1);
    slot = purges[0].slot;
    CU_ASSERT_EQUAL(vmm__region_read(region, 0, 1, page, &old), VMM_E_AGAIN);

    CU_ASSERT_EQUAL(put(1, 20), 0);
    region->slots.next = slot;
    CU_ASSERT_EQUAL(purge(VMM__PURGE_ANY, 1, 0, purges), 1);
    CU_ASSERT_EQUAL(purges[0].slot, slot);
    /* Its contents from before, some of each, and none at all. */
    CU_ASSERT_EQUAL(vmm__region_recalled(region, &old, was, 0, true),
                    VMM_E_AGAIN);
    was[100] = 0;
    CU_ASSERT_EQUAL(vmm__region_recalled(region, &old, was, 0, true),
                    VMM_E_AGAIN);
    CU_ASSERT_EQUAL(vmm__region_recalled(region, &old, was, VMM_E_IO, true),
                    VMM_E_AGAIN);

    CU_ASSERT_EQUAL(vmm__region_read(region, 0, 1, page, &recall),
                    VMM_E_AGAIN);
    CU_ASSERT_EQUAL(recall.slot, slot);
    CU_ASSERT_EQUAL(put(2, 20), 0);     /* the same contents */
    CU_ASSERT_EQUAL(vmm__region_recalled(region, &recall, page, 0, true), 0);
    has(VMM__POINT_RUNNING, 1, 20);
    end();
}

static void purge__cold_ones(void)
{
    struct vmm__purge purges[8];

    begin();
    CU_ASSERT_EQUAL(put(1, 10), 0);
    CU_ASSERT_EQUAL(put(2, 20), 0);
    /* Written is as good as read. */
    CU_ASSERT_EQUAL(purge(VMM__PURGE_COLD, 8, 0, purges), 0);
    has(VMM__POINT_RUNNING, 2, 20);
    CU_ASSERT_EQUAL(purge(VMM__PURGE_COLD, 8, 0, purges), 1);
    has(VMM__POINT_RUNNING, 2, 20);
    /* Who must have some gets what is cold first. */
    CU_ASSERT_EQUAL(put(3, 30), 0);
    CU_ASSERT_EQUAL(purge(VMM__PURGE_COLD, 8, 0, purges), 0);
    has(VMM__POINT_RUNNING, 3, 30);
    CU_ASSERT_EQUAL(purge(VMM__PURGE_ANY, 1, 0, purges), 1);
    has(VMM__POINT_RUNNING, 3, 30);
    CU_ASSERT_EQUAL(purge(VMM__PURGE_ANY, 1, 0, purges), 1);
    end();
}

static void purge__storage_full(void)
{
    struct vmm__purge purges[NR_SLOTS + 8];
    uint64_t blk;

    begin();
    for (blk = 0; blk < NR_SLOTS + 4; blk++) {
        CU_ASSERT_EQUAL(put(blk, 100 + blk), 0);
    }
    CU_ASSERT_EQUAL(purge(VMM__PURGE_ANY, NR_SLOTS + 8, 0, purges), NR_SLOTS);
    CU_ASSERT_EQUAL(purge(VMM__PURGE_ANY, 1, 0, purges), 0);
    /* One is overwritten: there is room for another. */
    for (blk = 0; blk < NR_SLOTS + 4; blk++) {
        CU_ASSERT_EQUAL(put(blk, 200 + blk), 0);
    }
    CU_ASSERT_EQUAL(purge(VMM__PURGE_ANY, 4, 0, purges), 4);
    end();
}

/* What cannot be read is lost, for ever, and says so; a write heals it. */
static void recall__lost(void)
{
    struct vmm__purge purges[2];
    struct vmm__recall recall;
    unsigned int i;

    begin();
    CU_ASSERT_EQUAL(put(1, 10), 0);
    CU_ASSERT_EQUAL(put(2, 20), 0);
    CU_ASSERT_EQUAL(purge(VMM__PURGE_ANY, 2, 0, purges), 2);
    for (i = 1; i <= 2; i++) {
        CU_ASSERT_EQUAL(vmm__region_read(region, 0, i, page, &recall),
                        VMM_E_AGAIN);
        page[100] = 0;
        CU_ASSERT_EQUAL(vmm__region_recalled(region, &recall, page,
                                             i == 1 ? VMM_E_IO : 0, true),
                        VMM_E_LOST);
        CU_ASSERT_PTR_NOT_NULL(strstr(last_log, "lost"));
        CU_ASSERT_EQUAL(vmm__region_read(region, 0, i, page, &recall),
                        VMM_E_LOST);
    }
    vmm__region_close(region);
    CU_ASSERT_EQUAL_FATAL(vmm__region_open(&media, &logger, &region), 0);
    CU_ASSERT_EQUAL(vmm__region_read(region, 0, 1, page, &recall),
                    VMM_E_LOST);
    CU_ASSERT_EQUAL(put(1, 11), 0);
    has(VMM__POINT_RUNNING, 1, 11);
    end();
}

static void uses(uint64_t id, uint64_t blks, uint64_t nvm, uint64_t storage,
                 uint64_t same, uint64_t exclusive)
{
    struct vmm__region_usage usage;

    CU_ASSERT_EQUAL(vmm__region_usage(region, id, &usage), 0);
    CU_ASSERT_EQUAL(usage.nr_blks, blks);
    CU_ASSERT_EQUAL(usage.nr_nvm, nvm);
    CU_ASSERT_EQUAL(usage.nr_storage, storage);
    CU_ASSERT_EQUAL(usage.nr_same, same);
    CU_ASSERT_EQUAL(usage.nr_lost, 0);
    CU_ASSERT_EQUAL(usage.nr_exclusive, exclusive);
}

static void usage__of_points(void)
{
    struct vmm__purge purges[4];
    struct vmm__region_usage usage;
    uint64_t a, b;

    begin();
    uses(VMM__POINT_RUNNING, 0, 0, 0, 0, 0);
    CU_ASSERT_EQUAL(put(1, 10), 0);
    CU_ASSERT_EQUAL(put(2, 20), 0);
    CU_ASSERT_EQUAL(put(600, 30), 0);
    memset(page, 5, sizeof(page));
    CU_ASSERT_EQUAL(vmm__region_write(region, 3, page), 0);
    CU_ASSERT_EQUAL(put(4, 0), 0);
    CU_ASSERT_EQUAL(put(5, 50), 0);
    CU_ASSERT_EQUAL(vmm__region_discard(region, 5), 0);
    uses(VMM__POINT_RUNNING, 4, 3, 0, 1, 4);
    a = snapshot("a");
    uses(VMM__POINT_RUNNING, 4, 3, 0, 1, 0);
    uses(a, 4, 3, 0, 1, 0);
    CU_ASSERT_EQUAL(put(1, 11), 0);
    uses(VMM__POINT_RUNNING, 4, 3, 0, 1, 1);
    uses(a, 4, 3, 0, 1, 1);
    CU_ASSERT_EQUAL(purge(VMM__PURGE_SNAPSHOT_ONLY, 4, 0, purges), 1);
    uses(a, 4, 2, 1, 1, 1);
    /* Two points that were made from the same one. */
    b = snapshot("b");
    CU_ASSERT_EQUAL(vmm__region_revert(region, a, 0), 0);
    reap();
    uses(a, 4, 2, 1, 1, 0);
    uses(b, 4, 3, 0, 1, 1);
    CU_ASSERT_EQUAL(put(1, 12), 0);
    CU_ASSERT_EQUAL(put(2, 22), 0);
    uses(a, 4, 2, 1, 1, 1);
    CU_ASSERT_EQUAL(vmm__region_snapshot_delete(region, b), 0);
    CU_ASSERT_EQUAL(vmm__region_usage(region, b, &usage), VMM_E_NOENT);
    reap();
    uses(a, 4, 2, 1, 1, 2);
    end();
}

static void create__too_small(void)
{
    struct vmm__media small;

    CU_ASSERT_EQUAL(vmm__media_dram_open(7 * VMM__BLOCK_BYTES, &small), 0);
    geo = (struct vmm__region_geometry){ .nr_blks = 10, .nr_points = 4 };
    CU_ASSERT_EQUAL(vmm__region_create(&small, &geo, true, &logger),
                    VMM_E_RANGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(last_log, "too small"));
    CU_ASSERT_EQUAL(vmm__region_open(&small, &logger, &region), VMM_E_FORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(last_log, "not a region"));
    small.len_bytes = 100;
    CU_ASSERT_EQUAL(vmm__region_open(&small, &logger, &region), VMM_E_FORMAT);
    small.len_bytes = 7 * VMM__BLOCK_BYTES;
    vmm__media_dram_close(&small);
}

/* Refused, and not a byte of it changed. */
static void refused(int want, const char *text)
{
    size_t bytes = NR_PBLKS * (size_t)VMM__BLOCK_BYTES;
    uint8_t *copy = malloc(bytes);

    memcpy(copy, media.base, bytes);
    CU_ASSERT_EQUAL(vmm__region_open(&media, &logger, &region), want);
    CU_ASSERT_FALSE(memcmp(copy, media.base, bytes));
    if (!strstr(last_log, text)) {
        printf("not \"%s\" in: %s\n", text, last_log);
        CU_FAIL("another message");
    }
    CU_ASSERT_EQUAL(vmm__region_check(&media, NULL, NULL, NULL,
                                      &nr_problems), 0);
    CU_ASSERT_TRUE(nr_problems > 0);
    free(copy);
}

static void open__damaged(void)
{
    _Atomic uint64_t *words;
    uint64_t vb, pblk, was, used;

    begin();
    CU_ASSERT_EQUAL(put(1, 10), 0);
    CU_ASSERT_EQUAL(put(2, 20), 0);
    words = vmm__pgtab_find(region, word_load(&region->roots[1]), 1, &pblk);
    vb = vmm__word_value(word_load(words));
    words = region->descs;
    vmm__region_close(region);
    /* As a crash in the middle of a purge leaves it. */
    word_store(vb_at(&(struct vmm__region){ .media = media }, vb + 1),
               vb_word(vb + 1, VMM__LOC_TRANSIT, vmm__vb_payload(word_load(
                   vb_at(&(struct vmm__region){ .media = media }, vb + 1)))));

    was = words[pblk];
    words[pblk] ^= 1ull << 31;
    refused(VMM_E_CHECKSUM, "descriptor");
    words[pblk] = was;

    words = vb_at(&(struct vmm__region){ .media = media }, vb);
    was = *words;
    *words ^= 1;
    refused(VMM_E_CHECKSUM, "virtblock");
    used = vmm__vb_payload(word_load(words + 1));
    *words = vb_word(vb, VMM__LOC_NVM, used);
    refused(VMM_E_CHECKSUM, "block of a virtblock");
    *words = vb_word(vb, VMM__LOC_NVM, NR_PBLKS);
    refused(VMM_E_CHECKSUM, "block of a virtblock");
    *words = vb_word(vb, VMM__LOC_SLOT, 3);
    refused(VMM_E_CHECKSUM, "checksum of slot");
    *words = was;

    words = page_at(&(struct vmm__region){ .media = media }, pblk);
    was = words[1];
    words[1] = vmm__word_make(VMM__WORD_LEAF, 1, 4);
    refused(VMM_E_CHECKSUM, "table");
    words[1] = was;

    words = page_at(&(struct vmm__region){ .media = media }, geo.roots_pblk);
    was = words[0];
    words[0] = vmm__word_make(VMM__WORD_RUNNING, 0, 3);
    refused(VMM_E_CHECKSUM, "running point");
    words[0] = was;
    CU_ASSERT_EQUAL_FATAL(vmm__region_open(&media, &logger, &region), 0);
    has(VMM__POINT_RUNNING, 1, 10);
    has(VMM__POINT_RUNNING, 2, 20);
    CU_ASSERT_EQUAL(vmm__vb_loc(word_load(vb_at(region, vb + 1))),
                    VMM__LOC_NVM);
    end();
}

static void open__damaged_superblock(void)
{
    uint64_t region_seq;

    begin();
    CU_ASSERT_EQUAL(put(1, 10), 0);
    region_seq = region->super_seq + 1;
    vmm__region_close(region);
    media.len_bytes -= VMM__BLOCK_BYTES;
    refused(VMM_E_FORMAT, "127 are there");
    media.len_bytes += VMM__BLOCK_BYTES;

    /* One of the two is enough: that it was not closed is no harm. */
    memset(media.base + region_seq % 2 * VMM__BLOCK_BYTES, 0, 100);
    CU_ASSERT_EQUAL_FATAL(vmm__region_open(&media, &logger, &region), 0);
    has(VMM__POINT_RUNNING, 1, 10);
    vmm__region_close(region);
    media.base[40] ^= 1;
    media.base[VMM__BLOCK_BYTES + 40] ^= 1;
    refused(VMM_E_CHECKSUM, "both superblocks");
    media.base[40] ^= 1;
    media.base[VMM__BLOCK_BYTES + 40] ^= 1;
    CU_ASSERT_EQUAL_FATAL(vmm__region_open(&media, &logger, &region), 0);
    end();
}

static void open__nth_allocation_fails(void)
{
    unsigned int n;
    int rc = VMM_E_NOMEM;

    begin();
    CU_ASSERT_EQUAL(put(1, 10), 0);
    (void)snapshot("a");
    vmm__region_close(region);
    for (n = 1; rc == VMM_E_NOMEM && n < 100; n++) {
        fail_at = n;
        rc = vmm__region_open(&media, &logger, &region);
        fail_at = 0;
    }
    CU_ASSERT_EQUAL_FATAL(rc, 0);
    CU_ASSERT_TRUE(n > 4);
    has(VMM__POINT_RUNNING, 1, 10);
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(write__reads_back),
    UT_CASE(snapshot__keeps_what_was),
    UT_CASE(snapshot__bad_names),
    UT_CASE(revert__makes_a_branch),
    UT_CASE(write__full),
    UT_CASE(purge__and_recall),
    UT_CASE(recall__of_a_slot_used_again),
    UT_CASE(purge__cold_ones),
    UT_CASE(purge__storage_full),
    UT_CASE(recall__lost),
    UT_CASE(usage__of_points),
    UT_CASE(create__too_small),
    UT_CASE(open__damaged),
    UT_CASE(open__damaged_superblock),
    UT_CASE(open__nth_allocation_fails),
};

UT_MAIN("region/region", cases)
