/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* timer.c: table/clock.h over timerfd. */
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "include/vmm.h"
#include "port/timer.h"

#define NS_PER_S 1000000000ull

struct timer {
    int fd;
};

static uint64_t timer_now_ns(void *clock)
{
    (void)clock;
    return vmm__now_ns(&vmm__clock_monotonic);
}

static void timer_arm(void *clock, uint64_t due_ns)
{
    struct timer *timer = clock;
    struct itimerspec spec = { .it_value = { 0, 0 } };

    if (due_ns != UINT64_MAX) {
        /* All zeros would disarm it. */
        due_ns = due_ns ? due_ns : 1;
        spec.it_value.tv_sec = due_ns / NS_PER_S;
        spec.it_value.tv_nsec = due_ns % NS_PER_S;
    }
    /* Setting it also takes back its readiness. */
    (void)timerfd_settime(timer->fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static const struct vmm__clock_ops timer_ops = {
    .now_ns = timer_now_ns,
    .arm = timer_arm,
};

int vmm__timer_open(struct vmm__clock *clock_out, int *fd_out)
{
    struct timer *timer = malloc(sizeof(*timer));

    if (!timer) {
        return VMM_E_NOMEM;
    }
    timer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer->fd < 0) {
        free(timer);
        return VMM_E_LOCAL;
    }
    *clock_out = (struct vmm__clock){ .ops = &timer_ops, .self = timer };
    *fd_out = timer->fd;
    return 0;
}

void vmm__timer_close(struct vmm__clock *clock)
{
    struct timer *timer = clock->self;

    if (timer) {
        close(timer->fd);
        free(timer);
        clock->self = NULL;
    }
}
