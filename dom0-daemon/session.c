/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* session.c: the domains that are paged; see session.h. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "record.h"
#include "session.h"
#include "waiter.h"

#define TICK_MS 1000
/* Adoption that failed for a while is tried again each so many ticks. */
#define RETRY_TICKS 5
/* A domain may be renamed. */
#define NAME_TICKS 10
#define TEXT_BYTES 512

enum phase {
    PHASE_NEW = 0,      /* to be recorded, then opened */
    PHASE_OPENING,
    PHASE_ACTIVE,
    PHASE_DRAINING,
    PHASE_STOPPING,     /* the worker was told to stop */
    PHASE_FAILED,       /* there is a session, but it cannot be taken up */
    PHASE_OVER,         /* files are to be removed */
};

static const char *const phase_names[] = {
    [PHASE_NEW] = "new",
    [PHASE_OPENING] = "opening",
    [PHASE_ACTIVE] = "active",
    [PHASE_DRAINING] = "draining",
    [PHASE_STOPPING] = "stopping",
    [PHASE_FAILED] = "failed",
    [PHASE_OVER] = "over",
};

struct session {
    struct vmm__list_node node;         /* in order of domid */
    struct sessions *sessions;
    enum phase phase;
    struct record record;
    bool dirty;                 /* the record is not on disk like this */
    int store_rc;               /* why not */
    bool adopting;              /* it was there before */
    bool had_index, had_store;  /* files that were, when it was new */
    bool gone;                  /* the domain */
    struct worker *worker;
    void *watch;
    char uuid[UUID_TEXT_BYTES], name[DOMAIN_NAME_BYTES];
    uint64_t named_tick;
    uint32_t retry_ticks;       /* till it is opened again; 0: not */
    int failed_rc;
    const char *why;            /* start() failed */
    bool has_stat;
    struct vmm_pager_stat stat;
};

struct sessions {
    struct loop *loop;
    const struct conf *conf;
    const struct toolstack_ops *toolstack_ops;
    void *toolstack;
    const struct pager_ops *pager_ops;
    struct regions *regions;
    struct workers *workers;
    struct loop_event *workers_event, *tick_event;
    struct vmm__list_node list;
    struct vmm__list_node waiters;
    uint32_t nr;
    uint64_t tick;
    bool store_again;           /* a tick has passed since a failure */
    char boot_id[BOOT_ID_BYTES];
    loop_fn *ready, *stopped;
    void *ready_user, *stopped_user;
    bool stopping, draining;
};

static void set_phase(struct session *session, enum phase phase)
{
    log_domain(VMM_LOG_DEBUG, "session", session->record.domid, "%s -> %s",
               phase_names[session->phase], phase_names[phase]);
    session->phase = phase;
}

/* All that wait for this session, in this way. */
static void ready_all(struct session *session, enum waiter_kind kind, int rc,
                      const char *text)
{
    waiters_ready(&session->sessions->waiters, session, kind, rc, text);
}

static char *index_path(const struct sessions *sessions, uint32_t domid)
{
    char *path;

    return asprintf(&path, "%s/dom%u.index", sessions->conf->index_dir,
                    domid) < 0 ? NULL : path;
}

static bool exists(const char *path)
{
    return !access(path, F_OK);
}

/* The region that is a session's store; NULL: it has a file or device. */
static const char *region_of(const char *store)
{
    size_t len = strlen(RECORD_REGION_PREFIX);

    return strncmp(store, RECORD_REGION_PREFIX, len) ? NULL : store + len;
}

static bool store_exists(const struct session *session)
{
    return region_of(session->record.store) || exists(session->record.store);
}

static bool index_exists(const struct session *session)
{
    char *path = index_path(session->sessions, session->record.domid);
    bool there = !path || exists(path);

    free(path);
    return there;
}

/*
 * The record last: it tells the next vmmd that there is this to do.  With
 * `had_*', files that were there before are not the session's.
 */
static void remove_files(const struct sessions *sessions,
                         const struct record *record, bool had_index,
                         bool had_store)
{
    char *index = index_path(sessions, record->domid);

    if (index && !had_index) {
        (void)unlink(index);
    }
    if (record->store_ours && !had_store && unlink(record->store) &&
        exists(record->store)) {
        log_domain(VMM_LOG_WARN, "session", record->domid,
                   "%s cannot be removed: %m", record->store);
    }
    free(index);
    (void)record_remove(sessions->conf->state_dir, record->domid);
}


