/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_reqclass.c: names of the classes, which are in the protocol. */
#include "base/reqclass.c"

#include <limits.h>

#include "lib/ut.h"

static void name__each(void)
{
    CU_ASSERT_EQUAL(VMM_NR_REQCLASSES, 5);
    CU_ASSERT_STRING_EQUAL(vmm_reqclass_name(VMM_REQ_DEMAND), "demand");
    CU_ASSERT_STRING_EQUAL(vmm_reqclass_name(VMM_REQ_FOREIGN), "foreign");
    CU_ASSERT_STRING_EQUAL(vmm_reqclass_name(VMM_REQ_PREFETCH), "prefetch");
    CU_ASSERT_STRING_EQUAL(vmm_reqclass_name(VMM_REQ_EVICT), "evict");
    CU_ASSERT_STRING_EQUAL(vmm_reqclass_name(VMM_REQ_PURGE), "purge");
}

static void name__none(void)
{
    static const int values[] = { VMM_NR_REQCLASSES, 5, INT_MAX, -1,
                                  INT_MIN };
    size_t i;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        CU_ASSERT_STRING_EQUAL(vmm_reqclass_name(
            (enum vmm_reqclass)values[i]), "unknown");
    }
}

/* The most urgent is the least: classes are compared as numbers. */
static void order__of_urgency(void)
{
    CU_ASSERT_TRUE(VMM_REQ_DEMAND == 0 && VMM_REQ_DEMAND < VMM_REQ_FOREIGN &&
                   VMM_REQ_FOREIGN < VMM_REQ_PREFETCH &&
                   VMM_REQ_PREFETCH < VMM_REQ_EVICT);
}

static const struct ut_case cases[] = {
    UT_CASE(name__each),
    UT_CASE(name__none),
    UT_CASE(order__of_urgency),
};

UT_MAIN("base/reqclass", cases)
