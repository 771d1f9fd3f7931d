/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_retire.c: the table of retired pages and its hypercall, beside a model
 * of it that is as simple as can be: an array, page by page.
 */
#define vmm_page_move fake_page_move
#define page_is_ram_type fake_is_ram
#define is_xen_fixed_mfn fake_is_xen
#define remove remove_record    /* of <stdio.h> */
#include "hvm-hooks/vmm_retire.c"
#undef remove

#include "lib/ut.h"

#define XEN_FIRST 1000u         /* these frames are Xen's own ... */
#define HEAP_FIRST 990u         /* ... and these its heap's */

struct vmm_retire_boot vmm_retire_boot;

/* What the table is to be, page by page. */
static struct {
    bool there, boot;
    uint8_t cause;
} model[HN_FRAMES];

static bool may_move;
static xen_vmm_retire_op_t op;
static struct xen_vmm_retired out[64];
static struct xen_vmm_change items[64];

bool page_is_ram_type(unsigned long mfn, unsigned long type)
{
    (void)type;
    return mfn < HN_FRAMES;
}

bool is_xen_fixed_mfn(mfn_t mfn)
{
    return mfn_x(mfn) >= XEN_FIRST;
}

static void set_state(struct page_info *pg, unsigned long state)
{
    pg->count_info = (pg->count_info & ~PGC_state) | state;
}

int offline_page(mfn_t mfn, int broken, uint32_t *status)
{
    struct page_info *pg = mfn_to_page(mfn);

    *status = 0;
    HN_CHECK(!table_lock.held);
    if (is_xen_fixed_mfn(mfn)) {
        return -EPERM;
    }
    if (broken) {
        pg->count_info |= PGC_broken;
    }
    set_state(pg, pg->owner || (pg->count_info & PGC_xen_heap)
              ? PGC_state_offlining : PGC_state_offlined);
    return 0;
}

int unbreak_page(mfn_t mfn)
{
    struct page_info *pg = mfn_to_page(mfn);

    if ((pg->count_info & PGC_broken) && pg->owner) {
        return -EBUSY;
    }
    pg->count_info &= ~PGC_broken;
    return 0;
}

int online_page(mfn_t mfn, uint32_t *status)
{
    HN_CHECK(!(mfn_to_page(mfn)->count_info & PGC_broken));
    HN_CHECK(!table_lock.held);
    *status = 0;
    set_state(mfn_to_page(mfn), 0);
    return 0;
}

int fake_page_move(struct domain *d, mfn_t mfn)
{
    struct page_info *pg = mfn_to_page(mfn);

    HN_CHECK(!table_lock.held && pg->owner == d);
    if (!may_move) {
        return -EBUSY;
    }
    pg->owner = NULL;
    set_state(pg, PGC_state_offlined);
    return 0;
}

static unsigned int nr_lost;

enum vmm_memerr vmm_memerr_uncorrected(paddr_t addr, bool restartable,
                                       const struct domain *running,
                                       domid_t *owner)
{
    HN_CHECK(!table_lock.held && restartable && !running && addr && owner);
    nr_lost++;
    return VMM_MEMERR_RECOVERED;
}

static void start(const struct xen_vmm_retire_entry *entries, unsigned int nr)
{
    unsigned long mfn;

    hn_init(1);
    vfree(table);
    table = NULL;
    nr_records = nr_room = 0;
    memset(&counts, 0, sizeof(counts));
    memset(buckets, 0, sizeof(buckets));
    memset(model, 0, sizeof(model));
    found_prod = found_cons = nr_lost = 0;
    ce_threshold = 50;
    ce_window_s = 24 * 3600;
    may_move = true;
    for (mfn = HEAP_FIRST; mfn < XEN_FIRST; mfn++) {
        mfn_to_page(_mfn(mfn))->count_info = PGC_xen_heap;
    }
    CU_ASSERT_EQUAL_FATAL(vmm_retire_table_init(entries, nr), 0);
}

