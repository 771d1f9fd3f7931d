/* SPDX-License-Identifier: GPL-2.0-only */
/* test_op.c: the hypercall: what it refuses, batches, ranges, preemption. */
#include "hvm-hooks/vmm_op.c"

#include "lib/ut.h"

#define NR 64u
#define NPT_ACCESSED 0x20u

static struct xen_vmm_op op;
static uint64_t gfns[XEN_VMM_BATCH_MAX], bufs[XEN_VMM_BATCH_MAX];
static int results[XEN_VMM_BATCH_MAX];
static uint8_t bytes[HN_GFNS], store[NR][PAGE_SIZE];

static void start(void)
{
    hn_init(2);
    hn_populate(0, NR);
    CU_ASSERT_EQUAL_FATAL(hn_attach(0), 0);
    memset(&op, 0, sizeof(op));
}

/* gfns 0, 1, ...; no operand of a call is left from the last one. */
static long batch(unsigned int cmd, unsigned int nr, bool with_bufs)
{
    unsigned int i;

    memset(&op, 0, sizeof(op));
    for (i = 0; i < nr && i < XEN_VMM_BATCH_MAX; i++) {
        gfns[i] = i;
        bufs[i] = (uintptr_t)store[i % NR];
        results[i] = 1;
    }
    op.u.batch.nr = nr;
    op.u.batch.gfns.p = gfns;
    op.u.batch.bufs.p = with_bufs ? bufs : NULL;
    op.u.batch.results.p = results;
    return hn_op(&op, cmd);
}

static long range(unsigned int cmd, uint64_t first, uint32_t nr)
{
    memset(&op, 0, sizeof(op));
    memset(bytes, 0xee, sizeof(bytes));
    if (cmd == XEN_VMM_OP_harvest) {
        op.u.harvest.first = first;
        op.u.harvest.nr = nr;
        op.u.harvest.bitmap.p = bytes;
    } else {
        op.u.query.first = first;
        op.u.query.nr = nr;
        op.u.query.states.p = bytes;
    }
    return hn_op(&op, cmd);
}

static long again(void)
{
    return hn_op(&op, op.cmd);
}

static void op__refused_before_anything_else(void)
{
    XEN_GUEST_HANDLE_PARAM(xen_vmm_op_t) arg =
        guest_handle_from_ptr(&op, xen_vmm_op_t);

    start();
    op.interface_version = XEN_VMM_INTERFACE_VERSION;
    op.cmd = XEN_VMM_OP_stat;
    op.domain = HN_GUEST + 1;
    CU_ASSERT_EQUAL(vmm_memory_op(arg), -ESRCH);
    op.domain = HN_CONTROL_DOMAIN;
    CU_ASSERT_EQUAL(vmm_memory_op(arg), -EPERM);
    op.domain = HN_GUEST;
    op.interface_version = XEN_VMM_INTERFACE_VERSION + 1;
    CU_ASSERT_EQUAL(vmm_memory_op(arg), -EINVAL);
    op.interface_version = XEN_VMM_INTERFACE_VERSION;
    hn.xsm_rc = -EACCES;
    CU_ASSERT_EQUAL(vmm_memory_op(arg), -EACCES);
    hn.xsm_rc = 0;
    op.cmd = 0;
    CU_ASSERT_EQUAL(vmm_memory_op(arg), -ENOSYS);
    op.cmd = XEN_VMM_OP_stat + 1;
    CU_ASSERT_EQUAL(vmm_memory_op(arg), -ENOSYS);
    op.cmd = XEN_VMM_OP_stat;
    CU_ASSERT_EQUAL(vmm_memory_op(arg), 0);
    arg = guest_handle_from_ptr((void *)HN_UNMAPPED_ADDR, xen_vmm_op_t);
    CU_ASSERT_EQUAL(vmm_memory_op(arg), -EFAULT);
    hn_fini();
}

