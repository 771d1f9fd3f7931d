/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_slotmap.c: next-fit, and what is taken. */
#include "base/slotmap.c"

#include "tests/lib/ut.h"

static struct vmm__slotmap map;

static void alloc__next_fit(void)
{
    uint64_t first;

    CU_ASSERT_TRUE_FATAL(vmm__slotmap_init(&map, 200));
    CU_ASSERT_EQUAL(vmm__slotmap_alloc(&map, 8, &first), 8);
    CU_ASSERT_EQUAL(first, 0);
    CU_ASSERT_EQUAL(vmm__slotmap_alloc(&map, 100, &first), 100);
    CU_ASSERT_EQUAL(first, 8);
    vmm__slotmap_give(&map, 3);
    /* Not back to the hole, as long as there is room behind. */
    CU_ASSERT_EQUAL(vmm__slotmap_alloc(&map, 1, &first), 1);
    CU_ASSERT_EQUAL(first, 108);
    CU_ASSERT_EQUAL(map.nr_taken, 108);
    vmm__slotmap_dispose(&map);
}

static void alloc__the_longest_run(void)
{
    uint64_t first, i;

    CU_ASSERT_TRUE_FATAL(vmm__slotmap_init(&map, 130));
    CU_ASSERT_EQUAL(vmm__slotmap_alloc(&map, 130, &first), 130);
    CU_ASSERT_EQUAL(vmm__slotmap_alloc(&map, 1, &first), 0);
    for (i = 62; i < 67; i++) {
        vmm__slotmap_give(&map, i);
    }
    vmm__slotmap_give(&map, 100);
    CU_ASSERT_EQUAL(vmm__slotmap_alloc(&map, 9, &first), 5);
    CU_ASSERT_EQUAL(first, 62);
    CU_ASSERT_TRUE(vmm__slotmap_taken(&map, 66));
    CU_ASSERT_FALSE(vmm__slotmap_taken(&map, 100));
    CU_ASSERT_EQUAL(vmm__slotmap_alloc(&map, 9, &first), 1);
    CU_ASSERT_EQUAL(first, 100);
    CU_ASSERT_EQUAL(vmm__slotmap_alloc(&map, 0, &first), 0);
    vmm__slotmap_dispose(&map);
}

static void init__none(void)
{
    uint64_t first;

    CU_ASSERT_TRUE_FATAL(vmm__slotmap_init(&map, 0));
    CU_ASSERT_EQUAL(vmm__slotmap_alloc(&map, 1, &first), 0);
    vmm__slotmap_dispose(&map);
    vmm__slotmap_dispose(&map);
}

static const struct ut_case cases[] = {
    UT_CASE(alloc__next_fit),
    UT_CASE(alloc__the_longest_run),
    UT_CASE(init__none),
};

UT_MAIN("base/slotmap", cases)
