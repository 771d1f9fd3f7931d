/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_bdev_uring.c: a real file through real rings, alone and under the
 * engine, with faults. */
#include "port/bdev_uring.c"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/engine.h"
#include "lib/ut.h"
#include "port/fault.h"

#define MIB (1ull << 20)
#define NR_IOS 64u
#define NR_BLOCKS 1024u

static char dir[64], path[96], last_log[512];
static struct vmm__bdev bdev;
static uint64_t size_bytes;
static uint8_t *mem;
static struct vmm__bdev_io ios[NR_IOS];
static unsigned int nr_done;
static int last_rc;

static void keep_log(void *user, enum vmm_log_level level, const char *msg)
{
    (void)user;
    (void)level;
    (void)snprintf(last_log, sizeof(last_log), "%s", msg);
}

static const struct vmm_logger logger = { .log = keep_log };

static void io_done(struct vmm__bdev_io *io, int rc)
{
    (void)io;
    nr_done++;
    last_rc = rc;
}

static int open_store(unsigned int flags)
{
    return vmm__bdev_uring_open(path, NR_BLOCKS * BLOCK_BYTES, flags,
                                &logger, &bdev, &size_bytes);
}

static void setup(void)
{
    memset(&bdev, 0, sizeof(bdev));
    nr_done = 0;
    last_rc = 1;
    last_log[0] = 0;
    (void)snprintf(dir, sizeof(dir), "/var/tmp/ut-bdev-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/store", dir);
    mem = aligned_alloc(BLOCK_BYTES, NR_IOS * BLOCK_BYTES);
    CU_ASSERT_PTR_NOT_NULL_FATAL(mem);
    memset(mem, 0, NR_IOS * BLOCK_BYTES);
}

static void start(void)
{
    setup();
    CU_ASSERT_EQUAL_FATAL(open_store(VMM__BDEV_CREATE), 0);
    CU_ASSERT_EQUAL(size_bytes, NR_BLOCKS * BLOCK_BYTES);
}

