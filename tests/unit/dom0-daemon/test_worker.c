/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_worker.c: a thread with a pager that does as it is told: each message,
 * each way in which it ends, and each call that fails.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The calls of worker.c that may fail, of which the n-th does. */
static unsigned int fail_nth, nr_calls;

static bool fails(void)
{
    return ++nr_calls == fail_nth;
}

static void *ut_calloc(size_t nr, size_t size)
{
    return fails() ? NULL : calloc(nr, size);
}

static char *ut_strdup(const char *text)
{
    return fails() ? NULL : strdup(text);
}

static int ut_eventfd(unsigned int count, int flags)
{
    return fails() ? -1 : eventfd(count, flags);
}

static int ut_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                             void *(*fn)(void *), void *user)
{
    return fails() ? 11 : pthread_create(thread, attr, fn, user);
}

#define calloc ut_calloc
#undef strdup
#define strdup ut_strdup
#define eventfd ut_eventfd
#define pthread_create ut_pthread_create
#include "dom0-daemon/worker.c"
#undef calloc
#undef strdup
#undef eventfd
#undef pthread_create

#include "lib/fake_host.h"
#include "lib/ut.h"

#define PATIENCE_MS 20000
#define DOMID 7u

static char dir[64], store_path[96], index_path[96];
static struct vmm_pager_opts opts;
static struct workers *workers;
static struct worker *worker;
static struct fake_domain *domain;
static struct pager_ops ops;
static int owner;

/* Of pagers that say more than the fake one. */
static const struct vmm_logger *pager_logger;
static struct vmm_logger logger_copy;
static sigset_t thread_mask;
static const char *complaint;

static int open_and_look(const struct vmm_pager_opts *o,
                         const struct vmm_logger *logger,
                         vmm_pager **pager_out)
{
    (void)pthread_sigmask(SIG_BLOCK, NULL, &thread_mask);
    logger_copy = *logger;
    pager_logger = &logger_copy;
    return fake_pager_ops.open(o, logger, pager_out);
}

static int complain_and_dispatch(vmm_pager *pager)
{
    if (complaint) {
        pager_logger->log(pager_logger->user, VMM_LOG_WARN, "not an error");
        pager_logger->log(pager_logger->user, VMM_LOG_ERROR, complaint);
    }
    return fake_pager_ops.dispatch(pager);
}

static int stat_fails(const vmm_pager *pager, struct vmm_pager_stat *stat)
{
    (void)pager;
    (void)stat;
    return VMM_E_INVAL;
}

static void begin(void)
{
    fail_nth = nr_calls = 0;
    complaint = NULL;
    worker = NULL;
    ops = fake_pager_ops;
    log_set_level(VMM_LOG_ERROR);
    fake_host_make_dir(dir);
    (void)snprintf(store_path, sizeof(store_path), "%s/store", dir);
    (void)snprintf(index_path, sizeof(index_path), "%s/index", dir);
    fake_host_reset(NULL);
    domain = fake_host_add(DOMID, 1);
    opts = (struct vmm_pager_opts){
        .size = sizeof(opts), .domid = DOMID, .store_path = store_path,
        .index_path = index_path, .target_pages = 1000, .floor_pages = 10,
    };
    CU_ASSERT_EQUAL_FATAL(workers_open(&workers), 0);
}

static void start(bool takeover)
{
    CU_ASSERT_EQUAL_FATAL(worker_start(workers, &ops, &opts, takeover,
                                       &owner, &worker), 0);
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    return poll(&pfd, 1, timeout_ms) > 0;
}

/* The next one, which must be of this type; the caller's to free. */
static struct worker_msg *next(enum worker_msg_type type)
{
    struct worker_msg *msg;

    while (!(msg = workers_next(workers)) &&
           readable(workers_fd(workers), PATIENCE_MS)) {
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
    CU_ASSERT_EQUAL_FATAL(msg->type, type);
    CU_ASSERT_PTR_EQUAL(msg->owner, &owner);
    return msg;
}

static void start_opened(void)
{
    start(false);
    free(next(WORKER_OPENED));
}

static struct worker_msg *new_msg(enum worker_msg_type type, void *user)
{
    struct worker_msg *msg = calloc(1, sizeof(*msg));

    CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
    msg->type = type;
    msg->user = user;
    return msg;
}

static void send(enum worker_msg_type type)
{
    worker_send(worker, new_msg(type, NULL));
}

static void ended(enum worker_end how, int rc)
{
    struct worker_msg *msg = next(WORKER_ENDED);

    CU_ASSERT_EQUAL(msg->end, how);
    CU_ASSERT_EQUAL(msg->rc, rc);
    free(msg);
    worker_join(worker);
    worker = NULL;
    CU_ASSERT_PTR_NULL(workers_next(workers));
    CU_ASSERT_FALSE(domain->pager);
}

static void stop(void)
{
    send(WORKER_STOP);
    free(next(WORKER_STOP));
    ended(WORKER_END_STOPPED, 0);
}

static void end(void)
{
    workers_close(workers);
    fake_host_remove_dir(dir);
}

static void order_rc(int *where, int rc)
{
    fake_host_lock();
    *where = rc;
    fake_host_unlock();
}

static void order(bool *where, bool flag)
{
    fake_host_lock();
    *where = flag;
    fake_host_unlock();
}

/* Cases. */

static void workers__none(void)
{
    begin();
    CU_ASSERT_PTR_NULL(workers_next(workers));
    CU_ASSERT_FALSE(readable(workers_fd(workers), 0));
    end();
    workers_close(NULL);
}

static void worker_start__opens(void)
{
    struct worker_msg *msg;

    begin();
    domain->hold_open = true;
    start(false);
    /* They were copied. */
    memset(store_path, '!', sizeof(store_path) - 1);
    memset(index_path, '!', sizeof(index_path) - 1);
    memset(&opts, 0xee, sizeof(opts));
    CU_ASSERT_PTR_NULL(workers_next(workers));
    order(&domain->hold_open, false);

    msg = next(WORKER_OPENED);
    CU_ASSERT_EQUAL(msg->rc, 0);
    CU_ASSERT_EQUAL(msg->stat.size, sizeof(msg->stat));
    CU_ASSERT_EQUAL(msg->stat.target_pages, 1000);
    CU_ASSERT_EQUAL(msg->stat.floor_pages, 10);
    CU_ASSERT_STRING_EQUAL(msg->text, "");
    free(msg);
    CU_ASSERT_EQUAL(domain->nr_opens, 1);
    CU_ASSERT_FALSE(domain->opts.adopt);
    (void)snprintf(store_path, sizeof(store_path), "%s/store", dir);
    (void)snprintf(index_path, sizeof(index_path), "%s/index", dir);
    CU_ASSERT_EQUAL(access(store_path, F_OK), 0);
    CU_ASSERT_EQUAL(access(index_path, F_OK), 0);
    stop();
    CU_ASSERT_TRUE(domain->session);
    end();
}

static void worker_start__pager_cannot_be_opened(void)
{
    struct worker_msg *msg;

    begin();
    domain->open_rc = VMM_E_IOMMU;
    domain->error = "it has a device";
    start(true);
    msg = next(WORKER_ENDED);
    CU_ASSERT_EQUAL(msg->end, WORKER_END_NOT_OPENED);
    CU_ASSERT_EQUAL(msg->rc, VMM_E_IOMMU);
    CU_ASSERT_STRING_EQUAL(msg->text, "it has a device");
    CU_ASSERT_FALSE(msg->took_over);
    free(msg);
    worker_join(worker);
    CU_ASSERT_EQUAL(domain->nr_opens, 1);
    CU_ASSERT_EQUAL(domain->nr_closes, 0);
    end();
}

/* A session that exists, with its files. */
static void leave_session(void)
{
    start_opened();
    stop();
    CU_ASSERT_TRUE(domain->session);
    domain->nr_opens = 0;
}

static void worker_start__takes_over(void)
{
    struct worker_msg *msg;

    begin();
    leave_session();
    start(true);
    free(next(WORKER_OPENED));
    CU_ASSERT_EQUAL(domain->nr_opens, 2);
    CU_ASSERT_TRUE(domain->opts.adopt);
    send(WORKER_STOP);
    free(next(WORKER_STOP));
    msg = next(WORKER_ENDED);
    CU_ASSERT_TRUE(msg->took_over);
    free(msg);
    worker_join(worker);
    end();
}

static void worker_start__session_that_may_not_be_taken_over(void)
{
    begin();
    leave_session();
    start(false);
    ended(WORKER_END_NOT_OPENED, VMM_E_SESSION);
    CU_ASSERT_EQUAL(domain->nr_opens, 1);
    end();
}

static void worker_start__takeover_fails_too(void)
{
    struct worker_msg *msg;

    begin();
    leave_session();
    (void)unlink(index_path);
    start(true);
    msg = next(WORKER_ENDED);
    CU_ASSERT_EQUAL(msg->end, WORKER_END_NOT_OPENED);
    CU_ASSERT_EQUAL(msg->rc, VMM_E_NOENT);
    CU_ASSERT_TRUE(msg->took_over);
    free(msg);
    worker_join(worker);
    CU_ASSERT_EQUAL(domain->nr_opens, 2);
    end();
}

static void worker_start__adopts_as_asked(void)
{
    struct worker_msg *msg;

    begin();
    leave_session();
    opts.adopt = true;
    start(true);
    free(next(WORKER_OPENED));
    CU_ASSERT_EQUAL(domain->nr_opens, 1);
    send(WORKER_STOP);
    free(next(WORKER_STOP));
    msg = next(WORKER_ENDED);
    CU_ASSERT_FALSE(msg->took_over);
    free(msg);
    worker_join(worker);
    end();
}

static void worker_start__signals_are_the_loops(void)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
    sigset_t mine;
    size_t i;

