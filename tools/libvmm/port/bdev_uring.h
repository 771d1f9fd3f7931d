/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bdev_uring.h: a file or block device by io_uring, a ring per class.
 *
 * The rings are joined by an epoll set, which is the fd of table/bdev.h.  The
 * kernel may interrupt a wait for it (EINTR) when something completes.
 */
#ifndef VMM_PORT_BDEV_URING_H
#define VMM_PORT_BDEV_URING_H

#include <stdint.h>

#include "include/vmm.h"
#include "port/storefile.h"
#include "table/bdev.h"

/*
 * Contents of a file of ours are kept and it is never made smaller.
 *
 *   flags       of enum vmm__bdev_flags
 *   size_bytes  wanted; a file is extended to it, and has room set aside
 *               where the file system can.  Of a block device, 0: all
 *   logger      copied; may be NULL
 *   size_out    what may be used, a multiple of 4 KiB: size_bytes of a file
 *               (or all of it, with EXISTING), the size of a block device
 *               but not more than size_bytes
 *
 * Errors: VMM_E_NOENT    not there, and no CREATE
 *         VMM_E_EXISTS   a file with something in it that is not ours
 *         VMM_E_INVAL    neither file nor block device; no size; a link
 *         VMM_E_RANGE    less than 4 KiB, or not a multiple
 *         VMM_E_VERSION  a file of another version of ours
 *         VMM_E_BUSY     in use by somebody else: another pager, a mount
 *         VMM_E_PERM, VMM_E_NOSPC, VMM_E_IO, VMM_E_NOMEM, VMM_E_LOCAL
 *         VMM_E_NOTSUP   this kernel offers no io_uring
 */
int vmm__bdev_uring_open(const char *path, uint64_t size_bytes,
                         unsigned int flags, const struct vmm_logger *logger,
                         struct vmm__bdev *bdev_out, uint64_t *size_out);
/* Nothing may be in flight.  A bdev that was not opened (all 0) is fine. */
void vmm__bdev_uring_close(struct vmm__bdev *bdev);

#endif
