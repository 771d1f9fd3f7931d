/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_purger.c: watermarks, jobs, the rate, what goes first, and what becomes
 * of it when the storage fails or is full.
 */
#include <stdlib.h>

static unsigned int fail_at;    /* the nth allocation; 0: none */

static int fails_now(void)
{
    return fail_at && !--fail_at;
}

#define calloc(nr, bytes) (fails_now() ? NULL : calloc(nr, bytes))
#define aligned_alloc(to, bytes) \
    (fails_now() ? NULL : aligned_alloc(to, bytes))
#include "consumer/purger.c"
#undef calloc
#undef aligned_alloc

#include "lib/fake_bdev.h"
#include "port/media_dram.h"
#include "tests/lib/last_log.h"
#include "tests/lib/ut.h"

#define NR_PBLKS 400u
#define NR_BLKS 2000u
#define NR_SLOTS 300u
#define S 1000000000ull

static struct fake_bdev fake;
static struct vmm__bdev bdev;
static struct vmm__clock test_clock;
static struct vmm__engine *engine;
static struct vmm__media media;
static struct vmm__region *region;
static struct vmm__purger *purger;
static uint64_t page[VMM__BLOCK_BYTES / 8];
static unsigned int nr_done;
static int done_rc;

static void job_done(struct vmm__purge_job *job, int rc)
{
    (void)job;
    nr_done++;
    done_rc = rc;
}

static void setup(uint64_t nr_slots)
{
    struct vmm__region_geometry geo = {
        .nr_blks = NR_BLKS, .nr_slots = nr_slots, .nr_points = 6,
    };
    struct vmm__engine_cfg cfg;

    fail_at = nr_done = 0;
    done_rc = 1;
    fake_bdev_init(&fake, &bdev, &test_clock);
    vmm__engine_cfg_default(&cfg);
    CU_ASSERT_EQUAL_FATAL(
        vmm__media_dram_open(NR_PBLKS * VMM__BLOCK_BYTES, &media), 0);
    CU_ASSERT_EQUAL_FATAL(vmm__region_create(&media, &geo, true, &logger), 0);
    CU_ASSERT_EQUAL_FATAL(vmm__region_open(&media, &logger, &region), 0);
    CU_ASSERT_EQUAL_FATAL(vmm__engine_new(&cfg, &bdev, &test_clock, &engine),
                          0);
    CU_ASSERT_EQUAL_FATAL(vmm__purger_new(region, engine, &test_clock,
                                          &purger), 0);
}

static void turn(void)
{
    unsigned int i;

    for (i = 0; i < 20; i++) {
        vmm__purger_step(purger);
        (void)vmm__engine_dispatch(engine);
    }
}

/* Until nothing more is in flight; the device does all with `rc'. */
static unsigned int settle(int rc)
{
    unsigned int i, nr = 0;

    for (i = 0; i < 2000; i++) {
        turn();
        nr += fake_bdev_complete_all(&fake, rc);
        if (vmm__engine_idle(engine) && vmm__purger_due_ns(purger) >
            test_clock.ops->now_ns(test_clock.self)) {
            break;
        }
    }
    CU_ASSERT_TRUE(i < 2000);
    return nr;
}

static void teardown(void)
{
    uint64_t nr_problems;

    vmm__purger_stop(purger);
    (void)settle(0);
    vmm__purger_free(purger);
    vmm__engine_free(engine);
    vmm__region_close(region);
    CU_ASSERT_EQUAL(vmm__region_check(&media, NULL, NULL, NULL,
                                      &nr_problems), 0);
    CU_ASSERT_EQUAL(nr_problems, 0);
    vmm__media_dram_close(&media);
}

static void put(uint64_t first, uint64_t nr)
{
    uint64_t i;

    for (i = 0; i < nr; i++) {
        page[0] = first + i;
        page[1] = ~page[0];
        CU_ASSERT_EQUAL(vmm__region_write(region, first + i, page), 0);
    }
}

static bool in_nvm(uint64_t id, uint64_t blk)
{
    struct vmm__recall recall;

    return !vmm__region_read(region, id, blk, page, &recall);
}

