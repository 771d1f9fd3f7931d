/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake_bdev.h: table/bdev.h and table/clock.h under the test's control.
 *
 * What is submitted stays in flight until the test completes it, and is then
 * reported by the next reap().
 */
#ifndef FAKE_BDEV_H
#define FAKE_BDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "table/bdev.h"
#include "table/clock.h"

#define FAKE_BDEV_MAX 256u

struct fake_bdev {
    uint64_t now_ns;            /* the clock, advanced by the test */
    uint32_t depth;             /* of each class; 0: FAKE_BDEV_MAX */
    bool polled;

    /* In flight, in the order of submission; rc: see fake_bdev_complete(). */
    struct vmm__bdev_io *ios[FAKE_BDEV_MAX];
    bool complete[FAKE_BDEV_MAX];
    int rc[FAKE_BDEV_MAX];
    uint32_t nr_ios, nr_class[VMM_NR_REQCLASSES];

    uint32_t nr_submits, nr_kicks, nr_reaps, nr_unkicked;
    uint32_t fail_submit;       /* the nth call: VMM_E_AGAIN; 0: none */
    uint32_t fail_transfer;     /* the nth taken: fail_rc; 0: none */
    int fail_rc;
    uint32_t nr_taken;

    /* Told of each submission before it counts; may be NULL. */
    void (*on_submit)(void *user, struct vmm__bdev_io *io, bool taken);
    void *user;
};

void fake_bdev_init(struct fake_bdev *fake, struct vmm__bdev *bdev_out,
                    struct vmm__clock *clock_out);
void fake_bdev_complete(struct fake_bdev *fake, uint32_t index, int rc);
/* All that is in flight; returns how many. */
uint32_t fake_bdev_complete_all(struct fake_bdev *fake, int rc);

#endif
