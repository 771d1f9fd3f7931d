/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* control.c: the control socket; see control.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "control.h"
#include "format/json.h"
#include "log.h"

#define TICK_MS 1000
#define BACKLOG 16
/* Requests of one client under way, and answers that it has not read. */
#define REQUESTS_MAX 16
#define UNREAD_BYTES_MAX (1u << 20)
/* A line takes no longer, nor does a client to take its answers. */
#define SLOW_TICKS 30
/* Nor is a connection kept that long without a request. */
#define IDLE_TICKS 300
#define MESSAGE_BYTES 768

struct client {
    struct control *control;
    struct client *prev, *next;
    struct bufferevent *bev;
    struct evbuffer *held;      /* for the end of the turn */
    unsigned int nr_requests;
    uint32_t idle_ticks, line_ticks, unread_ticks;
    size_t unread_bytes;
    bool half_closed;           /* it sends no more */
    bool closing;               /* when it has got what we have for it */
    bool waiting;               /* lines are there that we do not take yet */
};

struct control {
    struct loop *loop;
    const struct conf *conf;
    const char *version;
    control_request_fn *request, *progress;
    void *user;
    char *path;
    struct evconnlistener *listener;
    struct loop_event *tick_event;
    struct client *clients;
    struct control_request *requests;
    long nr_clients;
    bool failed_accept;
};

/* Answers. */

static void client_hold(struct client *client, const char *text, size_t len)
{
    if (evbuffer_add(client->held, text, len) ||
        evbuffer_add(client->held, "\n", 1)) {
        client->closing = true;
    }
}

static void hold_out(struct client *client, struct vmm__json_out *out)
{
    char *text;
    size_t len;

    if (vmm__json_out_finish(out, &text, &len)) {
        log_line(VMM_LOG_ERROR, "control", "an answer cannot be put "
                 "together; closing the connection");
        if (client) {
            client->closing = true;
        }
        return;
    }
    if (client) {
        client_hold(client, text, len);
    }
    free(text);
}

static void put_error(struct vmm__json_out *out, int rc, const char *text)
{
    vmm__json_put_object(out, "error");
    vmm__json_put_string(out, "name", vmm_error_name(rc));
    vmm__json_put_string(out, "class",
                         vmm_ctl_class_name(vmm_error_class_of(rc)));
    vmm__json_put_string(out, "message", text);
    vmm__json_end_object(out);
}

/* Something that is no answer to a request that could be read. */
static void hold_error(struct client *client, int rc, const char *text)
{
    struct vmm__json_out *out = vmm__json_out_new(false);

    vmm__json_put_object(out, NULL);
    vmm__json_put_null(out, "id");
    put_error(out, rc, text);
    vmm__json_end_object(out);
    hold_out(client, out);
}

struct vmm__json_out *control_begin(const struct control_request *request)
{
    struct vmm__json_out *out = vmm__json_out_new(false);

    vmm__json_put_object(out, NULL);
    vmm__json_put_value(out, "id", request->msg.id);
    return out;
}

static void request_free(struct control_request *request)
{
    if (request->prev) {
        request->prev->next = request->next;
    } else {
        request->control->requests = request->next;
    }
    if (request->next) {
        request->next->prev = request->prev;
    }
    if (request->client) {
        request->client->nr_requests--;
    }
    vmm_ctl_request_dispose(&request->msg);
    free(request);
}

void control_end(struct control_request *request, struct vmm__json_out *out)
{
    vmm__json_end_object(out);
    hold_out(request->client, out);
    request_free(request);
}

void control_progress_end(struct control_request *request,
                          struct vmm__json_out *out)
{
    struct client *client = request->client;

    vmm__json_end_object(out);
    /* Who does not read has no use for it. */
    if (client && client->unread_bytes) {
        vmm__json_out_free(out);
    } else {
        hold_out(client, out);
    }
}

void control_fail(struct control_request *request, int rc,
                  const char *fmt, ...)
{
    struct vmm__json_out *out = control_begin(request);
    char text[MESSAGE_BYTES];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_line(VMM_LOG_INFO, "control", "%s: %s: %s", request->msg.method,
             vmm_error_name(rc), text);
    put_error(out, rc, text);
    control_end(request, out);
}

/* Clients. */

static void client_free(struct client *client)
{
    struct control *control = client->control;
    struct control_request *request;

    for (request = control->requests; request; request = request->next) {
        if (request->client == client) {
            request->client = NULL;     /* it goes on all the same */
        }
    }
    if (client->prev) {
        client->prev->next = client->next;
    } else {
        control->clients = client->next;
    }
    if (client->next) {
        client->next->prev = client->prev;
    }
    control->nr_clients--;
    if (client->bev) {
        bufferevent_free(client->bev);
    }
    if (client->held) {
        evbuffer_free(client->held);
    }
    free(client);
}

