/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_session.c: domains that are paged, on a host that is made up: what is
 * asked for, what goes wrong, and what the next vmmd finds.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The allocations of session.c, of which the n-th may fail. */
static unsigned int fail_nth, nr_allocs;

static void *ut_calloc(size_t nr, size_t size)
{
    return ++nr_allocs == fail_nth ? NULL : calloc(nr, size);
}

static char *ut_strdup(const char *text)
{
    return ++nr_allocs == fail_nth ? NULL : strdup(text);
}

static int ut_asprintf(char **text_out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int ut_asprintf(char **text_out, const char *fmt, ...)
{
    va_list ap;
    int r = -1;

    va_start(ap, fmt);
    if (++nr_allocs != fail_nth) {
        r = vasprintf(text_out, fmt, ap);
    }
    va_end(ap);
    return r;
}

#define calloc ut_calloc
#define strdup ut_strdup
#define asprintf ut_asprintf
#include "dom0-daemon/session.c"
#undef calloc
#undef strdup
#undef asprintf

#include <event2/event.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/fake_host.h"
#include "lib/ut.h"

#define MIB 256u                /* pages */
#define PATIENCE_MS 5000

/* One vmmd, without its control socket. */
static char dir[64];
static char state_dir[80], store_dir[80], index_dir[80];
static struct conf conf;
static struct loop *loop;
static struct regions *regions;
static struct sessions *sessions;
static unsigned int nr_ready, nr_stopped;

struct answer {
    unsigned int nr;
    int rc;
    char text[600];
    bool has_session;
    enum record_state on_disk;  /* when it was given */
    bool is_on_disk;
    uint32_t domid;
};

static void count(void *user)
{
    ++*(unsigned int *)user;
}

static void start_daemon(void)
{
    CU_ASSERT_EQUAL_FATAL(loop_open(&loop), 0);
    nr_ready = nr_stopped = 0;
    CU_ASSERT_EQUAL_FATAL(regions_open(loop, &conf, &regions), 0);
    CU_ASSERT_EQUAL_FATAL(sessions_open(loop, &conf, &fake_toolstack_ops,
                                        NULL, &fake_pager_ops, regions,
                                        count, &nr_ready, &sessions), 0);
    /* Time passes when the test says so. */
    loop_remove(sessions->tick_event);
    sessions->tick_event = NULL;
    CU_ASSERT_EQUAL(sessions_adopt(sessions), 0);
}

static void begin(void)
{
    log_set_level(VMM_LOG_ERROR);
    fake_host_make_dir(dir);
    (void)snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
    (void)snprintf(store_dir, sizeof(store_dir), "%s/store", dir);
    (void)snprintf(index_dir, sizeof(index_dir), "%s/index", dir);
    (void)mkdir(state_dir, 0700);
    (void)mkdir(store_dir, 0700);
    (void)mkdir(index_dir, 0700);
    conf = (struct conf){
        .state_dir = state_dir, .store_dir = store_dir,
        .index_dir = index_dir, .harvest_interval_ms = 1234,
        .io_error_retries = 7, .max_sessions = 4, .prefetch = 1,
    };
    fake_host_reset(state_dir);
}

static void turn(void)
{
    (void)event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
    sessions_store(sessions);
}

static bool late(const struct timespec *since)
{
    const struct timespec pause = { .tv_nsec = 200000 };
    struct timespec now;

    (void)nanosleep(&pause, NULL);
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - since->tv_sec) * 1000 +
           (now.tv_nsec - since->tv_nsec) / 1000000 > PATIENCE_MS;
}

/* Turns until it is so; workers are threads, and take their time. */
#define UNTIL(condition) \
    do { \
        struct timespec since_; \
        (void)clock_gettime(CLOCK_MONOTONIC, &since_); \
        while (!(condition) && !late(&since_)) { \
            turn(); \
        } \
        CU_ASSERT_TRUE_FATAL(condition); \
    } while (0)

static void stop_daemon(bool drain)
{
    sessions_stop(sessions, drain, count, &nr_stopped);
    UNTIL(nr_stopped);
    CU_ASSERT_EQUAL(nr_stopped, 1);
    CU_ASSERT_TRUE(vmm__list_empty(&sessions->waiters));
    sessions_close(sessions);
    regions_close(regions);
    loop_close(loop);
}

static void end(void)
{
    unsigned int i;

    CU_ASSERT_EQUAL(fake_host_nr_wrong, 0);
    for (i = 0; i < 10; i++) {
        const struct fake_domain *domain = fake_host_find(i);

        CU_ASSERT_TRUE(!domain || (!domain->nr_watches && !domain->pager));
    }
    fake_host_remove_dir(dir);
}

static void restart(void)
{
    stop_daemon(false);
    start_daemon();
}

/* Files. */

static bool there(const char *in, uint32_t domid, const char *suffix)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/dom%u%s", in, domid, suffix);
    return exists(path);
}

static void make_file(const char *in, uint32_t domid, const char *suffix)
{
    char path[200];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/dom%u%s", in, domid, suffix);
    file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    (void)fclose(file);
}

#define HAS_RECORD(domid) there(state_dir, domid, ".session")
#define HAS_STORE(domid) there(store_dir, domid, ".pages")
#define HAS_INDEX(domid) there(index_dir, domid, ".index")

struct lookup {
    uint32_t domid;
    bool found;
    struct record record;
};

static void looked_up(void *user, struct record *record)
{
    struct lookup *lookup = user;

    if (record->domid == lookup->domid) {
        lookup->found = true;
        lookup->record = *record;
    }
    record_dispose(record);
}

/* What the next vmmd would read; without its strings. */
static struct lookup on_disk(uint32_t domid)
{
    struct lookup lookup = { .domid = domid };

    (void)record_each(state_dir, looked_up, &lookup);
    return lookup;
}

