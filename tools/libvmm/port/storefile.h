/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * storefile.h: opening the file or block device that is a store.
 *
 * A file belongs to us if it ends in a trailer of 4 KiB that says so; the
 * trailer is not part of the size.  Nobody else opens it while we do: it is
 * locked until the last transfer is over, even if the process dies.
 */
#ifndef VMM_PORT_STOREFILE_H
#define VMM_PORT_STOREFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "include/vmm.h"

#define VMM__STOREFILE_BLOCK_BYTES 4096u

enum vmm__bdev_flags {
    /* Make the file if it is not there, or is empty. */
    VMM__BDEV_CREATE = 1 << 0,
    /* Take a file that has contents and no trailer of ours. */
    VMM__BDEV_EXISTING = 1 << 1,
    /* Poll for DEMAND, if the device has queues for that. */
    VMM__BDEV_POLL = 1 << 2,
};

struct vmm__storefile {
    int fd;
    bool direct;                /* O_DIRECT */
    dev_t dev;                  /* the device that it is, or is on */
    uint64_t size_bytes;
};

/* Parameters and errors as of vmm__bdev_uring_open(). */
int vmm__storefile_open(const char *path, uint64_t size_bytes,
                        unsigned int flags, const struct vmm_logger *logger,
                        struct vmm__storefile *file_out);
void vmm__storefile_close(struct vmm__storefile *file);

/* What an errno of the block layer or a file system is to us. */
int vmm__storefile_error(int err);

#endif
