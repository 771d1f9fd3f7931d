/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_retire.c: what is recorded, and when, over a hypervisor of our own. */
#include "dom0-daemon/retire.c"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/ut.h"

/* A machine of 1000 pages; [900, 1000) are Xen's. */
#define NR_PAGES 1000u
static struct vmm_retired table[NR_PAGES];
static uint32_t nr_table;
static uint64_t sequence;
static bool stays_pending, no_support, fails;
static uint64_t busy_mfn;
static struct vmm_machine_stat boot;
static uint32_t threshold;

static char dir[] = "/tmp/vmmd-retire-XXXXXX";
static char list_path[64], smbios_path[64], metrics_path[64];
static struct loop *loop;
static struct conf conf;
static struct retire *retire;

static int m_open(const struct vmm_logger *logger, vmm_machine **machine_out)
{
    (void)logger;
    *machine_out = (vmm_machine *)table;
    return no_support ? VMM_E_NOTSUP : 0;
}

static void m_close(vmm_machine *machine)
{
    CU_ASSERT_PTR_EQUAL(machine, table);
}

static int m_list(vmm_machine *machine, uint64_t *next_mfn,
                  struct vmm_retired *entries, uint32_t nr, uint32_t *nr_out,
                  bool *more_out)
{
    uint32_t i, at = 0;

    (void)machine;
    if (fails) {
        return VMM_E_LOCAL;
    }
    *more_out = false;
    for (i = 0; i < nr_table; i++) {
        if (table[i].mfn < *next_mfn) {
            continue;
        }
        if (at == nr) {
            *more_out = true;
            break;
        }
        entries[at++] = table[i];
        *next_mfn = table[i].mfn + 1;
    }
    *nr_out = at;
    return 0;
}

static void put(uint64_t mfn, enum vmm_retire_cause cause,
                enum vmm_retire_state state)
{
    uint32_t at = 0;

    while (at < nr_table && table[at].mfn < mfn) {
        at++;
    }
    if (at == nr_table || table[at].mfn != mfn) {
        memmove(table + at + 1, table + at,
                (nr_table++ - at) * sizeof(table[0]));
    }
    table[at] = (struct vmm_retired){
        .mfn = mfn, .nr_pages = 1, .cause = cause, .state = state,
        .time_s = 100 + sequence, .nr_errors = 1,
    };
    sequence++;
}

static int m_change(vmm_machine *machine, struct vmm_machine_change *changes,
                    uint32_t nr)
{
    uint32_t i, at;

    (void)machine;
    CU_ASSERT_TRUE(nr && nr <= VMM_MACHINE_CHANGES_MAX);
    for (i = 0; i < nr; i++) {
        struct vmm_machine_change *c = &changes[i];

        c->rc = c->mfn >= NR_PAGES ? VMM_E_INVAL
              : c->mfn >= 900 ? VMM_E_PERM : 0;
        c->state = VMM_RETIRE_ABSENT;
        for (at = 0; at < nr_table && table[at].mfn != c->mfn; at++) {
        }
        if (c->release && !c->rc) {
            c->rc = at == nr_table ? VMM_E_NOENT
                  : c->mfn == busy_mfn ? VMM_E_BUSY : 0;
            if (!c->rc) {
                memmove(table + at, table + at + 1,
                        (--nr_table - at) * sizeof(table[0]));
            }
        } else if (!c->rc) {
            c->state = stays_pending ? VMM_RETIRE_PENDING
                                     : VMM_RETIRE_RETIRED;
            put(c->mfn, c->cause, c->state);
        }
    }
    sequence++;
    return 0;
}

static int m_set_threshold(vmm_machine *machine, uint32_t nr,
                           uint32_t window_s)
{
    (void)machine;
    CU_ASSERT_EQUAL(window_s, 60);
    threshold = nr;
    return 0;
}

static int m_stat(vmm_machine *machine, struct vmm_machine_stat *stat_out)
{
    (void)machine;
    *stat_out = boot;
    stat_out->sequence = sequence;
    stat_out->memory_map_hash = 5;
    return 0;
}

static const struct machine_ops machine = {
    m_open, m_close, m_list, m_change, m_set_threshold, m_stat,
};

