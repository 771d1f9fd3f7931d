/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* last_log.h: a logger that keeps what it was told last. */
#ifndef LAST_LOG_H
#define LAST_LOG_H

#include <stdio.h>

#include "include/vmm.h"

static char last_log[512];

static void last_log_keep(void *user, enum vmm_log_level level,
                          const char *msg)
{
    (void)user;
    (void)level;
    (void)snprintf(last_log, sizeof(last_log), "%s", msg);
}

static const struct vmm_logger logger = { last_log_keep, NULL };

#endif
