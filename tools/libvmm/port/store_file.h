/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store_file.h: a file or block device as the mass storage of a region.
 *
 * Its first block says whose it is; slots follow.  A file is a storefile.h of
 * ours, locked while it is open.
 */
#ifndef VMM_PORT_STORE_FILE_H
#define VMM_PORT_STORE_FILE_H

#include <stdbool.h>

#include "include/vmm.h"
#include "table/store.h"

/*
 * create: make it for the region of this UUID; else it must be that region's.
 * size_bytes: of all of it; of a block device, 0: as it is.
 * Errors: those of vmm__storefile_open(); VMM_E_EXISTS: it belongs to another
 * region, or, to be made, to any; VMM_E_CHECKSUM: its first block is damaged;
 * VMM_E_RANGE: too small.
 */
int vmm__store_file_open(const char *path, uint64_t size_bytes, bool create,
                         const uint8_t uuid[16],
                         const struct vmm_logger *logger,
                         struct vmm__store *store_out);
/* It is nobody's any more.  VMM_E_IO. */
int vmm__store_file_disown(const struct vmm__store *store);
void vmm__store_file_close(struct vmm__store *store);

#endif
