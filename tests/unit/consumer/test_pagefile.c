/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_pagefile.c: slots and entries; an index that is damaged; a crash after
 * every store, and every call that fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The calls of pagefile.c that may fail, and the stores after which a process
 * may die, come by here. */
static unsigned int fail_nth, nr_calls;
static void (*after_store)(void);

static int fails(int err)
{
    if (++nr_calls != fail_nth) {
        return 0;
    }
    errno = err;
    return 1;
}

static void *ut_calloc(size_t nr, size_t size)
{
    return fails(ENOMEM) ? NULL : calloc(nr, size);
}

static void *ut_malloc(size_t size)
{
    return fails(ENOMEM) ? NULL : malloc(size);
}

static char *ut_strdup(const char *s)
{
    return fails(ENOMEM) ? NULL : strdup(s);
}

static int ut_open(const char *path, int flags, ...)
{
    return fails(EACCES) ? -1 : open(path, flags, 0600);
}

static int ut_flock(int fd, int op)
{
    return fails(EWOULDBLOCK) ? -1 : flock(fd, op);
}

static int ut_fstat(int fd, struct stat *st)
{
    return fails(EIO) ? -1 : fstat(fd, st);
}

static int ut_ftruncate(int fd, off_t len)
{
    return fails(ENOSPC) ? -1 : ftruncate(fd, len);
}

static int ut_posix_fallocate(int fd, off_t from, off_t len)
{
    return fails(ENOSPC) ? ENOSPC : posix_fallocate(fd, from, len);
}

static void *ut_mmap(void *addr, size_t len, int prot, int flags, int fd,
                     off_t off)
{
    return fails(ENOMEM) ? MAP_FAILED : mmap(addr, len, prot, flags, fd, off);
}

static int ut_rename(const char *from, const char *to)
{
    int r;

    if (after_store) {
        after_store();
    }
    r = fails(EACCES) ? -1 : rename(from, to);
    if (after_store) {
        after_store();
    }
    return r;
}

#define calloc ut_calloc
#define malloc ut_malloc
#undef strdup
#define strdup ut_strdup
#define open ut_open
#define flock(fd, op) ut_flock(fd, op)
#define fstat(fd, st) ut_fstat(fd, st)
#define ftruncate ut_ftruncate
#define posix_fallocate ut_posix_fallocate
#define mmap ut_mmap
#define rename ut_rename
#undef atomic_store_explicit
#define atomic_store_explicit(object, value, order) do { \
    *(volatile uint64_t *)(uintptr_t)(object) = (value); \
    (void)(order); \
    if (after_store) { \
        after_store(); \
    } \
} while (0)

#include "consumer/pagefile.c"

#undef calloc
#undef malloc
#undef strdup
#undef open
#undef flock
#undef fstat
#undef ftruncate
#undef posix_fallocate
#undef mmap
#undef rename

#include "lib/ut.h"

#define NR_GFNS 1500u
#define NR_SLOTS 200u

static const uint8_t uuid[16] = { 0xc0, 0xff, 0xee, 1 };
static char dir[64], path[96], copy_path[96];
static struct vmm__pagefile *pf;

