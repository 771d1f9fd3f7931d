/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * waiter.h: who is to be told how something ended, once that is durable.
 * Used by session.c alone.  The loop thread.
 */
#ifndef VMMD_WAITER_H
#define VMMD_WAITER_H

#include <stdbool.h>

#include "base/list.h"
#include "session.h"

enum waiter_kind { WAIT_SET, WAIT_OFF, WAIT_COMMAND, WAIT_REFRESH };

struct waiter {
    struct vmm__list_node node;
    enum waiter_kind kind;
    struct session *session;    /* NULL: of all */
    session_done_fn *done;
    void *user;
    unsigned int nr_left;       /* messages of workers */
    bool ready;
    int rc;
    char text[512];
};

/* NULL: out of memory, and `done' was told. */
struct waiter *waiter_new(struct vmm__list_node *waiters,
                          enum waiter_kind kind, struct session *session,
                          session_done_fn *done, void *user);
/* This is how it ended; it will be told. */
void waiter_ready(struct waiter *waiter, int rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Tell, and free. */
void waiter_done(struct waiter *waiter, const struct session *session);

/*
 * Walk through them; begin with *at the head's `next'.  Of a session, or
 * (NULL) all.  The one that was returned may be freed.
 */
struct waiter *waiter_next(const struct vmm__list_node *waiters,
                           const struct session *session,
                           struct vmm__list_node **at);
/* All of a session and a kind that do not wait for a message. */
void waiters_ready(const struct vmm__list_node *waiters,
                   const struct session *session, enum waiter_kind kind,
                   int rc, const char *text);

#endif
