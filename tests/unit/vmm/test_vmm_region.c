/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_vmm_region.c: regions in files, through the public functions. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/crc.h"
#include "vmm.c"

#include "tests/lib/last_log.h"
#include "tests/lib/ut.h"

#define NR_BLOCKS 16000u

static char dir[] = "/var/tmp/ut-region-XXXXXX";
static char path[64], storage[64];
static uint64_t page[VMM_BLOCK_BYTES / 8];
static vmm_region *region;
static struct vmm_region_create_opts opts;

static void begin(void)
{
    (void)strcpy(dir + sizeof(dir) - 7, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/r", dir);
    (void)snprintf(storage, sizeof(storage), "%s/s", dir);
    last_log[0] = '\0';
    region = NULL;
    vmm_region_create_opts_init(&opts);
    opts.path = path;
    opts.media_bytes = 16 << 20;
    opts.region_bytes = (uint64_t)NR_BLOCKS * VMM_BLOCK_BYTES;
    opts.storage_path = storage;
    opts.storage_bytes = 64 << 20;
}

static void make(void)
{
    CU_ASSERT_EQUAL_FATAL(vmm_region_create(&opts, &logger), 0);
    CU_ASSERT_EQUAL_FATAL(vmm_region_open(path, opts.storage_path, &logger,
                                          &region), 0);
}

static void end(void)
{
    vmm_region_close(region);
    (void)unlink(path);
    (void)unlink(storage);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void fill(uint64_t value)
{
    unsigned int i;

    for (i = 0; i < VMM_BLOCK_BYTES / 8; i++) {
        page[i] = value * 1000003 + i;
    }
}

static void put(uint64_t blk, uint64_t value)
{
    fill(value);
    CU_ASSERT_EQUAL(vmm_region_write(region, blk, 1, page, NULL), 0);
}

static void has(uint64_t id, uint64_t blk, uint64_t value)
{
    CU_ASSERT_EQUAL(vmm_region_read(region, id, blk, 1, page, NULL), 0);
    CU_ASSERT_EQUAL(page[1], value * 1000003 + 1);
    CU_ASSERT_EQUAL(page[511], value * 1000003 + 511);
}

static unsigned int nr_told;

static void told(void *user, const char *text)
{
    (void)user;
    (void)snprintf(last_log, sizeof(last_log), "%s", text);
    nr_told++;
}

static void check_finds(uint64_t nr_wanted, const char *text)
{
    uint64_t nr = 0;

    nr_told = 0;
    CU_ASSERT_EQUAL(vmm_region_check(path, storage, told, NULL, &logger, &nr),
                    0);
    CU_ASSERT_EQUAL(nr, nr_wanted);
    CU_ASSERT_EQUAL(nr_told, nr_wanted);
    CU_ASSERT_PTR_NOT_NULL(strstr(last_log, text));
}

/* Four times as much as NVM holds; what does not fit goes to storage. */
static void write__more_than_nvm_holds(void)
{
    struct vmm_region_stat stat = { .size = sizeof(stat) };
    struct vmm_region_usage usage = { .size = sizeof(usage) };
    uint64_t blk, id;

    begin();
    make();
    CU_ASSERT_EQUAL(vmm_region_nr_blocks(region), NR_BLOCKS);
    for (blk = 0; blk < 6000; blk++) {
        put(blk, blk + 1);
    }
    CU_ASSERT_EQUAL(vmm_region_snapshot(region, "all"), 0);
    CU_ASSERT_EQUAL(vmm_region_find_snapshot(region, "all", &id), 0);
    for (blk = 0; blk < 6000; blk += 3) {
        put(blk, blk + 100000);
    }
    for (blk = 0; blk < 6000; blk += 7) {
        has(id, blk, blk + 1);
        has(VMM_REGION_RUNNING, blk, blk % 3 ? blk + 1 : blk + 100000);
    }
    CU_ASSERT_EQUAL(vmm_region_stat(region, &stat), 0);
    CU_ASSERT_EQUAL(stat.nr_snapshots, 1);
    CU_ASSERT_EQUAL(stat.nr_lost, 0);
    CU_ASSERT_TRUE(stat.nr_purged > 4000);
    CU_ASSERT_TRUE(stat.nr_recalled > 0);
    CU_ASSERT_TRUE(stat.storage_used_bytes > 3000 * VMM_BLOCK_BYTES);
    CU_ASSERT_EQUAL(vmm_region_usage(region, id, &usage), 0);
    CU_ASSERT_EQUAL(usage.nr_blocks, 6000);
    CU_ASSERT_EQUAL(usage.nr_exclusive, 2000);
    CU_ASSERT_EQUAL(usage.nr_nvm + usage.nr_storage, 6000);

    vmm_region_close(region);
    region = NULL;
    check_finds(0, "");
    CU_ASSERT_EQUAL_FATAL(vmm_region_open(path, storage, &logger, &region),
                          0);
    for (blk = 0; blk < 6000; blk += 5) {
        has(id, blk, blk + 1);
    }
    CU_ASSERT_EQUAL(vmm_region_revert(region, id), 0);
    has(VMM_REGION_RUNNING, 3, 4);
    CU_ASSERT_EQUAL(vmm_region_discard(region, 3, 2), 0);
    CU_ASSERT_EQUAL(vmm_region_read(region, 0, 4, 1, page, NULL), 0);
    CU_ASSERT_EQUAL(page[1], 0);
    end();
}

static void purge__as_asked(void)
{
    struct vmm_region_purge_opts purge = {
        .size = sizeof(purge),
        .bytes_per_s = 200 * VMM_BLOCK_BYTES,
    };
    struct vmm_region_stat stat = { .size = sizeof(stat) };
    uint64_t blk, nr, start_ns;

    begin();
    make();
    for (blk = 0; blk < 100; blk++) {
        put(blk, blk + 1);
    }
    CU_ASSERT_EQUAL(vmm_region_purge(region, UINT64_MAX, 40, true, &nr),
                    0);
    CU_ASSERT_EQUAL(nr, 40);
    CU_ASSERT_EQUAL(vmm_region_set_purge(region, &purge), 0);
    start_ns = vmm__now_ns(&vmm__clock_monotonic);
    CU_ASSERT_EQUAL(vmm_region_purge(region, UINT64_MAX, 20, true, &nr),
                    0);
    CU_ASSERT_EQUAL(nr, 20);
    CU_ASSERT_EQUAL(vmm_region_purge(region, UINT64_MAX, 1, true, &nr), 0);
    CU_ASSERT_EQUAL(nr, 1);
    CU_ASSERT_TRUE(vmm__now_ns(&vmm__clock_monotonic) - start_ns >=
                   100000000u);
    purge.bytes_per_s = 0;
    CU_ASSERT_EQUAL(vmm_region_set_purge(region, &purge), 0);
    CU_ASSERT_EQUAL(vmm_region_stat(region, &stat), 0);
    CU_ASSERT_EQUAL(vmm_region_purge(region, stat.nvm_free_bytes /
                                     VMM_BLOCK_BYTES, 20, true, &nr), 0);
    CU_ASSERT_EQUAL(nr, 0);
    CU_ASSERT_EQUAL(vmm_region_purge(region, UINT64_MAX, UINT64_MAX, true,
                                     &nr), 0);
    CU_ASSERT_EQUAL(nr, 39);
    for (blk = 0; blk < 100; blk++) {
        has(VMM_REGION_RUNNING, blk, blk + 1);
    }
    end();
}

static void *purge_always(void *stop)
{
    uint64_t nr;

    while (!*(_Atomic bool *)stop) {
        (void)vmm_region_purge(region, 600, 64, true, &nr);
    }
    return NULL;
}

/* Somebody else makes the room that a writer asks for. */
static void write__while_another_purges(void)
{
    _Atomic bool stop = false;
    pthread_t thread;
    uint64_t blk;

    begin();
    make();
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, purge_always,
                                         (void *)&stop), 0);
    for (blk = 0; blk < 12000; blk++) {
        put(blk, blk + 1);
    }
    stop = true;
    (void)pthread_join(thread, NULL);
    for (blk = 0; blk < 12000; blk += 11) {
        has(VMM_REGION_RUNNING, blk, blk + 1);
    }
    end();
}

