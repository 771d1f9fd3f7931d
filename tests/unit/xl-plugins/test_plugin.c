/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_plugin.c: sizes and numbers, tables, what a command says and how it
 * ends, calls of a vmmd that answers well, badly or not at all.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static bool no_memory, on_terminal;
static time_t time_s;

static void *ut_calloc(size_t nr, size_t size)
{
    return no_memory ? NULL : calloc(nr, size);
}

static int ut_isatty(int fd)
{
    (void)fd;
    return on_terminal;
}

/* Each look at the clock is a second later. */
static int ut_clock_gettime(clockid_t clock, struct timespec *now_out)
{
    (void)clock;
    *now_out = (struct timespec){ .tv_sec = ++time_s };
    return 0;
}

#define calloc ut_calloc
#define isatty ut_isatty
#define clock_gettime ut_clock_gettime
#include "xl-plugins/plugin.c"
#undef calloc
#undef isatty
#undef clock_gettime

#include "lib/capture.h"
#include "lib/fake_vmmd.h"
#include "lib/ut.h"

static const struct plugin_spec spec = {
    .name = "tier-test",
    .usage = "[OPTION]... <Domain>",
    .description = "Test it",
    .options = "-x, --extra          More.\n",
};

#define PARAMS(domain) plugin_params("domain", domain)

static struct plugin plugin;
static struct capture out_capture, err_capture;

static void begin(void)
{
    no_memory = on_terminal = false;
    time_s = 0;
    plugin_init(&plugin, &spec);
}

/* What is said, till said(). */
static void listen_to(void)
{
    capture_begin(&out_capture, STDOUT_FILENO);
    capture_begin(&err_capture, STDERR_FILENO);
}

static void said(const char *out_expected, const char *err_expected)
{
    char *err = capture_end(&err_capture), *out = capture_end(&out_capture);

    CU_ASSERT_STRING_EQUAL(out, out_expected);
    CU_ASSERT_STRING_EQUAL(err, err_expected);
    free(out);
    free(err);
}

/* Cases. */

