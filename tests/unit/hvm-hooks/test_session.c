/* SPDX-License-Identifier: GPL-2.0-only */
/* test_session.c: attach, takeover and detach; who waits, and who is woken. */
#include "hvm-hooks/vmm_session.c"

#include "lib/ut.h"

#define DEMAND XEN_VMM_CLASS_DEMAND
#define FOREIGN XEN_VMM_CLASS_FOREIGN
#define DROP XEN_VMM_CLASS_DROP

static uint8_t contents[PAGE_SIZE];

/* A domain of 4 vCPUs with 16 pages, the first 8 of which are out. */
static void start(void)
{
    unsigned int gfn;

    hn_init(4);
    hn_populate(0, 16);
    CU_ASSERT_EQUAL_FATAL(hn_attach(0), 0);
    for (gfn = 0; gfn < 8; gfn++) {
        hn_page_out(gfn);
    }
    hn.nr_notified = 0;
}

static struct vmm_session *session(void)
{
    return hn.guest.vmm;
}

static unsigned int nr_waiting(void)
{
    hn_check();
    return session()->nr_waiting;
}

static unsigned int nr_posted(unsigned int reqclass)
{
    return session()->prod[reqclass];
}

/* Whatever the pager writes to cons, but what leaves room. */
static void fill(unsigned int reqclass, bool full)
{
    session()->ring->index[reqclass].cons = session()->prod[reqclass] + full;
}

static int prepare(unsigned long gfn)
{
    return hn_page_op(XEN_VMM_OP_prepare, gfn, contents);
}

static void attach__every_refusal(void)
{
    static int ring;
    unsigned int i;
    const struct {
        bool *knob;
        bool value;
        int rc;
    } refusals[] = {
        { &hn.control.hvm, true, -EOPNOTSUPP },
        { &hn.guest.hvm, false, -EOPNOTSUPP },
        { &hn.guest.hap, false, -EOPNOTSUPP },
        { &hn.guest.nestedhvm, true, -EOPNOTSUPP },
        { &hn.guest.altp2m, true, -EOPNOTSUPP },
        { &hn.guest.sharing, true, -EOPNOTSUPP },
        { &hn.guest.iommu, true, -EMLINK },
        { &hn.guest.pod, true, -EXDEV },
    };

    for (i = 0; i < ARRAY_SIZE(refusals); i++) {
        hn_init(1);
        *refusals[i].knob = refusals[i].value;
        CU_ASSERT_EQUAL(hn_attach(0), refusals[i].rc);
        CU_ASSERT_PTR_NULL(hn.guest.vmm);
        hn_fini();
    }
    hn_init(1);
    hn.guest.vm_event_paging = &ring;
    CU_ASSERT_EQUAL(hn_attach(0), -EEXIST);
    hn_fini();
    hn_init(0);
    CU_ASSERT_EQUAL(hn_attach(0), -EINVAL);
    hn_fini();
}

static void attach__wrong_state(void)
{
    hn_init(1);
    CU_ASSERT_EQUAL(hn_attach(XEN_VMM_ATTACH_TAKEOVER), -ENOENT);
    CU_ASSERT_EQUAL(hn_attach(2), -EINVAL);
    CU_ASSERT_FALSE(vmm_session_active(&hn.guest));
    CU_ASSERT_EQUAL(hn_attach(0), 0);
    CU_ASSERT_TRUE(vmm_session_active(&hn.guest));
    CU_ASSERT_EQUAL(hn_attach(0), -EBUSY);
    CU_ASSERT_EQUAL(hn_attach(XEN_VMM_ATTACH_TAKEOVER | 4), -EINVAL);
    hn_fini();
}

static void attach__answers(void)
{
    struct xen_vmm_op op = { .cmd = 0 };

    hn_init(3);
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_attach), 0);
    CU_ASSERT_EQUAL(op.u.attach.port, session()->port);
    CU_ASSERT_EQUAL(op.u.attach.nr_frames, XEN_VMM_RING_FRAMES);
    CU_ASSERT_EQUAL(op.u.attach.nr_vcpus, 3);
    hn_fini();
}

