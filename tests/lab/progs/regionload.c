/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * regionload.c: writes to a region so that what must be there after a crash
 * can be told from what is there.
 *
 *   regionload create MEDIA MEDIA-BYTES STORAGE STORAGE-BYTES
 *                                           bytes: 0 of devices
 *   regionload run MEDIA STORAGE SECONDS    purges and snapshots meanwhile
 *   regionload verify MEDIA STORAGE AT-LEAST
 *   regionload check MEDIA STORAGE           of any region
 *
 * Write i, of 1 and on, goes to a block that i alone decides, and writes i;
 * each is acknowledged before the next begins.  So a region that has write n
 * must have all before it, and its snapshot `sI' the state after write I.
 * run prints how many were acknowledged, as it goes on; verify says so as
 * well, and fails if there are fewer than AT-LEAST or one is not as it was.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm_region.h"

#define NR_BLOCKS 12000u
#define SNAPSHOT_EVERY 4000u
#define MAX_SNAPSHOTS 3u
#define WORDS (VMM_BLOCK_BYTES / 8)

static vmm_region *region;
static _Atomic bool stop;
static uint64_t page[WORDS];

static void complain(void *user, enum vmm_log_level level, const char *msg)
{
    (void)user;
    (void)level;
    fprintf(stderr, "regionload: %s\n", msg);
}
static const struct vmm_logger logger = { complain, NULL };

static void must(int rc, const char *what)
{
    if (rc) {
        fprintf(stderr, "regionload: %s: %s\n", what, vmm_error_text(rc));
        exit(1);
    }
}

static void told(void *user, const char *text)
{
    (void)user;
    fprintf(stderr, "regionload: check: %s\n", text);
}

static uint64_t block_of(uint64_t i)
{
    i *= 0x9e3779b97f4a7c15ull;
    i ^= i >> 32;
    return i * 0xd6e8feb86659fd93ull % NR_BLOCKS;
}

/* 0: nothing was written; else by which write, if it is whole. */
static uint64_t write_in(uint64_t id, uint64_t blk)
{
    uint64_t i, w;

    must(vmm_region_read(region, id, blk, 1, page, NULL), "read");
    i = page[0];
    for (w = 1; w < WORDS; w++) {
        if (page[w] != (i ? i ^ w * 0x100000001ull : 0)) {
            fprintf(stderr, "regionload: block %llu: torn\n",
                    (unsigned long long)blk);
            exit(1);
        }
    }
    return i;
}

static uint64_t newest(void)
{
    uint64_t blk, i, max = 0;

    for (blk = 0; blk < NR_BLOCKS; blk++) {
        i = write_in(VMM_REGION_RUNNING, blk);
        max = i > max ? i : max;
    }
    return max;
}

static void verify(uint64_t id, uint64_t last)
{
    uint64_t *want = calloc(NR_BLOCKS, sizeof(*want)), i;

    for (i = 1; i <= last; i++) {
        want[block_of(i)] = i;
    }
    for (i = 0; i < NR_BLOCKS; i++) {
        uint64_t got = write_in(id, i);

        if (got != want[i]) {
            fprintf(stderr, "regionload: of %llu, block %llu: write %llu, not "
                    "%llu\n", (unsigned long long)id, (unsigned long long)i,
                    (unsigned long long)got, (unsigned long long)want[i]);
            exit(1);
        }
    }
    free(want);
}

static void *purge(void *arg)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    uint64_t nr;

    (void)arg;
    while (!stop) {
        int rc = vmm_region_purge(region, 3000, 256, true, &nr);

        if (rc && rc != VMM_E_NOSPC) {
            must(rc, "purge");
        }
        if (!nr) {
            (void)nanosleep(&pause, NULL);
        }
    }
    return NULL;
}

static void take_snapshot(uint64_t i)
{
    struct vmm_snapshot_info info = { 0 };
    unsigned int nr = 0;
    uint64_t first = 0;
    char name[32];

    (void)snprintf(name, sizeof(name), "s%llu", (unsigned long long)i);
    must(vmm_region_snapshot(region, name), "snapshot");
    while (!vmm_region_next_snapshot(region, info.id, &info)) {
        first = first ? first : info.id;
        nr++;
    }
    if (nr > MAX_SNAPSHOTS) {
        must(vmm_region_delete_snapshot(region, first), "delete");
    }
}

static void run(unsigned int seconds)
{
    uint64_t i = newest(), w;
    time_t end = time(NULL) + seconds;
    pthread_t thread;

    must(pthread_create(&thread, NULL, purge, NULL) ? VMM_E_NOMEM : 0,
         "thread");
    while (time(NULL) < end) {
        page[0] = ++i;
        for (w = 1; w < WORDS; w++) {
            page[w] = i ^ w * 0x100000001ull;
        }
        must(vmm_region_write(region, block_of(i), 1, page, NULL), "write");
        if (i % SNAPSHOT_EVERY == 0) {
            take_snapshot(i);
        }
        if (i % 16 == 0) {
            (void)vmm_region_reap(region);
        }
        if (i % 500 == 0) {
            printf("%llu\n", (unsigned long long)i);
            (void)fflush(stdout);
        }
    }
    stop = true;
    (void)pthread_join(thread, NULL);
}

static void verify_all(uint64_t at_least)
{
    struct vmm_region_stat stat = { .size = sizeof(stat) };
    struct vmm_snapshot_info info = { 0 };
    uint64_t last = newest();

    if (last < at_least) {
        fprintf(stderr, "regionload: %llu writes, of at least %llu\n",
                (unsigned long long)last, (unsigned long long)at_least);
        exit(1);
    }
    verify(VMM_REGION_RUNNING, last);
    while (!vmm_region_next_snapshot(region, info.id, &info)) {
        verify(info.id, strtoull(info.name + 1, NULL, 10));
    }
    must(vmm_region_stat(region, &stat), "stat");
    printf("%llu writes, %u snapshots, %llu MiB of NVM free, %llu in "
           "storage\n", (unsigned long long)last, stat.nr_snapshots,
           (unsigned long long)stat.nvm_free_bytes >> 20,
           (unsigned long long)stat.storage_used_bytes >> 20);
}

int main(int argc, char **argv)
{
    struct vmm_region_create_opts opts;
    uint64_t nr = 0;

    if (argc == 6 && !strcmp(argv[1], "create")) {
        vmm_region_create_opts_init(&opts);
        opts.path = argv[2];
        opts.media_bytes = strtoull(argv[3], NULL, 10);
        opts.region_bytes = (uint64_t)NR_BLOCKS * VMM_BLOCK_BYTES;
        opts.storage_path = argv[4];
        opts.storage_bytes = strtoull(argv[5], NULL, 10);
        must(vmm_region_create(&opts, &logger), "create");
        return 0;
    }
    if (argc >= 4 && (!strcmp(argv[1], "verify") ||
                      !strcmp(argv[1], "check"))) {
        must(vmm_region_check(argv[2], argv[3], told, NULL, &logger, &nr),
             "check");
        if (nr) {
            return 1;
        }
    }
    if (argc != 5) {
        return argc == 4 && !strcmp(argv[1], "check") ? 0 : 2;
    }
    must(vmm_region_open(argv[2], argv[3], &logger, &region), "open");
    if (!strcmp(argv[1], "run")) {
        run((unsigned int)atoi(argv[4]));
    } else {
        verify_all(strtoull(argv[4], NULL, 10));
    }
    vmm_region_close(region);
    return 0;
}
