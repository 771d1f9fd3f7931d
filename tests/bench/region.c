/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * region.c: what the indirection of virtblocks costs, and what it saves.
 *
 *   region [--rounds N] [--dir DIR] [--only BENCH]
 *
 * What is compared alternates within each round.  README.md says what each
 * figure is.
 */
#include <getopt.h>
#include <libpmemblk.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/crc.h"
#include "port/media_dram.h"
#include "port/media_pmem2.h"
#include "region/region.h"

#define BLOCK VMM__BLOCK_BYTES
#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define MAX_ROUNDS 64u

static unsigned int nr_rounds = 7;
static const char *dir = ".";
static bool lines;              /* as if files were NVM: flushed by lines */

static void fail(const char *what, int rc)
{
    fprintf(stderr, "region: %s: %s\n", what, vmm_error_text(rc));
    exit(1);
}

static void complain(void *user, enum vmm_log_level level, const char *msg)
{
    (void)user;
    if (level <= VMM_LOG_WARN) {
        fprintf(stderr, "region: %s\n", msg);
    }
}
static const struct vmm_logger logger = { complain, NULL };

static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t rng = 88172645463325252ull;
static uint64_t rnd(uint64_t *state, uint64_t n)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (*state >> 11) % n;
}

/* Never the same words, so that no block is same-filled. */
static void fill(void *buf, uint64_t value)
{
    uint64_t *words = buf;
    unsigned int i;

    for (i = 0; i < BLOCK / 8; i++) {
        words[i] = value * 0x9e3779b97f4a7c15ull + i + 1;
    }
}

struct series {
    const char *name, *unit;
    double v[MAX_ROUNDS];
    unsigned int nr;
};