static void parse_number__rows(void)
{
    static const struct {
        const char *text;
        uint64_t min, max;
        int rc;
        uint64_t number;
    } rows[] = {
        { "0", 0, 10, 0, 0 },
        { "10", 0, 10, 0, 10 },
        { "007", 0, 10, 0, 7 },
        { "11", 0, 10, VMM_E_RANGE, 0 },
        { "0", 1, 10, VMM_E_RANGE, 0 },
        { "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
        { "18446744073709551616", 0, UINT64_MAX, VMM_E_RANGE, 0 },
        { "99999999999999999999999999", 0, UINT64_MAX, VMM_E_RANGE, 0 },
        { "", 0, 10, VMM_E_FORMAT, 0 },
        { "-1", 0, UINT64_MAX, VMM_E_FORMAT, 0 },
        { "+1", 0, 10, VMM_E_FORMAT, 0 },
        { " 1", 0, 10, VMM_E_FORMAT, 0 },
        { "1 ", 0, 10, VMM_E_FORMAT, 0 },
        { "0x1", 0, 10, VMM_E_FORMAT, 0 },
        { "1.5", 0, 10, VMM_E_FORMAT, 0 },
        { "one", 0, 10, VMM_E_FORMAT, 0 },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t number = 4711;

        CU_ASSERT_EQUAL(plugin_parse_number(rows[i].text, rows[i].min,
                                            rows[i].max, &number),
                        rows[i].rc);
        CU_ASSERT_EQUAL(number, rows[i].rc ? 4711 : rows[i].number);
    }
}

static void parse_size__rows(void)
{
    static const struct {
        const char *text;
        int rc;
        uint64_t bytes;
    } rows[] = {
        { "1", 0, 1ull << 20 },
        { "512", 0, 512ull << 20 },
        { "1B", 0, 1 },
        { "1b", 0, 1 },
        { "3K", 0, 3ull << 10 },
        { "3k", 0, 3ull << 10 },
        { "5M", 0, 5ull << 20 },
        { "5m", 0, 5ull << 20 },
        { "7G", 0, 7ull << 30 },
        { "7g", 0, 7ull << 30 },
        { "2T", 0, 2ull << 40 },
        { "2t", 0, 2ull << 40 },
        { "0", 0, 0 },
        { "0G", 0, 0 },
        /* The largest of each, and one more. */
        { "18446744073709551615B", 0, UINT64_MAX },
        { "18446744073709551616B", VMM_E_RANGE, 0 },
        { "17592186044415", 0, 17592186044415ull << 20 },
        { "17592186044416", VMM_E_RANGE, 0 },
        { "16777215T", 0, 16777215ull << 40 },
        { "16777216T", VMM_E_RANGE, 0 },
        { "99999999999999999999999999", VMM_E_RANGE, 0 },
        { "99999999999999999999999999G", VMM_E_RANGE, 0 },
        { "abcdefghijklmnopqrstuvwxyz", VMM_E_FORMAT, 0 },
        { "", VMM_E_FORMAT, 0 },
        { "K", VMM_E_FORMAT, 0 },
        { "1KB", VMM_E_FORMAT, 0 },
        { "1P", VMM_E_FORMAT, 0 },
        { "1 K", VMM_E_FORMAT, 0 },
        { "1K ", VMM_E_FORMAT, 0 },
        { "-1K", VMM_E_FORMAT, 0 },
        { "1.5G", VMM_E_FORMAT, 0 },
        { "50%", VMM_E_FORMAT, 0 },
        { " ", VMM_E_FORMAT, 0 },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t bytes = 4711;
        int rc = plugin_parse_size(rows[i].text, &bytes);

        if (rc != rows[i].rc || bytes != (rc ? 4711 : rows[i].bytes)) {
            printf("of \"%s\": %s, %llu\n", rows[i].text, vmm_error_name(rc),
                   (unsigned long long)bytes);
            CU_FAIL("it is something else");
        }
    }
}

static void mib__rounds(void)
{
    CU_ASSERT_EQUAL(plugin_mib(0), 0);
    CU_ASSERT_EQUAL(plugin_mib(127), 0);
    CU_ASSERT_EQUAL(plugin_mib(128), 1);
    CU_ASSERT_EQUAL(plugin_mib(256), 1);
    CU_ASSERT_EQUAL(plugin_mib(383), 1);
    CU_ASSERT_EQUAL(plugin_mib(384), 2);
}

static void fail__says_one_line(void)
{
    begin();
    listen_to();
    CU_ASSERT_EQUAL(plugin_fail(&plugin, VMM_E_NOENT, "%s: no such domain",
                                "mail"), 5);
    CU_ASSERT_EQUAL(plugin_fail(&plugin, 12345, "what"), 1);
    said("", "xl-tier-test: mail: no such domain\nxl-tier-test: what\n");
}

static void option__help(void)
{
    int status = -1;
    char *out;

    begin();
    capture_begin(&out_capture, STDOUT_FILENO);
    CU_ASSERT_FALSE(plugin_option(&plugin, 'h', &status));
    out = capture_end(&out_capture);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_EQUAL(strncmp(out, "Usage: xl tier-test [OPTION]... <Domain>"
                            "\n\nTest it.\n\nOptions:\n\n-x, --extra  ", 68),
                    0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "\n-j, --json "));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "\nSee xl-tier-test(1).\n"));
    free(out);
}

