/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* methods.c: a table of what can be asked for; see methods.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "log.h"
#include "method.h"

#define PAGE_BYTES 4096

/* Parameters. */

bool method_bad_param(struct control_request *request, int rc,
                      const char *key)
{
    if (!rc || rc == VMM_E_NOENT) {
        return false;
    }
    control_fail(request, rc == VMM_E_RANGE ? VMM_E_RANGE : VMM_E_INVAL,
                 "%s: \"%s\" %s", request->msg.method, key,
                 rc == VMM_E_RANGE ? "is out of range"
                                   : "is not of the right kind");
    return true;
}

bool method_number(struct control_request *request, const char *key,
                   uint64_t max, uint64_t *number_out)
{
    uint64_t number;
    int rc;

    rc = vmm__json_get_u64(request->msg.params, key, &number);
    if (!rc && number > max) {
        rc = VMM_E_RANGE;
    }
    if (method_bad_param(request, rc, key)) {
        return false;
    }
    if (!rc) {
        *number_out = number;
    }
    return true;
}

static const struct vmm__json_value *
domain_param(const struct control_request *request)
{
    return vmm__json_member(request->msg.params, "domain");
}

/*
 * The id of the domain that "domain" names, a number or a string with an id
 * or a name.  Not 0, or the request has failed.
 */
static int find_domain(struct methods *methods,
                       struct control_request *request, uint32_t *domid_out)
{
    const struct vmm__json_value *value = domain_param(request);
    const char *name = NULL;
    uint64_t id;
    char *end;
    int rc;

    if (!value) {
        control_fail(request, VMM_E_INVAL, "%s: \"domain\" is missing",
                     request->msg.method);
        return VMM_E_INVAL;
    }
    rc = vmm__json_as_u64(value, &id);
    if (rc == VMM_E_FORMAT) {
        rc = vmm__json_get_string(request->msg.params, "domain", &name);
    }
    if (method_bad_param(request, rc, "domain")) {
        return rc;
    }
    if (name && isdigit((unsigned char)*name)) {
        id = strtoull(name, &end, 10);
        if (!*end) {
            name = NULL;
        }
    }
    if (!name) {
        if (id > UINT32_MAX - 1) {
            control_fail(request, VMM_E_NOENT, "there is no such domain");
            return VMM_E_NOENT;
        }
        *domid_out = (uint32_t)id;
        return 0;
    }
    rc = methods->toolstack_ops->find_name(methods->toolstack, name,
                                           domid_out);
    if (rc) {
        control_fail(request, rc, "there is no domain \"%.64s\"; xl list "
                     "has those that there are", name);
    }
    return rc;
}

/* NULL: the request has failed. */
static struct session *find_session(struct methods *methods,
                                    struct control_request *request)
{
    struct session *session;
    uint32_t domid;

    if (find_domain(methods, request, &domid)) {
        return NULL;
    }
    session = sessions_find(methods->sessions, domid);
    if (!session) {
        control_fail(request, VMM_E_NOENT, "domain %u is not paged; xl "
                     "tier-list has those that are", domid);
        return NULL;
    }
    request->domid = domid;
    return session;
}

/* Answers. */

static void put_session(struct vmm__json_out *out, const char *key,
                        const struct session *session)
{
    struct vmm_ctl_tier tier;

    session_tier(session, &tier);
    vmm__json_put_object(out, key);
    vmm_ctl_put_tier(out, &tier);
    vmm__json_end_object(out);
}

static void empty_result(struct control_request *request)
{
    struct vmm__json_out *out = control_begin(request);

    vmm__json_put_object(out, "result");
    vmm__json_end_object(out);
    control_end(request, out);
}

/* The end of what is done to one session. */
static void session_done(void *user, int rc, const char *text,
                         const struct session *session)
{
    struct control_request *request = user;
    struct vmm__json_out *out;

    if (rc) {
        control_fail(request, rc, "%s", text ? text : vmm_error_text(rc));
        return;
    }
    if (!session) {
        empty_result(request);
        return;
    }
    out = control_begin(request);
    put_session(out, "result", session);
    control_end(request, out);
}

/* Methods. */

static void ping(struct methods *methods, struct control_request *request)
{
    (void)methods;
    empty_result(request);
}

static void status(struct methods *methods, struct control_request *request)
{
    struct vmm__json_out *out = control_begin(request);

    vmm__json_put_object(out, "result");
    vmm__json_put_string(out, "version", methods->version);
    vmm__json_put_string(out, "state",
                         methods->state == METHODS_STARTING ? "starting" :
                         methods->state == METHODS_RUNNING ? "running"
                                                           : "stopping");
    vmm__json_put_u64(out, "nr_sessions", sessions_nr(methods->sessions));
    vmm__json_put_string(out, "log_level", log_level_name(log_get_level()));
    vmm__json_end_object(out);
    control_end(request, out);
}

