/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log.h: lines for the caller's logger. */
#ifndef VMM_BASE_LOG_H
#define VMM_BASE_LOG_H

#include "include/vmm.h"

/* No newline; cut at 511 bytes.  Without a logger nothing happens. */
void vmm__log(const struct vmm_logger *logger, enum vmm_log_level level,
              const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
