/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_regionfmt.c: words, descriptors, superblock, points. */
#include "format/regionfmt.c"

#include "tests/lib/ut.h"

static void word__finds_damage(void)
{
    uint64_t word = vmm__word_make(VMM__WORD_VB, 7, 0x123456789abcull);
    unsigned int bit;

    CU_ASSERT_EQUAL(vmm__word_value(word), 0x123456789abcull);
    CU_ASSERT_TRUE(vmm__word_good(VMM__WORD_VB, 7, word));
    CU_ASSERT_FALSE(vmm__word_good(VMM__WORD_VB, 8, word));
    CU_ASSERT_FALSE(vmm__word_good(VMM__WORD_LEAF, 7, word));
    for (bit = 0; bit < 64; bit++) {
        CU_ASSERT_FALSE(vmm__word_good(VMM__WORD_VB, 7, word ^ 1ull << bit));
    }
    CU_ASSERT_TRUE(vmm__word_good(VMM__WORD_VB, 7, 0));
    /* A value of nothing is no word. */
    CU_ASSERT_FALSE(vmm__word_good(VMM__WORD_VB, 7,
                                   vmm__word_make(VMM__WORD_VB, 7, 0)));
}

/* What vmm-region(5) says, byte for byte: it must not change. */
static void word__as_documented(void)
{
    CU_ASSERT_EQUAL(vmm__word_make(VMM__WORD_LEAF, 5, 0x1234),
                    0xcde6000000001234ull);
}

static void desc__there_and_back(void)
{
    static const struct vmm__desc descs[] = {
        { VMM__DESC_TABLE, 0, 0, 0 },
        { VMM__DESC_TABLE, 16382, 3, 0 },
        { VMM__DESC_TABLE, 5, 0, ((1ull << 36) - 512) },
        { VMM__DESC_ARRAY, 9, VMM__ARRAY_PACKED, 0 },
        { VMM__DESC_ARRAY, 9, VMM__ARRAY_PLACED, 1024 },
    };
    struct vmm__desc got;
    size_t i;

    for (i = 0; i < sizeof(descs) / sizeof(descs[0]); i++) {
        uint64_t word = vmm__desc_make(77, &descs[i]);

        CU_ASSERT_TRUE(vmm__word_good(VMM__WORD_DESC, 77, word));
        CU_ASSERT_TRUE(vmm__desc_of(word, &got));
        CU_ASSERT_EQUAL(got.type, descs[i].type);
        CU_ASSERT_EQUAL(got.owner, descs[i].owner);
        CU_ASSERT_EQUAL(got.level, descs[i].level);
        CU_ASSERT_EQUAL(got.base, descs[i].base);
        CU_ASSERT_EQUAL(vmm__desc_owner(word), descs[i].owner);
    }
    CU_ASSERT_FALSE(vmm__desc_of(0, &got));
    CU_ASSERT_FALSE(vmm__desc_of(3ull << 46, &got));
    CU_ASSERT_FALSE(vmm__desc_of(2ull << 46 | 1, &got));
}

static struct vmm__region_geometry geometry(uint64_t nr_pblks)
{
    return (struct vmm__region_geometry){
        .nr_pblks = nr_pblks, .nr_blks = 1000, .nr_slots = 100,
        .nr_points = 10,
    };
}

static void geometry__limits(void)
{
    struct vmm__region_geometry geo = geometry(1024);
    const char *what = NULL;

    CU_ASSERT_EQUAL(vmm__region_geometry_check(&geo, &what), 0);
    CU_ASSERT_EQUAL(geo.levels, 2);
    CU_ASSERT_EQUAL(geo.roots_pblk, 2);
    CU_ASSERT_EQUAL(geo.points_pblk, 3);
    CU_ASSERT_EQUAL(geo.desc_pblk, 4);
    CU_ASSERT_EQUAL(geo.sums_pblk, 6);
    CU_ASSERT_EQUAL(geo.data_pblk, 7);

    /* 16 TiB, and the largest. */
    geo = geometry(16ull << 28);
    geo.nr_blks = 16ull << 28;
    CU_ASSERT_EQUAL(vmm__region_geometry_check(&geo, &what), 0);
    CU_ASSERT_EQUAL(geo.levels, 4);
    geo = geometry(VMM__REGION_MAX_PBLKS);
    geo.nr_blks = VMM__REGION_MAX_BLKS;
    CU_ASSERT_EQUAL(vmm__region_geometry_check(&geo, &what), 0);
    CU_ASSERT_EQUAL(geo.levels, 4);

    geo = geometry(9);
    CU_ASSERT_EQUAL(vmm__region_geometry_check(&geo, &what), VMM_E_RANGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(what, "too small"));
    geo = geometry(VMM__REGION_MAX_PBLKS + 1);
    CU_ASSERT_EQUAL(vmm__region_geometry_check(&geo, &what), VMM_E_RANGE);
    geo = geometry(1024);
    geo.nr_blks = 0;
    CU_ASSERT_EQUAL(vmm__region_geometry_check(&geo, &what), VMM_E_RANGE);
    geo = geometry(1024);
    geo.nr_points = 1;
    CU_ASSERT_EQUAL(vmm__region_geometry_check(&geo, &what), VMM_E_RANGE);
    geo.nr_points = VMM__REGION_MAX_POINTS + 1;
    CU_ASSERT_EQUAL(vmm__region_geometry_check(&geo, &what), VMM_E_RANGE);
    geo = geometry(1024);
    geo.nr_slots = VMM__REGION_MAX_SLOTS + 1;
    CU_ASSERT_EQUAL(vmm__region_geometry_check(&geo, &what), VMM_E_RANGE);
}

