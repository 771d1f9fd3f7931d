/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_hist.c: quantiles are at most an eighth too high, never too low. */
#include "base/hist.c"

#include "lib/ut.h"

static struct vmm__hist hist;

static void quantile__empty(void)
{
    vmm__hist_reset(&hist);
    CU_ASSERT_EQUAL(vmm__hist_quantile(&hist, 0), 0);
    CU_ASSERT_EQUAL(vmm__hist_quantile(&hist, 1000), 0);
}

static void buckets__cover_everything(void)
{
    unsigned int i;

    for (i = 0; i + 1 < VMM__HIST_BUCKETS; i++) {
        CU_ASSERT_EQUAL(bucket_of(bucket_end(i)), i);
        CU_ASSERT_EQUAL(bucket_of(bucket_end(i) + 1), i + 1);
    }
    CU_ASSERT_EQUAL(bucket_end(VMM__HIST_BUCKETS - 1), UINT64_MAX);
    CU_ASSERT_EQUAL(bucket_of(0), 0);
    CU_ASSERT_EQUAL(bucket_of(UINT64_MAX), VMM__HIST_BUCKETS - 1);
}

static void quantile__one_value(void)
{
    static const uint64_t values[] = { 0, 1, 7, 8, 9, 1000, 123456789,
                                       UINT64_MAX };
    size_t i;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        vmm__hist_reset(&hist);
        vmm__hist_add(&hist, values[i]);
        CU_ASSERT_EQUAL(vmm__hist_quantile(&hist, 1), values[i]);
        CU_ASSERT_EQUAL(vmm__hist_quantile(&hist, 500), values[i]);
        CU_ASSERT_EQUAL(vmm__hist_quantile(&hist, 1000), values[i]);
        CU_ASSERT_EQUAL(hist.max, values[i]);
    }
}

static void quantile__error_is_bounded(void)
{
    unsigned int per_mille;
    uint64_t v;

    vmm__hist_reset(&hist);
    for (v = 1; v <= 100000; v++) {
        vmm__hist_add(&hist, v);
    }
    for (per_mille = 1; per_mille <= 1000; per_mille++) {
        uint64_t exact = 100 * per_mille;
        uint64_t got = vmm__hist_quantile(&hist, per_mille);

        CU_ASSERT(got >= exact && got <= exact + exact / 8);
    }
}

static void quantile__tail(void)
{
    unsigned int i;

    vmm__hist_reset(&hist);
    for (i = 0; i < 998; i++) {
        vmm__hist_add(&hist, 3);
    }
    vmm__hist_add(&hist, 5);
    vmm__hist_add(&hist, 6);
    CU_ASSERT_EQUAL(vmm__hist_quantile(&hist, 998), 3);
    CU_ASSERT_EQUAL(vmm__hist_quantile(&hist, 999), 5);
    CU_ASSERT_EQUAL(vmm__hist_quantile(&hist, 1000), 6);
}

static const struct ut_case cases[] = {
    UT_CASE(quantile__empty),
    UT_CASE(buckets__cover_everything),
    UT_CASE(quantile__one_value),
    UT_CASE(quantile__error_is_bounded),
    UT_CASE(quantile__tail),
};

UT_MAIN("base/hist", cases)