static void finish(void)
{
    unsigned long mfn;

    for (mfn = 0; mfn < HN_FRAMES; mfn++) {
        hn.frames[mfn] = (struct page_info){ .count_info = 0 };
    }
    vfree(table);
    table = NULL;
    hn_fini();
}

static long call(unsigned int cmd)
{
    XEN_GUEST_HANDLE_PARAM(xen_vmm_retire_op_t) arg =
        guest_handle_from_ptr(&op, xen_vmm_retire_op_t);
    long rc;

    op.interface_version = XEN_VMM_RETIRE_VERSION;
    op.cmd = cmd;
    do {
        hn.continued = false;
        rc = vmm_retire_op(arg);
    } while (hn.continued);
    return rc;
}

static struct xen_vmm_change change_one(uint8_t action, uint64_t mfn,
                                        uint8_t cause)
{
    memset(&op, 0, sizeof(op));
    items[0] = (struct xen_vmm_change){
        .mfn = mfn, .action = action, .cause = cause, .result = 99,
    };
    op.u.change.nr = 1;
    op.u.change.items.p = items;
    CU_ASSERT_EQUAL(call(XEN_VMM_RETIRE_change), 0);
    return items[0];
}

/* The whole table, `room' entries at a time, against the model. */
static void compare(unsigned int room)
{
    uint64_t first = 0, end = 0;
    bool more = true;

    while (more) {
        uint32_t i;

        memset(&op, 0, sizeof(op));
        op.u.list.first_mfn = first;
        op.u.list.nr = room;
        op.u.list.entries.p = out;
        CU_ASSERT_EQUAL_FATAL(call(XEN_VMM_RETIRE_list), 0);
        CU_ASSERT_TRUE_FATAL(op.u.list.done <= room);
        for (i = 0; i < op.u.list.done; i++) {
            const struct xen_vmm_retired *e = &out[i];
            uint64_t mfn;

            CU_ASSERT_TRUE_FATAL(e->mfn >= end && e->nr_pages);
            for (mfn = end; mfn < e->mfn; mfn++) {
                CU_ASSERT_FALSE(model[mfn].there);
            }
            for (; mfn < e->mfn + e->nr_pages; mfn++) {
                const struct page_info *pg = mfn_to_page(_mfn(mfn));

                CU_ASSERT_TRUE(model[mfn].there);
                CU_ASSERT_EQUAL(model[mfn].cause, e->cause);
                CU_ASSERT_EQUAL(model[mfn].boot,
                                !!(e->flags & XEN_VMM_RETIRED_BOOT));
                CU_ASSERT_EQUAL(e->state, mfn >= XEN_FIRST
                                ? XEN_VMM_PAGE_OVERLAPS
                                : pg->owner || mfn >= HEAP_FIRST
                                ? XEN_VMM_PAGE_PENDING
                                : XEN_VMM_PAGE_RETIRED);
                CU_ASSERT_EQUAL(e->owner, mfn >= HEAP_FIRST && mfn < XEN_FIRST
                                ? DOMID_XEN
                                : pg->owner ? HN_GUEST : DOMID_INVALID);
                CU_ASSERT_EQUAL(!!(e->flags & XEN_VMM_RETIRED_BROKEN),
                                !!(pg->count_info & PGC_broken));
            }
            end = e->mfn + e->nr_pages;
        }
        first = op.u.list.first_mfn;
        more = op.u.list.more;
        CU_ASSERT_TRUE_FATAL(!more || op.u.list.done == room);
    }
    for (; end < HN_FRAMES; end++) {
        CU_ASSERT_FALSE(model[end].there);
    }
}

static void own(uint64_t mfn, bool owned)
{
    mfn_to_page(_mfn(mfn))->owner = owned ? &hn.guest : NULL;
}

