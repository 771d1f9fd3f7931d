/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_dimms.c: modules replaced, moved, taken out and put back. */
#include "retire/dimms.c"

#include <stdio.h>

#include "lib/ut.h"

static struct vmm__retirefile file;
static struct vmm_dimm_changes changes;

static struct vmm_dimm dimm(const char *slot, const char *serial,
                            uint64_t first, uint64_t nr)
{
    struct vmm_dimm d = {
        .maker = "M", .nr_ranges = 1,
        .ranges = { { .first_mfn = first, .nr_pages = nr } },
    };

    (void)snprintf(d.locator, sizeof(d.locator), "%s", slot);
    (void)snprintf(d.serial, sizeof(d.serial), "%s", serial);
    return d;
}

static void follow(const struct vmm_dimm *dimms, uint32_t nr)
{
    CU_ASSERT_EQUAL(vmm__dimms_follow(&file, dimms, nr, 77, &changes), 0);
}

static void add(uint64_t mfn, uint32_t nr)
{
    const struct vmm_retired entry = {
        .mfn = mfn, .nr_pages = nr, .cause = VMM_RETIRE_UNCORRECTED,
        .time_s = 5, .nr_errors = 1,
    };
    bool changed;

    CU_ASSERT_EQUAL(vmm__entries_add(&file, &entry, &changed), 0);
}

/* Modules "1" and "2" of 1000 pages each, with 10, 20 and 1500 retired. */
static void begin(void)
{
    const struct vmm_dimm both[] = {
        dimm("A", "1", 0, 1000), dimm("B", "2", 1000, 1000),
    };

    CU_ASSERT_EQUAL_FATAL(vmm__retirefile_init(&file, 0), 0);
    file.generation = 1;
    add(10, 1);
    add(20, 2);
    add(1500, 1);
    follow(both, 2);
    CU_ASSERT_TRUE(changes.any);
    CU_ASSERT_EQUAL(changes.nr_gone + changes.nr_elsewhere + changes.nr_back +
                    changes.nr_doubtful, 0);
}

/* Exactly these entries, and still a record that can be read. */
static void expect(const uint64_t (*pages)[2], uint32_t nr)
{
    struct vmm__retirefile again;
    void *data;
    uint32_t i;
    size_t size;

    CU_ASSERT_EQUAL_FATAL(file.nr_entries, nr);
    for (i = 0; i < nr; i++) {
        CU_ASSERT_EQUAL(file.entries[i].mfn, pages[i][0]);
        CU_ASSERT_EQUAL(file.entries[i].nr_pages, pages[i][1]);
    }
    CU_ASSERT_EQUAL_FATAL(vmm__retirefile_encode(&file, &data, &size), 0);
    CU_ASSERT_EQUAL_FATAL(vmm__retirefile_decode(data, size, &again), 0);
    CU_ASSERT_EQUAL(again.nr_past, file.nr_past);
    CU_ASSERT_EQUAL(memcmp(again.dimms, file.dimms,
                           file.nr_dimms * sizeof(*file.dimms)), 0);
    vmm__retirefile_free(&again);
    free(data);
}

static const uint64_t all[][2] = { { 10, 1 }, { 20, 2 }, { 1500, 1 } };

static void follow__nothing_changed(void)
{
    const struct vmm_dimm both[] = {
        dimm("A", "1", 0, 1000), dimm("B", "2", 1000, 1000),
    };

    begin();
    follow(both, 2);
    CU_ASSERT_FALSE(changes.any);
    expect(all, 3);
    vmm__retirefile_free(&file);
}

static void follow__replaced(void)
{
    static const uint64_t left[][2] = { { 1500, 1 } };
    const struct vmm_dimm now[] = {
        dimm("A", "3", 0, 1000), dimm("B", "2", 1000, 1000),
    };

    begin();
    follow(now, 2);
    CU_ASSERT_EQUAL(changes.nr_gone, 3);
    CU_ASSERT_TRUE(changes.any);
    expect(left, 1);
    CU_ASSERT_EQUAL_FATAL(file.nr_past, 2);
    CU_ASSERT_EQUAL(file.past[1].mfn, 20);
    CU_ASSERT_EQUAL(file.past[1].nr_pages, 2);
    CU_ASSERT_EQUAL(file.past[1].reason, VMM_RETIRE_REPLACED);
    CU_ASSERT_EQUAL(file.past[1].released_s, 77);
    CU_ASSERT_STRING_EQUAL(file.dimms[file.past[1].dimm].serial, "1");
    CU_ASSERT_TRUE(file.dimms[file.past[1].dimm].absent);
    /* The history stays, whatever else happens. */
    follow(now, 2);
    CU_ASSERT_FALSE(changes.any);
    CU_ASSERT_EQUAL(file.nr_past, 2);
    vmm__retirefile_free(&file);
}