static void job__ends_as_asked(void)
{
    struct vmm__purge_job job = {
        .nr_free = UINT64_MAX, .max = 70, .any = true, .done = job_done,
    };

    setup(NR_SLOTS);
    put(0, 100);
    vmm__purger_start(purger, &job);
    turn();
    /* Two batches at once, each durable when it is done. */
    CU_ASSERT_EQUAL(fake.nr_ios, 2);
    CU_ASSERT_TRUE(fake.ios[0]->write && fake.ios[0]->durable);
    CU_ASSERT_EQUAL(fake.ios[0]->reqclass, VMM_REQ_PURGE);
    CU_ASSERT_EQUAL(fake.ios[0]->len_bytes, 32 * VMM__BLOCK_BYTES);
    CU_ASSERT_EQUAL(fake.ios[0]->offset_bytes, VMM__BLOCK_BYTES);
    CU_ASSERT_EQUAL(fake.ios[1]->offset_bytes, 33 * VMM__BLOCK_BYTES);
    CU_ASSERT_EQUAL(nr_done, 0);
    CU_ASSERT_EQUAL(settle(0), 3);
    CU_ASSERT_EQUAL(nr_done, 1);
    CU_ASSERT_EQUAL(done_rc, 0);
    CU_ASSERT_EQUAL(job.nr_moved, 70);

    job.nr_free = nr_free(purger) + 10;
    job.max = UINT64_MAX;
    vmm__purger_start(purger, &job);
    (void)settle(0);
    CU_ASSERT_EQUAL(job.nr_moved, 10);
    /* No more than there is. */
    job.nr_free = UINT64_MAX;
    vmm__purger_start(purger, &job);
    (void)settle(0);
    CU_ASSERT_EQUAL(job.nr_moved, 20);
    CU_ASSERT_EQUAL(done_rc, 0);
    CU_ASSERT_EQUAL(nr_done, 3);
    teardown();
}

static void job__snapshots_then_cold(void)
{
    struct vmm__purge_job job = {
        .nr_free = UINT64_MAX, .max = 50, .done = job_done,
    };
    uint64_t id, blk;
    unsigned int nr = 0;

    setup(NR_SLOTS);
    put(0, 100);
    CU_ASSERT_EQUAL(vmm__region_snapshot(region, "a", 0), 0);
    CU_ASSERT_EQUAL(vmm__region_find_snapshot(region, "a", &id), 0);
    put(0, 50);
    vmm__purger_start(purger, &job);
    (void)settle(0);
    CU_ASSERT_EQUAL(job.nr_moved, 50);
    for (blk = 0; blk < 50; blk++) {
        CU_ASSERT_TRUE(!in_nvm(id, blk) && in_nvm(0, blk));
    }

    /* Read since: hot.  One look makes it cold, so two jobs move it. */
    job.max = UINT64_MAX;
    vmm__purger_start(purger, &job);
    (void)settle(0);
    for (blk = 0; blk < 100; blk++) {
        nr += in_nvm(0, blk);
    }
    CU_ASSERT_EQUAL(job.nr_moved, 100 - nr);
    teardown();
}

static void watermarks__begin_and_end(void)
{
    struct vmm__purger_cfg cfg = { 0 };

    setup(NR_SLOTS);
    cfg.low_blocks = 50;
    cfg.high_blocks = 100;
    vmm__purger_set(purger, &cfg);
    put(0, 100);
    CU_ASSERT_TRUE(nr_free(purger) > 60);
    CU_ASSERT_EQUAL(settle(0), 0);
    put(100, nr_free(purger) - 50);
    CU_ASSERT_EQUAL(settle(0), 0);
    CU_ASSERT_TRUE(vmm__purger_due_ns(purger) < UINT64_MAX);
    put(1000, 1);
    CU_ASSERT_TRUE(settle(0) > 0);
    CU_ASSERT_TRUE(nr_free(purger) >= 100 && nr_free(purger) < 110);
    CU_ASSERT_EQUAL(settle(0), 0);
    CU_ASSERT_EQUAL(vmm__purger_stuck(purger), 0);
    teardown();
}

