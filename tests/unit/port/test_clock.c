/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_clock.c: the time of this host, and how it is made of what it says. */
#include <time.h>

/* What the clock says, if that is up to the test. */
static const struct timespec *says;
static clockid_t asked;

static int ut_clock_gettime(clockid_t clock, struct timespec *now_out)
{
    asked = clock;
    if (!says) {
        return clock_gettime(clock, now_out);
    }
    *now_out = *says;
    return 0;
}

#define clock_gettime ut_clock_gettime
#include "port/clock.c"
#undef clock_gettime

#include "lib/ut.h"

static void now__is_monotonic(void)
{
    uint64_t last = vmm__now_ns(&vmm__clock_monotonic), now;
    unsigned int i;

    CU_ASSERT_EQUAL(asked, CLOCK_MONOTONIC);
    CU_ASSERT_TRUE(last > 0);
    for (i = 0; i < 10000; i++) {
        now = vmm__now_ns(&vmm__clock_monotonic);
        CU_ASSERT_TRUE_FATAL(now >= last);
        last = now;
    }
}

static void now__is_in_nanoseconds(void)
{
    static const struct {
        struct timespec says;
        uint64_t now_ns;
    } rows[] = {
        { { 0, 0 }, 0 },
        { { 0, 1 }, 1 },
        { { 0, 999999999 }, 999999999 },
        { { 1, 0 }, 1000000000 },
        { { 3, 500000007 }, 3500000007 },
        /* More than 32 bits of either hold; some 300 years. */
        { { 5000000, 1 }, 5000000000000001 },
        { { 9223372036, 854775807 }, INT64_MAX },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        says = &rows[i].says;
        CU_ASSERT_EQUAL(vmm__now_ns(&vmm__clock_monotonic), rows[i].now_ns);
    }
    says = NULL;
}

static void arm__is_left_to_others(void)
{
    CU_ASSERT_PTR_NULL(vmm__clock_monotonic.ops->arm);
}

static const struct ut_case cases[] = {
    UT_CASE(now__is_monotonic),
    UT_CASE(now__is_in_nanoseconds),
    UT_CASE(arm__is_left_to_others),
};

UT_MAIN("port/clock", cases)