static void add(struct series *s, double v)
{
    if (s->nr < MAX_ROUNDS) {
        s->v[s->nr++] = v;
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void report(struct series *s)
{
    qsort(s->v, s->nr, sizeof(s->v[0]), compare);
    printf("figure %s %.4g %.4g %.4g %s\n", s->name, s->v[s->nr / 2], s->v[0],
           s->v[s->nr - 1], s->unit);
    (void)fflush(stdout);
}

static struct vmm__region *open_region(const struct vmm__media *media)
{
    struct vmm__region *r;
    int rc = vmm__region_open(media, &logger, &r);

    if (rc) {
        fail("open", rc);
    }
    return r;
}

static struct vmm__region *dram_region(struct vmm__media *media,
                                       uint64_t bytes, uint64_t nr_blks,
                                       uint64_t nr_slots)
{
    struct vmm__region_geometry geo = {
        .nr_blks = nr_blks, .nr_slots = nr_slots, .nr_points = 300,
    };
    int rc = vmm__media_dram_open(bytes, media);

    rc = rc ? rc : vmm__region_create(media, &geo, true, &logger);
    if (rc) {
        fail("create", rc);
    }
    return open_region(media);
}

/* Purge. */

#define PURGE_BLKS 8192u

/*
 * Seconds a block, of all blocks, which `nr' snapshots refer to and the
 * running point does not.  What the storage does is the same for all, and left
 * out.
 */
static double purge_cost(unsigned int nr)
{
    static _Alignas(8) uint8_t buf[BLOCK];
    struct vmm__purge purges[32];
    struct vmm__region *r;
    struct vmm__media media;
    unsigned int i, n, nr_purged = 0;
    char name[16];
    double t, seconds = 0;
    bool end;
    int rc = 0;

    r = dram_region(&media, 4 * PURGE_BLKS * (uint64_t)BLOCK, PURGE_BLKS,
                    2 * PURGE_BLKS);
    for (i = 0; !rc && i < PURGE_BLKS; i++) {
        fill(buf, i);
        rc = vmm__region_write(r, i, buf);
    }
    for (i = 0; !rc && i < nr; i++) {
        (void)snprintf(name, sizeof(name), "s%u", i);
        rc = vmm__region_snapshot(r, name, 0);
        /* A table of its own for each, as use makes them. */
        fill(buf, i + PURGE_BLKS);
        rc = rc ? rc : vmm__region_write(r, PURGE_BLKS - 1, buf);
    }
    for (i = 0; !rc && i < PURGE_BLKS; i++) {
        rc = vmm__region_discard(r, i);
    }
    if (rc) {
        fail("purge", rc);
    }

    while (nr_purged < PURGE_BLKS - 1) {
        t = now_s();
        n = vmm__region_purge_pick(r, VMM__PURGE_SNAPSHOT_ONLY, 32, purges,
                                   &end);
        vmm__region_purged(r, purges, n, 0);
        seconds += now_s() - t;
        if (!n && end) {
            break;
        }
        nr_purged += n;
    }
    vmm__region_close(r);
    vmm__media_dram_close(&media);
    return seconds / nr_purged;
}

/*
 * The other way: each snapshot's table points to the block itself, so that
 * each is to be written.  Checksum and all else as above.
 */
static double rewrite_cost(unsigned int nr)
{
    uint64_t **tables = calloc(nr, sizeof(*tables));
    uint8_t *data = aligned_alloc(BLOCK, PURGE_BLKS * (size_t)BLOCK);
    unsigned int i, n;
    double t;

    for (i = 0; i < nr; i++) {
        tables[i] = calloc(PURGE_BLKS, sizeof(**tables));
        for (n = 0; n < PURGE_BLKS; n++) {
            tables[i][n] = n + 1;
        }
    }
    for (n = 0; n < PURGE_BLKS; n++) {
        fill(data + n * (size_t)BLOCK, n);
    }
    t = now_s();
    for (n = 0; n < PURGE_BLKS; n++) {
        uint32_t sum = vmm__crc32c(data + n * (size_t)BLOCK, BLOCK);

        __asm__ volatile("" : : "r"(sum));
        for (i = 0; i < nr; i++) {
            __atomic_store_n(&tables[i][n], 1ull << 62 | n, __ATOMIC_SEQ_CST);
        }
    }
    t = now_s() - t;
    for (i = 0; i < nr; i++) {
        free(tables[i]);
    }
    free(tables);
    free(data);
    return t / PURGE_BLKS;
}

static void bench_purge(void)
{
    static const unsigned int counts[] = { 1, 16, 64, 256 };
    struct series cost[] = {
        { .name = "region_purge_us_1", .unit = "us" },
        { .name = "region_purge_us_16", .unit = "us" },
        { .name = "region_purge_us_64", .unit = "us" },
        { .name = "region_purge_us_256", .unit = "us" },
    };
    struct series flat = { .name = "region_purge_cost_256_over_1",
                           .unit = "ratio" };
    struct series rewrite = { .name = "region_purge_rewrite_256_over_1",
                              .unit = "ratio" };
    unsigned int round, i;

    for (round = 0; round < nr_rounds; round++) {
        double v[4], other;

        for (i = 0; i < 4; i++) {
            v[i] = purge_cost(counts[i]);
            add(&cost[i], v[i] * 1e6);
        }
        add(&flat, v[3] / v[0]);
        other = rewrite_cost(1);
        add(&rewrite, rewrite_cost(256) / other);
    }
    report(&flat);
    report(&rewrite);
    for (i = 0; i < 4; i++) {
        report(&cost[i]);
    }
}

/* Snapshots. */

static double snapshot_cost(struct vmm__region *r)
{
    static unsigned int n;
    char name[16];
    uint64_t id;
    double t;
    int rc;

    (void)snprintf(name, sizeof(name), "s%u", n++);
    t = now_s();
    rc = vmm__region_snapshot(r, name, 0);
    t = now_s() - t;
    rc = rc ? rc : vmm__region_find_snapshot(r, name, &id);
    rc = rc ? rc : vmm__region_snapshot_delete(r, id);
    if (rc) {
        fail("snapshot", rc);
    }
    while (vmm__region_reap(r)) {
        continue;
    }
    return t;
}

static void bench_snapshot(void)
{
    struct series us = { .name = "region_snapshot_us", .unit = "us" };
    struct series flat = { .name = "region_snapshot_64g_over_1g",
                           .unit = "ratio" };
    static _Alignas(8) uint8_t buf[BLOCK];
    struct vmm__media big_media, small_media;
    struct vmm__region *big = dram_region(&big_media, 64 * GIB,
                                          64 * GIB / BLOCK, 0);
    struct vmm__region *small = dram_region(&small_media, GIB, GIB / BLOCK,
                                            0);
    unsigned int round, n;

    /* Something in it, all over. */
    for (n = 0; n < 20000; n++) {
        fill(buf, n);
        if (vmm__region_write(big, rnd(&rng, 64 * GIB / BLOCK), buf) ||
            vmm__region_write(small, rnd(&rng, GIB / BLOCK), buf)) {
            fail("write", VMM_E_NOSPC);
        }
    }
    for (round = 0; round < nr_rounds; round++) {
        double b = 0, s = 0;

        for (n = 0; n < 100; n++) {
            fill(buf, n);
            (void)vmm__region_write(big, n, buf);
            (void)vmm__region_write(small, n, buf);
            b += snapshot_cost(big);
            s += snapshot_cost(small);
        }
        add(&us, b / 100 * 1e6);
        add(&flat, b / s);
    }
    report(&us);
    report(&flat);
    vmm__region_close(big);
    vmm__region_close(small);
    vmm__media_dram_close(&big_media);
    vmm__media_dram_close(&small_media);
}

/* Reads. */

#define READ_BLKS (256 * MIB / BLOCK)
#define READS 100000u

struct reading {
    pthread_t thread;
    struct vmm__region *region;     /* or: */
    const uint8_t *flat;
    const uint64_t *table;
    uint64_t seed;
    double seconds;
};

static void *read_some(void *arg)
{
    struct reading *reading = arg;
    static _Thread_local _Alignas(64) uint8_t buf[BLOCK];
    uint64_t state = reading->seed;
    struct vmm__recall recall;
    unsigned int n;
    double t = now_s();

    for (n = 0; n < READS; n++) {
        uint64_t blk = rnd(&state, READ_BLKS);

        if (reading->region) {
            if (vmm__region_read(reading->region, VMM__POINT_RUNNING, blk,
                                 buf, &recall)) {
                fail("read", VMM_E_IO);
            }
        } else {
            memcpy(buf, reading->flat + reading->table[blk] * BLOCK, BLOCK);
            __asm__ volatile("" : : "r"(buf) : "memory");
        }
    }
    reading->seconds = now_s() - t;
    return NULL;
}

static double read_cost(const struct reading *how, unsigned int nr_threads)
{
    struct reading readings[4];
    double seconds = 0;
    unsigned int i;

    for (i = 0; i < nr_threads; i++) {
        readings[i] = *how;
        readings[i].seed = 0x1234567 + i * 7919;
        (void)pthread_create(&readings[i].thread, NULL, read_some,
                             &readings[i]);
    }
    for (i = 0; i < nr_threads; i++) {
        (void)pthread_join(readings[i].thread, NULL);
        seconds += readings[i].seconds;
    }
    return seconds / nr_threads;
}

static void bench_read(void)
{
    static _Alignas(8) uint8_t buf[BLOCK];
    struct series ratio[4] = {
        { .name = "region_read_over_memcpy", .unit = "ratio" },
        { .name = "region_read_over_memcpy_2_threads", .unit = "ratio" },
        { .name = "region_read_over_memcpy_3_threads", .unit = "ratio" },
        { .name = "region_read_over_memcpy_4_threads", .unit = "ratio" },
    };
    struct series ns = { .name = "region_read_ns", .unit = "ns" };
    struct vmm__media media, flat;
    struct vmm__region *r = dram_region(&media, READ_BLKS * BLOCK * 2,
                                        READ_BLKS, 0);
    uint64_t *table = calloc(READ_BLKS, sizeof(*table)), i, swap;
    struct reading ours = { .region = r }, direct;
    unsigned int round, n;

    if (vmm__media_dram_open(READ_BLKS * BLOCK, &flat)) {
        fail("memory", VMM_E_NOMEM);
    }
    direct = (struct reading){ .flat = flat.base, .table = table };
    /* Both in the same random order. */
    for (i = 0; i < READ_BLKS; i++) {
        table[i] = i;
    }
    for (i = READ_BLKS - 1; i > 0; i--) {
        uint64_t j = rnd(&rng, i + 1);

        swap = table[i];
        table[i] = table[j];
        table[j] = swap;
    }
    for (i = 0; i < READ_BLKS; i++) {
        fill(buf, i);
        memcpy(flat.base + i * BLOCK, buf, BLOCK);
        if (vmm__region_write(r, table[i], buf)) {
            fail("write", VMM_E_NOSPC);
        }
    }
    for (round = 0; round < nr_rounds; round++) {
        for (n = 0; n < 4; n++) {
            double a = read_cost(&ours, n + 1), b = read_cost(&direct, n + 1);

            add(&ratio[n], a / b);
            if (!n) {
                add(&ns, a / READS * 1e9);
            }
        }
    }
    for (n = 0; n < 4; n++) {
        report(&ratio[n]);
    }
    report(&ns);
    vmm__region_close(r);
    vmm__media_dram_close(&media);
    vmm__media_dram_close(&flat);
    free(table);
}

/* Durable writes. */

#define WRITE_BLKS 8192u
#define WRITES 1000u

struct target {
    const char *name;
    void *self;
    void (*write)(void *self, uint64_t blk, const void *buf);
};

static void write_region(void *self, uint64_t blk, const void *buf)
{
    int rc = vmm__region_write(self, blk, buf);

    if (rc) {
        fail("write", rc);
    }
}

static void write_pmemblk(void *self, uint64_t blk, const void *buf)
{
    if (pmemblk_write(self, buf, (long long)blk)) {
        fail("pmemblk", VMM_E_IO);
    }
}

struct lmdb {
    MDB_env *env;
    MDB_dbi dbi;
};

static void write_lmdb(void *self, uint64_t blk, const void *buf)
{
    struct lmdb *l = self;
    MDB_val key = { sizeof(blk), &blk };
    MDB_val val = { BLOCK, (void *)(uintptr_t)buf };
    MDB_txn *txn;
    int r = mdb_txn_begin(l->env, NULL, 0, &txn);

    r = r ? r : mdb_put(txn, l->dbi, &key, &val, 0);
    r = r ? r : mdb_txn_commit(txn);
    if (r) {
        fail(mdb_strerror(r), VMM_E_IO);
    }
}

static double write_rate(const struct target *t)
{
    static _Alignas(64) uint8_t buf[BLOCK];
    unsigned int n;
    double s = now_s();

    for (n = 0; n < WRITES; n++) {
        fill(buf, rng);
        t->write(t->self, rnd(&rng, WRITE_BLKS), buf);
    }
    return WRITES / (now_s() - s);
}

static char *path_in(const char *base)
{
    static char path[4][4096];
    static unsigned int n;

    (void)snprintf(path[n % 4], sizeof(path[0]), "%s/%s", dir, base);
    return path[n++ % 4];
}

static void bench_write(void)
{
    struct vmm__region_geometry geo = {
        .nr_blks = WRITE_BLKS, .nr_points = 64,
    };
    static const char *const names[2][5] = {
        { "region_write_over_pmemblk", "region_write_over_lmdb",
          "region_write_rate", "region_write_rate_pmemblk",
          "region_write_rate_lmdb" },
        { "region_write_over_pmemblk_lines", "region_write_over_lmdb_lines",
          "region_write_rate_lines", "region_write_rate_pmemblk_lines",
          "region_write_rate_lmdb_lines" },
    };
    struct series over_pmemblk = { .name = names[lines][0],
                                   .unit = "ratio" };
    struct series over_lmdb = { .name = names[lines][1], .unit = "ratio" };
    struct series rates[] = {
        { .name = names[lines][2], .unit = "blocks/s" },
        { .name = names[lines][3], .unit = "blocks/s" },
        { .name = names[lines][4], .unit = "blocks/s" },
    };
    static const char *const granularities[] = { "byte", "cache line",
                                                 "page" };
    static _Alignas(64) uint8_t buf[BLOCK];
    char *region_path = path_in("bench.region");
    char *pmemblk_path = path_in("bench.pmemblk");
    char *lmdb_path = path_in("bench.lmdb");
    struct lmdb lmdb;
    MDB_txn *txn;
    struct vmm__media media;
    struct target targets[3];
    unsigned int round, i;
    uint64_t blk;
    int rc;

    (void)unlink(region_path);
    (void)unlink(pmemblk_path);
    (void)unlink(lmdb_path);
    rc = vmm__media_pmem2_open(region_path, 2ull * WRITE_BLKS * BLOCK,
                               &logger, &media);
    rc = rc ? rc : vmm__region_create(&media, &geo, true, &logger);
    if (rc) {
        fail(region_path, rc);
    }
    printf("granularity of %s: %s\n", region_path,
           granularities[vmm__media_pmem2_granularity(&media)]);
    targets[0] = (struct target){ "region", open_region(&media),
                                  write_region };
    targets[1] = (struct target){
        "pmemblk", pmemblk_create(pmemblk_path, BLOCK,
                                  2ull * WRITE_BLKS * BLOCK, 0600),
        write_pmemblk };
    if (!targets[1].self) {
        fail(pmemblk_errormsg(), VMM_E_IO);
    }
    rc = mdb_env_create(&lmdb.env);
    rc = rc ? rc : mdb_env_set_mapsize(lmdb.env, 8ull * WRITE_BLKS * BLOCK);
    rc = rc ? rc : mdb_env_open(lmdb.env, lmdb_path,
                                MDB_NOSUBDIR | MDB_WRITEMAP, 0600);
    rc = rc ? rc : mdb_txn_begin(lmdb.env, NULL, 0, &txn);
    rc = rc ? rc : mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &lmdb.dbi);
    rc = rc ? rc : mdb_txn_commit(txn);
    if (rc) {
        fail(mdb_strerror(rc), VMM_E_IO);
    }
    targets[2] = (struct target){ "lmdb", &lmdb, write_lmdb };

    /* Nobody's blocks are new. */
    for (i = 0; i < 3; i++) {
        for (blk = 0; blk < WRITE_BLKS; blk++) {
            fill(buf, blk);
            targets[i].write(targets[i].self, blk, buf);
        }
    }
    for (round = 0; round < nr_rounds; round++) {
        double v[3];

        for (i = 0; i < 3; i++) {
            v[i] = write_rate(&targets[i]);
            add(&rates[i], v[i]);
        }
        add(&over_pmemblk, v[0] / v[1]);
        add(&over_lmdb, v[0] / v[2]);
    }
    report(&over_pmemblk);
    report(&over_lmdb);
    for (i = 0; i < 3; i++) {
        report(&rates[i]);
    }

    vmm__region_close(targets[0].self);
    vmm__media_pmem2_close(&media);
    pmemblk_close(targets[1].self);
    mdb_env_close(lmdb.env);
    (void)unlink(region_path);
    (void)unlink(pmemblk_path);
    (void)unlink(lmdb_path);
    (void)unlink(path_in("bench.lmdb-lock"));
}

/*
 * Both libraries are told by their environment, before they start, to take an
 * ordinary file for NVM; that of /dev/shm is memory at least.
 */
static void bench_write_lines(void)
{
    char rounds[16];
    pid_t pid;

    (void)snprintf(rounds, sizeof(rounds), "%u", nr_rounds);
    pid = fork();
    if (!pid) {
        (void)setenv("PMEM2_FORCE_GRANULARITY", "CACHE_LINE", 1);
        (void)setenv("PMEM_IS_PMEM_FORCE", "1", 1);
        (void)execl("/proc/self/exe", "region", "--lines", "--only", "write",
                    "--dir", "/dev/shm", "--rounds", rounds, (char *)NULL);
        _exit(127);
    }
    (void)waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "rounds", required_argument, NULL, 'r' },
        { "dir", required_argument, NULL, 'd' },
        { "only", required_argument, NULL, 'o' },
        { "lines", no_argument, NULL, 'l' },
        { NULL, 0, NULL, 0 },
    };
    static const struct {
        const char *name;
        void (*run)(void);
    } benches[] = {
        { "purge", bench_purge }, { "snapshot", bench_snapshot },
        { "read", bench_read }, { "write", bench_write },
        { "write-lines", bench_write_lines },
    };
    const char *only = NULL;
    unsigned int i;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'r':
            nr_rounds = (unsigned int)atoi(optarg);
            break;
        case 'd':
            dir = optarg;
            break;
        case 'l':
            lines = true;
            break;
        case 'o':
            only = optarg;
            break;
        default:
            return 2;
        }
    }
    if (!nr_rounds || nr_rounds > MAX_ROUNDS) {
        return 2;
    }
    for (i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
        if (!only || !strcmp(only, benches[i].name)) {
            benches[i].run();
        }
    }
    return 0;
}
