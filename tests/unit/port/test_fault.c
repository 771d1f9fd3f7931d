/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_fault.c: each way in which a bdev can be told to fail, and when;
 * specs that are none.
 */
#include <stdlib.h>

static unsigned int fail_nth, nr_allocs;

static void *ut_calloc(size_t nr, size_t size)
{
    return ++nr_allocs == fail_nth ? NULL : calloc(nr, size);
}

#define calloc ut_calloc
#include "port/fault.c"
#undef calloc

#include "lib/fake_bdev.h"
#include "lib/ut.h"

#define NR_IOS 64u
#define LEN_BYTES (4 * VMM__BDEV_ALIGN_BYTES)

static struct fake_bdev disk;
static struct vmm__bdev inner, bdev;
static struct io {
    struct vmm__bdev_io bio;
    unsigned int nr_done;
    int rc;
} ios[NR_IOS];
static unsigned int order[NR_IOS], nr_order;
static char buf[LEN_BYTES];

static void io_done(struct vmm__bdev_io *bio, int rc)
{
    struct io *io = vmm__container_of(bio, struct io, bio);

    io->nr_done++;
    io->rc = rc;
    if (nr_order < NR_IOS) {
        order[nr_order++] = (unsigned int)(io - ios);
    }
}

static void begin(const char *spec)
{
    struct vmm__clock clock;
    unsigned int i;

    fail_nth = nr_allocs = nr_order = 0;
    memset(ios, 0, sizeof(ios));
    fake_bdev_init(&disk, &inner, &clock);
    for (i = 0; i < NR_IOS; i++) {
        ios[i].bio = (struct vmm__bdev_io){
            .reqclass = VMM_REQ_FOREIGN, .len_bytes = LEN_BYTES,
            .offset_bytes = (uint64_t)i * LEN_BYTES, .buf = buf,
            .done = io_done,
        };
        ios[i].rc = 1;
    }
    CU_ASSERT_EQUAL_FATAL(vmm__fault_open(&inner, spec, &bdev), 0);
}

static void end(void)
{
    vmm__fault_close(&bdev);
    CU_ASSERT_PTR_NULL(bdev.self);
    /* As it is before one was opened. */
    vmm__fault_close(&bdev);
}

static int submit(unsigned int i, bool write)
{
    ios[i].bio.write = write;
    return bdev.ops->submit(bdev.self, &ios[i].bio);
}

static unsigned int reap(void)
{
    return bdev.ops->reap(bdev.self);
}

/* It goes there and back at once; its rc. */
static int transfer(unsigned int i, bool write)
{
    unsigned int before = ios[i].nr_done;

    CU_ASSERT_EQUAL_FATAL(submit(i, write), 0);
    (void)fake_bdev_complete_all(&disk, 0);
    CU_ASSERT_EQUAL(reap(), 1);
    CU_ASSERT_EQUAL(ios[i].nr_done, before + 1);
    return ios[i].rc;
}

static int read_one(unsigned int i)
{
    return transfer(i, false);
}

static int write_one(unsigned int i)
{
    return transfer(i, true);
}

/* Cases. */

static void open__specs(void)
{
    static const char *const good[] = {
        "", "bdev.read.fail", "bdev.write.nospc", "bdev.any.again",
        "bdev.any.short", "bdev.any.torn", "bdev.any.delay",
        "bdev.any.reorder", "bdev.read.fail.once", "bdev.read.fail:after=0",
        "bdev.read.fail.once:after=10,bdev.write.nospc:every=3",
        "bdev.any.delay:for=3:after=1:every=2",
        "bdev.read.fail:after=18446744073709551615",
    };
    static const char *const bad[] = {
        "x", "bdev", "bdev.", "bdev.read", "bdev.read.", "bdev.reads.fail",
        "bdev.read.explode", "read.fail", "bdev.read.failed",
        "bdev.read.fail.twice", "bdev.read.fail:after", "bdev.read.fail:",
        "bdev.read.fail:after=", "bdev.read.fail:after=x",
        "bdev.read.fail:every=0", "bdev.read.delay:for=0",
        "bdev.read.fail:after=1x", "bdev.read.fail:after=1.once",
        "bdev.read.fail,", ",bdev.read.fail",
        "bdev.read.fail,,bdev.read.fail", "bdev.read.fail bdev.read.fail",
        "bdev.read.fail;bdev.read.fail", "bdev.read.fail,x",
        "bdev.read.failbdev.read.fail",
    };
    size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        begin(good[i]);
        end();
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int rc = vmm__fault_open(&inner, bad[i], &bdev);

        CU_ASSERT_EQUAL(rc, VMM_E_FORMAT);
        if (!rc) {
            printf("\"%s\" is taken\n", bad[i]);
            vmm__fault_close(&bdev);
        }
    }
}