static void op__no_session(void)
{
    unsigned int cmd;

    hn_init(1);
    for (cmd = XEN_VMM_OP_detach; cmd <= XEN_VMM_OP_stat; cmd++) {
        memset(&op, 0, sizeof(op));
        CU_ASSERT_EQUAL(hn_op(&op, cmd), -ENOENT);
        CU_ASSERT_PTR_NULL(hn.guest.vmm);
    }
    hn_fini();

    start();
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_detach), 0);
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_stat), -ENOENT);
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_detach), -ENOENT);
    hn_fini();
}

static void op__domain_dies(void)
{
    start();
    hn.guest.is_dying = 1;
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_stat), -ENOENT);
    CU_ASSERT_EQUAL(hn_attach(XEN_VMM_ATTACH_TAKEOVER), -ENOENT);
    hn.guest.is_dying = 0;
    hn_fini();
}

static void op__another_one_runs(void)
{
    start();
    hn.trylock_fails = 3;
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_stat), 0);
    CU_ASSERT_EQUAL(hn.nr_continued, 0);
    hn.trylock_fails = 3;
    hn.preempt = true;
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_stat), 0);
    CU_ASSERT_EQUAL(hn.nr_continued, 3);
    hn_fini();
}

static void op__answer_cannot_be_written(void)
{
    start();
    hn_fail(HN_COPY, 2);
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_stat), -EFAULT);
    hn_check();
    hn_fini();
}

static void batch__bad_operand(void)
{
    unsigned int cmd;

    start();
    CU_ASSERT_EQUAL(batch(XEN_VMM_OP_evict, XEN_VMM_BATCH_MAX + 1, false),
                    -EINVAL);
    CU_ASSERT_EQUAL(batch(XEN_VMM_OP_evict, 0, false), 0);
    op.u.batch.done = 1;
    CU_ASSERT_EQUAL(again(), -EINVAL);
    op.u.batch.done = 0;
    op.u.batch._res1 = 1;
    CU_ASSERT_EQUAL(again(), -EINVAL);
    op.u.batch._res1 = 0;
    op.u.batch.flags = 2;
    CU_ASSERT_EQUAL(again(), -EINVAL);
    op.u.batch.flags = XEN_VMM_PREPARE_COLD;
    for (cmd = XEN_VMM_OP_nominate; cmd <= XEN_VMM_OP_resume; cmd++) {
        op.cmd = cmd;
        CU_ASSERT_EQUAL(again(), cmd == XEN_VMM_OP_prepare ? 0 : -EINVAL);
    }
    hn_fini();
}

static void batch__bad_pointers(void)
{
    start();
    batch(XEN_VMM_OP_evict, 2, true);
    op.u.batch.done = 0;
    /* The hypervisor's, or so near that the last element is. */
    op.u.batch.gfns.p = (uint64_t *)(HN_XEN_ADDR - 8);
    CU_ASSERT_EQUAL(again(), -EFAULT);
    op.u.batch.gfns.p = gfns;
    op.u.batch.bufs.p = (uint64_t *)(HN_XEN_ADDR - 8);
    CU_ASSERT_EQUAL(again(), -EFAULT);
    op.u.batch.bufs.p = bufs;
    op.u.batch.results.p = (int *)(HN_XEN_ADDR - 4);
    CU_ASSERT_EQUAL(again(), -EFAULT);
    op.u.batch.results.p = (int *)HN_XEN_ADDR;
    CU_ASSERT_EQUAL(again(), -EFAULT);
    CU_ASSERT_EQUAL(op.u.batch.done, 0);
    /* Not mapped. */
    op.u.batch.results.p = results;
    op.u.batch.gfns.p = (uint64_t *)HN_UNMAPPED_ADDR;
    CU_ASSERT_EQUAL(again(), -EFAULT);
    op.u.batch.gfns.p = gfns;
    op.u.batch.bufs.p = (uint64_t *)HN_UNMAPPED_ADDR;
    CU_ASSERT_EQUAL(again(), -EFAULT);
    op.u.batch.bufs.p = NULL;
    op.u.batch.results.p = (int *)HN_UNMAPPED_ADDR;
    CU_ASSERT_EQUAL(again(), -EFAULT);
    hn_fini();
}

