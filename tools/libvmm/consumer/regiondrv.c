/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* regiondrv.c: the thread of a region's storage; see regiondrv.h. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "consumer/regiondrv.h"

#define NS_PER_MS 1000000ull

struct listener {
    void (*fn)(void *user);     /* NULL: free */
    void *user;
};

struct vmm__regiondrv {
    struct vmm__region *region;
    struct vmm__bdev bdev;
    struct vmm__clock clock;
    struct vmm__engine *engine;
    struct vmm__purger *purger;
    pthread_t thread;
    int wake_fd;

    pthread_mutex_t lock;       /* what follows */
    struct vmm__list_node recalls;  /* new, or to be promoted */
    struct vmm__list_node jobs;     /* new */
    struct vmm__purger_cfg cfg;
    bool cfg_new, stopping;

    pthread_mutex_t listeners_lock;
    struct listener listeners[VMM__REGIONDRV_LISTENERS];
    _Atomic int stuck;
    uint64_t nr_purged_told;      /* the thread's */
};

static void wake(struct vmm__regiondrv *drv)
{
    uint64_t one = 1;

    /* Full means that it will wake all the same. */
    (void)!write(drv->wake_fd, &one, sizeof(one));
}

static void recall_done(struct vmm__engine_io *eio, int rc)
{
    struct vmm__recall_io *io = vmm__container_of(eio, struct vmm__recall_io,
                                                  eio);
    struct vmm__regiondrv *drv = io->drv;

    pthread_mutex_lock(&drv->lock);
    if (io->listed) {
        vmm__list_del(&io->node);
    }
    io->over = true;
    pthread_mutex_unlock(&drv->lock);
    io->done(io, rc);
}

/* What others left for us; true: it is time to end. */
static bool take(struct vmm__regiondrv *drv)
{
    bool stopping;

    pthread_mutex_lock(&drv->lock);
    while (!vmm__list_empty(&drv->recalls)) {
        struct vmm__recall_io *io = vmm__container_of(
            drv->recalls.next, struct vmm__recall_io, node);

        vmm__list_del(&io->node);
        io->listed = false;
        if (io->submitted) {
            (void)vmm__engine_promote(drv->engine, &io->eio, io->promote);
            continue;
        }
        io->submitted = true;
        io->eio.bio.reqclass = io->promote;
        vmm__engine_submit(drv->engine, &io->eio);
    }
    while (!vmm__list_empty(&drv->jobs)) {
        struct vmm__purge_job *job = vmm__container_of(
            drv->jobs.next, struct vmm__purge_job, node);

        vmm__list_del(&job->node);
        vmm__purger_start(drv->purger, job);
    }
    if (drv->cfg_new) {
        vmm__purger_set(drv->purger, &drv->cfg);
        drv->cfg_new = false;
    }
    stopping = drv->stopping;
    pthread_mutex_unlock(&drv->lock);
    return stopping;
}

static void tell(struct vmm__regiondrv *drv)
{
    struct vmm__region_stat stat;
    int stuck = vmm__purger_stuck(drv->purger);
    unsigned int i;

    vmm__region_stat(drv->region, &stat);
    if (stat.nr_purged == drv->nr_purged_told &&
        stuck == atomic_load(&drv->stuck)) {
        return;
    }
    drv->nr_purged_told = stat.nr_purged;
    atomic_store(&drv->stuck, stuck);
    pthread_mutex_lock(&drv->listeners_lock);
    for (i = 0; i < VMM__REGIONDRV_LISTENERS; i++) {
        if (drv->listeners[i].fn) {
            drv->listeners[i].fn(drv->listeners[i].user);
        }
    }
    pthread_mutex_unlock(&drv->listeners_lock);
}

