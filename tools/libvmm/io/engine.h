/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * engine.h: class queues in front of a device.
 *
 * Strict priority between classes, with a bound on how long the head of a
 * lower one may wait; a cap on low-class I/O in the device, lower while
 * DEMAND or FOREIGN is queued or in flight, so that the device's own queue
 * stays short; promotion and cancellation of what is still queued.  Pure
 * logic: it reaches the device through table/bdev.h and the time through
 * table/clock.h.  One thread per engine; nothing blocks.
 */
#ifndef VMM_IO_ENGINE_H
#define VMM_IO_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hist.h"
#include "base/list.h"
#include "include/vmm.h"
#include "table/bdev.h"
#include "table/clock.h"

struct vmm__engine;

/*
 * Low means PREFETCH and below, urgent DEMAND and FOREIGN.  An urgent io
 * exists from its submission until `hold_ns' after the last of them was done:
 * who faults once soon faults again, and finds the device's queue short.
 */
struct vmm__engine_cfg {
    bool fifo;                  /* classes off: one queue, for comparison */
    uint32_t max_inflight;      /* ios in the device, all classes */
    uint32_t low_cap_idle;      /* low ios in flight; below max_inflight */
    uint32_t low_cap_busy;      /* ... while urgent ones exist; may be 0 */
    /*
     * How long a low io may be in the device, where the next urgent one would
     * wait for it: when it takes longer, fewer are given it together, down to
     * one.  (Additive increase, multiplicative decrease: Jacobson, "Congestion
     * Avoidance and Control", SIGCOMM 1988.)
     */
    uint64_t low_time_ns;
    uint64_t hold_ns;
    /*
     * A class whose head has waited this long, and that got nothing for this
     * long, gets one io: no class waits for ever.  Counted against the caps,
     * except that a cap of 0 is one of 1 for it.
     */
    uint64_t starvation_ns;
};
void vmm__engine_cfg_default(struct vmm__engine_cfg *cfg_out);

/*
 * One transfer.  The caller embeds it, fills the first block of members and
 * owns the memory, the engine owns it from submit() to done().
 */
struct vmm__engine_io {
    struct vmm__bdev_io bio;    /* caller fills write..buf; not done */
    void (*done)(struct vmm__engine_io *io, int rc);

    /* The engine's own. */
    struct vmm__list_node node;
    struct vmm__engine *engine;
    enum { VMM__EIO_IDLE, VMM__EIO_QUEUED, VMM__EIO_INFLIGHT } state;
    enum vmm_reqclass reqclass; /* bio.reqclass, but in flight with fifo */
    uint64_t queued_ns;         /* when submitted, or promoted */
    uint64_t issued_ns;         /* when the device got it */
};

struct vmm__engine_class_stat {
    uint64_t nr_done, nr_failed, nr_promoted_in, nr_canceled;
    uint32_t nr_queued, nr_inflight;
    /* Time from submit() or promote() to done(), of those that succeeded. */
    const struct vmm__hist *latency;
};

/* VMM_E_INVAL: caps that leave no room for urgent ios; VMM_E_NOMEM. */
int vmm__engine_new(const struct vmm__engine_cfg *cfg,
                    const struct vmm__bdev *bdev,
                    const struct vmm__clock *clock,
                    struct vmm__engine **engine_out);
/* Nothing may be queued or in flight: vmm__engine_idle().  NULL is fine. */
void vmm__engine_free(struct vmm__engine *engine);

/*
 * Never fails and never calls done() from inside; dispatch() hands it to the
 * device.
 */
void vmm__engine_submit(struct vmm__engine *engine,
                        struct vmm__engine_io *io);
/*
 * Raise the class of a queued io; it goes to the tail of the new class.  True
 * if it was queued at a lower class.  In flight: false, and the device is
 * told, if it can do something.
 */
bool vmm__engine_promote(struct vmm__engine *engine,
                         struct vmm__engine_io *io,
                         enum vmm_reqclass reqclass);
/* Take a queued io back: true, and done() is not called.  Else false. */
bool vmm__engine_cancel(struct vmm__engine *engine,
                        struct vmm__engine_io *io);

/*
 * Reap, call done(), issue what may be issued; returns completions.  Not from
 * inside done(), which may submit, promote and cancel.
 */
unsigned int vmm__engine_dispatch(struct vmm__engine *engine);
/* True while dispatch() must be called without waiting (polled device). */
bool vmm__engine_must_poll(const struct vmm__engine *engine);
bool vmm__engine_idle(const struct vmm__engine *engine);
/* Do urgent ios exist? */
bool vmm__engine_urgent(const struct vmm__engine *engine);
/*
 * Time at which dispatch() is due although nothing completes: 0 if something
 * was submitted since the last, the end of a hold, a starvation bound;
 * UINT64_MAX if never.
 */
uint64_t vmm__engine_due_ns(const struct vmm__engine *engine);

void vmm__engine_stat(const struct vmm__engine *engine,
                      enum vmm_reqclass reqclass,
                      struct vmm__engine_class_stat *stat_out);

#endif