static void open__as_many_points_as_there_is_room(void)
{
    char spec[(MAX_POINTS + 1) * 16] = "";
    unsigned int i;

    for (i = 0; i < MAX_POINTS; i++) {
        strcat(spec, i ? ",bdev.read.fail" : "bdev.read.fail");
    }
    begin(spec);
    end();
    strcat(spec, ",bdev.read.fail");
    CU_ASSERT_EQUAL(vmm__fault_open(&inner, spec, &bdev), VMM_E_FORMAT);
}

static void open__no_memory(void)
{
    nr_allocs = 0;
    fail_nth = 1;
    CU_ASSERT_EQUAL(vmm__fault_open(&inner, "", &bdev), VMM_E_NOMEM);
}

static void none__all_passes_through(void)
{
    unsigned int i;

    begin("");
    CU_ASSERT_EQUAL(bdev.ops->fd(bdev.self), -1);
    CU_ASSERT_EQUAL(bdev.ops->register_mem(bdev.self, buf, sizeof(buf)),
                    VMM_E_NOTSUP);
    ios[0].bio.reqclass = VMM_REQ_DEMAND;
    CU_ASSERT_EQUAL(submit(0, false), 0);
    CU_ASSERT_EQUAL(disk.nr_unkicked, 1);
    bdev.ops->kick(bdev.self);
    CU_ASSERT_EQUAL(disk.nr_unkicked, 0);
    CU_ASSERT_EQUAL(disk.nr_ios, 1);
    CU_ASSERT_EQUAL(disk.ios[0]->len_bytes, LEN_BYTES);
    CU_ASSERT_EQUAL(disk.ios[0]->reqclass, VMM_REQ_DEMAND);
    CU_ASSERT_PTR_EQUAL(disk.ios[0]->buf, buf);
    CU_ASSERT_FALSE(bdev.ops->must_poll(bdev.self));
    disk.polled = true;
    CU_ASSERT_TRUE(bdev.ops->must_poll(bdev.self));
    CU_ASSERT_EQUAL(reap(), 0);
    /* Its own errors as well. */
    fake_bdev_complete(&disk, 0, VMM_E_NOSPC);
    CU_ASSERT_EQUAL(reap(), 1);
    CU_ASSERT_EQUAL(ios[0].rc, VMM_E_NOSPC);
    disk.fail_submit = disk.nr_submits + 1;
    CU_ASSERT_EQUAL(submit(1, false), VMM_E_AGAIN);
    CU_ASSERT_EQUAL(read_one(1), 0);
    CU_ASSERT_EQUAL(ios[1].nr_done, 1);
    /* What it does not take costs nothing. */
    for (i = 0; i < 2 * MAX_IOS; i++) {
        disk.fail_submit = disk.nr_submits + 1;
        CU_ASSERT_EQUAL(submit(2, false), VMM_E_AGAIN);
    }
    CU_ASSERT_EQUAL(read_one(2), 0);
    end();
}

static void none__as_many_as_there_is_room(void)
{
    static struct io many[MAX_IOS + 1];
    unsigned int i, nr = 0;

    begin("bdev.any.fail");
    for (i = 0; i <= MAX_IOS; i++) {
        many[i].bio = ios[0].bio;
        nr += !bdev.ops->submit(bdev.self, &many[i].bio);
    }
    CU_ASSERT_EQUAL(nr, MAX_IOS);
    CU_ASSERT_EQUAL(reap(), MAX_IOS);
    CU_ASSERT_EQUAL(bdev.ops->submit(bdev.self, &many[MAX_IOS].bio), 0);
    CU_ASSERT_EQUAL(reap(), 1);
    end();
}

static void fail__is_not_made(void)
{
    begin("bdev.read.fail");
    CU_ASSERT_EQUAL(submit(0, false), 0);
    CU_ASSERT_EQUAL(disk.nr_submits, 0);
    /* Not from inside, and it has to be asked for. */
    CU_ASSERT_EQUAL(ios[0].nr_done, 0);
    CU_ASSERT_TRUE(bdev.ops->must_poll(bdev.self));
    CU_ASSERT_EQUAL(reap(), 1);
    CU_ASSERT_EQUAL(ios[0].rc, VMM_E_IO);
    CU_ASSERT_FALSE(bdev.ops->must_poll(bdev.self));
    CU_ASSERT_EQUAL(reap(), 0);
    CU_ASSERT_EQUAL(write_one(1), 0);
    end();
}

