/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* purger.c: watermarks, jobs and batches; see purger.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "consumer/purger.h"

#define BATCH_BLOCKS 32u
/*
 * Who comes to wait for a page waits for what the device has begun, so a batch
 * is as long as the device serves within BATCH_NS: longer by one block each
 * time that it does, half as long when it does not, as the engine does with
 * their number (tests/bench/lab/region.sh).  While somebody waits, one short
 * batch at a time.
 */
#define BATCH_NS 10000000ull
#define BATCH_BLOCKS_MIN 4u     /* what a flush costs is shared by them */
#define BUSY_BATCH_BLOCKS 2u
#define NR_BATCHES 2u
#define RETRY_NS 1000000000ull  /* after a failure */
#define POLL_NS 100000000ull    /* how soon a low watermark is noticed */
#define NS_PER_S 1000000000ull

struct batch {
    struct vmm__engine_io eio;
    struct vmm__purger *purger;
    struct vmm__purge_job *job;
    struct vmm__purge purges[BATCH_BLOCKS];
    unsigned int nr;            /* 0: not in use */
};

struct vmm__purger {
    struct vmm__region *region;
    struct vmm__engine *engine;
    struct vmm__clock clock;
    struct vmm__purger_cfg cfg;

    struct vmm__list_node jobs;
    struct vmm__purge_job watermark;
    bool below;                 /* the watermark job is on */
    bool stopped;
    int stuck;
    uint64_t retry_ns;
    uint64_t next_ns;           /* when the rate allows the next batch */
    bool more;                  /* step() ended before all was looked at */
    bool enough;                /* a job is over if what is in flight goes */

    uint8_t *mem;
    struct batch batches[NR_BATCHES];
    unsigned int batch_blocks;          /* that a batch may have now */
};

static uint64_t nr_free(const struct vmm__purger *purger)
{
    struct vmm__region_stat stat;

    vmm__region_stat(purger->region, &stat);
    return stat.nr_pblks_free;
}

static bool storage_full(const struct vmm__purger *purger)
{
    struct vmm__region_stat stat;

    vmm__region_stat(purger->region, &stat);
    return stat.nr_slots_used ==
           vmm__region_geometry(purger->region)->nr_slots;
}

static uint64_t nr_in_flight(const struct vmm__purger *purger,
                             const struct vmm__purge_job *job)
{
    uint64_t nr = 0;
    unsigned int i;

    for (i = 0; i < NR_BATCHES; i++) {
        if (!job || purger->batches[i].job == job) {
            nr += purger->batches[i].nr;
        }
    }
    return nr;
}

static void end_if_over(struct vmm__purger *purger,
                        struct vmm__purge_job *job)
{
    if (job->ends && !nr_in_flight(purger, job)) {
        vmm__list_del(&job->node);
        job->done(job, job->rc);
    }
}

static void end(struct vmm__purge_job *job, int rc)
{
    job->ends = true;
    if (!job->rc) {
        job->rc = rc;
    }
}

static void adapt(struct vmm__purger *purger, const struct batch *batch)
{
    uint64_t took_ns = vmm__now_ns(&purger->clock) - batch->eio.issued_ns;

    if (took_ns > BATCH_NS) {
        purger->batch_blocks = purger->batch_blocks / 2 > BATCH_BLOCKS_MIN
                               ? purger->batch_blocks / 2 : BATCH_BLOCKS_MIN;
    } else if (batch->nr == purger->batch_blocks &&
               purger->batch_blocks < BATCH_BLOCKS) {
        purger->batch_blocks++;
    }
}

static void batch_done(struct vmm__engine_io *eio, int rc)
{
    struct batch *batch = vmm__container_of(eio, struct batch, eio);
    struct vmm__purger *purger = batch->purger;
    struct vmm__purge_job *job = batch->job;

    vmm__region_purged(purger->region, batch->purges, batch->nr, rc);
    if (rc) {
        end(job, rc);
        purger->stuck = rc;
        purger->retry_ns = vmm__now_ns(&purger->clock) + RETRY_NS;
    } else {
        job->nr_moved += batch->nr;
        purger->stuck = 0;
        adapt(purger, batch);
    }
    batch->nr = 0;
    purger->enough = false;
    end_if_over(purger, job);
}

