/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker.h: the thread that drives one pager.
 *
 * The loop thread sends messages, and gets every one of them back with its
 * result, from workers_next(); besides, the worker sends one when the pager
 * is open, and one as its last.
 */
#ifndef VMMD_WORKER_H
#define VMMD_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "include/vmm_pager.h"

/* include/vmm_pager.h as a table, which tests put another one in place of. */
struct pager_ops {
    int (*open)(const struct vmm_pager_opts *opts,
                const struct vmm_logger *logger, vmm_pager **pager_out);
    int (*fd)(const vmm_pager *pager);
    int (*dispatch)(vmm_pager *pager);
    int (*set_target)(vmm_pager *pager, uint64_t target_pages,
                      uint64_t floor_pages);
    void (*drain)(vmm_pager *pager);
    bool (*drained)(const vmm_pager *pager);
    void (*retry)(vmm_pager *pager);
    void (*close)(vmm_pager *pager);
    int (*stat)(const vmm_pager *pager, struct vmm_pager_stat *stat);
    void (*reset_latency)(vmm_pager *pager);
};

enum worker_msg_type {
    /* From the worker alone. */
    WORKER_OPENED = 0,
    WORKER_ENDED,               /* the pager is closed; worker_join() */
    /* To it and back. */
    WORKER_STAT,
    WORKER_SET_TARGET,
    WORKER_DRAIN,
    WORKER_RETRY,
    WORKER_RESET_LATENCY,
    WORKER_STOP,
};

enum worker_end {
    WORKER_END_STOPPED = 0,     /* the session stays in the hypervisor */
    WORKER_END_DRAINED,
    WORKER_END_GONE,            /* the domain */
    WORKER_END_NOT_OPENED,
};

#define WORKER_TEXT_BYTES 256

struct worker_msg {
    struct worker_msg *next;
    enum worker_msg_type type;
    void *owner;                /* of the worker, as given to worker_start() */
    void *user;
    uint64_t target_pages, floor_pages;
    int rc;
    enum worker_end end;        /* ENDED; STOP: STOPPED or GONE */
    struct vmm_pager_stat stat;
    bool took_over;             /* ENDED: adopting was tried, unasked */
    char text[WORKER_TEXT_BYTES];   /* the pager's last error, if any */
};

struct workers;
struct worker;

/* What they share: the way back. */
int workers_open(struct workers **workers_out);
void workers_close(struct workers *workers);    /* NULL is fine */
int workers_fd(const struct workers *workers);
/* The next message, the caller's to free; NULL if there is none. */
struct worker_msg *workers_next(struct workers *workers);

/*
 * Opens a pager; strings in `opts' are copied.  With `takeover', a session
 * that exists is adopted if it was not asked for.
 */
int worker_start(struct workers *workers, const struct pager_ops *ops,
                 const struct vmm_pager_opts *opts, bool takeover,
                 void *owner, struct worker **worker_out);
/* Takes `msg' over, which comes from calloc(). */
void worker_send(struct worker *worker, struct worker_msg *msg);
/*
 * After WORKER_ENDED.  Messages that were not dealt with come back first,
 * with VMM_E_CANCELED.
 */
void worker_join(struct worker *worker);

#endif
