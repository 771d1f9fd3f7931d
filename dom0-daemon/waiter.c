/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* waiter.c: who is to be told how something ended; see waiter.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "waiter.h"

struct waiter *waiter_new(struct vmm__list_node *waiters,
                          enum waiter_kind kind, struct session *session,
                          session_done_fn *done, void *user)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter));

    if (!waiter) {
        done(user, VMM_E_NOMEM, NULL, NULL);
        return NULL;
    }
    waiter->kind = kind;
    waiter->session = session;
    waiter->done = done;
    waiter->user = user;
    vmm__list_add_tail(waiters, &waiter->node);
    return waiter;
}

void waiter_ready(struct waiter *waiter, int rc, const char *fmt, ...)
{
    va_list ap;

    waiter->ready = true;
    waiter->rc = rc;
    va_start(ap, fmt);
    (void)vsnprintf(waiter->text, sizeof(waiter->text), fmt, ap);
    va_end(ap);
}

struct waiter *waiter_next(const struct vmm__list_node *waiters,
                           const struct session *session,
                           struct vmm__list_node **at)
{
    while (*at != waiters) {
        struct waiter *waiter = vmm__container_of(*at, struct waiter, node);

        *at = (*at)->next;
        if (!session || waiter->session == session) {
            return waiter;
        }
    }
    return NULL;
}

void waiters_ready(const struct vmm__list_node *waiters,
                   const struct session *session, enum waiter_kind kind,
                   int rc, const char *text)
{
    struct vmm__list_node *at = waiters->next;
    struct waiter *waiter;

    while ((waiter = waiter_next(waiters, session, &at)) != NULL) {
        if (waiter->kind == kind && !waiter->ready && !waiter->nr_left) {
            waiter_ready(waiter, rc, "%s", text);
        }
    }
}

void waiter_done(struct waiter *waiter, const struct session *session)
{
    vmm__list_del(&waiter->node);
    waiter->done(waiter->user, waiter->rc,
                 waiter->text[0] ? waiter->text : NULL, session);
    free(waiter);
}