/* The session, its frames, their mapping; the event channel. */
static void attach__each_allocation_fails(void)
{
    unsigned int nth;
    long rc = -ENOMEM;

    for (nth = 1; rc; nth++) {
        hn_init(2);
        hn_fail(HN_ALLOC, nth);
        rc = hn_attach(0);
        CU_ASSERT_EQUAL(rc, nth > XEN_VMM_RING_FRAMES + 2 ? 0 : -ENOMEM);
        hn_fini();
    }
    CU_ASSERT_EQUAL(nth, XEN_VMM_RING_FRAMES + 4);

    hn_init(2);
    hn_fail(HN_EVTCHN, 1);
    CU_ASSERT_EQUAL(hn_attach(0), -ENOSPC);
    hn_check();
    CU_ASSERT_EQUAL(hn_attach(0), 0);
    hn_fini();
}

static void attach__takeover_reposts_each_waiter_once(void)
{
    unsigned int seen[4] = { 0 }, i, old_port;
    struct xen_vmm_request req;

    start();
    hn_touch(0, 3);
    hn_touch(1, 4);
    hn_touch_in_hypercall(2, 3);
    hn_touch_foreign(5);
    /* One that the pager had taken, and one that never fitted. */
    CU_ASSERT_TRUE(hn_take(DEMAND, &req));
    fill(DEMAND, true);
    hn_touch(3, 6);
    CU_ASSERT_FALSE(session()->waiters[3].posted);

    old_port = session()->port;
    CU_ASSERT_EQUAL(hn_attach(XEN_VMM_ATTACH_TAKEOVER), 0);
    CU_ASSERT_NOT_EQUAL(session()->port, old_port);
    CU_ASSERT_EQUAL(nr_waiting(), 4);
    while (hn_take(DEMAND, &req)) {
        CU_ASSERT_FATAL(req.vcpu < 4);
        seen[req.vcpu]++;
        CU_ASSERT_EQUAL(req.gfn, gfn_x(session()->waiters[req.vcpu].gfn));
        CU_ASSERT_EQUAL(req.time_ns,
                        (uint64_t)session()->waiters[req.vcpu].since);
    }
    for (i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(seen[i], 1);
    }
    CU_ASSERT_FALSE(hn_take(FOREIGN, &req));
    /* The next operation adds none. */
    CU_ASSERT_EQUAL(prepare(7), 0);
    CU_ASSERT_FALSE(hn_take(DEMAND, &req));
    hn_fini();
}

static void attach__takeover_without_a_port_changes_nothing(void)
{
    start();
    hn_touch(0, 3);
    hn_fail(HN_EVTCHN, 1);
    CU_ASSERT_EQUAL(hn_attach(XEN_VMM_ATTACH_TAKEOVER), -ENOSPC);
    CU_ASSERT_EQUAL(nr_waiting(), 1);
    CU_ASSERT_EQUAL(nr_posted(DEMAND), 1);
    hn_fini();
}

static void detach__refused(void)
{
    struct xen_vmm_op op = { .cmd = 0 };
    unsigned int gfn;

    start();
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_detach), -EBUSY);
    hn_touch(0, 3);
    for (gfn = 0; gfn < 8; gfn++) {
        if (gfn != 3) {
            CU_ASSERT_EQUAL(prepare(gfn), 0);
        }
    }
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_detach), -EBUSY);
    /* A waiter alone is enough. */
    atomic_dec(&hn.guest.paged_pages);
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_detach), -EBUSY);
    atomic_inc(&hn.guest.paged_pages);
    hn_check();
    CU_ASSERT_EQUAL(prepare(3), 0);
    hn_fail(HN_PAUSE, 0);
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_detach), 0);
    CU_ASSERT_EQUAL(hn.nr_calls[HN_PAUSE], 1);
    CU_ASSERT_FALSE(vmm_session_active(&hn.guest));
    hn_check();
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_detach), -ENOENT);
    CU_ASSERT_EQUAL(hn_attach(0), 0);
    hn_fini();
}

