/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * purger.h: what goes from a region's NVM to its storage, and when.
 *
 * Begins when less of NVM is free than a low watermark and goes on to a high
 * one; besides, does jobs that it is given.  What snapshots alone have goes
 * first, then what is cold, then the rest.  Writes are of class PURGE, follow
 * each other on the storage, are durable when they are done, and never more
 * than the rate.  Pure logic; nothing waits.  One thread: the engine's.
 */
#ifndef VMM_CONSUMER_PURGER_H
#define VMM_CONSUMER_PURGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "io/engine.h"
#include "region/region.h"
#include "table/clock.h"

struct vmm__purger;

/* Where the storage has a slot; the block before the first is its owner's. */
#define VMM__SLOT_OFFSET_BYTES(slot) (((slot) + 1) * VMM__BLOCK_BYTES)

struct vmm__purger_cfg {
    uint64_t low_blocks, high_blocks;   /* free in NVM */
    uint64_t bytes_per_s;               /* 0: no limit */
};

/*
 * Purge until `nr_free' blocks of NVM are free, `max' were moved, or there is
 * nothing more to move: rc 0; else VMM_E_NOSPC (storage), VMM_E_IO.  The
 * caller's until done(), which may start another.
 */
struct vmm__purge_job {
    uint64_t nr_free, max;
    bool any;                   /* what is in use as well */
    void (*done)(struct vmm__purge_job *job, int rc);

    uint64_t nr_moved;          /* to be read in or after done() */
    /* The purger's own. */
    struct vmm__list_node node;
    enum vmm__purge_what what;
    uint64_t nr_begun;
    bool ends;                  /* ... when what is in flight is done */
    int rc;
};

/* VMM_E_NOMEM. */
int vmm__purger_new(struct vmm__region *region, struct vmm__engine *engine,
                    const struct vmm__clock *clock,
                    struct vmm__purger **purger_out);
/* Nothing may be in flight.  NULL is fine. */
void vmm__purger_free(struct vmm__purger *purger);

void vmm__purger_set(struct vmm__purger *purger,
                     const struct vmm__purger_cfg *cfg);
void vmm__purger_start(struct vmm__purger *purger,
                       struct vmm__purge_job *job);
/* End jobs when what is in flight is done, and begin nothing more. */
void vmm__purger_stop(struct vmm__purger *purger);

/* Begin what may begin; before the engine's dispatch(). */
void vmm__purger_step(struct vmm__purger *purger);
/* When step() is due with nothing else happening; UINT64_MAX: never. */
uint64_t vmm__purger_due_ns(const struct vmm__purger *purger);

/*
 * Why the watermarks cannot be held: VMM_E_NOSPC, VMM_E_IO of the storage; 0
 * if they can.
 */
int vmm__purger_stuck(const struct vmm__purger *purger);

#endif