static void write__all_is_full(void)
{
    uint64_t blk, failed = 0;
    int rc = 0;

    begin();
    opts.storage_bytes = 1 << 20;
    make();
    for (blk = 0; !rc && blk < NR_BLOCKS; blk++) {
        fill(blk + 1);
        rc = vmm_region_write(region, blk, 1, page, &failed);
    }
    CU_ASSERT_EQUAL(rc, VMM_E_NOSPC);
    CU_ASSERT_EQUAL(failed, blk - 1);
    CU_ASSERT_TRUE(blk > 3500);
    while (blk-- > 1) {
        has(VMM_REGION_RUNNING, blk - 1, blk);
    }
    CU_ASSERT_EQUAL(vmm_region_discard(region, 0, 100), 0);
    put(15999, 7);
    end();
}

static void storage__damaged(void)
{
    uint64_t nr, blk, failed = 0, id;
    int fd, i;

    begin();
    make();
    for (blk = 0; blk < 8; blk++) {
        put(blk, blk + 1);
    }
    CU_ASSERT_EQUAL(vmm_region_purge(region, UINT64_MAX, 8, true, &nr), 0);
    CU_ASSERT_EQUAL(nr, 8);
    CU_ASSERT_EQUAL(vmm_region_snapshot(region, "s"), 0);
    CU_ASSERT_EQUAL(vmm_region_find_snapshot(region, "s", &id), 0);
    vmm_region_close(region);
    region = NULL;
    fd = open(storage, O_RDWR | O_CLOEXEC);
    for (i = 0; i < 8; i += 2) {
        CU_ASSERT_EQUAL(pwrite(fd, "damage", 6, (i + 1) * 4096 + 100), 6);
    }
    (void)close(fd);
    check_finds(4, "do not match");
    check_finds(4, "do not match");

    CU_ASSERT_EQUAL_FATAL(vmm_region_open(path, storage, &logger, &region),
                          0);
    for (blk = 0, nr = 0; blk < 8; blk++) {
        int rc = vmm_region_read(region, id, blk, 1, page, &failed);

        if (rc == VMM_E_LOST) {
            CU_ASSERT_EQUAL(failed, blk);
            CU_ASSERT_EQUAL(vmm_region_read(region, 0, blk, 1, page, NULL),
                            VMM_E_LOST);
            nr++;
        } else {
            CU_ASSERT_EQUAL(rc, 0);
            CU_ASSERT_EQUAL(page[1], (blk + 1) * 1000003 + 1);
        }
    }
    CU_ASSERT_EQUAL(nr, 4);
    end();
}

