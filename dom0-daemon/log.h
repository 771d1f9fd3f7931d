/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log.h: one line for each event, on standard error.
 *
 *     level=info component=session domid=7 msg="active: 37376 pages"
 *
 * Under systemd the line starts with its priority, as in sd-daemon(3);
 * elsewhere with the time.  A line is one write.  Any thread.
 */
#ifndef VMMD_LOG_H
#define VMMD_LOG_H

#include "include/vmm.h"

#define LOG_NO_DOMID UINT32_MAX

/* Finds out where standard error goes. */
void log_init(void);
void log_set_level(enum vmm_log_level level);
enum vmm_log_level log_get_level(void);
const char *log_level_name(enum vmm_log_level level);
/* VMM_E_INVAL for a name that is none. */
int log_level_of(const char *name, enum vmm_log_level *level_out);

void log_domain(enum vmm_log_level level, const char *component,
                uint32_t domid, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
#define log_line(level, component, ...) \
    log_domain(level, component, LOG_NO_DOMID, __VA_ARGS__)

#endif
