/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xlglue.c: the toolstack, on libxl in libevent's loop.
 *
 * libxl's descriptors and timeouts become events of the loop.  A hook only
 * registers; libxl is told of what occurred from the loop, never from within
 * a hook.
 *
 * Source: libxl_event.h.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <event2/event.h>
#include <libxl.h>
#include <libxl_event.h>
#include <libxl_utils.h>

#include "log.h"
#include "loop.h"
#include "xlglue.h"

#define KIB_PER_PAGE 4

struct logger {
    xentoollog_logger vtable;   /* first: libxl gives it back to us */
};

struct xlglue {
    struct loop *loop;
    libxl_ctx *ctx;
    struct logger logger;
    struct event *sigchld;
    toolstack_died_fn *died;
    void *user;
};

/* A descriptor or a timeout of libxl's. */
struct registration {
    struct xlglue *glue;
    struct event *event;
    int fd;
    short events;               /* as for poll(2) */
    void *for_libxl;
};

/* Our code for libxl's, with what was tried in the log. */
static int error_of(int r, const char *what, uint32_t domid)
{
    switch (r) {
    case 0:
        return 0;
    case ERROR_DOMAIN_NOTFOUND:
        return VMM_E_NOENT;
    case ERROR_NOMEM:
        return VMM_E_NOMEM;
    default:
        log_domain(VMM_LOG_ERROR, "xlglue", domid, "libxl: %s: error %d",
                   what, r);
        return VMM_E_LOCAL;
    }
}

/* libxl's log. */

static void log_vmessage(xentoollog_logger *logger, xentoollog_level level,
                         int errnoval, const char *context,
                         const char *format, va_list al)
{
    enum vmm_log_level ours = level >= XTL_ERROR ? VMM_LOG_ERROR :
        level >= XTL_WARN ? VMM_LOG_WARN : VMM_LOG_DEBUG;
    char text[512];

    (void)logger;
    (void)vsnprintf(text, sizeof(text), format, al);
    log_line(ours, context ? context : "libxl", "%s%s%s", text,
             errnoval >= 0 ? ": " : "",
             errnoval >= 0 ? strerror(errnoval) : "");
}

static void log_progress(xentoollog_logger *logger, const char *context,
                         const char *doing_what, int percent,
                         unsigned long done, unsigned long total)
{
    (void)logger;
    (void)context;
    (void)doing_what;
    (void)percent;
    (void)done;
    (void)total;
}

static void log_destroy(xentoollog_logger *logger)
{
    (void)logger;       /* a part of struct xlglue */
}

/* Descriptors. */

static short what_of(short events)
{
    return (short)(EV_PERSIST | (events & (POLLIN | POLLPRI) ? EV_READ : 0) |
                   (events & POLLOUT ? EV_WRITE : 0));
}

/* libevent does not tell a hang-up from something to be read. */
static void fd_occurred(evutil_socket_t fd, short what, void *user)
{
    struct registration *registration = user;
    struct pollfd pfd = { .fd = fd, .events = registration->events };

    (void)what;
    if (poll(&pfd, 1, 0) > 0 && pfd.revents) {
        libxl_osevent_occurred_fd(registration->glue->ctx,
                                  registration->for_libxl, fd,
                                  registration->events, pfd.revents);
    }
}

static int fd_add(struct registration *registration)
{
    /* No events at all is legal, and an event that is not added. */
    return registration->events &&
           event_add(registration->event, NULL) ? ERROR_OSEVENT_REG_FAIL : 0;
}

static int fd_register(void *user, int fd, void **for_app_out, short events,
                       void *for_libxl)
{
    struct xlglue *glue = user;
    struct registration *registration = calloc(1, sizeof(*registration));
    int r;

    if (!registration) {
        return ERROR_OSEVENT_REG_FAIL;
    }
    registration->glue = glue;
    registration->fd = fd;
    registration->events = events;
    registration->for_libxl = for_libxl;
    registration->event = event_new(loop_base(glue->loop), fd,
                                    what_of(events), fd_occurred,
                                    registration);
    r = registration->event ? fd_add(registration) : ERROR_OSEVENT_REG_FAIL;
    if (r) {
        if (registration->event) {
            event_free(registration->event);
        }
        free(registration);
        return r;
    }
    *for_app_out = registration;
    return 0;
}