/* True if a batch was begun. */
static bool begin(struct vmm__purger *purger, struct vmm__purge_job *job,
                  struct batch *batch)
{
    bool busy = vmm__engine_urgent(purger->engine);
    uint64_t max = busy ? BUSY_BATCH_BLOCKS : purger->batch_blocks;
    uint64_t free = nr_free(purger), now_ns;
    uint8_t *buf = batch->eio.bio.buf;
    unsigned int i;
    bool none;

    if (free >= job->nr_free || job->nr_begun >= job->max) {
        end(job, 0);
        return false;
    }
    free += nr_in_flight(purger, NULL);
    if (free >= job->nr_free || (busy && nr_in_flight(purger, NULL))) {
        purger->enough = true;  /* when it is done, if it is */
        return false;
    }
    max = max < job->nr_free - free ? max : job->nr_free - free;
    max = max < job->max - job->nr_begun ? max : job->max - job->nr_begun;
    batch->nr = vmm__region_purge_pick(purger->region, job->what,
                                       (unsigned int)max, batch->purges,
                                       &none);
    if (!batch->nr) {
        if (storage_full(purger)) {
            end(job, VMM_E_NOSPC);
        } else if (!none) {
            purger->more = true;
        } else if (job->what != VMM__PURGE_SNAPSHOT_ONLY) {
            end(job, 0);
        } else {
            job->what = job->any ? VMM__PURGE_ANY : VMM__PURGE_COLD;
            purger->more = true;
        }
        return false;
    }

    for (i = 0; i < batch->nr; i++) {
        memcpy(buf + i * VMM__BLOCK_BYTES, batch->purges[i].data,
               VMM__BLOCK_BYTES);
    }
    batch->job = job;
    job->nr_begun += batch->nr;
    batch->eio.bio.offset_bytes =
        VMM__SLOT_OFFSET_BYTES(batch->purges[0].slot);
    batch->eio.bio.len_bytes = batch->nr * VMM__BLOCK_BYTES;
    now_ns = vmm__now_ns(&purger->clock);
    if (purger->cfg.bytes_per_s) {
        purger->next_ns = (purger->next_ns > now_ns ? purger->next_ns
                                                    : now_ns) +
            batch->eio.bio.len_bytes * NS_PER_S / purger->cfg.bytes_per_s;
    }
    vmm__engine_submit(purger->engine, &batch->eio);
    return true;
}

static void watermark_done(struct vmm__purge_job *job, int rc)
{
    struct vmm__purger *purger = vmm__container_of(job, struct vmm__purger,
                                                   watermark);

    purger->below = false;
    if (!rc && nr_free(purger) < purger->cfg.low_blocks) {
        rc = VMM_E_NOSPC;       /* what is there cannot be moved */
    }
    if (rc && !purger->stopped) {
        purger->stuck = rc;
        purger->retry_ns = vmm__now_ns(&purger->clock) + RETRY_NS;
    }
}

static void check_watermark(struct vmm__purger *purger)
{
    if (purger->below || purger->stopped) {
        return;
    }
    if (nr_free(purger) >= purger->cfg.low_blocks) {
        purger->stuck = 0;
        return;
    }
    if (vmm__now_ns(&purger->clock) < purger->retry_ns) {
        return;
    }
    purger->below = true;
    purger->watermark = (struct vmm__purge_job){
        .nr_free = purger->cfg.high_blocks,
        .max = UINT64_MAX,
        .any = true,
        .done = watermark_done,
    };
    vmm__purger_start(purger, &purger->watermark);
}