/* Requests. */

static void answered_with(void *user, int rc, const char *text,
                          const struct session *session)
{
    struct answer *answer = user;
    struct lookup lookup = on_disk(answer->domid);

    answer->nr++;
    answer->rc = rc;
    answer->has_session = session != NULL;
    answer->is_on_disk = lookup.found;
    answer->on_disk = lookup.record.state;
    (void)snprintf(answer->text, sizeof(answer->text), "%s",
                   text ? text : "");
}

static void ask_set(struct answer *answer, const struct session_set *set)
{
    memset(answer, 0, sizeof(*answer));
    answer->domid = set->domain.domid;
    sessions_set(sessions, set, answered_with, answer);
}

static struct session_set set_of(uint32_t domid, uint64_t target_pages)
{
    struct session_set set = { .target_pages = target_pages };

    set.domain = fake_host_find(domid)->domain;
    return set;
}

static void set(struct answer *answer, uint32_t domid, uint64_t target_pages)
{
    struct session_set what = set_of(domid, target_pages);

    ask_set(answer, &what);
    UNTIL(answer->nr);
    CU_ASSERT_EQUAL(answer->nr, 1);
}

typedef void ask_fn(struct sessions *, struct session *, session_done_fn *,
                    void *);

static void ask(ask_fn *fn, struct answer *answer, uint32_t domid)
{
    memset(answer, 0, sizeof(*answer));
    answer->domid = domid;
    fn(sessions, sessions_find(sessions, domid), answered_with, answer);
}

static int asked(ask_fn *fn, uint32_t domid)
{
    struct answer answer;

    ask(fn, &answer, domid);
    UNTIL(answer.nr);
    return answer.rc;
}

static enum phase phase_of(uint32_t domid)
{
    return sessions_find(sessions, domid)->phase;
}

static void wait_state(uint32_t domid, enum phase phase)
{
    UNTIL(sessions_find(sessions, domid) && phase_of(domid) == phase);
}

static void order(int *where, int rc)
{
    fake_host_lock();
    *where = rc;
    fake_host_unlock();
}

static void hold(bool *where, bool flag)
{
    fake_host_lock();
    *where = flag;
    fake_host_unlock();
}

/* Cases. */

static void sessions_set__new_one(void)
{
    struct fake_domain *domain;
    struct vmm_ctl_tier tier;
    struct answer answer;
    struct session_set what;

    begin();
    domain = fake_host_add(7, 1);
    start_daemon();
    CU_ASSERT_EQUAL(nr_ready, 1);
    what = set_of(7, 64 * MIB);
    what.has_floor = true;
    what.floor_pages = 16 * MIB;
    what.has_no_prefetch = what.no_prefetch = true;
    ask_set(&answer, &what);
    CU_ASSERT_EQUAL(answer.nr, 0);
    UNTIL(answer.nr);

    CU_ASSERT_EQUAL(answer.rc, 0);
    CU_ASSERT_TRUE(answer.has_session);
    CU_ASSERT_TRUE(answer.is_on_disk);
    CU_ASSERT_EQUAL(answer.on_disk, RECORD_ACTIVE);
    CU_ASSERT_TRUE(HAS_STORE(7) && HAS_INDEX(7));
    CU_ASSERT_EQUAL(domain->nr_watches, 1);
    CU_ASSERT_EQUAL(domain->opts.size, sizeof(domain->opts));
    CU_ASSERT_EQUAL(memcmp(domain->opts.uuid, domain->domain.uuid, 16), 0);
    CU_ASSERT_FALSE(domain->opts.adopt);
    CU_ASSERT_EQUAL(domain->opts.target_pages, 64 * MIB);
    CU_ASSERT_EQUAL(domain->opts.floor_pages, 16 * MIB);
    CU_ASSERT_TRUE(domain->opts.no_prefetch);
    CU_ASSERT_FALSE(domain->opts.fifo);
    CU_ASSERT_EQUAL(domain->opts.io_error_retries, 7);
    CU_ASSERT_EQUAL(domain->opts.harvest_ms, 1234);

    CU_ASSERT_EQUAL(sessions_nr(sessions), 1);
    session_tier(sessions_find(sessions, 7), &tier);
    CU_ASSERT_EQUAL(tier.domid, 7);
    CU_ASSERT_STRING_EQUAL(tier.name, "dom7");
    CU_ASSERT_EQUAL(tier.state, VMM_CTL_SESSION_ACTIVE);
    CU_ASSERT_TRUE(tier.has_stat);
    CU_ASSERT_EQUAL(tier.stat.target_pages, 64 * MIB);
    stop_daemon(false);
    CU_ASSERT_TRUE(HAS_RECORD(7));
    end();
}

/* Nobody is told, and nothing stays, when a domain cannot be paged. */
static void sessions_set__refused(void)
{
    struct fake_domain *domain;
    struct answer answer;
    struct session_set what;

    begin();
    domain = fake_host_add(1, 1);
    start_daemon();

    domain->domain.can_be_paged = false;
    set(&answer, 1, MIB);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_NOTSUP);
    domain->domain.can_be_paged = true;

    what = set_of(1, MIB);
    what.has_floor = true;
    what.floor_pages = MIB + 1;
    ask_set(&answer, &what);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_RANGE);

    domain->watch_rc = VMM_E_LOCAL;
    set(&answer, 1, MIB);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_LOCAL);
    domain->watch_rc = 0;
    CU_ASSERT_EQUAL(sessions_nr(sessions), 0);
    CU_ASSERT_EQUAL(domain->nr_opens, 0);

    domain->open_rc = VMM_E_IOMMU;
    domain->error = "a passthrough device";
    set(&answer, 1, MIB);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_IOMMU);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer.text, "a passthrough device"));
    UNTIL(!sessions_nr(sessions));
    CU_ASSERT_FALSE(HAS_RECORD(1) || HAS_STORE(1) || HAS_INDEX(1));

    /* What the store says of itself is no word of a session to take over. */
    domain->nr_opens = 0;
    domain->open_rc = VMM_E_EXISTS;
    set(&answer, 1, MIB);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_EXISTS);
    CU_ASSERT_EQUAL(domain->nr_opens, 1);
    stop_daemon(false);
    end();
}

