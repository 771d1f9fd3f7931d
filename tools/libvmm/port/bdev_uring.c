/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bdev_uring.c: table/bdev.h by io_uring: a ring per class, with ioprio. */
#include <assert.h>
#include <errno.h>
#include <linux/ioprio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <liburing.h>

#include "base/log.h"
#include "port/bdev_uring.h"
#include "port/storefile.h"

#define BLOCK_BYTES VMM__BDEV_ALIGN_BYTES
#define RING_DEPTH 128u         /* of one class */
#define FIXED_MAX_BYTES (1ull << 30)    /* of one registered buffer */
#define NR_FIXED_MAX 64u

struct ring {
    struct io_uring uring;
    bool open;
    bool polled;
    bool refused;               /* polled, and the device does not like it */
    bool fixed;                 /* has the registered buffers */
    uint16_t ioprio;            /* 0: none */
    uint32_t nr_inflight;       /* including what is not kicked yet */
    uint32_t nr_unkicked;
};

struct bdev_uring {
    struct ring rings[VMM_NR_REQCLASSES];
    struct vmm__storefile file;
    int epfd;
    uint8_t *fixed_base;
    uint64_t fixed_bytes;
    struct vmm_logger logger;
};

/*
 * Levels of one class.  With DEMAND as IOPRIO_CLASS_RT, mq-deadline holds back
 * all others for as long as a DEMAND is in its queue or in flight, up to 10 s
 * (prio_aging_expire): a bound that is not ours, on what took a place in our
 * cap.  Measured with four vCPUs faulting: DEMAND's median 77 us instead of
 * 100, prefetching 2 MB/s instead of 100.
 */
static const uint16_t class_ioprio[VMM_NR_REQCLASSES] = {
    [VMM_REQ_DEMAND] = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 0),
    [VMM_REQ_FOREIGN] = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 2),
    [VMM_REQ_PREFETCH] = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 5),
    [VMM_REQ_EVICT] = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6),
    [VMM_REQ_PURGE] = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 7),
};

/* Transfers. */

static bool is_fixed(const struct bdev_uring *bdev, const uint8_t *buf,
                     uint32_t len_bytes, int *index_out)
{
    /* Wraps around if it is below. */
    uint64_t from = (uintptr_t)buf - (uintptr_t)bdev->fixed_base;

    if (from >= bdev->fixed_bytes || len_bytes > bdev->fixed_bytes - from) {
        return false;
    }
    *index_out = (int)(from / FIXED_MAX_BYTES);
    return (from + len_bytes - 1) / FIXED_MAX_BYTES ==
           (uint64_t)*index_out;
}

/* What is left of an io, into the ring. */
static bool ring_push(struct bdev_uring *bdev, struct ring *ring,
                      struct vmm__bdev_io *io)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    uint64_t offset_bytes = io->offset_bytes + io->moved_bytes;
    uint32_t len_bytes = io->len_bytes - io->moved_bytes;
    uint8_t *buf = (uint8_t *)io->buf + io->moved_bytes;
    int fd = bdev->file.fd, index;

    if (!sqe) {
        return false;
    }
    if (ring->fixed && is_fixed(bdev, buf, len_bytes, &index)) {
        if (io->write) {
            io_uring_prep_write_fixed(sqe, fd, buf, len_bytes, offset_bytes,
                                      index);
        } else {
            io_uring_prep_read_fixed(sqe, fd, buf, len_bytes, offset_bytes,
                                     index);
        }
    } else if (io->write) {
        io_uring_prep_write(sqe, fd, buf, len_bytes, offset_bytes);
    } else {
        io_uring_prep_read(sqe, fd, buf, len_bytes, offset_bytes);
    }
    sqe->ioprio = ring->ioprio;
    if (io->durable) {
        sqe->rw_flags = RWF_DSYNC;
    }
    io_uring_sqe_set_data(sqe, io);
    ring->nr_unkicked++;
    return true;
}

static int uring_submit(void *self, struct vmm__bdev_io *io)
{
    struct bdev_uring *bdev = self;
    struct ring *ring = &bdev->rings[io->reqclass];

    if (ring->refused) {
        ring = &bdev->rings[VMM_REQ_FOREIGN];
    }
    assert(!((uintptr_t)io->buf % BLOCK_BYTES));
    assert(!(io->offset_bytes % BLOCK_BYTES));
    assert(io->len_bytes && !(io->len_bytes % BLOCK_BYTES));

    io->moved_bytes = 0;
    if (ring->nr_inflight >= RING_DEPTH || !ring_push(bdev, ring, io)) {
        return VMM_E_AGAIN;
    }
    ring->nr_inflight++;
    return 0;
}