static void detach__nominated_page_comes_back(void)
{
    struct xen_vmm_op op = { .cmd = 0 };

    hn_init(1);
    hn_populate(0, 1);
    hn_attach(0);
    CU_ASSERT_EQUAL(hn_page_op(XEN_VMM_OP_nominate, 0, NULL), 0);
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_detach), 0);
    CU_ASSERT_TRUE(hn_touch(0, 0));
    CU_ASSERT_EQUAL(hn.type[0], p2m_ram_rw);
    CU_ASSERT_EQUAL(nr_waiting(), 0);
    hn_fini();
}

static void destroy__with_waiters_and_sleepers(void)
{
    start();
    hn_touch(0, 3);
    CU_ASSERT_TRUE(hn_touch_in_hypercall(1, 4));
    CU_ASSERT_TRUE(hn_touch_in_hypercall(2, 3));
    CU_ASSERT_TRUE(vmm_session_has_sleeper(&hn.guest));
    CU_ASSERT_EQUAL(hn.guest.refs, 2);
    hn_fini();
}

static void destroy__no_session(void)
{
    hn_init(1);
    CU_ASSERT_FALSE(vmm_session_has_sleeper(&hn.guest));
    hn_fini();
}

static void fault__not_ours(void)
{
    static int ring;

    hn_init(1);
    hn_populate(0, 1);
    CU_ASSERT_FALSE(hn_touch(0, 0));
    CU_ASSERT_FALSE(hn_touch_foreign(0));
    hn_attach(0);
    hn.guest.vm_event_paging = &ring;
    CU_ASSERT_FALSE(hn_touch(0, 0));
    hn_fini();
}

static void fault__paged_page_is_demanded(void)
{
    struct xen_vmm_request req;

    start();
    CU_ASSERT_TRUE(hn_touch(2, 5));
    CU_ASSERT_EQUAL(hn.type[5], p2m_ram_paging_in);
    CU_ASSERT_EQUAL(nr_waiting(), 1);
    CU_ASSERT_EQUAL(hn.nr_notified, 1);
    CU_ASSERT_TRUE_FATAL(hn_take(DEMAND, &req));
    CU_ASSERT_EQUAL(req.gfn, 5);
    CU_ASSERT_EQUAL(req.vcpu, 2);
    CU_ASSERT_EQUAL(req.reqclass, DEMAND);
    CU_ASSERT_EQUAL(req.access, XEN_VMM_ACCESS_WRITE);
    CU_ASSERT_FALSE(hn_take(DEMAND, &req));
    CU_ASSERT_EQUAL(nr_posted(FOREIGN) + nr_posted(DROP), 0);
    CU_ASSERT_EQUAL(prepare(5), 0);
    CU_ASSERT_EQUAL(nr_waiting(), 0);
    hn_fini();
}

/* Two vCPUs on one page: two requests, or the second would not be known. */
static void fault__paging_in_page_has_waiters(void)
{
    start();
    hn_touch(0, 5);
    hn_touch(1, 5);
    hn_touch_foreign(5);
    CU_ASSERT_EQUAL(nr_posted(DEMAND), 2);
    CU_ASSERT_EQUAL(nr_posted(FOREIGN), 0);
    CU_ASSERT_EQUAL(nr_waiting(), 2);
    CU_ASSERT_EQUAL(prepare(5), 0);
    CU_ASSERT_EQUAL(nr_waiting(), 0);
    hn_fini();
}

static void fault__nominated_page_is_rescued(void)
{
    start();
    CU_ASSERT_EQUAL(hn_page_op(XEN_VMM_OP_nominate, 9, NULL), 0);
    CU_ASSERT_TRUE(hn_touch(0, 9));
    CU_ASSERT_EQUAL(hn.type[9], p2m_ram_rw);
    CU_ASSERT_EQUAL(hn_page_op(XEN_VMM_OP_nominate, 9, NULL), 0);
    CU_ASSERT_TRUE(hn_touch_foreign(9));
    CU_ASSERT_EQUAL(hn.type[9], p2m_ram_rw);
    CU_ASSERT_EQUAL(session()->nr_rescued, 2);
    CU_ASSERT_EQUAL(nr_posted(DEMAND) + nr_posted(FOREIGN), 0);
    CU_ASSERT_EQUAL(nr_waiting() + hn.nr_notified, 0);
    CU_ASSERT_EQUAL(hn_page_op(XEN_VMM_OP_evict, 9, NULL), -EBUSY);

    /* It could not be: the guest tries again. */
    CU_ASSERT_EQUAL(hn_page_op(XEN_VMM_OP_nominate, 9, NULL), 0);
    hn_fail(HN_SET_ENTRY, 1);
    CU_ASSERT_TRUE(hn_touch(0, 9));
    CU_ASSERT_EQUAL(session()->nr_rescued, 2);
    CU_ASSERT_EQUAL(nr_waiting(), 0);
    hn_fini();
}

