/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_engine.c: order, caps, bounds; one by one, and in random schedules. */
#include "io/engine.c"

#include "lib/fake_bdev.h"
#include "lib/ut.h"

#define MS 1000000ull
#define MAX_IOS 64u

#define D VMM_REQ_DEMAND
#define F VMM_REQ_FOREIGN
#define P VMM_REQ_PREFETCH
#define E VMM_REQ_EVICT

struct test_io {
    struct vmm__engine_io eio;
    unsigned int nr_done;
    int rc;
};

static struct fake_bdev fake;
static struct vmm__bdev bdev;
static struct vmm__clock test_clock;
static struct vmm__engine_cfg cfg;
static struct vmm__engine *engine;
static struct test_io ios[MAX_IOS];
static uint8_t page[1];

static void io_done(struct vmm__engine_io *eio, int rc)
{
    struct test_io *io = vmm__container_of(eio, struct test_io, eio);

    io->nr_done++;
    io->rc = rc;
}

static void setup(void)
{
    memset(ios, 0, sizeof(ios));
    fake_bdev_init(&fake, &bdev, &test_clock);
    vmm__engine_cfg_default(&cfg);
    cfg.max_inflight = 8;
    cfg.low_cap_idle = 4;
    cfg.low_cap_busy = 2;
    cfg.low_time_ns = 1000 * MS;
    cfg.hold_ns = 2 * MS;
    cfg.starvation_ns = 50 * MS;
    engine = NULL;
}

static void start(void)
{
    CU_ASSERT_EQUAL_FATAL(vmm__engine_new(&cfg, &bdev, &test_clock, &engine),
                          0);
}

static void submit(unsigned int i, enum vmm_reqclass reqclass)
{
    struct vmm__engine_io *eio = &ios[i].eio;

    CU_ASSERT_EQUAL(eio->state, VMM__EIO_IDLE);
    eio->bio = (struct vmm__bdev_io){
        .reqclass = reqclass,
        .offset_bytes = i * 4096ull,
        .len_bytes = 4096,
        .buf = page,
    };
    eio->done = io_done;
    vmm__engine_submit(engine, eio);
}

static void dispatch(void)
{
    (void)vmm__engine_dispatch(engine);
    CU_ASSERT_EQUAL(fake.nr_unkicked, 0);
}

/* What is in the device, in this order: numbers of ios, -1 at the end. */
static void check_device(const int *numbers)
{
    unsigned int i;

    for (i = 0; numbers[i] >= 0; i++) {
        CU_ASSERT_FATAL(i < fake.nr_ios);
        CU_ASSERT_EQUAL(fake.ios[i], &ios[numbers[i]].eio.bio);
    }
    CU_ASSERT_EQUAL(fake.nr_ios, i);
}
#define CHECK_DEVICE(...) check_device((const int[]){ __VA_ARGS__, -1 })
#define CHECK_DEVICE_EMPTY() check_device((const int[]){ -1 })

static void finish_all(void)
{
    unsigned int round;

    for (round = 0; round < 1000 && !vmm__engine_idle(engine); round++) {
        (void)fake_bdev_complete_all(&fake, 0);
        dispatch();
        fake.now_ns += 10 * MS;
    }
    CU_ASSERT(vmm__engine_idle(engine));
}

static void teardown(void)
{
    finish_all();
    vmm__engine_free(engine);
}

static void engine_new__bad_caps(void)
{
    setup();
    cfg.low_cap_idle = cfg.max_inflight;
    CU_ASSERT_EQUAL(vmm__engine_new(&cfg, &bdev, &test_clock, &engine),
                    VMM_E_INVAL);
    cfg.low_cap_idle = 0;
    CU_ASSERT_EQUAL(vmm__engine_new(&cfg, &bdev, &test_clock, &engine),
                    VMM_E_INVAL);
    cfg.low_cap_idle = 2;
    cfg.low_cap_busy = 3;
    CU_ASSERT_EQUAL(vmm__engine_new(&cfg, &bdev, &test_clock, &engine),
                    VMM_E_INVAL);
    CU_ASSERT_PTR_NULL(engine);
    vmm__engine_free(NULL);
}

