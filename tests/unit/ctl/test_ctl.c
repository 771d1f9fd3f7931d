/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_ctl.c: a client, and what answers it; sessions there and back. */
#include "ctl/ctl.c"

#include <pthread.h>

#include "lib/ut.h"

#define HELLO "{\"vmmd\":\"1.0\",\"protocol\":1}\n"

/* A server that says this after the n-th line that it gets, 0: at once. */
struct script {
    const char *says[4];
    int fd;
    char got[4096];
};

static char path[] = "/tmp/ctl-test-XXXXXX";

static void *serve(void *user)
{
    struct script *script = user;
    size_t used = 0;
    unsigned int i;
    int fd = accept(script->fd, NULL, NULL);

    for (i = 0; i < 4 && script->says[i]; i++) {
        if (i) {
            do {
                ssize_t r = recv(fd, script->got + used,
                                 sizeof(script->got) - used - 1, 0);

                if (r <= 0) {
                    goto out;
                }
                used += (size_t)r;
            } while (script->got[used - 1] != '\n');
        }
        (void)!send(fd, script->says[i], strlen(script->says[i]),
                    MSG_NOSIGNAL);
    }
 out:
    close(fd);
    return NULL;
}

static pthread_t begin(struct script *script)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    pthread_t thread;

    strcpy(path, "/tmp/ctl-test-XXXXXX");
    close(mkstemp(path));
    (void)unlink(path);
    strcpy(addr.sun_path, path);
    script->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(bind(script->fd, (struct sockaddr *)&addr,
                               sizeof(addr)), 0);
    CU_ASSERT_EQUAL_FATAL(listen(script->fd, 1), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, serve, script), 0);
    return thread;
}

static void end(struct script *script, pthread_t thread)
{
    (void)pthread_join(thread, NULL);
    close(script->fd);
    (void)unlink(path);
}

static void ctl_open__greetings(void)
{
    static const struct {
        const char *says;
        int rc;
    } rows[] = {
        { HELLO, 0 },
        { "{\"vmmd\":\"9\",\"protocol\":1,\"more\":[]}\n", 0 },
        { "{\"vmmd\":\"9\",\"protocol\":2}\n", VMM_E_VERSION },
        { "{\"vmmd\":\"9\"}\n", VMM_E_FORMAT },
        { "220 mail\n", VMM_E_FORMAT },
        { "[]\n", VMM_E_FORMAT },
        { "{\"vmmd\":\"1.0\",\"proto", VMM_E_PEER },
        { "", VMM_E_PEER },
        { "{\"id\":null,\"error\":{\"name\":\"VMM_E_PERM\",\"class\":\"x\","
          "\"message\":\"m\"}}\n", VMM_E_PERM },
        { "{\"id\":null,\"error\":{\"message\":\"m\"}}\n", VMM_E_BUSY },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct script script = { .says = { rows[i].says } };
        pthread_t thread = begin(&script);
        vmm_ctl *ctl = NULL;
        int rc;

        rc = vmm_ctl_open(path, &ctl);
        CU_ASSERT_EQUAL(rc, rows[i].rc);
        if (rc) {
            CU_ASSERT_TRUE(strlen(vmm_ctl_message(ctl)) > 0);
        }
        vmm_ctl_close(ctl);
        end(&script, thread);
    }
}

static void ctl_open__nobody_there(void)
{
    vmm_ctl *ctl = NULL;
    char name[200];

    CU_ASSERT_EQUAL(vmm_ctl_open("/nowhere/vmmd.sock", &ctl), VMM_E_PEER);
    CU_ASSERT_PTR_NOT_NULL(strstr(vmm_ctl_message(ctl), "is vmmd running"));
    vmm_ctl_close(ctl);
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    CU_ASSERT_EQUAL(vmm_ctl_open(name, &ctl), VMM_E_INVAL);
    vmm_ctl_close(ctl);
    vmm_ctl_close(NULL);
}

static void count(void *user, const struct vmm__json_value *progress)
{
    CU_ASSERT_PTR_NOT_NULL(vmm__json_member(progress, "n"));
    ++*(unsigned int *)user;
}