static void fault__resident_page_or_hole(void)
{
    start();
    CU_ASSERT_TRUE(hn_touch(0, 9));
    CU_ASSERT_TRUE(hn_touch(0, 1000));
    CU_ASSERT_EQUAL(nr_waiting(), 0);
    hn_fini();
}

static void fault__foreign_with_full_ring_leaves_it_paged(void)
{
    start();
    fill(FOREIGN, true);
    CU_ASSERT_TRUE(hn_touch_foreign(5));
    CU_ASSERT_EQUAL(hn.type[5], p2m_ram_paged);
    CU_ASSERT_EQUAL(hn.nr_notified, 0);
    CU_ASSERT_EQUAL(nr_waiting(), 0);
    fill(FOREIGN, false);
    CU_ASSERT_TRUE(hn_touch_foreign(5));
    CU_ASSERT_EQUAL(hn.type[5], p2m_ram_paging_in);
    CU_ASSERT_EQUAL(nr_posted(FOREIGN), 1);
    CU_ASSERT_EQUAL(hn.nr_notified, 1);
    /* It does not keep a vCPU from its page. */
    fill(FOREIGN, true);
    hn_touch(0, 6);
    CU_ASSERT_EQUAL(nr_posted(DEMAND), 1);
    hn_fini();
}

/* As if it were another domain's: nobody would wait, or ask, for it. */
static void fault__of_a_vcpu_that_waits_with_full_ring(void)
{
    start();
    hn_touch(0, 5);
    fill(FOREIGN, true);
    hn_touch(0, 6);
    CU_ASSERT_EQUAL(hn.type[6], p2m_ram_paged);
    fill(FOREIGN, false);
    hn_touch(0, 6);
    CU_ASSERT_EQUAL(hn.type[6], p2m_ram_paging_in);
    CU_ASSERT_EQUAL(nr_posted(FOREIGN), 1);
    hn_fini();
}

static void fault__entry_cannot_be_changed(void)
{
    start();
    hn_fail(HN_SET_ENTRY, 1);
    CU_ASSERT_TRUE(hn_touch(0, 5));
    CU_ASSERT_EQUAL(hn.type[5], p2m_ram_paged);
    CU_ASSERT_EQUAL(nr_waiting(), 0);
    CU_ASSERT_EQUAL(nr_posted(DEMAND), 0);
    hn_fini();
}

/* Xen may touch a second page for a vCPU that is to be paused. */
static void fault__of_a_vcpu_that_waits(void)
{
    struct xen_vmm_request req;

    start();
    hn_touch(0, 5);
    hn_touch(0, 6);
    CU_ASSERT_EQUAL(nr_waiting(), 1);
    CU_ASSERT_EQUAL(gfn_x(session()->waiters[0].gfn), 5);
    CU_ASSERT_TRUE_FATAL(hn_take(FOREIGN, &req));
    CU_ASSERT_EQUAL(req.gfn, 6);
    CU_ASSERT_EQUAL(req.vcpu, 0);
    /* Once more the page that it waits for. */
    hn_touch(0, 5);
    CU_ASSERT_FALSE(hn_take(FOREIGN, &req));
    CU_ASSERT_EQUAL(nr_posted(DEMAND), 1);
    CU_ASSERT_EQUAL(prepare(6), 0);
    CU_ASSERT_EQUAL(nr_waiting(), 1);
    CU_ASSERT_EQUAL(prepare(5), 0);
    CU_ASSERT_EQUAL(nr_waiting(), 0);
    hn_fini();
}