static void setup(void)
{
    fail_nth = nr_calls = 0;
    after_store = NULL;
    pf = NULL;
    (void)snprintf(dir, sizeof(dir), "%s/ut-pagefile-XXXXXX",
                   access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/index", dir);
    (void)snprintf(copy_path, sizeof(copy_path), "%s/copy", dir);
}

static void teardown(void)
{
    vmm__pagefile_close(pf);
    pf = NULL;
    (void)unlink(path);
    (void)unlink(copy_path);
    /* Nothing else may be left. */
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static int open_index(bool adopt)
{
    return vmm__pagefile_open(path, adopt, uuid, NR_GFNS, NR_SLOTS, &pf);
}

static void start(void)
{
    setup();
    CU_ASSERT_EQUAL_FATAL(open_index(false), 0);
    CU_ASSERT_EQUAL_FATAL(vmm__pagefile_reserve(pf, 0, NR_GFNS), 0);
}

static void reopen(void)
{
    vmm__pagefile_close(pf);
    pf = NULL;
    CU_ASSERT_EQUAL_FATAL(open_index(true), 0);
}

static void set_slot(uint64_t gfn, uint64_t slot, uint32_t crc)
{
    struct vmm__pagefile_entry entry = {
        .where = VMM__PAGEFILE_SLOT, .slot = slot, .crc32c = crc,
    };

    vmm__pagefile_set(pf, gfn, &entry);
}

static void set_same(uint64_t gfn, uint64_t value)
{
    struct vmm__pagefile_entry entry = {
        .where = VMM__PAGEFILE_SAME, .value = value,
    };

    vmm__pagefile_set(pf, gfn, &entry);
}

static uint64_t take(uint32_t nr, uint32_t nr_wanted)
{
    uint64_t first = UINT64_MAX;

    CU_ASSERT_EQUAL(vmm__pagefile_alloc(pf, nr, &first), nr_wanted);
    return first;
}

/* Slots. */

static void alloc__next_fit(void)
{
    unsigned int i;

    start();
    CU_ASSERT_EQUAL(take(32, 32), 0);
    CU_ASSERT_EQUAL(take(32, 32), 32);
    /* What comes free behind is not taken before the end is reached. */
    for (i = 0; i < 16; i++) {
        vmm__pagefile_free_slot(pf, i);
    }
    CU_ASSERT_EQUAL(take(100, 100), 64);
    CU_ASSERT_EQUAL(vmm__pagefile_nr_used(pf), 148);
    /* 36 at the end, 16 at the beginning. */
    CU_ASSERT_EQUAL(take(40, 36), 164);
    CU_ASSERT_EQUAL(take(40, 16), 0);
    CU_ASSERT_EQUAL(vmm__pagefile_alloc(pf, 1, &(uint64_t){ 0 }), 0);
    CU_ASSERT_EQUAL(vmm__pagefile_nr_used(pf), NR_SLOTS);
    vmm__pagefile_free_slot(pf, 77);
    CU_ASSERT_EQUAL(take(8, 1), 77);
    CU_ASSERT_EQUAL(vmm__pagefile_alloc(pf, 0, &(uint64_t){ 0 }), 0);
    teardown();
}

static void alloc__longest_run_if_none_fits(void)
{
    uint64_t slot;

    start();
    (void)take(NR_SLOTS, NR_SLOTS);
    for (slot = 10; slot < 13; slot++) {
        vmm__pagefile_free_slot(pf, slot);
    }
    for (slot = 60; slot < 70; slot++) {
        vmm__pagefile_free_slot(pf, slot);
    }
    for (slot = 128; slot < 132; slot++) {
        vmm__pagefile_free_slot(pf, slot);
    }
    CU_ASSERT_EQUAL(take(20, 10), 60);
    CU_ASSERT_EQUAL(take(4, 4), 128);
    CU_ASSERT_EQUAL(take(4, 3), 10);
    teardown();
}

/* Entries. */

static void check_entry(uint64_t gfn, enum vmm__pagefile_where where,
                        uint64_t slot_or_value, uint32_t crc)
{
    struct vmm__pagefile_entry entry;

    vmm__pagefile_get(pf, gfn, &entry);
    CU_ASSERT_EQUAL(entry.where, where);
    if (where == VMM__PAGEFILE_SLOT) {
        CU_ASSERT_EQUAL(entry.slot, slot_or_value);
        CU_ASSERT_EQUAL(entry.crc32c, crc);
    } else {
        CU_ASSERT_EQUAL(entry.slot, VMM__SLOT_NONE);
    }
    if (where == VMM__PAGEFILE_SAME) {
        CU_ASSERT_EQUAL(entry.value, slot_or_value);
    }
}

static void set__survives(void)
{
    start();
    (void)take(3, 3);
    set_slot(0, 2, 0xffffffffu);
    set_slot(NR_GFNS - 1, 0, 0);
    set_same(700, 0);
    set_same(701, UINT64_MAX);
    reopen();
    check_entry(0, VMM__PAGEFILE_SLOT, 2, 0xffffffffu);
    check_entry(NR_GFNS - 1, VMM__PAGEFILE_SLOT, 0, 0);
    check_entry(700, VMM__PAGEFILE_SAME, 0, 0);
    check_entry(701, VMM__PAGEFILE_SAME, UINT64_MAX, 0);
    check_entry(1, VMM__PAGEFILE_NONE, 0, 0);
    /* Slot 1 was never in the index. */
    CU_ASSERT_EQUAL(vmm__pagefile_nr_used(pf), 2);
    CU_ASSERT_EQUAL(take(1, 1), 1);
    teardown();
}

static void set__over_another_frees_its_slot(void)
{
    start();
    (void)take(2, 2);
    set_slot(5, 0, 1);
    set_slot(5, 1, 2);
    CU_ASSERT_EQUAL(vmm__pagefile_nr_used(pf), 1);
    set_same(5, 9);
    CU_ASSERT_EQUAL(vmm__pagefile_nr_used(pf), 0);
    check_entry(5, VMM__PAGEFILE_SAME, 9, 0);
    vmm__pagefile_clear(pf, 5);
    vmm__pagefile_clear(pf, 5);
    check_entry(5, VMM__PAGEFILE_NONE, 0, 0);
    teardown();
}

/* Adoption. */

static void poke(uint64_t offset, const void *bytes, size_t nr)
{
    int fd = open(path, O_RDWR);

    CU_ASSERT_EQUAL_FATAL(pwrite(fd, bytes, nr, (off_t)offset), (ssize_t)nr);
    (void)close(fd);
}

static void refused(int rc)
{
    CU_ASSERT_EQUAL(open_index(true), rc);
    CU_ASSERT_PTR_NULL(pf);
}

static void make_index(void)
{
    start();
    (void)take(10, 10);
    set_slot(3, 4, 5);
    set_slot(4, 5, 6);
    vmm__pagefile_close(pf);
    pf = NULL;
}

static void adopt__any_bit_of_the_header(void)
{
    unsigned int bit;

    make_index();
    for (bit = 0; bit < 8 * sizeof(struct pagefile_hdr_rec); bit++) {
        uint8_t good, bad;
        int fd = open(path, O_RDONLY);

        CU_ASSERT_EQUAL_FATAL(pread(fd, &good, 1, bit / 8), 1);
        (void)close(fd);
        bad = good ^ (uint8_t)(1u << bit % 8);
        poke(bit / 8, &bad, 1);
        refused(VMM_E_FORMAT);
        poke(bit / 8, &good, 1);
    }
    CU_ASSERT_EQUAL(open_index(true), 0);
    teardown();
}

static void adopt__other_version_or_domain(void)
{
    struct pagefile_hdr_rec hdr;
    uint8_t other[16] = { 1 };
    int fd;

    make_index();
    CU_ASSERT_EQUAL(vmm__pagefile_open(path, true, other, NR_GFNS, NR_SLOTS,
                                       &pf), VMM_E_FORMAT);
    CU_ASSERT_EQUAL(vmm__pagefile_open(path, true, uuid, NR_GFNS + 1,
                                       NR_SLOTS, &pf), VMM_E_FORMAT);
    CU_ASSERT_EQUAL(vmm__pagefile_open(path, true, uuid, NR_GFNS + 4096,
                                       NR_SLOTS, &pf), VMM_E_FORMAT);
    CU_ASSERT_EQUAL(vmm__pagefile_open(path, true, uuid, 0, NR_SLOTS, &pf),
                    VMM_E_INVAL);
    CU_ASSERT_EQUAL(vmm__pagefile_open(path, true, uuid, NR_GFNS, 0, &pf),
                    VMM_E_INVAL);
    fd = open(path, O_RDONLY);
    CU_ASSERT_EQUAL_FATAL(read(fd, &hdr, sizeof(hdr)), sizeof(hdr));
    (void)close(fd);
    hdr.version++;
    hdr.crc32c = hdr_crc(&hdr);
    poke(0, &hdr, sizeof(hdr));
    refused(VMM_E_VERSION);
    hdr.version--;
    hdr._res2[1] = 1;
    hdr.crc32c = hdr_crc(&hdr);
    poke(0, &hdr, sizeof(hdr));
    refused(VMM_E_FORMAT);
    teardown();
}

static void adopt__bad_entries(void)
{
    static const uint64_t bad[][2] = {
        { 3, 0 },                                   /* no such where */
        { VMM__PAGEFILE_SLOT | 4, 0 },              /* reserved bits */
        { VMM__PAGEFILE_SLOT | 1ull << 15, 0 },
        { VMM__PAGEFILE_SLOT | 4ull << 16, 0 },     /* slot of gfn 3 */
        { VMM__PAGEFILE_SLOT | (uint64_t)NR_SLOTS << 16, 0 },
        { VMM__PAGEFILE_SLOT | 0xffffull << 48, 0 },
        { VMM__PAGEFILE_SLOT | 9ull << 16, 1ull << 32 },
        { VMM__PAGEFILE_SAME | 1ull << 16, 0 },
        { VMM__PAGEFILE_NONE | 1ull << 16, 0 },
    };
    static const uint64_t good[][2] = {
        { VMM__PAGEFILE_NONE, 77 },                 /* died before place */
        { VMM__PAGEFILE_SAME, UINT64_MAX },
        { VMM__PAGEFILE_SLOT | (NR_SLOTS - 1ull) << 16, 1 },
    };
    uint64_t offset = HDR_BYTES + 1000 * 16;
    size_t i;

    make_index();
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        poke(offset, bad[i], 16);
        refused(VMM_E_FORMAT);
    }
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        poke(offset, good[i], 16);
        CU_ASSERT_EQUAL(open_index(true), 0);
        vmm__pagefile_close(pf);
        pf = NULL;
    }
    teardown();
}