static int call(const char *says, unsigned int *nr_progress_out,
                char *got_out)
{
    struct script script = { .says = { HELLO, says } };
    pthread_t thread = begin(&script);
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    vmm_ctl *ctl;
    struct vmm__json_out *params = vmm__json_out_new(false);
    int rc;

    *nr_progress_out = 0;
    CU_ASSERT_EQUAL_FATAL(vmm_ctl_open(path, &ctl), 0);
    vmm__json_put_object(params, NULL);
    vmm__json_put_string(params, "domain", "a\"b");
    vmm__json_end_object(params);
    rc = vmm_ctl_call(ctl, "m", params, count, nr_progress_out, &reply,
                      &result);
    if (!rc) {
        CU_ASSERT_PTR_NOT_NULL(vmm__json_member(result, "x"));
    }
    vmm__json_free(reply);
    vmm_ctl_close(ctl);
    end(&script, thread);
    if (got_out) {
        strcpy(got_out, script.got);
    }
    return rc;
}

static void ctl_call__ends(void)
{
    unsigned int nr;
    char got[4096];

    CU_ASSERT_EQUAL(call("{\"id\":1,\"result\":{\"x\":1}}\n", &nr, got), 0);
    CU_ASSERT_STRING_EQUAL(got, "{\"id\":1,\"method\":\"m\",\"params\":"
                           "{\"domain\":\"a\\\"b\"}}\n");
    CU_ASSERT_EQUAL(call("{\"id\":9,\"result\":{}}\n"
                         "{\"id\":1,\"progress\":{\"n\":1}}\n"
                         "{\"id\":1,\"progress\":{\"n\":2}}\n"
                         "{\"id\":1,\"result\":{\"x\":1}}\n", &nr, NULL), 0);
    CU_ASSERT_EQUAL(nr, 2);
    CU_ASSERT_EQUAL(call("{\"id\":1,\"error\":{\"name\":\"VMM_E_IOMMU\","
                         "\"class\":\"notsup\",\"message\":\"m\"}}\n", &nr,
                         NULL), VMM_E_IOMMU);
    CU_ASSERT_EQUAL(call("{\"id\":1,\"error\":{\"name\":\"VMM_E_NEW\","
                         "\"class\":\"x\",\"message\":\"m\"}}\n", &nr, NULL),
                    VMM_E_LOCAL);
    CU_ASSERT_EQUAL(call("{\"id\":null,\"error\":{\"name\":\"VMM_E_RANGE\","
                         "\"class\":\"x\",\"message\":\"m\"}}\n", &nr, NULL),
                    VMM_E_RANGE);
    CU_ASSERT_EQUAL(call("{\"id\":1,\"error\":{}}\n", &nr, NULL),
                    VMM_E_FORMAT);
    CU_ASSERT_EQUAL(call("{\"id\":null}\n", &nr, NULL), VMM_E_FORMAT);
    CU_ASSERT_EQUAL(call("{\"id\":1,", &nr, NULL), VMM_E_PEER);
    CU_ASSERT_EQUAL(call("{\"id\":1,\n", &nr, NULL), VMM_E_FORMAT);
}

static void ctl_call__long_answer(void)
{
    const size_t len = 300000;
    char *says = malloc(len + 100);
    unsigned int nr;
    size_t at;

    CU_ASSERT_PTR_NOT_NULL_FATAL(says);
    at = (size_t)sprintf(says, "{\"id\":1,\"result\":{\"x\":\"");
    memset(says + at, 'y', len);
    strcpy(says + at + len, "\"}}\n");
    CU_ASSERT_EQUAL(call(says, &nr, NULL), 0);
    free(says);
}

static void ctl_call__params_that_fail(void)
{
    struct script script = { .says = { HELLO, "" } };
    pthread_t thread = begin(&script);
    const struct vmm__json_value *result;
    struct vmm__json_out *params;
    struct vmm__json *reply;
    char *big = malloc(VMM_CTL_LINE_MAX + 1);
    vmm_ctl *ctl;

    CU_ASSERT_EQUAL_FATAL(vmm_ctl_open(path, &ctl), 0);
    CU_ASSERT_EQUAL(vmm_ctl_call(ctl, "m", NULL, NULL, NULL, &reply,
                                 &result), VMM_E_NOMEM);
    memset(big, 'a', VMM_CTL_LINE_MAX);
    big[VMM_CTL_LINE_MAX] = '\0';
    params = vmm__json_out_new(false);
    vmm__json_put_string(params, NULL, big);
    CU_ASSERT_EQUAL(vmm_ctl_call(ctl, "m", params, NULL, NULL, &reply,
                                 &result), VMM_E_RANGE);
    vmm_ctl_close(ctl);
    end(&script, thread);
    free(big);
}

