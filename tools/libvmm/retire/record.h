/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record.h: the record on files of any kind; see include/vmm_retire.h. */
#ifndef VMM_RETIRE_RECORD_H
#define VMM_RETIRE_RECORD_H

#include "include/vmm_retire.h"
#include "table/files.h"

/* As of vmm_record_open(). */
int vmm__record_open(const struct vmm__files *files, const char *dir,
                     const char *list_path, bool with_variable,
                     const struct vmm_logger *logger,
                     struct vmm_record **record_out);

#endif