static void repost__request_that_did_not_fit(void)
{
    struct xen_vmm_request req;

    start();
    fill(DEMAND, true);
    hn_touch(1, 5);
    CU_ASSERT_EQUAL(nr_waiting(), 1);
    CU_ASSERT_EQUAL(nr_posted(DEMAND), 0);
    CU_ASSERT_EQUAL(hn.nr_notified, 0);
    /* Each operation looks again. */
    CU_ASSERT_EQUAL(prepare(0), 0);
    CU_ASSERT_EQUAL(nr_posted(DEMAND), 0);
    fill(DEMAND, false);
    CU_ASSERT_EQUAL(prepare(1), 0);
    CU_ASSERT_EQUAL(prepare(2), 0);
    CU_ASSERT_EQUAL(nr_posted(DEMAND), 1);
    CU_ASSERT_TRUE_FATAL(hn_take(DEMAND, &req));
    CU_ASSERT_EQUAL(req.gfn, 5);
    CU_ASSERT_EQUAL(req.vcpu, 1);
    CU_ASSERT_EQUAL(req.access, XEN_VMM_ACCESS_WRITE);
    hn_fini();
}

static void wake__only_who_waits_for_the_page(void)
{
    start();
    hn_touch(0, 5);
    hn_touch(1, 6);
    CU_ASSERT_TRUE(hn_touch_in_hypercall(2, 5));
    CU_ASSERT_TRUE(hn_touch_in_hypercall(3, 6));
    vmm_session_wake(&hn.guest, _gfn(7));
    CU_ASSERT_EQUAL(session()->nr_waiting, 4);
    CU_ASSERT_EQUAL(hn.vcpus[0].pause_count, 1);
    vmm_session_wake(&hn.guest, _gfn(5));
    CU_ASSERT_EQUAL(session()->nr_waiting, 2);
    CU_ASSERT_EQUAL(hn.vcpus[0].pause_count, 0);
    CU_ASSERT_EQUAL(hn.vcpus[1].pause_count, 1);
    /* A second time is no unpause too many. */
    vmm_session_wake(&hn.guest, _gfn(5));
    /* All sleepers were woken, to look; here nobody goes back to sleep. */
    CU_ASSERT_FALSE(vmm_session_has_sleeper(&hn.guest));
    CU_ASSERT_EQUAL(session()->waiters[3].how, VMM_WAIT_SLEEPING);
    vmm_session_wake(&hn.guest, _gfn(6));
    CU_ASSERT_EQUAL(nr_waiting(), 0);
    hn_fini();
}

static void resume__wakes_waiters(void)
{
    start();
    hn_touch(0, 5);
    CU_ASSERT_EQUAL(hn_page_op(XEN_VMM_OP_resume, 5, NULL), -ENOENT);
    CU_ASSERT_EQUAL(nr_waiting(), 0);
    hn_touch(0, 5);
    CU_ASSERT_EQUAL(nr_waiting(), 1);
    hn_fini();
}

static void dropped__wakes_waiters_and_tells_the_pager(void)
{
    struct xen_vmm_request req;

    start();
    hn_touch(0, 5);
    CU_ASSERT_TRUE(hn_touch_in_hypercall(1, 5));
    hn_touch(2, 6);
    hn.nr_notified = 0;
    hn_drop(5);
    CU_ASSERT_EQUAL(nr_waiting(), 1);
    CU_ASSERT_EQUAL(hn.nr_notified, 1);
    CU_ASSERT_TRUE_FATAL(hn_take(DROP, &req));
    CU_ASSERT_EQUAL(req.gfn, 5);
    CU_ASSERT_EQUAL(req.reqclass, DROP);

    fill(DROP, true);
    hn_drop(6);
    CU_ASSERT_EQUAL(nr_waiting(), 0);
    CU_ASSERT_EQUAL(session()->nr_drop_lost, 1);
    CU_ASSERT_EQUAL(nr_posted(DROP), 1);
    hn_fini();
}

static void dropped__no_session(void)
{
    hn_init(1);
    CU_ASSERT_FALSE(vmm_session_dropped(&hn.guest, _gfn(0)));
    hn_fini();
}