/* One page's error is that page's. */
static void batch__goes_on_after_an_error(void)
{
    start();
    CU_ASSERT_EQUAL(batch(XEN_VMM_OP_resume, 4, false), 0);
    op.u.batch.done = 0;
    gfns[0] = 1000;
    gfns[1] = 2;
    gfns[2] = 2;
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_nominate), 0);
    CU_ASSERT_EQUAL(results[0], -EINVAL);
    CU_ASSERT_EQUAL(results[1], 0);
    CU_ASSERT_EQUAL(results[2], -EBUSY);
    CU_ASSERT_EQUAL(results[3], 0);
    CU_ASSERT_EQUAL(op.u.batch.done, 4);
    hn_fini();
}

static void batch__resume_wakes_waiters(void)
{
    start();
    hn_page_out(0);
    hn_touch(0, 0);
    CU_ASSERT_EQUAL(hn.vcpus[0].pause_count, 1);
    CU_ASSERT_EQUAL(batch(XEN_VMM_OP_resume, 1, false), 0);
    CU_ASSERT_EQUAL(results[0], -ENOENT);
    CU_ASSERT_EQUAL(hn.vcpus[0].pause_count, 0);
    hn_fini();
}

static void batch__cold(void)
{
    start();
    batch(XEN_VMM_OP_nominate, 2, true);
    batch(XEN_VMM_OP_evict, 2, false);
    batch(XEN_VMM_OP_prepare, 1, true);
    op.u.batch.done = 0;
    op.u.batch.flags = XEN_VMM_PREPARE_COLD;
    gfns[0] = 1;
    CU_ASSERT_EQUAL(again(), 0);
    CU_ASSERT_TRUE(*hn_entry(0, NULL) & NPT_ACCESSED);
    CU_ASSERT_FALSE(*hn_entry(1, NULL) & NPT_ACCESSED);
    hn_fini();
}

/* Wherever the caller's memory fails: no page is lost, and it can go on. */
static void batch__nth_copy_fails(void)
{
    static const unsigned int cmds[] = {
        XEN_VMM_OP_nominate, XEN_VMM_OP_evict, XEN_VMM_OP_prepare
    };
    unsigned int i, nth, gfn;
    long rc;

    for (i = 0; i < ARRAY_SIZE(cmds); i++) {
        /* The operand twice; 4 times a gfn, a buffer, a page, a result. */
        for (nth = 1; nth <= 18; nth++) {
            start();
            if (i > 0) {
                batch(XEN_VMM_OP_nominate, 4, true);
            }
            if (i > 1) {
                batch(XEN_VMM_OP_evict, 4, false);
            }
            hn_fail(HN_COPY, nth);
            rc = batch(cmds[i], 4, i != 1);
            CU_ASSERT_TRUE(!rc || rc == -EFAULT);
            hn_check();
            if (i == 1) {
                batch(XEN_VMM_OP_evict, 4, false);
            }
            batch(XEN_VMM_OP_prepare, 4, true);
            for (gfn = 0; gfn < 4; gfn++) {
                CU_ASSERT_EQUAL(hn.type[gfn], p2m_ram_rw);
                CU_ASSERT_EQUAL(*hn_memory(mfn_x(hn.mfn[gfn])), gfn);
            }
            hn_fini();
        }
    }
}