static void wait_for_work(struct vmm__regiondrv *drv)
{
    uint64_t due_ns = vmm__purger_due_ns(drv->purger), now_ns, ms;
    struct pollfd fds[] = {
        { .fd = drv->wake_fd, .events = POLLIN },
        { .fd = drv->bdev.ops->fd(drv->bdev.self), .events = POLLIN },
    };
    uint64_t engine_ns = vmm__engine_due_ns(drv->engine), count;

    due_ns = engine_ns < due_ns ? engine_ns : due_ns;
    now_ns = vmm__now_ns(&drv->clock);
    if (vmm__engine_must_poll(drv->engine) || due_ns <= now_ns) {
        return;
    }
    ms = (due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
    (void)poll(fds, 2, due_ns == UINT64_MAX ? -1 :
               ms < 1000 ? (int)ms : 1000);
    if (fds[0].revents) {
        (void)!read(drv->wake_fd, &count, sizeof(count));
    }
}

static void *run(void *arg)
{
    struct vmm__regiondrv *drv = arg;
    bool stopping = false;

    for (;;) {
        if (take(drv) && !stopping) {
            stopping = true;
            vmm__purger_stop(drv->purger);
        }
        vmm__purger_step(drv->purger);
        (void)vmm__engine_dispatch(drv->engine);
        tell(drv);
        if (stopping && vmm__engine_idle(drv->engine)) {
            return NULL;
        }
        wait_for_work(drv);
    }
}

void vmm__regiondrv_recall(struct vmm__regiondrv *drv,
                           struct vmm__recall_io *io)
{
    io->drv = drv;
    io->submitted = io->over = false;
    io->listed = true;
    io->promote = io->reqclass;
    io->eio.bio.write = io->eio.bio.durable = false;
    io->eio.bio.offset_bytes = VMM__SLOT_OFFSET_BYTES(io->slot);
    io->eio.bio.len_bytes = VMM__BLOCK_BYTES;
    io->eio.bio.buf = io->buf;
    io->eio.done = recall_done;
    pthread_mutex_lock(&drv->lock);
    vmm__list_add_tail(&drv->recalls, &io->node);
    pthread_mutex_unlock(&drv->lock);
    wake(drv);
}

void vmm__regiondrv_promote(struct vmm__regiondrv *drv,
                            struct vmm__recall_io *io,
                            enum vmm_reqclass reqclass)
{
    pthread_mutex_lock(&drv->lock);
    io->promote = reqclass;
    if (!io->listed && !io->over) {
        io->listed = true;
        vmm__list_add_tail(&drv->recalls, &io->node);
    }
    pthread_mutex_unlock(&drv->lock);
    wake(drv);
}

void vmm__regiondrv_purge(struct vmm__regiondrv *drv,
                          struct vmm__purge_job *job)
{
    pthread_mutex_lock(&drv->lock);
    vmm__list_add_tail(&drv->jobs, &job->node);
    pthread_mutex_unlock(&drv->lock);
    wake(drv);
}

void vmm__regiondrv_set(struct vmm__regiondrv *drv,
                        const struct vmm__purger_cfg *cfg)
{
    pthread_mutex_lock(&drv->lock);
    drv->cfg = *cfg;
    drv->cfg_new = true;
    pthread_mutex_unlock(&drv->lock);
    wake(drv);
}

void vmm__regiondrv_get(struct vmm__regiondrv *drv,
                        struct vmm__purger_cfg *cfg_out)
{
    pthread_mutex_lock(&drv->lock);
    *cfg_out = drv->cfg;
    pthread_mutex_unlock(&drv->lock);
}

int vmm__regiondrv_listen(struct vmm__regiondrv *drv,
                          void (*fn)(void *user), void *user)
{
    int rc = VMM_E_BUSY;
    unsigned int i;

    pthread_mutex_lock(&drv->listeners_lock);
    for (i = 0; i < VMM__REGIONDRV_LISTENERS; i++) {
        if (!drv->listeners[i].fn) {
            drv->listeners[i] = (struct listener){ .fn = fn, .user = user };
            rc = 0;
            break;
        }
    }
    pthread_mutex_unlock(&drv->listeners_lock);
    return rc;
}

void vmm__regiondrv_unlisten(struct vmm__regiondrv *drv, void *user)
{
    unsigned int i;

    pthread_mutex_lock(&drv->listeners_lock);
    for (i = 0; i < VMM__REGIONDRV_LISTENERS; i++) {
        if (drv->listeners[i].user == user) {
            drv->listeners[i].fn = NULL;
        }
    }
    pthread_mutex_unlock(&drv->listeners_lock);
}

int vmm__regiondrv_stuck(struct vmm__regiondrv *drv)
{
    wake(drv);
    return atomic_load(&drv->stuck);
}

static void dispose(struct vmm__regiondrv *drv)
{
    vmm__purger_free(drv->purger);
    vmm__engine_free(drv->engine);
    if (drv->wake_fd >= 0) {
        (void)close(drv->wake_fd);
    }
    (void)pthread_mutex_destroy(&drv->lock);
    (void)pthread_mutex_destroy(&drv->listeners_lock);
    free(drv);
}

int vmm__regiondrv_new(struct vmm__region *region,
                       const struct vmm__bdev *bdev,
                       const struct vmm__clock *clock,
                       struct vmm__regiondrv **drv_out)
{
    struct vmm__regiondrv *drv = calloc(1, sizeof(*drv));
    struct vmm__engine_cfg cfg;
    int rc;

    if (!drv) {
        return VMM_E_NOMEM;
    }
    drv->region = region;
    drv->bdev = *bdev;
    drv->clock = *clock;
    vmm__list_init(&drv->recalls);
    vmm__list_init(&drv->jobs);
    (void)pthread_mutex_init(&drv->lock, NULL);
    (void)pthread_mutex_init(&drv->listeners_lock, NULL);
    drv->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    vmm__engine_cfg_default(&cfg);
    rc = drv->wake_fd < 0 ? VMM_E_LOCAL : 0;
    rc = rc ? rc : vmm__engine_new(&cfg, bdev, clock, &drv->engine);
    rc = rc ? rc : vmm__purger_new(region, drv->engine, clock, &drv->purger);
    if (!rc && pthread_create(&drv->thread, NULL, run, drv)) {
        rc = VMM_E_NOMEM;
    }
    if (rc) {
        dispose(drv);
        return rc;
    }
    *drv_out = drv;
    return 0;
}

void vmm__regiondrv_free(struct vmm__regiondrv *drv)
{
    if (!drv) {
        return;
    }
    pthread_mutex_lock(&drv->lock);
    drv->stopping = true;
    pthread_mutex_unlock(&drv->lock);
    wake(drv);
    (void)pthread_join(drv->thread, NULL);
    dispose(drv);
}
