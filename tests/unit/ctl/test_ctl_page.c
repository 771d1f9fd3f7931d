/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_ctl_page.c: retired pages, modules and the history in the control
 * protocol: what is put is got again, and a member that is not there, or is of
 * another type, is no answer of vmmd's.
 */
#include "ctl/ctl_page.c"

#include <stdio.h>
#include <stdlib.h>

#include "lib/ut.h"

static const struct vmm_retired page = {
    .mfn = 0x123456, .time_s = 1700000000, .nr_pages = 3, .nr_errors = 7,
    .owner_domid = 5, .broken = true, .cause = VMM_RETIRE_CORRECTED,
    .state = VMM_RETIRE_PENDING,
};
static const struct vmm_ctl_dimm dimm = {
    .dimm = {
        .locator = "A1", .maker = "M", .part = "P", .serial = "S",
        .size_bytes = 1ull << 34, .nr_ranges = 2, .shared = true,
        .ranges = { { 0, 0x80000 }, { 0x100000, 0x380000 } },
    },
    .nr_pages = 9, .nr_errors = 8, .nr_pending = 7, .nr_past = 6,
};
static const struct vmm_retired_past past = {
    .mfn = 0x77, .time_s = 5, .released_s = 6, .nr_pages = 2, .nr_errors = 1,
    .dimm = 3, .cause = VMM_RETIRE_IMPORTED, .reason = VMM_RETIRE_REPLACED,
};
static const struct vmm_ctl_page_stat stat_of = {
    .machine = {
        .boot_list_us = 11, .boot_heap_us = 12, .nr_uncorrected = 13,
        .nr_corrected = 14, .nr_moved = 15, .nr_touched = 16,
        .nr_unrecorded = 17, .boot_entries = 18,
        .list = VMM_MACHINE_LIST_DAMAGED, .from_variable = true,
        .module_damaged = true,
    },
    .generation = 19, .nr_recorded = 20, .nr_past = 21,
};

enum kind { PAGE_KIND, DIMM_KIND, PAST_KIND, STAT_KIND, NR_KINDS };

static char *put(enum kind kind)
{
    struct vmm__json_out *out = vmm__json_out_new(false);
    char *text = NULL;
    size_t len;

    vmm__json_put_object(out, NULL);
    switch (kind) {
    case PAGE_KIND: vmm_ctl_put_page(out, &page); break;
    case DIMM_KIND: vmm_ctl_put_dimm(out, &dimm); break;
    case PAST_KIND: vmm_ctl_put_past(out, &past); break;
    default: vmm_ctl_put_page_stat(out, &stat_of); break;
    }
    vmm__json_end_object(out);
    CU_ASSERT_EQUAL_FATAL(vmm__json_out_finish(out, &text, &len), 0);
    return text;
}

/* The status; and that what is got is what was put. */
static int get(enum kind kind, const char *text)
{
    struct vmm_ctl_page_stat s = { .nr_recorded = 0 };
    struct vmm_ctl_dimm d;
    struct vmm_retired_past h;
    struct vmm_retired p;
    struct vmm__json *json;
    int rc;

    CU_ASSERT_EQUAL_FATAL(vmm__json_parse(text, strlen(text), &json), 0);
    switch (kind) {
    case PAGE_KIND:
        rc = vmm_ctl_get_page(vmm__json_root(json), &p);
        CU_ASSERT_TRUE(rc || (p.mfn == page.mfn && p.nr_pages == 3 &&
                              p.nr_errors == 7 && p.owner_domid == 5 &&
                              p.time_s == page.time_s && p.broken &&
                              !p.from_boot_list && p.cause == page.cause &&
                              p.state == page.state));
        break;
    case DIMM_KIND:
        memset(&d, 0, sizeof(d));
        rc = vmm_ctl_get_dimm(vmm__json_root(json), &d);
        CU_ASSERT_TRUE(rc || !memcmp(&d, &dimm, sizeof(d)));
        break;
    case PAST_KIND:
        memset(&h, 0, sizeof(h));
        rc = vmm_ctl_get_past(vmm__json_root(json), &h);
        CU_ASSERT_TRUE(rc || (h.mfn == 0x77 && h.released_s == 6 &&
                              h.dimm == 3 && h.cause == past.cause &&
                              h.reason == past.reason && h.nr_pages == 2));
        break;
    default:
        rc = vmm_ctl_get_page_stat(vmm__json_root(json), &s);
        CU_ASSERT_TRUE(rc || !memcmp(&s, &stat_of, sizeof(s)));
        break;
    }
    vmm__json_free(json);
    return rc;
}

static void get__what_was_put(void)
{
    unsigned int kind;

    for (kind = 0; kind < NR_KINDS; kind++) {
        char *text = put((enum kind)kind);

        CU_ASSERT_EQUAL(get((enum kind)kind, text), 0);
        free(text);
    }
}

/* Each member by another name, and each with a value of another type. */
static void get__each_member_bad(void)
{
    unsigned int kind, nr_bad = 0;

    for (kind = 0; kind < NR_KINDS; kind++) {
        char *text = put((enum kind)kind), *at = text;

        while ((at = strchr(at, '"')) != NULL) {
            char *end = strchr(at + 1, '"');

            if (end[1] == ':' && strncmp(at, "\"owner_domid\"", 13) &&
                strncmp(at, "\"dimm\"", 6)) {
                at[1] ^= 1;
                CU_ASSERT_EQUAL(get((enum kind)kind, text), VMM_E_FORMAT);
                at[1] ^= 1;
                nr_bad++;
            }
            at = end + 1;
        }
        free(text);
    }
    CU_ASSERT_TRUE(nr_bad > 40);
}

static void get__bad_values(void)
{
    static const struct {
        enum kind kind;
        const char *from, *to;
    } rows[] = {
        { PAGE_KIND, "\"corrected\"", "\"because\"" },
        { PAGE_KIND, "\"pending\"", "\"asleep\"" },
        { PAGE_KIND, "\"owner_domid\":5", "\"owner_domid\":99999" },
        { PAGE_KIND, "\"nr_pages\":3", "\"nr_pages\":-3" },
        { DIMM_KIND, "[0,524288]", "[0]" },
        { DIMM_KIND, "[0,524288]", "[0,1],[2,1],[3,1],[4,1]" },
        { DIMM_KIND, "[0,524288]", "7" },
        { DIMM_KIND, "\"A1\"", "\"0123456789012345678901234567890123456789"
                               "012345678901234567890123\"" },
        { PAST_KIND, "\"replaced\"", "\"lost\"" },
        { PAST_KIND, "\"dimm\":3", "\"dimm\":512" },
        { STAT_KIND, "\"damaged\"", "\"eaten\"" },
        { STAT_KIND, "true", "1" },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = put(rows[i].kind), *bad, *at;

        at = strstr(text, rows[i].from);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        *at = '\0';
        CU_ASSERT_TRUE_FATAL(asprintf(&bad, "%s%s%s", text, rows[i].to,
                                      at + strlen(rows[i].from)) > 0);
        CU_ASSERT_EQUAL(get(rows[i].kind, bad), VMM_E_FORMAT);
        free(bad);
        free(text);
    }
}

static const struct ut_case cases[] = {
    UT_CASE(get__what_was_put),
    UT_CASE(get__each_member_bad),
    UT_CASE(get__bad_values),
};

UT_MAIN("ctl/ctl_page", cases)