static void super__finds_damage(void)
{
    struct vmm__super super = { .geo = geometry(1024), .seq = 9,
                                .clean = true };
    uint8_t block[VMM__BLOCK_BYTES];
    struct vmm__super got;
    unsigned int i;

    memcpy(super.geo.uuid, "0123456789abcdef", 16);
    vmm__super_encode(&super, block);
    CU_ASSERT_EQUAL(vmm__super_decode(block, &got), 0);
    CU_ASSERT_EQUAL(got.seq, 9);
    CU_ASSERT_TRUE(got.clean);
    CU_ASSERT_EQUAL(got.geo.nr_blks, 1000);
    CU_ASSERT_EQUAL(got.geo.data_pblk, 7);
    CU_ASSERT_FALSE(memcmp(got.geo.uuid, super.geo.uuid, 16));
    for (i = 0; i < 128; i++) {
        block[i] ^= 0x10;
        CU_ASSERT_TRUE(vmm__super_decode(block, &got) < 0);
        block[i] ^= 0x10;
    }
}

static int decode(struct super_rec *rec)
{
    uint8_t block[VMM__BLOCK_BYTES] = { 0 };
    struct vmm__super got;

    rec->crc32c = vmm__crc32c(rec, offsetof(struct super_rec, crc32c));
    memcpy(block, rec, sizeof(*rec));
    return vmm__super_decode(block, &got);
}

static void super__of_others(void)
{
    struct vmm__super super = { .geo = geometry(1024), .seq = 1 };
    uint8_t block[VMM__BLOCK_BYTES];
    struct super_rec rec, was;

    vmm__super_encode(&super, block);
    memcpy(&was, block, sizeof(was));
    rec = was;
    CU_ASSERT_EQUAL(decode(&rec), 0);
    rec.features_compat = 1;
    CU_ASSERT_EQUAL(decode(&rec), 0);
    rec.features_incompat = 1;
    CU_ASSERT_EQUAL(decode(&rec), VMM_E_VERSION);
    rec = was;
    rec.features_ro = 4;
    CU_ASSERT_EQUAL(decode(&rec), VMM_E_VERSION);
    rec = was;
    rec.version = 2;
    CU_ASSERT_EQUAL(decode(&rec), VMM_E_VERSION);
    rec = was;
    rec.block_bytes = 512;
    CU_ASSERT_EQUAL(decode(&rec), VMM_E_VERSION);
    rec = was;
    rec.clean = 2;
    CU_ASSERT_EQUAL(decode(&rec), VMM_E_FORMAT);
    rec = was;
    rec._res1[3] = 1;
    CU_ASSERT_EQUAL(decode(&rec), VMM_E_FORMAT);
    rec = was;
    rec.nr_blks = 0;
    CU_ASSERT_EQUAL(decode(&rec), VMM_E_FORMAT);
    rec = was;
    rec.magic++;
    CU_ASSERT_EQUAL(decode(&rec), VMM_E_FORMAT);
}

static void point__names(void)
{
    struct vmm__point_rec rec = { .seq = 1, .name = "daily-2026.11:a_b" };
    char name[VMM__POINT_NAME_BYTES + 1];

    vmm__point_seal(&rec);
    CU_ASSERT_TRUE(vmm__point_good(&rec));
    rec.seq = 0;
    vmm__point_seal(&rec);
    CU_ASSERT_FALSE(vmm__point_good(&rec));
    rec.seq = 1;
    rec.name[2] = '/';
    vmm__point_seal(&rec);
    CU_ASSERT_FALSE(vmm__point_good(&rec));
    memset(rec.name, 'x', sizeof(rec.name));
    vmm__point_seal(&rec);
    CU_ASSERT_FALSE(vmm__point_good(&rec));

    CU_ASSERT_FALSE(vmm__point_name_ok(""));
    CU_ASSERT_FALSE(vmm__point_name_ok("-x"));
    CU_ASSERT_FALSE(vmm__point_name_ok("a b"));
    CU_ASSERT_FALSE(vmm__point_name_ok("\xc3\xa4"));
    memset(name, 'a', sizeof(name));
    name[VMM__POINT_NAME_BYTES] = '\0';
    CU_ASSERT_FALSE(vmm__point_name_ok(name));
    name[VMM__POINT_NAME_BYTES - 1] = '\0';
    CU_ASSERT_TRUE(vmm__point_name_ok(name));
}

static void block__same(void)
{
    static _Alignas(8) uint8_t block[VMM__BLOCK_BYTES];
    uint32_t value = 7;

    CU_ASSERT_TRUE(vmm__block_is_same(block, &value));
    CU_ASSERT_EQUAL(value, 0);
    vmm__block_fill(block, 0xdeadbeef);
    CU_ASSERT_TRUE(vmm__block_is_same(block, &value));
    CU_ASSERT_EQUAL(value, 0xdeadbeef);
    block[4095] ^= 1;
    CU_ASSERT_FALSE(vmm__block_is_same(block, &value));
}

static const struct ut_case cases[] = {
    UT_CASE(word__finds_damage),
    UT_CASE(word__as_documented),
    UT_CASE(desc__there_and_back),
    UT_CASE(geometry__limits),
    UT_CASE(super__finds_damage),
    UT_CASE(super__of_others),
    UT_CASE(point__names),
    UT_CASE(block__same),
};

UT_MAIN("format/regionfmt", cases)