static struct session *session_new(struct sessions *sessions,
                                   struct record *record, const char *name)
{
    struct session *session = calloc(1, sizeof(*session));
    struct vmm__list_node *at;

    if (!session) {
        return NULL;
    }
    session->sessions = sessions;
    session->record = *record;
    memset(record, 0, sizeof(*record));
    record_uuid_text(session->record.uuid, session->uuid);
    (void)snprintf(session->name, sizeof(session->name), "%s", name);

    for (at = sessions->list.next; at != &sessions->list; at = at->next) {
        if (vmm__container_of(at, struct session, node)->record.domid >
            session->record.domid) {
            break;
        }
    }
    vmm__list_add_tail(at, &session->node);
    sessions->nr++;
    return session;
}

static void session_free(struct session *session)
{
    struct sessions *sessions = session->sessions;
    struct vmm__list_node *at = sessions->waiters.next;
    struct waiter *waiter;
    const char *region;

    assert(!session->worker);
    while ((waiter = waiter_next(&sessions->waiters, session, &at)) != NULL) {
        if (!waiter->ready) {
            waiter_ready(waiter, waiter->kind == WAIT_OFF ? 0 :
                         VMM_E_CANCELED, "domain %u: the session ended "
                         "meanwhile", session->record.domid);
        }
        waiter_done(waiter, NULL);
    }
    if (session->watch) {
        sessions->toolstack_ops->unwatch(sessions->toolstack,
                                         session->watch);
    }
    region = region_of(session->record.store);
    if (region) {
        regions_release(sessions->regions, region, session->record.domid,
                        session->phase == PHASE_OVER);
    }
    vmm__list_del(&session->node);
    sessions->nr--;
    record_dispose(&session->record);
    free(session);
}

static int watch(struct session *session)
{
    struct sessions *sessions = session->sessions;

    if (session->watch) {
        return 0;
    }
    return sessions->toolstack_ops->watch(sessions->toolstack,
                                          session->record.domid,
                                          &session->watch);
}

static int start(struct session *session)
{
    struct sessions *sessions = session->sessions;
    const struct conf *conf = sessions->conf;
    struct vmm_pager_opts opts = { .size = sizeof(opts) };
    const char *region;
    char *index;
    int rc;

    session->why = "it cannot be watched, or has no thread";
    rc = watch(session);
    if (rc) {
        return rc;
    }
    index = index_path(sessions, session->record.domid);
    if (!index) {
        return VMM_E_NOMEM;
    }
    opts.domid = session->record.domid;
    memcpy(opts.uuid, session->record.uuid, sizeof(opts.uuid));
    region = region_of(session->record.store);
    if (region) {
        rc = regions_use(sessions->regions, region, opts.domid,
                         session->adopting, &opts.region, &session->why);
        if (rc) {
            free(index);
            return rc;
        }
    } else {
        opts.store_path = session->record.store;
    }
    opts.index_path = index;
    opts.adopt = session->adopting;
    opts.target_pages = session->record.target_pages;
    opts.floor_pages = session->record.floor_pages;
    opts.fifo = session->record.fifo;
    opts.no_prefetch = session->record.no_prefetch;
    opts.io_error_retries = (uint32_t)conf->io_error_retries;
    opts.harvest_ms = (uint32_t)conf->harvest_interval_ms;
    rc = worker_start(sessions->workers, sessions->pager_ops, &opts,
                      !session->adopting, session, &session->worker);
    if (!rc) {
        session->retry_ticks = 0;
        set_phase(session, PHASE_OPENING);
    }
    free(index);
    return rc;
}

static int command(struct session *session, enum worker_msg_type type,
                   void *user)
{
    struct worker_msg *msg = calloc(1, sizeof(*msg));

    if (!msg) {
        return VMM_E_NOMEM;
    }
    msg->type = type;
    msg->user = user;
    msg->target_pages = session->record.target_pages;
    msg->floor_pages = session->record.floor_pages;
    worker_send(session->worker, msg);
    return 0;
}

