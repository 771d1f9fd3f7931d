/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_tier_set.c: xl tier-set as it is called, and what of it vmmd gets:
 * targets, stores, and what it waits for.
 */
#include <stdbool.h>
#include <time.h>

int tier_set_main(int argc, char **argv);

static unsigned int nr_naps;

/* Nobody has the time. */
static int ut_nanosleep(const struct timespec *interval,
                        struct timespec *left_out)
{
    (void)interval;
    (void)left_out;
    nr_naps++;
    return 0;
}

#define main tier_set_main
#define nanosleep ut_nanosleep
#include "xl-plugins/xl-tier-set.c"
#undef main
#undef nanosleep

#include "xl-plugins/plugin.c"

#include "lib/fake_vmmd.h"
#include "lib/ut.h"

#define ANSWER "{\"id\":1,\"result\":{}}\n"

static struct fake_vmmd vmmd;
static char *out, *err;

/* Returns its exit status. */
static int tier_set(const char *const *args)
{
    nr_naps = 0;
    return fake_vmmd_call(&vmmd, tier_set_main, args, &out, &err);
}

static void forget(void)
{
    free(out);
    free(err);
    out = err = NULL;
    memset(vmmd.says, 0, sizeof(vmmd.says));
}

#define TIER_SET(...) \
    tier_set((const char *const[]){ "tier-set", __VA_ARGS__, NULL })

/* Cases. */

static void target__as_it_may_be(void)
{
    static const struct {
        const char *target, *expected;
    } rows[] = {
        { "512", "\"target\":536870912}" },
        { "512M", "\"target\":536870912}" },
        { "2G", "\"target\":2147483648}" },
        { "4096b", "\"target\":4096}" },
        { "1%", "\"target_percent\":1}" },
        { "60%", "\"target_percent\":60}" },
        { "100%", "\"target_percent\":100}" },
        { "0000060%", "\"target_percent\":60}" },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char expected[128];

        vmmd.says[0] = ANSWER;
        CU_ASSERT_EQUAL(TIER_SET("mail", rows[i].target), 0);
        CU_ASSERT_STRING_EQUAL(out, "");
        CU_ASSERT_STRING_EQUAL(err, "");
        CU_ASSERT_EQUAL(vmmd.nr_got, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(vmmd.got[0],
                                      "\"method\":\"tier-set\""));
        (void)snprintf(expected, sizeof(expected),
                       "\"params\":{\"domain\":\"mail\",%s",
                       rows[i].expected);
        CU_ASSERT_PTR_NOT_NULL(strstr(vmmd.got[0], expected));
        forget();
    }
}

static void target__as_it_may_not_be(void)
{
    static const struct {
        const char *target, *says;
    } rows[] = {
        { "", "target is no size" },
        { "half", "target is no size" },
        { "1P", "target is no size" },
        { "0", "target is out of range" },
        { "0G", "target is out of range" },
        { "99999999T", "target is out of range" },
        { "0%", "the target must be from 1% to 100%" },
        { "101%", "the target must be from 1% to 100%" },
        { "%", "the target must be from 1% to 100%" },
        { "a%", "the target must be from 1% to 100%" },
        { "50%%", "the target must be from 1% to 100%" },
        { "5.5%", "the target must be from 1% to 100%" },
        { "4294967346%", "the target must be from 1% to 100%" },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_EQUAL(TIER_SET("mail", rows[i].target), 2);
        CU_ASSERT_STRING_EQUAL(out, "");
        CU_ASSERT_EQUAL(strncmp(err, "xl-tier-set: ", 13), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(err, rows[i].says));
        CU_ASSERT_PTR_EQUAL(strchr(err, '\n'), err + strlen(err) - 1);
        CU_ASSERT_EQUAL(vmmd.nr_connections, 0);
        forget();
    }
}