static void sessions_set__limit(void)
{
    struct answer answer;
    uint32_t i, last = 0;
    const struct session *session = NULL;

    begin();
    start_daemon();
    /* Not in their order, in which they are listed all the same. */
    for (i = 0; i < 4; i++) {
        fake_host_add(i ^ 1, 1);
        set(&answer, i ^ 1, MIB);
        CU_ASSERT_EQUAL(answer.rc, 0);
    }
    fake_host_add(4, 1);
    set(&answer, 4, MIB);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_BUSY);
    for (i = 0; (session = sessions_next(sessions, session)); i++) {
        struct vmm_ctl_tier tier;

        session_tier(session, &tier);
        CU_ASSERT_TRUE(!i || tier.domid > last);
        last = tier.domid;
    }
    CU_ASSERT_EQUAL(i, 4);
    CU_ASSERT_PTR_NULL(sessions_find(sessions, 4));
    stop_daemon(true);
    end();
}

/* A file that somebody else made stays, and so does one of before. */
static void sessions_set__files_of_others(void)
{
    struct answer answer;
    struct session_set what;
    char own[120];

    begin();
    fake_host_add(1, 1);
    start_daemon();
    (void)snprintf(own, sizeof(own), "%s/dom1.mine", dir);
    make_file(dir, 1, ".mine");
    what = set_of(1, MIB);
    what.store = own;
    ask_set(&answer, &what);
    UNTIL(answer.nr);
    CU_ASSERT_EQUAL(answer.rc, 0);
    CU_ASSERT_EQUAL(asked(sessions_off, 1), 0);
    CU_ASSERT_TRUE(exists(own));
    CU_ASSERT_FALSE(HAS_INDEX(1) || HAS_RECORD(1));

    /* An opening that failed leaves alone what it found. */
    make_file(store_dir, 1, ".pages");
    make_file(index_dir, 1, ".index");
    order(&fake_host_find(1)->open_rc, VMM_E_FORMAT);
    set(&answer, 1, MIB);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_FORMAT);
    UNTIL(!sessions_nr(sessions));
    CU_ASSERT_TRUE(HAS_STORE(1) && HAS_INDEX(1));
    CU_ASSERT_FALSE(HAS_RECORD(1));

    /* One that went well makes them its own. */
    order(&fake_host_find(1)->open_rc, 0);
    set(&answer, 1, MIB);
    CU_ASSERT_EQUAL(answer.rc, 0);
    CU_ASSERT_EQUAL(asked(sessions_off, 1), 0);
    CU_ASSERT_FALSE(HAS_STORE(1) || HAS_INDEX(1) || HAS_RECORD(1));
    stop_daemon(false);
    end();
}

static void sessions_set__record_cannot_be_written(void)
{
    char away[120];
    struct answer answer;

    begin();
    fake_host_add(1, 1);
    start_daemon();
    (void)snprintf(away, sizeof(away), "%s/away", dir);
    CU_ASSERT_EQUAL(rename(state_dir, away), 0);
    set(&answer, 1, MIB);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_IO);
    CU_ASSERT_EQUAL(sessions_nr(sessions), 0);
    CU_ASSERT_EQUAL(fake_host_find(1)->nr_opens, 0);

    /* Later, the change is made, but not said to be durable... */
    CU_ASSERT_EQUAL(rename(away, state_dir), 0);
    set(&answer, 1, MIB);
    CU_ASSERT_EQUAL(answer.rc, 0);
    CU_ASSERT_EQUAL(rename(state_dir, away), 0);
    set(&answer, 1, 2 * MIB);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_IO);
    CU_ASSERT_EQUAL(fake_host_find(1)->target_pages, 2 * MIB);
    CU_ASSERT_EQUAL(rename(away, state_dir), 0);
    turn();
    CU_ASSERT_EQUAL(on_disk(1).record.target_pages, MIB);
    /* ...and written when it can be. */
    tick(sessions);
    turn();
    CU_ASSERT_EQUAL(on_disk(1).record.target_pages, 2 * MIB);
    stop_daemon(false);
    end();
}

/* Whatever cannot be had, it is said, and nothing is left. */
static void sessions_set__nth_allocation_fails(void)
{
    struct answer answer;
    unsigned int nth;

    begin();
    fake_host_add(1, 1);
    start_daemon();
    for (nth = 1; nth < 50; nth++) {
        struct session_set what = set_of(1, MIB);

        nr_allocs = 0;
        fail_nth = nth;
        ask_set(&answer, &what);
        UNTIL(answer.nr);
        fail_nth = 0;
        CU_ASSERT_EQUAL(answer.nr, 1);
        /* It can do without some. */
        if (!answer.rc) {
            CU_ASSERT_EQUAL(asked(sessions_off, 1), 0);
            if (nr_allocs < nth) {
                break;
            }
            continue;
        }
        CU_ASSERT_EQUAL(answer.rc, VMM_E_NOMEM);
        UNTIL(!sessions_nr(sessions));
        CU_ASSERT_FALSE(HAS_RECORD(1));
    }
    CU_ASSERT_TRUE(nth > 3 && nth < 50);
    stop_daemon(true);
    end();
}