static void stop(struct session *session, enum worker_end end)
{
    struct worker_msg *msg;

    if (session->phase == PHASE_STOPPING) {
        return;
    }
    msg = calloc(1, sizeof(*msg));
    if (!msg) {
        return;     /* the pager finds out by itself, or is asked again */
    }
    msg->type = WORKER_STOP;
    msg->end = end;
    worker_send(session->worker, msg);
    set_phase(session, PHASE_STOPPING);
}

static void check_ready(struct sessions *sessions)
{
    struct vmm__list_node *at;
    loop_fn *ready = sessions->ready;

    for (at = sessions->list.next; at != &sessions->list; at = at->next) {
        if (vmm__container_of(at, struct session, node)->phase ==
            PHASE_OPENING) {
            return;
        }
    }
    if (ready) {
        sessions->ready = NULL;
        ready(sessions->ready_user);
    }
}

static void check_stopped(struct sessions *sessions)
{
    loop_fn *stopped = sessions->stopped;

    if (stopped && vmm__list_empty(&sessions->list)) {
        sessions->stopped = NULL;
        stopped(sessions->stopped_user);
    }
}

/* What workers say. */

static void opened(struct session *session, const struct worker_msg *msg)
{
    struct record *record = &session->record;
    bool drain = record->state == RECORD_DRAINING;

    if (msg->stat.size) {
        session->stat = msg->stat;
        session->has_stat = true;
    }
    if (session->phase != PHASE_OPENING) {
        return;     /* it is being stopped */
    }
    log_domain(VMM_LOG_INFO, "session", record->domid,
               "%s: target %llu pages, store %s",
               session->adopting ? "taken up again" : "active",
               (unsigned long long)record->target_pages, record->store);
    set_phase(session, drain ? PHASE_DRAINING : PHASE_ACTIVE);
    if (drain) {
        (void)command(session, WORKER_DRAIN, NULL);
    } else {
        record->state = RECORD_ACTIVE;
        session->dirty = true;
    }
    session->adopting = true;   /* from now on */
    session->had_index = session->had_store = false;
    ready_all(session, WAIT_SET, 0, "");
}

static bool domain_is_there(const struct session *session)
{
    const struct sessions *sessions = session->sessions;
    struct domain domain;
    int rc;

    rc = sessions->toolstack_ops->info(sessions->toolstack,
                                       session->record.domid, &domain);
    if (rc) {
        return rc != VMM_E_NOENT;
    }
    return !memcmp(domain.uuid, session->record.uuid, sizeof(domain.uuid));
}

static void failed(struct session *session, int rc, const char *text)
{
    session->failed_rc = rc;
    session->has_stat = false;
    session->retry_ticks = vmm_error_class_of(rc) == VMM_ECLASS_RETRY
                           ? RETRY_TICKS : 0;
    set_phase(session, PHASE_FAILED);
    log_domain(VMM_LOG_ERROR, "session", session->record.domid,
               "cannot be taken up: %s (%s): vCPUs that touch a page that "
               "is out wait; repair it, then xl tier-set", vmm_error_text(rc),
               text);
    ready_all(session, WAIT_SET, rc, text);
    ready_all(session, WAIT_OFF, rc, text);
    ready_all(session, WAIT_COMMAND, rc, text);
}

/* The pager removes the index when, after draining, it has detached. */
static bool detached(const struct session *session)
{
    return session->record.state == RECORD_DRAINING &&
           !index_exists(session);
}

static void not_opened(struct session *session, const struct worker_msg *msg)
{
    struct record *record = &session->record;
    char text[TEXT_BYTES];

    (void)snprintf(text, sizeof(text), "domain %u cannot be paged: %s%s%s",
                   record->domid, vmm_error_text(msg->rc),
                   msg->text[0] ? ": " : "", msg->text);
    if (msg->took_over) {
        /* That there is a session is known now, so its files are needed. */
        session->adopting = true;
        record->state = RECORD_ACTIVE;
        session->dirty = true;
    }
    if (!session->adopting) {
        log_domain(VMM_LOG_WARN, "session", record->domid, "%s", text);
        ready_all(session, WAIT_SET, msg->rc, text);
        set_phase(session, PHASE_OVER);
        return;
    }
    /* Not there, or only something that it needs? */
    if (!domain_is_there(session) ||
        (msg->rc == VMM_E_NOENT &&
         (record->state == RECORD_OPENING || detached(session) ||
          (index_exists(session) && store_exists(session))))) {
        log_domain(VMM_LOG_INFO, "session", record->domid,
                   "there is no session any more");
        session->had_index = session->had_store = false;
        set_phase(session, PHASE_OVER);
        return;
    }
    failed(session, msg->rc, text);
}

