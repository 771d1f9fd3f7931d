/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job.c: a thread for each job, and one way back; see job.h. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "job.h"

struct jobs {
    int fd;
    struct loop_event *event;
    unsigned int nr;            /* begun, done() not called yet */
    pthread_mutex_t lock;
    pthread_cond_t over;
    struct job *first;          /* whose threads are at their end */
};

static void *run(void *arg)
{
    struct job *job = arg;
    struct jobs *jobs = job->jobs;
    uint64_t one = 1;

    job->run(job);
    pthread_mutex_lock(&jobs->lock);
    job->next = jobs->first;
    jobs->first = job;
    (void)pthread_cond_signal(&jobs->over);
    (void)!write(jobs->fd, &one, sizeof(one));
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

static void collect(void *user)
{
    struct jobs *jobs = user;
    struct job *job, *next;
    uint64_t count;

    (void)!read(jobs->fd, &count, sizeof(count));
    pthread_mutex_lock(&jobs->lock);
    job = jobs->first;
    jobs->first = NULL;
    pthread_mutex_unlock(&jobs->lock);
    for (; job; job = next) {
        next = job->next;
        (void)pthread_join(job->thread, NULL);
        jobs->nr--;
        job->done(job);
    }
}

int jobs_open(struct loop *loop, struct jobs **jobs_out)
{
    struct jobs *jobs = calloc(1, sizeof(*jobs));
    int rc;

    if (!jobs) {
        return VMM_E_NOMEM;
    }
    (void)pthread_mutex_init(&jobs->lock, NULL);
    (void)pthread_cond_init(&jobs->over, NULL);
    jobs->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = jobs->fd < 0 ? VMM_E_LOCAL
                      : loop_add_fd(loop, jobs->fd, collect, jobs,
                                    &jobs->event);
    if (rc) {
        jobs_close(jobs);
        return rc;
    }
    *jobs_out = jobs;
    return 0;
}

void jobs_close(struct jobs *jobs)
{
    if (!jobs) {
        return;
    }
    while (jobs->nr) {
        pthread_mutex_lock(&jobs->lock);
        while (!jobs->first) {
            (void)pthread_cond_wait(&jobs->over, &jobs->lock);
        }
        pthread_mutex_unlock(&jobs->lock);
        collect(jobs);
    }
    loop_remove(jobs->event);
    if (jobs->fd >= 0) {
        (void)close(jobs->fd);
    }
    (void)pthread_cond_destroy(&jobs->over);
    (void)pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}

int job_start(struct jobs *jobs, struct job *job)
{
    job->jobs = jobs;
    if (pthread_create(&job->thread, NULL, run, job)) {
        return VMM_E_NOMEM;
    }
    jobs->nr++;
    return 0;
}
