/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fake_bdev.c: a device and a clock under the test's control. */
#include <assert.h>
#include <string.h>

#include "lib/fake_bdev.h"

static int fake_submit(void *bdev, struct vmm__bdev_io *io)
{
    struct fake_bdev *fake = bdev;
    uint32_t depth = fake->depth ? fake->depth : FAKE_BDEV_MAX;
    bool taken;

    assert(io->reqclass < VMM_NR_REQCLASSES && io->done && io->buf &&
           io->len_bytes);
    fake->nr_submits++;
    taken = fake->nr_submits != fake->fail_submit &&
            fake->nr_class[io->reqclass] < depth;
    if (fake->on_submit) {
        fake->on_submit(fake->user, io, taken);
    }
    if (!taken) {
        return VMM_E_AGAIN;
    }
    assert(fake->nr_ios < FAKE_BDEV_MAX);
    fake->ios[fake->nr_ios] = io;
    fake->complete[fake->nr_ios] = false;
    fake->nr_ios++;
    fake->nr_taken++;
    fake->nr_unkicked++;
    fake->nr_class[io->reqclass]++;
    if (fake->nr_taken == fake->fail_transfer) {
        fake_bdev_complete(fake, fake->nr_ios - 1, fake->fail_rc);
    }
    return 0;
}

static void fake_kick(void *bdev)
{
    struct fake_bdev *fake = bdev;

    fake->nr_kicks++;
    fake->nr_unkicked = 0;
}

static unsigned int fake_reap(void *bdev)
{
    struct fake_bdev *fake = bdev;
    unsigned int reqclass, nr_done = 0;
    uint32_t i;

    fake->nr_reaps++;
    for (reqclass = 0; reqclass < VMM_NR_REQCLASSES; reqclass++) {
        for (i = 0; i < fake->nr_ios;) {
            struct vmm__bdev_io *io = fake->ios[i];
            int rc = fake->rc[i];

            if (!fake->complete[i] || io->reqclass != reqclass) {
                i++;
                continue;
            }
            fake->nr_ios--;
            memmove(&fake->ios[i], &fake->ios[i + 1],
                    (fake->nr_ios - i) * sizeof(fake->ios[0]));
            memmove(&fake->complete[i], &fake->complete[i + 1],
                    (fake->nr_ios - i) * sizeof(fake->complete[0]));
            memmove(&fake->rc[i], &fake->rc[i + 1],
                    (fake->nr_ios - i) * sizeof(fake->rc[0]));
            fake->nr_class[reqclass]--;
            nr_done++;
            io->done(io, rc);
        }
    }
    return nr_done;
}

static int fake_fd(void *bdev)
{
    (void)bdev;
    return -1;
}

static bool fake_must_poll(void *bdev)
{
    const struct fake_bdev *fake = bdev;

    return fake->polled && fake->nr_class[VMM_REQ_DEMAND];
}

static int fake_register_mem(void *bdev, void *base, uint64_t len_bytes)
{
    (void)bdev;
    (void)base;
    (void)len_bytes;
    return VMM_E_NOTSUP;
}

static const struct vmm__bdev_ops fake_bdev_ops = {
    .submit = fake_submit,
    .kick = fake_kick,
    .reap = fake_reap,
    .fd = fake_fd,
    .must_poll = fake_must_poll,
    .register_mem = fake_register_mem,
};

static uint64_t fake_now_ns(void *clock)
{
    const struct fake_bdev *fake = clock;

    return fake->now_ns;
}

static const struct vmm__clock_ops fake_clock_ops = {
    .now_ns = fake_now_ns,
    .arm = NULL,
};

void fake_bdev_init(struct fake_bdev *fake, struct vmm__bdev *bdev_out,
                    struct vmm__clock *clock_out)
{
    memset(fake, 0, sizeof(*fake));
    fake->now_ns = 1000000000;
    *bdev_out = (struct vmm__bdev){ .ops = &fake_bdev_ops, .self = fake };
    *clock_out = (struct vmm__clock){ .ops = &fake_clock_ops, .self = fake };
}

void fake_bdev_complete(struct fake_bdev *fake, uint32_t index, int rc)
{
    assert(index < fake->nr_ios && !fake->complete[index]);
    fake->complete[index] = true;
    fake->rc[index] = rc;
}

uint32_t fake_bdev_complete_all(struct fake_bdev *fake, int rc)
{
    uint32_t i, nr = 0;

    for (i = 0; i < fake->nr_ios; i++) {
        if (!fake->complete[i]) {
            fake_bdev_complete(fake, i, rc);
            nr++;
        }
    }
    return nr;
}
