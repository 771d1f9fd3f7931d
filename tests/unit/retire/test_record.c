/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_record.c: the record over power cuts, damage and full disks. */
#include "retire/record.c"

#include <stdbool.h>

#include "lib/ut.h"

/* Files in memory; the nth replacement fails, or the power does. */
#define NR_FILES 3
enum fate { NONE, FAILS, CUT_BEFORE, CUT_AFTER };
static struct {
    char *path;
    void *data;
    size_t size;
} disk[NR_FILES];
static unsigned int nr_replaced, fate_at;
static enum fate fate;
static bool is_off;

static int disk_read(void *self, const char *path, size_t max_bytes,
                     void **data_out, size_t *size_out)
{
    unsigned int i;

    (void)self;
    for (i = 0; i < NR_FILES; i++) {
        if (disk[i].path && !strcmp(disk[i].path, path)) {
            CU_ASSERT_TRUE(disk[i].size <= max_bytes);
            *data_out = malloc(disk[i].size + 1);
            CU_ASSERT_PTR_NOT_NULL_FATAL(*data_out);
            memcpy(*data_out, disk[i].data, disk[i].size);
            *size_out = disk[i].size;
            return 0;
        }
    }
    return VMM_E_NOENT;
}

static int disk_replace(void *self, const char *path, const void *data,
                        size_t size)
{
    bool now = ++nr_replaced == fate_at;
    unsigned int i;

    (void)self;
    if (is_off || (now && fate == CUT_BEFORE)) {
        is_off = true;
        return VMM_E_IO;
    }
    if (now && fate == FAILS) {
        return VMM_E_NOSPC;
    }
    for (i = 0; i < NR_FILES - 1 && disk[i].path &&
         strcmp(disk[i].path, path); i++) {
    }
    if (!disk[i].path) {
        disk[i].path = strdup(path);
    }
    free(disk[i].data);
    disk[i].data = malloc(size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(disk[i].data);
    memcpy(disk[i].data, data, size);
    disk[i].size = size;
    if (now && fate == CUT_AFTER) {
        is_off = true;
        return VMM_E_IO;
    }
    return 0;
}

static unsigned int nr_settled;

static int disk_settle(void *self, const char *path)
{
    (void)self;
    CU_ASSERT_STRING_EQUAL(path, "/boot/list");
    nr_settled++;
    return is_off ? VMM_E_IO : 0;
}

static bool with_variable;
static int variable_rc;
static unsigned int nr_variables;

static int disk_set_variable(void *self, const void *data, size_t size)
{
    struct vmm__retirelist_head head;
    struct vmm_retired *entries;

    (void)self;
    CU_ASSERT_EQUAL_FATAL(vmm__retirelist_decode(data, size, &head, &entries),
                          0);
    free(entries);
    nr_variables++;
    return variable_rc;
}

static const struct vmm__files_ops disk_ops = {
    disk_read, disk_replace, disk_settle, disk_set_variable,
};
static const struct vmm__files files = { .ops = &disk_ops };
static const struct vmm_logger nobody;

static void wipe(void)
{
    unsigned int i;

    for (i = 0; i < NR_FILES; i++) {
        free(disk[i].path);
        free(disk[i].data);
        disk[i].path = NULL;
        disk[i].data = NULL;
    }
    nr_replaced = fate_at = 0;
    is_off = false;
}

static vmm_record *open_record(void)
{
    vmm_record *record = NULL;

    CU_ASSERT_EQUAL_FATAL(vmm__record_open(&files, "/d", "/boot/list",
                                           with_variable, &nobody, &record),
                          0);
    return record;
}

static bool add(vmm_record *record, uint64_t mfn, uint32_t nr,
                enum vmm_retire_cause cause)
{
    const struct vmm_retired entry = {
        .mfn = mfn, .nr_pages = nr, .cause = cause,
    };
    bool changed;

    CU_ASSERT_EQUAL(vmm_record_add(record, &entry, &changed), 0);
    return changed;
}

static uint64_t nr_pages(const vmm_record *record)
{
    struct vmm_retired entry;
    uint64_t nr = 0, end = 0;
    uint32_t i;

    for (i = 0; i < vmm_record_nr(record); i++) {
        vmm_record_get(record, i, &entry);
        CU_ASSERT_TRUE(entry.mfn >= end && entry.nr_pages);
        end = entry.mfn + entry.nr_pages;
        nr += entry.nr_pages;
    }
    return nr;
}

static void add__overlaps_are_one(void)
{
    vmm_record *record;

    wipe();
    record = open_record();
    CU_ASSERT_TRUE(add(record, 10, 5, VMM_RETIRE_ADMIN));
    CU_ASSERT_FALSE(add(record, 11, 2, VMM_RETIRE_ADMIN));
    CU_ASSERT_TRUE(add(record, 5, 20, VMM_RETIRE_IMPORTED));
    CU_ASSERT_EQUAL(nr_pages(record), 20);
    CU_ASSERT_EQUAL(vmm_record_nr(record), 3);
    vmm_record_close(record);
}

static void add__what_was_about_to_fail_has_failed(void)
{
    struct vmm_retired entry;
    vmm_record *record;

    wipe();
    record = open_record();
    CU_ASSERT_TRUE(add(record, 10, 1, VMM_RETIRE_CORRECTED));
    CU_ASSERT_TRUE(add(record, 10, 1, VMM_RETIRE_UNCORRECTED));
    CU_ASSERT_FALSE(add(record, 10, 1, VMM_RETIRE_CORRECTED));
    vmm_record_get(record, 0, &entry);
    CU_ASSERT_EQUAL(entry.cause, VMM_RETIRE_UNCORRECTED);
    vmm_record_close(record);
}

static void add__bad(void)
{
    static const struct vmm_retired bad[] = {
        { .mfn = 1, .nr_pages = 0 },
        { .mfn = 1ull << 40, .nr_pages = 1 },
        { .mfn = (1ull << 40) - 1, .nr_pages = 2 },
        { .mfn = 1, .nr_pages = 1, .cause = VMM_RETIRE_NR_CAUSES },
    };
    vmm_record *record;
    bool changed;
    size_t i;

    wipe();
    record = open_record();
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_EQUAL(vmm_record_add(record, &bad[i], &changed),
                        VMM_E_INVAL);
    }
    CU_ASSERT_EQUAL(vmm_record_nr(record), 0);
    vmm_record_close(record);
}

