/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_badpages.c: lists of bad pages as others write them. */
#include "format/badpages.c"

#include <stdio.h>

#include "lib/ut.h"

static char got[4096];
static unsigned int nr_got;
static int fn_rc;

static int take(void *user, uint64_t mfn, uint32_t nr_pages,
                enum vmm_retire_cause cause)
{
    size_t len = strlen(got);

    (void)user;
    (void)snprintf(got + len, sizeof(got) - len, "%llx+%u%c ",
                   (unsigned long long)mfn, nr_pages,
                   vmm_retire_cause_name(cause)[0]);
    nr_got++;
    return fn_rc;
}

static int parse(const char *text)
{
    const char *why = NULL;
    int rc;

    got[0] = '\0';
    nr_got = 0;
    rc = vmm__badpages_parse(text, strlen(text), take, NULL, &why);
    CU_ASSERT_TRUE(!rc || why);
    return rc;
}

static void parse__good(void)
{
    static const struct {
        const char *text, *pages;
    } rows[] = {
        { "badpage=0x3f45,0x8a321", "3f45+1i 8a321+1i " },
        { "badpage=0x10-0x1f", "10+16i " },
        { "16,17-18\n", "10+1i 11+2i " },
        { " 0xABC ,\n 0xdef ", "abc+1i def+1i " },
        { "badram=0x12345000,0xfffff000", "12345+1i " },
        { "badram=0x12345abc,0xfffffffc", "12345+1i " },
        { "GRUB_BADRAM=\"0x100000,0xffffe000\"\n", "100+2i " },
        { "badram=0x100000,0xffffffffffffd000", "100+1i 102+1i " },
        { "badram=0x100000,0xfffffffffffb8000,0x7000,0xfffffffffffff000",
          "100+8i 140+8i 7+1i " },
        { "[]", "" },
        { "[{\"mfn\":16}]", "10+1i " },
        { "[{\"mfn\":16,\"nr_pages\":3,\"cause\":\"uncorrected\","
          "\"state\":\"retired\"},{\"mfn\":32,\"cause\":\"corrected\"}]",
          "10+3u 20+1c " },
        { "0xffffffffff", "ffffffffff+1i " },
    };
    size_t i;

    fn_rc = 0;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_EQUAL(parse(rows[i].text), 0);
        CU_ASSERT_STRING_EQUAL(got, rows[i].pages);
    }
}

static void parse__bad(void)
{
    static const struct {
        const char *text;
        int rc;
    } rows[] = {
        { "", VMM_E_FORMAT }, { "badpage=", VMM_E_FORMAT },
        { "0x", VMM_E_FORMAT }, { "1,", VMM_E_FORMAT },
        { "1 2", VMM_E_FORMAT }, { "5-", VMM_E_FORMAT },
        { "5-4", VMM_E_FORMAT }, { "0x10000000000", VMM_E_RANGE },
        { "1-0x10000000000", VMM_E_RANGE },
        { "99999999999999999999999", VMM_E_FORMAT },
        { "badram=0x1000", VMM_E_FORMAT },
        { "badram=4096,0xfffff000", VMM_E_FORMAT },
        { "badram=0x1000,0", VMM_E_FORMAT },
        { "badram=0x1000,0x0000000000000000", VMM_E_RANGE },
        { "badram=0x1000,0xfff0000000000fff", VMM_E_RANGE },
        { "{}", VMM_E_FORMAT }, { "[1]", VMM_E_FORMAT },
        { "[{}]", VMM_E_FORMAT }, { "[{\"mfn\":\"1\"}]", VMM_E_FORMAT },
        { "[{\"mfn\":1,\"nr_pages\":0}]", VMM_E_RANGE },
        { "[{\"mfn\":1,\"nr_pages\":4294967296}]", VMM_E_RANGE },
        { "[{\"mfn\":1099511627776}]", VMM_E_RANGE },
        { "[{\"mfn\":1}", VMM_E_FORMAT },
    };
    size_t i;

    fn_rc = 0;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_EQUAL(parse(rows[i].text), rows[i].rc);
    }
}

/* What it is told of ends it, and a mask cannot go on for ever. */
static void parse__bounded(void)
{
    fn_rc = VMM_E_NOSPC;
    CU_ASSERT_EQUAL(parse("1,2,3"), VMM_E_NOSPC);
    CU_ASSERT_EQUAL(nr_got, 1);
    fn_rc = 0;
    CU_ASSERT_EQUAL(parse("badram=0x0,0xffe0000000001000"), VMM_E_RANGE);
    CU_ASSERT_EQUAL(parse("badram=0x0,0xffffaaaaaaaa9000"), VMM_E_RANGE);
    CU_ASSERT_TRUE(nr_got <= VMM_RETIRE_PAGES_MAX);
}

static const struct ut_case cases[] = {
    UT_CASE(parse__good),
    UT_CASE(parse__bad),
    UT_CASE(parse__bounded),
};

UT_MAIN("format/badpages", cases)
