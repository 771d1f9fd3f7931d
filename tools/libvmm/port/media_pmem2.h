/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * media_pmem2.h: a file, or a device-dax, as media, by libpmem2.
 *
 * What is durable costs what the media asks for: flushed cache lines, or
 * msync() where that is what there is (an ordinary file; granularity "page").
 * Locked as long as it is open, against others that open it so.
 */
#ifndef VMM_PORT_MEDIA_PMEM2_H
#define VMM_PORT_MEDIA_PMEM2_H

#include "include/vmm.h"
#include "table/media.h"

enum vmm__pmem2_granularity {
    VMM__PMEM2_BYTE,            /* stores are durable as they are */
    VMM__PMEM2_CACHE_LINE,
    VMM__PMEM2_PAGE,
};

/*
 * create_bytes: not 0, make the file, of this size, all of it allocated; it
 * must not be there.  Of a device-dax the size is given.
 * Errors: VMM_E_EXISTS; VMM_E_NOENT; VMM_E_BUSY: somebody has it open;
 * VMM_E_PERM; VMM_E_NOSPC; VMM_E_IO; VMM_E_NOTSUP: it cannot be mapped;
 * VMM_E_NOMEM.  Each is logged.
 */
int vmm__media_pmem2_open(const char *path, uint64_t create_bytes,
                          const struct vmm_logger *logger,
                          struct vmm__media *media_out);
void vmm__media_pmem2_close(struct vmm__media *media);

enum vmm__pmem2_granularity
vmm__media_pmem2_granularity(const struct vmm__media *media);

#endif