static void ended(struct session *session, const struct worker_msg *msg)
{
    struct sessions *sessions = session->sessions;
    bool stopping = session->phase == PHASE_STOPPING;
    uint32_t domid = session->record.domid;

    worker_join(session->worker);
    session->worker = NULL;

    if (session->gone || msg->end == WORKER_END_GONE) {
        log_domain(VMM_LOG_INFO, "session", domid, "the domain is gone");
        session->had_index = session->had_store = false;
        set_phase(session, PHASE_OVER);
        return;
    }
    /* Also one that was told to stop just then. */
    if (msg->end != WORKER_END_NOT_OPENED && detached(session)) {
        log_domain(VMM_LOG_INFO, "session", domid,
                   "ended: every page is back");
        set_phase(session, PHASE_OVER);
        return;
    }
    switch (msg->end) {
    case WORKER_END_DRAINED:
        log_domain(VMM_LOG_WARN, "session", domid, "cannot be detached yet");
        set_phase(session, PHASE_FAILED);
        session->retry_ticks = 1;
        return;
    case WORKER_END_NOT_OPENED:
        if (!stopping || !session->adopting) {
            not_opened(session, msg);
            return;
        }
        break;
    default:
        if (!stopping) {
            failed(session, msg->rc, "the pager stopped");
            session->retry_ticks = 1;
            return;
        }
        break;
    }
    log_domain(VMM_LOG_INFO, "session", domid, "left to the next start");
    session_free(session);
    check_stopped(sessions);
}

/* `session' is NULL if it is no more. */
static void answered(struct sessions *sessions, struct session *session,
                     const struct worker_msg *msg)
{
    struct vmm__list_node *at = sessions->waiters.next;
    struct waiter *waiter;

    if (session && !msg->rc && msg->stat.size) {
        session->stat = msg->stat;
        session->has_stat = true;
    }
    /* It may have been told otherwise already. */
    while ((waiter = waiter_next(&sessions->waiters, NULL, &at)) != NULL) {
        if (waiter == msg->user) {
            break;
        }
    }
    if (!waiter || --waiter->nr_left) {
        return;
    }
    if (waiter->kind == WAIT_REFRESH || !msg->rc) {
        waiter_ready(waiter, 0, "%s", "");
    } else {
        waiter_ready(waiter, msg->rc, "%s%s%s", vmm_error_text(msg->rc),
                     msg->text[0] ? ": " : "", msg->text);
    }
}

static struct session *session_of(const struct sessions *sessions,
                                  const void *owner)
{
    struct session *session = NULL;

    while ((session = sessions_next(sessions, session)) != NULL) {
        if (session == owner) {
            break;
        }
    }
    return session;
}

static void workers_said(void *user)
{
    struct sessions *sessions = user;
    struct worker_msg *msg;

    while ((msg = workers_next(sessions->workers)) != NULL) {
        struct session *session = session_of(sessions, msg->owner);

        switch (msg->type) {
        case WORKER_OPENED:
            opened(session, msg);
            break;
        case WORKER_ENDED:
            ended(session, msg);
            break;
        default:
            answered(sessions, session, msg);
            break;
        }
        free(msg);
    }
}

static void tick(void *user)
{
    struct sessions *sessions = user;
    struct session *session = NULL;

    sessions->tick++;
    sessions->store_again = true;
    while ((session = sessions_next(sessions, session)) != NULL) {
        if (session->phase == PHASE_FAILED && session->retry_ticks &&
            !--session->retry_ticks && start(session)) {
            session->retry_ticks = RETRY_TICKS;
        }
        /* Somebody may be shown how far it is. */
        if (session->phase == PHASE_DRAINING) {
            (void)command(session, WORKER_STAT, NULL);
        }
    }
}

