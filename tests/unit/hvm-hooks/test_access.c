/* SPDX-License-Identifier: GPL-2.0-only */
/* test_access.c: accessed bits: found and cleared; NPT and EPT. */
#include "hvm-hooks/vmm_access.c"

#include "lib/ut.h"

#define NPT_USER 0x4ull
#define NPT_ACCESSED 0x20ull
#define EPT_ACCESSED 0x100ull
#define LEAF 0x80ull

static DECLARE_BITMAP(bits, NR_ENTRIES);

/* 16 pages from gfn 0, none of which was accessed. */
static void start(bool vmx)
{
    hn_init(1);
    hn.vmx = vmx;
    hn_populate(0, 16);
    CU_ASSERT_EQUAL(vmm_access_harvest(&hn.guest, _gfn(0), NR_ENTRIES, bits),
                    0);
    CU_ASSERT_EQUAL(bitmap_weight(bits, NR_ENTRIES), 16);
}

static int harvest(unsigned long first)
{
    memset(bits, 0x55, sizeof(bits));
    return vmm_access_harvest(&hn.guest, _gfn(first), NR_ENTRIES, bits);
}

static bool bit(unsigned int i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static void check_bits(uint64_t accessed)
{
    *hn_entry(2, NULL) |= accessed;
    *hn_entry(9, NULL) |= accessed;
    CU_ASSERT_EQUAL(harvest(0), 0);
    CU_ASSERT_EQUAL(bitmap_weight(bits, NR_ENTRIES), 2);
    CU_ASSERT_TRUE(bit(2) && bit(9));
    CU_ASSERT_FALSE(*hn_entry(2, NULL) & accessed);
    CU_ASSERT_FALSE(*hn_entry(9, NULL) & accessed);

    CU_ASSERT_EQUAL(harvest(0), 0);
    CU_ASSERT_EQUAL(bitmap_weight(bits, NR_ENTRIES), 0);
    /* When the caller has enough. */
    CU_ASSERT_EQUAL(hn.nr_flushes, 0);
    vmm_access_flush(&hn.guest);
    CU_ASSERT_EQUAL(hn.nr_flushes, 1);
    hn_fini();
}

static void harvest__clears(void)
{
    start(false);
    check_bits(NPT_ACCESSED);
}

static void harvest__ept(void)
{
    start(true);
    check_bits(EPT_ACCESSED);
}

static void harvest__ept_without_bits(void)
{
    start(true);
    hn.p2m.ept.ad = false;
    *hn_entry(2, NULL) |= EPT_ACCESSED;
    CU_ASSERT_EQUAL(harvest(0), -EOPNOTSUPP);
    CU_ASSERT_TRUE(*hn_entry(2, NULL) & EPT_ACCESSED);
    p2m_lock(&hn.p2m);
    vmm_access_clear(&hn.guest, _gfn(2));
    p2m_unlock(&hn.p2m);
    CU_ASSERT_TRUE(*hn_entry(2, NULL) & EPT_ACCESSED);
    hn_fini();
}

/* There the bits between are Xen's own. */
static void harvest__entries_without_user_bit(void)
{
    start(false);
    *hn_entry(3, NULL) = (*hn_entry(3, NULL) & ~NPT_USER) | NPT_ACCESSED;
    CU_ASSERT_EQUAL(harvest(0), 0);
    CU_ASSERT_EQUAL(bitmap_weight(bits, NR_ENTRIES), 0);
    CU_ASSERT_TRUE(*hn_entry(3, NULL) & NPT_ACCESSED);
    hn_fini();
}

static void harvest__entries_that_are_not_present(void)
{
    start(false);
    *hn_entry(3, NULL) = NPT_USER | NPT_ACCESSED;
    CU_ASSERT_EQUAL(harvest(0), 0);
    CU_ASSERT_EQUAL(bitmap_weight(bits, NR_ENTRIES), 0);
    CU_ASSERT_EQUAL(*hn_entry(3, NULL), NPT_USER | NPT_ACCESSED);
    hn_fini();
}

static void harvest__nothing_there(void)
{
    start(false);
    CU_ASSERT_EQUAL(harvest(512), 0);
    CU_ASSERT_EQUAL(bitmap_weight(bits, NR_ENTRIES), 0);
    CU_ASSERT_EQUAL(harvest(1ul << 30), 0);
    CU_ASSERT_EQUAL(bitmap_weight(bits, NR_ENTRIES), 0);
    hn_fini();
}

/* Beyond what a p2m can have, where a walk would come to other gfns. */
static void harvest__gfns_do_not_alias(void)
{
    start(false);
    *hn_entry(2, NULL) |= NPT_ACCESSED;
    CU_ASSERT_EQUAL(harvest(1ul << 36), 0);
    CU_ASSERT_EQUAL(bitmap_weight(bits, NR_ENTRIES), 0);
    CU_ASSERT_TRUE(*hn_entry(2, NULL) & NPT_ACCESSED);
    hn_fini();
}

static void harvest__no_more_than_asked_for(void)
{
    start(false);
    *hn_entry(11, NULL) |= NPT_ACCESSED;
    *hn_entry(12, NULL) |= NPT_ACCESSED;
    CU_ASSERT_EQUAL(vmm_access_harvest(&hn.guest, _gfn(0), 12, bits), 0);
    CU_ASSERT_EQUAL(bitmap_weight(bits, NR_ENTRIES), 1);
    CU_ASSERT_TRUE(bit(11));
    CU_ASSERT_TRUE(*hn_entry(12, NULL) & NPT_ACCESSED);
    hn_fini();
}

static void harvest__superpage_split(void)
{
    unsigned int order;

    start(false);
    hn_superpage(512);
    CU_ASSERT_EQUAL(harvest(512), 0);
    (void)hn_entry(512, &order);
    CU_ASSERT_EQUAL(order, 0);
    CU_ASSERT_EQUAL(bitmap_weight(bits, NR_ENTRIES), NR_ENTRIES);
    *hn_entry(700, NULL) |= NPT_ACCESSED;
    CU_ASSERT_EQUAL(harvest(512), 0);
    CU_ASSERT_EQUAL(bitmap_weight(bits, NR_ENTRIES), 1);
    CU_ASSERT_TRUE(bit(700 - 512));
    hn_fini();
}

static void harvest__superpage_cannot_be_split(void)
{
    start(false);
    hn_superpage(512);
    hn_fail(HN_SET_ENTRY, 1);
    CU_ASSERT_EQUAL(harvest(512), 0);
    /* All of it, for as long as it has one bit. */
    CU_ASSERT_EQUAL(bitmap_weight(bits, NR_ENTRIES), NR_ENTRIES);
    CU_ASSERT_TRUE(*hn_entry(512, NULL) & LEAF);
    CU_ASSERT_TRUE(*hn_entry(512, NULL) & NPT_ACCESSED);
    /* Not RAM that could be paged. */
    hn.type[512] = p2m_mmio_direct;
    CU_ASSERT_EQUAL(harvest(512), 0);
    CU_ASSERT_TRUE(*hn_entry(512, NULL) & LEAF);
    *hn_entry(512, NULL) &= ~NPT_ACCESSED;
    CU_ASSERT_EQUAL(harvest(512), 0);
    CU_ASSERT_EQUAL(bitmap_weight(bits, NR_ENTRIES), 0);
    hn_fini();
}

static void clear__only_this_page(void)
{
    start(false);
    *hn_entry(2, NULL) |= NPT_ACCESSED;
    *hn_entry(3, NULL) |= NPT_ACCESSED;
    hn_superpage(512);
    p2m_lock(&hn.p2m);
    vmm_access_clear(&hn.guest, _gfn(2));
    vmm_access_clear(&hn.guest, _gfn(600));
    vmm_access_clear(&hn.guest, _gfn(1024));
    p2m_unlock(&hn.p2m);
    CU_ASSERT_TRUE(*hn_entry(512, NULL) & NPT_ACCESSED);
    CU_ASSERT_EQUAL(harvest(0), 0);
    CU_ASSERT_EQUAL(bitmap_weight(bits, NR_ENTRIES), 1);
    CU_ASSERT_TRUE(bit(3));
    hn_fini();
}

static const struct ut_case cases[] = {
    UT_CASE(harvest__clears),
    UT_CASE(harvest__ept),
    UT_CASE(harvest__ept_without_bits),
    UT_CASE(harvest__entries_without_user_bit),
    UT_CASE(harvest__entries_that_are_not_present),
    UT_CASE(harvest__nothing_there),
    UT_CASE(harvest__gfns_do_not_alias),
    UT_CASE(harvest__no_more_than_asked_for),
    UT_CASE(harvest__superpage_split),
    UT_CASE(harvest__superpage_cannot_be_split),
    UT_CASE(clear__only_this_page),
};

UT_MAIN("hvm-hooks/access", cases)
