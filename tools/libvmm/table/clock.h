/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clock.h: time, as the inside needs it; the simulation has its own. */
#ifndef VMM_TABLE_CLOCK_H
#define VMM_TABLE_CLOCK_H

#include <stdint.h>

struct vmm__clock_ops {
    uint64_t (*now_ns)(void *clock);    /* monotonic */
    /*
     * Be called again at due_ns, or never (UINT64_MAX); replaces what was
     * armed before.  NULL for a clock that only tells the time.
     */
    void (*arm)(void *clock, uint64_t due_ns);
};

struct vmm__clock {
    const struct vmm__clock_ops *ops;
    void *self;
};

static inline uint64_t vmm__now_ns(const struct vmm__clock *clock)
{
    return clock->ops->now_ns(clock->self);
}

/* port/clock.c */
extern const struct vmm__clock vmm__clock_monotonic;
uint64_t vmm__clock_wall_s(void);       /* since 1970 */

#endif