static void option__common_ones(void)
{
    static const struct option options[] = { PLUGIN_LONG_OPTIONS };
    static char name[] = "xl", json[] = "--json", j[] = "-j",
                sock[] = "--socket", sock_path[] = "/s", more[] = "more";
    char *argv[] = { name, json, sock, sock_path, j, more, NULL };
    int opt, status = -1;

    begin();
    CU_ASSERT_FALSE(plugin.json);
    CU_ASSERT_STRING_EQUAL(plugin.socket_path, VMM_CTL_SOCKET);
    optind = 0;
    while ((opt = getopt_long(6, argv, PLUGIN_SHORT_OPTIONS, options,
                              NULL)) != -1) {
        CU_ASSERT_TRUE(plugin_option(&plugin, opt, &status));
    }
    CU_ASSERT_EQUAL(status, -1);
    CU_ASSERT_TRUE(plugin.json);
    CU_ASSERT_STRING_EQUAL(plugin.socket_path, "/s");
    CU_ASSERT_STRING_EQUAL(argv[optind], "more");
}

static void option__not_known(void)
{
    int status = -1;

    begin();
    listen_to();
    CU_ASSERT_FALSE(plugin_option(&plugin, '?', &status));
    said("", "xl-tier-test: an option is not known or lacks its value; xl "
         "tier-test --help has those that there are\n");
    CU_ASSERT_EQUAL(status, 2);
}

static void arguments__too_few_or_many(void)
{
    int status = -1;

    begin();
    CU_ASSERT_TRUE(plugin_arguments(&plugin, 1, 1, 2, &status));
    CU_ASSERT_TRUE(plugin_arguments(&plugin, 2, 1, 2, &status));
    CU_ASSERT_EQUAL(status, -1);
    listen_to();
    CU_ASSERT_FALSE(plugin_arguments(&plugin, 0, 1, 2, &status));
    said("", "xl-tier-test: missing argument; usage: xl tier-test "
         "[OPTION]... <Domain>\n");
    CU_ASSERT_EQUAL(status, 2);
    status = -1;
    listen_to();
    CU_ASSERT_FALSE(plugin_arguments(&plugin, 3, 1, 2, &status));
    said("", "xl-tier-test: superfluous argument; usage: xl tier-test "
         "[OPTION]... <Domain>\n");
    CU_ASSERT_EQUAL(status, 2);
}

static void end__status_is_kept(void)
{
    begin();
    listen_to();
    printf("the answer\n");
    CU_ASSERT_EQUAL(plugin_end(&plugin, 0), 0);
    CU_ASSERT_EQUAL(plugin_end(&plugin, 7), 7);
    said("the answer\n", "");
}

/* An answer that was not printed is no success. */
static void end__answer_cannot_be_printed(void)
{
    int saved = dup(STDOUT_FILENO);
    FILE *full = fopen("/dev/full", "w");
    int status, status_before;
    char *err;

    CU_ASSERT_PTR_NOT_NULL_FATAL(full);
    begin();
    (void)fflush(stdout);
    capture_begin(&err_capture, STDERR_FILENO);
    (void)dup2(fileno(full), STDOUT_FILENO);
    printf("the answer\n");
    status = plugin_end(&plugin, 0);
    printf("the answer\n");
    status_before = plugin_end(&plugin, 5);
    (void)dup2(saved, STDOUT_FILENO);
    clearerr(stdout);
    close(saved);
    (void)fclose(full);
    err = capture_end(&err_capture);
    CU_ASSERT_EQUAL(status, 8);
    CU_ASSERT_EQUAL(status_before, 5);
    CU_ASSERT_STRING_EQUAL(err, "xl-tier-test: standard output: No space "
                           "left on device\n");
    free(err);
}

static void show__on_a_terminal_only(void)
{
    begin();
    listen_to();
    plugin_show("not seen");
    CU_ASSERT_EQUAL(plugin_end(&plugin, 0), 0);
    said("", "");

    listen_to();
    on_terminal = true;
    plugin_show("%u of %u", 1, 2);
    plugin_show("%u of %u", 2, 2);
    (void)plugin_fail(&plugin, VMM_E_IO, "broken");
    CU_ASSERT_EQUAL(plugin_end(&plugin, 0), 0);
    /* Each takes the place of what was there, and nothing is left. */
    said("", "1 of 2\r\033[K2 of 2\r\033[Kxl-tier-test: broken\n");
}

/* Calls. */