static void sessions_set__again(void)
{
    struct fake_domain *domain;
    struct session_set what;
    struct answer answer;

    begin();
    domain = fake_host_add(1, 1);
    start_daemon();
    what = set_of(1, 4 * MIB);
    what.has_floor = true;
    what.floor_pages = 2 * MIB;
    ask_set(&answer, &what);
    /* While it is being opened, it cannot be changed. */
    hold(&domain->hold_open, true);
    {
        struct answer second;

        set(&second, 1, 8 * MIB);
        CU_ASSERT_EQUAL(second.rc, VMM_E_AGAIN);
        turn();
        CU_ASSERT_EQUAL(asked(sessions_off, 1), VMM_E_AGAIN);
        CU_ASSERT_EQUAL(asked(sessions_retry, 1), VMM_E_AGAIN);
        CU_ASSERT_EQUAL(asked(sessions_reset_latency, 1), VMM_E_AGAIN);
        /* But it is looked at without a wait for it. */
        CU_ASSERT_EQUAL(asked(sessions_refresh, 1), 0);
        CU_ASSERT_EQUAL(answer.nr, 0);
    }
    hold(&domain->hold_open, false);
    UNTIL(answer.nr);
    CU_ASSERT_EQUAL(answer.rc, 0);

    /* The floor stays if none is given. */
    set(&answer, 1, 8 * MIB);
    CU_ASSERT_EQUAL(answer.rc, 0);
    CU_ASSERT_EQUAL(domain->target_pages, 8 * MIB);
    CU_ASSERT_EQUAL(domain->floor_pages, 2 * MIB);
    CU_ASSERT_EQUAL(domain->nr_retries, 1);
    CU_ASSERT_EQUAL(on_disk(1).record.target_pages, 8 * MIB);
    set(&answer, 1, MIB);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_RANGE);
    what = set_of(1, MIB);
    what.has_floor = true;
    what.floor_pages = 0;
    ask_set(&answer, &what);
    UNTIL(answer.nr);
    CU_ASSERT_EQUAL(answer.rc, 0);
    CU_ASSERT_EQUAL(domain->floor_pages, 0);

    what = set_of(1, MIB);
    what.store = "/somewhere/else";
    ask_set(&answer, &what);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_EXISTS);
    what = set_of(1, MIB);
    what.has_fifo = what.fifo = true;
    ask_set(&answer, &what);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_EXISTS);
    what = set_of(1, MIB);
    what.has_no_prefetch = what.no_prefetch = true;
    ask_set(&answer, &what);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_EXISTS);

    order(&domain->set_target_rc, VMM_E_RANGE);
    set(&answer, 1, 9 * MIB);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_RANGE);
    order(&domain->set_target_rc, 0);
    CU_ASSERT_EQUAL(asked(sessions_retry, 1), 0);
    CU_ASSERT_EQUAL(asked(sessions_reset_latency, 1), 0);
    CU_ASSERT_EQUAL(domain->nr_resets, 1);
    stop_daemon(false);
    end();
}

static void sessions_off__all_back(void)
{
    struct fake_domain *domain;
    struct answer answer, second;
    struct vmm_ctl_tier tier;

    begin();
    domain = fake_host_add(3, 1);
    start_daemon();
    set(&answer, 3, MIB);
    hold(&domain->hold_drain, true);
    ask(sessions_off, &answer, 3);
    /* Its thread may be quicker than the end of the turn, which records it. */
    UNTIL(domain->nr_drains);
    UNTIL(on_disk(3).record.state == RECORD_DRAINING);
    session_tier(sessions_find(sessions, 3), &tier);
    CU_ASSERT_EQUAL(tier.state, VMM_CTL_SESSION_DRAINING);
    set(&second, 3, 2 * MIB);
    CU_ASSERT_EQUAL(second.rc, VMM_E_BUSY);
    /* Twice is not more; both are told. */
    ask(sessions_off, &second, 3);
    tick(sessions);
    turn();
    CU_ASSERT_EQUAL(answer.nr + second.nr, 0);
    CU_ASSERT_EQUAL(domain->nr_drains, 1);

    hold(&domain->hold_drain, false);
    fake_host_poke(3);
    UNTIL(answer.nr && second.nr);
    CU_ASSERT_EQUAL(answer.rc, 0);
    CU_ASSERT_EQUAL(second.rc, 0);
    CU_ASSERT_FALSE(answer.has_session);
    CU_ASSERT_FALSE(answer.is_on_disk);
    CU_ASSERT_FALSE(domain->session);
    CU_ASSERT_FALSE(HAS_STORE(3) || HAS_INDEX(3));
    CU_ASSERT_EQUAL(domain->nr_watches, 0);
    stop_daemon(false);
    end();
}

/* The hypervisor keeps a session that has a page out after all. */
static void sessions_off__not_detached(void)
{
    struct fake_domain *domain;
    struct answer answer;

    begin();
    domain = fake_host_add(3, 1);
    start_daemon();
    set(&answer, 3, MIB);
    hold(&domain->keep_session, true);
    ask(sessions_off, &answer, 3);
    UNTIL(domain->nr_closes == 1);
    wait_state(3, PHASE_FAILED);
    CU_ASSERT_EQUAL(answer.nr, 0);
    CU_ASSERT_TRUE(HAS_RECORD(3) && HAS_STORE(3));
    hold(&domain->keep_session, false);
    tick(sessions);
    UNTIL(answer.nr);
    CU_ASSERT_EQUAL(answer.rc, 0);
    CU_ASSERT_TRUE(domain->opts.adopt);
    CU_ASSERT_FALSE(domain->session);
    stop_daemon(false);
    end();
}

