/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_regionbdev.c: a region as a pager's store, with its thread: what is in
 * NVM, what is on the storage, promotion, room, and a storage that fails.
 */
#include "consumer/regionbdev.c"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#include "port/media_dram.h"
#include "tests/lib/last_log.h"
#include "tests/lib/ut.h"

#define NR_PBLKS 200u
#define NR_BLKS 1000u
#define NR_SLOTS 150u
#define QUEUE 256u

/* A storage in memory, which does nothing while it is held. */
static struct storage {
    pthread_mutex_t lock;
    int fd;
    uint8_t data[(NR_SLOTS + 1) * VMM__BLOCK_BYTES];
    struct vmm__bdev_io *queue[QUEUE];
    unsigned int nr;
    bool held;
    int rc;                     /* of transfers */
    enum vmm_reqclass seen[QUEUE];  /* reads, in order */
    unsigned int nr_seen;
} storage = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int storage_submit(void *self, struct vmm__bdev_io *io)
{
    (void)self;
    pthread_mutex_lock(&storage.lock);
    storage.queue[storage.nr++] = io;
    if (!io->write && storage.nr_seen < QUEUE) {
        storage.seen[storage.nr_seen++] = io->reqclass;
    }
    pthread_mutex_unlock(&storage.lock);
    return 0;
}

static void storage_kick(void *self)
{
    uint64_t one = 1;

    (void)self;
    (void)!write(storage.fd, &one, sizeof(one));
}

static unsigned int storage_reap(void *self)
{
    unsigned int nr = 0;
    uint64_t count;

    (void)self;
    (void)!read(storage.fd, &count, sizeof(count));
    for (;;) {
        struct vmm__bdev_io *io = NULL;
        uint8_t *at;
        int rc;

        pthread_mutex_lock(&storage.lock);
        if (storage.nr && !storage.held) {
            io = storage.queue[0];
            memmove(storage.queue, storage.queue + 1,
                    --storage.nr * sizeof(storage.queue[0]));
        }
        rc = storage.rc;
        pthread_mutex_unlock(&storage.lock);
        if (!io) {
            return nr;
        }
        at = storage.data + io->offset_bytes;
        if (!rc) {
            memcpy(io->write ? at : io->buf, io->write ? io->buf : at,
                   io->len_bytes);
        }
        nr++;
        io->done(io, rc);
    }
}

static int storage_fd(void *self)
{
    (void)self;
    return storage.fd;
}

static bool storage_must_poll(void *self)
{
    (void)self;
    return false;
}

static const struct vmm__bdev_ops storage_ops = {
    .submit = storage_submit,
    .kick = storage_kick,
    .reap = storage_reap,
    .fd = storage_fd,
    .must_poll = storage_must_poll,
};

static void hold(bool held)
{
    pthread_mutex_lock(&storage.lock);
    storage.held = held;
    pthread_mutex_unlock(&storage.lock);
    storage_kick(NULL);
}

static struct vmm__media media;
static struct vmm__region *core;
static struct vmm__regiondrv *drv;
static vmm_region *region;
static struct vmm__bdev bdev;
static _Alignas(VMM__BDEV_ALIGN_BYTES) uint8_t bufs[8][VMM__BLOCK_BYTES];
static struct test_io {
    struct vmm__bdev_io bio;
    unsigned int nr_done;
    int rc;
} ios[8];

static uint64_t wall_s(void)
{
    return 1;
}

static void begin(bool with_storage)
{
    struct vmm__region_geometry geo = {
        .nr_blks = NR_BLKS, .nr_slots = with_storage ? NR_SLOTS : 0,
        .nr_points = 4,
    };
    struct vmm__bdev device = { .ops = &storage_ops };
    struct vmm__regionio_deps deps = { .wall_s = wall_s };

    storage.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    storage.held = false;
    storage.rc = 0;
    storage.nr_seen = 0;
    memset(ios, 0, sizeof(ios));
    drv = NULL;
    CU_ASSERT_EQUAL_FATAL(
        vmm__media_dram_open(NR_PBLKS * VMM__BLOCK_BYTES, &media), 0);
    CU_ASSERT_EQUAL_FATAL(vmm__region_create(&media, &geo, true, &logger), 0);
    CU_ASSERT_EQUAL_FATAL(vmm__region_open(&media, &logger, &core), 0);
    if (with_storage) {
        CU_ASSERT_EQUAL_FATAL(vmm__regiondrv_new(core, &device,
                                                 &vmm__clock_monotonic, &drv),
                              0);
    }
    deps.region = core;
    deps.drv = drv;
    CU_ASSERT_EQUAL_FATAL(vmm__regionio_new(&deps, &region), 0);
    CU_ASSERT_EQUAL_FATAL(vmm__regionbdev_open(region, &bdev), 0);
}

