/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine.c: class queues in front of a device. */
#include <assert.h>
#include <stdlib.h>

#include "io/engine.h"

/* Without classes all goes where an engine that knows none would put it. */
#define FIFO_QUEUE VMM_REQ_DEMAND
#define FIFO_DEVICE_CLASS VMM_REQ_FOREIGN

struct queue {
    struct vmm__list_node ios;
    uint64_t served_ns;         /* when it was last given something */
    bool full;                  /* the device took no more just now */
    uint32_t nr_queued;
};

struct stat {
    uint64_t nr_done, nr_failed, nr_promoted_in, nr_canceled;
    uint32_t nr_queued, nr_inflight;
    struct vmm__hist latency;
};

struct vmm__engine {
    struct vmm__engine_cfg cfg;
    struct vmm__bdev bdev;
    struct vmm__clock clock;

    struct queue queues[VMM_NR_REQCLASSES];
    struct stat stats[VMM_NR_REQCLASSES];
    uint32_t nr_inflight, nr_low_inflight, nr_urgent;
    uint32_t low_cap;           /* low_cap_idle, or what the device can do */
    uint32_t nr_low_in_time;    /* since it was changed */
    uint64_t low_cut_ns;        /* when it was lowered */
    uint64_t hold_until_ns;
    unsigned int nr_reaped;
    bool fresh;                 /* something was queued since dispatch() */
    bool dispatching;
};

static bool is_low(enum vmm_reqclass reqclass)
{
    return reqclass > VMM_REQ_FOREIGN;
}

/*
 * Found by tests/bench/engine.c.  More low ios beside urgent ones cost the
 * latter's p99 (2: x 1.2; 4: x 1.6; 8: x 2.2 of idle, on a virtual disk),
 * fewer the former's throughput (1: a quarter, 2: a half of it alone).
 */
void vmm__engine_cfg_default(struct vmm__engine_cfg *cfg_out)
{
    *cfg_out = (struct vmm__engine_cfg){
        .fifo = false,
        .max_inflight = 64,
        .low_cap_idle = 32,
        .low_cap_busy = 2,
        .low_time_ns = 10000000,
        .hold_ns = 2000000,
        .starvation_ns = 5000000,
    };
}

int vmm__engine_new(const struct vmm__engine_cfg *cfg,
                    const struct vmm__bdev *bdev,
                    const struct vmm__clock *clock,
                    struct vmm__engine **engine_out)
{
    struct vmm__engine *engine;
    unsigned int i;

    if (!cfg->low_cap_idle || cfg->low_cap_busy > cfg->low_cap_idle ||
        cfg->low_cap_idle >= cfg->max_inflight) {
        return VMM_E_INVAL;
    }

    engine = calloc(1, sizeof(*engine));
    if (!engine) {
        return VMM_E_NOMEM;
    }
    engine->cfg = *cfg;
    engine->bdev = *bdev;
    engine->clock = *clock;
    engine->low_cap = cfg->low_cap_idle;
    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        vmm__list_init(&engine->queues[i].ios);
    }

    *engine_out = engine;
    return 0;
}

void vmm__engine_free(struct vmm__engine *engine)
{
    assert(!engine || vmm__engine_idle(engine));
    free(engine);
}

/* Queues. */

static struct queue *queue_of(struct vmm__engine *engine,
                              const struct vmm__engine_io *io)
{
    return &engine->queues[engine->cfg.fifo ? FIFO_QUEUE : io->reqclass];
}

static struct vmm__engine_io *queue_head(const struct queue *queue)
{
    return vmm__container_of(queue->ios.next, struct vmm__engine_io, node);
}

static void enqueue(struct vmm__engine *engine, struct vmm__engine_io *io)
{
    struct queue *queue = queue_of(engine, io);

    vmm__list_add_tail(&queue->ios, &io->node);
    queue->nr_queued++;
    engine->stats[io->reqclass].nr_queued++;
    engine->nr_urgent += !is_low(io->reqclass);
    engine->fresh = true;
}

/* In flight or with its owner next. */
static void dequeue(struct vmm__engine *engine, struct vmm__engine_io *io)
{
    vmm__list_del(&io->node);
    queue_of(engine, io)->nr_queued--;
    engine->stats[io->reqclass].nr_queued--;
    engine->nr_urgent -= !is_low(io->reqclass);
}

void vmm__engine_submit(struct vmm__engine *engine,
                        struct vmm__engine_io *io)
{
    assert(io->bio.reqclass < VMM_NR_REQCLASSES);
    io->engine = engine;
    io->reqclass = io->bio.reqclass;
    io->state = VMM__EIO_QUEUED;
    io->queued_ns = vmm__now_ns(&engine->clock);
    enqueue(engine, io);
}