/* One step of a random walk, in the table and in the model. */
static void step(void)
{
    /* Mostly one of a few, so that things happen to the same page. */
    uint64_t mfn = 1 + (uint64_t)rand() % (rand() % 3 ? 30 : HN_FRAMES + 9);
    uint8_t cause = (uint8_t)(rand() % (XEN_VMM_NR_CAUSES + 1));
    bool is_ram = mfn < HN_FRAMES, owned;
    struct xen_vmm_change c;

    may_move = rand() % 2;
    switch (rand() % 5) {
    case 0:
    case 1:
        owned = is_ram && !model[mfn].there && mfn < HEAP_FIRST &&
                rand() % 3 == 0;
        if (owned) {
            own(mfn, true);
        }
        c = change_one(XEN_VMM_CHANGE_RETIRE, mfn, cause);
        CU_ASSERT_EQUAL(c.result, !is_ram || cause >= XEN_VMM_NR_CAUSES
                        ? -EINVAL : mfn >= XEN_FIRST ? -EPERM : 0);
        if (!c.result && !model[mfn].there) {
            model[mfn].there = true;
            model[mfn].cause = cause;
        } else if (!c.result && cause == XEN_VMM_CAUSE_UNCORRECTED &&
                   lookup(mfn)->nr_pages == 1) {
            model[mfn].cause = cause;
        }
        if (owned && c.result) {
            own(mfn, false);
        }
        break;
    case 2:
        c = change_one(XEN_VMM_CHANGE_RELEASE, mfn, 0);
        owned = is_ram && mfn_to_page(_mfn(mfn))->owner;
        CU_ASSERT_EQUAL(c.result, !is_ram || !model[mfn].there ? -ENOENT
                        : owned && (mfn_to_page(_mfn(mfn))->count_info &
                                    PGC_broken) ? -EBUSY : 0);
        if (!c.result) {
            model[mfn].there = model[mfn].boot = false;
            own(mfn, false);
        }
        break;
    case 3:
        if (!is_ram || mfn >= XEN_FIRST) {
            break;
        }
        CU_ASSERT_EQUAL(vmm_retire_uncorrected(_mfn(mfn)), model[mfn].there);
        if (!model[mfn].there || lookup(mfn)->nr_pages == 1) {
            model[mfn].cause = XEN_VMM_CAUSE_UNCORRECTED;
        }
        model[mfn].there = true;
        {
            uint32_t status;

            (void)offline_page(_mfn(mfn), 1, &status);
        }
        break;
    default:
        /* Its owner gives it up. */
        if (is_ram && mfn_to_page(_mfn(mfn))->owner) {
            own(mfn, false);
            set_state(mfn_to_page(_mfn(mfn)), PGC_state_offlined);
        }
        break;
    }
}

static void op__as_the_model(void)
{
    static const struct xen_vmm_retire_entry boot[] = {
        { .mfn = 5, .nr_pages = 10, .cause = XEN_VMM_CAUSE_IMPORTED },
        { .mfn = 100, .nr_pages = 1, .cause = XEN_VMM_CAUSE_CORRECTED },
        { .mfn = 990, .nr_pages = 20, .cause = XEN_VMM_CAUSE_ADMIN },
    };
    unsigned int seed, i, j;

    for (seed = 1; seed <= 60; seed++) {
        srand(seed);
        start(boot, 3);
        for (i = 0; i < 3; i++) {
            for (j = 0; j < boot[i].nr_pages; j++) {
                struct page_info *pg = mfn_to_page(_mfn(boot[i].mfn + j));

                model[boot[i].mfn + j].there = true;
                model[boot[i].mfn + j].boot = true;
                model[boot[i].mfn + j].cause = boot[i].cause;
                if (boot[i].mfn + j < XEN_FIRST) {
                    set_state(pg, pg->count_info & PGC_xen_heap
                              ? PGC_state_offlining : PGC_state_offlined);
                }
            }
        }
        hn.preempt = seed % 2;
        for (i = 0; i < 300; i++) {
            step();
            if (i % 16 == 0) {
                compare(1 + (unsigned int)rand() % 64);
            }
        }
        compare(64);
        finish();
    }
}

