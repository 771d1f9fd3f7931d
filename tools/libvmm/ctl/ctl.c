/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ctl.c: the control protocol; see include/vmm_ctl.h. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/stream.h"
#include "ctl/field.h"
#include "format/json.h"
#include "include/vmm_ctl.h"

/* vmmd says something at least each second while a request is under way. */
#define SILENCE_MS 60000
#define MESSAGE_BYTES 512
#define READ_BYTES 65536
#define NR(array) (sizeof(array) / sizeof((array)[0]))

static const char *const session_states[] = {
    [VMM_CTL_SESSION_OPENING] = "opening",
    [VMM_CTL_SESSION_ACTIVE] = "active",
    [VMM_CTL_SESSION_DRAINING] = "draining",
    [VMM_CTL_SESSION_CLOSING] = "closing",
    [VMM_CTL_SESSION_FAILED] = "failed",
};

const char *vmm_ctl_session_state_name(enum vmm_ctl_session_state state)
{
    return (unsigned int)state < VMM_CTL_NR_SESSION_STATES
           ? session_states[state] : "unknown";
}

const char *vmm_ctl_class_name(enum vmm_error_class error_class)
{
    static const char *const names[] = {
        [VMM_ECLASS_NONE] = "none",
        [VMM_ECLASS_RETRY] = "retry",
        [VMM_ECLASS_PEER] = "peer",
        [VMM_ECLASS_MEDIA] = "media",
        [VMM_ECLASS_LOCAL] = "local",
        [VMM_ECLASS_CALLER] = "caller",
        [VMM_ECLASS_NOTSUP] = "notsup",
    };

    return (unsigned int)error_class < sizeof(names) / sizeof(names[0])
           ? names[error_class] : "none";
}

int vmm_ctl_error_of(const char *name)
{
    static const struct {
        const char *name;
        int value;
    } rows[] = {
#define VMM_ERROR(name, value, class, exit_status, text) \
        { "VMM_E_" #name, value },
#include "include/vmm_errors.def"
#undef VMM_ERROR
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!strcmp(rows[i].name, name)) {
            return rows[i].value;
        }
    }
    return VMM_E_LOCAL;
}

/* The names are those of vmm_pager_state_name(). */
static const char *const pager_states[] = {
    [VMM_PAGER_ACTIVE] = "active",
    [VMM_PAGER_DRAINING] = "draining",
    [VMM_PAGER_DRAINED] = "drained",
    [VMM_PAGER_STORE_FULL] = "store-full",
    [VMM_PAGER_FAILED] = "failed",
};

const char *vmm_ctl_tier_state(const struct vmm_ctl_tier *tier)
{
    return tier->state == VMM_CTL_SESSION_ACTIVE && tier->has_stat
           ? pager_states[tier->stat.state]
           : vmm_ctl_session_state_name(tier->state);
}

#define STAT(member) VMM__FIELD(struct vmm_pager_stat, member)
#define CLASS(member) VMM__FIELD(struct vmm_pager_class_stat, member)

static const struct vmm__field stat_fields[] = {
    STAT(total_pages), STAT(resident_pages), STAT(paged_pages),
    STAT(same_filled_pages), STAT(target_pages), STAT(floor_pages),
    STAT(working_set_pages), STAT(store_used_bytes), STAT(store_max_bytes),
    STAT(nr_evicted), STAT(nr_evict_busy), STAT(nr_rescued), STAT(nr_dropped),
    STAT(nr_refaults), STAT(nr_prefetch_hits), STAT(nr_prefetch_misses),
    STAT(nr_io_retries), STAT(prefetch_depth), STAT(generation),
};

static const struct vmm__field class_fields[] = {
    CLASS(nr_requests), CLASS(nr_failed), CLASS(nr_promoted),
    CLASS(nr_queued), CLASS(nr_inflight),
    CLASS(p50_ns), CLASS(p99_ns), CLASS(p999_ns), CLASS(max_ns),
};

void vmm_ctl_put_tier(struct vmm__json_out *out,
                      const struct vmm_ctl_tier *tier)
{
    int error = tier->has_stat ? tier->stat.last_error : tier->failed_rc;
    unsigned int i;

    vmm__json_put_u64(out, "domid", tier->domid);
    vmm__json_put_string(out, "name", tier->name);
    vmm__json_put_string(out, "uuid", tier->uuid);
    vmm__json_put_string(out, "store", tier->store);
    vmm__json_put_string(out, "session",
                         vmm_ctl_session_state_name(tier->state));
    vmm__json_put_string(out, "state", vmm_ctl_tier_state(tier));
    if (error) {
        vmm__json_put_string(out, "error", vmm_error_name(error));
    }
    if (!tier->has_stat) {
        return;
    }

    vmm__json_put_string(out, "pager", pager_states[tier->stat.state]);
    if (error) {
        vmm__json_put_u64(out, "failed_gfn", tier->stat.failed_gfn);
    }
    vmm__put_fields(out, stat_fields, NR(stat_fields), &tier->stat);
    vmm__json_put_object(out, "classes");
    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        vmm__json_put_object(out, vmm_reqclass_name((enum vmm_reqclass)i));
        vmm__put_fields(out, class_fields, NR(class_fields),
                   &tier->stat.reqclass[i]);
        vmm__json_end_object(out);
    }
    vmm__json_end_object(out);
}

