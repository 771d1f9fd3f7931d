/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * engine.c: how long DEMAND waits, alone and while EVICT and PREFETCH have as
 * much to do as they like, with classes and without.
 *
 * The engine of libvmm on a file, no Xen.  A few "vCPUs" read a page each,
 * think, and read another; the load is what a pager has in hand at most: some
 * batches of evictions of 32 pages, and prefetches of one.  Rounds alternate:
 * idle, prioritized, FIFO.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "io/engine.h"
#include "port/bdev_uring.h"

#define PAGE_BYTES 4096u
#define BATCH_PAGES 32u
#define MAX_ROUNDS 64u
#define MAX_VCPUS 64u
#define MAX_LOW 256u
#define MAX_SAMPLES 2000000u
#define NS_PER_S 1000000000ull

enum mode { IDLE, PRIORITIZED, FIFO, NR_MODES };
static const char *const mode_names[NR_MODES] = {
    [IDLE] = "idle", [PRIORITIZED] = "prioritized", [FIFO] = "fifo",
};

static struct {
    const char *path;
    uint64_t size_bytes;
    unsigned int rounds, nr_vcpus, nr_prefetches, nr_evictions;
    double seconds, think_us;
    struct vmm__engine_cfg engine;
    bool verbose, no_realtime;
} opt = {
    .size_bytes = 1024ull << 20,
    .rounds = 7,
    .nr_vcpus = 4,
    .nr_prefetches = 64,
    .nr_evictions = 8 * 4,      /* 8 batches in 4 runs each */
    .seconds = 2,
    .think_us = 300,
};

struct vcpu {
    struct vmm__engine_io eio;
    uint64_t since_ns, next_ns;
    bool waits;
};

static struct vmm__bdev bdev;
static struct vmm__engine *engine;
static uint64_t nr_blocks, rng = 0x9e3779b97f4a7c15ull;
static struct vcpu vcpus[MAX_VCPUS];
static struct vmm__engine_io lows[MAX_LOW];
static bool stopping;
static uint8_t *mem;

static uint64_t samples[MAX_SAMPLES];
static size_t nr_samples;
static uint64_t low_bytes[VMM_NR_REQCLASSES], nr_errors;

static uint64_t rnd(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng >> 8;
}

static uint64_t now_ns(void)
{
    return vmm__now_ns(&vmm__clock_monotonic);
}

static uint64_t think_ns(void)
{
    double u = (double)(rnd() % 1000000 + 1) / 1000000;

    return (uint64_t)(-log(u) * opt.think_us * 1000);
}

static void vcpu_done(struct vmm__engine_io *eio, int rc)
{
    struct vcpu *vcpu = vmm__container_of(eio, struct vcpu, eio);
    uint64_t now = now_ns();

    nr_errors += !!rc;
    if (nr_samples < MAX_SAMPLES) {
        samples[nr_samples++] = now - vcpu->since_ns;
    }
    vcpu->waits = false;
    vcpu->next_ns = now + think_ns();
}

static void low_done(struct vmm__engine_io *eio, int rc)
{
    nr_errors += !!rc;
    low_bytes[eio->bio.reqclass] += eio->bio.len_bytes;
    if (stopping) {
        return;
    }
    eio->bio.offset_bytes = rnd() % (nr_blocks - BATCH_PAGES) * PAGE_BYTES;
    vmm__engine_submit(engine, eio);
}

/* Until something is due or complete. */
static void wait_until(uint64_t due_ns)
{
    struct pollfd pfd = { .fd = bdev.ops->fd(bdev.self), .events = POLLIN };
    uint64_t now = now_ns(), ns;
    struct timespec ts;

    if (due_ns <= now || vmm__engine_must_poll(engine)) {
        return;
    }
    ns = due_ns - now < NS_PER_S ? due_ns - now : NS_PER_S;
    ts = (struct timespec){ .tv_nsec = (long)(ns % NS_PER_S),
                            .tv_sec = (time_t)(ns / NS_PER_S) };
    (void)ppoll(&pfd, 1, &ts, NULL);
}

static void drain(void)
{
    stopping = true;
    while (!vmm__engine_idle(engine)) {
        if (!vmm__engine_dispatch(engine)) {
            uint64_t due_ns = vmm__engine_due_ns(engine);

            wait_until(due_ns);
        }
    }
    stopping = false;
}