static void rate__never_more(void)
{
    struct vmm__purger_cfg cfg = { .bytes_per_s = 64 * VMM__BLOCK_BYTES };
    struct vmm__purge_job job = {
        .nr_free = UINT64_MAX, .max = 96, .any = true, .done = job_done,
    };
    uint64_t start_ns, due_ns;

    setup(NR_SLOTS);
    put(0, 200);
    vmm__purger_set(purger, &cfg);
    vmm__purger_start(purger, &job);
    start_ns = fake.now_ns;
    while (!nr_done && fake.now_ns < start_ns + 10 * S) {
        (void)settle(0);
        due_ns = vmm__purger_due_ns(purger);
        fake.now_ns = due_ns == UINT64_MAX || due_ns < fake.now_ns
                      ? fake.now_ns : due_ns;
        CU_ASSERT_TRUE((job.nr_moved - 32) * S <=
                       (fake.now_ns - start_ns) * 64);
    }
    CU_ASSERT_EQUAL(job.nr_moved, 96);
    CU_ASSERT_TRUE(fake.now_ns >= start_ns + S &&
                   fake.now_ns <= start_ns + 2 * S);
    teardown();
}

static void urgent_done(struct vmm__engine_io *io, int rc)
{
    (void)io;
    (void)rc;
}

static void batch__short_while_somebody_waits(void)
{
    struct vmm__purge_job job = {
        .nr_free = UINT64_MAX, .max = 32, .any = true, .done = job_done,
    };
    struct vmm__engine_io urgent = {
        .bio = {
            .reqclass = VMM_REQ_DEMAND, .len_bytes = VMM__BLOCK_BYTES,
            .buf = page,
        },
        .done = urgent_done,
    };

    setup(NR_SLOTS);
    put(0, 100);
    vmm__engine_submit(engine, &urgent);
    turn();
    vmm__purger_start(purger, &job);
    turn();
    CU_ASSERT_EQUAL(fake.nr_ios, 2);
    CU_ASSERT_EQUAL(fake.ios[1]->len_bytes, 2 * VMM__BLOCK_BYTES);
    (void)settle(0);
    CU_ASSERT_EQUAL(job.nr_moved, 32);
    teardown();
}

/* The longest batch among `nr' blocks, each turn of which takes `ns'. */
static uint32_t longest_batch(uint64_t ns, uint64_t nr)
{
    struct vmm__purge_job job = {
        .nr_free = UINT64_MAX, .max = nr, .any = true, .done = job_done,
    };
    uint32_t i, longest = 0;

    vmm__purger_start(purger, &job);
    for (turn(); fake.nr_ios; turn()) {
        for (i = 0; i < fake.nr_ios; i++) {
            longest = fake.ios[i]->len_bytes > longest
                      ? fake.ios[i]->len_bytes : longest;
        }
        fake.now_ns += ns;
        (void)fake_bdev_complete_all(&fake, 0);
    }
    (void)settle(0);
    CU_ASSERT_EQUAL(job.nr_moved, nr);
    return longest / VMM__BLOCK_BYTES;
}

static void batch__as_long_as_the_device_is_quick(void)
{
    setup(NR_SLOTS);
    put(0, 300);
    CU_ASSERT_EQUAL(longest_batch(1000000, 64), 32);
    /* A slow device, and a quick one again. */
    (void)longest_batch(50000000, 150);
    CU_ASSERT_EQUAL(longest_batch(50000000, 26), 4);
    CU_ASSERT_TRUE(longest_batch(1000000, 60) > 4);
    teardown();
}

static void storage__fails(void)
{
    struct vmm__purger_cfg cfg = { .low_blocks = 399, .high_blocks = 400 };
    uint64_t blk;

    setup(NR_SLOTS);
    put(0, 100);
    vmm__purger_set(purger, &cfg);
    CU_ASSERT_TRUE(settle(VMM_E_IO) > 0);
    CU_ASSERT_EQUAL(vmm__purger_stuck(purger), VMM_E_IO);
    for (blk = 0; blk < 100; blk++) {
        CU_ASSERT_TRUE(in_nvm(0, blk));
        CU_ASSERT_EQUAL(page[0], blk);
    }
    /* It is not tried again and again, but later it is. */
    CU_ASSERT_EQUAL(settle(VMM_E_IO), 0);
    fake.now_ns += 2 * S;
    CU_ASSERT_TRUE(settle(0) > 0);
    CU_ASSERT_EQUAL(vmm__purger_stuck(purger), VMM_E_NOSPC);
    fake.now_ns += 2 * S;
    cfg.low_blocks = 100;
    vmm__purger_set(purger, &cfg);
    (void)settle(0);
    CU_ASSERT_EQUAL(vmm__purger_stuck(purger), 0);
    teardown();
}