static void teardown(void)
{
    vmm__bdev_uring_close(&bdev);
    CU_ASSERT_PTR_NULL(bdev.self);
    free(mem);
    (void)unlink(path);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static int submit(unsigned int i, bool write, enum vmm_reqclass reqclass,
                  uint64_t block, uint32_t nr_blocks, void *buf)
{
    ios[i] = (struct vmm__bdev_io){
        .write = write,
        .reqclass = reqclass,
        .offset_bytes = block * BLOCK_BYTES,
        .len_bytes = nr_blocks * BLOCK_BYTES,
        .buf = buf,
        .done = io_done,
    };
    return bdev.ops->submit(bdev.self, &ios[i]);
}

static void wait_for(unsigned int nr)
{
    uint64_t end_ns = vmm__now_ns(&vmm__clock_monotonic) + 20000000000ull;

    bdev.ops->kick(bdev.self);
    while (nr_done < nr && vmm__now_ns(&vmm__clock_monotonic) < end_ns) {
        struct pollfd pfd = {
            .fd = bdev.ops->fd(bdev.self), .events = POLLIN,
        };

        if (!bdev.ops->reap(bdev.self) && !bdev.ops->must_poll(bdev.self)) {
            (void)poll(&pfd, 1, 1000);
        }
    }
    CU_ASSERT_EQUAL(nr_done, nr);
}

static void transfer__each_class(void)
{
    unsigned int i;

    start();
    for (i = 0; i < NR_IOS; i++) {
        memset(mem + i * BLOCK_BYTES, (int)i + 1, BLOCK_BYTES);
        CU_ASSERT_EQUAL(submit(i, true, i % VMM_NR_REQCLASSES, i * 3, 1,
                               mem + i * BLOCK_BYTES), 0);
    }
    wait_for(NR_IOS);
    CU_ASSERT_EQUAL(last_rc, 0);
    memset(mem, 0, NR_IOS * BLOCK_BYTES);
    for (i = 0; i < NR_IOS; i++) {
        CU_ASSERT_EQUAL(submit(i, false, (i + 1) % VMM_NR_REQCLASSES, i * 3,
                               1, mem + i * BLOCK_BYTES), 0);
    }
    wait_for(2 * NR_IOS);
    for (i = 0; i < NR_IOS; i++) {
        CU_ASSERT_EQUAL(mem[i * BLOCK_BYTES], i + 1);
        CU_ASSERT_EQUAL(mem[(i + 1) * BLOCK_BYTES - 1], i + 1);
    }
    teardown();
}

static void register_mem__inside_and_out(void)
{
    uint8_t *outside = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
    struct bdev_uring *self;
    int rc, index;

    start();
    self = bdev.self;
    rc = bdev.ops->register_mem(bdev.self, mem, 32 * BLOCK_BYTES);
    CU_ASSERT(!rc || rc == VMM_E_NOTSUP);
    if (!rc) {
        CU_ASSERT_EQUAL(bdev.ops->register_mem(bdev.self, mem, 4096),
                        VMM_E_BUSY);
        CU_ASSERT(is_fixed(self, mem, BLOCK_BYTES, &index));
        CU_ASSERT(is_fixed(self, mem + 31 * BLOCK_BYTES, BLOCK_BYTES,
                           &index));
        CU_ASSERT(!is_fixed(self, mem + 31 * BLOCK_BYTES, 2 * BLOCK_BYTES,
                            &index));
        CU_ASSERT(!is_fixed(self, mem - BLOCK_BYTES, BLOCK_BYTES, &index));
        CU_ASSERT(!is_fixed(self, mem + 32 * BLOCK_BYTES, BLOCK_BYTES,
                            &index));
    }
    memset(mem, 0x5a, 40 * BLOCK_BYTES);
    memset(outside, 0xa5, BLOCK_BYTES);
    CU_ASSERT_EQUAL(submit(0, true, VMM_REQ_EVICT, 0, 32, mem), 0);
    CU_ASSERT_EQUAL(submit(1, true, VMM_REQ_EVICT, 40, 2,
                           mem + 31 * BLOCK_BYTES), 0);
    CU_ASSERT_EQUAL(submit(2, true, VMM_REQ_EVICT, 50, 1, outside), 0);
    wait_for(3);
    CU_ASSERT_EQUAL(last_rc, 0);
    memset(mem, 0, 40 * BLOCK_BYTES);
    CU_ASSERT_EQUAL(submit(0, false, VMM_REQ_DEMAND, 31, 1, mem), 0);
    CU_ASSERT_EQUAL(submit(1, false, VMM_REQ_DEMAND, 50, 1,
                           mem + BLOCK_BYTES), 0);
    CU_ASSERT_EQUAL(submit(2, false, VMM_REQ_DEMAND, 41, 1, outside), 0);
    wait_for(6);
    CU_ASSERT_EQUAL(mem[4095], 0x5a);
    CU_ASSERT_EQUAL(mem[4096], 0xa5);
    CU_ASSERT_EQUAL(outside[17], 0x5a);
    free(outside);
    teardown();
}

static void submit__queue_full(void)
{
    static struct vmm__bdev_io many[RING_DEPTH + 1];
    unsigned int i;

    start();
    for (i = 0; i <= RING_DEPTH; i++) {
        many[i] = (struct vmm__bdev_io){
            .reqclass = VMM_REQ_PREFETCH,
            .offset_bytes = i * BLOCK_BYTES,
            .len_bytes = BLOCK_BYTES,
            .buf = mem,
            .done = io_done,
        };
        CU_ASSERT_EQUAL(bdev.ops->submit(bdev.self, &many[i]),
                        i < RING_DEPTH ? 0 : VMM_E_AGAIN);
    }
    CU_ASSERT(bdev.ops->must_poll(bdev.self));
    /* Others have a queue of their own. */
    CU_ASSERT_EQUAL(submit(0, false, VMM_REQ_DEMAND, 0, 1, mem), 0);
    wait_for(RING_DEPTH + 1);
    CU_ASSERT_EQUAL(bdev.ops->submit(bdev.self, &many[RING_DEPTH]), 0);
    wait_for(RING_DEPTH + 2);
    CU_ASSERT(!bdev.ops->must_poll(bdev.self));
    teardown();
}

static void fd__tells_of_completions(void)
{
    struct pollfd pfd = { .events = POLLIN };

    start();
    pfd.fd = bdev.ops->fd(bdev.self);
    CU_ASSERT_EQUAL(poll(&pfd, 1, 0), 0);
    CU_ASSERT_EQUAL(submit(0, false, VMM_REQ_EVICT, 0, 1, mem), 0);
    bdev.ops->kick(bdev.self);
    while (poll(&pfd, 1, 5000) < 0 && errno == EINTR) {
    }
    CU_ASSERT_EQUAL(pfd.revents, POLLIN);
    wait_for(1);
    CU_ASSERT_EQUAL(poll(&pfd, 1, 0), 0);
    teardown();
}

/* A file that was cut under us. */
static void transfer__past_the_end(void)
{
    start();
    CU_ASSERT_EQUAL(truncate(path, 2 * BLOCK_BYTES), 0);
    CU_ASSERT_EQUAL(submit(0, false, VMM_REQ_DEMAND, 5, 1, mem), 0);
    wait_for(1);
    CU_ASSERT_EQUAL(last_rc, VMM_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(last_log, "past the end"));
    /* In part. */
    CU_ASSERT_EQUAL(submit(0, false, VMM_REQ_DEMAND, 0, 4, mem), 0);
    wait_for(2);
    CU_ASSERT_EQUAL(last_rc, VMM_E_IO);
    CU_ASSERT_EQUAL(submit(0, false, VMM_REQ_DEMAND, 1, 1, mem), 0);
    wait_for(3);
    CU_ASSERT_EQUAL(last_rc, 0);
    teardown();
}

static void transfer__no_space(void)
{
    struct rlimit old, limit;

    start();
    (void)signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL(truncate(path, 0), 0);
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = 8 * BLOCK_BYTES;
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CU_ASSERT_EQUAL(submit(0, true, VMM_REQ_EVICT, 4, 8, mem), 0);
    wait_for(1);
    CU_ASSERT_EQUAL(last_rc, VMM_E_NOSPC);
    CU_ASSERT_EQUAL(submit(0, true, VMM_REQ_EVICT, 9, 1, mem), 0);
    wait_for(2);
    CU_ASSERT_EQUAL(last_rc, VMM_E_NOSPC);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &old), 0);
    teardown();
}