static void sessions_refresh__all_and_one(void)
{
    struct fake_domain *domain;
    struct vmm_ctl_tier tier;
    struct answer answer;
    unsigned int i;

    begin();
    start_daemon();
    memset(&answer, 0, sizeof(answer));
    sessions_refresh(sessions, NULL, answered_with, &answer);
    UNTIL(answer.nr);
    CU_ASSERT_EQUAL(answer.rc, 0);

    domain = fake_host_add(1, 1);
    fake_host_add(2, 1);
    set(&answer, 1, MIB);
    set(&answer, 2, MIB);
    fake_host_lock();
    domain->target_pages = 99;
    (void)strcpy(domain->domain.name, "renamed");
    fake_host_unlock();
    memset(&answer, 0, sizeof(answer));
    sessions_refresh(sessions, NULL, answered_with, &answer);
    UNTIL(answer.nr);
    session_tier(sessions_find(sessions, 1), &tier);
    CU_ASSERT_EQUAL(tier.stat.target_pages, 99);
    CU_ASSERT_STRING_EQUAL(tier.name, "dom1");
    for (i = 0; i < NAME_TICKS; i++) {
        tick(sessions);
    }
    CU_ASSERT_EQUAL(asked(sessions_refresh, 1), 0);
    session_tier(sessions_find(sessions, 1), &tier);
    CU_ASSERT_STRING_EQUAL(tier.name, "renamed");

    /* Who has asked is told, even if all is over meanwhile. */
    memset(&answer, 0, sizeof(answer));
    sessions_refresh(sessions, NULL, answered_with, &answer);
    stop_daemon(false);
    CU_ASSERT_EQUAL(answer.nr, 1);
    end();
}

static void sessions_domain_died__in_each_phase(void)
{
    struct fake_domain *domain;
    struct session_set what;
    struct answer answer;

    begin();
    start_daemon();

    /* New. */
    fake_host_add(1, 1);
    what = set_of(1, MIB);
    ask_set(&answer, &what);
    fake_host_kill(1, false);
    sessions_domain_died(sessions, 1);
    UNTIL(answer.nr && !sessions_nr(sessions));
    CU_ASSERT_EQUAL(answer.rc, VMM_E_CANCELED);

    /* Opening. */
    domain = fake_host_add(1, 2);
    what = set_of(1, MIB);
    hold(&domain->hold_open, true);
    ask_set(&answer, &what);
    UNTIL(domain->nr_opens);
    sessions_domain_died(sessions, 1);
    fake_host_kill(1, false);
    UNTIL(answer.nr && !sessions_nr(sessions));
    CU_ASSERT_TRUE(answer.rc != 0);
    CU_ASSERT_FALSE(HAS_RECORD(1));

    /* Active, told by the toolstack; then by the pager. */
    domain = fake_host_add(1, 3);
    set(&answer, 1, MIB);
    CU_ASSERT_EQUAL(answer.rc, 0);
    fake_host_kill(1, false);
    sessions_domain_died(sessions, 1);
    sessions_domain_died(sessions, 1);
    CU_ASSERT_EQUAL(asked(sessions_off, 1), VMM_E_AGAIN);
    UNTIL(!sessions_nr(sessions));
    CU_ASSERT_FALSE(HAS_RECORD(1) || HAS_STORE(1) || HAS_INDEX(1));
    fake_host_add(1, 4);
    set(&answer, 1, MIB);
    fake_host_kill(1, false);
    UNTIL(!sessions_nr(sessions));
    CU_ASSERT_FALSE(HAS_RECORD(1) || HAS_STORE(1) || HAS_INDEX(1));

    /* Draining: that nothing is out any more is what was asked for. */
    domain = fake_host_add(1, 5);
    set(&answer, 1, MIB);
    hold(&domain->hold_drain, true);
    ask(sessions_off, &answer, 1);
    UNTIL(domain->nr_drains);
    fake_host_kill(1, false);
    UNTIL(answer.nr);
    CU_ASSERT_EQUAL(answer.rc, 0);
    CU_ASSERT_FALSE(HAS_RECORD(1));

    /* One that is not ours. */
    sessions_domain_died(sessions, 77);
    stop_daemon(false);
    end();
}

/* Its id is another's before we have got round to it. */
static void sessions_set__id_was_used_before(void)
{
    struct fake_domain *domain;
    struct session_set what;
    struct answer answer;

    begin();
    domain = fake_host_add(1, 1);
    start_daemon();
    set(&answer, 1, MIB);
    what = set_of(1, MIB);
    what.domain.uuid[15] = 2;
    ask_set(&answer, &what);
    CU_ASSERT_EQUAL(answer.nr, 1);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_BUSY);
    CU_ASSERT_TRUE(domain->session);
    fake_host_kill(1, false);
    sessions_domain_died(sessions, 1);
    UNTIL(!sessions_nr(sessions));
    fake_host_add(1, 2);
    set(&answer, 1, MIB);
    CU_ASSERT_EQUAL(answer.rc, 0);
    stop_daemon(false);
    end();
}

static void sessions_stop__keep_and_adopt(void)
{
    struct fake_domain *domain;
    struct session_set what;
    struct answer answer;

    begin();
    domain = fake_host_add(1, 1);
    start_daemon();
    what = set_of(1, 3 * MIB);
    what.has_floor = true;
    what.floor_pages = MIB;
    what.has_fifo = what.fifo = true;
    what.has_no_prefetch = what.no_prefetch = true;
    ask_set(&answer, &what);
    UNTIL(answer.nr);
    stop_daemon(false);
    CU_ASSERT_TRUE(domain->session);
    CU_ASSERT_TRUE(HAS_RECORD(1) && HAS_STORE(1) && HAS_INDEX(1));

    memset(&domain->opts, 0, sizeof(domain->opts));
    hold(&domain->hold_open, true);
    start_daemon();
    turn();
    CU_ASSERT_EQUAL(nr_ready, 0);
    hold(&domain->hold_open, false);
    UNTIL(nr_ready);
    CU_ASSERT_EQUAL(phase_of(1), PHASE_ACTIVE);
    CU_ASSERT_TRUE(domain->opts.adopt);
    CU_ASSERT_EQUAL(domain->opts.target_pages, 3 * MIB);
    CU_ASSERT_EQUAL(domain->opts.floor_pages, MIB);
    CU_ASSERT_TRUE(domain->opts.fifo);
    CU_ASSERT_TRUE(domain->opts.no_prefetch);
    CU_ASSERT_EQUAL(domain->nr_watches, 1);
    CU_ASSERT_EQUAL(asked(sessions_off, 1), 0);
    CU_ASSERT_FALSE(HAS_STORE(1));
    stop_daemon(false);
    CU_ASSERT_EQUAL(nr_ready, 1);
    end();
}