static void nospc__of_writes_alone(void)
{
    begin("bdev.write.nospc");
    CU_ASSERT_EQUAL(write_one(0), VMM_E_NOSPC);
    CU_ASSERT_EQUAL(disk.nr_submits, 0);
    CU_ASSERT_EQUAL(read_one(1), 0);
    end();
}

static void again__nothing_was_taken(void)
{
    begin("bdev.any.again:every=2");
    CU_ASSERT_EQUAL(submit(0, false), VMM_E_AGAIN);
    CU_ASSERT_EQUAL(submit(0, false), 0);
    CU_ASSERT_EQUAL(submit(1, true), VMM_E_AGAIN);
    CU_ASSERT_EQUAL(submit(1, true), 0);
    CU_ASSERT_EQUAL(fake_bdev_complete_all(&disk, 0), 2);
    CU_ASSERT_EQUAL(reap(), 2);
    CU_ASSERT_EQUAL(ios[0].nr_done, 1);
    end();
}

static void short__half_of_it_is_made(void)
{
    begin("bdev.any.short");
    CU_ASSERT_EQUAL(submit(0, true), 0);
    CU_ASSERT_EQUAL(disk.ios[0]->len_bytes, LEN_BYTES / 2);
    (void)fake_bdev_complete_all(&disk, 0);
    CU_ASSERT_EQUAL(reap(), 1);
    CU_ASSERT_EQUAL(ios[0].rc, VMM_E_IO);
    /* The caller's is as it was. */
    CU_ASSERT_EQUAL(ios[0].bio.len_bytes, LEN_BYTES);
    /* An error of the device comes first. */
    CU_ASSERT_EQUAL(submit(1, true), 0);
    (void)fake_bdev_complete_all(&disk, VMM_E_NOSPC);
    CU_ASSERT_EQUAL(reap(), 1);
    CU_ASSERT_EQUAL(ios[1].rc, VMM_E_NOSPC);
    /* Half of a block is none. */
    ios[2].bio.len_bytes = VMM__BDEV_ALIGN_BYTES;
    CU_ASSERT_EQUAL(submit(2, true), 0);
    CU_ASSERT_EQUAL(disk.nr_ios, 0);
    CU_ASSERT_EQUAL(reap(), 1);
    CU_ASSERT_EQUAL(ios[2].rc, VMM_E_IO);
    ios[3].bio.len_bytes = 3 * VMM__BDEV_ALIGN_BYTES;
    CU_ASSERT_EQUAL(submit(3, true), 0);
    CU_ASSERT_EQUAL(disk.ios[0]->len_bytes, VMM__BDEV_ALIGN_BYTES);
    (void)fake_bdev_complete_all(&disk, 0);
    CU_ASSERT_EQUAL(reap(), 1);
    end();
}

static void torn__is_called_a_success(void)
{
    begin("bdev.write.torn");
    CU_ASSERT_EQUAL(submit(0, true), 0);
    CU_ASSERT_EQUAL(disk.ios[0]->len_bytes, LEN_BYTES / 2);
    (void)fake_bdev_complete_all(&disk, 0);
    CU_ASSERT_EQUAL(reap(), 1);
    CU_ASSERT_EQUAL(ios[0].rc, 0);
    ios[1].bio.len_bytes = VMM__BDEV_ALIGN_BYTES;
    CU_ASSERT_EQUAL(submit(1, true), 0);
    CU_ASSERT_EQUAL(disk.nr_ios, 0);
    CU_ASSERT_EQUAL(reap(), 1);
    CU_ASSERT_EQUAL(ios[1].rc, 0);
    end();
}

static void check_delay(const char *spec, unsigned int nr_reaps)
{
    unsigned int i;

    begin(spec);
    CU_ASSERT_EQUAL(submit(0, false), 0);
    (void)fake_bdev_complete_all(&disk, VMM_E_NOSPC);
    for (i = 0; i < nr_reaps; i++) {
        CU_ASSERT_EQUAL(reap(), 0);
        CU_ASSERT_TRUE(bdev.ops->must_poll(bdev.self));
    }
    CU_ASSERT_EQUAL(reap(), 1);
    CU_ASSERT_EQUAL(ios[0].rc, VMM_E_NOSPC);
    CU_ASSERT_FALSE(bdev.ops->must_poll(bdev.self));
    end();
}

static void delay__so_many_reaps(void)
{
    check_delay("bdev.read.delay", DEFAULT_FOR);
    check_delay("bdev.read.delay:for=3", 3);
    check_delay("bdev.read.delay:for=1", 1);
}