static void wait__cannot_sleep_here(void)
{
    struct vcpu *v = &hn.vcpus[0];

    start();
    hn_touch(0, 5);
    vmm_session_in_hypercall(v, true);
    /* Somebody else's vCPU. */
    CU_ASSERT_FALSE(vmm_session_wait(v));
    hn.cur = v;
    hn.atomic = true;
    CU_ASSERT_FALSE(vmm_session_wait(v));
    hn.atomic = false;
    hn.stack_bytes = PAGE_SIZE;
    CU_ASSERT_FALSE(vmm_session_wait(v));
    hn.stack_bytes = 512;
    vmm_session_in_hypercall(v, false);
    CU_ASSERT_FALSE(vmm_session_wait(v));
    hn.cur = &hn.control_vcpu;
    CU_ASSERT_EQUAL(session()->waiters[0].how, VMM_WAIT_PAUSED);
    CU_ASSERT_EQUAL(nr_waiting(), 1);
    hn_fini();

    hn_init(1);
    hn.cur = v;
    vmm_session_in_hypercall(v, true);
    CU_ASSERT_FALSE(vmm_session_wait(v));
    hn.cur = &hn.control_vcpu;
    hn_fini();
}

static void wait__page_is_in_already(void)
{
    start();
    CU_ASSERT_FALSE(hn_touch_in_hypercall(0, 9));
    CU_ASSERT_EQUAL(session()->nr_hypercall_waits, 0);
    hn_fini();
}

/* Else the hypercall would try again for ever, without sleeping. */
static void wait__page_could_not_be_asked_for(void)
{
    struct xen_vmm_op op = { .cmd = 0 };
    static int ring;

    start();
    vmm_session_in_hypercall(&hn.vcpus[0], true);
    hn_fail(HN_SET_ENTRY, 1);
    hn_touch(0, 5);
    hn.cur = &hn.vcpus[0];
    CU_ASSERT_FALSE(vmm_session_wait(&hn.vcpus[0]));
    hn.cur = &hn.control_vcpu;
    hn_fini();

    /* By a pager of the other kind. */
    hn_init(1);
    hn_attach(0);
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_detach), 0);
    hn.guest.vm_event_paging = &ring;
    hn.cur = &hn.vcpus[0];
    vmm_session_in_hypercall(hn.cur, true);
    CU_ASSERT_FALSE(vmm_session_populate(&hn.guest, _gfn(1)));
    CU_ASSERT_FALSE(vmm_session_wait(hn.cur));
    hn.cur = &hn.control_vcpu;
    hn_fini();
}

static void wait__sleeps_until_woken(void)
{
    struct xen_vmm_request req;

    start();
    CU_ASSERT_TRUE(hn_touch_in_hypercall(0, 5));
    CU_ASSERT_EQUAL(nr_waiting(), 1);
    CU_ASSERT_EQUAL(session()->nr_hypercall_waits, 1);
    CU_ASSERT_TRUE_FATAL(hn_take(DEMAND, &req));
    CU_ASSERT_EQUAL(req.access, 0);
    CU_ASSERT_TRUE(vmm_session_has_sleeper(&hn.guest));
    CU_ASSERT_EQUAL(prepare(5), 0);
    CU_ASSERT_FALSE(vmm_session_has_sleeper(&hn.guest));
    CU_ASSERT_EQUAL(nr_waiting(), 0);
    hn_fini();
}

static void pager_brings_6_then_5(void)
{
    static unsigned int nr_slept;

    hn.cur = &hn.control_vcpu;
    CU_ASSERT_FALSE(session()->waiters[0].in_hypercall);
    CU_ASSERT_EQUAL(prepare(nr_slept++ % 2 ? 5 : 6), 0);
}

/* A sleeper of another page is woken with it, and is not meant. */
static void wait__sleeps_again_if_not_meant(void)
{
    start();
    CU_ASSERT_TRUE(hn_touch_in_hypercall(1, 6));
    hn.meanwhile[HN_SLEEP] = pager_brings_6_then_5;
    hn_fail(HN_SLEEP, 0);
    CU_ASSERT_FALSE(hn_touch_in_hypercall(0, 5));
    CU_ASSERT_EQUAL(hn.nr_calls[HN_SLEEP], 2);
    CU_ASSERT_EQUAL(hn.type[5], p2m_ram_rw);
    CU_ASSERT_EQUAL(nr_waiting(), 0);
    hn_fini();
}