static void end(void)
{
    uint64_t nr_problems;

    vmm__regionbdev_close(&bdev);
    vmm__regionio_free(region);
    vmm__regiondrv_free(drv);
    vmm__region_close(core);
    CU_ASSERT_EQUAL(vmm__region_check(&media, NULL, NULL, NULL,
                                      &nr_problems), 0);
    CU_ASSERT_EQUAL(nr_problems, 0);
    vmm__media_dram_close(&media);
    (void)close(storage.fd);
}

static void io_done(struct vmm__bdev_io *bio, int rc)
{
    struct test_io *io = vmm__container_of(bio, struct test_io, bio);

    io->nr_done++;
    io->rc = rc;
}

static void submit(unsigned int i, bool write, enum vmm_reqclass reqclass,
                   uint64_t blk)
{
    ios[i].nr_done = 0;
    ios[i].bio = (struct vmm__bdev_io){
        .write = write,
        .reqclass = reqclass,
        .offset_bytes = blk * VMM__BLOCK_BYTES,
        .len_bytes = VMM__BLOCK_BYTES,
        .buf = bufs[i],
        .done = io_done,
    };
    CU_ASSERT_EQUAL(bdev.ops->submit(bdev.self, &ios[i].bio), 0);
}

static int wait_for(unsigned int i)
{
    struct pollfd pfd = { .fd = bdev.ops->fd(bdev.self), .events = POLLIN };
    unsigned int turns;

    for (turns = 0; turns < 1000 && !ios[i].nr_done; turns++) {
        if (!bdev.ops->must_poll(bdev.self)) {
            (void)poll(&pfd, 1, 10);
        }
        (void)bdev.ops->reap(bdev.self);
    }
    CU_ASSERT_EQUAL(ios[i].nr_done, 1);
    return ios[i].rc;
}

static void fill(unsigned int i, uint64_t value)
{
    memset(bufs[i], (int)value, VMM__BLOCK_BYTES);
    memcpy(bufs[i], &value, sizeof(value));
}

static int put(uint64_t blk)
{
    fill(0, blk + 1);
    submit(0, true, VMM_REQ_EVICT, blk);
    return wait_for(0);
}

static bool is(unsigned int i, uint64_t value)
{
    uint64_t got;

    memcpy(&got, bufs[i], sizeof(got));
    return got == value && bufs[i][VMM__BLOCK_BYTES - 1] == (uint8_t)value;
}

static void purge(uint64_t nr)
{
    uint64_t moved;

    CU_ASSERT_EQUAL(vmm_region_purge(region, UINT64_MAX, nr, true, &moved),
                    0);
    CU_ASSERT_EQUAL(moved, nr);
}

static void read__from_both(void)
{
    begin(true);
    CU_ASSERT_EQUAL(put(3), 0);
    submit(1, false, VMM_REQ_DEMAND, 3);
    CU_ASSERT_TRUE(bdev.ops->must_poll(bdev.self));
    CU_ASSERT_EQUAL(wait_for(1), 0);
    CU_ASSERT_TRUE(is(1, 4));
    CU_ASSERT_EQUAL(storage.nr_seen, 0);
    purge(1);
    memset(bufs[1], 0, sizeof(bufs[1]));
    submit(1, false, VMM_REQ_DEMAND, 3);
    CU_ASSERT_EQUAL(wait_for(1), 0);
    CU_ASSERT_TRUE(is(1, 4));
    CU_ASSERT_EQUAL(storage.nr_seen, 1);
    CU_ASSERT_EQUAL(storage.seen[0], VMM_REQ_DEMAND);
    /* Not kept in NVM: the page is where it was wanted. */
    submit(1, false, VMM_REQ_PREFETCH, 3);
    CU_ASSERT_EQUAL(wait_for(1), 0);
    CU_ASSERT_EQUAL(storage.seen[1], VMM_REQ_PREFETCH);
    bdev.ops->discard(bdev.self, 3 * VMM__BLOCK_BYTES, VMM__BLOCK_BYTES);
    submit(1, false, VMM_REQ_DEMAND, 3);
    CU_ASSERT_EQUAL(wait_for(1), 0);
    CU_ASSERT_TRUE(is(1, 0));
    end();
}

