/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_methods.c: what can be asked for, as texts there and back; sessions
 * are real, on a host that is made up, and the socket is left out.
 */
#include <stdarg.h>

#include "dom0-daemon/methods.c"

#include <event2/event.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dom0-daemon/record.h"
#include "lib/fake_host.h"
#include "lib/ut.h"

#define PATIENCE_MS 5000
#define TARGET(bytes) "{\"domain\":1,\"target\":" bytes "}"

static char dir[64], state_dir[80];
static struct conf conf;
static struct loop *loop;
static struct methods methods;

/* In place of control.c: one request, and the text that answers it. */
static struct control_request the_request;
static char *answer;
static unsigned int nr_answers;

struct vmm__json_out *control_begin(const struct control_request *request)
{
    struct vmm__json_out *out = vmm__json_out_new(false);

    vmm__json_put_object(out, NULL);
    vmm__json_put_value(out, "id", request->msg.id);
    return out;
}

void control_progress_end(struct control_request *request,
                          struct vmm__json_out *out)
{
    size_t len;

    CU_ASSERT_PTR_EQUAL(request, &the_request);
    vmm__json_end_object(out);
    free(answer);
    answer = NULL;
    CU_ASSERT_EQUAL(vmm__json_out_finish(out, &answer, &len), 0);
}

void control_end(struct control_request *request, struct vmm__json_out *out)
{
    nr_answers++;
    control_progress_end(request, out);
    vmm_ctl_request_dispose(&request->msg);
}

void control_fail(struct control_request *request, int rc,
                  const char *fmt, ...)
{
    struct vmm__json_out *out = control_begin(request);
    char text[1000];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    CU_ASSERT_TRUE(text[0] != '\0');
    vmm__json_put_string(out, "error", vmm_error_name(rc));
    vmm__json_put_string(out, "message", text);
    control_end(request, out);
}

static void ready(void *user)
{
    (void)user;
}

static void begin(void)
{
    log_set_level(VMM_LOG_ERROR);
    fake_host_make_dir(dir);
    (void)snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
    (void)mkdir(state_dir, 0700);
    conf = (struct conf){
        .state_dir = state_dir, .store_dir = dir, .index_dir = dir,
        .harvest_interval_ms = 1000, .max_sessions = 8, .prefetch = 1,
    };
    fake_host_reset(state_dir);
    CU_ASSERT_EQUAL_FATAL(loop_open(&loop), 0);
    methods = (struct methods){
        .state = METHODS_RUNNING, .version = "1.2",
        .toolstack_ops = &fake_toolstack_ops, .blocks_path = "/a/blocks",
    };
    CU_ASSERT_EQUAL_FATAL(regions_open(loop, &conf, &methods.regions), 0);
    CU_ASSERT_EQUAL_FATAL(sessions_open(loop, &conf, &fake_toolstack_ops,
                                        NULL, &fake_pager_ops,
                                        methods.regions, ready, NULL,
                                        &methods.sessions), 0);
    nr_answers = 0;
}

static bool late(const struct timespec *since)
{
    const struct timespec pause = { .tv_nsec = 200000 };
    struct timespec now;

    (void)nanosleep(&pause, NULL);
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - since->tv_sec) * 1000 +
           (now.tv_nsec - since->tv_nsec) / 1000000 > PATIENCE_MS;
}

#define UNTIL(condition) \
    do { \
        struct timespec since_; \
        (void)clock_gettime(CLOCK_MONOTONIC, &since_); \
        while (!(condition) && !late(&since_)) { \
            (void)event_base_loop(loop_base(loop), EVLOOP_NONBLOCK); \
            sessions_store(methods.sessions); \
        } \
        CU_ASSERT_TRUE_FATAL(condition); \
    } while (0)

static void stopped(void *user)
{
    *(bool *)user = true;
}

static void end(void)
{
    bool is_stopped = false;

    sessions_stop(methods.sessions, false, stopped, &is_stopped);
    UNTIL(is_stopped);
    sessions_close(methods.sessions);
    regions_close(methods.regions);
    loop_close(loop);
    CU_ASSERT_EQUAL(fake_host_nr_wrong, 0);
    fake_host_remove_dir(dir);
    free(answer);
    answer = NULL;
}

