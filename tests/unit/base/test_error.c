/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_error.c: each row of vmm_errors.def, and what is not in it. */
#include "base/error.c"

#include <limits.h>

#include "lib/ut.h"

static void find__each_row(void)
{
    size_t i, k;

    for (i = 1; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_EQUAL(rows[i].value, -20000 - (int)i);
        CU_ASSERT_EQUAL(strncmp(rows[i].name, "VMM_E_", 6), 0);
        CU_ASSERT_NOT_EQUAL(rows[i].class, VMM_ECLASS_NONE);
        CU_ASSERT(rows[i].exit_status > 1 && rows[i].exit_status < 64);
        CU_ASSERT(strlen(rows[i].text) > 3);
        CU_ASSERT_PTR_EQUAL(vmm_error_name(rows[i].value), rows[i].name);
        CU_ASSERT_PTR_EQUAL(vmm_error_text(rows[i].value), rows[i].text);
        CU_ASSERT_EQUAL(vmm_error_class_of(rows[i].value), rows[i].class);
        CU_ASSERT_EQUAL(vmm_error_exit_status(rows[i].value),
                        rows[i].exit_status);
        for (k = 0; k < i; k++) {
            CU_ASSERT_NOT_EQUAL(strcmp(rows[i].name, rows[k].name), 0);
        }
    }
}

static void find__not_an_error(void)
{
    static const int values[] = { 1, -1, -5, -20000, -29999, INT_MAX,
                                  INT_MIN };
    size_t i;

    CU_ASSERT_STRING_EQUAL(vmm_error_name(0), "VMM_OK");
    CU_ASSERT_EQUAL(vmm_error_exit_status(0), 0);
    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        CU_ASSERT_STRING_EQUAL(vmm_error_name(values[i]), "unknown error");
        CU_ASSERT_STRING_EQUAL(vmm_error_text(values[i]), "unknown error");
        CU_ASSERT_EQUAL(vmm_error_class_of(values[i]), VMM_ECLASS_NONE);
        CU_ASSERT_EQUAL(vmm_error_exit_status(values[i]), 1);
    }
}

static void names__classes(void)
{
    CU_ASSERT_STRING_EQUAL(vmm_error_class_name(VMM_ECLASS_NONE), "none");
    CU_ASSERT_STRING_EQUAL(vmm_error_class_name(VMM_ECLASS_MEDIA), "media");
    CU_ASSERT_STRING_EQUAL(vmm_error_class_name(VMM_ECLASS_NOTSUP),
                           "notsup");
    CU_ASSERT_STRING_EQUAL(vmm_error_class_name((enum vmm_error_class)99),
                           "none");
    CU_ASSERT_STRING_EQUAL(vmm_reqclass_name(VMM_REQ_DEMAND), "demand");
    CU_ASSERT_STRING_EQUAL(vmm_reqclass_name(VMM_REQ_FOREIGN), "foreign");
    CU_ASSERT_STRING_EQUAL(vmm_reqclass_name(VMM_REQ_PREFETCH), "prefetch");
    CU_ASSERT_STRING_EQUAL(vmm_reqclass_name(VMM_REQ_EVICT), "evict");
    CU_ASSERT_STRING_EQUAL(vmm_reqclass_name(VMM_NR_REQCLASSES), "unknown");
}

static const struct ut_case cases[] = {
    UT_CASE(find__each_row),
    UT_CASE(find__not_an_error),
    UT_CASE(names__classes),
};

UT_MAIN("base/error", cases)