/* The hook. */

static void store_one(struct sessions *sessions, struct session *session)
{
    struct vmm__list_node *at = sessions->waiters.next;
    struct waiter *waiter;

    if (session->phase == PHASE_OVER) {
        remove_files(sessions, &session->record, session->had_index,
                     session->had_store);
        session_free(session);
        return;
    }
    if (session->phase == PHASE_FAILED && sessions->stopping &&
        !(sessions->draining && session->retry_ticks)) {
        session_free(session);
        return;
    }
    if (session->dirty && (!session->store_rc || sessions->store_again)) {
        session->store_rc = record_save(sessions->conf->state_dir,
                                        &session->record);
        session->dirty = session->store_rc != 0;
    }

    if (session->phase == PHASE_NEW) {
        int rc = session->store_rc ? session->store_rc : start(session);

        if (rc) {
            ready_all(session, WAIT_SET, rc, session->store_rc
                          ? "the session cannot be recorded; see vmmd's log"
                          : session->why);
            remove_files(sessions, &session->record, session->had_index,
                         session->had_store);
            session_free(session);
            return;
        }
    }
    while ((waiter = waiter_next(&sessions->waiters, session, &at)) != NULL) {
        if (waiter->ready) {
            if (session->dirty && !waiter->rc && waiter->kind == WAIT_SET) {
                waiter_ready(waiter, session->store_rc, "domain %u: done, "
                             "but it cannot be recorded for the next start; "
                             "see vmmd's log", session->record.domid);
            }
            waiter_done(waiter, session);
        }
    }
}

void sessions_store(void *user)
{
    struct sessions *sessions = user;
    struct vmm__list_node *at, *next;
    struct waiter *waiter;

    for (at = sessions->list.next; at != &sessions->list; at = next) {
        next = at->next;
        store_one(sessions, vmm__container_of(at, struct session, node));
    }
    sessions->store_again = false;

    at = sessions->waiters.next;
    while ((waiter = waiter_next(&sessions->waiters, NULL, &at)) != NULL) {
        if (!waiter->session && waiter->ready) {
            waiter_done(waiter, NULL);
        }
    }
    check_ready(sessions);
    check_stopped(sessions);
}

/* What is asked for. */

static void change(struct sessions *sessions, struct session *session,
                   const struct session_set *set, session_done_fn *done,
                   void *user)
{
    struct record *record = &session->record;
    struct waiter *waiter;
    uint64_t floor = set->has_floor ? set->floor_pages : record->floor_pages;

    const char *region = region_of(record->store);

    if ((set->store && strcmp(set->store, record->store)) ||
        (set->region && (!region || strcmp(set->region, region))) ||
        (set->has_fifo && set->fifo != record->fifo) ||
        (set->has_no_prefetch && set->no_prefetch != record->no_prefetch)) {
        done(user, VMM_E_EXISTS, "the domain is paged already, with another "
             "store or other options; xl tier-off it first", NULL);
        return;
    }
    if (record->state == RECORD_DRAINING) {
        done(user, VMM_E_BUSY, "the domain's pages are being brought back; "
             "wait for xl tier-off to end", NULL);
        return;
    }
    if (set->target_pages < floor) {
        done(user, VMM_E_RANGE, "the target is below the floor", NULL);
        return;
    }
    if (session->phase != PHASE_ACTIVE && session->phase != PHASE_FAILED) {
        done(user, VMM_E_AGAIN, "the session is being opened or closed; "
             "try again", NULL);
        return;
    }

    waiter = waiter_new(&sessions->waiters, WAIT_SET, session, done, user);
    if (!waiter) {
        return;
    }
    record->target_pages = set->target_pages;
    record->floor_pages = floor;
    session->dirty = true;
    if (session->phase == PHASE_FAILED) {
        int rc = start(session);

        if (rc) {
            waiter_ready(waiter, rc, "%s", session->why);
        }
        return;
    }
    /* Pages that failed are tried again as well. */
    (void)command(session, WORKER_RETRY, NULL);
    if (command(session, WORKER_SET_TARGET, waiter)) {
        waiter_ready(waiter, VMM_E_NOMEM, "%s", "");
    } else {
        waiter->nr_left = 1;
    }
}

