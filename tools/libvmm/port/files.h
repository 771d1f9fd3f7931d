/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* files.h: table/files.h over a file system. */
#ifndef VMM_PORT_FILES_H
#define VMM_PORT_FILES_H

#include "include/vmm.h"
#include "table/files.h"

/* Files are made with mode 0600. */
extern const struct vmm__files_ops vmm__files_posix;

#endif