static void adopt__not_an_index(void)
{
    setup();
    refused(VMM_E_NOENT);
    CU_ASSERT_EQUAL(symlink("/etc/passwd", path), 0);
    refused(VMM_E_LOCAL);
    (void)unlink(path);
    CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
    refused(VMM_E_FORMAT);
    (void)unlink(path);
    teardown();

    make_index();
    CU_ASSERT_EQUAL(truncate(path, HDR_BYTES), 0);
    refused(VMM_E_FORMAT);
    CU_ASSERT_EQUAL(truncate(path, 10), 0);
    refused(VMM_E_FORMAT);
    CU_ASSERT_EQUAL(truncate(path, 0), 0);
    refused(VMM_E_FORMAT);
    teardown();
}

static void open__somebody_has_it(void)
{
    struct vmm__pagefile *other = NULL;

    start();
    (void)take(1, 1);
    set_slot(3, 0, 5);
    CU_ASSERT_EQUAL(vmm__pagefile_open(path, true, uuid, NR_GFNS, NR_SLOTS,
                                       &other), VMM_E_BUSY);
    CU_ASSERT_EQUAL(vmm__pagefile_open(path, false, uuid, NR_GFNS, NR_SLOTS,
                                       &other), VMM_E_BUSY);
    CU_ASSERT_PTR_NULL(other);
    reopen();
    check_entry(3, VMM__PAGEFILE_SLOT, 0, 5);
    teardown();
}

