/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * job.h: what takes long, in a thread of its own, so that the loop goes on.
 */
#ifndef VMMD_JOB_H
#define VMMD_JOB_H

#include <pthread.h>

#include "loop.h"

struct jobs;

/* Part of something larger; the caller's again in done(). */
struct job {
    void (*run)(struct job *job);       /* in the thread */
    void (*done)(struct job *job);      /* in the loop's */
    /* Ours. */
    struct jobs *jobs;
    struct job *next;
    pthread_t thread;
};

/* VMM_E_NOMEM, VMM_E_LOCAL. */
int jobs_open(struct loop *loop, struct jobs **jobs_out);
/* Waits for all, and calls their done().  NULL is fine. */
void jobs_close(struct jobs *jobs);
/* VMM_E_NOMEM: nothing is called. */
int job_start(struct jobs *jobs, struct job *job);

#endif