static void log_level(struct methods *methods,
                      struct control_request *request)
{
    enum vmm_log_level level;
    const char *name;

    (void)methods;
    if (vmm__json_get_string(request->msg.params, "level", &name) ||
        log_level_of(name, &level)) {
        control_fail(request, VMM_E_INVAL, "log-level: \"level\" must be "
                     "error, warn, info or debug");
        return;
    }
    log_set_level(level);
    empty_result(request);
}

/* Bytes to pages, upwards: what is asked for in bytes is to fit. */
static uint64_t pages_of(uint64_t bytes)
{
    return bytes / PAGE_BYTES + (bytes % PAGE_BYTES != 0);
}

/* Not 0: the request has failed. */
static int target_param(struct control_request *request,
                        const struct domain *domain, uint64_t *pages_out)
{
    const struct vmm__json_value *params = request->msg.params;
    uint64_t bytes = 0, percent = 0;
    int rc, rc_percent;

    rc = vmm__json_get_u64(params, "target", &bytes);
    if (method_bad_param(request, rc, "target")) {
        return VMM_E_INVAL;
    }
    rc_percent = vmm__json_get_u64(params, "target_percent", &percent);
    if (method_bad_param(request, rc_percent, "target_percent")) {
        return VMM_E_INVAL;
    }
    if (!rc == !rc_percent) {
        control_fail(request, VMM_E_INVAL, "tier-set: one of \"target\" and "
                     "\"target_percent\" must be given");
        return VMM_E_INVAL;
    }
    if (!rc_percent && (!percent || percent > 100)) {
        control_fail(request, VMM_E_RANGE,
                     "the target must be from 1 to 100 percent");
        return VMM_E_RANGE;
    }

    *pages_out = rc ? (domain->nr_pages * percent + 99) / 100
                    : pages_of(bytes);
    if (!*pages_out || *pages_out > domain->nr_pages) {
        control_fail(request, VMM_E_RANGE, "the target must be more than "
                     "nothing and at most the domain's memory, %llu MiB",
                     (unsigned long long)(domain->nr_pages *
                                          PAGE_BYTES >> 20));
        return VMM_E_RANGE;
    }
    return 0;
}

static void tier_set(struct methods *methods,
                     struct control_request *request)
{
    const struct vmm__json_value *params = request->msg.params;
    struct session_set set = { .has_floor = false };
    uint64_t floor_bytes;
    uint32_t domid;
    int rc;

    if (find_domain(methods, request, &domid)) {
        return;
    }
    rc = methods->toolstack_ops->info(methods->toolstack, domid,
                                      &set.domain);
    if (rc) {
        control_fail(request, rc, rc == VMM_E_NOENT ? "there is no domain %u"
                     : "domain %u: the toolstack does not answer; see vmmd's "
                     "log", domid);
        return;
    }
    if (target_param(request, &set.domain, &set.target_pages)) {
        return;
    }
    rc = vmm__json_get_u64(params, "floor", &floor_bytes);
    if (method_bad_param(request, rc, "floor")) {
        return;
    }
    set.has_floor = !rc;
    set.floor_pages = rc ? 0 : pages_of(floor_bytes);
    rc = vmm__json_get_string(params, "store", &set.store);
    if (!rc && (*set.store != '/' || strlen(set.store) >= 4000)) {
        rc = VMM_E_FORMAT;
    }
    if (method_bad_param(request, rc, "store")) {
        return;
    }
    rc = vmm__json_get_string(params, "region", &set.region);
    if (method_bad_param(request, rc, "region")) {
        return;
    }
    if (set.region && set.store) {
        control_fail(request, VMM_E_INVAL, "tier-set: \"store\" or "
                     "\"region\", not both");
        return;
    }
    rc = vmm__json_get_bool(params, "fifo", &set.fifo);
    if (method_bad_param(request, rc, "fifo")) {
        return;
    }
    set.has_fifo = !rc;
    rc = vmm__json_get_bool(params, "no_prefetch", &set.no_prefetch);
    if (method_bad_param(request, rc, "no_prefetch")) {
        return;
    }
    set.has_no_prefetch = !rc;

    request->domid = domid;
    sessions_set(methods->sessions, &set, session_done, request);
}

static void tier_off(struct methods *methods,
                     struct control_request *request)
{
    struct session *session = find_session(methods, request);

    if (session) {
        sessions_off(methods->sessions, session, session_done, request);
    }
}

static void tier_retry(struct methods *methods,
                       struct control_request *request)
{
    struct session *session = find_session(methods, request);

    if (session) {
        sessions_retry(methods->sessions, session, session_done, request);
    }
}