static void call__answered(void)
{
    struct fake_vmmd vmmd = {
        .says = { "{\"id\":1,\"result\":{\"a\":5}}\n",
                  "{\"id\":2,\"result\":[]}\n" },
    };
    const struct vmm__json_value *result;
    struct vmm__json *reply;
    uint64_t number = 0;
    int status = -1;

    begin();
    fake_vmmd_start(&vmmd);
    plugin.socket_path = vmmd.path;
    CU_ASSERT_TRUE_FATAL(plugin_call(&plugin, "first", PARAMS("mail"),
                                     NULL, &reply, &result, &status));
    CU_ASSERT_EQUAL(vmm__json_get_u64(result, "a", &number), 0);
    CU_ASSERT_EQUAL(number, 5);
    vmm__json_free(reply);
    CU_ASSERT_TRUE_FATAL(plugin_call(&plugin, "second", PARAMS(NULL),
                                     NULL, &reply, &result, &status));
    CU_ASSERT_EQUAL(vmm__json_nr(result), 0);
    vmm__json_free(reply);
    CU_ASSERT_EQUAL(status, -1);
    CU_ASSERT_EQUAL(plugin_end(&plugin, 0), 0);
    fake_vmmd_stop(&vmmd);

    CU_ASSERT_EQUAL(vmmd.nr_connections, 1);
    CU_ASSERT_EQUAL(vmmd.nr_got, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(vmmd.got[0], "\"method\":\"first\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(vmmd.got[0],
                                  "\"params\":{\"domain\":\"mail\"}"));
    CU_ASSERT_PTR_NOT_NULL(strstr(vmmd.got[1], "\"params\":{}"));
}

static void call__connects_again(void)
{
    struct fake_vmmd vmmd = {
        .says = { "{\"id\":1,\"result\":{}}\n",
                  "{\"id\":1,\"result\":{}}\n" },
    };
    const struct vmm__json_value *result;
    struct vmm__json *reply;
    int status = -1, i;

    begin();
    fake_vmmd_start(&vmmd);
    plugin.socket_path = vmmd.path;
    for (i = 0; i < 2; i++) {
        CU_ASSERT_TRUE_FATAL(plugin_call(&plugin, "m", PARAMS(NULL),
                                         NULL, &reply, &result, &status));
        vmm__json_free(reply);
        plugin_disconnect(&plugin);
        CU_ASSERT_PTR_NULL(plugin.ctl);
    }
    fake_vmmd_stop(&vmmd);
    CU_ASSERT_EQUAL(vmmd.nr_connections, 2);
}

static void call__vmmd_says_no(void)
{
    struct fake_vmmd vmmd = {
        .says = { "{\"id\":1,\"error\":{\"name\":\"VMM_E_IOMMU\",\"class\":"
                  "\"notsup\",\"message\":\"mail has a device\"}}\n" },
    };
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    int status = -1;

    begin();
    fake_vmmd_start(&vmmd);
    plugin.socket_path = vmmd.path;
    listen_to();
    CU_ASSERT_FALSE(plugin_call(&plugin, "m", PARAMS("mail"), NULL,
                                &reply, &result, &status));
    CU_ASSERT_EQUAL(plugin_end(&plugin, status), 6);
    said("", "xl-tier-test: mail has a device\n");
    fake_vmmd_stop(&vmmd);
}

static void call__vmmd_hangs_up(void)
{
    struct fake_vmmd vmmd = { .says = { NULL } };
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    int status = -1;

    begin();
    fake_vmmd_start(&vmmd);
    plugin.socket_path = vmmd.path;
    listen_to();
    CU_ASSERT_FALSE(plugin_call(&plugin, "m", PARAMS("mail"), NULL,
                                &reply, &result, &status));
    CU_ASSERT_EQUAL(plugin_end(&plugin, status), 10);
    said("", "xl-tier-test: vmmd closed the connection; see its log\n");
    fake_vmmd_stop(&vmmd);
}