static void op__refused(void)
{
    start(NULL, 0);
    memset(&op, 0, sizeof(op));
    hn.xsm_rc = -EPERM;
    CU_ASSERT_EQUAL(call(XEN_VMM_RETIRE_stat), -EPERM);
    hn.xsm_rc = 0;
    CU_ASSERT_EQUAL(call(99), -ENOSYS);
    op.u.list.nr = 1;
    op.u.list.done = 2;
    CU_ASSERT_EQUAL(call(XEN_VMM_RETIRE_list), -EINVAL);
    memset(&op, 0, sizeof(op));
    op.u.list.nr = 64;
    op.u.list.entries.p = (void *)(HN_XEN_ADDR - 8);
    CU_ASSERT_EQUAL(call(XEN_VMM_RETIRE_list), -EFAULT);
    memset(&op, 0, sizeof(op));
    op.u.change.nr = XEN_VMM_CHANGE_NR_MAX + 1;
    CU_ASSERT_EQUAL(call(XEN_VMM_RETIRE_change), -EINVAL);
    op.u.change.nr = 1;
    op.u.change.items.p = (void *)HN_UNMAPPED_ADDR;
    CU_ASSERT_EQUAL(call(XEN_VMM_RETIRE_change), -EFAULT);
    memset(&op, 0, sizeof(op));
    op.u.config.flags = XEN_VMM_CONFIG_SET;
    CU_ASSERT_EQUAL(call(XEN_VMM_RETIRE_config), -EINVAL);
    op.u.config.ce_window_s = 1;
    op.u.config.ce_threshold = 1000001;
    CU_ASSERT_EQUAL(call(XEN_VMM_RETIRE_config), -EINVAL);
    op.u.config.flags = 2;
    CU_ASSERT_EQUAL(call(XEN_VMM_RETIRE_config), -EINVAL);
    CU_ASSERT_EQUAL(change_one(9, 5, 0).result, -EINVAL);
    compare(4);
    finish();
}

/* Without memory: what is there stays, and what is not is said to be lost. */
static void op__no_memory(void)
{
    unsigned int i, refused = 0;

    start(NULL, 0);
    nr_room = 3;
    for (i = 0; i < 6; i++) {
        hn_fail(HN_ALLOC, 1);
        refused += change_one(XEN_VMM_CHANGE_RETIRE, 10 + 2 * i, 0).result ==
                   -ENOSPC;
        if (i < 3) {
            model[10 + 2 * i].there = true;
        }
    }
    CU_ASSERT_EQUAL(refused, 3);
    CU_ASSERT_EQUAL(counts.nr_unrecorded, 3);
    /* One out of the middle of several needs room as well. */
    hn_fail(HN_ALLOC, 1);
    CU_ASSERT_EQUAL(change_one(XEN_VMM_CHANGE_RELEASE, 12, 0).result, -ENOSPC);
    compare(2);
    hn_fail(HN_ALLOC, 0);
    CU_ASSERT_EQUAL(change_one(XEN_VMM_CHANGE_RELEASE, 12, 0).result, 0);
    model[12].there = false;
    compare(2);
    finish();
}

static void found_corrected(uint64_t mfn, unsigned int nr)
{
    while (nr--) {
        vmm_retire_found(mfn << PAGE_SHIFT, false);
        do_found(NULL);
    }
}

static void config(uint32_t threshold, uint32_t window_s)
{
    memset(&op, 0, sizeof(op));
    op.u.config.flags = XEN_VMM_CONFIG_SET;
    op.u.config.ce_threshold = threshold;
    op.u.config.ce_window_s = window_s;
    CU_ASSERT_EQUAL(call(XEN_VMM_RETIRE_config), 0);
}