/* Killed with writes in flight: whoever opens it next does not meet them. */
static void open__after_kill(void)
{
    uint8_t *big;
    unsigned int i;
    int status;
    pid_t pid;

    setup();
    pid = fork();
    if (!pid) {
        big = aligned_alloc(BLOCK_BYTES, 16 * BLOCK_BYTES);
        if (!big || open_store(VMM__BDEV_CREATE)) {
            _exit(1);
        }
        memset(big, 0xee, 16 * BLOCK_BYTES);
        for (i = 0; i < NR_IOS; i++) {
            (void)submit(i, true, VMM_REQ_EVICT, i * 16, 16, big);
        }
        bdev.ops->kick(bdev.self);
        (void)raise(SIGKILL);
    }
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT(WIFSIGNALED(status));
    CU_ASSERT_EQUAL_FATAL(open_store(VMM__BDEV_EXISTING), 0);
    memset(mem, 0x22, BLOCK_BYTES);
    for (i = 0; i < NR_IOS; i++) {
        CU_ASSERT_EQUAL(submit(i, true, VMM_REQ_EVICT, i * 16, 1, mem), 0);
    }
    wait_for(NR_IOS);
    for (i = 0; i < NR_IOS; i++) {
        CU_ASSERT_EQUAL(submit(i, false, VMM_REQ_DEMAND, i * 16, 1,
                               mem + i * BLOCK_BYTES), 0);
    }
    wait_for(2 * NR_IOS);
    for (i = 0; i < NR_IOS; i++) {
        CU_ASSERT_EQUAL(mem[i * BLOCK_BYTES], 0x22);
    }
    teardown();
}

/* Asked to poll, on a device that says it can, and may be lying. */
static void poll__right_or_not_at_all(void)
{
    char sys[160], command[400];
    const char *saved = sysfs_dev_block;
    struct stat st;

    setup();
    CU_ASSERT_EQUAL(stat(dir, &st), 0);
    (void)snprintf(sys, sizeof(sys), "%s/sys", dir);
    (void)snprintf(command, sizeof(command),
                   "mkdir -p %s/%u:%u/queue && "
                   "echo 1 > %s/%u:%u/queue/io_poll", sys,
                   major(st.st_dev), minor(st.st_dev), sys,
                   major(st.st_dev), minor(st.st_dev));
    CU_ASSERT_EQUAL(system(command), 0);
    sysfs_dev_block = sys;
    CU_ASSERT_EQUAL_FATAL(open_store(VMM__BDEV_CREATE | VMM__BDEV_POLL), 0);
    memset(mem, 0x11, BLOCK_BYTES);
    CU_ASSERT_EQUAL(submit(0, true, VMM_REQ_EVICT, 1, 1, mem), 0);
    wait_for(1);
    CU_ASSERT_EQUAL(submit(0, false, VMM_REQ_DEMAND, 1, 1,
                           mem + BLOCK_BYTES), 0);
    bdev.ops->kick(bdev.self);
    if (((struct bdev_uring *)bdev.self)->rings[VMM_REQ_DEMAND].polled) {
        CU_ASSERT(bdev.ops->must_poll(bdev.self));
    }
    wait_for(2);
    CU_ASSERT_EQUAL(last_rc, 0);
    CU_ASSERT_EQUAL(mem[BLOCK_BYTES + 9], 0x11);
    CU_ASSERT(!bdev.ops->must_poll(bdev.self));
    sysfs_dev_block = saved;
    (void)snprintf(command, sizeof(command), "rm -r %s", sys);
    CU_ASSERT_EQUAL(system(command), 0);
    teardown();
}