static void request_parse__rows(void)
{
    static const struct {
        const char *line;
        int rc;
        bool has_id;
    } rows[] = {
        { "{\"id\":1,\"method\":\"m\"}", 0, true },
        { "{\"id\":\"x\",\"method\":\"m\",\"params\":{}}", 0, true },
        { "{\"id\":1}", VMM_E_FORMAT, true },
        { "{\"id\":1,\"method\":7}", VMM_E_FORMAT, true },
        { "{\"id\":1,\"method\":\"m\",\"params\":[]}", VMM_E_FORMAT, true },
        { "{\"id\":1,\"method\":\"m\",\"x\":1}", VMM_E_FORMAT, true },
        { "{\"method\":\"m\"}", VMM_E_FORMAT, false },
        { "{\"id\":null,\"method\":\"m\"}", VMM_E_FORMAT, false },
        { "{\"id\":{},\"method\":\"m\"}", VMM_E_FORMAT, false },
        { "[]", VMM_E_FORMAT, false },
        { "7", VMM_E_FORMAT, false },
        { "", VMM_E_FORMAT, false },
    };
    struct vmm_ctl_request request;
    const char *why;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        why = NULL;
        CU_ASSERT_EQUAL(vmm_ctl_request_parse(rows[i].line,
                                              strlen(rows[i].line), &request,
                                              &why), rows[i].rc);
        CU_ASSERT_EQUAL(request.id != NULL, rows[i].has_id);
        CU_ASSERT_EQUAL(why != NULL, rows[i].rc != 0);
        vmm_ctl_request_dispose(&request);
    }
}

/* Each byte of what is numbers is something else. */
static void fill_with_numbers(void *at, size_t len)
{
    uint8_t *byte = at;
    size_t i;

    for (i = 0; i < len; i++) {
        byte[i] = (uint8_t)(i * 37 + 11);
    }
}

static char *text_of(const struct vmm_ctl_tier *tier, size_t *len_out)
{
    struct vmm__json_out *out = vmm__json_out_new(false);
    char *text = NULL;

    vmm__json_put_object(out, NULL);
    vmm_ctl_put_tier(out, tier);
    vmm__json_end_object(out);
    CU_ASSERT_EQUAL_FATAL(vmm__json_out_finish(out, &text, len_out), 0);
    return text;
}

static void tier__there_and_back(void)
{
    struct vmm_ctl_tier tier, back;
    struct vmm__json *json;
    unsigned int i;
    char *text;
    size_t len;

    for (i = 0; i <= VMM_PAGER_FAILED; i++) {
        memset(&tier, 0, sizeof(tier));
        fill_with_numbers(&tier.stat, sizeof(tier.stat));
        tier.domid = 7;
        tier.name = "n";
        tier.uuid = "u";
        tier.store = "/s";
        tier.state = (enum vmm_ctl_session_state)i;
        tier.has_stat = true;
        tier.stat.size = sizeof(tier.stat);
        tier.stat.domid = 7;
        tier.stat.state = (enum vmm_pager_state)i;
        tier.stat.last_error = i ? VMM_E_IO : 0;
        tier.stat.failed_gfn = i ? 99 : 0;

        text = text_of(&tier, &len);
        CU_ASSERT_EQUAL_FATAL(vmm__json_parse(text, len, &json), 0);
        memset(&back, 0xff, sizeof(back));
        CU_ASSERT_EQUAL_FATAL(vmm_ctl_get_tier(vmm__json_root(json), &back),
                              0);
        CU_ASSERT_EQUAL(back.domid, 7);
        CU_ASSERT_STRING_EQUAL(back.store, "/s");
        CU_ASSERT_EQUAL(back.state, tier.state);
        CU_ASSERT_TRUE(back.has_stat);
        /* A member that was forgotten is seen here. */
        CU_ASSERT_EQUAL(memcmp(&back.stat, &tier.stat, sizeof(back.stat)),
                        0);
        CU_ASSERT_STRING_EQUAL(vmm_ctl_tier_state(&back),
                               i == VMM_CTL_SESSION_ACTIVE
                               ? vmm_pager_state_name(tier.stat.state)
                               : session_states[i]);
        CU_ASSERT_STRING_EQUAL(pager_states[i],
                               vmm_pager_state_name(tier.stat.state));
        vmm__json_free(json);
        free(text);
    }
}