static void ring_kick(struct bdev_uring *bdev, struct ring *ring)
{
    int r;

    while (ring->nr_unkicked) {
        r = io_uring_submit(&ring->uring);
        if (r == -EINTR) {
            continue;
        }
        if (r <= 0) {
            /* Short of memory, say: reap() tries again. */
            if (r && r != -EAGAIN && r != -EBUSY) {
                vmm__log(&bdev->logger, VMM_LOG_ERROR,
                         "io_uring_enter: %s", strerror(-r));
            }
            break;
        }
        ring->nr_unkicked -= (uint32_t)r < ring->nr_unkicked
                             ? (uint32_t)r : ring->nr_unkicked;
    }
}

static void uring_kick(void *self)
{
    struct bdev_uring *bdev = self;
    unsigned int i;

    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        ring_kick(bdev, &bdev->rings[i]);
    }
}

/* True if there is more to do before the io is complete. */
static bool go_on(struct bdev_uring *bdev, struct ring *ring,
                  struct vmm__bdev_io *io, int res)
{
    if (res > 0) {
        io->moved_bytes += (uint32_t)res;
        if (io->moved_bytes >= io->len_bytes) {
            return false;
        }
    } else if (res != -EINTR && res != -EAGAIN) {
        return false;
    }
    /* No more than RING_DEPTH are between us and the kernel: room for it. */
    return ring_push(bdev, ring, io);
}

/*
 * A ring cannot stop polling.  What shows only now that its device cannot be
 * polled goes by the next ring, which waits for interrupts.
 */
static bool moved_on(struct bdev_uring *bdev, struct ring *ring,
                     struct vmm__bdev_io *io, int res)
{
    struct ring *other = &bdev->rings[VMM_REQ_FOREIGN];

    if (!ring->polled || res != -EOPNOTSUPP) {
        return false;
    }
    if (!ring->refused) {
        vmm__log(&bdev->logger, VMM_LOG_WARN,
                 "store: cannot be polled, waiting for interrupts");
        ring->refused = true;
    }
    if (other->nr_inflight >= RING_DEPTH || !ring_push(bdev, other, io)) {
        return false;
    }
    other->nr_inflight++;
    ring->nr_inflight--;
    return true;
}

static int result(const struct bdev_uring *bdev,
                  const struct vmm__bdev_io *io, int res)
{
    int rc;

    if (res >= 0 && io->moved_bytes == io->len_bytes) {
        return 0;
    }
    rc = res < 0 && vmm__storefile_error(-res) == VMM_E_NOSPC
         ? VMM_E_NOSPC : VMM_E_IO;
    vmm__log(&bdev->logger, VMM_LOG_WARN,
             "store: %s of %u bytes at %llu: %s",
             io->write ? "write" : "read", io->len_bytes,
             (unsigned long long)io->offset_bytes,
             res < 0 ? strerror(-res) : "past the end");
    return rc;
}

static unsigned int ring_reap(struct bdev_uring *bdev, struct ring *ring)
{
    struct io_uring_cqe *cqe;
    unsigned int nr_done = 0;
    /* Else an io that ends at once and is resubmitted would keep us here. */
    unsigned int budget = ring->nr_inflight;

    while (ring->nr_inflight && budget-- > 0) {
        struct vmm__bdev_io *io;
        int res;

        if (io_uring_peek_cqe(&ring->uring, &cqe)) {
            break;
        }
        io = io_uring_cqe_get_data(cqe);
        res = cqe->res;
        io_uring_cqe_seen(&ring->uring, cqe);
        if (go_on(bdev, ring, io, res) || moved_on(bdev, ring, io, res)) {
            continue;
        }

        ring->nr_inflight--;
        nr_done++;
        io->done(io, result(bdev, io, res));
    }
    ring_kick(bdev, ring);

    return nr_done;
}

static unsigned int uring_reap(void *self)
{
    struct bdev_uring *bdev = self;
    unsigned int nr_done = 0, i;

    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        nr_done += ring_reap(bdev, &bdev->rings[i]);
    }
    return nr_done;
}