static int get_stat(const struct vmm__json_value *value, const char *state,
                    int error, struct vmm_pager_stat *stat)
{
    const struct vmm__json_value *classes, *class;
    unsigned int i;
    int rc;

    for (i = 0; strcmp(pager_states[i], state); i++) {
        if (i == NR(pager_states) - 1) {
            return VMM_E_FORMAT;
        }
    }
    stat->size = sizeof(*stat);
    stat->state = (enum vmm_pager_state)i;
    stat->last_error = error;
    if (error &&
        vmm__json_get_u64(value, "failed_gfn", &stat->failed_gfn)) {
        return VMM_E_FORMAT;
    }
    rc = vmm__get_fields(value, stat_fields, NR(stat_fields), stat);
    if (rc) {
        return rc;
    }
    classes = vmm__json_member(value, "classes");
    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        class = vmm__json_member(classes,
                                 vmm_reqclass_name((enum vmm_reqclass)i));
        rc = vmm__get_fields(class, class_fields, NR(class_fields),
                        &stat->reqclass[i]);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

int vmm_ctl_get_tier(const struct vmm__json_value *value,
                     struct vmm_ctl_tier *tier_out)
{
    struct vmm_ctl_tier tier = { .has_stat = false };
    const char *session, *state, *name;
    uint64_t domid;
    unsigned int i;
    int rc, error = 0;

    if (vmm__json_get_u64(value, "domid", &domid) || domid > UINT32_MAX ||
        vmm__json_get_string(value, "name", &tier.name) ||
        vmm__json_get_string(value, "uuid", &tier.uuid) ||
        vmm__json_get_string(value, "store", &tier.store) ||
        vmm__json_get_string(value, "session", &session)) {
        return VMM_E_FORMAT;
    }
    tier.domid = (uint32_t)domid;
    for (i = 0; strcmp(session_states[i], session); i++) {
        if (i == VMM_CTL_NR_SESSION_STATES - 1) {
            return VMM_E_FORMAT;
        }
    }
    tier.state = (enum vmm_ctl_session_state)i;

    if (!vmm__json_get_string(value, "error", &name)) {
        error = vmm_ctl_error_of(name);
    }
    if (vmm__json_get_string(value, "pager", &state)) {
        tier.failed_rc = error;
    } else {
        rc = get_stat(value, state, error, &tier.stat);
        if (rc) {
            return rc;
        }
        tier.stat.domid = tier.domid;
        tier.has_stat = true;
    }
    *tier_out = tier;
    return 0;
}

/* vmmd's end. */

int vmm_ctl_request_parse(const char *line, size_t len_bytes,
                          struct vmm_ctl_request *request_out,
                          const char **why_out)
{
    static const char *const members[] = { "id", "method", "params" };
    const struct vmm__json_value *root;
    uint32_t i, j;
    int rc;

    memset(request_out, 0, sizeof(*request_out));
    rc = vmm__json_parse(line, len_bytes, &request_out->json);
    if (rc) {
        *why_out = rc == VMM_E_RANGE ? "nested too deep, or too much of it"
                 : rc == VMM_E_NOMEM ? "out of memory" : "not a JSON text";
        return rc;
    }
    root = vmm__json_root(request_out->json);
    if (vmm__json_type(root) != VMM__JSON_OBJECT) {
        *why_out = "not an object";
        return VMM_E_FORMAT;
    }

    request_out->id = vmm__json_member(root, "id");
    if (!request_out->id ||
        (vmm__json_type(request_out->id) != VMM__JSON_NUMBER &&
         vmm__json_type(request_out->id) != VMM__JSON_STRING)) {
        request_out->id = NULL;
        *why_out = "no \"id\" that is a number or a string";
        return VMM_E_FORMAT;
    }
    if (vmm__json_get_string(root, "method", &request_out->method)) {
        *why_out = "no \"method\" that is a string";
        return VMM_E_FORMAT;
    }
    request_out->params = vmm__json_member(root, "params");
    if (request_out->params &&
        vmm__json_type(request_out->params) != VMM__JSON_OBJECT) {
        *why_out = "\"params\" is not an object";
        return VMM_E_FORMAT;
    }
    for (i = 0; i < vmm__json_nr(root); i++) {
        for (j = 0; j < NR(members); j++) {
            if (!strcmp(members[j], vmm__json_key_at(root, i))) {
                break;
            }
        }
        if (j == NR(members)) {
            *why_out = "a member that is none of id, method, params";
            return VMM_E_FORMAT;
        }
    }
    return 0;
}

void vmm_ctl_request_dispose(struct vmm_ctl_request *request)
{
    vmm__json_free(request->json);
    memset(request, 0, sizeof(*request));
}

/* The client's end. */

struct vmm_ctl {
    int fd;
    uint64_t last_id;
    char message[MESSAGE_BYTES];
    char *buf;                  /* received, not used */
    size_t used, size, scanned;
};

static int fail(struct vmm_ctl *ctl, int rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct vmm_ctl *ctl, int rc, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(ctl->message, sizeof(ctl->message), fmt, ap);
    va_end(ap);
    return rc;
}

static int fill(struct vmm_ctl *ctl)
{
    struct pollfd pfd = { .fd = ctl->fd, .events = POLLIN };
    ssize_t r;

    if (ctl->size - ctl->used < READ_BYTES) {
        size_t size = ctl->size * 2 + READ_BYTES;
        char *buf;

        if (ctl->used >= VMM_CTL_REPLY_MAX) {
            return fail(ctl, VMM_E_FORMAT, "vmmd's answer has no end");
        }
        buf = realloc(ctl->buf, size);
        if (!buf) {
            return fail(ctl, VMM_E_NOMEM, "out of memory");
        }
        ctl->buf = buf;
        ctl->size = size;
    }

    do {
        r = poll(&pfd, 1, SILENCE_MS);
    } while (r < 0 && errno == EINTR);
    if (!r) {
        return fail(ctl, VMM_E_PEER,
                    "vmmd does not answer; see its log");
    }
    do {
        r = recv(ctl->fd, ctl->buf + ctl->used, ctl->size - ctl->used, 0);
    } while (r < 0 && errno == EINTR);
    if (r < 0) {
        return fail(ctl, VMM_E_PEER, "vmmd is gone: %s", strerror(errno));
    }
    if (!r) {
        return fail(ctl, VMM_E_PEER, "vmmd closed the connection; "
                    "see its log");
    }
    ctl->used += (size_t)r;
    return 0;
}

static int next_line(struct vmm_ctl *ctl, struct vmm__json **json_out)
{
    size_t len;
    char *end;
    int rc;

    for (;;) {
        end = ctl->used ? memchr(ctl->buf + ctl->scanned, '\n',
                                 ctl->used - ctl->scanned) : NULL;
        if (end) {
            break;
        }
        ctl->scanned = ctl->used;
        rc = fill(ctl);
        if (rc) {
            return rc;
        }
    }

    len = (size_t)(end - ctl->buf);
    rc = vmm__json_parse(ctl->buf, len, json_out);
    memmove(ctl->buf, end + 1, ctl->used - len - 1);
    ctl->used -= len + 1;
    ctl->scanned = 0;
    if (rc == VMM_E_NOMEM) {
        return fail(ctl, rc, "out of memory");
    }
    if (rc) {
        return fail(ctl, VMM_E_FORMAT, "what answers is not vmmd");
    }
    return 0;
}

static int greet(struct vmm_ctl *ctl)
{
    const struct vmm__json_value *root, *error;
    const char *version, *text;
    struct vmm__json *json;
    uint64_t protocol;
    int rc;

    rc = next_line(ctl, &json);
    if (rc) {
        return rc;
    }
    root = vmm__json_root(json);
    error = vmm__json_member(root, "error");
    if (!vmm__json_get_string(error, "message", &text)) {
        rc = fail(ctl, VMM_E_BUSY, "%s", text);
        if (!vmm__json_get_string(error, "name", &text)) {
            rc = vmm_ctl_error_of(text);
        }
    } else if (vmm__json_get_string(root, "vmmd", &version) ||
               vmm__json_get_u64(root, "protocol", &protocol)) {
        rc = fail(ctl, VMM_E_FORMAT, "what answers is not vmmd");
    } else if (protocol != VMM_CTL_PROTOCOL) {
        rc = fail(ctl, VMM_E_VERSION, "vmmd %s speaks protocol %llu, not %u; "
                  "install the same version of both", version,
                  (unsigned long long)protocol, VMM_CTL_PROTOCOL);
    }
    vmm__json_free(json);
    return rc;
}

static int dial(struct vmm_ctl *ctl, const char *socket_path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    if (strlen(socket_path) >= sizeof(addr.sun_path)) {
        return fail(ctl, VMM_E_INVAL, "%s: name too long", socket_path);
    }
    memcpy(addr.sun_path, socket_path, strlen(socket_path));
    ctl->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ctl->fd < 0) {
        return fail(ctl, VMM_E_LOCAL, "no socket: %s", strerror(errno));
    }
    if (connect(ctl->fd, (struct sockaddr *)&addr, sizeof(addr))) {
        if (errno == EACCES || errno == EPERM) {
            return fail(ctl, VMM_E_PERM, "%s: %s; only root may",
                        socket_path, strerror(errno));
        }
        return fail(ctl, VMM_E_PEER, "%s: %s; is vmmd running?",
                    socket_path, strerror(errno));
    }
    return greet(ctl);
}

