/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_timer.c: a clock that can be armed, again and for never. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/timerfd.h>

static unsigned int fail_nth, nr_calls;

static void *ut_malloc(size_t size)
{
    return ++nr_calls == fail_nth ? NULL : malloc(size);
}

static int ut_timerfd_create(int clock, int flags)
{
    if (++nr_calls == fail_nth) {
        errno = EMFILE;
        return -1;
    }
    return timerfd_create(clock, flags);
}

#define malloc ut_malloc
#define timerfd_create ut_timerfd_create
#include "port/timer.c"
#undef malloc
#undef timerfd_create

#include <fcntl.h>

#include "lib/ut.h"

#define NS_PER_MS 1000000ull
/* So far off that no machine is that slow; so near that it is soon. */
#define LATER_NS (1000 * NS_PER_S)
#define SOON_NS (2 * NS_PER_MS)
#define PATIENCE_MS 20000

static struct vmm__clock timer_clock;
static int fd;

static void begin(void)
{
    fail_nth = nr_calls = 0;
    CU_ASSERT_EQUAL_FATAL(vmm__timer_open(&timer_clock, &fd), 0);
}

static void end(void)
{
    vmm__timer_close(&timer_clock);
    CU_ASSERT_PTR_NULL(timer_clock.self);
    /* It is closed, and once. */
    CU_ASSERT_EQUAL(fcntl(fd, F_GETFD), -1);
    vmm__timer_close(&timer_clock);
}

static bool readable(int timeout_ms)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    return poll(&pfd, 1, timeout_ms) == 1;
}

static void arm(uint64_t due_ns)
{
    timer_clock.ops->arm(timer_clock.self, due_ns);
}

/* How it is armed: the time from now on, 0 if it is not. */
static uint64_t left_ns(void)
{
    struct itimerspec spec;

    CU_ASSERT_EQUAL(timerfd_gettime(fd, &spec), 0);
    CU_ASSERT_EQUAL(spec.it_interval.tv_sec, 0);
    CU_ASSERT_EQUAL(spec.it_interval.tv_nsec, 0);
    return (uint64_t)spec.it_value.tv_sec * NS_PER_S +
           (uint64_t)spec.it_value.tv_nsec;
}

/* Cases. */

static void open__tells_the_time_and_is_not_armed(void)
{
    uint64_t before, now, after;

    begin();
    CU_ASSERT_EQUAL(left_ns(), 0);
    CU_ASSERT_FALSE(readable(0));
    CU_ASSERT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CU_ASSERT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
    before = vmm__now_ns(&vmm__clock_monotonic);
    now = vmm__now_ns(&timer_clock);
    after = vmm__now_ns(&vmm__clock_monotonic);
    CU_ASSERT_TRUE(before <= now && now <= after);
    end();
}

static void open__nth_call_fails(void)
{
    static const int expected[] = { VMM_E_NOMEM, VMM_E_LOCAL };
    unsigned int i;

    for (i = 0; i < 2; i++) {
        nr_calls = 0;
        fail_nth = i + 1;
        CU_ASSERT_EQUAL(vmm__timer_open(&timer_clock, &fd), expected[i]);
    }
}

static void arm__due_later(void)
{
    uint64_t left;

    begin();
    arm(vmm__now_ns(&timer_clock) + SOON_NS);
    CU_ASSERT_TRUE(readable(PATIENCE_MS));
    /* The time is absolute, to the nanosecond. */
    arm(vmm__now_ns(&timer_clock) + LATER_NS);
    left = left_ns();
    CU_ASSERT_TRUE(left <= LATER_NS && left > LATER_NS / 2);
    CU_ASSERT_FALSE(readable(0));
    end();
}

static void arm__not_before_it_is_due(void)
{
    uint64_t due_ns;

    begin();
    due_ns = vmm__now_ns(&timer_clock) + 30 * NS_PER_MS;
    arm(due_ns);
    CU_ASSERT_TRUE(readable(PATIENCE_MS));
    CU_ASSERT_TRUE(vmm__now_ns(&timer_clock) >= due_ns);
    end();
}

/* 0 is "at once", and not "never" as it is to timerfd_settime(). */
static void arm__due_already(void)
{
    static const uint64_t past[] = { 0, 1, NS_PER_S - 1, NS_PER_S };
    size_t i;

    begin();
    for (i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
        arm(UINT64_MAX);
        CU_ASSERT_FALSE(readable(0));
        arm(past[i]);
        CU_ASSERT_TRUE(readable(PATIENCE_MS));
    }
    end();
}

static void arm__never(void)
{
    begin();
    arm(0);
    CU_ASSERT_TRUE(readable(PATIENCE_MS));
    /* Its readiness, which nobody took, goes as well. */
    arm(UINT64_MAX);
    CU_ASSERT_FALSE(readable(0));
    CU_ASSERT_EQUAL(left_ns(), 0);
    arm(vmm__now_ns(&timer_clock) + LATER_NS);
    arm(UINT64_MAX);
    CU_ASSERT_EQUAL(left_ns(), 0);
    end();
}

static void arm__replaces_what_was_before(void)
{
    begin();
    arm(0);
    CU_ASSERT_TRUE(readable(PATIENCE_MS));
    arm(vmm__now_ns(&timer_clock) + LATER_NS);
    CU_ASSERT_FALSE(readable(0));
    /* Sooner than that. */
    arm(vmm__now_ns(&timer_clock) + SOON_NS);
    CU_ASSERT_TRUE(readable(PATIENCE_MS));
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(open__tells_the_time_and_is_not_armed),
    UT_CASE(open__nth_call_fails),
    UT_CASE(arm__due_later),
    UT_CASE(arm__not_before_it_is_due),
    UT_CASE(arm__due_already),
    UT_CASE(arm__never),
    UT_CASE(arm__replaces_what_was_before),
};

UT_MAIN("port/timer", cases)