static void reorder__the_last_first(void)
{
    unsigned int i, nr = 0;

    begin("bdev.any.reorder:for=4");
    for (i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(submit(i, false), 0);
        (void)fake_bdev_complete_all(&disk, 0);
        nr += reap();
    }
    CU_ASSERT_EQUAL(nr, 0);
    for (i = 0; i < 3 && !nr; i++) {
        nr += reap();
    }
    CU_ASSERT_EQUAL(nr, 3);
    CU_ASSERT_EQUAL(nr_order, 3);
    CU_ASSERT_EQUAL(order[0], 2);
    CU_ASSERT_EQUAL(order[1], 1);
    CU_ASSERT_EQUAL(order[2], 0);
    end();
}

/* Of eight reads, those that a spec lets fail, as bits. */
static unsigned int which(const char *spec)
{
    unsigned int i, bits = 0;

    begin(spec);
    for (i = 0; i < 8; i++) {
        bits |= (read_one(i) ? 1u : 0u) << i;
    }
    end();
    return bits;
}

static void point__when_it_applies(void)
{
    CU_ASSERT_EQUAL(which("bdev.read.fail"), 0xff);
    CU_ASSERT_EQUAL(which("bdev.any.fail"), 0xff);
    CU_ASSERT_EQUAL(which("bdev.write.fail"), 0x00);
    CU_ASSERT_EQUAL(which("bdev.read.fail.once"), 0x01);
    CU_ASSERT_EQUAL(which("bdev.read.fail:after=3"), 0xf8);
    CU_ASSERT_EQUAL(which("bdev.read.fail.once:after=3"), 0x08);
    CU_ASSERT_EQUAL(which("bdev.read.fail:every=3"), 0x49);
    CU_ASSERT_EQUAL(which("bdev.read.fail:every=3:after=2"), 0x24);
    CU_ASSERT_EQUAL(which("bdev.read.fail:after=8"), 0x00);
}

static void point__reads_and_writes_are_counted_apart(void)
{
    begin("bdev.read.fail.once:after=1,bdev.write.nospc.once:after=1");
    CU_ASSERT_EQUAL(read_one(0), 0);
    CU_ASSERT_EQUAL(write_one(1), 0);
    CU_ASSERT_EQUAL(write_one(2), VMM_E_NOSPC);
    CU_ASSERT_EQUAL(read_one(3), VMM_E_IO);
    CU_ASSERT_EQUAL(write_one(4), 0);
    CU_ASSERT_EQUAL(read_one(5), 0);
    end();
}

static void point__the_first_that_applies(void)
{
    /* What the first takes, the second does not see. */
    begin("bdev.any.fail:every=2,bdev.any.nospc:every=2");
    CU_ASSERT_EQUAL(write_one(0), VMM_E_IO);
    CU_ASSERT_EQUAL(write_one(1), VMM_E_NOSPC);
    CU_ASSERT_EQUAL(write_one(2), VMM_E_IO);
    CU_ASSERT_EQUAL(write_one(3), 0);
    CU_ASSERT_EQUAL(write_one(4), VMM_E_IO);
    CU_ASSERT_EQUAL(write_one(5), VMM_E_NOSPC);
    end();
}

/* Who is told of one hands in the next, which fails as well. */
static unsigned int nr_again;

static void submit_again(struct vmm__bdev_io *bio, int rc)
{
    CU_ASSERT_EQUAL(rc, VMM_E_IO);
    if (nr_again && nr_again--) {
        CU_ASSERT_EQUAL(bdev.ops->submit(bdev.self, bio), 0);
    }
}

static void reap__submits_from_inside(void)
{
    unsigned int nr = 0, i;

    begin("bdev.any.fail");
    ios[0].bio.done = submit_again;
    ios[1].bio.done = submit_again;
    nr_again = 5;
    CU_ASSERT_EQUAL(submit(0, false), 0);
    CU_ASSERT_EQUAL(submit(1, false), 0);
    for (i = 0; i < 20; i++) {
        nr += reap();
    }
    CU_ASSERT_EQUAL(nr, 7);
    CU_ASSERT_FALSE(bdev.ops->must_poll(bdev.self));
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(open__specs),
    UT_CASE(open__as_many_points_as_there_is_room),
    UT_CASE(open__no_memory),
    UT_CASE(none__all_passes_through),
    UT_CASE(none__as_many_as_there_is_room),
    UT_CASE(fail__is_not_made),
    UT_CASE(nospc__of_writes_alone),
    UT_CASE(again__nothing_was_taken),
    UT_CASE(short__half_of_it_is_made),
    UT_CASE(torn__is_called_a_success),
    UT_CASE(delay__so_many_reaps),
    UT_CASE(reorder__the_last_first),
    UT_CASE(point__when_it_applies),
    UT_CASE(point__reads_and_writes_are_counted_apart),
    UT_CASE(point__the_first_that_applies),
    UT_CASE(reap__submits_from_inside),
};

UT_MAIN("port/fault", cases)