void sessions_set(struct sessions *sessions, const struct session_set *set,
                  session_done_fn *done, void *user)
{
    uint32_t domid = set->domain.domid;
    struct session *session = sessions_find(sessions, domid);
    struct record record = { .domid = domid, .state = RECORD_OPENING };
    char *store;
    int rc;

    if (session && !memcmp(session->record.uuid, set->domain.uuid,
                           sizeof(set->domain.uuid))) {
        change(sessions, session, set, done, user);
        return;
    }
    if (session) {
        done(user, VMM_E_BUSY, "the session of the domain that had this id "
             "is being closed; try again", NULL);
        return;
    }
    if (!set->domain.can_be_paged) {
        done(user, VMM_E_NOTSUP, "only HVM and PVH domains can be paged",
             NULL);
        return;
    }
    if (set->has_floor && set->target_pages < set->floor_pages) {
        done(user, VMM_E_RANGE, "the target is below the floor", NULL);
        return;
    }
    if (sessions->nr >= (uint32_t)sessions->conf->max_sessions) {
        done(user, VMM_E_BUSY, "there are max_sessions sessions already; "
             "see vmmd.conf(5)", NULL);
        return;
    }

    if (set->region) {
        if (asprintf(&store, RECORD_REGION_PREFIX "%s", set->region) < 0) {
            store = NULL;
        }
    } else if (set->store) {
        store = strdup(set->store);
    } else if (asprintf(&store, "%s/dom%u.pages", sessions->conf->store_dir,
                        domid) < 0) {
        store = NULL;
    }
    record.store = store;
    memcpy(record.boot_id, sessions->boot_id, sizeof(record.boot_id));
    memcpy(record.uuid, set->domain.uuid, sizeof(record.uuid));
    /* What somebody else made is theirs. */
    record.store_ours = store && !set->region &&
                        (!set->store || !exists(store));
    record.target_pages = set->target_pages;
    record.floor_pages = set->has_floor ? set->floor_pages : 0;
    record.fifo = set->has_fifo && set->fifo;
    record.no_prefetch = set->has_no_prefetch ? set->no_prefetch
                                              : !sessions->conf->prefetch;
    session = store ? session_new(sessions, &record, set->domain.name) : NULL;
    if (!session) {
        record_dispose(&record);
        done(user, VMM_E_NOMEM, NULL, NULL);
        return;
    }
    session->named_tick = sessions->tick;
    session->had_index = index_exists(session);
    session->had_store = store_exists(session);
    rc = watch(session);
    if (rc) {
        session_free(session);
        done(user, rc, "the toolstack does not tell of the domain's end",
             NULL);
        return;
    }
    if (!waiter_new(&sessions->waiters, WAIT_SET, session, done, user)) {
        session_free(session);
        return;
    }
    session->dirty = true;      /* and the hook goes on from here */
}

void sessions_off(struct sessions *sessions, struct session *session,
                  session_done_fn *done, void *user)
{
    if (session->phase == PHASE_FAILED) {
        done(user, session->failed_rc, "the session could not be taken up, "
             "so no page can be brought back; see vmmd's log, repair it, "
             "then xl tier-set", NULL);
        return;
    }
    if (session->phase != PHASE_ACTIVE && session->phase != PHASE_DRAINING) {
        done(user, VMM_E_AGAIN, "the session is being opened or closed; "
             "try again", NULL);
        return;
    }
    if (done && !waiter_new(&sessions->waiters, WAIT_OFF, session, done,
                            user)) {
        return;
    }
    if (session->phase == PHASE_ACTIVE) {
        log_domain(VMM_LOG_INFO, "session", session->record.domid,
                   "bringing every page back");
        session->record.state = RECORD_DRAINING;
        session->dirty = true;
        set_phase(session, PHASE_DRAINING);
        (void)command(session, WORKER_RETRY, NULL);
        (void)command(session, WORKER_DRAIN, NULL);
    }
}