static void floor__as_it_may_be_or_not(void)
{
    vmmd.says[0] = ANSWER;
    CU_ASSERT_EQUAL(TIER_SET("--floor", "64M", "mail", "50%"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(vmmd.got[0], "\"target_percent\":50,"
                                               "\"floor\":67108864}"));
    forget();
    /* None at all is a floor. */
    vmmd.says[0] = ANSWER;
    CU_ASSERT_EQUAL(TIER_SET("--floor=0", "mail", "1G"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(vmmd.got[0], "\"floor\":0}"));
    forget();
    CU_ASSERT_EQUAL(TIER_SET("--floor=10%", "mail", "1G"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err, "10%: floor is no size"));
    CU_ASSERT_PTR_NULL(strstr(err, "from 1%"));
    forget();
}

static void store__is_absolute_for_vmmd(void)
{
    char *cwd = getcwd(NULL, 0), *expected;

    CU_ASSERT_PTR_NOT_NULL_FATAL(cwd);
    vmmd.says[0] = ANSWER;
    CU_ASSERT_EQUAL(TIER_SET("-s", "/dev/sdz", "mail", "1G"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(vmmd.got[0], "\"store\":\"/dev/sdz\"}"));
    forget();
    vmmd.says[0] = ANSWER;
    CU_ASSERT_EQUAL(TIER_SET("--store=a/b", "mail", "1G"), 0);
    CU_ASSERT_TRUE_FATAL(asprintf(&expected, "\"store\":\"%s/a/b\"}",
                                  cwd) > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(vmmd.got[0], expected));
    forget();
    CU_ASSERT_EQUAL(TIER_SET("--store=", "mail", "1G"), 2);
    CU_ASSERT_EQUAL(vmmd.nr_connections, 0);
    forget();
    free(expected);
    free(cwd);
}

static void options__are_said_if_given(void)
{
    vmmd.says[0] = ANSWER;
    CU_ASSERT_EQUAL(TIER_SET("mail", "--fifo", "1G", "--no-prefetch"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(vmmd.got[0],
                                  "\"no_prefetch\":true,\"fifo\":true}"));
    forget();
}

static void arguments__wrong(void)
{
    CU_ASSERT_EQUAL(TIER_SET("mail"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err, "missing argument; usage: xl "
                                       "tier-set "));
    forget();
    CU_ASSERT_EQUAL(TIER_SET("mail", "1G", "2G"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err, "superfluous argument"));
    forget();
    CU_ASSERT_EQUAL(TIER_SET("--what", "mail", "1G"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err, "an option is not known"));
    forget();
    CU_ASSERT_EQUAL(TIER_SET("mail", "1G", "--store"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err, "lacks its value"));
    forget();
    CU_ASSERT_EQUAL(TIER_SET("mail", "1G", "--help"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "--no-prefetch "));
    CU_ASSERT_EQUAL(vmmd.nr_connections, 0);
    forget();
}

static void json__is_the_answer(void)
{
    vmmd.says[0] = "{\"id\":1,\"result\":{\"domid\":7}}\n";
    CU_ASSERT_EQUAL(TIER_SET("-j", "mail", "1G"), 0);
    CU_ASSERT_STRING_EQUAL(err, "");
    CU_ASSERT_EQUAL(out[0], '{');
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"domid\": 7"));
    forget();
}

static void call__fails(void)
{
    vmmd.says[0] = "{\"id\":1,\"error\":{\"name\":\"VMM_E_NOSPC\","
                   "\"class\":\"retry\",\"message\":\"no room\"}}\n";
    CU_ASSERT_EQUAL(TIER_SET("-jw", "mail", "1G"), 9);
    CU_ASSERT_STRING_EQUAL(out, "");
    CU_ASSERT_STRING_EQUAL(err, "xl-tier-set: no room\n");
    forget();
}

/* The tier, in the n-th answer. */
static char *tier_line(uint64_t n, uint64_t resident_pages,
                       enum vmm_pager_state state, int error)
{
    const struct vmm_ctl_tier tier = {
        .domid = 7, .name = "mail", .uuid = "u", .store = "/s",
        .state = VMM_CTL_SESSION_ACTIVE, .has_stat = true,
        .stat = {
            .resident_pages = resident_pages, .target_pages = 1000,
            .state = state, .last_error = error,
        },
    };

    return fake_vmmd_result(n, &tier, 1, 0);
}

static void wait__till_the_target_is_met(void)
{
    const struct vmm_ctl_tier opening = {
        .domid = 7, .name = "mail", .uuid = "u", .store = "/s",
        .state = VMM_CTL_SESSION_OPENING,
    };
    char *lines[4];
    unsigned int i;

    lines[0] = fake_vmmd_result(1, &opening, 1, 0);
    lines[1] = tier_line(2, 5000, VMM_PAGER_ACTIVE, 0);
    /* A write that failed is tried again. */
    lines[2] = tier_line(3, 1001, VMM_PAGER_ACTIVE, VMM_E_IO);
    lines[3] = tier_line(4, 1000, VMM_PAGER_ACTIVE, 0);
    for (i = 0; i < 4; i++) {
        vmmd.says[i] = lines[i];
    }
    CU_ASSERT_EQUAL(TIER_SET("--wait", "--json", "mail", "1G"), 0);
    CU_ASSERT_EQUAL(vmmd.nr_got, 4);
    CU_ASSERT_EQUAL(nr_naps, 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(vmmd.got[3], "\"method\":\"tier-stat\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(vmmd.got[3],
                                  "\"params\":{\"domain\":\"mail\"}"));
    /* The last that was seen. */
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"resident_pages\": 1000"));
    forget();

    /* Without it, the first will do. */
    vmmd.says[0] = lines[0];
    CU_ASSERT_EQUAL(TIER_SET("mail", "1G"), 0);
    CU_ASSERT_EQUAL(vmmd.nr_got, 1);
    forget();
    for (i = 0; i < 4; i++) {
        free(lines[i]);
    }
}