static void call__nobody_there(void)
{
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    int status = -1;
    char *err;

    begin();
    plugin.socket_path = "/nonexistent/vmmd.sock";
    capture_begin(&err_capture, STDERR_FILENO);
    CU_ASSERT_FALSE(plugin_call(&plugin, "m", PARAMS("mail"), NULL,
                                &reply, &result, &status));
    CU_ASSERT_EQUAL(plugin_end(&plugin, status), 10);
    err = capture_end(&err_capture);
    CU_ASSERT_EQUAL(strncmp(err, "xl-tier-test: ", 14), 0);
    /* It says where it looked. */
    CU_ASSERT_PTR_NOT_NULL(strstr(err, "/nonexistent/vmmd.sock"));
    CU_ASSERT_PTR_EQUAL(strchr(err, '\n'), err + strlen(err) - 1);
    free(err);
}

static void call__no_memory_for_params(void)
{
    struct fake_vmmd vmmd = { .says = { NULL } };
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    int status = -1;

    begin();
    fake_vmmd_start(&vmmd);
    plugin.socket_path = vmmd.path;
    listen_to();
    CU_ASSERT_FALSE(plugin_call(&plugin, "m", NULL, NULL, &reply, &result,
                                &status));
    CU_ASSERT_EQUAL(plugin_end(&plugin, status), 3);
    said("", "xl-tier-test: the request cannot be put together: out of "
         "memory\n");
    fake_vmmd_stop(&vmmd);
    CU_ASSERT_EQUAL(vmmd.nr_got, 0);
}

/* Tiers. */

static const struct vmm_ctl_tier two_tiers[] = {
    { .domid = 7, .name = "mail", .uuid = "u", .store = "/s",
      .state = VMM_CTL_SESSION_ACTIVE, .has_stat = true,
      .stat = { .resident_pages = 256 } },
    { .domid = 8, .name = "web", .uuid = "v", .store = "/t",
      .state = VMM_CTL_SESSION_OPENING },
};

static bool say_left(const struct vmm__json_value *progress, char *text,
                     size_t text_bytes)
{
    struct vmm_ctl_tier tier;

    if (vmm_ctl_get_tier(progress, &tier)) {
        return false;
    }
    (void)snprintf(text, text_bytes, "domain %u: %llu MiB", tier.domid,
                   (unsigned long long)plugin_mib(tier.stat.resident_pages));
    return true;
}

/* Of a call that takes long, and not of one that does not. */
static void call__progress(void)
{
    char *tier = fake_vmmd_result(1, two_tiers, 1, 0);
    char *progress, *all, *err, *value;
    struct fake_vmmd vmmd = { .says = { NULL } };
    const struct vmm__json_value *result;
    struct vmm__json *reply;
    int status = -1;

    value = strstr(tier, "\"result\":") + strlen("\"result\":");
    CU_ASSERT_TRUE_FATAL(asprintf(&progress, "{\"id\":1,\"progress\":%s",
                                  value) > 0);
    /* The clock is a second on at each of them. */
    CU_ASSERT_TRUE_FATAL(asprintf(&all, "%s%s%s{\"id\":1,\"progress\":{}}\n"
                                  "{\"id\":1,\"result\":{}}\n", progress,
                                  progress, progress) > 0);
    begin();
    vmmd.says[0] = all;
    fake_vmmd_start(&vmmd);
    plugin.socket_path = vmmd.path;
    on_terminal = true;
    capture_begin(&err_capture, STDERR_FILENO);
    CU_ASSERT_TRUE_FATAL(plugin_call(&plugin, "m", PARAMS(NULL),
                                     say_left, &reply, &result, &status));
    err = capture_end(&err_capture);
    CU_ASSERT_STRING_EQUAL(err, "xl-tier-test: domain 7: 1 MiB\r\033[K"
                           "xl-tier-test: domain 7: 1 MiB\r\033[K");
    free(err);
    vmm__json_free(reply);
    CU_ASSERT_EQUAL(plugin_end(&plugin, 0), 0);
    fake_vmmd_stop(&vmmd);
    free(all);
    free(progress);
    free(tier);
}