static void storage__is_full(void)
{
    struct vmm__purge_job job = {
        .nr_free = UINT64_MAX, .max = UINT64_MAX, .any = true,
        .done = job_done,
    };

    setup(40);
    put(0, 100);
    vmm__purger_start(purger, &job);
    (void)settle(0);
    CU_ASSERT_EQUAL(nr_done, 1);
    CU_ASSERT_EQUAL(done_rc, VMM_E_NOSPC);
    CU_ASSERT_EQUAL(job.nr_moved, 40);
    teardown();
}

static void stop__ends_jobs(void)
{
    struct vmm__purge_job job = {
        .nr_free = UINT64_MAX, .max = UINT64_MAX, .any = true,
        .done = job_done,
    };

    setup(NR_SLOTS);
    put(0, 100);
    vmm__purger_start(purger, &job);
    turn();
    vmm__purger_stop(purger);
    turn();
    CU_ASSERT_EQUAL(nr_done, 0);
    (void)settle(0);
    CU_ASSERT_EQUAL(nr_done, 1);
    CU_ASSERT_EQUAL(done_rc, VMM_E_CANCELED);
    CU_ASSERT_EQUAL(job.nr_moved, 64);
    vmm__purger_start(purger, &job);
    (void)settle(0);
    CU_ASSERT_EQUAL(nr_done, 2);
    CU_ASSERT_EQUAL(done_rc, VMM_E_CANCELED);
    CU_ASSERT_EQUAL(vmm__purger_due_ns(purger), UINT64_MAX);
    teardown();
}

/* What another job has in flight may be enough, but is not there yet. */
static void job__waits_for_another(void)
{
    struct vmm__purge_job a = {
        .nr_free = UINT64_MAX, .max = 40, .any = true, .done = job_done,
    }, b = { .max = 32, .any = true, .done = job_done };

    setup(NR_SLOTS);
    put(0, 100);
    b.nr_free = nr_free(purger) + 32;
    vmm__purger_start(purger, &a);
    turn();
    vmm__purger_start(purger, &b);
    turn();
    CU_ASSERT_EQUAL(nr_done, 0);
    CU_ASSERT_EQUAL(vmm__purger_due_ns(purger), UINT64_MAX);
    (void)fake_bdev_complete_all(&fake, VMM_E_IO);
    (void)vmm__engine_dispatch(engine);
    CU_ASSERT_EQUAL(nr_done, 1);
    CU_ASSERT_TRUE(vmm__purger_due_ns(purger) <= fake.now_ns);
    (void)settle(0);
    CU_ASSERT_EQUAL(nr_done, 2);
    CU_ASSERT_EQUAL(b.nr_moved, 32);
    CU_ASSERT_TRUE(nr_free(purger) >= b.nr_free);
    teardown();
}

static void new__no_memory(void)
{
    struct vmm__purger *other;

    setup(NR_SLOTS);
    fail_at = 1;
    CU_ASSERT_EQUAL(vmm__purger_new(region, engine, &test_clock, &other),
                    VMM_E_NOMEM);
    fail_at = 2;
    CU_ASSERT_EQUAL(vmm__purger_new(region, engine, &test_clock, &other),
                    VMM_E_NOMEM);
    vmm__purger_free(NULL);
    teardown();
}

static const struct ut_case cases[] = {
    UT_CASE(job__ends_as_asked),
    UT_CASE(job__snapshots_then_cold),
    UT_CASE(watermarks__begin_and_end),
    UT_CASE(rate__never_more),
    UT_CASE(batch__short_while_somebody_waits),
    UT_CASE(batch__as_long_as_the_device_is_quick),
    UT_CASE(storage__fails),
    UT_CASE(storage__is_full),
    UT_CASE(stop__ends_jobs),
    UT_CASE(job__waits_for_another),
    UT_CASE(new__no_memory),
};

UT_MAIN("consumer/purger", cases)
