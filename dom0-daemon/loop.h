/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * loop.h: the daemon's one loop, in turns.
 *
 * A turn waits for events and handles them, then runs the hooks in the order
 * in which they were added: what must be durable is stored, then what says so
 * is sent.  The thread that opened it; no callback may free the loop.
 */
#ifndef VMMD_LOOP_H
#define VMMD_LOOP_H

#include <stdint.h>

#include "include/vmm.h"

struct event_base;
struct loop;
struct loop_event;

typedef void loop_fn(void *user);

int loop_open(struct loop **loop_out);
/* Everything added must have been removed.  NULL is fine. */
void loop_close(struct loop *loop);
/* For the other files that use libevent. */
struct event_base *loop_base(struct loop *loop);

/* Call `fn' while `fd' is readable, at a signal, or again and again. */
int loop_add_fd(struct loop *loop, int fd, loop_fn *fn, void *user,
                struct loop_event **event_out);
int loop_add_signal(struct loop *loop, int signo, loop_fn *fn, void *user,
                    struct loop_event **event_out);
int loop_add_timer(struct loop *loop, uint32_t interval_ms, loop_fn *fn,
                   void *user, struct loop_event **event_out);
void loop_remove(struct loop_event *event);     /* NULL is fine */

/* At the end of each turn; at most LOOP_HOOKS_MAX. */
#define LOOP_HOOKS_MAX 4
void loop_add_hook(struct loop *loop, loop_fn *fn, void *user);

/* Turns, until loop_stop(); the turn in which that is called is finished. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