static struct vmm__json *parse(const char *text)
{
    struct vmm__json *json;

    CU_ASSERT_EQUAL_FATAL(vmm__json_parse(text, strlen(text), &json), 0);
    return json;
}

static void tiers__one_or_several(void)
{
    unsigned int nr, as_array;

    begin();
    for (as_array = 0; as_array < 2; as_array++) {
        for (nr = as_array ? 0 : 1; nr <= 1 + as_array; nr++) {
            char *text = fake_vmmd_result(1, two_tiers, nr, (int)as_array);
            struct vmm__json *json = parse(text);
            struct vmm_ctl_tier *tiers;
            uint32_t nr_tiers;
            int status = -1;

            CU_ASSERT_TRUE_FATAL(plugin_tiers(
                &plugin, vmm__json_member(vmm__json_root(json), "result"),
                &tiers, &nr_tiers, &status));
            CU_ASSERT_EQUAL(nr_tiers, nr);
            CU_ASSERT_EQUAL(status, -1);
            if (nr) {
                CU_ASSERT_STRING_EQUAL(tiers[0].name, "mail");
                CU_ASSERT_EQUAL(tiers[0].stat.resident_pages, 256);
            }
            if (nr > 1) {
                CU_ASSERT_STRING_EQUAL(tiers[1].name, "web");
                CU_ASSERT_FALSE(tiers[1].has_stat);
            }
            free(tiers);
            vmm__json_free(json);
            free(text);
        }
    }
}

static void tiers__not_understood(void)
{
    static const char *const texts[] = {
        "{}", "[{}]", "7", "[[]]", "null",
    };
    size_t i;

    begin();
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct vmm__json *json = parse(texts[i]);
        struct vmm_ctl_tier *tiers;
        uint32_t nr;
        int status = -1;

        listen_to();
        CU_ASSERT_FALSE(plugin_tiers(&plugin, vmm__json_root(json), &tiers,
                                     &nr, &status));
        said("", "xl-tier-test: vmmd's answer is not understood; install "
             "the same version of both\n");
        CU_ASSERT_EQUAL(status, 2);
        vmm__json_free(json);
    }
}

static void tiers__no_memory(void)
{
    struct vmm__json *json = parse("[]");
    struct vmm_ctl_tier *tiers;
    uint32_t nr;
    int status = -1;

    begin();
    no_memory = true;
    listen_to();
    CU_ASSERT_FALSE(plugin_tiers(&plugin, vmm__json_root(json), &tiers, &nr,
                                 &status));
    said("", "xl-tier-test: out of memory\n");
    CU_ASSERT_EQUAL(status, 3);
    vmm__json_free(json);
}

static void array__always_one(void)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        { "[]", "[]" }, { "[1,2]", "[1,2]" }, { "{\"a\":1}", "[{\"a\":1}]" },
        { "null", "[null]" },
    };
    size_t i;

    begin();
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vmm__json *json = parse(rows[i].text);
        char *text = plugin_array(vmm__json_root(json), false);

        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        CU_ASSERT_STRING_EQUAL(text, rows[i].expected);
        free(text);
        text = plugin_array(vmm__json_root(json), true);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        CU_ASSERT_TRUE(i == 0 || strchr(text, '\n'));
        free(text);
        vmm__json_free(json);
    }
}

/* Tables. */

static const struct plugin_column columns[] = {
    { "NAME", false }, { "ID", true }, { "STATE", false },
};

static void check_table(struct plugin_table *table, const char *expected)
{
    char *text = plugin_table_finish(table);

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_STRING_EQUAL(text, expected);
    free(text);
}

static void table__aligned(void)
{
    struct plugin_table *table = plugin_table_new(columns, 3);

    plugin_table_row(table);
    plugin_table_text(table, "%s", "mail");
    plugin_table_text(table, "%u", 7);
    plugin_table_text(table, "active");
    plugin_table_row(table);
    plugin_table_text(table, "a-longer-name");
    plugin_table_text(table, "12345");
    plugin_table_text(table, "draining");
    check_table(table,
                "NAME             ID STATE\n"
                "mail              7 active\n"
                "a-longer-name 12345 draining\n");
}

