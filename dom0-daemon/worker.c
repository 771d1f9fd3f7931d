/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* worker.c: the thread that drives one pager; see worker.h. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"
#include "worker.h"

/* Messages on their way, and a descriptor that is readable if there are. */
struct queue {
    pthread_mutex_t lock;
    struct worker_msg *first, **last;
    int fd;
};

struct workers {
    struct queue back;
};

struct worker {
    struct workers *workers;
    const struct pager_ops *ops;
    struct vmm_pager_opts opts;
    char *store_path, *index_path;
    bool takeover;
    void *owner;
    struct queue in;
    pthread_t thread;
    /* The thread's own. */
    vmm_pager *pager;
    bool draining;
    struct worker_msg *ended;   /* there in any case, when its time comes */
    char text[WORKER_TEXT_BYTES];
};

static int queue_open(struct queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
    queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queue->fd < 0) {
        return VMM_E_NOMEM;
    }
    (void)pthread_mutex_init(&queue->lock, NULL);
    return 0;
}

static void queue_put(struct queue *queue, struct worker_msg *msg)
{
    uint64_t one = 1;

    msg->next = NULL;
    (void)pthread_mutex_lock(&queue->lock);
    *queue->last = msg;
    queue->last = &msg->next;
    (void)pthread_mutex_unlock(&queue->lock);
    (void)!write(queue->fd, &one, sizeof(one));
}

static struct worker_msg *queue_get(struct queue *queue)
{
    struct worker_msg *msg;
    uint64_t count;

    (void)!read(queue->fd, &count, sizeof(count));
    (void)pthread_mutex_lock(&queue->lock);
    msg = queue->first;
    if (msg) {
        queue->first = msg->next;
        if (!queue->first) {
            queue->last = &queue->first;
        }
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return msg;
}

static void queue_close(struct queue *queue)
{
    struct worker_msg *msg;

    if (queue->fd < 0) {
        return;
    }
    while ((msg = queue_get(queue)) != NULL) {
        free(msg);
    }
    (void)pthread_mutex_destroy(&queue->lock);
    close(queue->fd);
    queue->fd = -1;
}

int workers_open(struct workers **workers_out)
{
    struct workers *workers = calloc(1, sizeof(*workers));
    int rc;

    if (!workers) {
        return VMM_E_NOMEM;
    }
    rc = queue_open(&workers->back);
    if (rc) {
        free(workers);
        return rc;
    }
    *workers_out = workers;
    return 0;
}

void workers_close(struct workers *workers)
{
    if (!workers) {
        return;
    }
    queue_close(&workers->back);
    free(workers);
}

int workers_fd(const struct workers *workers)
{
    return workers->back.fd;
}

struct worker_msg *workers_next(struct workers *workers)
{
    return queue_get(&workers->back);
}

/* The thread. */

static void pager_log(void *user, enum vmm_log_level level, const char *msg)
{
    struct worker *worker = user;

    if (level == VMM_LOG_ERROR) {
        (void)snprintf(worker->text, sizeof(worker->text), "%s", msg);
    }
    log_domain(level, "pager", worker->opts.domid, "%s", msg);
}

static void send_back(struct worker *worker, struct worker_msg *msg)
{
    msg->owner = worker->owner;
    memcpy(msg->text, worker->text, sizeof(msg->text));
    queue_put(&worker->workers->back, msg);
}

static int open_pager(struct worker *worker)
{
    const struct vmm_logger logger = { pager_log, worker };
    int rc;

    rc = worker->ops->open(&worker->opts, &logger, &worker->pager);
    if (rc == VMM_E_SESSION && worker->takeover && !worker->opts.adopt) {
        log_domain(VMM_LOG_WARN, "worker", worker->opts.domid,
                   "has a session that no record tells of; taken over");
        worker->opts.adopt = true;
        worker->ended->took_over = true;
        rc = worker->ops->open(&worker->opts, &logger, &worker->pager);
    }
    return rc;
}

/* False: this was the last. */
static bool handle(struct worker *worker, struct worker_msg *msg)
{
    const struct pager_ops *ops = worker->ops;

    switch (msg->type) {
    case WORKER_STAT:
        break;
    case WORKER_SET_TARGET:
        msg->rc = ops->set_target(worker->pager, msg->target_pages,
                                  msg->floor_pages);
        break;
    case WORKER_DRAIN:
        ops->drain(worker->pager);
        worker->draining = true;
        break;
    case WORKER_RETRY:
        ops->retry(worker->pager);
        break;
    case WORKER_RESET_LATENCY:
        ops->reset_latency(worker->pager);
        break;
    case WORKER_STOP:
        worker->ended->end = msg->end;
        send_back(worker, msg);
        return false;
    default:
        msg->rc = VMM_E_INVAL;
        break;
    }
    msg->stat.size = sizeof(msg->stat);
    if (ops->stat(worker->pager, &msg->stat)) {
        msg->stat.size = 0;
    }
    send_back(worker, msg);
    return true;
}

static void serve(struct worker *worker)
{
    struct pollfd pfds[] = {
        { .fd = worker->in.fd, .events = POLLIN },
        { .fd = worker->ops->fd(worker->pager), .events = POLLIN },
    };
    struct worker_msg *msg;
    int rc;

    for (;;) {
        rc = worker->ops->dispatch(worker->pager);
        if (rc == VMM_E_NOENT) {
            worker->ended->end = WORKER_END_GONE;
            return;
        }
        if (rc) {
            /* The session is sound and can be taken up again. */
            worker->ended->end = WORKER_END_STOPPED;
            worker->ended->rc = rc;
            return;
        }
        if (worker->draining && worker->ops->drained(worker->pager)) {
            worker->ended->end = WORKER_END_DRAINED;
            return;
        }

        if (poll(pfds, 2, -1) < 0) {
            continue;
        }
        while ((msg = queue_get(&worker->in)) != NULL) {
            if (!handle(worker, msg)) {
                return;
            }
        }
    }
}

static void *worker_main(void *user)
{
    struct worker *worker = user;
    struct worker_msg *opened = worker->ended->next;
    int rc;

    worker->ended->next = NULL;
    rc = open_pager(worker);
    if (rc) {
        free(opened);
        worker->ended->rc = rc;
        worker->ended->end = WORKER_END_NOT_OPENED;
    } else {
        opened->stat.size = sizeof(opened->stat);
        if (worker->ops->stat(worker->pager, &opened->stat)) {
            opened->stat.size = 0;
        }
        send_back(worker, opened);
        worker->text[0] = '\0';
        serve(worker);
        worker->ops->close(worker->pager);
    }
    send_back(worker, worker->ended);
    return NULL;
}

/* The loop thread. */

static void worker_free(struct worker *worker)
{
    queue_close(&worker->in);
    free(worker->store_path);
    free(worker->index_path);
    free(worker);
}

int worker_start(struct workers *workers, const struct pager_ops *ops,
                 const struct vmm_pager_opts *opts, bool takeover,
                 void *owner, struct worker **worker_out)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    struct worker_msg *opened = NULL;
    sigset_t all, before;
    int rc, r;

