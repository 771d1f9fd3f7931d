/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * race.c: readers, writers, snapshots, their deletion, purge and recall, all
 * at once; for the thread sanitizer, and for what readers see.
 *
 *   race [--seconds N] [--seed N]
 *
 * Each block is a register: a read gives a value not older than the newest
 * that was acknowledged before it began, and not newer than the newest that
 * was begun before it ended (it is linearizable), and never a mixture.  A
 * snapshot has, for each block, such a value of the time that it was taken,
 * the same one each time.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "port/media_dram.h"
#include "region/region.h"

#define NR_BLKS 96u
#define STRIDE 37u              /* several leaf tables */
#define NR_WRITERS 3u
#define NR_READERS 3u
#define NR_SNAPSHOTS 4u
#define NR_SLOTS 512u
#define BLOCK_WORDS (VMM__BLOCK_BYTES / 8)

static struct vmm__region *region;
static _Atomic bool stop;
static unsigned int seed = 1;

static struct block {
    pthread_mutex_t lock;       /* writers of one block take turns */
    _Atomic uint64_t begun, acknowledged;
} blocks[NR_BLKS];

static struct {
    pthread_mutex_t lock;
    uint8_t data[VMM__BLOCK_BYTES];
} storage[NR_SLOTS];

static struct snapshot {
    _Atomic uint64_t id;        /* 0: none */
    uint64_t low[NR_BLKS], high[NR_BLKS];
    _Atomic uint64_t seen[NR_BLKS];     /* value + 1 */
} snapshots[NR_SNAPSHOTS];
static pthread_rwlock_t snapshot_locks[NR_SNAPSHOTS];

static _Atomic uint64_t nr_reads, nr_writes, nr_taken, nr_moved;