static void start_low(void)
{
    unsigned int i;
    uint8_t *buf = mem + MAX_VCPUS * PAGE_BYTES;

    for (i = 0; i < opt.nr_prefetches + opt.nr_evictions; i++) {
        bool write = i < opt.nr_evictions;
        uint32_t len = write ? BATCH_PAGES / 4 * PAGE_BYTES : PAGE_BYTES;

        lows[i].bio = (struct vmm__bdev_io){
            .write = write,
            .reqclass = write ? VMM_REQ_EVICT : VMM_REQ_PREFETCH,
            .offset_bytes = rnd() % (nr_blocks - BATCH_PAGES) * PAGE_BYTES,
            .len_bytes = len,
            .buf = buf,
        };
        lows[i].done = low_done;
        buf += len;
        vmm__engine_submit(engine, &lows[i]);
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

struct result {
    double p50, p99, p999;      /* us */
    double demand_per_s, prefetch_mbs, evict_mbs;
};

static double quantile_us(double q)
{
    size_t i = (size_t)(q * (double)nr_samples);

    return nr_samples ? (double)samples[i < nr_samples ? i : nr_samples - 1]
                        / 1000 : NAN;
}

static int run_round(enum mode mode, struct result *result_out)
{
    struct vmm__engine_cfg cfg = opt.engine;
    uint64_t start, end, warm, now;
    unsigned int i;
    double s;
    int rc;

    cfg.fifo = mode == FIFO;
    rc = vmm__engine_new(&cfg, &bdev, &vmm__clock_monotonic, &engine);
    if (rc) {
        return rc;
    }
    start = now_ns();
    warm = start + NS_PER_S / 5;
    end = warm + (uint64_t)(opt.seconds * NS_PER_S);
    for (i = 0; i < opt.nr_vcpus; i++) {
        vcpus[i] = (struct vcpu){ .next_ns = start + think_ns() };
    }
    if (mode != IDLE) {
        start_low();
    }

    while ((now = now_ns()) < end) {
        uint64_t due_ns = end;

        if (warm && now >= warm) {
            warm = 0;
            nr_samples = 0;
            memset(low_bytes, 0, sizeof(low_bytes));
        }
        for (i = 0; i < opt.nr_vcpus; i++) {
            struct vcpu *vcpu = &vcpus[i];

            if (vcpu->waits) {
                continue;
            }
            if (vcpu->next_ns > now) {
                due_ns = vcpu->next_ns < due_ns ? vcpu->next_ns : due_ns;
                continue;
            }
            vcpu->waits = true;
            /* It wanted the page when its thought was over. */
            vcpu->since_ns = vcpu->next_ns;
            vcpu->eio.bio = (struct vmm__bdev_io){
                .reqclass = VMM_REQ_DEMAND,
                .offset_bytes = rnd() % nr_blocks * PAGE_BYTES,
                .len_bytes = PAGE_BYTES,
                .buf = mem + i * PAGE_BYTES,
            };
            vcpu->eio.done = vcpu_done;
            vmm__engine_submit(engine, &vcpu->eio);
        }
        if (!vmm__engine_dispatch(engine)) {
            uint64_t engine_due_ns = vmm__engine_due_ns(engine);

            wait_until(engine_due_ns < due_ns ? engine_due_ns : due_ns);
        }
    }

    s = opt.seconds;
    qsort(samples, nr_samples, sizeof(samples[0]), by_value);
    *result_out = (struct result){
        .p50 = quantile_us(0.5),
        .p99 = quantile_us(0.99),
        .p999 = quantile_us(0.999),
        .demand_per_s = (double)nr_samples / s,
        .prefetch_mbs = (double)low_bytes[VMM_REQ_PREFETCH] / 1e6 / s,
        .evict_mbs = (double)low_bytes[VMM_REQ_EVICT] / 1e6 / s,
    };
    drain();
    vmm__engine_free(engine);
    return 0;
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void figure(const char *name, double *values, const char *unit)
{
    qsort(values, opt.rounds, sizeof(values[0]), by_double);
    printf("figure %s %.3g %.3g %.3g %s\n", name, values[opt.rounds / 2],
           values[0], values[opt.rounds - 1], unit);
}

static void report(struct result results[MAX_ROUNDS][NR_MODES])
{
    double over_idle[MAX_ROUNDS], over_fifo[MAX_ROUNDS], v[MAX_ROUNDS];
    unsigned int i;
    size_t k, mode;
    static const struct {
        const char *name, *unit;
        size_t offset;
        bool low;
    } lines[] = {
#define LINE(member, name, unit, low) \
        { name, unit, offsetof(struct result, member), low }
        LINE(p50, "demand_p50", "us", false),
        LINE(p99, "demand_p99", "us", false),
        LINE(p999, "demand_p999", "us", false),
        LINE(demand_per_s, "demand_rate", "per_s", false),
        LINE(prefetch_mbs, "prefetch_rate", "MB_per_s", true),
        LINE(evict_mbs, "evict_rate", "MB_per_s", true),
    };

    for (i = 0; i < opt.rounds; i++) {
        over_idle[i] = results[i][PRIORITIZED].p99 / results[i][IDLE].p99;
        over_fifo[i] = results[i][FIFO].p99 / results[i][PRIORITIZED].p99;
    }
    figure("engine_demand_p99_loaded_over_idle", over_idle, "ratio");
    figure("engine_demand_p99_fifo_over_prioritized", over_fifo, "ratio");
    for (k = 0; k < sizeof(lines) / sizeof(lines[0]); k++) {
        for (mode = 0; mode < NR_MODES; mode++) {
            char name[80];

            if (lines[k].low && mode == IDLE) {
                continue;
            }
            for (i = 0; i < opt.rounds; i++) {
                memcpy(&v[i], (char *)&results[i][mode] + lines[k].offset,
                       sizeof(v[i]));
            }
            (void)snprintf(name, sizeof(name), "engine_%s_%s", lines[k].name,
                           mode_names[mode]);
            figure(name, v, lines[k].unit);
        }
    }
}

/* Each block written once, so that reads go to the device. */
static void fill_done(struct vmm__engine_io *eio, int rc)
{
    nr_errors += !!rc;
    eio->bio.offset_bytes += 16ull * eio->bio.len_bytes;
    if (eio->bio.offset_bytes + eio->bio.len_bytes <=
        nr_blocks * PAGE_BYTES) {
        vmm__engine_submit(engine, eio);
    }
}

static int fill(void)
{
    uint32_t len = BATCH_PAGES * PAGE_BYTES;
    unsigned int i;
    int rc;

    rc = vmm__engine_new(&opt.engine, &bdev, &vmm__clock_monotonic, &engine);
    if (rc) {
        return rc;
    }
    for (i = 0; i < 16; i++) {
        lows[i].bio = (struct vmm__bdev_io){
            .write = true, .reqclass = VMM_REQ_EVICT,
            .offset_bytes = (uint64_t)i * len, .len_bytes = len, .buf = mem,
        };
        lows[i].done = fill_done;
        vmm__engine_submit(engine, &lows[i]);
    }
    drain();
    vmm__engine_free(engine);
    return nr_errors ? VMM_E_IO : 0;
}

static void log_line(void *user, enum vmm_log_level level, const char *msg)
{
    (void)user;
    if (level <= VMM_LOG_WARN || opt.verbose) {
        fprintf(stderr, "engine: %s\n", msg);
    }
}

static const char usage[] =
"usage: engine [OPTION]...\n"
"  --file PATH            a block device is WRITTEN TO (default: a file in\n"
"                         $TMPDIR or /var/tmp, which is removed)\n"
"  --size MIB             (1024)\n"
"  --rounds N             of idle, prioritized, FIFO (7)\n"
"  --seconds S            each (2)\n"
"  --vcpus N              that fault, one page each at a time (4)\n"
"  --think US             between faults, mean of an exponential (300)\n"
"  --prefetches N         reads of a page that are always wanted (64)\n"
"  --evictions N          writes of 8 pages that are always wanted (32)\n"
"  --low-cap-busy N --low-cap-idle N --max-inflight N --hold-us N\n"
"  --starvation-us N      as of the engine\n"
"  --no-realtime          do not run as SCHED_FIFO\n"
"  --verbose\n";

int main(int argc, char **argv)
{
    enum { LOW_CAP_BUSY = 256, LOW_CAP_IDLE, MAX_INFLIGHT, HOLD, STARVATION };
    static const struct option options[] = {
        { "file", required_argument, NULL, 'f' },
        { "size", required_argument, NULL, 's' },
        { "rounds", required_argument, NULL, 'r' },
        { "seconds", required_argument, NULL, 't' },
        { "vcpus", required_argument, NULL, 'c' },
        { "think", required_argument, NULL, 'k' },
        { "prefetches", required_argument, NULL, 'p' },
        { "evictions", required_argument, NULL, 'e' },
        { "low-cap-busy", required_argument, NULL, LOW_CAP_BUSY },
        { "low-cap-idle", required_argument, NULL, LOW_CAP_IDLE },
        { "max-inflight", required_argument, NULL, MAX_INFLIGHT },
        { "hold-us", required_argument, NULL, HOLD },
        { "starvation-us", required_argument, NULL, STARVATION },
        { "no-realtime", no_argument, NULL, 'n' },
        { "verbose", no_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 },
    };
    static struct result results[MAX_ROUNDS][NR_MODES];
    const struct sched_param realtime = { .sched_priority = 10 };
    struct vmm_logger logger = { .log = log_line };
    char made[256] = "";
    unsigned int i, mode;
    size_t mem_bytes;
    int c, rc;

    vmm__engine_cfg_default(&opt.engine);
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'f': opt.path = optarg; break;
        case 's': opt.size_bytes = strtoull(optarg, NULL, 0) << 20; break;
        case 'r': opt.rounds = (unsigned int)atoi(optarg); break;
        case 't': opt.seconds = atof(optarg); break;
        case 'c': opt.nr_vcpus = (unsigned int)atoi(optarg); break;
        case 'k': opt.think_us = atof(optarg); break;
        case 'p': opt.nr_prefetches = (unsigned int)atoi(optarg); break;
        case 'e': opt.nr_evictions = (unsigned int)atoi(optarg); break;
        case LOW_CAP_BUSY:
            opt.engine.low_cap_busy = (uint32_t)atoi(optarg);
            break;
        case LOW_CAP_IDLE:
            opt.engine.low_cap_idle = (uint32_t)atoi(optarg);
            break;
        case MAX_INFLIGHT:
            opt.engine.max_inflight = (uint32_t)atoi(optarg);
            break;
        case HOLD:
            opt.engine.hold_ns = strtoull(optarg, NULL, 0) * 1000;
            break;
        case STARVATION:
            opt.engine.starvation_ns = strtoull(optarg, NULL, 0) * 1000;
            break;
        case 'n': opt.no_realtime = true; break;
        case 'v': opt.verbose = true; break;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (opt.rounds < 1 || opt.rounds > MAX_ROUNDS || opt.nr_vcpus < 1 ||
        opt.nr_vcpus > MAX_VCPUS || opt.size_bytes < 64ull << 20 ||
        opt.nr_prefetches + opt.nr_evictions > MAX_LOW || opt.seconds <= 0) {
        fputs(usage, stderr);
        return 2;
    }

    if (!opt.path) {
        const char *tmp = getenv("TMPDIR");

        (void)snprintf(made, sizeof(made), "%s/xenolith-bench-%ld",
                       tmp ? tmp : "/var/tmp", (long)getpid());
        opt.path = made;
    }
    rc = vmm__bdev_uring_open(opt.path, opt.size_bytes,
                              VMM__BDEV_CREATE | VMM__BDEV_POLL, &logger,
                              &bdev, &opt.size_bytes);
    if (made[0]) {
        (void)unlink(made);
    }
    if (rc) {
        return vmm_error_exit_status(rc);
    }
    nr_blocks = opt.size_bytes / PAGE_BYTES;

    /* The device is compared, not who else runs on this machine. */
    (void)setpriority(PRIO_PROCESS, 0, -20);
    if (!opt.no_realtime && sched_setscheduler(0, SCHED_FIFO, &realtime)) {
        fprintf(stderr, "engine: no real-time priority (%s): other work on "
                "this machine will show\n", strerror(errno));
    }
    (void)prctl(PR_SET_TIMERSLACK, 1);
    mem_bytes = (MAX_VCPUS + (size_t)MAX_LOW * BATCH_PAGES) * PAGE_BYTES;
    mem = aligned_alloc(PAGE_BYTES, mem_bytes);
    if (!mem) {
        return 3;
    }
    for (i = 0; i < mem_bytes; i++) {
        mem[i] = (uint8_t)rnd();
    }
    (void)bdev.ops->register_mem(bdev.self, mem, mem_bytes);
    rc = fill();

    for (i = 0; !rc && i < opt.rounds; i++) {
        for (mode = 0; !rc && mode < NR_MODES; mode++) {
            rc = run_round(mode, &results[i][mode]);
            if (opt.verbose && !rc) {
                const struct result *r = &results[i][mode];

                fprintf(stderr, "%2u %-11s p50 %7.1f p99 %7.1f p99.9 %7.1f "
                        "us, %6.0f/s, prefetch %6.1f evict %6.1f MB/s\n", i,
                        mode_names[mode], r->p50, r->p99, r->p999,
                        r->demand_per_s, r->prefetch_mbs, r->evict_mbs);
            }
        }
    }
    vmm__bdev_uring_close(&bdev);
    if (rc || nr_errors) {
        fprintf(stderr, "engine: %s; %llu errors\n", vmm_error_text(rc),
                (unsigned long long)nr_errors);
        return vmm_error_exit_status(rc ? rc : VMM_E_IO);
    }
    report(results);
    return 0;
}