/* A session that turned out to exist can still be adopted. */
static void open__new_keeps_the_old_until_it_matters(void)
{
    make_index();
    CU_ASSERT_EQUAL_FATAL(open_index(false), 0);
    check_entry(3, VMM__PAGEFILE_NONE, 0, 0);
    reopen();
    check_entry(3, VMM__PAGEFILE_SLOT, 4, 5);
    vmm__pagefile_close(pf);
    pf = NULL;

    CU_ASSERT_EQUAL_FATAL(open_index(false), 0);
    CU_ASSERT_EQUAL_FATAL(vmm__pagefile_reserve(pf, 0, 512), 0);
    set_same(9, 9);
    reopen();
    check_entry(3, VMM__PAGEFILE_NONE, 0, 0);
    check_entry(9, VMM__PAGEFILE_SAME, 9, 0);
    teardown();
}

static void open__new_over_rubbish(void)
{
    make_index();
    poke(0, "rubbish", 7);
    CU_ASSERT_EQUAL_FATAL(open_index(false), 0);
    reopen();
    CU_ASSERT_EQUAL(vmm__pagefile_nr_used(pf), 0);
    teardown();
}

/* A domain with a wide address space and few pages. */
static void reserve__holes_stay_holes(void)
{
    uint64_t nr_gfns = 1ull << 28, gfn;
    struct vmm__pagefile_entry entry;
    struct stat st;

    setup();
    CU_ASSERT_EQUAL_FATAL(vmm__pagefile_open(path, false, uuid, nr_gfns,
                                             NR_SLOTS, &pf), 0);
    CU_ASSERT_EQUAL(vmm__pagefile_reserve(pf, nr_gfns, 1), VMM_E_RANGE);
    CU_ASSERT_EQUAL(vmm__pagefile_reserve(pf, 512, 512), 0);
    CU_ASSERT_EQUAL(vmm__pagefile_reserve(pf, nr_gfns - 1, UINT64_MAX), 0);
    CU_ASSERT_EQUAL(vmm__pagefile_reserve(pf, 5, 0), 0);
    set_same(1023, 1);
    set_same(nr_gfns - 1, 2);
    for (gfn = 0; gfn < nr_gfns; gfn += 4099) {
        vmm__pagefile_get(pf, gfn, &entry);
        vmm__pagefile_clear(pf, gfn);
    }
    vmm__pagefile_close(pf);
    CU_ASSERT_EQUAL_FATAL(vmm__pagefile_open(path, true, uuid, nr_gfns,
                                             NR_SLOTS, &pf), 0);
    check_entry(1023, VMM__PAGEFILE_SAME, 1, 0);
    check_entry(nr_gfns - 1, VMM__PAGEFILE_SAME, 2, 0);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT(st.st_blocks * 512 <= 4 * 4096);
    teardown();
}