static void query__every_state(void)
{
    start();
    hn_page_op(XEN_VMM_OP_nominate, 1, NULL);
    hn_page_out(2);
    hn_page_out(3);
    hn_touch(0, 3);
    hn_drop(4);
    hn.type[5] = p2m_ram_logdirty;
    hn.type[6] = p2m_ram_shared;
    hn.type[7] = p2m_mmio_direct;
    hn.type[8] = p2m_ram_ro;
    CU_ASSERT_EQUAL(range(XEN_VMM_OP_query, 0, NR + 2), 0);
    CU_ASSERT_EQUAL(op.u.query.done, NR + 2);
    CU_ASSERT_EQUAL(bytes[0], XEN_VMM_STATE_RESIDENT);
    CU_ASSERT_EQUAL(bytes[1], XEN_VMM_STATE_NOMINATED);
    CU_ASSERT_EQUAL(bytes[2], XEN_VMM_STATE_PAGED);
    CU_ASSERT_EQUAL(bytes[3], XEN_VMM_STATE_PAGING_IN);
    CU_ASSERT_EQUAL(bytes[4], XEN_VMM_STATE_HOLE);
    CU_ASSERT_EQUAL(bytes[5], XEN_VMM_STATE_RESIDENT);
    CU_ASSERT_EQUAL(bytes[6], XEN_VMM_STATE_OTHER);
    CU_ASSERT_EQUAL(bytes[7], XEN_VMM_STATE_OTHER);
    CU_ASSERT_EQUAL(bytes[8], XEN_VMM_STATE_OTHER);
    CU_ASSERT_EQUAL(bytes[NR - 1], XEN_VMM_STATE_RESIDENT);
    CU_ASSERT_EQUAL(bytes[NR], XEN_VMM_STATE_HOLE);
    CU_ASSERT_EQUAL(bytes[NR + 2], 0xee);
    hn_fini();
}

static void range__bad_operand(void)
{
    static const unsigned int cmds[] = {
        XEN_VMM_OP_query, XEN_VMM_OP_harvest
    };
    const uint64_t limit = 1ull << (PADDR_BITS - PAGE_SHIFT);
    unsigned int i;

    start();
    for (i = 0; i < ARRAY_SIZE(cmds); i++) {
        CU_ASSERT_EQUAL(range(cmds[i], 0, XEN_VMM_RANGE_MAX + 1), -EINVAL);
        CU_ASSERT_EQUAL(range(cmds[i], limit, 1), -EINVAL);
        CU_ASSERT_EQUAL(range(cmds[i], ~511ull, 1), -EINVAL);
        CU_ASSERT_EQUAL(range(cmds[i], 0, 0), 0);
    }
    range(XEN_VMM_OP_query, 0, 4);
    op.u.query.done = 5;
    CU_ASSERT_EQUAL(again(), -EINVAL);
    op.u.query.done = 0;
    op.u.query.states.p = (uint8_t *)(HN_XEN_ADDR - 3);
    CU_ASSERT_EQUAL(again(), -EFAULT);
    op.u.query.states.p = (uint8_t *)HN_XEN_ADDR;
    CU_ASSERT_EQUAL(again(), -EFAULT);
    op.u.query.states.p = (uint8_t *)HN_UNMAPPED_ADDR;
    CU_ASSERT_EQUAL(again(), -EFAULT);

    CU_ASSERT_EQUAL(range(XEN_VMM_OP_harvest, 256, 1), -EINVAL);
    range(XEN_VMM_OP_harvest, 0, 512);
    op.u.harvest.done = 256;
    CU_ASSERT_EQUAL(again(), -EINVAL);
    op.u.harvest.done = 0;
    op.u.harvest.flags = 2;
    CU_ASSERT_EQUAL(again(), -EINVAL);
    op.u.harvest.flags = 0;
    op.u.harvest.bitmap.p = (uint8_t *)(HN_XEN_ADDR - 63);
    CU_ASSERT_EQUAL(again(), -EFAULT);
    op.u.harvest.bitmap.p = (uint8_t *)HN_XEN_ADDR;
    CU_ASSERT_EQUAL(again(), -EFAULT);
    op.u.harvest.bitmap.p = (uint8_t *)HN_UNMAPPED_ADDR;
    CU_ASSERT_EQUAL(again(), -EFAULT);
    hn_fini();
}