static void tier_reset_latency(struct methods *methods,
                               struct control_request *request)
{
    struct session *session = find_session(methods, request);

    if (session) {
        sessions_reset_latency(methods->sessions, session, session_done,
                               request);
    }
}

/* A list that has come: struct methods is not at hand there. */
struct listing {
    struct methods *methods;
    struct control_request *request;
};

static void listed(void *user, int rc, const char *text,
                   const struct session *unused)
{
    struct listing *listing = user;
    struct control_request *request = listing->request;
    const struct sessions *sessions = listing->methods->sessions;
    const struct session *session = NULL;
    struct vmm__json_out *out;

    (void)unused;
    free(listing);
    if (rc) {
        control_fail(request, rc, "%s", text ? text : vmm_error_text(rc));
        return;
    }
    out = control_begin(request);
    vmm__json_put_array(out, "result");
    while ((session = sessions_next(sessions, session)) != NULL) {
        put_session(out, NULL, session);
    }
    vmm__json_end_array(out);
    control_end(request, out);
}

static void tier_list(struct methods *methods,
                      struct control_request *request)
{
    struct listing *listing = malloc(sizeof(*listing));

    if (!listing) {
        control_fail(request, VMM_E_NOMEM, "out of memory");
        return;
    }
    listing->methods = methods;
    listing->request = request;
    sessions_refresh(methods->sessions, NULL, listed, listing);
}

static void tier_stat(struct methods *methods,
                      struct control_request *request)
{
    struct session *session;

    if (!domain_param(request)) {
        tier_list(methods, request);
        return;
    }
    session = find_session(methods, request);
    if (session) {
        sessions_refresh(methods->sessions, session, session_done, request);
    }
}

static const struct method table[] = {
    { "ping", ping, METHODS_ANY, { NULL } },
    { "status", status, METHODS_ANY, { NULL } },
    { "log-level", log_level, METHODS_ANY, { "level" } },
    { "tier-list", tier_list, METHODS_ANY, { NULL } },
    { "tier-stat", tier_stat, METHODS_ANY, { "domain" } },
    { "tier-set", tier_set, METHODS_RUNNING,
      { "domain", "target", "target_percent", "floor", "store", "region",
        "fifo", "no_prefetch" } },
    { "tier-off", tier_off, METHODS_RUNNING, { "domain" } },
    { "tier-retry", tier_retry, METHODS_RUNNING, { "domain" } },
    { "tier-reset-latency", tier_reset_latency, METHODS_RUNNING,
      { "domain" } },
    { NULL, NULL, 0, { NULL } },
};

static const struct method *find(const char *name)
{
    static const struct method *const tables[] = {
        table, methods_page, methods_region,
    };
    const struct method *method;
    unsigned int i;

    for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (method = tables[i]; method->name; method++) {
            if (!strcmp(method->name, name)) {
                return method;
            }
        }
    }
    return NULL;
}

static bool known_param(const struct method *method, const char *key)
{
    unsigned int i;

    for (i = 0; i < METHOD_PARAMS_MAX && method->params[i]; i++) {
        if (!strcmp(method->params[i], key)) {
            return true;
        }
    }
    return false;
}

void methods_request(void *user, struct control_request *request)
{
    const struct vmm__json_value *params = request->msg.params;
    struct methods *methods = user;
    const struct method *method = find(request->msg.method);
    uint32_t i;

    if (!method) {
        control_fail(request, VMM_E_NOTSUP, "there is no method \"%.32s\"",
                     request->msg.method);
        return;
    }
    if (!(method->states & methods->state)) {
        control_fail(request, VMM_E_AGAIN, "vmmd is %s; try again",
                     methods->state == METHODS_STARTING ? "starting"
                                                        : "stopping");
        return;
    }
    for (i = 0; params && i < vmm__json_nr(params); i++) {
        if (!known_param(method, vmm__json_key_at(params, i))) {
            control_fail(request, VMM_E_INVAL, "%s: there is no parameter "
                         "\"%.32s\"", method->name,
                         vmm__json_key_at(params, i));
            return;
        }
    }
    method->fn(methods, request);
}

/* What there is to say of it, if only that it goes on. */
void methods_progress(void *user, struct control_request *request)
{
    const struct methods *methods = user;
    struct vmm__json_out *out = control_begin(request);
    const struct session *session =
        sessions_find(methods->sessions, request->domid);
    uint64_t nr_moved;

    if (session) {
        put_session(out, "progress", session);
    } else {
        vmm__json_put_object(out, "progress");
        if (regions_progress(methods->regions, request, &nr_moved)) {
            vmm__json_put_u64(out, "purged_blocks", nr_moved);
        }
        vmm__json_end_object(out);
    }
    control_progress_end(request, out);
}
