/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * control.h: the control socket; who speaks on it is root, and not trusted.
 *
 * Answers are held until control_flush(), the last hook of a turn, so that
 * what they say has been stored.  The loop thread.
 *
 * Source: include/vmm_ctl.h.
 */
#ifndef VMMD_CONTROL_H
#define VMMD_CONTROL_H

#include <stdint.h>

#include "conf.h"
#include "include/vmm_ctl.h"
#include "loop.h"

struct control;

/* A request; ended by control_end() or control_fail(), once. */
struct control_request {
    struct vmm_ctl_request msg;
    /* For the method. */
    uint32_t domid;             /* whose progress is told; 0: nobody's */
    /* Ours. */
    struct client *client;      /* NULL: it has gone */
    struct control *control;
    struct control_request *prev, *next;
    uint32_t age_ticks;
};

typedef void control_request_fn(void *user, struct control_request *request);

/*
 * `request' is called for each; `progress' each second for each that is older
 * than that, and may call control_progress().
 */
int control_open(struct loop *loop, const struct conf *conf,
                 const char *version, control_request_fn *request,
                 control_request_fn *progress, void *user,
                 struct control **control_out);
/* Requests that are not ended go with it.  NULL is fine. */
void control_close(struct control *control);
void control_flush(void *control);

/*
 * {"id":..., for a member "result" or "progress", after which comes
 * control_end() or control_progress_end().
 */
struct vmm__json_out *control_begin(const struct control_request *request);
void control_end(struct control_request *request, struct vmm__json_out *out);
void control_progress_end(struct control_request *request,
                          struct vmm__json_out *out);
void control_fail(struct control_request *request, int rc,
                  const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