static void bad(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void bad(const char *fmt, ...)
{
    va_list args;

    printf("seed %u: ", seed);
    va_start(args, fmt);
    (void)vprintf(fmt, args);
    va_end(args);
    puts("");
    (void)fflush(stdout);
    _Exit(1);
}

static unsigned int rnd(unsigned int *state, unsigned int n)
{
    return (unsigned int)rand_r(state) % n;
}

/* A value says which block it is of. */
static void fill(uint64_t *page, unsigned int i, uint64_t value)
{
    unsigned int w;

    for (w = 0; w < BLOCK_WORDS; w++) {
        page[w] = value % 7 == 0 ? value << 8 >> 8
                                 : (value << 16 | i) + ((uint64_t)w << 56);
    }
}

static uint64_t value_of(const uint64_t *page, unsigned int i)
{
    uint64_t want[BLOCK_WORDS], value;

    /* Zeros, a value that is the same all over, or another one. */
    value = page[0] == page[1] ? page[0] : page[0] >> 16;
    fill(want, i, value);
    if (memcmp(page, want, sizeof(want))) {
        bad("block %u: a mixture (%#llx, %#llx)", i,
            (unsigned long long)page[0],
            (unsigned long long)page[BLOCK_WORDS - 1]);
    }
    return value;
}

static int read_block(uint64_t id, unsigned int i, bool promote,
                      uint64_t *page)
{
    struct vmm__recall recall;
    int rc;

    do {
        rc = vmm__region_read(region, id, (uint64_t)i * STRIDE, page,
                              &recall);
        if (rc != VMM_E_AGAIN) {
            return rc;
        }
        pthread_mutex_lock(&storage[recall.slot].lock);
        memcpy(page, storage[recall.slot].data, VMM__BLOCK_BYTES);
        pthread_mutex_unlock(&storage[recall.slot].lock);
        rc = vmm__region_recalled(region, &recall, page, 0, promote);
    } while (rc == VMM_E_AGAIN);
    return rc;
}

static void *writer(void *arg)
{
    unsigned int state = seed * 100 + (unsigned int)(uintptr_t)arg;
    uint64_t page[BLOCK_WORDS];

    while (!atomic_load(&stop)) {
        unsigned int i = rnd(&state, NR_BLKS);
        struct block *block = &blocks[i];
        uint64_t value;
        int rc;

        pthread_mutex_lock(&block->lock);
        value = atomic_load(&block->begun) + 1;
        fill(page, i, value);
        atomic_store(&block->begun, value);
        do {
            rc = vmm__region_write(region, (uint64_t)i * STRIDE, page);
        } while (rc == VMM_E_NOSPC && !atomic_load(&stop));
        if (!rc) {
            atomic_store(&block->acknowledged, value);
            atomic_fetch_add(&nr_writes, 1);
        } else if (rc != VMM_E_NOSPC) {
            bad("write: %s", vmm_error_name(rc));
        }
        pthread_mutex_unlock(&block->lock);
    }
    return NULL;
}

static void read_running(unsigned int i, bool promote)
{
    uint64_t low = atomic_load(&blocks[i].acknowledged), value;
    uint64_t page[BLOCK_WORDS];
    int rc = read_block(VMM__POINT_RUNNING, i, promote, page);

    if (rc) {
        bad("block %u: %s", i, vmm_error_name(rc));
    }
    value = value_of(page, i);
    if (value < low || value > atomic_load(&blocks[i].begun)) {
        bad("block %u: %llu, when %llu was acknowledged", i,
            (unsigned long long)value, (unsigned long long)low);
    }
}

/* Deleted or not, what it has is what it had. */
static void read_snapshot(unsigned int s, unsigned int i, bool promote)
{
    struct snapshot *snap = &snapshots[s];
    uint64_t page[BLOCK_WORDS], value, seen = 0, id;
    int rc;

    if (pthread_rwlock_tryrdlock(&snapshot_locks[s])) {
        return;
    }
    id = atomic_load(&snap->id);
    if (id) {
        rc = read_block(id, i, promote, page);
        if (rc) {
            bad("snapshot, block %u: %s", i, vmm_error_name(rc));
        }
        value = value_of(page, i);
        if (value < snap->low[i] || value > snap->high[i] ||
            (!atomic_compare_exchange_strong(&snap->seen[i], &seen,
                                             value + 1) &&
             seen != value + 1)) {
            bad("snapshot, block %u: %llu, of %llu to %llu, once %llu", i,
                (unsigned long long)value, (unsigned long long)snap->low[i],
                (unsigned long long)snap->high[i],
                (unsigned long long)seen - 1);
        }
    }
    pthread_rwlock_unlock(&snapshot_locks[s]);

    /* While it is deleted, it may be gone. */
    id = atomic_load(&snap->id);
    rc = id ? read_block(id, i, promote, page) : 0;
    if (rc && rc != VMM_E_NOENT) {
        bad("deleted snapshot, block %u: %s", i, vmm_error_name(rc));
    } else if (id && !rc) {
        (void)value_of(page, i);
    }
}

static void *reader(void *arg)
{
    unsigned int state = seed * 100 + 50 + (unsigned int)(uintptr_t)arg;

    while (!atomic_load(&stop)) {
        unsigned int i = rnd(&state, NR_BLKS);
        bool promote = rnd(&state, 2);

        if (rnd(&state, 3)) {
            read_running(i, promote);
        } else {
            read_snapshot(rnd(&state, NR_SNAPSHOTS), i, promote);
        }
        atomic_fetch_add(&nr_reads, 1);
    }
    return NULL;
}

static void *snapshotter(void *arg)
{
    unsigned int state = seed * 100 + 90, n = 0, i, s;
    char name[16];
    uint64_t id;
    int rc;

    (void)arg;
    while (!atomic_load(&stop)) {
        struct snapshot *snap = &snapshots[s = rnd(&state, NR_SNAPSHOTS)];

        pthread_rwlock_wrlock(&snapshot_locks[s]);
        id = atomic_load(&snap->id);
        if (id) {
            /* Readers without the lock are at it meanwhile. */
            rc = vmm__region_snapshot_delete(region, id);
            atomic_store(&snap->id, 0);
        } else {
            (void)snprintf(name, sizeof(name), "s%u", n++);
            for (i = 0; i < NR_BLKS; i++) {
                snap->low[i] = atomic_load(&blocks[i].acknowledged);
                atomic_store(&snap->seen[i], 0);
            }
            rc = vmm__region_snapshot(region, name, 0);
            for (i = 0; i < NR_BLKS; i++) {
                snap->high[i] = atomic_load(&blocks[i].begun);
            }
            if (!rc) {
                rc = vmm__region_find_snapshot(region, name, &id);
                atomic_store(&snap->id, id);
                atomic_fetch_add(&nr_taken, 1);
            } else if (rc == VMM_E_NOSPC) {
                rc = 0;
            }
        }
        if (rc) {
            bad("snapshot: %s", vmm_error_name(rc));
        }
        pthread_rwlock_unlock(&snapshot_locks[s]);
        while (rnd(&state, 4) && vmm__region_reap(region)) {
            continue;
        }
    }
    return NULL;
}

static void *purger(void *arg)
{
    unsigned int state = seed * 100 + 91, nr, n;
    struct vmm__purge purges[16];
    bool end;

    (void)arg;
    while (!atomic_load(&stop)) {
        nr = vmm__region_purge_pick(region,
                                    (enum vmm__purge_what)rnd(&state, 3),
                                    1 + rnd(&state, 16), purges, &end);
        for (n = 0; n < nr; n++) {
            pthread_mutex_lock(&storage[purges[n].slot].lock);
            memcpy(storage[purges[n].slot].data, purges[n].data,
                   VMM__BLOCK_BYTES);
            pthread_mutex_unlock(&storage[purges[n].slot].lock);
        }
        vmm__region_purged(region, purges, nr,
                           rnd(&state, 10) ? 0 : VMM_E_IO);
        atomic_fetch_add(&nr_moved, nr);
    }
    return NULL;
}

static void told(void *user, const char *text)
{
    (void)user;
    printf("check: %s\n", text);
}

static void run(unsigned int seconds)
{
    static void *(*const singles[])(void *) = { snapshotter, purger };
    struct vmm__region_geometry geo = {
        .nr_blks = 1 << 20, .nr_slots = NR_SLOTS,
        .nr_points = 2 * NR_SNAPSHOTS,
    };
    const struct vmm_logger logger = { NULL, NULL };
    pthread_t threads[NR_WRITERS + NR_READERS + 2];
    const struct timespec time = { .tv_sec = seconds };
    struct vmm__media media;
    unsigned int n = 0, i;
    uint64_t nr_problems;

    for (i = 0; i < NR_BLKS; i++) {
        (void)pthread_mutex_init(&blocks[i].lock, NULL);
    }
    for (i = 0; i < NR_SLOTS; i++) {
        (void)pthread_mutex_init(&storage[i].lock, NULL);
    }
    for (i = 0; i < NR_SNAPSHOTS; i++) {
        (void)pthread_rwlock_init(&snapshot_locks[i], NULL);
    }
    if (vmm__media_dram_open(420 * VMM__BLOCK_BYTES, &media) ||
        vmm__region_create(&media, &geo, true, &logger) ||
        vmm__region_open(&media, &logger, &region)) {
        bad("no region");
    }

    for (i = 0; i < NR_WRITERS; i++) {
        pthread_create(&threads[n++], NULL, writer, (void *)(uintptr_t)i);
    }
    for (i = 0; i < NR_READERS; i++) {
        pthread_create(&threads[n++], NULL, reader, (void *)(uintptr_t)i);
    }
    for (i = 0; i < 2; i++) {
        pthread_create(&threads[n++], NULL, singles[i], NULL);
    }
    (void)nanosleep(&time, NULL);
    atomic_store(&stop, true);
    while (n) {
        pthread_join(threads[--n], NULL);
    }

    for (i = 0; i < NR_BLKS; i++) {
        read_running(i, false);
    }
    while (vmm__region_reap(region)) {
        continue;
    }
    vmm__region_close(region);
    if (vmm__region_check(&media, NULL, told, NULL, &nr_problems) ||
        nr_problems) {
        bad("%llu problems", (unsigned long long)nr_problems);
    }
    vmm__media_dram_close(&media);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "seconds", required_argument, NULL, 's' },
        { "seed", required_argument, NULL, 'n' },
        { NULL, 0, NULL, 0 },
    };
    unsigned int seconds = 5;
    int opt;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (opt) {
        case 's':
            seconds = (unsigned int)atoi(optarg);
            break;
        case 'n':
            seed = (unsigned int)atoi(optarg);
            break;
        default:
            return 2;
        }
    }
    run(seconds);
    printf("%llu reads, %llu writes, %llu snapshots, %llu blocks moved\n",
           (unsigned long long)nr_reads, (unsigned long long)nr_writes,
           (unsigned long long)nr_taken, (unsigned long long)nr_moved);
    puts("race: 1 passed, 0 failed");
    return 0;
}