static void sessions_stop__drain(void)
{
    struct fake_domain *domain;
    struct answer answer;

    begin();
    domain = fake_host_add(1, 1);
    fake_host_add(2, 1);
    start_daemon();
    set(&answer, 1, MIB);
    set(&answer, 2, MIB);
    hold(&domain->hold_drain, true);
    sessions_stop(sessions, true, count, &nr_stopped);
    UNTIL(sessions_nr(sessions) == 1);
    tick(sessions);
    turn();
    CU_ASSERT_EQUAL(nr_stopped, 0);
    CU_ASSERT_FALSE(HAS_RECORD(2));
    hold(&domain->hold_drain, false);
    fake_host_poke(1);
    UNTIL(nr_stopped);
    CU_ASSERT_FALSE(HAS_RECORD(1) || domain->session);
    sessions_close(sessions);
    regions_close(regions);
    loop_close(loop);

    /* Once more, and it takes too long: the next one goes on with it. */
    start_daemon();
    set(&answer, 1, MIB);
    hold(&domain->hold_drain, true);
    sessions_stop(sessions, true, count, &nr_stopped);
    turn();
    stop_daemon(false);
    CU_ASSERT_TRUE(domain->session);
    CU_ASSERT_EQUAL(on_disk(1).record.state, RECORD_DRAINING);
    start_daemon();
    wait_state(1, PHASE_DRAINING);
    UNTIL(domain->nr_drains == 3);
    CU_ASSERT_EQUAL(nr_ready, 1);
    hold(&domain->hold_drain, false);
    fake_host_poke(1);
    UNTIL(!sessions_nr(sessions));
    CU_ASSERT_FALSE(HAS_RECORD(1) || domain->session);
    stop_daemon(false);
    end();
}

static void sessions_stop__in_each_phase(void)
{
    struct fake_domain *domain;
    struct session_set what;
    struct answer answer;

    begin();
    domain = fake_host_add(1, 1);
    /* New. */
    start_daemon();
    what = set_of(1, MIB);
    ask_set(&answer, &what);
    stop_daemon(false);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_CANCELED);
    CU_ASSERT_EQUAL(answer.nr, 1);
    CU_ASSERT_FALSE(domain->session || HAS_RECORD(1));

    /* Opening, which goes well after all. */
    start_daemon();
    hold(&domain->hold_open, true);
    ask_set(&answer, &what);
    UNTIL(domain->nr_opens == 1);
    sessions_stop(sessions, true, count, &nr_stopped);
    hold(&domain->hold_open, false);
    UNTIL(nr_stopped);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_CANCELED);
    sessions_close(sessions);
    regions_close(regions);
    loop_close(loop);
    CU_ASSERT_TRUE(domain->session);
    CU_ASSERT_EQUAL(on_disk(1).record.state, RECORD_OPENING);
    start_daemon();
    wait_state(1, PHASE_ACTIVE);
    turn();
    CU_ASSERT_EQUAL(on_disk(1).record.state, RECORD_ACTIVE);
    CU_ASSERT_EQUAL(asked(sessions_off, 1), 0);

    /* Opening, which does not. */
    hold(&domain->hold_open, true);
    order(&domain->open_rc, VMM_E_POD);
    ask_set(&answer, &what);
    UNTIL(domain->nr_opens == 3);
    sessions_stop(sessions, false, count, &nr_stopped);
    hold(&domain->hold_open, false);
    UNTIL(nr_stopped);
    sessions_close(sessions);
    regions_close(regions);
    loop_close(loop);
    CU_ASSERT_EQUAL(answer.nr, 1);
    CU_ASSERT_TRUE(answer.rc != 0);
    CU_ASSERT_FALSE(domain->session || HAS_RECORD(1));
    order(&domain->open_rc, 0);

    /* Adopting, and it cannot now: the record stays. */
    start_daemon();
    set(&answer, 1, MIB);
    stop_daemon(false);
    order(&domain->open_rc, VMM_E_NOMEM);
    start_daemon();
    wait_state(1, PHASE_FAILED);
    stop_daemon(true);
    CU_ASSERT_TRUE(HAS_RECORD(1) && HAS_STORE(1) && HAS_INDEX(1));
    end();
}

/* What a vmmd that was killed leaves: at whatever point. */

static void leave(uint32_t domid, enum record_state state, bool files,
                  const char *boot_id)
{
    const struct fake_domain *domain = fake_host_find(domid);
    struct record record = {
        .domid = domid, .state = state, .store_ours = true,
        .target_pages = 5 * MIB,
    };
    char store[120];

    if (boot_id) {
        strcpy(record.boot_id, boot_id);
    } else {
        CU_ASSERT_EQUAL_FATAL(record_boot_id(record.boot_id), 0);
    }
    record.uuid[0] = (uint8_t)domid;
    record.uuid[15] = domain ? domain->domain.uuid[15] : 1;
    (void)snprintf(store, sizeof(store), "%s/dom%u.pages", store_dir, domid);
    record.store = store;
    CU_ASSERT_EQUAL_FATAL(record_save(state_dir, &record), 0);
    if (files) {
        make_file(store_dir, domid, ".pages");
        make_file(index_dir, domid, ".index");
    }
}