static void begin(void)
{
    CU_ASSERT_EQUAL_FATAL(loop_open(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(retire_open(loop, &conf, &machine, &retire), 0);
}

static void finish(void)
{
    retire_close(retire);
    loop_close(loop);
}

static void setup(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/vmmd-retire-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(list_path, sizeof(list_path), "%s/list", dir);
    (void)snprintf(metrics_path, sizeof(metrics_path), "%s/x.prom", dir);
    (void)snprintf(smbios_path, sizeof(smbios_path), "%s/smbios", dir);
    conf = (struct conf){
        .smbios_path = smbios_path, .metrics_path = metrics_path,
        .state_dir = dir, .retire_list_path = list_path,
        .page_ce_threshold = 7, .page_ce_refresh_cycle_s = 60,
    };
    boot = (struct vmm_machine_stat){ .list = VMM_MACHINE_LIST_NONE };
    nr_table = 0;
    sequence = 1;
    stays_pending = no_support = fails = false;
    begin();
}

static void teardown(void)
{
    char command[64];

    finish();
    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

/* A module of 1000 pages, and the next one of 1000. */
static void put_smbios(const char *serial, const char *next_serial)
{
    FILE *f = fopen(smbios_path, "wb");
    const char *serials[] = { serial, next_serial };
    unsigned int i;

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    for (i = 0; i < 2; i++) {
        uint32_t range[2] = { i * 4000, i * 4000 + 3999 };
        uint8_t device[0x1b] = { 17, sizeof(device), (uint8_t)i };
        uint8_t address[0x13] = { 20, sizeof(address), (uint8_t)(10 + i) };

        device[0x0c] = 4;
        device[0x18] = 1;
        memcpy(address + 4, range, sizeof(range));
        address[0x0c] = (uint8_t)i;
        (void)fwrite(device, 1, sizeof(device), f);
        (void)fprintf(f, "%s%c%c", serials[i], 0, 0);
        (void)fwrite(address, 1, sizeof(address), f);
        (void)fprintf(f, "%c%c", 0, 0);
    }
    CU_ASSERT_EQUAL(fclose(f), 0);
}

static uint64_t fails_early_mfn;

/* The next boot: what the loader has is what Xen gets. */
static void reboot(bool with_list)
{
    uint64_t generation = vmm_record_generation(retire->record);
    uint32_t i;

    finish();
    for (i = 0; i < nr_table; i++) {
        table[i].from_boot_list = true;
        table[i].nr_errors = 0;
        table[i].time_s = 0;
    }
    if (!with_list) {
        nr_table = 0;
        boot = (struct vmm_machine_stat){ .list = VMM_MACHINE_LIST_NONE };
    } else {
        boot = (struct vmm_machine_stat){
            .list = VMM_MACHINE_LIST_TAKEN, .generation = generation,
        };
    }
    if (fails_early_mfn) {
        put(fails_early_mfn, VMM_RETIRE_UNCORRECTED, VMM_RETIRE_RETIRED);
    }
    sequence++;
    begin();
}

static struct retire_result result;

static int add(uint64_t mfn, uint32_t nr, enum vmm_retire_cause cause)
{
    const struct vmm_retired range = {
        .mfn = mfn, .nr_pages = nr, .cause = cause,
    };

    return retire_pages(retire, &range, 1, &result);
}

static void look__records_an_error(void)
{
    setup();
    CU_ASSERT_EQUAL(threshold, 7);
    put(10, VMM_RETIRE_UNCORRECTED, VMM_RETIRE_RETIRED);
    retire_look(retire);
    CU_ASSERT_EQUAL(vmm_record_nr(retire->record), 1);
    CU_ASSERT_EQUAL(vmm_record_generation(retire->record), 1);
    CU_ASSERT_EQUAL(access(list_path, R_OK), 0);
    /* Nothing new: nothing is written. */
    retire_look(retire);
    sequence++;
    retire_look(retire);
    CU_ASSERT_EQUAL(vmm_record_generation(retire->record), 1);
    teardown();
}

/* Once each family, its samples after it, and no page in a label. */
static void look__metrics(void)
{
    char line[256], name[64] = "";
    unsigned int nr_lines = 0, nr_pages = 0;
    struct stat st;
    FILE *f;

    setup();
    put_smbios("S\"1\\", "S2");
    reboot(false);
    put(10, VMM_RETIRE_UNCORRECTED, VMM_RETIRE_RETIRED);
    put(1500, VMM_RETIRE_UNCORRECTED, VMM_RETIRE_PENDING);
    retire_look(retire);
    CU_ASSERT_EQUAL_FATAL(stat(metrics_path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0644);
    f = fopen(metrics_path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    for (; fgets(line, sizeof(line), f); nr_lines++) {
        if (sscanf(line, "# HELP %63s", name) != 1) {
            CU_ASSERT_PTR_NOT_NULL(strstr(line, name));
        }
        nr_pages += !strcmp(line, "xen_badpage_pages{state=\"retired\"} 1\n");
        nr_pages += !strcmp(line, "xen_badpage_pages{state=\"pending\"} 1\n");
        nr_pages += !strcmp(line, "xen_badpage_dimm_pages{slot=\"\","
                                  "serial=\"S\\\"1\\\\\"} 1\n");
        nr_pages += !strcmp(line, "xen_badpage_dimm_pages{slot=\"\","
                                  "serial=\"S2\"} 1\n");
    }
    CU_ASSERT_EQUAL(nr_pages, 4);
    CU_ASSERT_EQUAL(nr_lines, 2 + 4 + 6 * 3 + 2 + 2);
    CU_ASSERT_EQUAL(fclose(f), 0);
    teardown();
}

static void look__again_after_a_failure(void)
{
    setup();
    put(10, VMM_RETIRE_UNCORRECTED, VMM_RETIRE_RETIRED);
    fails = true;
    retire_look(retire);
    CU_ASSERT_EQUAL(vmm_record_nr(retire->record), 0);
    fails = false;
    retire_look(retire);
    CU_ASSERT_EQUAL(vmm_record_generation(retire->record), 1);

    /* A disk that is full, and is not any more. */
    put(11, VMM_RETIRE_UNCORRECTED, VMM_RETIRE_RETIRED);
    (void)unlink(list_path);
    CU_ASSERT_EQUAL(mkdir(list_path, 0700), 0);
    retire_look(retire);
    CU_ASSERT_TRUE(retire->unsaved);
    CU_ASSERT_EQUAL(rmdir(list_path), 0);
    retire_look(retire);
    CU_ASSERT_FALSE(retire->unsaved);
    CU_ASSERT_EQUAL(access(list_path, R_OK), 0);
    teardown();
}

static void pages__recorded_when_told(void)
{
    setup();
    CU_ASSERT_EQUAL(add(100, 50, VMM_RETIRE_ADMIN), 0);
    CU_ASSERT_EQUAL(result.nr_pending, 0);
    CU_ASSERT_EQUAL(vmm_record_nr(retire->record), 1);
    CU_ASSERT_EQUAL(vmm_record_generation(retire->record), 1);
    stays_pending = true;
    CU_ASSERT_EQUAL(add(200, 2, VMM_RETIRE_ADMIN), 0);
    CU_ASSERT_EQUAL(result.nr_pending, 2);
    CU_ASSERT_EQUAL(add(5000, 1, VMM_RETIRE_ADMIN), 0);
    CU_ASSERT_EQUAL(result.nr_refused, 1);
    CU_ASSERT_EQUAL(result.refused_rc, VMM_E_INVAL);
    CU_ASSERT_EQUAL(add(950, 1, VMM_RETIRE_ADMIN), 0);
    CU_ASSERT_EQUAL(result.refused_rc, VMM_E_PERM);
    CU_ASSERT_EQUAL(vmm_record_generation(retire->record), 2);
    teardown();
}

/* One save for several, and only what was taken is recorded. */
static void pages__several(void)
{
    const struct vmm_retired ranges[] = {
        { .mfn = 10, .nr_pages = 3, .cause = VMM_RETIRE_IMPORTED },
        { .mfn = 950, .nr_pages = 2, .cause = VMM_RETIRE_IMPORTED },
        { .mfn = 898, .nr_pages = 4, .cause = VMM_RETIRE_UNCORRECTED },
        { .mfn = 5000, .nr_pages = 1, .cause = VMM_RETIRE_IMPORTED },
        { .mfn = 20, .nr_pages = 1, .cause = VMM_RETIRE_IMPORTED },
    };
    struct vmm_retired entry;

    setup();
    CU_ASSERT_EQUAL(retire_pages(retire, ranges, 5, &result), 0);
    CU_ASSERT_EQUAL(result.nr_pending, 0);
    CU_ASSERT_EQUAL(result.nr_refused, 2 + 2 + 1);
    CU_ASSERT_EQUAL(nr_table, 6);
    CU_ASSERT_EQUAL(vmm_record_nr(retire->record), 3);
    vmm_record_get(retire->record, 2, &entry);
    CU_ASSERT_EQUAL(entry.mfn, 898);
    CU_ASSERT_EQUAL(entry.nr_pages, 2);
    CU_ASSERT_EQUAL(vmm_record_generation(retire->record), 1);
    teardown();
}

static void release__from_both(void)
{
    uint32_t nr;

    setup();
    CU_ASSERT_EQUAL(add(100, 5, VMM_RETIRE_ADMIN), 0);
    CU_ASSERT_EQUAL(retire_release(retire, 102, 1, &nr), 0);
    CU_ASSERT_EQUAL(nr, 1);
    CU_ASSERT_EQUAL(nr_table, 4);
    CU_ASSERT_EQUAL(retire_release(retire, 102, 1, &nr), VMM_E_NOENT);
    CU_ASSERT_EQUAL(retire_release(retire, 100, 5, &nr), 0);
    CU_ASSERT_EQUAL(nr, 4);
    CU_ASSERT_EQUAL(vmm_record_nr(retire->record), 0);
    reboot(false);
    CU_ASSERT_EQUAL(nr_table, 0);
    teardown();
}

/* What its owner still has stays in the record. */
static void release__not_what_is_busy(void)
{
    uint32_t nr;

    setup();
    CU_ASSERT_EQUAL(add(100, 3, VMM_RETIRE_ADMIN), 0);
    busy_mfn = 101;
    CU_ASSERT_EQUAL(retire_release(retire, 100, 3, &nr), 0);
    CU_ASSERT_EQUAL(nr, 2);
    CU_ASSERT_EQUAL(vmm_record_nr(retire->record), 1);
    CU_ASSERT_EQUAL(retire_release(retire, 100, 3, &nr), VMM_E_BUSY);
    CU_ASSERT_EQUAL(vmm_record_nr(retire->record), 1);
    busy_mfn = 0;
    CU_ASSERT_EQUAL(retire_release(retire, 101, 1, &nr), 0);
    teardown();
}

/* All, some, or none of what is recorded was in the list. */
static void boot__without_the_list(void)
{
    uint32_t kept;

    for (kept = 0; kept <= 4; kept++) {
        setup();
        CU_ASSERT_EQUAL(add(100, 3, VMM_RETIRE_ADMIN), 0);
        CU_ASSERT_EQUAL(add(500, 1, VMM_RETIRE_IMPORTED), 0);
        CU_ASSERT_EQUAL(unlink(list_path), 0);
        finish();
        /* The one at `kept' alone; after all of them, none. */
        if (kept < 4) {
            table[0] = table[kept];
        }
        nr_table = kept < 4;
        sequence++;
        boot = (struct vmm_machine_stat){ .list = VMM_MACHINE_LIST_NONE };
        begin();
        CU_ASSERT_EQUAL(nr_table, 4);
        CU_ASSERT_EQUAL(vmm_record_nr(retire->record), 2);
        CU_ASSERT_EQUAL(access(list_path, R_OK), 0);
        reboot(true);
        CU_ASSERT_EQUAL(nr_table, 4);
        teardown();
    }
}

static uint32_t past_pages(void)
{
    uint32_t nr = 0, i;

    for (i = 0; i < vmm_record_nr_past(retire->record); i++) {
        nr += vmm_record_past(retire->record, i)->nr_pages;
    }
    return nr;
}

static void boot__a_module_was_replaced(void)
{
    static struct vmm_retired old[2];

    setup();
    put_smbios("S1", "S2");
    reboot(false);
    CU_ASSERT_EQUAL(add(100, 2, VMM_RETIRE_ADMIN), 0);
    put_smbios("S3", "S2");
    memcpy(old, table, sizeof(old));
    reboot(true);
    CU_ASSERT_EQUAL(nr_table, 0);
    CU_ASSERT_EQUAL(vmm_record_nr(retire->record), 0);
    CU_ASSERT_EQUAL(past_pages(), 2);
    reboot(true);
    CU_ASSERT_EQUAL(past_pages(), 2);

    /* The power failed between the record and the list. */
    finish();
    memcpy(table, old, sizeof(old));
    table[0].from_boot_list = table[1].from_boot_list = true;
    table[0].nr_errors = table[1].nr_errors = 0;
    nr_table = 2;
    boot.generation = 2;
    sequence++;
    begin();
    CU_ASSERT_EQUAL(nr_table, 0);
    CU_ASSERT_EQUAL(vmm_record_nr(retire->record), 0);
    CU_ASSERT_EQUAL(past_pages(), 2);

    /* But one that has failed again since is bad, whoever it is of. */
    finish();
    memcpy(table, old, sizeof(old));
    table[0].from_boot_list = true;
    table[0].nr_errors = 1;
    nr_table = 1;
    sequence++;
    begin();
    CU_ASSERT_EQUAL(nr_table, 1);
    CU_ASSERT_EQUAL(vmm_record_nr(retire->record), 1);

    /* The old one is put back: what was known of it counts again. */
    put_smbios("S1", "S2");
    reboot(true);
    CU_ASSERT_TRUE(vmm_record_has(retire->record, 100));
    CU_ASSERT_TRUE(vmm_record_has(retire->record, 101));
    CU_ASSERT_EQUAL(nr_table, 2);
    teardown();
}

/* What failed before vmmd started is of the modules that there are now. */
static void boot__fails_in_a_new_module(void)
{
    setup();
    put_smbios("S1", "S2");
    reboot(false);
    CU_ASSERT_EQUAL(add(100, 2, VMM_RETIRE_ADMIN), 0);
    put_smbios("S3", "S2");
    fails_early_mfn = 300;
    reboot(true);
    fails_early_mfn = 0;
    CU_ASSERT_TRUE(vmm_record_has(retire->record, 300));
    CU_ASSERT_FALSE(vmm_record_has(retire->record, 100));
    CU_ASSERT_EQUAL(nr_table, 1);
    CU_ASSERT_EQUAL(past_pages(), 2);
    teardown();
}

static void boot__modules_changed_places(void)
{
    setup();
    put_smbios("S2", "S1");
    reboot(false);
    CU_ASSERT_EQUAL(add(100, 2, VMM_RETIRE_ADMIN), 0);
    put_smbios("S1", "S2");
    reboot(true);
    CU_ASSERT_TRUE(vmm_record_has(retire->record, 1100));
    CU_ASSERT_FALSE(vmm_record_has(retire->record, 100));
    CU_ASSERT_EQUAL(nr_table, 0);
    CU_ASSERT_EQUAL(past_pages(), 0);
    teardown();
}

static void boot__smbios_cannot_be_read(void)
{
    setup();
    put_smbios("S1", "S2");
    reboot(false);
    CU_ASSERT_EQUAL(add(100, 2, VMM_RETIRE_ADMIN), 0);
    CU_ASSERT_EQUAL(truncate(smbios_path, 30), 0);
    reboot(true);
    CU_ASSERT_EQUAL(nr_table, 2);
    CU_ASSERT_EQUAL(unlink(smbios_path), 0);
    reboot(true);
    CU_ASSERT_EQUAL(nr_table, 2);
    CU_ASSERT_EQUAL(vmm_record_nr_dimms(retire->record), 2);
    teardown();
}

/* The record is lost; the list, newer than what is left, is all there is. */
static void boot__without_the_record(void)
{
    char command[96];

    setup();
    CU_ASSERT_EQUAL(add(100, 3, VMM_RETIRE_ADMIN), 0);
    (void)snprintf(command, sizeof(command), "rm %s/retired.?", dir);
    CU_ASSERT_EQUAL(system(command), 0);
    reboot(true);
    CU_ASSERT_EQUAL(nr_table, 3);
    CU_ASSERT_TRUE(vmm_record_has(retire->record, 102));
    teardown();
}

static void pending__tried_again(void)
{
    setup();
    stays_pending = true;
    CU_ASSERT_EQUAL(add(100, 2, VMM_RETIRE_ADMIN), 0);
    retire_look(retire);
    stays_pending = false;
    retry_pending(retire);
    CU_ASSERT_EQUAL(table[0].state, VMM_RETIRE_RETIRED);
    CU_ASSERT_EQUAL(table[1].state, VMM_RETIRE_RETIRED);
    /* And then no more. */
    retry_pending(retire);
    CU_ASSERT_FALSE(retire->may_move);
    teardown();
}

static void configure__while_it_runs(void)
{
    setup();
    conf.page_ce_threshold = 3;
    CU_ASSERT_EQUAL(retire_configure(retire, &conf), 0);
    CU_ASSERT_EQUAL(threshold, 3);
    teardown();
}

static void open__without_support(void)
{
    setup();
    finish();
    no_support = true;
    begin();
    CU_ASSERT_FALSE(retire_usable(retire));
    retire_look(retire);
    teardown();
}

static const struct ut_case cases[] = {
    UT_CASE(look__records_an_error),
    UT_CASE(look__metrics),
    UT_CASE(look__again_after_a_failure),
    UT_CASE(pages__recorded_when_told),
    UT_CASE(pages__several),
    UT_CASE(release__from_both),
    UT_CASE(release__not_what_is_busy),
    UT_CASE(configure__while_it_runs),
    UT_CASE(boot__without_the_list),
    UT_CASE(boot__a_module_was_replaced),
    UT_CASE(boot__fails_in_a_new_module),
    UT_CASE(boot__modules_changed_places),
    UT_CASE(boot__smbios_cannot_be_read),
    UT_CASE(boot__without_the_record),
    UT_CASE(pending__tried_again),
    UT_CASE(open__without_support),
};

UT_MAIN("dom0-daemon/retire", cases)