    begin();
    ops.open = open_and_look;
    start_opened();
    (void)pthread_sigmask(SIG_BLOCK, NULL, &mine);
    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        CU_ASSERT_TRUE(sigismember(&thread_mask, signals[i]));
        CU_ASSERT_FALSE(sigismember(&mine, signals[i]));
    }
    stop();
    end();
}

static void worker_start__nth_call_fails(void)
{
    unsigned int nth;
    int rc = -1;

    begin();
    for (nth = 1; rc; nth++) {
        nr_calls = 0;
        fail_nth = nth;
        rc = worker_start(workers, &ops, &opts, false, &owner, &worker);
        fail_nth = 0;
        CU_ASSERT_TRUE(!rc || rc == VMM_E_NOMEM);
        CU_ASSERT_TRUE_FATAL(nth < 20);
        if (rc) {
            CU_ASSERT_EQUAL(domain->nr_opens, 0);
        }
    }
    /* It, two paths, two messages, a queue, a thread. */
    CU_ASSERT_EQUAL(nth - 2, 7);
    free(next(WORKER_OPENED));
    stop();
    end();
}

static void workers_open__nth_call_fails(void)
{
    struct workers *w;
    unsigned int nth;

    begin();
    for (nth = 1; nth <= 2; nth++) {
        nr_calls = 0;
        fail_nth = nth;
        CU_ASSERT_EQUAL(workers_open(&w), VMM_E_NOMEM);
    }
    end();
}