static void submit__waits_for_dispatch(void)
{
    setup();
    start();
    CU_ASSERT(vmm__engine_idle(engine));
    CU_ASSERT_EQUAL(vmm__engine_due_ns(engine), UINT64_MAX);
    submit(0, D);
    CU_ASSERT(!vmm__engine_idle(engine));
    CU_ASSERT_EQUAL(vmm__engine_due_ns(engine), 0);
    CU_ASSERT_EQUAL(fake.nr_submits, 0);
    dispatch();
    CHECK_DEVICE(0);
    CU_ASSERT_EQUAL(vmm__engine_due_ns(engine), UINT64_MAX);
    CU_ASSERT_EQUAL(ios[0].nr_done, 0);
    fake_bdev_complete(&fake, 0, VMM_E_IO);
    CU_ASSERT_EQUAL(vmm__engine_dispatch(engine), 1);
    CU_ASSERT_EQUAL(ios[0].nr_done, 1);
    CU_ASSERT_EQUAL(ios[0].rc, VMM_E_IO);
    teardown();
}

static void dispatch__strict_order(void)
{
    setup();
    cfg.low_cap_busy = 4;
    start();
    submit(0, E);
    submit(1, P);
    submit(2, F);
    submit(3, D);
    submit(4, P);
    submit(5, D);
    dispatch();
    CHECK_DEVICE(3, 5, 2, 1, 4, 0);
    teardown();
}

static void dispatch__urgent_overtakes_what_is_queued(void)
{
    unsigned int i;

    setup();
    start();
    for (i = 0; i < 6; i++) {
        submit(i, P);
    }
    dispatch();
    CHECK_DEVICE(0, 1, 2, 3);
    submit(6, F);
    submit(7, D);
    dispatch();
    CHECK_DEVICE(0, 1, 2, 3, 7, 6);
    teardown();
}

static void dispatch__low_cap(void)
{
    unsigned int i;

    setup();
    start();
    submit(0, D);
    for (i = 1; i < 10; i++) {
        submit(i, i % 2 ? P : E);
    }
    dispatch();
    CHECK_DEVICE(0, 1, 3);
    /* One out, one in. */
    fake_bdev_complete(&fake, 1, 0);
    dispatch();
    CHECK_DEVICE(0, 3, 5);
    /* DEMAND is done, but another may follow soon. */
    fake_bdev_complete(&fake, 0, 0);
    dispatch();
    CHECK_DEVICE(3, 5);
    CU_ASSERT_EQUAL(vmm__engine_due_ns(engine), fake.now_ns + 2 * MS);
    fake.now_ns += 2 * MS - 1;
    dispatch();
    CHECK_DEVICE(3, 5);
    fake.now_ns += 1;
    dispatch();
    CHECK_DEVICE(3, 5, 7, 9);
    CU_ASSERT_EQUAL(vmm__engine_due_ns(engine), UINT64_MAX);
    teardown();
}

/* A device that is slow gets less at a time, and more when it is not. */
static void dispatch__low_cap_of_a_slow_device(void)
{
    unsigned int i, n;

    setup();
    cfg.low_time_ns = 5 * MS;
    start();
    for (i = 0; i < 20; i++) {
        submit(i, E);
    }
    dispatch();
    CHECK_DEVICE(0, 1, 2, 3);
    /* All four were too long there; that is one reason to give it two. */
    fake.now_ns += 6 * MS;
    for (i = 0; i < 3; i++) {
        fake_bdev_complete(&fake, 0, 0);
        dispatch();
    }
    CHECK_DEVICE(3, 4);
    fake_bdev_complete(&fake, 0, 0);
    dispatch();
    CHECK_DEVICE(4, 5);
    /* One is the least. */
    for (n = 0; n < 3; n++) {
        fake.now_ns += 6 * MS;
        (void)fake_bdev_complete_all(&fake, 0);
        dispatch();
        CU_ASSERT_EQUAL(fake.nr_ios, 1);
    }
    /* In time again: one more for each that were all in time. */
    for (n = 0; n < 2; n++) {
        fake_bdev_complete(&fake, 0, 0);
        dispatch();
    }
    CU_ASSERT_EQUAL(fake.nr_ios, 2);
    teardown();
}