static void send_request(const char *method, const char *params)
{
    const char *why;
    char *line;

    CU_ASSERT_TRUE_FATAL(asprintf(&line, "{\"id\":1,\"method\":\"%s\"%s%s}",
                                  method, params ? ",\"params\":" : "",
                                  params ? params : "") > 0);
    memset(&the_request, 0, sizeof(the_request));
    the_request.domid = UINT32_MAX;
    CU_ASSERT_EQUAL_FATAL(vmm_ctl_request_parse(line, strlen(line),
                                                &the_request.msg, &why), 0);
    free(line);
    nr_answers = 0;
    methods_request(&methods, &the_request);
}

/* The answer in full. */
static const char *ask(const char *method, const char *params)
{
    send_request(method, params);
    UNTIL(nr_answers);
    CU_ASSERT_EQUAL(nr_answers, 1);
    return answer;
}

static bool fails(const char *method, const char *params, const char *error)
{
    char wanted[100];
    bool ok;

    (void)snprintf(wanted, sizeof(wanted), "{\"id\":1,\"error\":\"%s\",",
                   error);
    ok = !strncmp(ask(method, params), wanted, strlen(wanted));
    if (!ok) {
        printf("%s %s: %s\n", method, params ? params : "", answer);
    }
    return ok;
}

static bool works(const char *method, const char *params)
{
    bool ok = strstr(ask(method, params), "{\"id\":1,\"result\":") == answer;

    if (!ok) {
        printf("%s %s: %s\n", method, params ? params : "", answer);
    }
    return ok;
}

static void methods_request__small_ones(void)
{
    begin();
    CU_ASSERT_STRING_EQUAL(ask("ping", NULL), "{\"id\":1,\"result\":{}}");
    CU_ASSERT_STRING_EQUAL(ask("ping", "{}"), "{\"id\":1,\"result\":{}}");
    CU_ASSERT_STRING_EQUAL(ask("status", NULL),
                           "{\"id\":1,\"result\":{\"version\":\"1.2\","
                           "\"state\":\"running\",\"nr_sessions\":0,"
                           "\"log_level\":\"error\"}}");
    CU_ASSERT_STRING_EQUAL(ask("tier-list", NULL),
                           "{\"id\":1,\"result\":[]}");
    CU_ASSERT_STRING_EQUAL(ask("tier-stat", NULL),
                           "{\"id\":1,\"result\":[]}");
    CU_ASSERT_TRUE(works("log-level", "{\"level\":\"warn\"}"));
    CU_ASSERT_EQUAL(log_get_level(), VMM_LOG_WARN);
    CU_ASSERT_TRUE(fails("log-level", NULL, "VMM_E_INVAL"));
    CU_ASSERT_TRUE(fails("log-level", "{\"level\":\"loud\"}",
                         "VMM_E_INVAL"));
    CU_ASSERT_TRUE(fails("log-level", "{\"level\":1}", "VMM_E_INVAL"));
    CU_ASSERT_EQUAL(log_get_level(), VMM_LOG_WARN);
    end();
}

static void methods_request__not_known(void)
{
    begin();
    CU_ASSERT_TRUE(fails("", NULL, "VMM_E_NOTSUP"));
    CU_ASSERT_TRUE(fails("tier", NULL, "VMM_E_NOTSUP"));
    CU_ASSERT_TRUE(fails("tier-set-all", NULL, "VMM_E_NOTSUP"));
    CU_ASSERT_TRUE(fails("PING", NULL, "VMM_E_NOTSUP"));
    CU_ASSERT_TRUE(fails("ping", "{\"x\":1}", "VMM_E_INVAL"));
    CU_ASSERT_TRUE(fails("tier-list", "{\"domain\":1}", "VMM_E_INVAL"));
    CU_ASSERT_TRUE(fails("tier-off", "{\"domain\":1,\"target\":1}",
                         "VMM_E_INVAL"));
    end();
}

/* Every method in every state, by what it needs. */
static void methods_request__states(void)
{
    static const enum methods_state states[] = {
        METHODS_STARTING, METHODS_RUNNING, METHODS_STOPPING,
    };
    size_t i, j;

    begin();
    for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        methods.state = states[i];
        for (j = 0; table[j].name; j++) {
            bool changes = !strcmp(table[j].name, "tier-set") ||
                           !strcmp(table[j].name, "tier-off") ||
                           !strcmp(table[j].name, "tier-retry") ||
                           !strcmp(table[j].name, "tier-reset-latency");
            bool again = strstr(ask(table[j].name, NULL),
                                "VMM_E_AGAIN") != NULL;

            CU_ASSERT_EQUAL(again,
                            changes && states[i] != METHODS_RUNNING);
        }
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(ask("status", NULL), "stopping"));
    end();
}

