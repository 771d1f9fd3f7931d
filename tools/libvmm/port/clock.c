/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clock.c: table/clock.h by the monotonic clock of this host. */
#include <stddef.h>
#include <time.h>

#include "table/clock.h"

#define NS_PER_S 1000000000ull

static uint64_t monotonic_now_ns(void *clock)
{
    struct timespec ts;

    (void)clock;
    /* Cannot fail for this clock and a good pointer. */
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static const struct vmm__clock_ops monotonic_ops = {
    .now_ns = monotonic_now_ns,
    .arm = NULL,
};

const struct vmm__clock vmm__clock_monotonic = {
    .ops = &monotonic_ops,
    .self = NULL,
};

uint64_t vmm__clock_wall_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec;
}