static void wait__it_will_not_be_met(void)
{
    static const struct {
        enum vmm_pager_state state;
        int error, status;
    } rows[] = {
        { VMM_PAGER_STORE_FULL, VMM_E_NOSPC, 9 },
        { VMM_PAGER_FAILED, VMM_E_CHECKSUM, 8 },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *first = tier_line(1, 5000, VMM_PAGER_ACTIVE, 0);
        char *second = tier_line(2, 4000, rows[i].state, rows[i].error);

        vmmd.says[0] = first;
        vmmd.says[1] = second;
        CU_ASSERT_EQUAL(TIER_SET("-wj", "mail", "1G"), rows[i].status);
        CU_ASSERT_STRING_EQUAL(out, "");
        CU_ASSERT_EQUAL(strncmp(err, "xl-tier-set: domain 7: ", 23), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(err, vmm_error_text(rows[i].error)));
        CU_ASSERT_EQUAL(vmmd.nr_got, 2);
        forget();
        free(first);
        free(second);
    }
}

static void wait__domain_is_gone(void)
{
    char *first = tier_line(1, 5000, VMM_PAGER_ACTIVE, 0);

    vmmd.says[0] = first;
    vmmd.says[1] = "{\"id\":2,\"error\":{\"name\":\"VMM_E_NOENT\","
                   "\"class\":\"caller\",\"message\":\"it is gone\"}}\n";
    CU_ASSERT_EQUAL(TIER_SET("-w", "mail", "1G"), 5);
    CU_ASSERT_STRING_EQUAL(err, "xl-tier-set: it is gone\n");
    forget();
    free(first);
}

static const struct ut_case cases[] = {
    UT_CASE(target__as_it_may_be),
    UT_CASE(target__as_it_may_not_be),
    UT_CASE(floor__as_it_may_be_or_not),
    UT_CASE(store__is_absolute_for_vmmd),
    UT_CASE(options__are_said_if_given),
    UT_CASE(arguments__wrong),
    UT_CASE(json__is_the_answer),
    UT_CASE(call__fails),
    UT_CASE(wait__till_the_target_is_met),
    UT_CASE(wait__it_will_not_be_met),
    UT_CASE(wait__domain_is_gone),
};

UT_MAIN("xl-plugins/tier_set", cases)
