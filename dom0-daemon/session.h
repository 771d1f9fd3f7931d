/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * session.h: the domains that are paged.
 *
 * A session has a pager, which a thread of its own drives, and a record on
 * disk, from which a later vmmd takes it up again.  Everything else is the
 * loop thread's; the two talk over a queue and an eventfd each way.
 *
 * Order: the record says "opening" before the pager is opened, "active"
 * before anybody is told that it is; page files go when the hypervisor has no
 * session any more, and the record last.  So whatever the instant at which
 * vmmd is killed, the next one finds a record for each session that the
 * hypervisor may have.
 */
#ifndef VMMD_SESSION_H
#define VMMD_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "include/vmm_ctl.h"
#include "loop.h"
#include "regions.h"
#include "toolstack.h"
#include "worker.h"

struct sessions;
struct session;

/* `ready' is called once, when every session of a predecessor is settled. */
int sessions_open(struct loop *loop, const struct conf *conf,
                  const struct toolstack_ops *toolstack_ops, void *toolstack,
                  const struct pager_ops *pager_ops, struct regions *regions,
                  loop_fn *ready, void *user,
                  struct sessions **sessions_out);
/* None may be left.  NULL is fine. */
void sessions_close(struct sessions *sessions);

/* Take up what a predecessor left. */
int sessions_adopt(struct sessions *sessions);

/*
 * End all of them: with `drain' when every page is back, else by leaving them
 * to the next vmmd.  `stopped' is called when none is left, perhaps at once.
 */
void sessions_stop(struct sessions *sessions, bool drain, loop_fn *stopped,
                   void *user);
void sessions_domain_died(struct sessions *sessions, uint32_t domid);

/* The loop's hook: records are written, and then answers are given. */
void sessions_store(void *sessions);

/*
 * How a request ended: 0 or VMM_E_*, with a text that says more.  `session'
 * is NULL if there is none (any more).  What it says is durable.
 */
typedef void session_done_fn(void *user, int rc, const char *text,
                             const struct session *session);

struct session_set {
    struct domain domain;
    uint64_t target_pages;
    bool has_floor;
    uint64_t floor_pages;
    const char *store;          /* NULL: one of ours */
    const char *region;         /* in place of a store; NULL: none */
    bool has_fifo, fifo, has_no_prefetch, no_prefetch;
};
/* `done' is called once in any case, perhaps at once. */
void sessions_set(struct sessions *sessions, const struct session_set *set,
                  session_done_fn *done, void *user);
void sessions_off(struct sessions *sessions, struct session *session,
                  session_done_fn *done, void *user);
void sessions_retry(struct sessions *sessions, struct session *session,
                    session_done_fn *done, void *user);
void sessions_reset_latency(struct sessions *sessions,
                            struct session *session, session_done_fn *done,
                            void *user);
/*
 * Ask for fresh statistics, of one or (NULL) all; `done' is called, perhaps
 * at once, when they are there.
 */
void sessions_refresh(struct sessions *sessions, struct session *session,
                      session_done_fn *done, void *user);

/* In order of domid; NULL to begin, NULL at the end. */
struct session *sessions_next(const struct sessions *sessions,
                              const struct session *after);
struct session *sessions_find(const struct sessions *sessions,
                              uint32_t domid);
uint32_t sessions_nr(const struct sessions *sessions);
/* As it was when last asked; the strings are the session's. */
void session_tier(const struct session *session,
                  struct vmm_ctl_tier *tier_out);

#endif