static void table__no_rows(void)
{
    check_table(plugin_table_new(columns, 3), "NAME ID STATE\n");
}

/* It says all, also where the terminal is narrow. */
static void table__wide(void)
{
    struct plugin_table *table;
    char name[CELL_BYTES + 100], *text;

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    (void)setenv("COLUMNS", "20", 1);
    table = plugin_table_new(columns, 3);
    plugin_table_row(table);
    plugin_table_text(table, "%s", name);
    plugin_table_text(table, "7");
    plugin_table_text(table, "active");
    text = plugin_table_finish(table);
    (void)unsetenv("COLUMNS");
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    name[CELL_BYTES - 1] = '\0';
    CU_ASSERT_PTR_NOT_NULL(strstr(text, name));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "active\n"));
    free(text);
}

static void table__too_many_cells(void)
{
    struct plugin_table *table = plugin_table_new(columns, 1);

    plugin_table_row(table);
    plugin_table_text(table, "a");
    plugin_table_text(table, "b");
    CU_ASSERT_PTR_NULL(plugin_table_finish(table));
}

static void table__no_memory(void)
{
    struct plugin_table *table;

    begin();
    no_memory = true;
    table = plugin_table_new(columns, 3);
    CU_ASSERT_PTR_NULL(table);
    plugin_table_row(table);
    plugin_table_text(table, "x");
    plugin_table_time(table, 5);
    CU_ASSERT_PTR_NULL(plugin_table_finish(table));
}

static void table_time__for_people(void)
{
    static const struct {
        uint64_t time_ns;
        const char *expected;
    } rows[] = {
        { 0, "-" }, { 1, "0us" }, { 1499, "1us" }, { 1500, "2us" },
        { 9999499, "9999us" }, { 10000000, "10ms" }, { 10499999, "10ms" },
        { 10500000, "11ms" }, { 9999499999, "9999ms" },
        { 10000000000, "10s" }, { 90499999999, "90s" },
        { 90500000000, "91s" },
    };
    static const struct plugin_column column = { "T", false };
    char expected[32];
    size_t i;

    begin();
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct plugin_table *table = plugin_table_new(&column, 1);

        plugin_table_row(table);
        plugin_table_time(table, rows[i].time_ns);
        (void)snprintf(expected, sizeof(expected), "T\n%s\n",
                       rows[i].expected);
        check_table(table, expected);
    }
}

static const struct ut_case cases[] = {
    UT_CASE(parse_number__rows),
    UT_CASE(parse_size__rows),
    UT_CASE(mib__rounds),
    UT_CASE(fail__says_one_line),
    UT_CASE(option__help),
    UT_CASE(option__common_ones),
    UT_CASE(option__not_known),
    UT_CASE(arguments__too_few_or_many),
    UT_CASE(end__status_is_kept),
    UT_CASE(end__answer_cannot_be_printed),
    UT_CASE(show__on_a_terminal_only),
    UT_CASE(call__answered),
    UT_CASE(call__connects_again),
    UT_CASE(call__vmmd_says_no),
    UT_CASE(call__vmmd_hangs_up),
    UT_CASE(call__nobody_there),
    UT_CASE(call__no_memory_for_params),
    UT_CASE(call__progress),
    UT_CASE(tiers__one_or_several),
    UT_CASE(tiers__not_understood),
    UT_CASE(tiers__no_memory),
    UT_CASE(array__always_one),
    UT_CASE(table__aligned),
    UT_CASE(table__no_rows),
    UT_CASE(table__wide),
    UT_CASE(table__too_many_cells),
    UT_CASE(table__no_memory),
    UT_CASE(table_time__for_people),
};

UT_MAIN("xl-plugins/plugin", cases)