static void follow__put_back(void)
{
    static const uint64_t there[][2] = { { 10, 1 }, { 20, 2 }, { 2500, 1 } };
    const struct vmm_dimm without[] = { dimm("A", "1", 0, 1000) };
    const struct vmm_dimm back[] = {
        dimm("A", "1", 0, 1000), dimm("C", "2", 2000, 1000),
    };

    begin();
    follow(without, 1);
    CU_ASSERT_EQUAL(changes.nr_gone, 1);
    expect(all, 2);
    follow(back, 2);
    CU_ASSERT_EQUAL(changes.nr_back, 1);
    expect(there, 3);
    CU_ASSERT_EQUAL(file.nr_past, 0);
    CU_ASSERT_EQUAL(file.entries[2].nr_errors, 1);
    CU_ASSERT_EQUAL(file.entries[2].time_s, 5);
    vmm__retirefile_free(&file);
}

static void follow__changed_places(void)
{
    static const uint64_t there[][2] = {
        { 500, 1 }, { 1010, 1 }, { 1020, 2 },
    };
    const struct vmm_dimm now[] = {
        dimm("A", "2", 0, 1000), dimm("B", "1", 1000, 1000),
    };

    begin();
    follow(now, 2);
    CU_ASSERT_EQUAL(changes.nr_elsewhere, 4);
    expect(there, 3);
    vmm__retirefile_free(&file);
}

/* The module's pages are around a hole now, and an entry is on both sides. */
static void follow__split_by_a_hole(void)
{
    static const uint64_t there[][2] = { { 10, 1 }, { 20, 1 }, { 5000, 1 },
                                         { 7500, 1 } };
    struct vmm_dimm now[] = {
        dimm("A", "1", 0, 21), dimm("B", "2", 7000, 1000),
    };

    now[0].nr_ranges = 2;
    now[0].ranges[1] = (struct vmm_dimm_range){ 5000, 979 };
    begin();
    follow(now, 2);
    CU_ASSERT_EQUAL(changes.nr_elsewhere, 4);
    expect(there, 4);
    /* And back. */
    now[0] = dimm("A", "1", 0, 1000);
    now[1] = dimm("B", "2", 1000, 1000);
    follow(now, 2);
    CU_ASSERT_EQUAL(file.nr_entries, 4);
    CU_ASSERT_EQUAL(file.entries[2].mfn, 21);
    vmm__retirefile_free(&file);
}

/* Whose page it is cannot be told: it is not released, nor moved. */
static void follow__doubtful(void)
{
    struct vmm_dimm now[] = {
        dimm("A", "1", 0, 2000), dimm("B", "2", 0, 2000),
    };

    now[0].shared = now[1].shared = true;
    begin();
    follow(now, 2);
    CU_ASSERT_EQUAL(changes.nr_doubtful, 4);
    expect(all, 3);
    /* One of two that are interleaved goes: the other may be the bad one. */
    now[1] = dimm("B", "3", 0, 2000);
    now[1].shared = true;
    follow(now, 2);
    CU_ASSERT_EQUAL(changes.nr_gone, 0);
    expect(all, 3);
    /* Both are gone. */
    now[0] = dimm("A", "4", 0, 2000);
    now[0].shared = true;
    follow(now, 2);
    now[1] = dimm("B", "5", 0, 2000);
    now[1].shared = true;
    now[0] = dimm("A", "6", 0, 2000);
    now[0].shared = true;
    follow(now, 2);
    CU_ASSERT_EQUAL(file.nr_entries, 0);
    CU_ASSERT_EQUAL(file.nr_past, 3);
    CU_ASSERT_EQUAL(file.past[0].dimm, VMM_RETIRE_NO_DIMM);
    vmm__retirefile_free(&file);
}

/* A firmware that forgot the serials says nothing of who is gone. */
static void follow__no_serials(void)
{
    const struct vmm_dimm now[] = {
        dimm("A", "", 0, 1000), dimm("B", "2", 1000, 1000),
    };
    const struct vmm_dimm replaced[] = {
        dimm("A", "9", 0, 1000), dimm("B", "2", 1000, 1000),
    };

    begin();
    follow(now, 2);
    CU_ASSERT_EQUAL(changes.nr_gone, 0);
    expect(all, 3);
    /* Nor is a page of one without a serial anybody's. */
    follow(replaced, 2);
    CU_ASSERT_EQUAL(changes.nr_gone, 0);
    expect(all, 3);
    vmm__retirefile_free(&file);
}