static void dispatch__low_cap_zero(void)
{
    setup();
    cfg.low_cap_busy = 0;
    start();
    submit(0, D);
    submit(1, P);
    submit(2, E);
    dispatch();
    CHECK_DEVICE(0);
    CU_ASSERT_EQUAL(vmm__engine_due_ns(engine), fake.now_ns + 50 * MS);
    fake.now_ns += 50 * MS - 1;
    dispatch();
    CHECK_DEVICE(0);
    fake.now_ns += 1;
    dispatch();
    CHECK_DEVICE(0, 1);
    CU_ASSERT_EQUAL(vmm__engine_due_ns(engine), UINT64_MAX);
    fake_bdev_complete(&fake, 1, 0);
    dispatch();
    CHECK_DEVICE(0, 2);
    teardown();
}

static void dispatch__max_inflight(void)
{
    unsigned int i;

    setup();
    start();
    for (i = 0; i < 12; i++) {
        submit(i, D);
    }
    dispatch();
    CHECK_DEVICE(0, 1, 2, 3, 4, 5, 6, 7);
    CU_ASSERT_EQUAL(vmm__engine_due_ns(engine), UINT64_MAX);
    fake_bdev_complete(&fake, 3, 0);
    fake_bdev_complete(&fake, 5, 0);
    dispatch();
    CHECK_DEVICE(0, 1, 2, 4, 6, 7, 8, 9);
    teardown();
}

/* DEMAND without end: the others get one each per bound, no more. */
static void dispatch__starvation_bound(void)
{
    unsigned int i, step, nr[VMM_NR_REQCLASSES] = { 0 };
    uint64_t start_ns;

    setup();
    cfg.max_inflight = 3;
    cfg.low_cap_idle = cfg.low_cap_busy = 2;
    start();
    start_ns = fake.now_ns;
    for (i = 0; i < 40; i++) {
        submit(i, i % 4 ? D : E);
    }
    for (i = 40; i < 50; i++) {
        submit(i, i % 2 ? F : P);
    }
    dispatch();
    for (step = 0; step < 400; step++) {
        /* The oldest is done and comes back. */
        struct test_io *io = vmm__container_of(fake.ios[0], struct test_io,
                                               eio.bio);

        nr[fake.ios[0]->reqclass]++;
        fake_bdev_complete(&fake, 0, 0);
        fake.now_ns += MS;
        dispatch();
        submit((unsigned int)(io - ios), io->eio.bio.reqclass);
        dispatch();
    }
    CU_ASSERT_EQUAL(fake.now_ns - start_ns, 400 * MS);
    CU_ASSERT(nr[F] >= 7 && nr[F] <= 8);
    CU_ASSERT(nr[P] >= 7 && nr[P] <= 8);
    CU_ASSERT(nr[E] >= 7 && nr[E] <= 8);
    CU_ASSERT_EQUAL(nr[D] + nr[F] + nr[P] + nr[E], 400);
    teardown();
}

static void dispatch__full_queue_does_not_stop_others(void)
{
    unsigned int i;

    setup();
    fake.depth = 2;
    start();
    for (i = 0; i < 4; i++) {
        submit(i, D);
    }
    submit(4, F);
    submit(5, P);
    dispatch();
    CHECK_DEVICE(0, 1, 4, 5);
    CU_ASSERT_EQUAL(ios[2].eio.bio.reqclass, D);
    CU_ASSERT_EQUAL(vmm__engine_due_ns(engine), UINT64_MAX);
    fake_bdev_complete(&fake, 1, 0);
    dispatch();
    CHECK_DEVICE(0, 4, 5, 2);
    teardown();
}