int vmm_ctl_open(const char *socket_path, vmm_ctl **ctl_out)
{
    struct vmm_ctl *ctl = calloc(1, sizeof(*ctl));

    if (!ctl) {
        return VMM_E_NOMEM;
    }
    ctl->fd = -1;
    *ctl_out = ctl;
    return dial(ctl, socket_path);
}

void vmm_ctl_close(vmm_ctl *ctl)
{
    if (!ctl) {
        return;
    }
    if (ctl->fd >= 0) {
        close(ctl->fd);
    }
    free(ctl->buf);
    free(ctl);
}

const char *vmm_ctl_message(const vmm_ctl *ctl)
{
    return ctl->message;
}

static int request(struct vmm_ctl *ctl, const char *method,
                   struct vmm__json_out *params)
{
    struct vmm__json_out *out = NULL;
    struct vmm__json *json = NULL;
    char *text = NULL, *line = NULL;
    size_t len;
    int rc;

    rc = vmm__json_out_finish(params, &text, &len);
    if (rc) {
        goto out;
    }
    rc = vmm__json_parse(text, len, &json);
    if (rc) {
        goto out;
    }
    out = vmm__json_out_new(false);
    vmm__json_put_object(out, NULL);
    vmm__json_put_u64(out, "id", ++ctl->last_id);
    vmm__json_put_string(out, "method", method);
    vmm__json_put_value(out, "params", vmm__json_root(json));
    vmm__json_end_object(out);
    rc = vmm__json_out_finish(out, &line, &len);
    if (rc) {
        goto out;
    }
    if (len >= VMM_CTL_LINE_MAX) {
        rc = VMM_E_RANGE;
        goto out;
    }
    line[len] = '\n';

