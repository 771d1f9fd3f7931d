/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bdev.h: a device or file that serves several queues, one per class.
 *
 * Implemented by port/bdev_uring.c (a ring per class), by the simulation and
 * by port/fault.c, which wraps any of them.  One thread per handle.
 */
#ifndef VMM_TABLE_BDEV_H
#define VMM_TABLE_BDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "include/vmm.h"

struct vmm__bdev_io {
    bool write;
    bool durable;                   /* a write that survives once it is done */
    enum vmm_reqclass reqclass;     /* the queue; fixed once submitted */
    uint64_t offset_bytes;
    uint32_t len_bytes;
    void *buf;                      /* aligned to VMM__BDEV_ALIGN_BYTES */
    /*
     * Called from reap(), in the caller's thread: 0, VMM_E_IO, VMM_E_NOSPC.
     * A short transfer is VMM_E_IO.  The io may be reused from here on.
     */
    void (*done)(struct vmm__bdev_io *io, int rc);

    uint32_t moved_bytes;           /* the device's own */
};

#define VMM__BDEV_ALIGN_BYTES 4096u

struct vmm__bdev_ops {
    /*
     * Hand one io to the queue of its class.  VMM_E_AGAIN: that queue is
     * full, nothing was taken.  Failure of the transfer itself is reported
     * through done(), never from here.
     */
    int (*submit)(void *bdev, struct vmm__bdev_io *io);
    /* Make everything submitted visible to the device. */
    void (*kick)(void *bdev);
    /* Call done() for what is complete, DEMAND first; returns how many. */
    unsigned int (*reap)(void *bdev);
    /* Readable when there is something to reap. */
    int (*fd)(void *bdev);
    /* True if completions of DEMAND must be polled for with reap(). */
    bool (*must_poll)(void *bdev);
    /*
     * Tell the device which memory ios will use (registered buffers).
     * Optional speed-up; the region stays the caller's.  VMM_E_NOTSUP is no
     * error for the caller.
     */
    int (*register_mem)(void *bdev, void *base, uint64_t len_bytes);
    /*
     * The rest is for what is more than a device, else NULL.
     *
     * Somebody waits now for an io that was submitted: deal with it as if it
     * were of this class.
     */
    void (*promote)(void *bdev, struct vmm__bdev_io *io,
                    enum vmm_reqclass reqclass);
    /* Their contents are not needed any more. */
    void (*discard)(void *bdev, uint64_t offset_bytes, uint32_t len_bytes);
    /*
     * How many blocks may be written at once.  VMM_E_AGAIN: none yet, fd() is
     * readable when there are; VMM_E_NOSPC, VMM_E_IO: none, and why.
     */
    int (*room)(void *bdev, uint64_t *nr_blocks_out);
};

struct vmm__bdev {
    const struct vmm__bdev_ops *ops;
    void *self;
};

#endif