static void resubmit_done(struct vmm__engine_io *eio, int rc)
{
    io_done(eio, rc);
    if (vmm__container_of(eio, struct test_io, eio)->nr_done < 3) {
        vmm__engine_submit(engine, eio);
        (void)vmm__engine_promote(engine, &ios[1].eio, D);
        (void)vmm__engine_cancel(engine, &ios[2].eio);
    }
}

static void done__may_submit_promote_and_cancel(void)
{
    setup();
    cfg.max_inflight = 2;
    cfg.low_cap_idle = cfg.low_cap_busy = 1;
    start();
    submit(0, E);
    ios[0].eio.done = resubmit_done;
    dispatch();
    submit(1, P);
    submit(2, P);
    CHECK_DEVICE(0);
    fake_bdev_complete(&fake, 0, 0);
    dispatch();
    CHECK_DEVICE(1, 0);
    finish_all();
    CU_ASSERT_EQUAL(ios[0].nr_done, 3);
    CU_ASSERT_EQUAL(ios[1].nr_done, 1);
    CU_ASSERT_EQUAL(ios[2].nr_done, 0);
    teardown();
}

static void promote__queued(void)
{
    struct vmm__engine_class_stat stat;

    setup();
    cfg.low_cap_idle = 1;
    cfg.low_cap_busy = 1;
    start();
    submit(0, P);
    submit(1, P);
    submit(2, P);
    submit(3, P);
    dispatch();
    CHECK_DEVICE(0);
    fake.now_ns += 3 * MS;
    CU_ASSERT(vmm__engine_promote(engine, &ios[2].eio, D));
    CU_ASSERT_EQUAL(vmm__engine_due_ns(engine), 0);
    CU_ASSERT_EQUAL(ios[2].eio.queued_ns, fake.now_ns);
    CU_ASSERT_EQUAL(ios[2].eio.bio.reqclass, D);
    CU_ASSERT(!vmm__engine_promote(engine, &ios[2].eio, F));
    CU_ASSERT(!vmm__engine_promote(engine, &ios[2].eio, D));
    dispatch();
    CHECK_DEVICE(0, 2);
    vmm__engine_stat(engine, D, &stat);
    CU_ASSERT_EQUAL(stat.nr_promoted_in, 1);
    CU_ASSERT_EQUAL(stat.nr_inflight, 1);
    vmm__engine_stat(engine, P, &stat);
    CU_ASSERT_EQUAL(stat.nr_queued, 2);
    teardown();
}

static void promote__in_flight_or_idle(void)
{
    setup();
    start();
    submit(0, P);
    dispatch();
    CU_ASSERT(!vmm__engine_promote(engine, &ios[0].eio, D));
    CU_ASSERT_EQUAL(ios[0].eio.bio.reqclass, P);
    fake_bdev_complete(&fake, 0, 0);
    dispatch();
    CU_ASSERT(!vmm__engine_promote(engine, &ios[0].eio, D));
    teardown();
}

static void cancel__queued_or_not(void)
{
    struct vmm__engine_class_stat stat;

    setup();
    cfg.low_cap_idle = cfg.low_cap_busy = 1;
    start();
    submit(0, P);
    submit(1, P);
    submit(2, P);
    dispatch();
    CU_ASSERT(!vmm__engine_cancel(engine, &ios[0].eio));
    CU_ASSERT(vmm__engine_cancel(engine, &ios[1].eio));
    CU_ASSERT(!vmm__engine_cancel(engine, &ios[1].eio));
    fake_bdev_complete(&fake, 0, 0);
    dispatch();
    CHECK_DEVICE(2);
    CU_ASSERT_EQUAL(ios[1].nr_done, 0);
    /* It is the caller's again. */
    submit(1, D);
    dispatch();
    CHECK_DEVICE(2, 1);
    vmm__engine_stat(engine, P, &stat);
    CU_ASSERT_EQUAL(stat.nr_canceled, 1);
    CU_ASSERT_EQUAL(stat.nr_done, 1);
    teardown();
}