static void sessions_adopt__what_a_crash_left(void)
{
    begin();
    /* Recorded, and not opened yet; perhaps a file was made already. */
    fake_host_add(1, 1);
    leave(1, RECORD_OPENING, false, NULL);
    fake_host_add(2, 1);
    leave(2, RECORD_OPENING, true, NULL);
    /* Opened, and not said yet. */
    fake_host_add(3, 1)->session = true;
    leave(3, RECORD_OPENING, true, NULL);
    /* Drained, and the record not removed yet. */
    fake_host_add(4, 1);
    leave(4, RECORD_DRAINING, false, NULL);
    make_file(store_dir, 4, ".pages");
    /* Of a domain that is gone, and of one whose id is another's now. */
    leave(5, RECORD_ACTIVE, true, NULL);
    leave(6, RECORD_ACTIVE, true, NULL);
    fake_host_add(6, 9);
    /* Of another boot of the host. */
    fake_host_add(7, 1);
    leave(7, RECORD_ACTIVE, true, "another-boot");

    start_daemon();
    UNTIL(nr_ready && sessions_nr(sessions) == 1);
    CU_ASSERT_FALSE(HAS_RECORD(1) || HAS_STORE(1) || HAS_INDEX(1));
    CU_ASSERT_FALSE(HAS_RECORD(2) || HAS_STORE(2) || HAS_INDEX(2));
    CU_ASSERT_EQUAL(phase_of(3), PHASE_ACTIVE);
    CU_ASSERT_EQUAL(fake_host_find(3)->target_pages, 5 * MIB);
    CU_ASSERT_FALSE(HAS_RECORD(5) || HAS_STORE(5) || HAS_INDEX(5));
    CU_ASSERT_FALSE(HAS_RECORD(6) || HAS_STORE(6) || HAS_INDEX(6));
    CU_ASSERT_FALSE(HAS_RECORD(7) || HAS_STORE(7) || HAS_INDEX(7));
    CU_ASSERT_EQUAL(fake_host_find(6)->nr_opens, 0);
    CU_ASSERT_EQUAL(fake_host_find(7)->nr_opens, 0);
    CU_ASSERT_FALSE(HAS_RECORD(4) || HAS_STORE(4));
    stop_daemon(false);
    end();
}

static void sessions_adopt__fails_for_a_while(void)
{
    struct fake_domain *domain;
    struct vmm_ctl_tier tier;
    struct answer answer;
    unsigned int i;

    begin();
    domain = fake_host_add(1, 1);
    domain->session = true;
    domain->open_rc = VMM_E_NOMEM;
    domain->error = "no memory left";
    leave(1, RECORD_ACTIVE, true, NULL);
    start_daemon();
    UNTIL(nr_ready);
    wait_state(1, PHASE_FAILED);
    session_tier(sessions_find(sessions, 1), &tier);
    CU_ASSERT_EQUAL(tier.state, VMM_CTL_SESSION_FAILED);
    CU_ASSERT_EQUAL(tier.failed_rc, VMM_E_NOMEM);
    CU_ASSERT_FALSE(tier.has_stat);
    /* Nothing can be brought back without it. */
    CU_ASSERT_EQUAL(asked(sessions_off, 1), VMM_E_NOMEM);
    CU_ASSERT_EQUAL(asked(sessions_refresh, 1), 0);
    CU_ASSERT_EQUAL(asked(sessions_reset_latency, 1), VMM_E_AGAIN);
    CU_ASSERT_TRUE(HAS_RECORD(1));

    /* By itself. */
    for (i = 1; i < RETRY_TICKS; i++) {
        tick(sessions);
        turn();
    }
    CU_ASSERT_EQUAL(domain->nr_opens, 1);
    tick(sessions);
    UNTIL(domain->nr_opens == 2);
    wait_state(1, PHASE_FAILED);
    /* By request, that says why not. */
    ask(sessions_retry, &answer, 1);
    UNTIL(answer.nr);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_NOMEM);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer.text, "no memory left"));

    /* What needs somebody is not tried over and over. */
    order(&domain->open_rc, VMM_E_CHECKSUM);
    CU_ASSERT_EQUAL(asked(sessions_retry, 1), VMM_E_CHECKSUM);
    i = domain->nr_opens;
    tick(sessions);
    tick(sessions);
    CU_ASSERT_EQUAL(domain->nr_opens, i);
    /* Repaired: tier-set takes it up. */
    order(&domain->open_rc, 0);
    set(&answer, 1, 6 * MIB);
    CU_ASSERT_EQUAL(answer.rc, 0);
    CU_ASSERT_EQUAL(domain->target_pages, 6 * MIB);
    CU_ASSERT_EQUAL(nr_ready, 1);
    stop_daemon(false);
    end();
}

/* It is there, and its files are not: never as if it were not paged. */
static void sessions_adopt__files_lost(void)
{
    struct fake_domain *domain;

    begin();
    domain = fake_host_add(1, 1);
    domain->session = true;
    leave(1, RECORD_ACTIVE, false, NULL);
    start_daemon();
    UNTIL(nr_ready);
    wait_state(1, PHASE_FAILED);
    CU_ASSERT_EQUAL(asked(sessions_off, 1), VMM_E_NOENT);
    CU_ASSERT_TRUE(HAS_RECORD(1));
    make_file(store_dir, 1, ".pages");
    make_file(index_dir, 1, ".index");
    CU_ASSERT_EQUAL(asked(sessions_retry, 1), 0);
    CU_ASSERT_EQUAL(phase_of(1), PHASE_ACTIVE);
    stop_daemon(true);
    CU_ASSERT_FALSE(domain->session);
    end();
}