static int fd_modify(void *user, int fd, void **for_app_update, short events)
{
    struct registration *registration = *for_app_update;
    struct xlglue *glue = user;
    struct event *event;

    event = event_new(loop_base(glue->loop), fd, what_of(events),
                      fd_occurred, registration);
    if (!event || (events && event_add(event, NULL))) {
        if (event) {
            event_free(event);
        }
        return ERROR_OSEVENT_REG_FAIL;
    }
    event_free(registration->event);
    registration->event = event;
    registration->events = events;
    return 0;
}

static void deregister(struct registration *registration)
{
    event_free(registration->event);
    free(registration);
}

static void fd_deregister(void *user, int fd, void *for_app)
{
    (void)user;
    (void)fd;
    deregister(for_app);
}

/* Timeouts. */

static void timeout_occurred(evutil_socket_t fd, short what, void *user)
{
    struct registration *registration = user;
    libxl_ctx *ctx = registration->glue->ctx;
    void *for_libxl = registration->for_libxl;

    (void)fd;
    (void)what;
    /* It is no longer registered by the time that libxl hears of it. */
    deregister(registration);
    libxl_osevent_occurred_timeout(ctx, for_libxl);
}

static int timeout_register(void *user, void **for_app_out,
                            struct timeval abs, void *for_libxl)
{
    static const struct timeval zero;
    struct xlglue *glue = user;
    struct registration *registration = calloc(1, sizeof(*registration));
    struct timeval now, left;

    if (!registration) {
        return ERROR_OSEVENT_REG_FAIL;
    }
    registration->glue = glue;
    registration->fd = -1;
    registration->for_libxl = for_libxl;
    registration->event = event_new(loop_base(glue->loop), -1, 0,
                                    timeout_occurred, registration);
    /* Times are of the wall clock; one that has passed is now. */
    (void)gettimeofday(&now, NULL);
    timersub(&abs, &now, &left);
    if (timercmp(&abs, &now, <)) {
        left = zero;
    }
    if (!registration->event || event_add(registration->event, &left)) {
        if (registration->event) {
            event_free(registration->event);
        }
        free(registration);
        return ERROR_OSEVENT_REG_FAIL;
    }
    *for_app_out = registration;
    return 0;
}

/* Only ever "now", which must not be from in here. */
static int timeout_modify(void *user, void **for_app_update,
                          struct timeval abs)
{
    struct registration *registration = *for_app_update;

    (void)user;
    (void)abs;
    event_active(registration->event, EV_TIMEOUT, 0);
    return 0;
}

static void timeout_deregister(void *user, void *for_app)
{
    (void)user;
    deregister(for_app);
}

static const libxl_osevent_hooks osevent_hooks = {
    .fd_register = fd_register,
    .fd_modify = fd_modify,
    .fd_deregister = fd_deregister,
    .timeout_register = timeout_register,
    .timeout_modify = timeout_modify,
    .timeout_deregister = timeout_deregister,
};

/* Children: vmmd has none, and libxl's are reaped from the loop. */

static const libxl_childproc_hooks childproc_hooks = {
    .chldowner = libxl_sigchld_owner_mainloop,
};

static void sigchld(evutil_socket_t fd, short what, void *user)
{
    struct xlglue *glue = user;

    (void)fd;
    (void)what;
    libxl_childproc_sigchld_occurred(glue->ctx);
}

/* Events of domains. */

static void event_occurs(void *user,
#ifndef LIBXL_HAVE_NONCONST_EVENT_OCCURS_EVENT_ARG
                         const
#endif
                         libxl_event *event)
{
    struct xlglue *glue = user;

    if (event->type == LIBXL_EVENT_TYPE_DOMAIN_DEATH) {
        glue->died(glue->user, event->domid);
    }
    libxl_event_free(glue->ctx, (libxl_event *)(uintptr_t)event);
}

static void disaster(void *user, libxl_event_type type, const char *msg,
                     int errnoval)
{
    (void)user;
    /* Pagers find out of the end of their domain by themselves. */
    log_line(VMM_LOG_ERROR, "xlglue", "libxl has lost events (type %d): %s: "
             "%s; restart vmmd", (int)type, msg, strerror(errnoval));
}

static const libxl_event_hooks event_hooks = {
    .event_occurs_mask = LIBXL_EVENTMASK_ALL,
    .event_occurs = event_occurs,
    .disaster = disaster,
};