static void create__refusals(void)
{
    struct stat st;
    int fd;

    begin();
    opts.media_bytes = 1 << 20;
    CU_ASSERT_EQUAL(vmm_region_create(&opts, &logger), VMM_E_INVAL);
    opts.media_bytes = 16 << 20;
    opts.region_bytes = 5000;
    CU_ASSERT_EQUAL(vmm_region_create(&opts, &logger), VMM_E_INVAL);
    opts.region_bytes = 1ull << 60;
    CU_ASSERT_EQUAL(vmm_region_create(&opts, &logger), VMM_E_RANGE);
    CU_ASSERT_EQUAL(stat(path, &st), -1);
    CU_ASSERT_EQUAL(stat(storage, &st), -1);
    opts.region_bytes = 1 << 24;

    fd = open(storage, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_EQUAL(write(fd, "mine", 4), 4);
    (void)close(fd);
    CU_ASSERT_EQUAL(vmm_region_create(&opts, &logger), VMM_E_EXISTS);
    CU_ASSERT_EQUAL(stat(path, &st), -1);
    CU_ASSERT_EQUAL(stat(storage, &st), 0);
    CU_ASSERT_EQUAL(st.st_size, 4);
    CU_ASSERT_EQUAL(unlink(storage), 0);

    make();
    CU_ASSERT_EQUAL(vmm_region_create(&opts, &logger), VMM_E_EXISTS);
    vmm_region_close(region);
    region = NULL;
    /* Its storage is not for another one. */
    opts.path = dir;
    CU_ASSERT_EQUAL(vmm_region_create(&opts, &logger), VMM_E_EXISTS);
    end();
}

static void open__refusals(void)
{
    vmm_region *other = NULL;
    uint64_t nr;
    int fd;

    begin();
    CU_ASSERT_EQUAL(vmm_region_open(path, NULL, &logger, &other),
                    VMM_E_NOENT);
    make();
    CU_ASSERT_EQUAL(vmm_region_open(path, storage, &logger, &other),
                    VMM_E_BUSY);
    CU_ASSERT_EQUAL(vmm_region_check(path, storage, told, NULL, &logger,
                                     &nr), VMM_E_BUSY);
    put(1, 10);
    vmm_region_close(region);
    region = NULL;
    CU_ASSERT_EQUAL(vmm_region_open(path, NULL, &logger, &other),
                    VMM_E_INVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(last_log, "which is it"));

    /* Another region's storage. */
    fd = open(storage, O_RDWR | O_CLOEXEC);
    CU_ASSERT_EQUAL(pread(fd, page, 4096, 0), 4096);
    page[2] ^= 1;
    CU_ASSERT_EQUAL(pwrite(fd, page, 4096, 0), 4096);
    CU_ASSERT_EQUAL(vmm_region_open(path, storage, &logger, &other),
                    VMM_E_CHECKSUM);
    ((uint32_t *)page)[1023] = vmm__crc32c(page, 4092);
    CU_ASSERT_EQUAL(pwrite(fd, page, 4096, 0), 4096);
    CU_ASSERT_EQUAL(vmm_region_open(path, storage, &logger, &other),
                    VMM_E_EXISTS);
    page[2] ^= 1;
    ((uint32_t *)page)[1023] = vmm__crc32c(page, 4092);
    CU_ASSERT_EQUAL(pwrite(fd, page, 4096, 0), 4096);
    CU_ASSERT_EQUAL(ftruncate(fd, 1 << 20), 0);
    CU_ASSERT_TRUE(vmm_region_open(path, storage, &logger, &other) < 0);
    (void)close(fd);

    /* Less of it than there was; then something else. */
    CU_ASSERT_EQUAL(truncate(path, 8 << 20), 0);
    CU_ASSERT_EQUAL(vmm_region_open(path, storage, &logger, &other),
                    VMM_E_FORMAT);
    CU_ASSERT_EQUAL(vmm_region_check(path, NULL, told, NULL, &logger, &nr),
                    0);
    CU_ASSERT_EQUAL(nr, 1);
    CU_ASSERT_EQUAL(truncate(path, 0), 0);
    CU_ASSERT_EQUAL(truncate(path, 8 << 20), 0);
    CU_ASSERT_EQUAL(vmm_region_open(path, storage, &logger, &other),
                    VMM_E_FORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(last_log, "not a region"));
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(write__more_than_nvm_holds),
    UT_CASE(purge__as_asked),
    UT_CASE(write__while_another_purges),
    UT_CASE(write__all_is_full),
    UT_CASE(storage__damaged),
    UT_CASE(create__refusals),
    UT_CASE(open__refusals),
};

UT_MAIN("vmm/region", cases)