static void harvest__writes_its_bytes_only(void)
{
    start();
    CU_ASSERT_EQUAL(range(XEN_VMM_OP_harvest, 0, 48), 0);
    CU_ASSERT_EQUAL(op.u.harvest.nr_accessed, 48);
    CU_ASSERT_EQUAL(op.u.harvest.done, 48);
    CU_ASSERT_EQUAL(bytes[5], 0xff);
    CU_ASSERT_EQUAL(bytes[6], 0xee);
    hn_fini();
}

/* Each costs the guest its TLB; none would hide what is accessed next. */
static void harvest__flushes_once(void)
{
    start();
    hn_superpage(512);
    hn.nr_flushes = 0;
    CU_ASSERT_EQUAL(range(XEN_VMM_OP_harvest, 0, 1024), 0);
    CU_ASSERT_EQUAL(hn.nr_flushes, 1);
    CU_ASSERT_EQUAL(range(XEN_VMM_OP_harvest, 0, 1024), 0);
    CU_ASSERT_EQUAL(op.u.harvest.nr_accessed, 0);
    CU_ASSERT_EQUAL(hn.nr_flushes, 1);
    /* Also where the result cannot be told. */
    *hn_entry(2, NULL) |= 0x20;
    range(XEN_VMM_OP_query, 0, 1);
    hn_fail(HN_COPY, 2);
    CU_ASSERT_EQUAL(range(XEN_VMM_OP_harvest, 0, 512), -EFAULT);
    CU_ASSERT_EQUAL(hn.nr_flushes, 2);
    /* What waits is not forgotten. */
    *hn_entry(2, NULL) |= 0x20;
    range(XEN_VMM_OP_query, 0, 1);
    op.cmd = XEN_VMM_OP_harvest;
    op.u.harvest = (struct xen_vmm_harvest){
        .nr = 512, .flags = XEN_VMM_HARVEST_MORE, .bitmap.p = bytes,
    };
    CU_ASSERT_EQUAL(again(), 0);
    CU_ASSERT_EQUAL(op.u.harvest.nr_accessed, 1);
    CU_ASSERT_EQUAL(hn.nr_flushes, 2);
    CU_ASSERT_EQUAL(range(XEN_VMM_OP_harvest, 512, 512), 0);
    CU_ASSERT_EQUAL(op.u.harvest.nr_accessed, 0);
    CU_ASSERT_EQUAL(hn.nr_flushes, 3);
    hn_fini();
}

static void harvest__without_accessed_bits(void)
{
    hn_init(1);
    hn.vmx = true;
    hn.p2m.ept.ad = false;
    hn_populate(0, 1);
    hn_attach(0);
    CU_ASSERT_EQUAL(range(XEN_VMM_OP_harvest, 0, 512), -EOPNOTSUPP);
    CU_ASSERT_EQUAL(bytes[0], 0xee);
    hn_fini();
}

static void harvest__split(void)
{
    unsigned int order;

    start();
    hn_superpage(512);
    CU_ASSERT_EQUAL(range(XEN_VMM_OP_harvest, 0, 1024), 0);
    CU_ASSERT_EQUAL(op.u.harvest.nr_accessed, NR + 512);
    (void)hn_entry(512, &order);
    CU_ASSERT_EQUAL(order, 0);
    hn_fini();
}

/* Everything that a run of all commands leaves, and says. */
struct outcome {
    int results[5][NR];
    uint8_t states[3][HN_GFNS], bitmap[2][HN_GFNS / 8];
    uint32_t nr_accessed[2];
    p2m_type_t type[HN_GFNS];
    uint8_t first_bytes[NR];
};