static void cancel__urgent_frees_low(void)
{
    unsigned int i;

    setup();
    cfg.low_cap_busy = 0;
    start();
    submit(0, P);
    for (i = 1; i < 10; i++) {
        submit(i, D);
    }
    fake.depth = 1;
    dispatch();
    CHECK_DEVICE(1);
    for (i = 2; i < 10; i++) {
        CU_ASSERT(vmm__engine_cancel(engine, &ios[i].eio));
    }
    fake_bdev_complete(&fake, 0, 0);
    dispatch();
    CHECK_DEVICE_EMPTY();
    fake.now_ns = vmm__engine_due_ns(engine);
    dispatch();
    CHECK_DEVICE(0);
    teardown();
}

static void fifo__order_and_device_class(void)
{
    struct vmm__engine_class_stat stat;
    unsigned int i;

    setup();
    cfg.fifo = true;
    start();
    for (i = 0; i < 10; i++) {
        submit(i, i == 3 ? P : E);
    }
    submit(10, D);
    dispatch();
    /* No cap but max_inflight, and no place for who comes late. */
    CHECK_DEVICE(0, 1, 2, 3, 4, 5, 6, 7);
    for (i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(fake.ios[i]->reqclass, fake.ios[0]->reqclass);
    }
    CU_ASSERT(vmm__engine_promote(engine, &ios[9].eio, D));
    (void)fake_bdev_complete_all(&fake, 0);
    dispatch();
    CHECK_DEVICE(8, 9, 10);
    CU_ASSERT_EQUAL(ios[0].eio.bio.reqclass, E);
    CU_ASSERT_EQUAL(vmm__engine_due_ns(engine), UINT64_MAX);
    finish_all();
    CU_ASSERT_EQUAL(ios[10].eio.bio.reqclass, D);
    CU_ASSERT_EQUAL(ios[9].eio.bio.reqclass, D);
    vmm__engine_stat(engine, D, &stat);
    CU_ASSERT_EQUAL(stat.nr_done, 2);
    CU_ASSERT_EQUAL(stat.nr_promoted_in, 1);
    vmm__engine_stat(engine, E, &stat);
    CU_ASSERT_EQUAL(stat.nr_done, 8);
    CU_ASSERT_EQUAL(stat.nr_queued, 0);
    teardown();
}

static void must_poll__while_demand_is_in_flight(void)
{
    setup();
    fake.polled = true;
    start();
    submit(0, P);
    dispatch();
    CU_ASSERT(!vmm__engine_must_poll(engine));
    submit(1, D);
    dispatch();
    CU_ASSERT(vmm__engine_must_poll(engine));
    teardown();
    fake.polled = false;
}

static void stat__latency(void)
{
    struct vmm__engine_class_stat stat;

    setup();
    start();
    submit(0, D);
    submit(1, D);
    dispatch();
    fake.now_ns += 3 * MS;
    fake_bdev_complete(&fake, 0, 0);
    fake_bdev_complete(&fake, 1, VMM_E_IO);
    dispatch();
    vmm__engine_stat(engine, D, &stat);
    CU_ASSERT_EQUAL(stat.nr_done, 2);
    CU_ASSERT_EQUAL(stat.nr_failed, 1);
    CU_ASSERT_EQUAL(stat.latency->count, 1);
    CU_ASSERT_EQUAL(stat.latency->max, 3 * MS);
    teardown();
}

/* The nth call of the device fails, n = 1, 2, ... until none does. */