static void add__full(void)
{
    struct vmm_retired entry = { .nr_pages = 1 };
    vmm_record *record;
    bool changed;

    wipe();
    record = open_record();
    while (vmm_record_nr(record) < VMM_RETIRE_PAGES_MAX) {
        entry.mfn += 2;
        CU_ASSERT_EQUAL_FATAL(vmm_record_add(record, &entry, &changed), 0);
    }
    entry.mfn += 2;
    CU_ASSERT_EQUAL(vmm_record_add(record, &entry, &changed), VMM_E_NOSPC);
    CU_ASSERT_EQUAL(vmm_record_save(record, 1), 0);
    vmm_record_close(record);
    record = open_record();
    CU_ASSERT_EQUAL(vmm_record_nr(record), VMM_RETIRE_PAGES_MAX);
    vmm_record_close(record);
}

static void remove__from_a_range(void)
{
    vmm_record *record;
    uint64_t mfn;

    wipe();
    record = open_record();
    (void)add(record, 10, 5, VMM_RETIRE_ADMIN);
    CU_ASSERT_EQUAL(vmm_record_remove(record, 9, 7), VMM_E_NOENT);
    CU_ASSERT_EQUAL(vmm_record_remove(record, 12, 7), 0);
    CU_ASSERT_EQUAL(vmm_record_remove(record, 12, 7), VMM_E_NOENT);
    CU_ASSERT_EQUAL(nr_pages(record), 4);
    for (mfn = 10; mfn < 15; mfn++) {
        CU_ASSERT_EQUAL(vmm_record_remove(record, mfn, 7),
                        mfn == 12 ? VMM_E_NOENT : 0);
    }
    CU_ASSERT_EQUAL(vmm_record_nr(record), 0);
    vmm_record_close(record);
}

/* The list at least as new as the record, and one of the two states whole. */
static void check_disk(unsigned int nr_saved, bool acknowledged)
{
    struct vmm__retirelist_head head = { .generation = 0 };
    struct vmm_retired *entries = NULL;
    vmm_record *record = open_record();
    uint32_t nr = vmm_record_nr(record);
    void *data;
    size_t size;

    CU_ASSERT_TRUE(nr >= (acknowledged ? nr_saved : nr_saved - 1));
    CU_ASSERT_TRUE(nr <= nr_saved);
    CU_ASSERT_EQUAL(vmm_record_generation(record), nr);
    if (!disk_read(NULL, "/boot/list", SIZE_MAX, &data, &size)) {
        CU_ASSERT_EQUAL(vmm__retirelist_decode(data, size, &head, &entries),
                        0);
        CU_ASSERT_EQUAL(head.nr_entries, head.generation);
        free(entries);
        free(data);
    }
    CU_ASSERT_TRUE(head.generation >= nr && head.generation <= nr_saved);
    CU_ASSERT_TRUE(!acknowledged || head.generation == nr_saved);
    vmm_record_close(record);
}

static void save__power_cut_at_every_write(void)
{
    unsigned int at, i;
    enum fate f;

    for (f = CUT_BEFORE; f <= CUT_AFTER; f++) {
        for (at = 1; at <= 12; at++) {
            vmm_record *record;
            int rc = 0;

            wipe();
            fate = f;
            fate_at = at;
            record = open_record();
            for (i = 1; i <= 5 && !rc; i++) {
                (void)add(record, 10 * i, 1, VMM_RETIRE_UNCORRECTED);
                rc = vmm_record_save(record, 1);
                if (!rc) {
                    check_disk(i, true);
                }
            }
            CU_ASSERT_EQUAL(rc != 0, at <= 10);
            is_off = false;
            check_disk(i - 1, !rc);
            vmm_record_close(record);
        }
    }
}