static void corrected__the_bucket_leaks(void)
{
    unsigned int i;

    start(NULL, 0);
    config(4, 100);
    found_corrected(50, 3);
    CU_ASSERT_PTR_NULL(lookup(50));
    found_corrected(50, 1);
    CU_ASSERT_PTR_NOT_NULL(lookup(50));
    CU_ASSERT_EQUAL(lookup(50)->cause, XEN_VMM_CAUSE_CORRECTED);

    /* One each 25 s leaks away as fast as it comes; each 20 s does not. */
    for (i = 0; i < 50; i++) {
        found_corrected(60, 1);
        hn.now += SECONDS(25);
    }
    CU_ASSERT_PTR_NULL(lookup(60));
    for (i = 0; i < 50; i++) {
        found_corrected(61, 1);
        hn.now += SECONDS(20);
    }
    CU_ASSERT_PTR_NOT_NULL(lookup(61));

    config(0, 100);
    found_corrected(70, 500);
    CU_ASSERT_PTR_NULL(lookup(70));
    config(1, 1);
    found_corrected(71, 1);
    CU_ASSERT_PTR_NOT_NULL(lookup(71));
    /* No memory of ours. */
    found_corrected(HN_FRAMES + 5, 3);
    CU_ASSERT_PTR_NULL(lookup(HN_FRAMES + 5));
    finish();
}

/* More pages fail at once than there are buckets: the worst is kept. */
static void corrected__more_than_buckets(void)
{
    uint64_t mfn;

    start(NULL, 0);
    config(10, 1000);
    found_corrected(5, 9);
    for (mfn = 10; mfn < 10 + NR_BUCKETS + 100; mfn++) {
        found_corrected(mfn, 1);
    }
    CU_ASSERT_PTR_NULL(lookup(5));
    found_corrected(5, 1);
    CU_ASSERT_PTR_NOT_NULL(lookup(5));
    finish();
}

/* A burst within one interrupt: the ring drops, and never overruns. */
static void corrected__burst(void)
{
    unsigned int i;

    start(NULL, 0);
    for (i = 0; i < 10 * FOUND_RING; i++) {
        vmm_retire_found((uint64_t)(1 + i) << PAGE_SHIFT, i % 2);
    }
    do_found(NULL);
    CU_ASSERT_EQUAL(counts.nr_corrected, FOUND_RING / 2);
    CU_ASSERT_EQUAL(nr_lost, FOUND_RING / 2);
    vmm_retire_found(1 << PAGE_SHIFT, false);
    do_found(NULL);
    CU_ASSERT_EQUAL(counts.nr_corrected, FOUND_RING / 2 + 1);
    finish();
}

/* Of a guest's page: moved if it can be, else tried again. */
static void corrected__moved(void)
{
    start(NULL, 0);
    config(1, 1);
    own(50, true);
    own(51, true);
    found_corrected(50, 1);
    CU_ASSERT_EQUAL(counts.nr_moved, 1);
    CU_ASSERT_PTR_NULL(mfn_to_page(_mfn(50))->owner);
    may_move = false;
    found_corrected(51, 1);
    CU_ASSERT_PTR_NOT_NULL(mfn_to_page(_mfn(51))->owner);
    may_move = true;
    CU_ASSERT_EQUAL(change_one(XEN_VMM_CHANGE_RETIRE, 51,
                               XEN_VMM_CAUSE_CORRECTED).state,
                    XEN_VMM_PAGE_RETIRED);
    CU_ASSERT_EQUAL(counts.nr_moved, 2);
    finish();
}

static const struct ut_case cases[] = {
    UT_CASE(op__as_the_model),
    UT_CASE(op__refused),
    UT_CASE(op__no_memory),
    UT_CASE(corrected__the_bucket_leaks),
    UT_CASE(corrected__more_than_buckets),
    UT_CASE(corrected__burst),
    UT_CASE(corrected__moved),
};

UT_MAIN("hvm-hooks/retire", cases)