bool vmm__engine_promote(struct vmm__engine *engine,
                         struct vmm__engine_io *io,
                         enum vmm_reqclass reqclass)
{
    if (io->reqclass <= reqclass) {
        return false;
    }
    if (io->state != VMM__EIO_QUEUED) {
        if (io->state == VMM__EIO_INFLIGHT && engine->bdev.ops->promote) {
            engine->bdev.ops->promote(engine->bdev.self, &io->bio, reqclass);
        }
        return false;
    }

    engine->stats[reqclass].nr_promoted_in++;
    if (engine->cfg.fifo) {
        /* It is counted as what it is now, and stays where it is. */
        engine->stats[io->reqclass].nr_queued--;
        engine->nr_urgent -= !is_low(io->reqclass);
        engine->stats[reqclass].nr_queued++;
        engine->nr_urgent += !is_low(reqclass);
        io->reqclass = io->bio.reqclass = reqclass;
        io->queued_ns = vmm__now_ns(&engine->clock);
        return true;
    }

    dequeue(engine, io);
    io->reqclass = io->bio.reqclass = reqclass;
    io->queued_ns = vmm__now_ns(&engine->clock);
    enqueue(engine, io);
    return true;
}

bool vmm__engine_cancel(struct vmm__engine *engine,
                        struct vmm__engine_io *io)
{
    if (io->state != VMM__EIO_QUEUED) {
        return false;
    }

    dequeue(engine, io);
    io->state = VMM__EIO_IDLE;
    engine->stats[io->reqclass].nr_canceled++;
    /* What it kept back may be due now. */
    engine->fresh = true;
    return true;
}

/* Completion. */

/*
 * As many as the device serves in time: one more when all were, half as many
 * when one was not, once for those that were there together.
 */
static void judge_low_cap(struct vmm__engine *engine,
                          const struct vmm__engine_io *io, uint64_t now_ns)
{
    if (now_ns - io->issued_ns > engine->cfg.low_time_ns) {
        if (io->issued_ns >= engine->low_cut_ns) {
            engine->low_cap = (engine->low_cap + 1) / 2;
            engine->low_cut_ns = now_ns;
            engine->nr_low_in_time = 0;
        }
        return;
    }

    /* What was not asked for does not tell what could be had. */
    if (engine->nr_low_inflight < engine->low_cap ||
        engine->low_cap == engine->cfg.low_cap_idle) {
        return;
    }
    if (++engine->nr_low_in_time >= engine->low_cap) {
        engine->low_cap++;
        engine->nr_low_in_time = 0;
    }
}

static void finish(struct vmm__engine *engine, struct vmm__engine_io *io,
                   int rc)
{
    struct stat *stat = &engine->stats[io->reqclass];
    uint64_t now_ns = vmm__now_ns(&engine->clock);

    io->state = VMM__EIO_IDLE;
    io->bio.reqclass = io->reqclass;
    engine->nr_inflight--;
    stat->nr_inflight--;
    if (is_low(io->reqclass)) {
        judge_low_cap(engine, io, now_ns);
        engine->nr_low_inflight--;
    } else {
        engine->nr_urgent--;
        engine->hold_until_ns = now_ns + engine->cfg.hold_ns;
    }
    stat->nr_done++;
    if (rc) {
        stat->nr_failed++;
    } else {
        vmm__hist_add(&stat->latency, now_ns - io->queued_ns);
    }
    engine->nr_reaped++;
    io->done(io, rc);
}

static void bio_done(struct vmm__bdev_io *bio, int rc)
{
    struct vmm__engine_io *io = vmm__container_of(bio, struct vmm__engine_io,
                                                  bio);

    assert(io->state == VMM__EIO_INFLIGHT);
    finish(io->engine, io, rc);
}

/* What goes next. */

static bool urgent(const struct vmm__engine *engine, uint64_t now_ns)
{
    return engine->nr_urgent || now_ns < engine->hold_until_ns;
}

static uint32_t low_cap(const struct vmm__engine *engine, uint64_t now_ns)
{
    if (urgent(engine, now_ns) &&
        engine->cfg.low_cap_busy < engine->low_cap) {
        return engine->cfg.low_cap_busy;
    }
    return engine->low_cap;
}

static uint64_t starved_ns(const struct vmm__engine *engine,
                           const struct queue *queue)
{
    uint64_t since_ns = queue_head(queue)->queued_ns;

    if (since_ns < queue->served_ns) {
        since_ns = queue->served_ns;
    }
    return since_ns + engine->cfg.starvation_ns;
}