static int uring_fd(void *self)
{
    const struct bdev_uring *bdev = self;

    return bdev->epfd;
}

static bool uring_must_poll(void *self)
{
    const struct bdev_uring *bdev = self;
    unsigned int i;

    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        const struct ring *ring = &bdev->rings[i];

        if ((ring->polled && ring->nr_inflight) || ring->nr_unkicked) {
            return true;
        }
    }
    return false;
}

static int uring_register_mem(void *self, void *base, uint64_t len_bytes)
{
    struct bdev_uring *bdev = self;
    struct iovec iov[NR_FIXED_MAX];
    unsigned int nr = 0, i;
    uint64_t from;
    int r = 0;

    if (bdev->fixed_bytes) {
        return VMM_E_BUSY;
    }
    if (!len_bytes || len_bytes > NR_FIXED_MAX * FIXED_MAX_BYTES) {
        return VMM_E_NOTSUP;
    }

    for (from = 0; from < len_bytes; from += FIXED_MAX_BYTES) {
        uint64_t len = len_bytes - from;

        iov[nr].iov_base = (uint8_t *)base + from;
        iov[nr++].iov_len = len < FIXED_MAX_BYTES ? len : FIXED_MAX_BYTES;
    }
    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        r = io_uring_register_buffers(&bdev->rings[i].uring, iov, nr);
        if (r) {
            break;
        }
    }
    if (r) {
        vmm__log(&bdev->logger, VMM_LOG_INFO,
                 "buffers cannot be registered (%s), going on without",
                 strerror(-r));
        while (i-- > 0) {
            (void)io_uring_unregister_buffers(&bdev->rings[i].uring);
        }
        return VMM_E_NOTSUP;
    }

    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        bdev->rings[i].fixed = true;
    }
    bdev->fixed_base = base;
    bdev->fixed_bytes = len_bytes;
    return 0;
}

static const struct vmm__bdev_ops uring_ops = {
    .submit = uring_submit,
    .kick = uring_kick,
    .reap = uring_reap,
    .fd = uring_fd,
    .must_poll = uring_must_poll,
    .register_mem = uring_register_mem,
};

/* Opening: the rings. */

/* Where this kernel says what a device can do; tests have their own. */
static const char *sysfs_dev_block = "/sys/dev/block";

static bool has_poll_queues(dev_t dev)
{
    /* Partitions have no queue of their own. */
    static const char *const queues[] = { "queue", "../queue" };
    char path[256], value = '0';
    unsigned int i;
    FILE *file;

    for (i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%u:%u/%s/io_poll",
                       sysfs_dev_block, major(dev), minor(dev), queues[i]);
        file = fopen(path, "re");
        if (!file) {
            continue;
        }
        if (fread(&value, 1, 1, file) != 1) {
            value = '0';
        }
        (void)fclose(file);
        break;
    }
    return value == '1';
}

static int ring_open(struct bdev_uring *bdev, struct ring *ring, bool polled)
{
    struct io_uring_params params = {
        .flags = polled ? IORING_SETUP_IOPOLL : 0,
    };
    struct epoll_event event = { .events = EPOLLIN };
    int r;

    r = io_uring_queue_init_params(RING_DEPTH, &ring->uring, &params);
    if (r) {
        vmm__log(&bdev->logger, VMM_LOG_ERROR, "no io_uring: %s%s",
                 strerror(-r), r == -EPERM ?
                 " (kernel.io_uring_disabled?)" : "");
        return r == -EPERM ? VMM_E_NOTSUP : vmm__storefile_error(-r);
    }
    ring->open = true;
    ring->polled = polled;
    if (!polled && epoll_ctl(bdev->epfd, EPOLL_CTL_ADD,
                             ring->uring.ring_fd, &event)) {
        vmm__log(&bdev->logger, VMM_LOG_ERROR, "epoll_ctl: %s",
                 strerror(errno));
        return vmm__storefile_error(errno);
    }
    return 0;
}

static void ring_close(struct ring *ring)
{
    if (ring->open) {
        io_uring_queue_exit(&ring->uring);
        ring->open = false;
    }
}