    if (!worker) {
        return VMM_E_NOMEM;
    }
    worker->workers = workers;
    worker->ops = ops;
    worker->opts = *opts;
    worker->takeover = takeover;
    worker->owner = owner;
    worker->in.fd = -1;
    worker->store_path = opts->store_path ? strdup(opts->store_path) : NULL;
    worker->index_path = strdup(opts->index_path);
    worker->opts.store_path = worker->store_path;
    worker->opts.index_path = worker->index_path;
    worker->ended = calloc(1, sizeof(*worker->ended));
    opened = calloc(1, sizeof(*opened));
    if ((opts->store_path && !worker->store_path) || !worker->index_path ||
        !worker->ended || !opened) {
        rc = VMM_E_NOMEM;
        goto out;
    }
    worker->ended->type = WORKER_ENDED;
    worker->ended->next = opened;
    opened->type = WORKER_OPENED;
    rc = queue_open(&worker->in);
    if (rc) {
        goto out;
    }

    /* Signals are the loop's. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&worker->thread, NULL, worker_main, worker);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r) {
        rc = VMM_E_NOMEM;
        goto out;
    }

    *worker_out = worker;
    worker = NULL;

 out:
    if (worker) {
        free(opened);
        free(worker->ended);
        worker_free(worker);
    }
    return rc;
}

void worker_send(struct worker *worker, struct worker_msg *msg)
{
    queue_put(&worker->in, msg);
}

void worker_join(struct worker *worker)
{
    struct worker_msg *msg;

    (void)pthread_join(worker->thread, NULL);
    while ((msg = queue_get(&worker->in)) != NULL) {
        msg->rc = VMM_E_CANCELED;
        msg->owner = worker->owner;
        queue_put(&worker->workers->back, msg);
    }
    worker_free(worker);
}