static void take_line(struct client *client, const char *line, size_t len)
{
    struct control *control = client->control;
    struct control_request *request = calloc(1, sizeof(*request));
    const char *why;
    int rc;

    if (!request) {
        client->closing = true;
        return;
    }
    request->control = control;
    request->client = client;
    request->domid = UINT32_MAX;
    rc = vmm_ctl_request_parse(line, len, &request->msg, &why);
    if (rc && !request->msg.id) {
        hold_error(client, rc, why);
        vmm_ctl_request_dispose(&request->msg);
        free(request);
        return;
    }

    request->next = control->requests;
    if (request->next) {
        request->next->prev = request;
    }
    control->requests = request;
    client->nr_requests++;
    if (rc) {
        request->msg.method = "";
        control_fail(request, rc, "%s", why);
        return;
    }
    control->request(control->user, request);
}

/* The lines that are there, as far as they may be taken now. */
static void client_serve(struct client *client)
{
    struct evbuffer *input = bufferevent_get_input(client->bev);
    size_t len;
    char *line;

    client->waiting = false;
    while (!client->closing) {
        if (client->nr_requests >= REQUESTS_MAX ||
            client->unread_bytes + evbuffer_get_length(client->held) >=
            UNREAD_BYTES_MAX) {
            /* Else, with a full buffer, libevent would call on and on. */
            client->waiting = true;
            (void)bufferevent_disable(client->bev, EV_READ);
            return;
        }
        line = evbuffer_readln(input, &len, EVBUFFER_EOL_LF);
        if (!line) {
            break;
        }
        client->idle_ticks = 0;
        client->line_ticks = 0;
        if (len >= VMM_CTL_LINE_MAX) {
            hold_error(client, VMM_E_RANGE, "a line that long");
            client->closing = true;
        } else {
            take_line(client, line, len);
        }
        free(line);
    }
    if (evbuffer_get_length(input) >= VMM_CTL_LINE_MAX &&
        !client->closing) {
        hold_error(client, VMM_E_RANGE, "a line that long");
        client->closing = true;
    }
    if (client->closing) {
        (void)bufferevent_disable(client->bev, EV_READ);
        (void)evbuffer_drain(input, evbuffer_get_length(input));
    }
}

static void on_read(struct bufferevent *bev, void *user)
{
    (void)bev;
    client_serve(user);
}

static void on_event(struct bufferevent *bev, short what, void *user)
{
    struct client *client = user;

    if (what & BEV_EVENT_EOF) {
        /* It may still read what it asked for. */
        client->half_closed = true;
        (void)bufferevent_disable(bev, EV_READ);
        return;
    }
    client_free(client);
}

/*
 * Hand over what was held.  A client that is done with is let go when it has
 * got all of it.
 */
static void client_flush(struct client *client)
{
    struct evbuffer *output = bufferevent_get_output(client->bev);

    if (client->waiting) {
        client_serve(client);
        if (!client->waiting && !client->closing && !client->half_closed) {
            (void)bufferevent_enable(client->bev, EV_READ);
        }
    }
    if (evbuffer_get_length(client->held)) {
        (void)bufferevent_write_buffer(client->bev, client->held);
    }
    client->unread_bytes = evbuffer_get_length(output);
    if (client->unread_bytes) {
        return;
    }
    client->unread_ticks = 0;
    if (client->closing ||
        (client->half_closed && !client->nr_requests && !client->waiting)) {
        client_free(client);
    }
}

void control_flush(void *user)
{
    struct control *control = user;
    struct client *client, *next;

    for (client = control->clients; client; client = next) {
        next = client->next;
        client_flush(client);
    }
}

/* Only that a turn comes, at the end of which there may be more to do. */
static void on_written(struct bufferevent *bev, void *user)
{
    (void)bev;
    (void)user;
}

static void greet(struct client *client)
{
    struct vmm__json_out *out = vmm__json_out_new(false);

    vmm__json_put_object(out, NULL);
    vmm__json_put_string(out, "vmmd", client->control->version);
    vmm__json_put_u64(out, "protocol", VMM_CTL_PROTOCOL);
    vmm__json_end_object(out);
    hold_out(client, out);
}

