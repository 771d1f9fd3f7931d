/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* regionbdev.c: a region as the store of a pager; see regionbdev.h. */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "consumer/regionbdev.h"
#include "consumer/regionio.h"

#define NR_OPS 128u

struct op {
    struct vmm__recall_io recall_io;
    struct vmm__recall recall;
    struct vmm__list_node node;     /* free, or done */
    struct regionbdev *dev;
    struct vmm__bdev_io *io;        /* NULL: not in use */
    bool recalled;
    int rc;
};

struct regionbdev {
    struct vmm__region *region;
    struct vmm__regiondrv *drv;     /* NULL: no storage */
    int fd;
    struct op ops[NR_OPS];
    struct vmm__list_node free;
    pthread_mutex_t lock;           /* done */
    struct vmm__list_node done;
};

static void ring(void *self)
{
    const struct regionbdev *dev = self;
    uint64_t one = 1;

    (void)!write(dev->fd, &one, sizeof(one));
}

static void op_done(struct op *op, int rc)
{
    struct regionbdev *dev = op->dev;

    op->rc = rc;
    pthread_mutex_lock(&dev->lock);
    vmm__list_add_tail(&dev->done, &op->node);
    pthread_mutex_unlock(&dev->lock);
}

/* In the region's thread. */
static void recall_done(struct vmm__recall_io *recall_io, int rc)
{
    struct op *op = vmm__container_of(recall_io, struct op, recall_io);
    struct regionbdev *dev = op->dev;

    op_done(op, rc);
    ring(dev);
}

static void start_read(struct op *op)
{
    struct vmm__bdev_io *io = op->io;
    int rc;

    rc = vmm__region_read(op->dev->region, VMM__POINT_RUNNING,
                          io->offset_bytes / VMM__BLOCK_BYTES, io->buf,
                          &op->recall);
    op->recalled = rc == VMM_E_AGAIN;
    if (!op->recalled) {
        op_done(op, rc);
        return;
    }
    op->recall_io.slot = op->recall.slot;
    op->recall_io.buf = io->buf;
    op->recall_io.done = recall_done;
    vmm__regiondrv_recall(op->dev->drv, &op->recall_io);
}

static void do_write(struct op *op)
{
    const struct vmm__bdev_io *io = op->io;
    const uint8_t *buf = io->buf;
    uint32_t at;
    int rc = 0;

    for (at = 0; !rc && at < io->len_bytes; at += VMM__BLOCK_BYTES) {
        rc = vmm__region_write(op->dev->region, (io->offset_bytes + at) /
                               VMM__BLOCK_BYTES, buf + at);
    }
    op_done(op, rc);
}

static int dev_submit(void *self, struct vmm__bdev_io *io)
{
    struct regionbdev *dev = self;
    struct op *op;

    if (vmm__list_empty(&dev->free)) {
        return VMM_E_AGAIN;
    }
    op = vmm__container_of(dev->free.next, struct op, node);
    vmm__list_del(&op->node);
    op->io = io;
    op->recall_io.reqclass = io->reqclass;
    if (io->write) {
        op->recalled = false;
        do_write(op);
    } else {
        assert(io->len_bytes == VMM__BLOCK_BYTES);
        start_read(op);
    }
    return 0;
}

static void dev_kick(void *self)
{
    (void)self;
}

static struct op *next_done(struct regionbdev *dev)
{
    struct op *op = NULL;

    pthread_mutex_lock(&dev->lock);
    if (!vmm__list_empty(&dev->done)) {
        op = vmm__container_of(dev->done.next, struct op, node);
        vmm__list_del(&op->node);
    }
    pthread_mutex_unlock(&dev->lock);
    return op;
}

static unsigned int dev_reap(void *self)
{
    struct regionbdev *dev = self;
    unsigned int nr = 0, budget = NR_OPS;
    struct vmm__bdev_io *io;
    struct op *op;
    uint64_t count;
    int rc;

    (void)!read(dev->fd, &count, sizeof(count));
    while (budget-- && (op = next_done(dev)) != NULL) {
        rc = op->rc;
        io = op->io;
        if (op->recalled && !rc) {
            rc = vmm__region_recalled(dev->region, &op->recall, io->buf, 0,
                                      false);
            if (rc == VMM_E_AGAIN) {
                start_read(op);     /* it moved meanwhile */
                continue;
            }
        }
        op->io = NULL;
        vmm__list_add_tail(&dev->free, &op->node);
        nr++;
        io->done(io, rc);
    }
    return nr;
}