static void tier__never_opened(void)
{
    const struct vmm_ctl_tier tier = { .domid = 7, .name = "", .uuid = "",
                                       .store = "/s",
                                       .state = VMM_CTL_SESSION_FAILED,
                                       .failed_rc = VMM_E_CHECKSUM };
    struct vmm_ctl_tier back;
    const char *state;
    struct vmm__json *json;
    size_t len;
    char *text = text_of(&tier, &len);

    CU_ASSERT_EQUAL_FATAL(vmm__json_parse(text, len, &json), 0);
    CU_ASSERT_EQUAL_FATAL(vmm_ctl_get_tier(vmm__json_root(json), &back), 0);
    CU_ASSERT_FALSE(back.has_stat);
    CU_ASSERT_EQUAL(back.failed_rc, VMM_E_CHECKSUM);
    CU_ASSERT_EQUAL_FATAL(vmm__json_get_string(vmm__json_root(json), "state",
                                               &state), 0);
    CU_ASSERT_STRING_EQUAL(state, "failed");
    vmm__json_free(json);
    free(text);
}

static void tier__bad_ones(void)
{
    static const struct {
        const char *from, *to;
    } rows[] = {
        { "\"domid\":7", "\"domid\":-7" },
        { "\"domid\":7", "\"domid\":99999999999" },
        { "\"session\":\"active\"", "\"session\":\"asleep\"" },
        { "\"pager\":\"active\"", "\"pager\":\"asleep\"" },
        { "\"total_pages\":", "\"total\":" },
        { "\"classes\":{", "\"classes\":7,\"c\":{" },
        { "\"nr_queued\":0", "\"nr_queued\":4294967296" },
    };
    struct vmm_ctl_tier tier = { .domid = 7, .name = "", .uuid = "",
                                 .store = "/s", .has_stat = true,
                                 .state = VMM_CTL_SESSION_ACTIVE };
    struct vmm__json *json;
    char *text, *bad, *at;
    size_t i, len;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        text = text_of(&tier, &len);
        at = strstr(text, rows[i].from);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        *at = '\0';
        CU_ASSERT_TRUE_FATAL(asprintf(&bad, "%s%s%s", text, rows[i].to,
                                      at + strlen(rows[i].from)) > 0);
        CU_ASSERT_EQUAL_FATAL(vmm__json_parse(bad, strlen(bad), &json), 0);
        CU_ASSERT_EQUAL(vmm_ctl_get_tier(vmm__json_root(json), &tier),
                        VMM_E_FORMAT);
        vmm__json_free(json);
        free(bad);
        free(text);
    }
}

static void names__all(void)
{
    unsigned int i;

    for (i = 0; i < VMM_CTL_NR_SESSION_STATES; i++) {
        CU_ASSERT_STRING_NOT_EQUAL(vmm_ctl_session_state_name(
            (enum vmm_ctl_session_state)i), "unknown");
    }
    CU_ASSERT_STRING_EQUAL(vmm_ctl_session_state_name(
        VMM_CTL_NR_SESSION_STATES), "unknown");
    CU_ASSERT_STRING_EQUAL(vmm_ctl_class_name(
        vmm_error_class_of(VMM_E_IOMMU)), "notsup");
    CU_ASSERT_EQUAL(vmm_ctl_error_of("VMM_E_FAULT"), VMM_E_FAULT);
    CU_ASSERT_EQUAL(vmm_ctl_error_of("no"), VMM_E_LOCAL);
}

static const struct ut_case cases[] = {
    UT_CASE(ctl_open__greetings),
    UT_CASE(ctl_open__nobody_there),
    UT_CASE(ctl_call__ends),
    UT_CASE(ctl_call__long_answer),
    UT_CASE(ctl_call__params_that_fail),
    UT_CASE(request_parse__rows),
    UT_CASE(tier__there_and_back),
    UT_CASE(tier__never_opened),
    UT_CASE(tier__bad_ones),
    UT_CASE(names__all),
};
UT_MAIN("ctl/ctl", cases)