static void worker_send__each_message(void)
{
    struct worker_msg *msg;
    int user;

    begin();
    start_opened();

    worker_send(worker, new_msg(WORKER_STAT, &user));
    msg = next(WORKER_STAT);
    CU_ASSERT_EQUAL(msg->rc, 0);
    CU_ASSERT_PTR_EQUAL(msg->user, &user);
    CU_ASSERT_EQUAL(msg->stat.size, sizeof(msg->stat));
    CU_ASSERT_EQUAL(msg->stat.domid, DOMID);
    free(msg);

    msg = new_msg(WORKER_SET_TARGET, &user);
    msg->target_pages = 555;
    msg->floor_pages = 44;
    worker_send(worker, msg);
    msg = next(WORKER_SET_TARGET);
    CU_ASSERT_EQUAL(msg->rc, 0);
    /* The answer is of afterwards. */
    CU_ASSERT_EQUAL(msg->stat.target_pages, 555);
    CU_ASSERT_EQUAL(msg->stat.floor_pages, 44);
    free(msg);

    order_rc(&domain->set_target_rc, VMM_E_RANGE);
    send(WORKER_SET_TARGET);
    msg = next(WORKER_SET_TARGET);
    CU_ASSERT_EQUAL(msg->rc, VMM_E_RANGE);
    CU_ASSERT_EQUAL(msg->stat.target_pages, 555);
    free(msg);

    send(WORKER_RETRY);
    free(next(WORKER_RETRY));
    CU_ASSERT_EQUAL(domain->nr_retries, 1);
    CU_ASSERT_EQUAL(domain->nr_resets, 0);
    send(WORKER_RESET_LATENCY);
    free(next(WORKER_RESET_LATENCY));
    CU_ASSERT_EQUAL(domain->nr_resets, 1);
    CU_ASSERT_EQUAL(domain->nr_retries, 1);

    /* Its own are not for sending. */
    send(WORKER_OPENED);
    msg = next(WORKER_OPENED);
    CU_ASSERT_EQUAL(msg->rc, VMM_E_INVAL);
    free(msg);
    stop();
    end();
}

static void worker_send__many(void)
{
    static char users[300];
    struct worker_msg *msg;
    size_t i;

    begin();
    domain->hold_open = true;
    start(false);
    for (i = 0; i < sizeof(users) / 2; i++) {
        worker_send(worker, new_msg(WORKER_STAT, &users[i]));
    }
    order(&domain->hold_open, false);
    for (; i < sizeof(users); i++) {
        worker_send(worker, new_msg(WORKER_STAT, &users[i]));
    }
    free(next(WORKER_OPENED));
    for (i = 0; i < sizeof(users); i++) {
        msg = next(WORKER_STAT);
        CU_ASSERT_PTR_EQUAL(msg->user, &users[i]);
        free(msg);
    }
    stop();
    end();
}

static void worker_send__no_statistics(void)
{
    struct worker_msg *msg;

    begin();
    ops.stat = stat_fails;
    start(false);
    msg = next(WORKER_OPENED);
    CU_ASSERT_EQUAL(msg->stat.size, 0);
    free(msg);
    send(WORKER_STAT);
    msg = next(WORKER_STAT);
    CU_ASSERT_EQUAL(msg->rc, 0);
    CU_ASSERT_EQUAL(msg->stat.size, 0);
    free(msg);
    stop();
    end();
}

static void worker_send__with_what_the_pager_said(void)
{
    char long_text[2 * WORKER_TEXT_BYTES];
    struct worker_msg *msg;

    begin();
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    ops.open = open_and_look;
    ops.dispatch = complain_and_dispatch;
    complaint = long_text;
    start_opened();
    /* It has dispatched once before it looks at messages. */
    send(WORKER_STAT);
    msg = next(WORKER_STAT);
    CU_ASSERT_EQUAL(strlen(msg->text), WORKER_TEXT_BYTES - 1);
    CU_ASSERT_EQUAL(msg->text[0], 'x');
    free(msg);
    stop();
    end();
}

static int complain_and_open(const struct vmm_pager_opts *o,
                             const struct vmm_logger *logger,
                             vmm_pager **pager_out)
{
    logger->log(logger->user, VMM_LOG_ERROR, "it works all the same");
    return fake_pager_ops.open(o, logger, pager_out);
}

/* What was said of the opening is not said of all that comes after it. */
static void worker_send__after_what_the_pager_said(void)
{
    struct worker_msg *msg;

    begin();
    ops.open = complain_and_open;
    start(false);
    msg = next(WORKER_OPENED);
    CU_ASSERT_STRING_EQUAL(msg->text, "it works all the same");
    free(msg);
    send(WORKER_STAT);
    msg = next(WORKER_STAT);
    CU_ASSERT_STRING_EQUAL(msg->text, "");
    free(msg);
    stop();
    end();
}