static void find_domain__ways(void)
{
    static const char *const good[] = {
        "{\"domain\":12}", "{\"domain\":\"12\"}", "{\"domain\":\"mail\"}",
        "{\"domain\":\"012\"}",
    };
    static const struct {
        const char *params, *error;
    } bad[] = {
        { "{}", "VMM_E_INVAL" },
        { NULL, "VMM_E_INVAL" },
        { "{\"domain\":null}", "VMM_E_INVAL" },
        { "{\"domain\":[12]}", "VMM_E_INVAL" },
        { "{\"domain\":true}", "VMM_E_INVAL" },
        { "{\"domain\":12.5}", "VMM_E_INVAL" },
        { "{\"domain\":-1}", "VMM_E_RANGE" },
        { "{\"domain\":18446744073709551616}", "VMM_E_RANGE" },
        { "{\"domain\":4294967295}", "VMM_E_NOENT" },
        { "{\"domain\":4294967308}", "VMM_E_NOENT" },
        { "{\"domain\":\"4294967308\"}", "VMM_E_NOENT" },
        { "{\"domain\":\"99999999999999999999999\"}", "VMM_E_NOENT" },
        { "{\"domain\":\"12x\"}", "VMM_E_NOENT" },
        { "{\"domain\":\"\"}", "VMM_E_NOENT" },
        { "{\"domain\":\" 12\"}", "VMM_E_NOENT" },
        { "{\"domain\":\"-12\"}", "VMM_E_NOENT" },
        { "{\"domain\":13}", "VMM_E_NOENT" },
        { "{\"domain\":\"other\"}", "VMM_E_NOENT" },
    };
    struct fake_domain *domain;
    size_t i;

    begin();
    domain = fake_host_add(12, 1);
    (void)strcpy(domain->domain.name, "mail");
    fake_host_add(13, 1);
    CU_ASSERT_TRUE(works("tier-set", "{\"domain\":12,\"target\":4096}"));
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CU_ASSERT_TRUE(works("tier-stat", good[i]));
        CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"domid\":12,"));
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_TRUE(fails("tier-off", bad[i].params, bad[i].error));
        CU_ASSERT_TRUE(fails("tier-retry", bad[i].params, bad[i].error));
        CU_ASSERT_TRUE(fails("tier-reset-latency", bad[i].params,
                             bad[i].error));
    }
    end();
}

