/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_loop.c: events, what is done at the end of a turn, and the last. */
#include <stdlib.h>

#include <event2/event.h>

/* The calls of loop.c that may fail, of which the n-th does. */
static unsigned int fail_nth, nr_calls;
static int base_loop_r;

static int fails(void)
{
    return ++nr_calls == fail_nth;
}

static void *ut_calloc(size_t nr, size_t size)
{
    return fails() ? NULL : calloc(nr, size);
}

static struct event_base *ut_base_new(void)
{
    return fails() ? NULL : event_base_new();
}

static struct event *ut_new(struct event_base *base, evutil_socket_t fd,
                            short what, event_callback_fn fn, void *user)
{
    return fails() ? NULL : event_new(base, fd, what, fn, user);
}

static int ut_add(struct event *event, const struct timeval *interval)
{
    return fails() ? -1 : event_add(event, interval);
}

static int ut_base_loop(struct event_base *base, int flags)
{
    return base_loop_r ? base_loop_r : event_base_loop(base, flags);
}

#define calloc ut_calloc
#define event_base_new ut_base_new
#define event_new ut_new
#define event_add ut_add
#define event_base_loop ut_base_loop
#include "dom0-daemon/loop.c"
#undef calloc
#undef event_base_new
#undef event_new
#undef event_add
#undef event_base_loop

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/ut.h"

/* A test that hangs ends by this. */
#define PATIENCE_S 60

static struct loop *loop;
static struct loop_event *event;
static int fds[2];
/* What happened, a letter each. */
static char happened[64];

static void note(char what)
{
    size_t len = strlen(happened);

    if (len < sizeof(happened) - 1) {
        happened[len] = what;
    }
}