/* A toolstack that does not answer is no proof of death. */
static void sessions_adopt__toolstack_fails(void)
{
    struct fake_domain *domain;
    unsigned int i;

    begin();
    domain = fake_host_add(1, 1);
    domain->session = true;
    domain->info_rc = domain->watch_rc = VMM_E_LOCAL;
    leave(1, RECORD_ACTIVE, true, NULL);
    start_daemon();
    CU_ASSERT_EQUAL(nr_ready, 1);
    CU_ASSERT_EQUAL(phase_of(1), PHASE_FAILED);
    CU_ASSERT_TRUE(HAS_RECORD(1) && HAS_STORE(1) && HAS_INDEX(1));
    order(&domain->info_rc, 0);
    order(&domain->watch_rc, 0);
    for (i = 0; i < RETRY_TICKS; i++) {
        tick(sessions);
        turn();
    }
    wait_state(1, PHASE_ACTIVE);
    CU_ASSERT_EQUAL(domain->nr_watches, 1);
    restart();
    wait_state(1, PHASE_ACTIVE);
    stop_daemon(false);
    end();
}

/* A session that no record tells of. */
static void sessions_set__takes_over(void)
{
    struct fake_domain *domain;
    struct answer answer;

    begin();
    domain = fake_host_add(1, 1);
    domain->session = true;
    make_file(store_dir, 1, ".pages");
    make_file(index_dir, 1, ".index");
    start_daemon();
    set(&answer, 1, MIB);
    CU_ASSERT_EQUAL(answer.rc, 0);
    CU_ASSERT_TRUE(domain->opts.adopt);
    CU_ASSERT_EQUAL(domain->nr_opens, 2);
    stop_daemon(false);

    /* Its files are not there: it stays recorded, so that it is seen. */
    fake_host_remove_dir(state_dir);
    fake_host_remove_dir(index_dir);
    (void)mkdir(state_dir, 0700);
    (void)mkdir(index_dir, 0700);
    start_daemon();
    set(&answer, 1, MIB);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_NOENT);
    CU_ASSERT_EQUAL(phase_of(1), PHASE_FAILED);
    CU_ASSERT_TRUE(HAS_RECORD(1) && HAS_STORE(1));
    restart();
    wait_state(1, PHASE_FAILED);
    CU_ASSERT_TRUE(HAS_RECORD(1) && HAS_STORE(1));
    stop_daemon(false);
    end();
}

/* Every page is back, and the worker is told to stop before it sees that. */
static void ended__drained_when_told_to_stop(void)
{
    struct fake_domain *domain;
    struct answer answer;

    begin();
    domain = fake_host_add(1, 1);
    start_daemon();
    set(&answer, 1, MIB);
    hold(&domain->hold_drain, true);
    ask(sessions_off, &answer, 1);
    UNTIL(domain->nr_drains);
    sessions_stop(sessions, false, count, &nr_stopped);
    hold(&domain->hold_drain, false);
    UNTIL(nr_stopped);
    CU_ASSERT_EQUAL(answer.rc, 0);
    CU_ASSERT_FALSE(HAS_RECORD(1) != domain->session);
    sessions_close(sessions);
    regions_close(regions);
    loop_close(loop);
    end();
}

static void ended__pager_stops_by_itself(void)
{
    struct fake_domain *domain;
    struct answer answer;

    begin();
    domain = fake_host_add(1, 1);
    start_daemon();
    set(&answer, 1, MIB);
    order(&domain->dispatch_rc, VMM_E_LOCAL);
    fake_host_poke(1);
    wait_state(1, PHASE_FAILED);
    CU_ASSERT_TRUE(HAS_RECORD(1) && domain->session);
    order(&domain->dispatch_rc, 0);
    tick(sessions);
    wait_state(1, PHASE_ACTIVE);
    CU_ASSERT_TRUE(domain->opts.adopt);
    CU_ASSERT_EQUAL(domain->nr_opens, 2);

    /* With somebody waiting, who is told. */
    hold(&domain->hold_drain, true);
    order(&domain->dispatch_rc, VMM_E_LOCAL);
    ask(sessions_off, &answer, 1);
    UNTIL(answer.nr);
    CU_ASSERT_EQUAL(answer.rc, VMM_E_LOCAL);
    CU_ASSERT_EQUAL(on_disk(1).record.state, RECORD_DRAINING);
    order(&domain->dispatch_rc, 0);
    hold(&domain->hold_drain, false);
    tick(sessions);
    UNTIL(!sessions_nr(sessions));
    CU_ASSERT_FALSE(domain->session);
    stop_daemon(false);
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(sessions_set__new_one),
    UT_CASE(sessions_set__refused),
    UT_CASE(sessions_set__limit),
    UT_CASE(sessions_set__files_of_others),
    UT_CASE(sessions_set__record_cannot_be_written),
    UT_CASE(sessions_set__nth_allocation_fails),
    UT_CASE(sessions_set__again),
    UT_CASE(sessions_set__id_was_used_before),
    UT_CASE(sessions_set__takes_over),
    UT_CASE(sessions_off__all_back),
    UT_CASE(sessions_off__not_detached),
    UT_CASE(sessions_refresh__all_and_one),
    UT_CASE(sessions_domain_died__in_each_phase),
    UT_CASE(sessions_stop__keep_and_adopt),
    UT_CASE(sessions_stop__drain),
    UT_CASE(sessions_stop__in_each_phase),
    UT_CASE(sessions_adopt__what_a_crash_left),
    UT_CASE(sessions_adopt__fails_for_a_while),
    UT_CASE(sessions_adopt__files_lost),
    UT_CASE(sessions_adopt__toolstack_fails),
    UT_CASE(ended__drained_when_told_to_stop),
    UT_CASE(ended__pager_stops_by_itself),
};
UT_MAIN("dom0-daemon/session", cases)