static void simple(struct sessions *sessions, struct session *session,
                   enum worker_msg_type type, session_done_fn *done,
                   void *user)
{
    struct waiter *waiter;

    if (!session->worker || session->phase == PHASE_OPENING) {
        done(user, VMM_E_AGAIN, "the session is being opened or closed; "
             "try again", NULL);
        return;
    }
    waiter = waiter_new(&sessions->waiters, WAIT_COMMAND, session, done, user);
    if (!waiter) {
        return;
    }
    if (command(session, type, waiter)) {
        waiter_ready(waiter, VMM_E_NOMEM, "%s", "");
    } else {
        waiter->nr_left = 1;
    }
}

void sessions_retry(struct sessions *sessions, struct session *session,
                    session_done_fn *done, void *user)
{
    struct waiter *waiter;
    int rc;

    if (session->phase != PHASE_FAILED) {
        simple(sessions, session, WORKER_RETRY, done, user);
        return;
    }
    waiter = waiter_new(&sessions->waiters, WAIT_SET, session, done, user);
    rc = waiter ? start(session) : 0;
    if (rc) {
        waiter_ready(waiter, rc, "%s", session->why);
    }
}

void sessions_reset_latency(struct sessions *sessions,
                            struct session *session, session_done_fn *done,
                            void *user)
{
    simple(sessions, session, WORKER_RESET_LATENCY, done, user);
}

static void refresh_name(struct session *session)
{
    struct sessions *sessions = session->sessions;
    struct domain domain;

    if (sessions->tick - session->named_tick < NAME_TICKS) {
        return;
    }
    session->named_tick = sessions->tick;
    if (!sessions->toolstack_ops->info(sessions->toolstack,
                                       session->record.domid, &domain)) {
        memcpy(session->name, domain.name, sizeof(session->name));
    }
}

void sessions_refresh(struct sessions *sessions, struct session *session,
                      session_done_fn *done, void *user)
{
    struct session *at = session ? session : sessions_next(sessions, NULL);
    struct waiter *waiter;

    waiter = waiter_new(&sessions->waiters, WAIT_REFRESH, session, done, user);
    if (!waiter) {
        return;
    }
    for (; at; at = session ? NULL : sessions_next(sessions, at)) {
        refresh_name(at);
        /* One that is being opened answers when it is, and that is long. */
        if (at->worker && at->phase != PHASE_OPENING &&
            !command(at, WORKER_STAT, waiter)) {
            waiter->nr_left++;
        }
    }
    if (!waiter->nr_left) {
        waiter_ready(waiter, 0, "%s", "");
    }
}

void sessions_domain_died(struct sessions *sessions, uint32_t domid)
{
    struct session *session = sessions_find(sessions, domid);

    if (!session) {
        return;
    }
    session->gone = true;
    if (session->worker) {
        stop(session, WORKER_END_GONE);
    } else {
        session->had_index = session->had_store = false;
        set_phase(session, PHASE_OVER);
    }
}

void sessions_stop(struct sessions *sessions, bool drain, loop_fn *stopped,
                   void *user)
{
    struct session *session = NULL, *next;

    sessions->stopping = true;
    sessions->draining = drain;
    sessions->stopped = stopped;
    sessions->stopped_user = user;
    for (session = sessions_next(sessions, NULL); session; session = next) {
        next = sessions_next(sessions, session);
        if (!session->worker) {
            if (session->phase == PHASE_NEW) {
                set_phase(session, PHASE_OVER);
            } else if (session->phase != PHASE_OVER) {
                session_free(session);
            }
        } else if (drain && (session->phase == PHASE_ACTIVE ||
                             session->phase == PHASE_DRAINING)) {
            sessions_off(sessions, session, NULL, NULL);
        } else {
            stop(session, WORKER_END_STOPPED);
        }
    }
    check_stopped(sessions);
}

/* What a predecessor left. */

static void adopt_one(void *user, struct record *record)
{
    struct sessions *sessions = user;
    struct domain domain;
    struct session *session;
    int rc;

    rc = sessions->toolstack_ops->info(sessions->toolstack, record->domid,
                                       &domain);
    if (strcmp(record->boot_id, sessions->boot_id) || rc == VMM_E_NOENT ||
        (!rc && memcmp(domain.uuid, record->uuid, sizeof(domain.uuid)))) {
        log_domain(VMM_LOG_INFO, "session", record->domid,
                   "the domain of a session is gone; its files are removed");
        remove_files(sessions, record, false, false);
        record_dispose(record);
        return;
    }

    session = session_new(sessions, record, rc ? "" : domain.name);
    if (!session) {
        record_dispose(record);
        log_line(VMM_LOG_ERROR, "session", "out of memory");
        return;
    }
    session->adopting = true;
    set_phase(session, PHASE_FAILED);
    rc = start(session);
    if (rc) {
        failed(session, rc, session->why);
        session->retry_ticks = RETRY_TICKS;
    }
}