static void follow__history_is_bounded(void)
{
    const struct vmm_dimm now[] = { dimm("A", "3", 0, 1000) };
    uint32_t i;

    CU_ASSERT_EQUAL_FATAL(vmm__retirefile_init(&file, 0), 0);
    file.generation = 1;
    file.dimms[0] = dimm("A", "1", 0, 100000);
    file.nr_dimms = 1;
    for (i = 0; i < VMM_RETIRE_PAST_MAX + 10; i++) {
        add(2 * i, 1);
    }
    follow(now, 1);
    CU_ASSERT_EQUAL(changes.nr_gone, VMM_RETIRE_PAST_MAX + 10);
    CU_ASSERT_EQUAL(file.nr_past, VMM_RETIRE_PAST_MAX);
    CU_ASSERT_EQUAL(file.past[0].mfn, 20);
    vmm__retirefile_free(&file);
}

/* More modules come and go than there is room to remember. */
static void follow__many_modules(void)
{
    uint64_t i, nr_past = 0;

    CU_ASSERT_EQUAL_FATAL(vmm__retirefile_init(&file, 0), 0);
    file.generation = 1;
    for (i = 0; i < VMM_DIMMS_MAX + 20; i++) {
        struct vmm_dimm now = dimm("A", "", 0, 1000);

        (void)snprintf(now.serial, sizeof(now.serial), "%u", (unsigned)i);
        follow(&now, 1);
        CU_ASSERT_EQUAL(file.nr_entries, 0);
        add(i, 1);
    }
    for (i = 0; i < file.nr_past; i++) {
        nr_past += file.past[i].nr_pages;
    }
    CU_ASSERT_EQUAL(nr_past, VMM_DIMMS_MAX + 19);
    CU_ASSERT_EQUAL(file.nr_dimms, VMM_DIMMS_MAX);
    vmm__retirefile_free(&file);
}

/* Modules shuffled at random: no page is lost, and none is made up. */
static void follow__shuffled(void)
{
    enum { NR = 8, PAGES = 100 };
    unsigned int seed, i, j, round;

    for (seed = 1; seed <= 200; seed++) {
        struct vmm_dimm now[NR];
        uint32_t total = 0, found;

        srand(seed);
        CU_ASSERT_EQUAL_FATAL(vmm__retirefile_init(&file, 0), 0);
        file.generation = 1;
        for (i = 0; i < NR; i++) {
            now[i] = dimm("x", "", i * PAGES, PAGES);
            now[i].serial[0] = (char)('A' + i);
        }
        follow(now, NR);
        /* Of module i, pages that are its alone: i, and i + NR. */
        for (i = 0; i < NR; i++) {
            add(i * PAGES + i, 1);
            add(i * PAGES + i + NR, 1);
            total += 2;
        }
        for (round = 0; round < 10; round++) {
            uint32_t nr = 1 + (uint32_t)rand() % NR;

            for (i = NR - 1; i > 0; i--) {
                struct vmm_dimm t = now[i];

                j = (unsigned int)rand() % (i + 1);
                now[i] = now[j];
                now[j] = t;
            }
            for (i = 0; i < NR; i++) {
                now[i].ranges[0].first_mfn = i * PAGES;
            }
            follow(now, nr);
            found = 0;
            for (i = 0; i < file.nr_entries; i++) {
                struct vmm_retired *e = &file.entries[i];
                char serial = now[e->mfn / PAGES].serial[0];

                for (j = 0; j < e->nr_pages; j++, found++) {
                    CU_ASSERT_EQUAL((e->mfn + j) % PAGES % NR,
                                    (uint64_t)(serial - 'A'));
                }
            }
            for (i = 0; i < file.nr_past; i++) {
                found += file.past[i].nr_pages;
            }
            CU_ASSERT_EQUAL(found, total);
            CU_ASSERT_EQUAL(changes.nr_doubtful, 0);
        }
        vmm__retirefile_free(&file);
    }
}

static const struct ut_case cases[] = {
    UT_CASE(follow__nothing_changed),
    UT_CASE(follow__replaced),
    UT_CASE(follow__put_back),
    UT_CASE(follow__changed_places),
    UT_CASE(follow__split_by_a_hole),
    UT_CASE(follow__doubtful),
    UT_CASE(follow__no_serials),
    UT_CASE(follow__history_is_bounded),
    UT_CASE(follow__many_modules),
    UT_CASE(follow__shuffled),
};

UT_MAIN("retire/dimms", cases)