static void tier_set__targets(void)
{
    /* Of 65536 pages. */
    static const struct {
        const char *params;
        uint64_t pages;
    } rows[] = {
        { TARGET("1"), 1 },
        { TARGET("4096"), 1 },
        { TARGET("4097"), 2 },
        { TARGET("268435456"), 65536 },
        { "{\"domain\":1,\"target_percent\":1}", 656 },
        { "{\"domain\":1,\"target_percent\":50}", 32768 },
        { "{\"domain\":1,\"target_percent\":100}", 65536 },
        { "{\"domain\":1,\"target\":40960,\"floor\":8191}", 10 },
    };
    static const struct {
        const char *params, *error;
    } bad[] = {
        { "{\"domain\":1}", "VMM_E_INVAL" },
        { TARGET("0"), "VMM_E_RANGE" },
        { TARGET("268435457"), "VMM_E_RANGE" },
        { TARGET("18446744073709551615"), "VMM_E_RANGE" },
        { TARGET("18446744073709551616"), "VMM_E_RANGE" },
        { TARGET("-1"), "VMM_E_RANGE" },
        { TARGET("\"1\""), "VMM_E_INVAL" },
        { TARGET("1.5"), "VMM_E_INVAL" },
        { TARGET("null"), "VMM_E_INVAL" },
        { "{\"domain\":1,\"target\":1,\"target_percent\":1}",
          "VMM_E_INVAL" },
        { "{\"domain\":1,\"target_percent\":0}", "VMM_E_RANGE" },
        { "{\"domain\":1,\"target_percent\":101}", "VMM_E_RANGE" },
        { "{\"domain\":1,\"target_percent\":\"5\"}", "VMM_E_INVAL" },
        { "{\"domain\":1,\"target\":8192,\"floor\":12288}", "VMM_E_RANGE" },
        { "{\"domain\":1,\"target\":1,\"floor\":-1}", "VMM_E_RANGE" },
        { "{\"domain\":1,\"target\":1,\"floor\":{}}", "VMM_E_INVAL" },
        { "{\"domain\":1,\"target\":1,\"store\":\"relative\"}",
          "VMM_E_INVAL" },
        { "{\"domain\":1,\"target\":1,\"store\":\"\"}", "VMM_E_INVAL" },
        { "{\"domain\":1,\"target\":1,\"store\":1}", "VMM_E_INVAL" },
        { "{\"domain\":1,\"target\":1,\"fifo\":1}", "VMM_E_INVAL" },
        { "{\"domain\":1,\"target\":1,\"no_prefetch\":\"yes\"}",
          "VMM_E_INVAL" },
        { "{\"domain\":2,\"target\":1}", "VMM_E_NOENT" },
        { "{\"domain\":\"2\",\"target\":1}", "VMM_E_NOENT" },
        { "{\"domain\":\"two\",\"target\":1}", "VMM_E_NOENT" },
        { "{\"domain\":3,\"target\":1}", "VMM_E_LOCAL" },
        { "{\"domain\":4,\"target\":1}", "VMM_E_NOTSUP" },
    };
    struct fake_domain *domain;
    char *params, *store;
    size_t i;

    begin();
    domain = fake_host_add(1, 1);
    fake_host_add(3, 1)->info_rc = VMM_E_LOCAL;
    fake_host_add(4, 1)->domain.can_be_paged = false;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_TRUE(fails("tier-set", bad[i].params, bad[i].error));
    }
    /* A path that is too long for a path. */
    store = malloc(4001);
    CU_ASSERT_PTR_NOT_NULL_FATAL(store);
    memset(store, '/', 4000);
    store[4000] = '\0';
    CU_ASSERT_TRUE_FATAL(asprintf(&params, "{\"domain\":1,\"target\":1,"
                                  "\"store\":\"%s\"}", store) > 0);
    CU_ASSERT_TRUE(fails("tier-set", params, "VMM_E_INVAL"));
    free(params);
    free(store);
    CU_ASSERT_EQUAL(domain->nr_opens, 0);
    CU_ASSERT_EQUAL(sessions_nr(methods.sessions), 0);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_TRUE(works("tier-set", rows[i].params));
        CU_ASSERT_EQUAL(domain->target_pages, rows[i].pages);
    }
    CU_ASSERT_EQUAL(domain->floor_pages, 2);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_TRUE(fails("tier-set", bad[i].params, bad[i].error));
    }
    CU_ASSERT_EQUAL(domain->target_pages, 10);
    end();
}

static void tier_set__options(void)
{
    struct fake_domain *domain;
    char params[300];
    struct stat st;

    begin();
    domain = fake_host_add(1, 1);
    (void)snprintf(params, sizeof(params), "{\"domain\":\"dom1\","
                   "\"target_percent\":50,\"store\":\"%s/own\","
                   "\"fifo\":true,\"no_prefetch\":true}", dir);
    CU_ASSERT_TRUE(works("tier-set", params));
    CU_ASSERT_TRUE(domain->opts.fifo && domain->opts.no_prefetch);
    (void)snprintf(params, sizeof(params), "%s/own", dir);
    CU_ASSERT_EQUAL(stat(params, &st), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "/own\""));
    CU_ASSERT_TRUE(fails("tier-set", "{\"domain\":1,\"target\":1,"
                         "\"fifo\":false}", "VMM_E_EXISTS"));
    CU_ASSERT_TRUE(works("tier-set", "{\"domain\":1,\"target\":1,"
                         "\"fifo\":true}"));
    CU_ASSERT_EQUAL(sessions_nr(methods.sessions), 1);
    end();
}