static void begin(void)
{
    fail_nth = nr_calls = 0;
    base_loop_r = 0;
    event = NULL;
    memset(happened, 0, sizeof(happened));
    (void)alarm(PATIENCE_S);
    CU_ASSERT_EQUAL_FATAL(loop_open(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
}

static void end(void)
{
    loop_remove(event);
    loop_close(loop);
    close(fds[0]);
    close(fds[1]);
}

/* One turn, without waiting. */
static void turn(void)
{
    CU_ASSERT_TRUE(event_base_loop(loop_base(loop),
                                   EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
}

static void put(void)
{
    CU_ASSERT_EQUAL(write(fds[1], "x", 1), 1);
}

static void get(void *user)
{
    char c;

    note(*(const char *)user);
    CU_ASSERT_EQUAL(read(fds[0], &c, 1), 1);
}

static void note_it(void *user)
{
    note(*(const char *)user);
}

static void note_and_stop(void *user)
{
    note_it(user);
    loop_stop(loop);
}

/* Cases. */

static void open__nth_call_fails(void)
{
    unsigned int nth;

    for (nth = 1; nth <= 2; nth++) {
        nr_calls = 0;
        fail_nth = nth;
        CU_ASSERT_EQUAL(loop_open(&loop), VMM_E_NOMEM);
    }
    fail_nth = 0;
    loop_close(NULL);
    loop_remove(NULL);
}

static void add__nth_call_fails(void)
{
    unsigned int nth;
    int rc = -1;

    begin();
    for (nth = 1; rc; nth++) {
        nr_calls = 0;
        fail_nth = nth;
        rc = loop_add_fd(loop, fds[0], note_it, "f", &event);
        CU_ASSERT_TRUE(!rc || (rc == VMM_E_NOMEM && !event));
        CU_ASSERT_TRUE_FATAL(nth < 10);
    }
    CU_ASSERT_EQUAL(nth - 2, 3);
    end();
}

static void fd__while_it_is_readable(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(loop_add_fd(loop, fds[0], get, "f", &event), 0);
    put();
    put();
    put();
    /* Once a turn, and no more when there is nothing. */
    turn();
    CU_ASSERT_STRING_EQUAL(happened, "f");
    turn();
    turn();
    turn();
    turn();
    CU_ASSERT_STRING_EQUAL(happened, "fff");
    end();
}

static unsigned int nr_left;

static void get_and_stop_after(void *user)
{
    get(user);
    if (!--nr_left) {
        loop_stop(loop);
    }
}

/* Each turn ends in the hooks, in order; the last one too. */
static void run__turns(void)
{
    begin();
    nr_left = 2;
    CU_ASSERT_EQUAL_FATAL(loop_add_fd(loop, fds[0], get_and_stop_after, "f",
                                      &event), 0);
    loop_add_hook(loop, note_it, "1");
    loop_add_hook(loop, note_it, "2");
    loop_add_hook(loop, note_it, "3");
    loop_add_hook(loop, note_it, "4");
    put();
    put();
    put();
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_STRING_EQUAL(happened, "f1234f1234");
    /* It stays so. */
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_STRING_EQUAL(happened, "f1234f1234");
    end();
}

static void run__stopped_by_a_hook(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(loop_add_fd(loop, fds[0], get, "f", &event), 0);
    loop_add_hook(loop, note_and_stop, "1");
    loop_add_hook(loop, note_it, "2");
    put();
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_STRING_EQUAL(happened, "f12");
    end();
}

static void run__cannot_wait(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(loop_add_fd(loop, fds[0], get, "f", &event), 0);
    loop_add_hook(loop, note_it, "h");
    base_loop_r = -1;
    CU_ASSERT_EQUAL(loop_run(loop), VMM_E_LOCAL);
    CU_ASSERT_STRING_EQUAL(happened, "");
    end();
}

static void remove__is_not_called_again(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(loop_add_fd(loop, fds[0], note_it, "f", &event),
                          0);
    put();
    turn();
    CU_ASSERT_STRING_EQUAL(happened, "f");
    loop_remove(event);
    event = NULL;
    turn();
    CU_ASSERT_STRING_EQUAL(happened, "f");
    end();
}

static void remove_itself(void *user)
{
    note_it(user);
    loop_remove(event);
    event = NULL;
    loop_stop(loop);
}

static void remove__from_inside(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(loop_add_fd(loop, fds[0], remove_itself, "f",
                                      &event), 0);
    put();
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_STRING_EQUAL(happened, "f");
    end();
}

static unsigned int nr_signals;

static void signal_came(void *user)
{
    note_it(user);
    if (++nr_signals == 2) {
        loop_stop(loop);
    } else {
        (void)raise(SIGUSR1);
    }
}

static void signal__each_time(void)
{
    begin();
    nr_signals = 0;
    CU_ASSERT_EQUAL_FATAL(loop_add_signal(loop, SIGUSR1, signal_came, "s",
                                          &event), 0);
    loop_add_hook(loop, note_it, "h");
    (void)raise(SIGUSR1);
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    /* It is handled in a turn, not where it came. */
    CU_ASSERT_STRING_EQUAL(happened, "shsh");
    end();
}

static unsigned int nr_ticks;

static void tick(void *user)
{
    (void)user;
    if (++nr_ticks == 3) {
        loop_stop(loop);
    }
}

static void timer__again_and_again(void)
{
    struct timeval interval, now;

    begin();
    nr_ticks = 0;
    CU_ASSERT_EQUAL_FATAL(loop_add_timer(loop, 1, tick, NULL, &event), 0);
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_EQUAL(nr_ticks, 3);
    loop_remove(event);
    event = NULL;

    /* Of the next one it is known when it comes. */
    CU_ASSERT_EQUAL_FATAL(loop_add_timer(loop, 3600500, tick, NULL, &event),
                          0);
    CU_ASSERT_TRUE_FATAL(event_pending(event->event, EV_TIMEOUT, &interval));
    (void)event_base_gettimeofday_cached(loop_base(loop), &now);
    CU_ASSERT_TRUE(interval.tv_sec - now.tv_sec > 3500);
    CU_ASSERT_TRUE(interval.tv_sec - now.tv_sec < 3700);
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(open__nth_call_fails),
    UT_CASE(add__nth_call_fails),
    UT_CASE(fd__while_it_is_readable),
    UT_CASE(run__turns),
    UT_CASE(run__stopped_by_a_hook),
    UT_CASE(run__cannot_wait),
    UT_CASE(remove__is_not_called_again),
    UT_CASE(remove__from_inside),
    UT_CASE(signal__each_time),
    UT_CASE(timer__again_and_again),
};

UT_MAIN("dom0-daemon/loop", cases)
