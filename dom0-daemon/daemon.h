/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon.h: everything opened, run and closed in reverse.
 *
 * What vmmd stands on is given to it: main.c gives the real thing, tests
 * something of their own.
 */
#ifndef VMMD_DAEMON_H
#define VMMD_DAEMON_H

#include "retire.h"
#include "session.h"
#include "toolstack.h"

#define DAEMON_VERSION "1.0"

struct daemon_deps {
    const struct toolstack_ops *toolstack_ops;
    const struct pager_ops *pager_ops;
    const struct machine_ops *machine_ops;
    /* To whoever started us: "READY=1" and the like; see sd_notify(3). */
    void (*notify)(const char *what);
    uint32_t watchdog_ms;       /* how often notify() must come; 0: need not */
};

struct daemon_args {
    const char *conf_path;
    bool conf_given;            /* so it must exist */
    bool drain;                 /* at the end, whatever on_stop says */
};

/* Until SIGTERM or SIGINT.  Returns VMM_E_*; the log says more. */
int daemon_run(const struct daemon_args *args,
               const struct daemon_deps *deps);

#endif
