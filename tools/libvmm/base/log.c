/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log.c: lines for the caller's logger. */
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"

#define LINE_BYTES 512

void vmm__log(const struct vmm_logger *logger, enum vmm_log_level level,
              const char *fmt, ...)
{
    char line[LINE_BYTES];
    va_list ap;

    if (!logger || !logger->log) {
        return;
    }

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    logger->log(logger->user, level, line);
}