static void save__disk_full_at_every_write(void)
{
    unsigned int at, i;

    for (at = 1; at <= 10; at++) {
        vmm_record *record;

        wipe();
        fate = FAILS;
        fate_at = at;
        record = open_record();
        for (i = 1; i <= 5; i++) {
            (void)add(record, 10 * i, 1, VMM_RETIRE_UNCORRECTED);
            if (vmm_record_save(record, 1)) {
                CU_ASSERT_EQUAL(vmm_record_save(record, 1), 0);
            }
        }
        CU_ASSERT_EQUAL(vmm_record_nr(record), 5);
        vmm_record_close(record);
        record = open_record();
        CU_ASSERT_EQUAL(vmm_record_nr(record), 5);
        vmm_record_close(record);
    }
}

static void open__one_copy_is_damaged(void)
{
    unsigned int copy, i;

    for (copy = 0; copy < 2; copy++) {
        vmm_record *record;

        wipe();
        record = open_record();
        for (i = 1; i <= 3; i++) {
            (void)add(record, 10 * i, 1, VMM_RETIRE_ADMIN);
            CU_ASSERT_EQUAL(vmm_record_save(record, 1), 0);
        }
        vmm_record_close(record);
        for (i = 0; i < NR_FILES; i++) {
            if (strstr(disk[i].path, copy ? "retired.1" : "retired.0")) {
                ((uint8_t *)disk[i].data)[disk[i].size / 2] ^= 1;
            }
        }
        /* Three saves: 1, 0, 1. */
        record = open_record();
        CU_ASSERT_EQUAL(vmm_record_nr(record), copy ? 2 : 3);
        (void)add(record, 90, 1, VMM_RETIRE_ADMIN);
        CU_ASSERT_EQUAL(vmm_record_save(record, 1), 0);
        vmm_record_close(record);
        record = open_record();
        CU_ASSERT_EQUAL(vmm_record_nr(record), copy ? 3 : 4);
        vmm_record_close(record);
    }
}

static void open__both_copies_are_damaged(void)
{
    vmm_record *record = NULL;
    unsigned int i;

    wipe();
    record = open_record();
    for (i = 1; i <= 2; i++) {
        (void)add(record, 10 * i, 1, VMM_RETIRE_ADMIN);
        CU_ASSERT_EQUAL(vmm_record_save(record, 1), 0);
    }
    vmm_record_close(record);
    for (i = 0; i < NR_FILES; i++) {
        ((uint8_t *)disk[i].data)[20] ^= 1;
    }
    CU_ASSERT_EQUAL(vmm__record_open(&files, "/d", NULL, false, &nobody,
                                     &record),
                    VMM_E_CHECKSUM);
    wipe();
}

/* Any byte of a copy: never another page than was recorded. */
static void open__every_byte_damaged(void)
{
    unsigned int copy = 0;
    vmm_record *record;
    size_t i;

    wipe();
    record = open_record();
    (void)add(record, 10, 3, VMM_RETIRE_ADMIN);
    (void)add(record, 20, 1, VMM_RETIRE_CORRECTED);
    nr_settled = 0;
    CU_ASSERT_EQUAL(vmm_record_save(record, 1), 0);
    CU_ASSERT_EQUAL(nr_settled, 1);
    vmm_record_close(record);
    while (!strstr(disk[copy].path, "retired.1")) {
        copy++;
    }
    for (i = 0; i < disk[copy].size; i++) {
        ((uint8_t *)disk[copy].data)[i] ^= 0x40;
        record = NULL;
        CU_ASSERT_NOT_EQUAL(vmm__record_open(&files, "/d", NULL, false,
                                             &nobody, &record), 0);
        ((uint8_t *)disk[copy].data)[i] ^= 0x40;
    }
    wipe();
}

/* The firmware's copy is a second one: if it fails, the first one is there. */
static void save__with_a_variable(void)
{
    static const int rcs[] = { 0, VMM_E_NOTSUP, VMM_E_NOSPC, VMM_E_PERM };
    vmm_record *record;
    size_t i;

    for (i = 0; i < sizeof(rcs) / sizeof(rcs[0]); i++) {
        wipe();
        with_variable = true;
        variable_rc = rcs[i];
        nr_variables = 0;
        record = open_record();
        (void)add(record, 10, 3, VMM_RETIRE_ADMIN);
        CU_ASSERT_EQUAL(vmm_record_save(record, 1), 0);
        CU_ASSERT_EQUAL(nr_variables, 1);
        vmm_record_close(record);
        with_variable = false;
        check_disk(1, true);
    }
    wipe();
}

static const struct ut_case cases[] = {
    UT_CASE(add__overlaps_are_one),
    UT_CASE(add__what_was_about_to_fail_has_failed),
    UT_CASE(add__bad),
    UT_CASE(add__full),
    UT_CASE(remove__from_a_range),
    UT_CASE(save__power_cut_at_every_write),
    UT_CASE(save__disk_full_at_every_write),
    UT_CASE(save__with_a_variable),
    UT_CASE(open__one_copy_is_damaged),
    UT_CASE(open__both_copies_are_damaged),
    UT_CASE(open__every_byte_damaged),
};

UT_MAIN("retire/record", cases)