/* Read the first block: what the kernel makes of this ring's settings. */
static int ring_probe(struct bdev_uring *bdev, struct ring *ring, void *buf)
{
    struct io_uring_cqe *cqe;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    int res;

    io_uring_prep_read(sqe, bdev->file.fd, buf, BLOCK_BYTES, 0);
    sqe->ioprio = ring->ioprio;
    do {
        res = io_uring_submit_and_wait(&ring->uring, 1);
    } while (res == -EINTR);
    if (res < 0) {
        return res;
    }
    do {
        res = io_uring_wait_cqe(&ring->uring, &cqe);
    } while (res == -EINTR);
    if (res) {
        return res;
    }
    res = cqe->res;
    io_uring_cqe_seen(&ring->uring, cqe);
    return res;
}

static int rings_open(struct bdev_uring *bdev, const char *path,
                      bool poll_wanted)
{
    uint8_t *buf = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
    bool polled = poll_wanted && bdev->file.direct &&
                  has_poll_queues(bdev->file.dev);
    unsigned int i;
    int rc = 0;

    if (!buf) {
        return VMM_E_NOMEM;
    }
    if (poll_wanted && !polled) {
        vmm__log(&bdev->logger, VMM_LOG_INFO,
                 "%s: its device has no poll queues, waiting for interrupts",
                 path);
    }

    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        struct ring *ring = &bdev->rings[i];
        int res;

        rc = ring_open(bdev, ring, polled && i == VMM_REQ_DEMAND);
        if (rc) {
            goto out;
        }
        ring->ioprio = class_ioprio[i];
        res = ring_probe(bdev, ring, buf);
        if ((res == -EOPNOTSUPP || res == -EINVAL) && ring->polled) {
            vmm__log(&bdev->logger, VMM_LOG_WARN,
                     "%s: cannot be polled (%s), waiting for interrupts",
                     path, strerror(-res));
            ring_close(ring);
            polled = false;
            rc = ring_open(bdev, ring, false);
            if (rc) {
                goto out;
            }
            res = ring_probe(bdev, ring, buf);
        }
        if (res == -EINVAL || res == -EPERM) {
            ring->ioprio = 0;
            res = ring_probe(bdev, ring, buf);
            if (res >= 0) {
                vmm__log(&bdev->logger, VMM_LOG_WARN,
                         "%s: no I/O priority for class %s", path,
                         vmm_reqclass_name(i));
            }
        }
        if (res < 0) {
            vmm__log(&bdev->logger, VMM_LOG_ERROR, "%s: cannot read: %s",
                     path, strerror(-res));
            rc = vmm__storefile_error(-res);
            goto out;
        }
    }

 out:
    free(buf);
    return rc;
}

static void dispose(struct bdev_uring *bdev)
{
    unsigned int i;

    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        ring_close(&bdev->rings[i]);
    }
    if (bdev->epfd >= 0) {
        (void)close(bdev->epfd);
    }
    vmm__storefile_close(&bdev->file);
    free(bdev);
}

int vmm__bdev_uring_open(const char *path, uint64_t size_bytes,
                         unsigned int flags, const struct vmm_logger *logger,
                         struct vmm__bdev *bdev_out, uint64_t *size_out)
{
    struct bdev_uring *bdev;
    int rc;

    bdev = calloc(1, sizeof(*bdev));
    if (!bdev) {
        return VMM_E_NOMEM;
    }
    bdev->file.fd = -1;
    if (logger) {
        bdev->logger = *logger;
    }
    bdev->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (bdev->epfd < 0) {
        vmm__log(logger, VMM_LOG_ERROR, "epoll_create1: %s",
                 strerror(errno));
        rc = vmm__storefile_error(errno);
        goto out;
    }

    rc = vmm__storefile_open(path, size_bytes, flags, logger, &bdev->file);
    if (rc) {
        goto out;
    }
    rc = rings_open(bdev, path, flags & VMM__BDEV_POLL);
    if (rc) {
        goto out;
    }

    *bdev_out = (struct vmm__bdev){ .ops = &uring_ops, .self = bdev };
    *size_out = bdev->file.size_bytes;
    bdev = NULL;

 out:
    if (bdev) {
        dispose(bdev);
    }
    return rc;
}

void vmm__bdev_uring_close(struct vmm__bdev *bdev)
{
    struct bdev_uring *self = bdev->self;
    unsigned int i;

    if (!self) {
        return;
    }
    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        assert(!self->rings[i].nr_inflight);
    }
    dispose(self);
    bdev->self = NULL;
}