static void any_call__fails(void)
{
    static const struct {
        bool submit;
        int rc;
    } kinds[] = { { true, 0 }, { false, VMM_E_IO }, { false, VMM_E_NOSPC } };
    unsigned int kind, i, n;

    for (kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        for (n = 1; n <= 33; n++) {
            unsigned int nr_failed = 0;

            setup();
            start();
            fake.fail_submit = kinds[kind].submit ? n : 0;
            fake.fail_transfer = kinds[kind].submit ? 0 : n;
            fake.fail_rc = kinds[kind].rc;
            for (i = 0; i < 32; i++) {
                submit(i, i % VMM_NR_REQCLASSES);
                if (i % 5 == 4) {
                    dispatch();
                }
            }
            finish_all();
            for (i = 0; i < 32; i++) {
                CU_ASSERT_EQUAL(ios[i].nr_done, 1);
                if (ios[i].rc) {
                    CU_ASSERT_EQUAL(ios[i].rc, kinds[kind].rc);
                    nr_failed++;
                }
            }
            CU_ASSERT_EQUAL(nr_failed, !kinds[kind].submit && n <= 32);
            teardown();
        }
    }
}

/*
 * Random schedules against a model: what is queued, in which order, and when
 * each class was served.
 */
struct model {
    uint64_t rng;
    unsigned int queue[VMM_NR_REQCLASSES][MAX_IOS], nr[VMM_NR_REQCLASSES];
    uint64_t queued_ns[MAX_IOS], served_ns[VMM_NR_REQCLASSES];
    enum vmm_reqclass reqclass[MAX_IOS];
    enum { IDLE, QUEUED, INFLIGHT } state[MAX_IOS];
    bool full[VMM_NR_REQCLASSES];       /* in this dispatch */
    unsigned int nr_inflight, nr_low, nr_urgent, low_cap, nr_in_time;
    uint64_t hold_ns, cut_ns, issued_ns[MAX_IOS];
    const char *why;
};
static struct model model;

static uint64_t rnd(uint64_t n)
{
    model.rng ^= model.rng << 13;
    model.rng ^= model.rng >> 7;
    model.rng ^= model.rng << 17;
    return (model.rng >> 11) % n;
}

static void broken(const char *why)
{
    if (!model.why) {
        model.why = why;
    }
}

static unsigned int model_cap(void)
{
    bool busy = model.nr_urgent || fake.now_ns < model.hold_ns;

    return busy && cfg.low_cap_busy < model.low_cap ? cfg.low_cap_busy
                                                    : model.low_cap;
}

static bool model_starved(unsigned int reqclass)
{
    uint64_t since_ns = model.queued_ns[model.queue[reqclass][0]];

    if (since_ns < model.served_ns[reqclass]) {
        since_ns = model.served_ns[reqclass];
    }
    return fake.now_ns - since_ns >= cfg.starvation_ns;
}

static void model_remove(unsigned int i)
{
    unsigned int reqclass = model.reqclass[i], at = 0;

    while (model.queue[reqclass][at] != i) {
        at++;
    }
    model.nr[reqclass]--;
    memmove(&model.queue[reqclass][at], &model.queue[reqclass][at + 1],
            (model.nr[reqclass] - at) * sizeof(model.queue[0][0]));
    model.nr_urgent -= reqclass <= F;
}

static void model_add(unsigned int i, unsigned int reqclass)
{
    model.reqclass[i] = reqclass;
    model.state[i] = QUEUED;
    model.queued_ns[i] = fake.now_ns;
    model.queue[reqclass][model.nr[reqclass]++] = i;
    model.nr_urgent += reqclass <= F;
}