static void end__stop_of_a_domain_that_is_gone(void)
{
    struct worker_msg *msg;

    begin();
    start_opened();
    msg = new_msg(WORKER_STOP, NULL);
    msg->end = WORKER_END_GONE;
    worker_send(worker, msg);
    free(next(WORKER_STOP));
    ended(WORKER_END_GONE, 0);
    CU_ASSERT_EQUAL(domain->nr_closes, 1);
    end();
}

static void end__drained(void)
{
    begin();
    domain->hold_drain = true;
    start_opened();
    send(WORKER_DRAIN);
    free(next(WORKER_DRAIN));
    CU_ASSERT_EQUAL(domain->nr_drains, 1);
    /* It is of service till then. */
    send(WORKER_STAT);
    free(next(WORKER_STAT));
    order(&domain->hold_drain, false);
    fake_host_poke(DOMID);
    ended(WORKER_END_DRAINED, 0);
    CU_ASSERT_FALSE(domain->session);
    end();
}

static void end__domain_is_gone(void)
{
    begin();
    start_opened();
    fake_host_kill(DOMID, false);
    ended(WORKER_END_GONE, 0);
    CU_ASSERT_EQUAL(domain->nr_closes, 1);
    end();
}

static void end__pager_fails(void)
{
    begin();
    start_opened();
    order_rc(&domain->dispatch_rc, VMM_E_LOCAL);
    fake_host_poke(DOMID);
    ended(WORKER_END_STOPPED, VMM_E_LOCAL);
    CU_ASSERT_TRUE(domain->session);
    end();
}

static void worker_join__messages_that_came_too_late(void)
{
    struct worker_msg *msg;
    int users[3], i;

    begin();
    start_opened();
    fake_host_kill(DOMID, false);
    msg = next(WORKER_ENDED);
    CU_ASSERT_EQUAL(msg->end, WORKER_END_GONE);
    free(msg);
    for (i = 0; i < 3; i++) {
        worker_send(worker, new_msg(WORKER_STAT, &users[i]));
    }
    worker_join(worker);
    for (i = 0; i < 3; i++) {
        msg = next(WORKER_STAT);
        CU_ASSERT_EQUAL(msg->rc, VMM_E_CANCELED);
        CU_ASSERT_PTR_EQUAL(msg->user, &users[i]);
        free(msg);
    }
    CU_ASSERT_PTR_NULL(workers_next(workers));
    end();
}

static void workers_close__messages_are_left(void)
{
    begin();
    start(false);
    send(WORKER_STAT);
    send(WORKER_STOP);
    worker_join(worker);
    /* It is a leak if they are not freed. */
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(workers__none),
    UT_CASE(worker_start__opens),
    UT_CASE(worker_start__pager_cannot_be_opened),
    UT_CASE(worker_start__takes_over),
    UT_CASE(worker_start__session_that_may_not_be_taken_over),
    UT_CASE(worker_start__takeover_fails_too),
    UT_CASE(worker_start__adopts_as_asked),
    UT_CASE(worker_start__signals_are_the_loops),
    UT_CASE(worker_start__nth_call_fails),
    UT_CASE(workers_open__nth_call_fails),
    UT_CASE(worker_send__each_message),
    UT_CASE(worker_send__many),
    UT_CASE(worker_send__no_statistics),
    UT_CASE(worker_send__with_what_the_pager_said),
    UT_CASE(worker_send__after_what_the_pager_said),
    UT_CASE(end__stop_of_a_domain_that_is_gone),
    UT_CASE(end__drained),
    UT_CASE(end__domain_is_gone),
    UT_CASE(end__pager_fails),
    UT_CASE(worker_join__messages_that_came_too_late),
    UT_CASE(workers_close__messages_are_left),
};

UT_MAIN("dom0-daemon/worker", cases)