static int dev_fd(void *self)
{
    const struct regionbdev *dev = self;

    return dev->fd;
}

static bool dev_must_poll(void *self)
{
    struct regionbdev *dev = self;
    bool must;

    pthread_mutex_lock(&dev->lock);
    must = !vmm__list_empty(&dev->done);
    pthread_mutex_unlock(&dev->lock);
    return must;
}

static void dev_promote(void *self, struct vmm__bdev_io *io,
                        enum vmm_reqclass reqclass)
{
    struct regionbdev *dev = self;
    unsigned int i;

    for (i = 0; i < NR_OPS; i++) {
        if (dev->ops[i].io == io && dev->ops[i].recalled) {
            dev->ops[i].recall_io.reqclass = reqclass;
            vmm__regiondrv_promote(dev->drv, &dev->ops[i].recall_io,
                                   reqclass);
        }
    }
}

static void dev_discard(void *self, uint64_t offset_bytes,
                        uint32_t len_bytes)
{
    struct regionbdev *dev = self;
    uint64_t at;

    for (at = offset_bytes; at < offset_bytes + len_bytes;
         at += VMM__BLOCK_BYTES) {
        (void)vmm__region_discard(dev->region, at / VMM__BLOCK_BYTES);
    }
}

static int dev_room(void *self, uint64_t *nr_blocks_out)
{
    struct regionbdev *dev = self;
    struct vmm__region_stat stat;
    int rc;

    vmm__region_stat(dev->region, &stat);
    *nr_blocks_out = stat.nr_pblks_free;
    if (stat.nr_pblks_free) {
        return 0;
    }
    rc = dev->drv ? vmm__regiondrv_stuck(dev->drv) : VMM_E_NOSPC;
    return rc ? rc : VMM_E_AGAIN;
}

static const struct vmm__bdev_ops dev_ops = {
    .submit = dev_submit,
    .kick = dev_kick,
    .reap = dev_reap,
    .fd = dev_fd,
    .must_poll = dev_must_poll,
    .promote = dev_promote,
    .discard = dev_discard,
    .room = dev_room,
};

int vmm__regionbdev_open(const vmm_region *region,
                         struct vmm__bdev *bdev_out)
{
    const struct vmm__regionio_deps *deps = vmm__regionio_deps(region);
    struct regionbdev *dev = calloc(1, sizeof(*dev));
    unsigned int i;
    int rc = 0;

    if (!dev) {
        return VMM_E_NOMEM;
    }
    dev->region = deps->region;
    dev->drv = deps->drv;
    (void)pthread_mutex_init(&dev->lock, NULL);
    vmm__list_init(&dev->free);
    vmm__list_init(&dev->done);
    for (i = 0; i < NR_OPS; i++) {
        dev->ops[i].dev = dev;
        vmm__list_add_tail(&dev->free, &dev->ops[i].node);
    }
    *bdev_out = (struct vmm__bdev){ .ops = &dev_ops, .self = dev };
    dev->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (dev->fd < 0) {
        rc = VMM_E_LOCAL;
    }
    if (!rc && dev->drv) {
        rc = vmm__regiondrv_listen(dev->drv, ring, dev);
    }
    if (rc) {
        vmm__regionbdev_close(bdev_out);
    }
    return rc;
}

void vmm__regionbdev_close(struct vmm__bdev *bdev)
{
    struct regionbdev *dev = bdev->self;

    if (!dev) {
        return;
    }
    if (dev->drv) {
        vmm__regiondrv_unlisten(dev->drv, dev);
    }
    if (dev->fd >= 0) {
        (void)close(dev->fd);
    }
    (void)pthread_mutex_destroy(&dev->lock);
    free(dev);
    bdev->self = NULL;
}