static void stat__counts(void)
{
    struct xen_vmm_op op = { .cmd = 0 };
    const struct xen_vmm_stat *stat = &op.u.stat;
    unsigned long i;

    start();
    hn_touch(0, 0);
    hn_touch_in_hypercall(1, 1);
    hn_touch_foreign(2);
    hn_drop(3);
    hn_page_op(XEN_VMM_OP_nominate, 9, NULL);
    hn_touch(2, 9);
    fill(DROP, true);
    hn_drop(4);
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_stat), 0);
    CU_ASSERT_EQUAL(stat->tot_pages, 8);
    CU_ASSERT_EQUAL(stat->paged_pages, 6);
    CU_ASSERT_EQUAL(stat->max_gfn, 15);
    CU_ASSERT_EQUAL(stat->nr_demand, 2);
    CU_ASSERT_EQUAL(stat->nr_foreign, 1);
    CU_ASSERT_EQUAL(stat->nr_drop, 1);
    CU_ASSERT_EQUAL(stat->nr_drop_lost, 1);
    CU_ASSERT_EQUAL(stat->nr_rescued, 1);
    CU_ASSERT_EQUAL(stat->nr_hypercall_waits, 1);
    CU_ASSERT_EQUAL(stat->nr_waiting, 2);

    /* Of this session, whoever is its pager, and of no other. */
    CU_ASSERT_EQUAL(hn_attach(XEN_VMM_ATTACH_TAKEOVER), 0);
    CU_ASSERT_TRUE(session()->nr_requests[FOREIGN] == 1 &&
                   session()->nr_rescued == 1);
    for (i = 0; i < 8; i++) {
        (void)prepare(i);
    }
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_detach), 0);
    CU_ASSERT_EQUAL(hn_attach(0), 0);
    CU_ASSERT_EQUAL(session()->nr_requests[DEMAND] +
                    session()->nr_requests[FOREIGN] +
                    session()->nr_drop_lost + session()->nr_rescued +
                    session()->nr_hypercall_waits, 0);
    CU_ASSERT_EQUAL(stat->now_ns, (uint64_t)hn.now);
    hn_fini();
}

static const struct ut_case cases[] = {
    UT_CASE(attach__every_refusal),
    UT_CASE(attach__wrong_state),
    UT_CASE(attach__answers),
    UT_CASE(attach__each_allocation_fails),
    UT_CASE(attach__takeover_reposts_each_waiter_once),
    UT_CASE(attach__takeover_without_a_port_changes_nothing),
    UT_CASE(detach__refused),
    UT_CASE(detach__nominated_page_comes_back),
    UT_CASE(destroy__with_waiters_and_sleepers),
    UT_CASE(destroy__no_session),
    UT_CASE(fault__not_ours),
    UT_CASE(fault__paged_page_is_demanded),
    UT_CASE(fault__paging_in_page_has_waiters),
    UT_CASE(fault__nominated_page_is_rescued),
    UT_CASE(fault__resident_page_or_hole),
    UT_CASE(fault__foreign_with_full_ring_leaves_it_paged),
    UT_CASE(fault__of_a_vcpu_that_waits_with_full_ring),
    UT_CASE(fault__entry_cannot_be_changed),
    UT_CASE(fault__of_a_vcpu_that_waits),
    UT_CASE(repost__request_that_did_not_fit),
    UT_CASE(wake__only_who_waits_for_the_page),
    UT_CASE(resume__wakes_waiters),
    UT_CASE(dropped__wakes_waiters_and_tells_the_pager),
    UT_CASE(dropped__no_session),
    UT_CASE(wait__cannot_sleep_here),
    UT_CASE(wait__page_is_in_already),
    UT_CASE(wait__page_could_not_be_asked_for),
    UT_CASE(wait__sleeps_until_woken),
    UT_CASE(wait__sleeps_again_if_not_meant),
    UT_CASE(stat__counts),
};

UT_MAIN("hvm-hooks/session", cases)