static bool may_connect(int fd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len)) {
        return false;
    }
    return cred.uid == 0 || cred.uid == geteuid();
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *addr, int addr_len, void *user)
{
    struct control *control = user;
    struct client *client = calloc(1, sizeof(*client));

    (void)listener;
    (void)addr;
    (void)addr_len;
    if (!client) {
        close(fd);
        return;
    }
    client->control = control;
    client->next = control->clients;
    if (client->next) {
        client->next->prev = client;
    }
    control->clients = client;
    control->nr_clients++;
    client->held = evbuffer_new();
    client->bev = bufferevent_socket_new(loop_base(control->loop), fd,
                                         BEV_OPT_CLOSE_ON_FREE);
    if (!client->bev) {
        close(fd);
    }
    if (!client->held || !client->bev) {
        client_free(client);
        return;
    }
    bufferevent_setcb(client->bev, on_read, on_written, on_event, client);
    bufferevent_setwatermark(client->bev, EV_READ, 0, VMM_CTL_LINE_MAX);

    if (!may_connect(fd)) {
        hold_error(client, VMM_E_PERM, "only root may");
        client->closing = true;
    } else if (control->nr_clients > control->conf->max_clients) {
        hold_error(client, VMM_E_BUSY, "too many clients; try again, or see "
                   "max_clients in vmmd.conf(5)");
        client->closing = true;
    } else {
        greet(client);
        (void)bufferevent_enable(client->bev, EV_READ);
    }
}

static void on_accept_error(struct evconnlistener *listener, void *user)
{
    struct control *control = user;

    log_line(VMM_LOG_WARN, "control", "a connection cannot be accepted: %s",
             strerror(errno));
    (void)evconnlistener_disable(listener);     /* until the next tick */
    control->failed_accept = true;
}

static void tick_client(struct client *client)
{
    bool partial = evbuffer_get_length(bufferevent_get_input(client->bev)) &&
                   !client->waiting;

    client->line_ticks = partial ? client->line_ticks + 1 : 0;
    client->unread_ticks = client->unread_bytes ? client->unread_ticks + 1
                                                : 0;
    client->idle_ticks = client->nr_requests ? 0 : client->idle_ticks + 1;
    if (client->line_ticks > SLOW_TICKS ||
        client->unread_ticks > SLOW_TICKS ||
        client->idle_ticks > IDLE_TICKS) {
        log_line(VMM_LOG_DEBUG, "control", "a client is too slow, or idle; "
                 "closing its connection");
        client_free(client);
    }
}

static void tick(void *user)
{
    struct control *control = user;
    struct control_request *request, *next_request;
    struct client *client, *next;

    if (control->failed_accept) {
        control->failed_accept = false;
        (void)evconnlistener_enable(control->listener);
    }
    for (client = control->clients; client; client = next) {
        next = client->next;
        tick_client(client);
    }
    for (request = control->requests; request; request = next_request) {
        next_request = request->next;
        if (++request->age_ticks > 1 && request->client) {
            control->progress(control->user, request);
        }
    }
}

static int listen_on(struct control *control)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    mode_t mask;

    memcpy(addr.sun_path, control->path, strlen(control->path));
    /* Nobody else's: there is one vmmd, which holds the lock. */
    (void)unlink(control->path);
    mask = umask(0177);
    control->listener = evconnlistener_new_bind(
        loop_base(control->loop), on_accept, control,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG,
        (struct sockaddr *)&addr, sizeof(addr));
    (void)umask(mask);
    if (!control->listener) {
        log_line(VMM_LOG_ERROR, "control", "%s: %s", control->path,
                 strerror(errno));
        return VMM_E_LOCAL;
    }
    evconnlistener_set_error_cb(control->listener, on_accept_error);
    return 0;
}

int control_open(struct loop *loop, const struct conf *conf,
                 const char *version, control_request_fn *request,
                 control_request_fn *progress, void *user,
                 struct control **control_out)
{
    struct control *control = calloc(1, sizeof(*control));
    int rc;

    if (!control) {
        return VMM_E_NOMEM;
    }
    control->loop = loop;
    control->conf = conf;
    control->version = version;
    control->request = request;
    control->progress = progress;
    control->user = user;
    control->path = strdup(conf->socket_path);
    if (!control->path) {
        rc = VMM_E_NOMEM;
        goto out;
    }
    rc = loop_add_timer(loop, TICK_MS, tick, control, &control->tick_event);
    if (rc) {
        goto out;
    }
    rc = listen_on(control);
    if (rc) {
        goto out;
    }
    *control_out = control;
    control = NULL;

 out:
    control_close(control);
    return rc;
}

void control_close(struct control *control)
{
    if (!control) {
        return;
    }
    while (control->clients) {
        client_free(control->clients);
    }
    while (control->requests) {
        request_free(control->requests);
    }
    if (control->listener) {
        evconnlistener_free(control->listener);
        (void)unlink(control->path);
    }
    loop_remove(control->tick_event);
    free(control->path);
    free(control);
}
