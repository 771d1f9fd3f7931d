/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* methods.h: what can be asked for on the control socket; see vmmd(8). */
#ifndef VMMD_METHODS_H
#define VMMD_METHODS_H

#include "control.h"
#include "session.h"
#include "toolstack.h"

/* When a method is allowed. */
enum methods_state {
    METHODS_STARTING = 1 << 0,  /* sessions are being taken up */
    METHODS_RUNNING = 1 << 1,
    METHODS_STOPPING = 1 << 2,
};

/* What methods work on; `user' of the two functions. */
struct methods {
    enum methods_state state;
    const char *version;
    struct sessions *sessions;
    struct regions *regions;
    struct retire *retire;
    const char *blocks_path;
    const struct toolstack_ops *toolstack_ops;
    void *toolstack;
};

void methods_request(void *methods, struct control_request *request);
void methods_progress(void *methods, struct control_request *request);

#endif
