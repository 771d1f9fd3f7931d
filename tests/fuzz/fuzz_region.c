/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_region.c: media on which anything may be.
 *
 * A small region with some snapshots is damaged, then checked, opened and
 * used.  Input: records of 12 bytes: where (4; in words), how (1), 7 bytes for
 * it.  `how' overwrites a word or changes its value, and may make its check
 * good again, so that more than checks is tested; or moves words about.
 * What is read may be anything, but what is opened must do so without a
 * crash, and what check() calls good must open.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "port/media_dram.h"
#include "region/region.h"

#define NR_PBLKS 96u
#define NR_BLKS 2000u
#define NR_SLOTS 16u
#define IMAGE_BYTES ((size_t)NR_PBLKS * VMM__BLOCK_BYTES)
#define NR_WORDS (IMAGE_BYTES / 8)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vmm__media media;
static uint8_t good[2][IMAGE_BYTES];     /* as it runs, and closed */
static struct vmm__region_geometry geo = {
    .nr_blks = NR_BLKS, .nr_slots = NR_SLOTS, .nr_points = 5,
};
static const struct vmm_logger logger = { NULL, NULL };
static uint64_t page[VMM__BLOCK_BYTES / 8];

static void use(struct vmm__region *r, unsigned int n)
{
    static const uint64_t blks[] = { 0, 1, 5, 511, 512, 1024, 1999 };
    struct vmm__purge purges[4];
    struct vmm__recall recall;
    struct vmm__point_info info = { 0 };
    uint64_t id;
    unsigned int i;
    bool end;

    for (i = 0; i < sizeof(blks) / sizeof(blks[0]); i++) {
        if (vmm__region_read(r, VMM__POINT_RUNNING, blks[i], page,
                             &recall) == VMM_E_AGAIN) {
            (void)vmm__region_recalled(r, &recall, page, 0, true);
        }
        for (id = 0; !vmm__region_next_snapshot(r, id, &info);
             id = info.id) {
            (void)vmm__region_read(r, info.id, blks[i], page, &recall);
        }
        page[0] = i + n;
        (void)vmm__region_write(r, blks[i], page);
    }
    vmm__region_purged(r, purges,
                       vmm__region_purge_pick(r, VMM__PURGE_ANY, 4, purges,
                                              &end), 0);
    if (n % 2) {
        (void)vmm__region_snapshot(r, "more", 0);
    }
    if (!vmm__region_next_snapshot(r, 0, &info)) {
        (void)(n % 3 ? vmm__region_snapshot_delete(r, info.id)
                     : vmm__region_revert(r, info.id, 0));
    }
    for (i = 0; i < 1000 && vmm__region_reap(r); i++) {
        continue;
    }
}

/* What a valid one looks like; also one that was not closed. */
static void make_good(void)
{
    struct vmm__region *r;

    if (vmm__media_dram_open(IMAGE_BYTES, &media) ||
        vmm__region_create(&media, &geo, true, &logger) ||
        vmm__region_open(&media, &logger, &r)) {
        abort();
    }
    (void)vmm__region_snapshot(r, "a", 0);
    use(r, 1);
    (void)vmm__region_snapshot(r, "b", 0);
    use(r, 2);
    memcpy(good[0], media.base, IMAGE_BYTES);
    vmm__region_close(r);
    memcpy(good[1], media.base, IMAGE_BYTES);
}

/* The kind of word that is at `at'; 0: none. */
static unsigned int kind_at(uint64_t at, uint64_t *index_out)
{
    uint64_t pblk = at / VMM__PAGE_WORDS, in = at % VMM__PAGE_WORDS;
    const uint64_t *words = (const void *)media.base;
    struct vmm__desc desc;

    *index_out = in;
    if (pblk >= geo.data_pblk) {
        if (!vmm__desc_of(words[geo.desc_pblk * VMM__PAGE_WORDS + pblk],
                          &desc)) {
            return 0;
        }
        return desc.type == VMM__DESC_ARRAY ? VMM__WORD_VB :
               desc.level ? VMM__WORD_TABLE : VMM__WORD_LEAF;
    }
    if (pblk >= geo.sums_pblk) {
        *index_out = at - geo.sums_pblk * VMM__PAGE_WORDS;
        return VMM__WORD_SUM;
    }
    if (pblk >= geo.desc_pblk) {
        *index_out = at - geo.desc_pblk * VMM__PAGE_WORDS;
        return VMM__WORD_DESC;
    }
    if (pblk == geo.roots_pblk) {
        *index_out = in ? in - 1 : 0;
        return in ? VMM__WORD_ROOT : VMM__WORD_RUNNING;
    }
    return 0;
}

static void seal_point(uint64_t at)
{
    struct vmm__point_rec *recs =
        (void *)(media.base + geo.points_pblk * VMM__BLOCK_BYTES);
    uint64_t n = (at - geo.points_pblk * VMM__PAGE_WORDS) * 8 / sizeof(*recs);

    if (at >= geo.points_pblk * VMM__PAGE_WORDS && n < 2 * geo.nr_points) {
        vmm__point_seal(&recs[n]);
    }
}

static void damage(const uint8_t *rec)
{
    uint64_t *words = (void *)media.base, at, what = 0, index;
    unsigned int how = rec[4], kind;
    uint32_t where;

    memcpy(&where, rec, sizeof(where));
    memcpy(&what, rec + 5, 6);
    /* Most of it is metadata, and the first pages of data. */
    at = where % (how & 8 ? NR_WORDS : NR_WORDS / 4);
    switch (how & 3) {
    case 0:
        words[at] = what;
        break;
    case 1:
        words[at] += (int8_t)rec[5];
        break;
    case 2:
        words[at] = words[what % NR_WORDS];
        break;
    default:
        words[at] ^= 1ull << (rec[5] & 63);
        break;
    }
    if (!(how & 4)) {
        return;
    }
    kind = kind_at(at, &index);
    if (kind && vmm__word_value(words[at])) {
        words[at] = vmm__word_make((enum vmm__word_kind)kind, index,
                                   vmm__word_value(words[at]));
    }
    seal_point(at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vmm__region *r;
    uint64_t nr_problems = 0, nr_repaired;
    size_t n;
    int rc;

    if (!media.base) {
        make_good();
    }
    memcpy(media.base, good[size % 2], IMAGE_BYTES);
    for (n = 0; n + 12 <= size && n < 12 * 64; n += 12) {
        damage(data + n);
    }
    if (vmm__region_check(&media, NULL, NULL, NULL, &nr_problems)) {
        return 0;
    }
    if (nr_problems && size % 4 > 1) {
        if (vmm__region_repair(&media, NULL, NULL, NULL, &nr_problems,
                               &nr_repaired)) {
            return 0;
        }
        nr_problems -= nr_repaired;
        assert(nr_problems ||
               !vmm__region_check(&media, NULL, NULL, NULL, &nr_repaired));
        assert(nr_problems || !nr_repaired);
    }
    rc = vmm__region_open(&media, &logger, &r);
    assert(nr_problems || !rc);
    if (!rc) {
        use(r, size & 15);
        vmm__region_close(r);
    }
    return 0;
}