static void model_submit(void *user, struct vmm__bdev_io *bio, bool taken)
{
    unsigned int i = (unsigned int)(bio->offset_bytes / 4096), c, h;
    bool starved;

    (void)user;
    c = model.reqclass[i];
    if (model.state[i] != QUEUED || model.queue[c][0] != i) {
        broken("not the first of its class");
        return;
    }
    if (bio->reqclass != c) {
        broken("in the queue of another class");
    }
    if (!taken) {
        model.full[c] = true;
        return;
    }
    starved = model_starved(c);
    for (h = 0; h < c; h++) {
        if (!model.nr[h] || model.full[h]) {
            continue;
        }
        /* Kept back by the cap, as this one should be. */
        if (h > F && model.nr_low >= model_cap()) {
            continue;
        }
        if (!starved) {
            broken("overtook a more urgent one");
        }
    }
    if (c > F && model.nr_low >= model_cap() && !(starved && !model.nr_low)) {
        broken("above the cap");
    }
    if (model.nr_inflight >= cfg.max_inflight) {
        broken("too many in flight");
    }
    model_remove(i);
    model.nr_urgent += c <= F;
    model.state[i] = INFLIGHT;
    model.nr_inflight++;
    model.nr_low += c > F;
    model.issued_ns[i] = fake.now_ns;
    model.served_ns[c] = fake.now_ns;
}

static void model_low_done(unsigned int i)
{
    if (fake.now_ns - model.issued_ns[i] > cfg.low_time_ns) {
        if (model.issued_ns[i] >= model.cut_ns) {
            model.low_cap = model.low_cap / 2 + model.low_cap % 2;
            model.cut_ns = fake.now_ns;
            model.nr_in_time = 0;
        }
    } else if (model.nr_low >= model.low_cap &&
               model.low_cap < cfg.low_cap_idle &&
               ++model.nr_in_time == model.low_cap) {
        model.low_cap++;
        model.nr_in_time = 0;
    }
    model.nr_low--;
}

static void model_done(struct vmm__engine_io *eio, int rc)
{
    unsigned int i = (unsigned int)(eio->bio.offset_bytes / 4096);

    io_done(eio, rc);
    if (model.state[i] != INFLIGHT || eio->bio.reqclass != model.reqclass[i]) {
        broken("done, but not in flight as it is");
    }
    model.state[i] = IDLE;
    model.nr_inflight--;
    if (model.reqclass[i] <= F) {
        model.nr_urgent--;
        model.hold_ns = fake.now_ns + cfg.hold_ns;
    } else {
        model_low_done(i);
    }
}

/* Nothing is left waiting that could go. */
static void model_check(void)
{
    uint64_t due_ns = vmm__engine_due_ns(engine);
    unsigned int c;

    for (c = 0; c < VMM_NR_REQCLASSES; c++) {
        struct vmm__engine_class_stat stat;

        vmm__engine_stat(engine, c, &stat);
        if (stat.nr_queued != model.nr[c]) {
            broken("miscounted");
        }
        if (!model.nr[c] || model.full[c] ||
            model.nr_inflight >= cfg.max_inflight) {
            continue;
        }
        if (c <= F || model.nr_low < model_cap() ||
            (!model.nr_low && model_starved(c))) {
            broken("idle with work to do");
        }
        /* It can only wait for time or for another to be done. */
        if (due_ns == UINT64_MAX && !model.nr_inflight) {
            broken("asleep with work to do");
        }
        if (due_ns <= fake.now_ns) {
            broken("awake with nothing to do");
        }
    }
}