static void tier_list__tiers_of_vmm_ctl(void)
{
    const struct vmm__json_value *result;
    struct vmm_ctl_tier tier;
    struct vmm__json *json;
    uint32_t i;

    begin();
    fake_host_add(9, 1);
    fake_host_add(8, 1);
    CU_ASSERT_TRUE(works("tier-set", "{\"domain\":9,\"target\":8192}"));
    CU_ASSERT_TRUE(works("tier-set", "{\"domain\":8,\"target\":4096}"));
    (void)ask("tier-list", NULL);
    CU_ASSERT_EQUAL_FATAL(vmm__json_parse(answer, strlen(answer), &json), 0);
    result = vmm__json_member(vmm__json_root(json), "result");
    CU_ASSERT_EQUAL_FATAL(vmm__json_nr(result), 2);
    for (i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(vmm_ctl_get_tier(vmm__json_at(result, i),
                                               &tier), 0);
        CU_ASSERT_EQUAL(tier.domid, 8 + i);
        CU_ASSERT_EQUAL(tier.state, VMM_CTL_SESSION_ACTIVE);
        CU_ASSERT_EQUAL(tier.stat.target_pages, 1 + i);
    }
    vmm__json_free(json);
    CU_ASSERT_TRUE(works("tier-off", "{\"domain\":8}"));
    CU_ASSERT_STRING_EQUAL(answer, "{\"id\":1,\"result\":{}}");
    CU_ASSERT_TRUE(fails("tier-stat", "{\"domain\":8}", "VMM_E_NOENT"));
    end();
}

static void methods_progress__of_the_session(void)
{
    struct fake_domain *domain;

    begin();
    domain = fake_host_add(1, 1);
    domain->hold_open = true;
    send_request("tier-set", TARGET("4096"));
    CU_ASSERT_EQUAL(nr_answers, 0);
    methods_progress(&methods, &the_request);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "{\"id\":1,\"progress\":{"));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"session\":\"opening\""));
    fake_host_lock();
    domain->hold_open = false;
    fake_host_unlock();
    UNTIL(nr_answers);

    fake_host_lock();
    domain->hold_drain = true;
    fake_host_unlock();
    send_request("tier-off", "{\"domain\":1}");
    methods_progress(&methods, &the_request);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"session\":\"draining\""));
    /* Of none, only that it goes on. */
    the_request.domid = UINT32_MAX;
    methods_progress(&methods, &the_request);
    CU_ASSERT_STRING_EQUAL(answer, "{\"id\":1,\"progress\":{}}");
    fake_host_lock();
    domain->hold_drain = false;
    fake_host_unlock();
    fake_host_poke(1);
    UNTIL(nr_answers);
    end();
}

static void methods_request__session_fails(void)
{
    struct fake_domain *domain;

    begin();
    domain = fake_host_add(1, 1);
    domain->open_rc = VMM_E_IOMMU;
    CU_ASSERT_TRUE(fails("tier-set", TARGET("4096"), "VMM_E_IOMMU"));
    domain->open_rc = 0;
    CU_ASSERT_TRUE(works("tier-set", TARGET("4096")));
    CU_ASSERT_TRUE(works("tier-reset-latency", "{\"domain\":1}"));
    CU_ASSERT_TRUE(works("tier-retry", "{\"domain\":1}"));
    CU_ASSERT_EQUAL(domain->nr_retries, 1);
    fake_host_lock();
    domain->dispatch_rc = domain->open_rc = VMM_E_CHECKSUM;
    fake_host_unlock();
    CU_ASSERT_TRUE(fails("tier-off", "{\"domain\":1}", "VMM_E_CHECKSUM"));
    CU_ASSERT_TRUE(works("tier-stat", "{\"domain\":1}"));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"session\":\"failed\""));
    CU_ASSERT_TRUE(fails("tier-retry", "{\"domain\":1}", "VMM_E_CHECKSUM"));
    CU_ASSERT_TRUE(fails("tier-off", "{\"domain\":1}", "VMM_E_CHECKSUM"));
    end();
}

/* Regions: real ones, in files. */

#define NAME "{\"name\":\"r1\"}"

static const char *create_params(const char *more)
{
    static char params[600];

    (void)snprintf(params, sizeof(params),
                   "{\"name\":\"r1\",\"nvm\":\"%s/r1.nvm\","
                   "\"nvm_bytes\":16777216,\"region_bytes\":67108864,"
                   "\"storage\":\"%s/r1.store\","
                   "\"storage_bytes\":8388608%s}", dir, dir, more);
    return params;
}

static void restart(void)
{
    bool is_stopped = false;

    sessions_stop(methods.sessions, false, stopped, &is_stopped);
    UNTIL(is_stopped);
    sessions_close(methods.sessions);
    regions_close(methods.regions);
    CU_ASSERT_EQUAL_FATAL(regions_open(loop, &conf, &methods.regions), 0);
    CU_ASSERT_EQUAL_FATAL(sessions_open(loop, &conf, &fake_toolstack_ops,
                                        NULL, &fake_pager_ops,
                                        methods.regions, ready, NULL,
                                        &methods.sessions), 0);
    CU_ASSERT_EQUAL(sessions_adopt(methods.sessions), 0);
    regions_settle(methods.regions);
}

