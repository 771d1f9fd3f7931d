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

static char dir[] = "/tmp/vmmd-retire-XXXXXX", list_path[64];
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
    conf = (struct conf){
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

/* The next boot: what the loader has is what Xen gets. */
static void reboot(bool with_list)
{
    uint64_t generation = retire_generation(retire);

    finish();
    if (!with_list) {
        nr_table = 0;
        boot = (struct vmm_machine_stat){ .list = VMM_MACHINE_LIST_NONE };
    } else {
        boot = (struct vmm_machine_stat){
            .list = VMM_MACHINE_LIST_TAKEN, .generation = generation,
        };
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
    CU_ASSERT_EQUAL(retire_nr(retire), 1);
    CU_ASSERT_EQUAL(retire_generation(retire), 1);
    CU_ASSERT_EQUAL(access(list_path, R_OK), 0);
    /* Nothing new: nothing is written. */
    retire_look(retire);
    sequence++;
    retire_look(retire);
    CU_ASSERT_EQUAL(retire_generation(retire), 1);
    teardown();
}

static void look__again_after_a_failure(void)
{
    setup();
    put(10, VMM_RETIRE_UNCORRECTED, VMM_RETIRE_RETIRED);
    fails = true;
    retire_look(retire);
    CU_ASSERT_EQUAL(retire_nr(retire), 0);
    fails = false;
    retire_look(retire);
    CU_ASSERT_EQUAL(retire_generation(retire), 1);

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
    CU_ASSERT_EQUAL(retire_nr(retire), 1);
    CU_ASSERT_EQUAL(retire_generation(retire), 1);
    stays_pending = true;
    CU_ASSERT_EQUAL(add(200, 2, VMM_RETIRE_ADMIN), 0);
    CU_ASSERT_EQUAL(result.nr_pending, 2);
    CU_ASSERT_EQUAL(add(5000, 1, VMM_RETIRE_ADMIN), 0);
    CU_ASSERT_EQUAL(result.nr_refused, 1);
    CU_ASSERT_EQUAL(result.refused_rc, VMM_E_INVAL);
    CU_ASSERT_EQUAL(add(950, 1, VMM_RETIRE_ADMIN), 0);
    CU_ASSERT_EQUAL(result.refused_rc, VMM_E_PERM);
    CU_ASSERT_EQUAL(retire_generation(retire), 2);
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
    CU_ASSERT_EQUAL(retire_nr(retire), 3);
    vmm_record_get(retire->record, 2, &entry);
    CU_ASSERT_EQUAL(entry.mfn, 898);
    CU_ASSERT_EQUAL(entry.nr_pages, 2);
    CU_ASSERT_EQUAL(retire_generation(retire), 1);
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
    CU_ASSERT_EQUAL(retire_nr(retire), 0);
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
    CU_ASSERT_EQUAL(retire_nr(retire), 1);
    CU_ASSERT_EQUAL(retire_release(retire, 100, 3, &nr), VMM_E_BUSY);
    CU_ASSERT_EQUAL(retire_nr(retire), 1);
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
        CU_ASSERT_EQUAL(retire_nr(retire), 2);
        CU_ASSERT_EQUAL(access(list_path, R_OK), 0);
        reboot(true);
        CU_ASSERT_EQUAL(nr_table, 4);
        teardown();
    }
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
    UT_CASE(look__again_after_a_failure),
    UT_CASE(pages__recorded_when_told),
    UT_CASE(pages__several),
    UT_CASE(release__from_both),
    UT_CASE(release__not_what_is_busy),
    UT_CASE(configure__while_it_runs),
    UT_CASE(boot__without_the_list),
    UT_CASE(pending__tried_again),
    UT_CASE(open__without_support),
};

UT_MAIN("dom0-daemon/retire", cases)
