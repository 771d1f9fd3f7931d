/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ut.h: a table of cases in, an exit status out.
 *
 * A test file includes the .c under test, then this, has a table of UT_CASE()
 * of functions named <function>__<condition>, and ends in UT_MAIN().  With
 * arguments only the cases of these names are run; UT_LIST=1 lists them.
 */
#ifndef UT_H
#define UT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>
#include <CUnit/TestDB.h>
#include <CUnit/TestRun.h>

struct ut_case {
    const char *name;
    void (*run)(void);
};

#define UT_CASE(function) { #function, function }

static inline int ut_wanted(const char *name, int argc, char **argv)
{
    int i;

    for (i = 1; i < argc; i++) {
        if (!strcmp(argv[i], name)) {
            return 1;
        }
    }
    return argc < 2;
}

static inline int ut_main(const char *name, const struct ut_case *cases,
                          size_t nr_cases, int argc, char **argv)
{
    unsigned int nr_run, nr_failed;
    CU_pFailureRecord failure;
    CU_pSuite suite;
    size_t i;

    if (getenv("UT_LIST")) {
        for (i = 0; i < nr_cases; i++) {
            puts(cases[i].name);
        }
        return 0;
    }
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 2;
    }
    suite = CU_add_suite(name, NULL, NULL);
    for (i = 0; suite && i < nr_cases; i++) {
        if (ut_wanted(cases[i].name, argc, argv) &&
            !CU_add_test(suite, cases[i].name, cases[i].run)) {
            suite = NULL;
        }
    }
    if (!suite) {
        fprintf(stderr, "%s: %s\n", name, CU_get_error_msg());
        return 2;
    }

    (void)CU_run_all_tests();
    for (failure = CU_get_failure_list(); failure; failure = failure->pNext) {
        printf("%s:%u: %s: %s\n",
               failure->strFileName ? failure->strFileName : "?",
               failure->uiLineNumber,
               failure->pTest ? failure->pTest->pName : "?",
               failure->strCondition ? failure->strCondition : "?");
    }
    nr_run = CU_get_number_of_tests_run();
    nr_failed = CU_get_number_of_tests_failed();
    printf("%s: %u passed, %u failed\n", name, nr_run - nr_failed, nr_failed);
    CU_cleanup_registry();
    /* A sanitizer that finds a leak at the end does not do it. */
    (void)fflush(stdout);

    return nr_failed || !nr_run ? 1 : 0;
}

#define UT_MAIN(name, cases) \
    int main(int argc, char **argv) \
    { \
        return ut_main(name, cases, sizeof(cases) / sizeof((cases)[0]), \
                       argc, argv); \
    }

#endif