static void run_all(bool preempt, struct outcome *o)
{
    static const unsigned int cmds[] = {
        XEN_VMM_OP_nominate, XEN_VMM_OP_evict, XEN_VMM_OP_prepare,
        XEN_VMM_OP_resume, XEN_VMM_OP_nominate
    };
    unsigned int i;

    memset(o, 0, sizeof(*o));
    memset(store, 0, sizeof(store));
    start();
    hn_superpage(512);
    hn.preempt = preempt;
    for (i = 0; i < ARRAY_SIZE(cmds); i++) {
        if (cmds[i] == XEN_VMM_OP_evict) {
            hn_touch(0, 7);
        }
        if (cmds[i] == XEN_VMM_OP_prepare) {
            hn_touch(0, 8);
            hn_drop(9);
        }
        hn.nr_continued = 0;
        CU_ASSERT_EQUAL(batch(cmds[i], NR, i != 1), 0);
        CU_ASSERT_EQUAL(op.u.batch.done, NR);
        CU_ASSERT_EQUAL(hn.nr_continued, preempt ? NR - 1 : 0);
        memcpy(o->results[i], results, sizeof(o->results[i]));
        if (i < 3) {
            CU_ASSERT_EQUAL(range(XEN_VMM_OP_query, 0, 1100), 0);
            memcpy(o->states[i], bytes, sizeof(bytes));
        }
        hn_check();
    }
    for (i = 0; i < 2; i++) {
        hn.nr_continued = 0;
        CU_ASSERT_EQUAL(range(XEN_VMM_OP_harvest, 0, 1600), 0);
        CU_ASSERT_EQUAL(hn.nr_continued, preempt ? 3 : 0);
        memcpy(o->bitmap[i], bytes, sizeof(o->bitmap[i]));
        o->nr_accessed[i] = op.u.harvest.nr_accessed;
    }
    memcpy(o->type, hn.type, sizeof(o->type));
    for (i = 0; i < NR; i++) {
        o->first_bytes[i] = store[i][PAGE_SIZE - 1];
    }
    hn.preempt = false;
    hn_fini();
}

static void op__preempted_everywhere(void)
{
    static struct outcome plain, preempted;

    run_all(false, &plain);
    run_all(true, &preempted);
    CU_ASSERT_EQUAL(memcmp(&plain, &preempted, sizeof(plain)), 0);
    CU_ASSERT_EQUAL(plain.results[1][7], -EBUSY);
    CU_ASSERT_EQUAL(plain.results[2][9], -ENOENT);
    CU_ASSERT_EQUAL(plain.results[2][7], -EEXIST);
    CU_ASSERT_EQUAL(plain.results[3][8], -EEXIST);
    CU_ASSERT_EQUAL(plain.first_bytes[33], 33);
    CU_ASSERT_EQUAL(plain.nr_accessed[0], 512);
    CU_ASSERT_EQUAL(plain.nr_accessed[1], 0);
}

static const struct ut_case cases[] = {
    UT_CASE(op__refused_before_anything_else),
    UT_CASE(op__no_session),
    UT_CASE(op__domain_dies),
    UT_CASE(op__another_one_runs),
    UT_CASE(op__answer_cannot_be_written),
    UT_CASE(op__preempted_everywhere),
    UT_CASE(batch__bad_operand),
    UT_CASE(batch__bad_pointers),
    UT_CASE(batch__goes_on_after_an_error),
    UT_CASE(batch__resume_wakes_waiters),
    UT_CASE(batch__cold),
    UT_CASE(batch__nth_copy_fails),
    UT_CASE(query__every_state),
    UT_CASE(range__bad_operand),
    UT_CASE(harvest__writes_its_bytes_only),
    UT_CASE(harvest__flushes_once),
    UT_CASE(harvest__without_accessed_bits),
    UT_CASE(harvest__split),
};

UT_MAIN("hvm-hooks/op", cases)
