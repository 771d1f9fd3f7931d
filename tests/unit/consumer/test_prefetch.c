/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_prefetch.c: trends, depth, bounds. */
#include "consumer/prefetch.c"

#include "lib/ut.h"

#define NR_GFNS 100000u
#define MAX 64u

static struct vmm__prefetch *prefetch;
static uint64_t gfns[MAX];

static void setup(void)
{
    struct vmm__prefetch_cfg cfg;

    vmm__prefetch_cfg_default(&cfg);
    prefetch = NULL;
    CU_ASSERT_EQUAL_FATAL(vmm__prefetch_new(&cfg, 2, &prefetch), 0);
}

static void teardown(void)
{
    vmm__prefetch_free(prefetch);
}

static unsigned int fault(uint64_t gfn)
{
    return vmm__prefetch_fault(prefetch, 0, gfn, NR_GFNS, MAX, gfns);
}

static unsigned int depth(void)
{
    struct vmm__prefetch_stat stat;

    vmm__prefetch_stat(prefetch, &stat);
    return stat.depth;
}

static void prefetch_new__bad_arguments(void)
{
    struct vmm__prefetch_cfg cfg;
    struct vmm__prefetch *p;

    vmm__prefetch_cfg_default(&cfg);
    CU_ASSERT_EQUAL(vmm__prefetch_new(NULL, 1, &p), VMM_E_INVAL);
    CU_ASSERT_EQUAL(vmm__prefetch_new(&cfg, 0, &p), VMM_E_INVAL);
    CU_ASSERT_EQUAL(vmm__prefetch_new(&cfg, 1, NULL), VMM_E_INVAL);
    cfg.max_depth = 0;
    CU_ASSERT_EQUAL(vmm__prefetch_new(&cfg, 1, &p), VMM_E_INVAL);
    vmm__prefetch_free(NULL);
}

static void fault__sequential(void)
{
    unsigned int n = 0, i;

    setup();
    for (i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(fault(1000 + i), 0);
    }
    n = fault(1004);
    CU_ASSERT_EQUAL(n, 4);
    for (i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(gfns[i], 1005 + i);
    }
    teardown();
}

static void fault__negative_stride(void)
{
    unsigned int i;

    setup();
    for (i = 0; i < 4; i++) {
        (void)fault(5000 - 7 * i);
    }
    CU_ASSERT_EQUAL(fault(5000 - 28), 4);
    CU_ASSERT_EQUAL(gfns[0], 5000 - 35);
    CU_ASSERT_EQUAL(gfns[3], 5000 - 56);
    teardown();
}

static void fault__what_was_prefetched_does_not_fault(void)
{
    uint64_t gfn = 100;
    unsigned int n = 0, i, k;

    setup();
    for (i = 0; i < 5; i++) {
        n = fault(gfn++);
    }
    for (i = 0; i < 50; i++) {
        CU_ASSERT_FATAL(n > 0);
        CU_ASSERT_EQUAL(gfns[0], gfn);
        for (k = 0; k < n; k++) {
            vmm__prefetch_hit(prefetch, 0);
        }
        gfn += n;
        n = fault(gfn++);
    }
    CU_ASSERT_EQUAL(depth(), 32);
    teardown();
}

static void fault__trend_in_noise(void)
{
    unsigned int i, n = 0;

    setup();
    /* One in three is elsewhere, and each spoils two strides. */
    for (i = 0; i < 64; i++) {
        n = fault(i % 8 == 3 ? 70000 + i * 131 % 977 : 2000 + i);
    }
    CU_ASSERT(n > 0);
    CU_ASSERT_EQUAL(gfns[0], 2064);
    teardown();
}

static void fault__random(void)
{
    uint64_t x = 88172645463325252ull;
    unsigned int i, n = 0;

    setup();
    for (i = 0; i < 10000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        n += fault(x % NR_GFNS);
    }
    CU_ASSERT_EQUAL(n, 0);
    teardown();
}

static void fault__same_page(void)
{
    unsigned int i;

    setup();
    for (i = 0; i < 100; i++) {
        CU_ASSERT_EQUAL(fault(42), 0);
    }
    teardown();
}

static void fault__ends_of_domain(void)
{
    unsigned int i;

    setup();
    for (i = 6; i-- > 1;) {
        (void)fault(NR_GFNS - i - 2);
    }
    CU_ASSERT_EQUAL(fault(NR_GFNS - 2), 1);
    CU_ASSERT_EQUAL(gfns[0], NR_GFNS - 1);
    CU_ASSERT_EQUAL(fault(NR_GFNS - 1), 0);
    CU_ASSERT_EQUAL(fault(NR_GFNS), 0);
    for (i = 6; i > 1; i--) {
        (void)fault(i * 3 - 2);
    }
    CU_ASSERT_EQUAL(fault(1), 0);
    teardown();
}

static void fault__at_most_max(void)
{
    unsigned int i;

    setup();
    for (i = 0; i < 5; i++) {
        (void)fault(i);
    }
    CU_ASSERT_EQUAL(vmm__prefetch_fault(prefetch, 0, 5, NR_GFNS, 1, gfns), 1);
    CU_ASSERT_EQUAL(vmm__prefetch_fault(prefetch, 0, 6, NR_GFNS, 0, gfns), 0);
    CU_ASSERT_EQUAL(vmm__prefetch_fault(prefetch, 2, 6, NR_GFNS, 9, gfns), 0);
    teardown();
}

static void fault__streams_apart(void)
{
    unsigned int i, n = 0;

    setup();
    for (i = 0; i < 8; i++) {
        n = fault(1000 + i);
        (void)vmm__prefetch_fault(prefetch, 1, 90000 - 3 * i, NR_GFNS, MAX,
                                  gfns + MAX / 2);
    }
    CU_ASSERT_EQUAL(n, 4);
    CU_ASSERT_EQUAL(gfns[0], 1008);
    CU_ASSERT_EQUAL(gfns[MAX / 2], 90000 - 24);
    teardown();
}

static void depth__follows_hits(void)
{
    unsigned int i;

    setup();
    CU_ASSERT_EQUAL(depth(), 4);
    vmm__prefetch_hit(prefetch, 0);
    CU_ASSERT_EQUAL(depth(), 4);
    vmm__prefetch_hit(prefetch, 0);
    CU_ASSERT_EQUAL(depth(), 8);
    for (i = 0; i < 100; i++) {
        vmm__prefetch_hit(prefetch, 0);
    }
    CU_ASSERT_EQUAL(depth(), 32);
    vmm__prefetch_miss(prefetch, 0);
    CU_ASSERT_EQUAL(depth(), 16);
    for (i = 0; i < 100; i++) {
        vmm__prefetch_miss(prefetch, 0);
        vmm__prefetch_miss(prefetch, 1);
    }
    CU_ASSERT_EQUAL(depth(), 2);
    /* Not a stream: no harm. */
    vmm__prefetch_hit(prefetch, 2);
    vmm__prefetch_miss(prefetch, 2);
    teardown();
}

static const struct ut_case cases[] = {
    UT_CASE(prefetch_new__bad_arguments),
    UT_CASE(fault__sequential),
    UT_CASE(fault__negative_stride),
    UT_CASE(fault__what_was_prefetched_does_not_fault),
    UT_CASE(fault__trend_in_noise),
    UT_CASE(fault__random),
    UT_CASE(fault__same_page),
    UT_CASE(fault__ends_of_domain),
    UT_CASE(fault__at_most_max),
    UT_CASE(fault__streams_apart),
    UT_CASE(depth__follows_hits),
};

UT_MAIN("consumer/prefetch", cases)