static void put_block(uint64_t blk, char what)
{
    struct region_user user;
    char block[VMM_BLOCK_BYTES], text[128];

    memset(block, what, sizeof(block));
    block[1] = (char)(what + 1);
    CU_ASSERT_EQUAL_FATAL(regions_export(methods.regions, "r1", "", &user,
                                         text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(vmm_region_write(user.handle, blk, 1, block, NULL), 0);
    regions_unexport(methods.regions, &user);
}

static char get_block(const char *snapshot, uint64_t blk)
{
    struct region_user user;
    char block[VMM_BLOCK_BYTES], text[128];

    CU_ASSERT_EQUAL_FATAL(regions_export(methods.regions, "r1", snapshot,
                                         &user, text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(vmm_region_read(user.handle, user.id, blk, 1, block,
                                    NULL), 0);
    regions_unexport(methods.regions, &user);
    return block[0];
}

static void region__life(void)
{
    begin();
    CU_ASSERT_STRING_EQUAL(ask("region-list", NULL),
                           "{\"id\":1,\"result\":[]}");
    CU_ASSERT_TRUE(works("region-create", create_params("")));
    CU_ASSERT_TRUE(fails("region-create", create_params(""),
                         "VMM_E_EXISTS"));
    put_block(7, 'a');
    CU_ASSERT_TRUE(works("region-snapshot",
                         "{\"name\":\"r1\",\"snapshot\":\"s1\"}"));
    CU_ASSERT_TRUE(fails("region-snapshot",
                         "{\"name\":\"r1\",\"snapshot\":\"s1\"}",
                         "VMM_E_EXISTS"));
    put_block(7, 'b');
    CU_ASSERT_EQUAL(get_block("s1", 7), 'a');
    CU_ASSERT_TRUE(works("region-snapshot",
                         "{\"name\":\"r1\",\"snapshot\":\"s2\"}"));
    CU_ASSERT_TRUE(works("region-stat", NAME));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"name\":\"s2\","
                                  "\"parent\":\"s1\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"nr_snapshots\":2"));
    CU_ASSERT_EQUAL(get_block("", 7), 'b');
    CU_ASSERT_STRING_EQUAL(ask("region-purge", NAME),
                           "{\"id\":1,\"result\":{\"purged_blocks\":1}}");
    CU_ASSERT_STRING_EQUAL(ask("region-purge",
                               "{\"name\":\"r1\",\"all\":true}"),
                           "{\"id\":1,\"result\":{\"purged_blocks\":1}}");
    CU_ASSERT_EQUAL(get_block("s1", 7), 'a');

    restart();
    CU_ASSERT_TRUE(works("region-list", NAME));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"state\":\"open\""));
    CU_ASSERT_EQUAL(get_block("", 7), 'b');
    CU_ASSERT_TRUE(works("region-revert",
                         "{\"name\":\"r1\",\"snapshot\":\"s1\"}"));
    CU_ASSERT_EQUAL(get_block("", 7), 'a');
    CU_ASSERT_TRUE(works("region-delete",
                         "{\"name\":\"r1\",\"snapshot\":\"s2\"}"));
    CU_ASSERT_STRING_EQUAL(ask("region-check", NAME),
                           "{\"id\":1,\"result\":{\"nr_problems\":0,"
                           "\"nr_repaired\":0,\"problems\":[]}}");
    CU_ASSERT_EQUAL(get_block("", 7), 'a');
    CU_ASSERT_TRUE(works("region-delete",
                         "{\"name\":\"r1\",\"region\":true}"));
    CU_ASSERT_STRING_EQUAL(ask("region-list", NULL),
                           "{\"id\":1,\"result\":[]}");
    CU_ASSERT_TRUE(works("region-create", create_params("")));
    CU_ASSERT_EQUAL(get_block("", 7), '\0');
    end();
}