/*
 * Crash after each store: what is in the file then is copied and adopted.
 * Entries that are not being changed are as they were; the one that is, as it
 * was, gone, or as it will be.
 */
static struct vmm__pagefile_entry before[NR_GFNS];
static struct vmm__pagefile_entry new_entry;
static uint64_t changing;
static unsigned int nr_crashes;

static bool same_entry(const struct vmm__pagefile_entry *a,
                       const struct vmm__pagefile_entry *b)
{
    return a->where == b->where &&
           (a->where != VMM__PAGEFILE_SLOT ||
            (a->slot == b->slot && a->crc32c == b->crc32c)) &&
           (a->where != VMM__PAGEFILE_SAME || a->value == b->value);
}

static void crash(void)
{
    static const struct vmm__pagefile_entry none;
    void (*saved)(void) = after_store;
    struct vmm__pagefile *copy = NULL;
    char command[256];
    uint64_t gfn;

    (void)snprintf(command, sizeof(command), "cp --sparse=always %s %s", path,
                   copy_path);
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
    after_store = NULL;
    nr_crashes++;
    CU_ASSERT_EQUAL_FATAL(vmm__pagefile_open(copy_path, true, uuid, NR_GFNS,
                                             NR_SLOTS, &copy), 0);
    for (gfn = 0; gfn < NR_GFNS; gfn++) {
        struct vmm__pagefile_entry entry;

        vmm__pagefile_get(copy, gfn, &entry);
        CU_ASSERT(same_entry(&entry, &before[gfn]) ||
                  (gfn == changing && (same_entry(&entry, &none) ||
                                       same_entry(&entry, &new_entry))));
    }
    vmm__pagefile_close(copy);
    after_store = saved;
}

static void stores__crash_after_each(void)
{
    uint64_t rng = 88172645463325252ull;
    unsigned int step;

    start();
    /* So that there is a file under its name from the beginning. */
    memset(before, 0, sizeof(before));
    set_same(0, 1);
    vmm__pagefile_get(pf, 0, &before[0]);
    nr_crashes = 0;
    after_store = crash;
    for (step = 0; step < 60; step++) {
        uint64_t gfn, slot;

        rng ^= rng << 13;
        rng ^= rng >> 7;
        rng ^= rng << 17;
        gfn = changing = rng % 8 * 187;
        memset(&new_entry, 0, sizeof(new_entry));
        switch (rng >> 32 & 3) {
        case 0:
            vmm__pagefile_clear(pf, gfn);
            break;
        case 1:
            new_entry.where = VMM__PAGEFILE_SAME;
            new_entry.value = rng;
            vmm__pagefile_set(pf, gfn, &new_entry);
            break;
        default:
            if (vmm__pagefile_alloc(pf, 1, &slot)) {
                new_entry.where = VMM__PAGEFILE_SLOT;
                new_entry.slot = slot;
                new_entry.crc32c = (uint32_t)rng;
                vmm__pagefile_set(pf, gfn, &new_entry);
            }
            break;
        }
        vmm__pagefile_get(pf, gfn, &before[gfn]);
        CU_ASSERT(same_entry(&before[gfn], &new_entry));
    }
    after_store = NULL;
    CU_ASSERT(nr_crashes > 100);
    teardown();
}