int sessions_adopt(struct sessions *sessions)
{
    int rc;

    rc = record_each(sessions->conf->state_dir, adopt_one, sessions);
    if (!rc) {
        check_ready(sessions);
    }
    return rc;
}

int sessions_open(struct loop *loop, const struct conf *conf,
                  const struct toolstack_ops *toolstack_ops, void *toolstack,
                  const struct pager_ops *pager_ops, struct regions *regions,
                  loop_fn *ready, void *user,
                  struct sessions **sessions_out)
{
    struct sessions *sessions = calloc(1, sizeof(*sessions));
    int rc;

    if (!sessions) {
        return VMM_E_NOMEM;
    }
    sessions->loop = loop;
    sessions->conf = conf;
    sessions->toolstack_ops = toolstack_ops;
    sessions->toolstack = toolstack;
    sessions->pager_ops = pager_ops;
    sessions->regions = regions;
    sessions->ready = ready;
    sessions->ready_user = user;
    vmm__list_init(&sessions->list);
    vmm__list_init(&sessions->waiters);
    rc = record_boot_id(sessions->boot_id);
    if (rc) {
        goto out;
    }
    rc = workers_open(&sessions->workers);
    if (rc) {
        goto out;
    }
    rc = loop_add_fd(loop, workers_fd(sessions->workers), workers_said,
                     sessions, &sessions->workers_event);
    if (rc) {
        goto out;
    }
    rc = loop_add_timer(loop, TICK_MS, tick, sessions,
                        &sessions->tick_event);
    if (rc) {
        goto out;
    }
    *sessions_out = sessions;
    sessions = NULL;

 out:
    sessions_close(sessions);
    return rc;
}

void sessions_close(struct sessions *sessions)
{
    if (!sessions) {
        return;
    }
    assert(vmm__list_empty(&sessions->list));
    loop_remove(sessions->tick_event);
    loop_remove(sessions->workers_event);
    workers_close(sessions->workers);
    free(sessions);
}

struct session *sessions_next(const struct sessions *sessions,
                              const struct session *after)
{
    struct vmm__list_node *next = after ? after->node.next
                                        : sessions->list.next;

    return next == &sessions->list
           ? NULL : vmm__container_of(next, struct session, node);
}

struct session *sessions_find(const struct sessions *sessions,
                              uint32_t domid)
{
    struct session *session = NULL;

    while ((session = sessions_next(sessions, session)) != NULL) {
        if (session->record.domid == domid) {
            break;
        }
    }
    return session;
}

uint32_t sessions_nr(const struct sessions *sessions)
{
    return sessions->nr;
}

void session_tier(const struct session *session,
                  struct vmm_ctl_tier *tier_out)
{
    static const enum vmm_ctl_session_state states[] = {
        [PHASE_NEW] = VMM_CTL_SESSION_OPENING,
        [PHASE_OPENING] = VMM_CTL_SESSION_OPENING,
        [PHASE_ACTIVE] = VMM_CTL_SESSION_ACTIVE,
        [PHASE_DRAINING] = VMM_CTL_SESSION_DRAINING,
        [PHASE_STOPPING] = VMM_CTL_SESSION_CLOSING,
        [PHASE_FAILED] = VMM_CTL_SESSION_FAILED,
        [PHASE_OVER] = VMM_CTL_SESSION_CLOSING,
    };

    memset(tier_out, 0, sizeof(*tier_out));
    tier_out->domid = session->record.domid;
    tier_out->name = session->name;
    tier_out->uuid = session->uuid;
    tier_out->store = session->record.store;
    tier_out->state = states[session->phase];
    tier_out->failed_rc = session->phase == PHASE_FAILED
                          ? session->failed_rc : 0;
    tier_out->has_stat = session->has_stat;
    tier_out->stat = session->stat;
}