void vmm__purger_step(struct vmm__purger *purger)
{
    struct vmm__list_node *node, *next;
    unsigned int i;

    check_watermark(purger);
    purger->more = purger->enough = false;
    for (node = purger->jobs.next; node != &purger->jobs; node = next) {
        struct vmm__purge_job *job =
            vmm__container_of(node, struct vmm__purge_job, node);

        for (i = 0; i < NR_BATCHES && !job->ends; i++) {
            if (!purger->batches[i].nr &&
                purger->next_ns <= vmm__now_ns(&purger->clock) &&
                !begin(purger, job, &purger->batches[i])) {
                break;
            }
        }
        next = node->next;
        end_if_over(purger, job);
    }
}

uint64_t vmm__purger_due_ns(const struct vmm__purger *purger)
{
    const struct vmm__list_node *node;
    bool waits = false;
    unsigned int i;

    if (purger->more) {
        return 0;
    }
    for (node = purger->jobs.next; node != &purger->jobs; node = node->next) {
        waits |= !vmm__container_of(node, const struct vmm__purge_job,
                                    node)->ends;
    }
    for (i = 0; waits && !purger->enough && i < NR_BATCHES; i++) {
        if (!purger->batches[i].nr) {
            return purger->next_ns;
        }
    }
    /* A completion comes first, or NVM is filled. */
    return vmm__list_empty(&purger->jobs) && !purger->stopped
           ? vmm__now_ns(&purger->clock) + POLL_NS : UINT64_MAX;
}

int vmm__purger_stuck(const struct vmm__purger *purger)
{
    return purger->stuck;
}

void vmm__purger_set(struct vmm__purger *purger,
                     const struct vmm__purger_cfg *cfg)
{
    purger->cfg = *cfg;
    purger->next_ns = 0;
    if (purger->below) {
        purger->watermark.nr_free = cfg->high_blocks;
    }
}

void vmm__purger_start(struct vmm__purger *purger,
                       struct vmm__purge_job *job)
{
    job->nr_moved = job->nr_begun = 0;
    job->what = VMM__PURGE_SNAPSHOT_ONLY;
    job->rc = 0;
    job->ends = false;
    if (purger->stopped) {
        end(job, VMM_E_CANCELED);
    }
    vmm__list_add_tail(&purger->jobs, &job->node);
}

void vmm__purger_stop(struct vmm__purger *purger)
{
    struct vmm__list_node *node;

    purger->stopped = true;
    for (node = purger->jobs.next; node != &purger->jobs; node = node->next) {
        end(vmm__container_of(node, struct vmm__purge_job, node),
            VMM_E_CANCELED);
    }
}

int vmm__purger_new(struct vmm__region *region, struct vmm__engine *engine,
                    const struct vmm__clock *clock,
                    struct vmm__purger **purger_out)
{
    struct vmm__purger *purger = calloc(1, sizeof(*purger));
    unsigned int i;

    if (!purger) {
        return VMM_E_NOMEM;
    }
    purger->mem = aligned_alloc(VMM__BDEV_ALIGN_BYTES,
                                NR_BATCHES * BATCH_BLOCKS * VMM__BLOCK_BYTES);
    if (!purger->mem) {
        free(purger);
        return VMM_E_NOMEM;
    }
    purger->region = region;
    purger->engine = engine;
    purger->batch_blocks = BATCH_BLOCKS;
    purger->clock = *clock;
    vmm__list_init(&purger->jobs);
    for (i = 0; i < NR_BATCHES; i++) {
        struct batch *batch = &purger->batches[i];

        batch->purger = purger;
        batch->eio.bio.write = batch->eio.bio.durable = true;
        batch->eio.bio.reqclass = VMM_REQ_PURGE;
        batch->eio.bio.buf = purger->mem +
                             i * BATCH_BLOCKS * VMM__BLOCK_BYTES;
        batch->eio.done = batch_done;
    }
    *purger_out = purger;
    return 0;
}

void vmm__purger_free(struct vmm__purger *purger)
{
    if (!purger) {
        return;
    }
    assert(!nr_in_flight(purger, NULL));
    free(purger->mem);
    free(purger);
}