static const char *run_schedule(uint64_t seed)
{
    unsigned int step, i, nr_ios;

    setup();
    memset(&model, 0, sizeof(model));
    model.rng = seed * 0x9e3779b97f4a7c15ull + 1;
    for (i = 0; i < 4; i++) {
        (void)rnd(2);
    }
    nr_ios = (unsigned int)rnd(MAX_IOS - 1) + 1;
    cfg.max_inflight = 2 + (uint32_t)rnd(12);
    cfg.low_cap_idle = 1 + (uint32_t)rnd(cfg.max_inflight - 1);
    cfg.low_cap_busy = (uint32_t)rnd(cfg.low_cap_idle + 1);
    cfg.low_time_ns = rnd(10 * MS);
    cfg.hold_ns = rnd(5 * MS);
    cfg.starvation_ns = MS + rnd(20 * MS);
    fake.depth = 1 + (uint32_t)rnd(10);
    fake.on_submit = model_submit;
    model.low_cap = cfg.low_cap_idle;
    start();

    for (step = 0; step < 300 && !model.why; step++) {
        switch (rnd(8)) {
        case 0:
        case 1:
        case 2:
            i = (unsigned int)rnd(nr_ios);
            if (model.state[i] == IDLE) {
                model_add(i, (unsigned int)rnd(VMM_NR_REQCLASSES));
                submit(i, model.reqclass[i]);
                ios[i].eio.done = model_done;
            }
            break;
        case 3: {
            unsigned int to = (unsigned int)rnd(VMM_NR_REQCLASSES);
            bool could;

            i = (unsigned int)rnd(nr_ios);
            could = model.state[i] == QUEUED && model.reqclass[i] > to;
            if (vmm__engine_promote(engine, &ios[i].eio, to) != could) {
                broken("promote() says otherwise");
            }
            if (could) {
                model_remove(i);
                model_add(i, to);
            }
            break;
        }
        case 4:
            i = (unsigned int)rnd(nr_ios);
            if (rnd(3)) {
                break;
            }
            if (vmm__engine_cancel(engine, &ios[i].eio) !=
                (model.state[i] == QUEUED)) {
                broken("cancel() says otherwise");
            }
            if (model.state[i] == QUEUED) {
                model_remove(i);
                model.state[i] = IDLE;
            }
            break;
        case 5:
            if (fake.nr_ios) {
                i = (unsigned int)rnd(fake.nr_ios);
                if (!fake.complete[i]) {
                    fake_bdev_complete(&fake, i, rnd(10) ? 0 : VMM_E_IO);
                }
            }
            break;
        case 6:
            fake.now_ns += rnd(10) ? rnd(2 * MS) : rnd(30 * MS);
            break;
        default:
            memset(model.full, 0, sizeof(model.full));
            (void)vmm__engine_dispatch(engine);
            model_check();
            break;
        }
    }

    fake.on_submit = NULL;
    for (i = 0; i < nr_ios; i++) {
        ios[i].eio.done = io_done;
    }
    finish_all();
    vmm__engine_free(engine);
    return model.why;
}

static void schedules__keep_the_order(void)
{
    uint64_t seed;

    for (seed = 1; seed <= 5000; seed++) {
        const char *why = run_schedule(seed);

        if (why) {
            printf("seed %llu: %s\n", (unsigned long long)seed, why);
            CU_FAIL("a schedule broke a rule");
            break;
        }
    }
}

static const struct ut_case cases[] = {
    UT_CASE(engine_new__bad_caps),
    UT_CASE(submit__waits_for_dispatch),
    UT_CASE(dispatch__strict_order),
    UT_CASE(dispatch__urgent_overtakes_what_is_queued),
    UT_CASE(dispatch__low_cap),
    UT_CASE(dispatch__low_cap_of_a_slow_device),
    UT_CASE(dispatch__low_cap_zero),
    UT_CASE(dispatch__max_inflight),
    UT_CASE(dispatch__starvation_bound),
    UT_CASE(dispatch__full_queue_does_not_stop_others),
    UT_CASE(done__may_submit_promote_and_cancel),
    UT_CASE(promote__queued),
    UT_CASE(promote__in_flight_or_idle),
    UT_CASE(cancel__queued_or_not),
    UT_CASE(cancel__urgent_frees_low),
    UT_CASE(fifo__order_and_device_class),
    UT_CASE(must_poll__while_demand_is_in_flight),
    UT_CASE(stat__latency),
    UT_CASE(any_call__fails),
    UT_CASE(schedules__keep_the_order),
};

UT_MAIN("io/engine", cases)