/* The table. */

static void glue_close(void *self)
{
    struct xlglue *glue = self;

    if (!glue) {
        return;
    }
    if (glue->ctx) {
        libxl_ctx_free(glue->ctx);
    }
    if (glue->sigchld) {
        event_free(glue->sigchld);
    }
    free(glue);
}

static int glue_open(struct loop *loop, toolstack_died_fn *died, void *user,
                     void **self_out)
{
    struct xlglue *glue = calloc(1, sizeof(*glue));
    int rc, r;

    if (!glue) {
        return VMM_E_NOMEM;
    }
    glue->loop = loop;
    glue->died = died;
    glue->user = user;
    glue->logger.vtable.vmessage = log_vmessage;
    glue->logger.vtable.progress = log_progress;
    glue->logger.vtable.destroy = log_destroy;

    r = libxl_ctx_alloc(&glue->ctx, LIBXL_VERSION, 0, &glue->logger.vtable);
    if (r) {
        glue->ctx = NULL;
        log_line(VMM_LOG_ERROR, "xlglue", "libxl cannot be used; is this the "
                 "control domain, and is xenstored running?");
        rc = VMM_E_LOCAL;
        goto out;
    }
    libxl_osevent_register_hooks(glue->ctx, &osevent_hooks, glue);
    libxl_childproc_setmode(glue->ctx, &childproc_hooks, glue);
    libxl_event_register_callbacks(glue->ctx, &event_hooks, glue);
    glue->sigchld = evsignal_new(loop_base(loop), SIGCHLD, sigchld, glue);
    if (!glue->sigchld || event_add(glue->sigchld, NULL)) {
        rc = VMM_E_NOMEM;
        goto out;
    }
    *self_out = glue;
    glue = NULL;
    rc = 0;

 out:
    glue_close(glue);
    return rc;
}

static int glue_find_name(void *self, const char *name, uint32_t *domid_out)
{
    struct xlglue *glue = self;
    uint32_t domid;

    /* Its only failure that is not our own fault. */
    if (libxl_name_to_domid(glue->ctx, name, &domid)) {
        return VMM_E_NOENT;
    }
    *domid_out = domid;
    return 0;
}

static int glue_info(void *self, uint32_t domid, struct domain *domain_out)
{
    struct xlglue *glue = self;
    libxl_dominfo info;
    char *name;
    int rc, r;

    libxl_dominfo_init(&info);
    r = libxl_domain_info(glue->ctx, &info, domid);
    rc = error_of(r, "domain information", domid);
    if (rc) {
        goto out;
    }
    if (info.dying) {
        rc = VMM_E_NOENT;
        goto out;
    }

    memset(domain_out, 0, sizeof(*domain_out));
    domain_out->domid = domid;
    memcpy(domain_out->uuid, libxl_uuid_bytearray(&info.uuid),
           DOMAIN_UUID_BYTES);
    domain_out->nr_pages = (info.current_memkb + info.paged_memkb) /
                           KIB_PER_PAGE;
    domain_out->can_be_paged = domid &&
                               (info.domain_type == LIBXL_DOMAIN_TYPE_HVM ||
                                info.domain_type == LIBXL_DOMAIN_TYPE_PVH);
    name = libxl_domid_to_name(glue->ctx, domid);
    if (name) {
        (void)snprintf(domain_out->name, sizeof(domain_out->name), "%s",
                       name);
    }
    free(name);

 out:
    libxl_dominfo_dispose(&info);
    return rc;
}

static int glue_watch(void *self, uint32_t domid, void **watch_out)
{
    struct xlglue *glue = self;
    libxl_evgen_domain_death *evgen;
    int r;

    r = libxl_evenable_domain_death(glue->ctx, domid, 0, &evgen);
    if (r) {
        return error_of(r, "watch for the end of a domain", domid);
    }
    *watch_out = evgen;
    return 0;
}

static void glue_unwatch(void *self, void *watch)
{
    struct xlglue *glue = self;

    libxl_evdisable_domain_death(glue->ctx, watch);
}

const struct toolstack_ops xlglue_ops = {
    .open = glue_open,
    .close = glue_close,
    .find_name = glue_find_name,
    .info = glue_info,
    .watch = glue_watch,
    .unwatch = glue_unwatch,
};