static void region__refused(void)
{
    static const struct {
        const char *method, *params, *error;
    } rows[] = {
        { "region-create", NULL, "VMM_E_INVAL" },
        { "region-create", "{\"name\":\"a\",\"nvm\":\"b\","
          "\"region_bytes\":4096}", "VMM_E_INVAL" },
        { "region-create", "{\"name\":\"a\",\"nvm\":\"/b\"}",
          "VMM_E_INVAL" },
        { "region-create", "{\"name\":\"../a\",\"nvm\":\"/b\","
          "\"region_bytes\":4096}", "VMM_E_INVAL" },
        { "region-create", "{\"name\":\"\",\"nvm\":\"/b\","
          "\"region_bytes\":4096}", "VMM_E_INVAL" },
        { "region-create", "{\"name\":\"a\",\"nvm\":\"/nowhere/b\","
          "\"region_bytes\":4096}", "VMM_E_NOENT" },
        { "region-create", "{\"name\":\"a\",\"nvm\":\"/b\","
          "\"region_bytes\":4096,\"purge_low_percent\":21}",
          "VMM_E_RANGE" },
        { "region-create", "{\"name\":\"a\",\"nvm\":\"/b\","
          "\"region_bytes\":4096,\"purge_high_percent\":101}",
          "VMM_E_RANGE" },
        { "region-list", "{\"name\":\"a\"}", "VMM_E_NOENT" },
        { "region-list", "{\"name\":1}", "VMM_E_INVAL" },
        { "region-stat", NULL, "VMM_E_INVAL" },
        { "region-check", "{\"name\":\"r1\",\"repair\":1}",
          "VMM_E_INVAL" },
        { "region-purge", "{\"name\":\"r1\",\"free_percent\":101}",
          "VMM_E_RANGE" },
        { "region-snapshot", NAME, "VMM_E_INVAL" },
        { "region-snapshot", "{\"name\":\"r1\",\"snapshot\":\"a/b\"}",
          "VMM_E_INVAL" },
        { "region-revert", "{\"name\":\"r1\",\"snapshot\":\"x\"}",
          "VMM_E_NOENT" },
        { "region-delete", NAME, "VMM_E_INVAL" },
        { "region-delete", "{\"name\":\"r1\",\"snapshot\":\"x\","
          "\"region\":true}", "VMM_E_INVAL" },
        { "region-export", "{\"name\":\"x\"}", "VMM_E_NOENT" },
    };
    size_t i;

    begin();
    CU_ASSERT_TRUE(works("region-create", create_params("")));
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_TRUE(fails(rows[i].method, rows[i].params, rows[i].error));
    }
    CU_ASSERT_STRING_EQUAL(ask("region-export", NAME),
                           "{\"id\":1,\"result\":{\"socket\":"
                           "\"/a/blocks\"}}");
    CU_ASSERT_TRUE(works("region-list", NULL));
    CU_ASSERT_PTR_NULL(strstr(answer, "\"name\":\"a\""));
    end();
}

static void region__in_use(void)
{
    struct region_user user, other;
    char text[128];

    begin();
    CU_ASSERT_TRUE(works("region-create", create_params("")));
    CU_ASSERT_TRUE(works("region-snapshot",
                         "{\"name\":\"r1\",\"snapshot\":\"s1\"}"));
    CU_ASSERT_EQUAL(regions_export(methods.regions, "r1", "s1", &user, text,
                                   sizeof(text)), 0);
    CU_ASSERT_TRUE(fails("region-delete",
                         "{\"name\":\"r1\",\"snapshot\":\"s1\"}",
                         "VMM_E_BUSY"));
    CU_ASSERT_TRUE(fails("region-delete",
                         "{\"name\":\"r1\",\"region\":true}",
                         "VMM_E_BUSY"));
    CU_ASSERT_TRUE(fails("region-check", NAME, "VMM_E_BUSY"));
    CU_ASSERT_TRUE(fails("region-revert",
                         "{\"name\":\"r1\",\"snapshot\":\"s1\"}",
                         "VMM_E_BUSY"));
    CU_ASSERT_TRUE(works("region-list", NAME));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"nr_exports\":1"));
    CU_ASSERT_EQUAL(regions_export(methods.regions, "r1", "x", &other, text,
                                   sizeof(text)), VMM_E_NOENT);
    CU_ASSERT_EQUAL(regions_export(methods.regions, "x", "", &other, text,
                                   sizeof(text)), VMM_E_NOENT);
    regions_unexport(methods.regions, &user);
    CU_ASSERT_TRUE(works("region-check", NAME));
    end();
}

static bool is_exportable(void)
{
    struct region_user user;
    char text[128];
    int rc = regions_export(methods.regions, "r1", "", &user, text,
                            sizeof(text));

    if (!rc) {
        regions_unexport(methods.regions, &user);
    }
    return !rc;
}