/* The class that is to be served now, or VMM_NR_REQCLASSES. */
static unsigned int pick(const struct vmm__engine *engine, uint64_t now_ns)
{
    unsigned int best = VMM_NR_REQCLASSES, starved = VMM_NR_REQCLASSES, i;
    uint64_t starved_since_ns = UINT64_MAX;
    uint32_t cap = low_cap(engine, now_ns);

    if (engine->cfg.fifo) {
        const struct queue *queue = &engine->queues[FIFO_QUEUE];

        return queue->nr_queued && !queue->full ? FIFO_QUEUE
                                                : VMM_NR_REQCLASSES;
    }

    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        const struct queue *queue = &engine->queues[i];
        bool is_starved;

        if (!queue->nr_queued || queue->full) {
            continue;
        }
        is_starved = starved_ns(engine, queue) <= now_ns;
        if (is_low(i) && engine->nr_low_inflight >= cap &&
            !(is_starved && !engine->nr_low_inflight)) {
            continue;
        }
        if (best == VMM_NR_REQCLASSES &&
            (!is_low(i) || engine->nr_low_inflight < cap)) {
            best = i;
        }
        if (is_starved && starved_ns(engine, queue) < starved_since_ns) {
            starved = i;
            starved_since_ns = starved_ns(engine, queue);
        }
    }

    /* Who is most urgent is not starved by anybody. */
    return starved < VMM_NR_REQCLASSES ? starved : best;
}

static void issue(struct vmm__engine *engine)
{
    uint64_t now_ns = vmm__now_ns(&engine->clock);
    bool kick = false;
    unsigned int i;

    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        engine->queues[i].full = false;
    }

    while (engine->nr_inflight < engine->cfg.max_inflight) {
        struct vmm__engine_io *io;
        struct queue *queue;
        int rc;

        i = pick(engine, now_ns);
        if (i == VMM_NR_REQCLASSES) {
            break;
        }

        queue = &engine->queues[i];
        io = queue_head(queue);
        io->bio.done = bio_done;
        io->bio.reqclass = engine->cfg.fifo ? FIFO_DEVICE_CLASS
                                            : io->reqclass;
        rc = engine->bdev.ops->submit(engine->bdev.self, &io->bio);
        if (rc == VMM_E_AGAIN) {
            io->bio.reqclass = io->reqclass;
            queue->full = true;
            continue;
        }

        dequeue(engine, io);
        queue->served_ns = now_ns;
        io->state = VMM__EIO_INFLIGHT;
        io->issued_ns = now_ns;
        engine->nr_inflight++;
        engine->nr_low_inflight += is_low(io->reqclass);
        engine->nr_urgent += !is_low(io->reqclass);
        engine->stats[io->reqclass].nr_inflight++;
        if (rc) {
            finish(engine, io, rc);
            continue;
        }
        kick = true;
    }

    if (kick) {
        engine->bdev.ops->kick(engine->bdev.self);
    }
}

unsigned int vmm__engine_dispatch(struct vmm__engine *engine)
{
    assert(!engine->dispatching);
    engine->dispatching = true;
    engine->nr_reaped = 0;
    (void)engine->bdev.ops->reap(engine->bdev.self);
    engine->fresh = false;
    issue(engine);
    engine->dispatching = false;

    return engine->nr_reaped;
}

bool vmm__engine_must_poll(const struct vmm__engine *engine)
{
    return engine->nr_inflight &&
           engine->bdev.ops->must_poll(engine->bdev.self);
}

bool vmm__engine_idle(const struct vmm__engine *engine)
{
    unsigned int i;

    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        if (engine->queues[i].nr_queued) {
            return false;
        }
    }
    return !engine->nr_inflight;
}

bool vmm__engine_urgent(const struct vmm__engine *engine)
{
    return urgent(engine, vmm__now_ns(&engine->clock));
}

uint64_t vmm__engine_due_ns(const struct vmm__engine *engine)
{
    uint64_t due_ns = UINT64_MAX, t;
    unsigned int i;

    if (engine->fresh) {
        return 0;
    }
    if (engine->cfg.fifo ||
        engine->nr_inflight >= engine->cfg.max_inflight) {
        return UINT64_MAX;
    }

    for (i = VMM_REQ_FOREIGN + 1; i < VMM_NR_REQCLASSES; i++) {
        const struct queue *queue = &engine->queues[i];

        if (!queue->nr_queued || queue->full) {
            continue;
        }
        /* Kept back by a cap that rises when nothing urgent exists... */
        if (!engine->nr_urgent &&
            engine->nr_low_inflight < engine->low_cap) {
            due_ns = engine->hold_until_ns < due_ns ? engine->hold_until_ns
                                                    : due_ns;
        }
        /* ... or for long enough; else a completion comes first. */
        if (!engine->nr_low_inflight) {
            t = starved_ns(engine, queue);
            due_ns = t < due_ns ? t : due_ns;
        }
    }

    return due_ns;
}

void vmm__engine_stat(const struct vmm__engine *engine,
                      enum vmm_reqclass reqclass,
                      struct vmm__engine_class_stat *stat_out)
{
    const struct stat *stat = &engine->stats[reqclass];

    *stat_out = (struct vmm__engine_class_stat){
        .nr_done = stat->nr_done,
        .nr_failed = stat->nr_failed,
        .nr_promoted_in = stat->nr_promoted_in,
        .nr_canceled = stat->nr_canceled,
        .nr_queued = stat->nr_queued,
        .nr_inflight = stat->nr_inflight,
        .latency = &stat->latency,
    };
}