 out:
    if (rc) {
        rc = fail(ctl, rc, "the request cannot be put together: %s",
                  vmm_error_text(rc));
    } else {
        rc = vmm__send_all(ctl->fd, line, len + 1) ? 0 :
             fail(ctl, VMM_E_PEER, "vmmd is gone: %s", strerror(errno));
    }
    vmm__json_free(json);
    free(text);
    free(line);
    return rc;
}

static int error_of(struct vmm_ctl *ctl, const struct vmm__json_value *error)
{
    const char *name, *message;

    if (vmm__json_get_string(error, "name", &name) ||
        vmm__json_get_string(error, "message", &message)) {
        return fail(ctl, VMM_E_FORMAT, "what answers is not vmmd");
    }
    return fail(ctl, vmm_ctl_error_of(name), "%s", message);
}

int vmm_ctl_call(vmm_ctl *ctl, const char *method,
                 struct vmm__json_out *params,
                 vmm_ctl_progress_fn *progress, void *user,
                 struct vmm__json **reply_out,
                 const struct vmm__json_value **result_out)
{
    const struct vmm__json_value *root, *value;
    struct vmm__json *json;
    uint64_t id;
    int rc;

    rc = request(ctl, method, params);
    if (rc) {
        return rc;
    }

    for (;;) {
        rc = next_line(ctl, &json);
        if (rc) {
            return rc;
        }
        root = vmm__json_root(json);
        /* An id of null: it did not get as far as to read ours. */
        if (vmm__json_get_u64(root, "id", &id)) {
            value = vmm__json_member(root, "error");
            rc = value ? error_of(ctl, value)
                       : fail(ctl, VMM_E_FORMAT, "what answers is not vmmd");
            break;
        }
        if (id == ctl->last_id) {
            value = vmm__json_member(root, "result");
            if (value) {
                *reply_out = json;
                *result_out = value;
                return 0;
            }
            value = vmm__json_member(root, "error");
            if (value) {
                rc = error_of(ctl, value);
                break;
            }
            value = vmm__json_member(root, "progress");
            if (value && progress) {
                progress(user, value);
            }
        }
        vmm__json_free(json);
    }
    vmm__json_free(json);
    return rc;
}