#define REGION_TARGET(domain) \
    "{\"domain\":" domain ",\"target\":4096,\"region\":\"r1\"}"

static void region__for_a_domain(void)
{
    struct region_user user;
    char text[128];

    begin();
    (void)fake_host_add(1, 1);
    (void)fake_host_add(2, 1);
    CU_ASSERT_TRUE(fails("tier-set", REGION_TARGET("1"), "VMM_E_NOENT"));
    CU_ASSERT_TRUE(works("region-create", create_params("")));
    put_block(1, 'x');
    CU_ASSERT_TRUE(fails("tier-set", REGION_TARGET("1"), "VMM_E_EXISTS"));
    CU_ASSERT_TRUE(works("region-delete",
                         "{\"name\":\"r1\",\"region\":true}"));
    CU_ASSERT_TRUE(works("region-create", create_params("")));
    CU_ASSERT_TRUE(works("tier-set", REGION_TARGET("1")));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"store\":\"region:r1\""));
    CU_ASSERT_TRUE(fails("tier-set", REGION_TARGET("2"), "VMM_E_BUSY"));
    CU_ASSERT_TRUE(works("tier-set", REGION_TARGET("1")));
    CU_ASSERT_TRUE(works("tier-set", TARGET("8192")));
    CU_ASSERT_TRUE(fails("tier-set", "{\"domain\":1,\"target\":4096,"
                         "\"region\":\"r2\"}", "VMM_E_EXISTS"));
    CU_ASSERT_EQUAL(regions_export(methods.regions, "r1", "", &user, text,
                                   sizeof(text)), VMM_E_BUSY);
    CU_ASSERT_TRUE(fails("region-delete",
                         "{\"name\":\"r1\",\"region\":true}",
                         "VMM_E_BUSY"));

    restart();
    UNTIL(strstr(ask("tier-list", NULL),
                 "\"session\":\"active\"") != NULL);
    CU_ASSERT_TRUE(works("region-list", NAME));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"domid\":1"));
    CU_ASSERT_TRUE(works("tier-off", "{\"domain\":1}"));
    CU_ASSERT_TRUE(works("tier-set", REGION_TARGET("2")));

    /* A domain that ends while nobody looks leaves nothing. */
    fake_host_kill(2, false);
    restart();
    UNTIL(!strstr(ask("region-list", NAME), "\"domid\""));
    UNTIL(is_exportable());
    end();
}

/* One that cannot be opened stays, until it is seen to. */
static void region__damaged(void)
{
    char path[100], zeros[8192] = "";
    int fd;

    begin();
    CU_ASSERT_TRUE(works("region-create", create_params("")));
    (void)snprintf(path, sizeof(path), "%s/r1.nvm", dir);
    regions_close(methods.regions);
    methods.regions = NULL;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    CU_ASSERT_EQUAL(write(fd, zeros, sizeof(zeros)), sizeof(zeros));
    (void)close(fd);
    log_set_level(VMM_LOG_ERROR);
    restart();
    CU_ASSERT_TRUE(works("region-list", NAME));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"state\":\"failed\","
                                  "\"error\":\"VMM_E_FORMAT\""));
    CU_ASSERT_TRUE(fails("region-stat", NAME, "VMM_E_BUSY"));
    (void)ask("region-check", NAME);
    CU_ASSERT_TRUE(works("region-list", NAME));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"state\":\"failed\""));
    CU_ASSERT_TRUE(works("region-delete",
                         "{\"name\":\"r1\",\"region\":true}"));
    CU_ASSERT_STRING_EQUAL(ask("region-list", NULL),
                           "{\"id\":1,\"result\":[]}");
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(region__life),
    UT_CASE(region__refused),
    UT_CASE(region__in_use),
    UT_CASE(region__for_a_domain),
    UT_CASE(region__damaged),
    UT_CASE(methods_request__small_ones),
    UT_CASE(methods_request__not_known),
    UT_CASE(methods_request__states),
    UT_CASE(methods_request__session_fails),
    UT_CASE(find_domain__ways),
    UT_CASE(tier_set__targets),
    UT_CASE(tier_set__options),
    UT_CASE(tier_list__tiers_of_vmm_ctl),
    UT_CASE(methods_progress__of_the_session),
};
UT_MAIN("dom0-daemon/methods", cases)