static void open__file_system_in_memory(void)
{
    if (access("/dev/shm", W_OK)) {
        return;
    }
    setup();
    (void)snprintf(path, sizeof(path), "/dev/shm/ut-bdev-%d", (int)getpid());
    CU_ASSERT_EQUAL_FATAL(open_store(VMM__BDEV_CREATE), 0);
    memset(mem, 0x77, BLOCK_BYTES);
    CU_ASSERT_EQUAL(submit(0, true, VMM_REQ_EVICT, 7, 1, mem), 0);
    wait_for(1);
    CU_ASSERT_EQUAL(submit(0, false, VMM_REQ_DEMAND, 7, 1,
                           mem + BLOCK_BYTES), 0);
    wait_for(2);
    CU_ASSERT_EQUAL(mem[BLOCK_BYTES], 0x77);
    teardown();
}

/*
 * The engine on it: blocks with their number and generation in every word,
 * written and read at random; what was reported as written is what is read.
 */
struct block_io {
    struct vmm__engine_io eio;
    uint32_t block, gen;
    unsigned int nr_blocks;
    bool busy;
};
static struct block_io block_ios[NR_IOS];
static uint32_t gens[NR_BLOCKS];        /* 0: what is there is unknown */
static bool block_busy[NR_BLOCKS];
static unsigned int nr_wrong, nr_failed, nr_finished;

static void block_fill(uint8_t *buf, uint32_t block, uint32_t gen)
{
    uint64_t *words = (void *)buf;
    unsigned int i;

    for (i = 0; i < BLOCK_BYTES / 8; i++) {
        words[i] = ((uint64_t)gen << 32 | block) * 0x9e3779b97f4a7c15ull;
    }
}

static void block_done(struct vmm__engine_io *eio, int rc)
{
    struct block_io *io = vmm__container_of(eio, struct block_io, eio);
    uint8_t expected[BLOCK_BYTES], *buf = eio->bio.buf;
    unsigned int i;

    for (i = 0; i < io->nr_blocks; i++) {
        uint32_t block = io->block + i;

        block_busy[block] = false;
        if (rc) {
            gens[block] = eio->bio.write ? 0 : gens[block];
        } else if (eio->bio.write) {
            gens[block] = io->gen;
        } else if (gens[block]) {
            block_fill(expected, block, gens[block]);
            nr_wrong += !!memcmp(buf + i * BLOCK_BYTES, expected,
                                 BLOCK_BYTES);
        }
    }
    nr_failed += !!rc;
    nr_finished++;
    io->busy = false;
}