/* More prefetches than go at once; who waits for the last goes first. */
static void promote__in_the_storage_queue(void)
{
    unsigned int i, nr = 0;

    begin(true);
    for (i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(put(i), 0);
    }
    purge(8);
    hold(true);
    submit(7, false, VMM_REQ_DEMAND, 7);
    while (!nr) {
        pthread_mutex_lock(&storage.lock);
        nr = storage.nr_seen;
        pthread_mutex_unlock(&storage.lock);
    }
    for (i = 0; i < 7; i++) {
        submit(i, false, VMM_REQ_PREFETCH, i);
    }
    bdev.ops->promote(bdev.self, &ios[6].bio, VMM_REQ_DEMAND);
    while (nr < 4) {
        pthread_mutex_lock(&storage.lock);
        nr = storage.nr_seen;
        pthread_mutex_unlock(&storage.lock);
    }
    CU_ASSERT_TRUE(storage.seen[1] == VMM_REQ_DEMAND ||
                   storage.seen[2] == VMM_REQ_DEMAND ||
                   storage.seen[3] == VMM_REQ_DEMAND);
    hold(false);
    for (i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(wait_for(i), 0);
        CU_ASSERT_TRUE(is(i, i + 1));
    }
    /* Over: nothing to be promoted. */
    bdev.ops->promote(bdev.self, &ios[6].bio, VMM_REQ_DEMAND);
    end();
}

static void room__made_by_purging(void)
{
    struct vmm_region_purge_opts opts = {
        .size = sizeof(opts), .low_percent = 10, .high_percent = 20,
    };
    struct pollfd pfd;
    uint64_t nr, blk = 0;
    int rc;

    begin(true);
    pfd = (struct pollfd){ .fd = bdev.ops->fd(bdev.self), .events = POLLIN };
    while (!bdev.ops->room(bdev.self, &nr)) {
        CU_ASSERT_EQUAL(put(blk++), 0);
    }
    CU_ASSERT_EQUAL(bdev.ops->room(bdev.self, &nr), VMM_E_AGAIN);
    CU_ASSERT_EQUAL(put(blk), VMM_E_NOSPC);
    CU_ASSERT_EQUAL(vmm_region_set_purge(region, &opts), 0);
    CU_ASSERT_EQUAL(poll(&pfd, 1, 10000), 1);
    CU_ASSERT_EQUAL(bdev.ops->room(bdev.self, &nr), 0);
    CU_ASSERT_TRUE(nr > 0);

    /* Until the storage is full as well. */
    for (rc = 0; rc != VMM_E_NOSPC && blk < NR_BLKS;) {
        rc = bdev.ops->room(bdev.self, &nr);
        if (!rc) {
            CU_ASSERT_EQUAL(put(blk++), 0);
        } else {
            (void)poll(&pfd, 1, 10);
            (void)bdev.ops->reap(bdev.self);
        }
    }
    CU_ASSERT_EQUAL(rc, VMM_E_NOSPC);
    while (blk-- > 0) {
        submit(1, false, VMM_REQ_DEMAND, blk);
        CU_ASSERT_EQUAL(wait_for(1), 0);
        CU_ASSERT_TRUE(is(1, blk + 1));
    }
    end();
}

static void room__no_storage(void)
{
    uint64_t nr, blk = 0;

    begin(false);
    while (!bdev.ops->room(bdev.self, &nr)) {
        CU_ASSERT_EQUAL(put(blk++), 0);
    }
    CU_ASSERT_EQUAL(bdev.ops->room(bdev.self, &nr), VMM_E_NOSPC);
    CU_ASSERT_TRUE(blk > 100);
    end();
}

static void storage__fails_or_lies(void)
{
    begin(true);
    CU_ASSERT_EQUAL(put(1), 0);
    CU_ASSERT_EQUAL(put(2), 0);
    purge(2);
    storage.rc = VMM_E_IO;
    submit(1, false, VMM_REQ_DEMAND, 1);
    CU_ASSERT_EQUAL(wait_for(1), VMM_E_IO);
    storage.rc = 0;
    submit(1, false, VMM_REQ_DEMAND, 1);
    CU_ASSERT_EQUAL(wait_for(1), 0);
    CU_ASSERT_TRUE(is(1, 2));
    storage.data[2 * VMM__BLOCK_BYTES + 17] ^= 1;
    storage.data[VMM__BLOCK_BYTES + 17] ^= 1;
    submit(1, false, VMM_REQ_DEMAND, 1);
    CU_ASSERT_EQUAL(wait_for(1), VMM_E_LOST);
    submit(1, false, VMM_REQ_DEMAND, 2);
    CU_ASSERT_EQUAL(wait_for(1), VMM_E_LOST);
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(read__from_both),
    UT_CASE(promote__in_the_storage_queue),
    UT_CASE(room__made_by_purging),
    UT_CASE(room__no_storage),
    UT_CASE(storage__fails_or_lies),
};

UT_MAIN("consumer/regionbdev", cases)
