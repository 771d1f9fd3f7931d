/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_media.c: files and memory as media; both offer the same. */
#include <sys/stat.h>

#include "port/media_dram.c"
#include "port/media_pmem2.c"

#include "tests/lib/last_log.h"
#include "tests/lib/ut.h"

#define BYTES (1ull << 20)

static char dir[] = "/var/tmp/ut-media-XXXXXX";
static char path[64];
static struct vmm__media media;

static void begin(void)
{
    (void)strcpy(dir + sizeof(dir) - 7, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/m", dir);
    last_log[0] = '\0';
    media = (struct vmm__media){ .self = NULL };
}

static void end(void)
{
    vmm__media_pmem2_close(&media);
    (void)unlink(path);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void refused(int want, uint64_t create_bytes)
{
    CU_ASSERT_EQUAL(vmm__media_pmem2_open(path, create_bytes, &logger,
                                          &media), want);
    CU_ASSERT_PTR_NOT_NULL(strstr(last_log, path));
    CU_ASSERT_PTR_NULL(media.self);
}

static void pmem2_open__keeps_what_was_stored(void)
{
    static const char text[] = "as it was";
    struct stat st;

    begin();
    CU_ASSERT_EQUAL_FATAL(vmm__media_pmem2_open(path, BYTES, &logger,
                                                &media), 0);
    CU_ASSERT_EQUAL(media.len_bytes, BYTES);
    CU_ASSERT_FALSE((uintptr_t)media.base % 4096);
    CU_ASSERT_TRUE(vmm__media_pmem2_granularity(&media) <= VMM__PMEM2_PAGE);
    media.ops->copy(media.self, media.base + 5000, text, sizeof(text));
    vmm__media_drain(&media);
    media.base[0] = 7;
    vmm__media_persist(&media, media.base, 1);
    vmm__media_pmem2_close(&media);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_TRUE((uint64_t)st.st_blocks * 512 >= BYTES);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);

    CU_ASSERT_EQUAL_FATAL(vmm__media_pmem2_open(path, 0, &logger, &media), 0);
    CU_ASSERT_EQUAL(media.base[0], 7);
    CU_ASSERT_STRING_EQUAL((const char *)media.base + 5000, text);
    end();
}

static void pmem2_open__refusals(void)
{
    int fd;

    begin();
    refused(VMM_E_NOENT, 0);
    CU_ASSERT_EQUAL_FATAL(vmm__media_pmem2_open(path, BYTES, &logger,
                                                &media), 0);
    vmm__media_pmem2_close(&media);
    refused(VMM_E_EXISTS, BYTES);
    fd = open(path, O_RDWR | O_CLOEXEC);
    CU_ASSERT_EQUAL(flock(fd, LOCK_EX), 0);
    refused(VMM_E_BUSY, 0);
    CU_ASSERT_EQUAL(ftruncate(fd, 0), 0);
    CU_ASSERT_EQUAL(close(fd), 0);
    /* Nothing to map. */
    CU_ASSERT_TRUE(vmm__media_pmem2_open(path, 0, &logger, &media) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(last_log, "cannot map"));
    CU_ASSERT_EQUAL(unlink(path), 0);
    refused(VMM_E_NOSPC, 1ull << 60);
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
    CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
    CU_ASSERT_TRUE(vmm__media_pmem2_open(path, 0, &logger, &media) < 0);
    CU_ASSERT_EQUAL(rmdir(path), 0);
    end();
}

static void dram_open__zeros(void)
{
    CU_ASSERT_EQUAL(vmm__media_dram_open(0, &media), VMM_E_INVAL);
    CU_ASSERT_EQUAL(vmm__media_dram_open(1ull << 63, &media), VMM_E_INVAL);
    CU_ASSERT_EQUAL(vmm__media_dram_open(4097, &media), VMM_E_INVAL);
    CU_ASSERT_EQUAL_FATAL(vmm__media_dram_open(BYTES, &media), 0);
    CU_ASSERT_EQUAL(media.base[BYTES - 1], 0);
    media.ops->copy(media.self, media.base, "x", 2);
    vmm__media_persist(&media, media.base, 2);
    CU_ASSERT_STRING_EQUAL((const char *)media.base, "x");
    vmm__media_dram_close(&media);
    vmm__media_dram_close(&media);
}

static const struct ut_case cases[] = {
    UT_CASE(pmem2_open__keeps_what_was_stored),
    UT_CASE(pmem2_open__refusals),
    UT_CASE(dram_open__zeros),
};

UT_MAIN("port/media", cases)