static void run_blocks(const struct vmm__bdev *device, bool fifo,
                       unsigned int nr)
{
    struct vmm__engine_cfg cfg;
    struct vmm__engine *engine = NULL;
    uint64_t rng = 0x2545f4914f6cdd1dull;
    unsigned int started = 0, i, k;
    uint32_t gen = 0;
    uint8_t *bufs = aligned_alloc(BLOCK_BYTES, NR_IOS * 4 * BLOCK_BYTES);

    memset(bufs, 0, NR_IOS * 4 * BLOCK_BYTES);
    (void)device->ops->register_mem(device->self, bufs,
                                    NR_IOS * 2 * BLOCK_BYTES);
    memset(block_ios, 0, sizeof(block_ios));
    memset(gens, 0, sizeof(gens));
    nr_wrong = nr_failed = nr_finished = 0;
    vmm__engine_cfg_default(&cfg);
    cfg.fifo = fifo;
    cfg.starvation_ns = 100000;
    CU_ASSERT_EQUAL_FATAL(vmm__engine_new(&cfg, device, &vmm__clock_monotonic,
                                          &engine), 0);
    while (nr_finished < nr) {
        for (i = 0; i < NR_IOS && started < nr; i++) {
            struct block_io *io = &block_ios[i];
            bool free_blocks = true;

            if (io->busy) {
                continue;
            }
            rng ^= rng << 13;
            rng ^= rng >> 7;
            rng ^= rng << 17;
            io->nr_blocks = rng % 10 ? 1 : 4;
            io->block = (uint32_t)(rng >> 20) % (NR_BLOCKS - 4);
            for (k = 0; k < io->nr_blocks; k++) {
                free_blocks &= !block_busy[io->block + k];
            }
            if (!free_blocks) {
                continue;
            }
            for (k = 0; k < io->nr_blocks; k++) {
                block_busy[io->block + k] = true;
            }
            io->gen = ++gen;
            io->busy = true;
            io->eio.bio = (struct vmm__bdev_io){
                .write = rng >> 50 & 1,
                .reqclass = rng >> 52 & 3,
                .offset_bytes = (uint64_t)io->block * BLOCK_BYTES,
                .len_bytes = io->nr_blocks * BLOCK_BYTES,
                .buf = bufs + i * 4 * BLOCK_BYTES,
            };
            io->eio.done = block_done;
            for (k = 0; io->eio.bio.write && k < io->nr_blocks; k++) {
                block_fill(bufs + (i * 4 + k) * BLOCK_BYTES, io->block + k,
                           io->gen);
            }
            vmm__engine_submit(engine, &io->eio);
            started++;
        }
        if (!vmm__engine_dispatch(engine) && !vmm__engine_must_poll(engine)) {
            struct pollfd pfd = {
                .fd = device->ops->fd(device->self), .events = POLLIN,
            };

            (void)poll(&pfd, 1,
                       vmm__engine_due_ns(engine) == UINT64_MAX ? 5000 : 1);
        }
    }
    CU_ASSERT(vmm__engine_idle(engine));
    vmm__engine_free(engine);
    /* Registered until the rings are gone. */
    vmm__bdev_uring_close(&bdev);
    free(bufs);
}

static void engine__reads_what_was_written(void)
{
    unsigned int fifo;

    for (fifo = 0; fifo < 2; fifo++) {
        start();
        run_blocks(&bdev, fifo, 5000);
        CU_ASSERT_EQUAL(nr_wrong, 0);
        CU_ASSERT_EQUAL(nr_failed, 0);
        teardown();
    }
}

static void engine__with_faults(void)
{
    static const struct {
        const char *spec;
        bool fails, lies;
    } specs[] = {
        { "bdev.read.fail:every=7", true, false },
        { "bdev.write.nospc:after=10:every=3", true, false },
        { "bdev.any.again:every=5", false, false },
        { "bdev.any.short:every=9", true, false },
        { "bdev.write.torn:every=11", false, true },
        { "bdev.any.delay:every=3:for=20", false, false },
        { "bdev.any.reorder:for=5", false, false },
        { "bdev.read.fail.once:after=3,bdev.any.reorder:every=2,"
          "bdev.any.again:every=4", true, false },
    };
    struct vmm__bdev faulty;
    size_t i;

    for (i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        start();
        CU_ASSERT_EQUAL_FATAL(vmm__fault_open(&bdev, specs[i].spec, &faulty),
                              0);
        run_blocks(&faulty, false, 2000);
        CU_ASSERT_EQUAL(nr_failed > 0, specs[i].fails);
        CU_ASSERT_EQUAL(nr_wrong > 0, specs[i].lies);
        vmm__fault_close(&faulty);
        teardown();
    }
}

static void fault__bad_specs(void)
{
    static const char *const specs[] = {
        "x", "bdev.read", "bdev.read.explode", "bdev.read.fail:every=0",
        "bdev.read.fail:every=", "bdev.read.fail,", "bdev.read.fail;",
        "bdev.erase.fail", "bdev.read.fail.twice", "bdev.any.delay:for=0",
    };
    struct vmm__bdev inner = { 0 }, faulty;
    size_t i;

    for (i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        CU_ASSERT_EQUAL(vmm__fault_open(&inner, specs[i], &faulty),
                        VMM_E_FORMAT);
    }
    CU_ASSERT_EQUAL(vmm__fault_open(&inner, "", &faulty), 0);
    vmm__fault_close(&faulty);
    vmm__fault_close(&faulty);
}

static const struct ut_case cases[] = {
    UT_CASE(transfer__each_class),
    UT_CASE(register_mem__inside_and_out),
    UT_CASE(submit__queue_full),
    UT_CASE(fd__tells_of_completions),
    UT_CASE(transfer__past_the_end),
    UT_CASE(transfer__no_space),
    UT_CASE(open__after_kill),
    UT_CASE(poll__right_or_not_at_all),
    UT_CASE(open__file_system_in_memory),
    UT_CASE(engine__reads_what_was_written),
    UT_CASE(engine__with_faults),
    UT_CASE(fault__bad_specs),
};

UT_MAIN("port/bdev_uring", cases)
