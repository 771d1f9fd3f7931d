/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* loop.c: the daemon's one loop; see loop.h. */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include <event2/event.h>

#include "log.h"
#include "loop.h"

struct loop {
    struct event_base *base;
    struct {
        loop_fn *fn;
        void *user;
    } hooks[LOOP_HOOKS_MAX];
    unsigned int nr_hooks;
    bool stopping;
};

struct loop_event {
    struct event *event;
    loop_fn *fn;
    void *user;
};

static void libevent_log(int severity, const char *msg)
{
    log_line(severity >= EVENT_LOG_ERR ? VMM_LOG_ERROR :
             severity == EVENT_LOG_WARN ? VMM_LOG_WARN : VMM_LOG_DEBUG,
             "loop", "%s", msg);
}

int loop_open(struct loop **loop_out)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (!loop) {
        return VMM_E_NOMEM;
    }
    event_set_log_callback(libevent_log);
    loop->base = event_base_new();
    if (!loop->base) {
        free(loop);
        return VMM_E_NOMEM;
    }
    *loop_out = loop;
    return 0;
}

void loop_close(struct loop *loop)
{
    if (!loop) {
        return;
    }
    event_base_free(loop->base);
    free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

static void occurred(evutil_socket_t fd, short what, void *user)
{
    struct loop_event *event = user;

    (void)fd;
    (void)what;
    event->fn(event->user);
}

static int add(struct loop *loop, int fd, short what,
               const struct timeval *interval, loop_fn *fn, void *user,
               struct loop_event **event_out)
{
    struct loop_event *event = calloc(1, sizeof(*event));

    if (!event) {
        return VMM_E_NOMEM;
    }
    event->fn = fn;
    event->user = user;
    event->event = event_new(loop->base, fd, what, occurred, event);
    if (!event->event || event_add(event->event, interval)) {
        loop_remove(event);
        return VMM_E_NOMEM;
    }
    *event_out = event;
    return 0;
}

int loop_add_fd(struct loop *loop, int fd, loop_fn *fn, void *user,
                struct loop_event **event_out)
{
    return add(loop, fd, EV_READ | EV_PERSIST, NULL, fn, user, event_out);
}

int loop_add_signal(struct loop *loop, int signo, loop_fn *fn, void *user,
                    struct loop_event **event_out)
{
    return add(loop, signo, EV_SIGNAL | EV_PERSIST, NULL, fn, user,
               event_out);
}

int loop_add_timer(struct loop *loop, uint32_t interval_ms, loop_fn *fn,
                   void *user, struct loop_event **event_out)
{
    struct timeval interval = {
        .tv_sec = interval_ms / 1000,
        .tv_usec = (suseconds_t)(interval_ms % 1000) * 1000,
    };

    return add(loop, -1, EV_PERSIST, &interval, fn, user, event_out);
}

void loop_remove(struct loop_event *event)
{
    if (!event) {
        return;
    }
    if (event->event) {
        event_free(event->event);
    }
    free(event);
}

void loop_add_hook(struct loop *loop, loop_fn *fn, void *user)
{
    assert(loop->nr_hooks < LOOP_HOOKS_MAX);
    loop->hooks[loop->nr_hooks].fn = fn;
    loop->hooks[loop->nr_hooks].user = user;
    loop->nr_hooks++;
}

int loop_run(struct loop *loop)
{
    unsigned int i;

    while (!loop->stopping) {
        if (event_base_loop(loop->base, EVLOOP_ONCE) < 0) {
            return VMM_E_LOCAL;
        }
        for (i = 0; i < loop->nr_hooks; i++) {
            loop->hooks[i].fn(loop->hooks[i].user);
        }
    }
    return 0;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}