/* Likewise while an index is made: it is there and whole, or the old one. */
static unsigned int nr_old, nr_new;

static void crash_at_rename(void)
{
    struct vmm__pagefile *saved = pf;
    void (*hook)(void) = after_store;
    char command[256];

    after_store = NULL;
    (void)snprintf(command, sizeof(command), "cp %s %s", path, copy_path);
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
    pf = NULL;
    CU_ASSERT_EQUAL(vmm__pagefile_open(copy_path, true, uuid, NR_GFNS,
                                       NR_SLOTS, &pf), 0);
    if (pf) {
        struct vmm__pagefile_entry entry;

        vmm__pagefile_get(pf, 3, &entry);
        nr_old += entry.where == VMM__PAGEFILE_SLOT;
        nr_new += entry.where == VMM__PAGEFILE_NONE;
    }
    vmm__pagefile_close(pf);
    pf = saved;
    after_store = hook;
}

static void open__crash_while_made(void)
{
    make_index();
    CU_ASSERT_EQUAL_FATAL(open_index(false), 0);
    CU_ASSERT_EQUAL_FATAL(vmm__pagefile_reserve(pf, 0, 512), 0);
    nr_old = nr_new = 0;
    after_store = crash_at_rename;
    set_same(9, 9);
    after_store = NULL;
    CU_ASSERT_EQUAL(nr_old, 1);
    CU_ASSERT_EQUAL(nr_new, 3);
    teardown();
}

/* Each call fails once: no leak, an error of ours, and it can be repeated. */
static void open__nth_call_fails(void)
{
    unsigned int n, adopt;
    int rc = -1;

    for (adopt = 0; adopt < 2; adopt++) {
        for (n = 1; n < 100; n++) {
            if (adopt) {
                make_index();
            } else {
                setup();
            }
            nr_calls = 0;
            fail_nth = n;
            rc = open_index(adopt);
            if (!rc) {
                rc = vmm__pagefile_reserve(pf, 0, 512);
            }
            fail_nth = 0;
            if (rc) {
                CU_ASSERT(vmm_error_class_of(rc) != VMM_ECLASS_NONE);
            } else {
                CU_ASSERT_PTR_NOT_NULL(pf);
            }
            vmm__pagefile_close(pf);
            pf = NULL;
            if (n <= nr_calls) {
                CU_ASSERT_EQUAL(open_index(adopt), 0);
            }
            teardown();
            if (!rc && n > nr_calls) {
                break;
            }
        }
        CU_ASSERT(n > 5 && n < 100);
    }
}

static void page_is_same__or_not(void)
{
    uint64_t page[512], value = 0, i;

    for (i = 0; i < 512; i++) {
        page[i] = 0x0123456789abcdefull;
    }
    CU_ASSERT(vmm__page_is_same(page, &value));
    CU_ASSERT_EQUAL(value, 0x0123456789abcdefull);
    for (i = 0; i < sizeof(page); i++) {
        ((uint8_t *)page)[i] ^= 0x40;
        CU_ASSERT(!vmm__page_is_same(page, &value));
        ((uint8_t *)page)[i] ^= 0x40;
    }
    memset(page, 0, sizeof(page));
    CU_ASSERT(vmm__page_is_same(page, &value));
    CU_ASSERT_EQUAL(value, 0);
}

static const struct ut_case cases[] = {
    UT_CASE(alloc__next_fit),
    UT_CASE(alloc__longest_run_if_none_fits),
    UT_CASE(set__survives),
    UT_CASE(set__over_another_frees_its_slot),
    UT_CASE(adopt__any_bit_of_the_header),
    UT_CASE(adopt__other_version_or_domain),
    UT_CASE(adopt__bad_entries),
    UT_CASE(adopt__not_an_index),
    UT_CASE(open__somebody_has_it),
    UT_CASE(open__new_keeps_the_old_until_it_matters),
    UT_CASE(open__new_over_rubbish),
    UT_CASE(reserve__holes_stay_holes),
    UT_CASE(stores__crash_after_each),
    UT_CASE(open__crash_while_made),
    UT_CASE(open__nth_call_fails),
    UT_CASE(page_is_same__or_not),
};

UT_MAIN("consumer/pagefile", cases)
