/* SPDX-License-Identifier: GPL-2.0-only */
/* test_ring.c: the request rings, and a pager that writes nonsense to them. */
#include "hvm-hooks/vmm_ring.c"

#include "lib/ut.h"

#define DEMAND XEN_VMM_CLASS_DEMAND
#define FOREIGN XEN_VMM_CLASS_FOREIGN
#define SLOTS XEN_VMM_RING_SLOTS

static struct vmm_session *s;

static void start(void)
{
    hn_init(1);
    CU_ASSERT_EQUAL_FATAL(hn_attach(0), 0);
    s = hn.guest.vmm;
}

static bool post(unsigned int reqclass, unsigned long gfn)
{
    bool posted;

    spin_lock(&s->lock);
    posted = vmm_ring_post(s, reqclass, _gfn(gfn), 3, XEN_VMM_ACCESS_EXEC,
                           (s_time_t)gfn * 10);
    spin_unlock(&s->lock);
    return posted;
}

static void set_cons(unsigned int reqclass, uint32_t cons)
{
    s->ring->index[reqclass].cons = cons;
}

static void alloc__layout(void)
{
    const struct xen_vmm_ring *ring;
    unsigned int i;

    start();
    ring = s->ring;
    CU_ASSERT_EQUAL(ring->magic, XEN_VMM_RING_MAGIC);
    CU_ASSERT_EQUAL(memcmp(&ring->magic, "VMM0RING", 8), 0);
    CU_ASSERT_EQUAL(ring->version, XEN_VMM_INTERFACE_VERSION);
    CU_ASSERT_EQUAL(ring->nr_slots, SLOTS);
    CU_ASSERT_EQUAL(ring->nr_classes, XEN_VMM_NR_CLASSES);
    CU_ASSERT_EQUAL(ring->slot_bytes, sizeof(struct xen_vmm_request));
    CU_ASSERT_EQUAL(ring->slots_offset_bytes, PAGE_SIZE);
    for (i = 0; i < XEN_VMM_NR_CLASSES; i++) {
        CU_ASSERT_EQUAL(ring->index[i].prod + ring->index[i].cons, 0);
    }
    /* Nothing of the frames' old contents is shown to the pager. */
    for (i = PAGE_SIZE; i < XEN_VMM_RING_FRAMES * PAGE_SIZE; i++) {
        if (((const uint8_t *)ring)[i]) {
            CU_FAIL("a slot is not clear");
            break;
        }
    }
    hn_fini();
}

static void alloc__reference_refused(void)
{
    unsigned int nth;

    for (nth = 1; nth <= XEN_VMM_RING_FRAMES; nth++) {
        hn_init(1);
        hn_fail(HN_GET_PAGE, nth);
        CU_ASSERT_EQUAL(hn_attach(0), -ENODATA);
        CU_ASSERT_TRUE(hn.guest.crashed);
        hn.guest.crashed = false;
        /* Of one frame nobody knows, and it goes with the domain. */
        put_page_alloc_ref(&hn.frames[mfn_x(hn.p2m.root) + 2 + nth]);
        hn_fini();
    }
}

static void post__each_class_has_its_own_ring(void)
{
    struct xen_vmm_request req;
    unsigned int i;

    start();
    for (i = 0; i < XEN_VMM_NR_CLASSES; i++) {
        CU_ASSERT_TRUE(post(i, 100 + i));
    }
    for (i = 0; i < XEN_VMM_NR_CLASSES; i++) {
        CU_ASSERT_TRUE_FATAL(hn_take(i, &req));
        CU_ASSERT_EQUAL(req.gfn, 100 + i);
        CU_ASSERT_EQUAL(req.time_ns, 1000 + 10 * i);
        CU_ASSERT_EQUAL(req.vcpu, 3);
        CU_ASSERT_EQUAL(req.reqclass, i);
        CU_ASSERT_EQUAL(req.access, XEN_VMM_ACCESS_EXEC);
        CU_ASSERT_EQUAL(req.seq, i + 1);
        CU_ASSERT_FALSE(hn_take(i, &req));
        CU_ASSERT_EQUAL(s->nr_requests[i], 1);
    }
    hn_fini();
}

static void post__wraps_and_keeps_the_order(void)
{
    unsigned int i, out = 0;
    struct xen_vmm_request req;

    start();
    /* The indices themselves wrap as well. */
    s->prod[FOREIGN] = -100u;
    s->ring->index[FOREIGN].prod = -100u;
    set_cons(FOREIGN, -100u);
    for (i = 0; i < 3 * SLOTS; i++) {
        CU_ASSERT_TRUE(post(FOREIGN, i));
        if (i % 3) {
            CU_ASSERT_TRUE_FATAL(hn_take(FOREIGN, &req));
            CU_ASSERT_EQUAL(req.gfn, out++);
        }
        if (i >= 3 * SLOTS / 2) {
            while (hn_take(FOREIGN, &req)) {
                CU_ASSERT_EQUAL(req.gfn, out++);
            }
        }
    }
    CU_ASSERT_EQUAL(out, 3 * SLOTS);
    hn_fini();
}

static void post__full(void)
{
    struct xen_vmm_request req;
    unsigned int i;

    start();
    for (i = 0; i < SLOTS; i++) {
        CU_ASSERT_TRUE(post(DEMAND, i));
    }
    CU_ASSERT_FALSE(vmm_ring_has_room(s, DEMAND));
    CU_ASSERT_FALSE(post(DEMAND, SLOTS));
    CU_ASSERT_EQUAL(s->nr_requests[DEMAND], SLOTS);
    CU_ASSERT_TRUE(vmm_ring_has_room(s, FOREIGN));
    CU_ASSERT_TRUE(hn_take(DEMAND, &req));
    CU_ASSERT_EQUAL(req.gfn, 0);
    CU_ASSERT_TRUE(post(DEMAND, SLOTS));
    CU_ASSERT_FALSE(post(DEMAND, SLOTS + 1));
    hn_fini();
}

/* What the hypervisor has not seen consumed it never writes over. */
static void post__hostile_pager(void)
{
    static const uint32_t distances[] = {
        1, 2, SLOTS - 1, SLOTS, SLOTS + 1, 0x7fffffff, 0x80000000
    };
    struct xen_vmm_request req;
    unsigned int i, n;

    start();
    for (i = 0; i < ARRAY_SIZE(distances); i++) {
        /* Ahead of prod. */
        set_cons(DEMAND, s->prod[DEMAND] + distances[i]);
        CU_ASSERT_FALSE(post(DEMAND, 1));
        /* Behind it. */
        set_cons(DEMAND, s->prod[DEMAND] - distances[i]);
        CU_ASSERT_EQUAL(post(DEMAND, 1), distances[i] < SLOTS);
    }
    /* Its prod, and all else of the header, is not ours to believe. */
    set_cons(DEMAND, s->prod[DEMAND]);
    n = s->prod[DEMAND];
    s->ring->index[DEMAND].prod = 0x12345678;
    s->ring->slots_offset_bytes = 64;
    s->ring->nr_slots = 1;
    s->ring->slot_bytes = 1u << 20;
    CU_ASSERT_TRUE(post(DEMAND, 77));
    CU_ASSERT_EQUAL(s->ring->index[DEMAND].prod, n + 1);
    s->ring->slots_offset_bytes = PAGE_SIZE;
    s->ring->nr_slots = SLOTS;
    CU_ASSERT_TRUE_FATAL(hn_take(DEMAND, &req));
    CU_ASSERT_EQUAL(req.gfn, 77);
    hn_fini();
}

/* However the pager moves cons, no write leaves the slots of the class. */
static void post__hostile_cons_at_random(void)
{
    const uint8_t *end;
    unsigned int i, seed = 1;

    start();
    end = (const uint8_t *)s->ring + PAGE_SIZE +
          SLOTS * sizeof(struct xen_vmm_request);
    for (i = 0; i < 20 * SLOTS; i++) {
        seed = seed * 1103515245 + 12345;
        set_cons(DEMAND, s->prod[DEMAND] - (seed >> 16) % (2 * SLOTS) + 8);
        (void)post(DEMAND, ~0ul);
    }
    for (i = 0; i < 2 * SLOTS * sizeof(struct xen_vmm_request); i++) {
        if (end[i]) {
            CU_FAIL("a slot of another class was written");
            break;
        }
    }
    hn_fini();
}

static void acquire__every_result(void)
{
    xen_pfn_t mfns[XEN_VMM_RING_FRAMES + 1];
    struct xen_vmm_op op = { .cmd = 0 };
    unsigned int i;

    hn_init(1);
    CU_ASSERT_EQUAL(vmm_ring_max_frames(&hn.guest), 0);
    CU_ASSERT_EQUAL(vmm_ring_acquire(&hn.guest, 0, 0, 1, mfns), -ENOENT);
    hn_fini();

    start();
    CU_ASSERT_EQUAL(vmm_ring_max_frames(&hn.guest), XEN_VMM_RING_FRAMES);
    CU_ASSERT_EQUAL(vmm_ring_acquire(&hn.guest, 0, 0, XEN_VMM_RING_FRAMES,
                                     mfns), XEN_VMM_RING_FRAMES);
    for (i = 0; i < XEN_VMM_RING_FRAMES; i++) {
        CU_ASSERT_EQUAL(mfns[i], mfn_x(page_to_mfn(s->pages[i])));
    }
    CU_ASSERT_EQUAL(vmm_ring_acquire(&hn.guest, 0, 3, 2, mfns), 2);
    CU_ASSERT_EQUAL(mfns[0], mfn_x(page_to_mfn(s->pages[3])));
    CU_ASSERT_EQUAL(vmm_ring_acquire(&hn.guest, 1, 0, 1, mfns), -EINVAL);
    CU_ASSERT_EQUAL(vmm_ring_acquire(&hn.guest, 0, 0, XEN_VMM_RING_FRAMES + 1,
                                     mfns), -EINVAL);
    CU_ASSERT_EQUAL(vmm_ring_acquire(&hn.guest, 0, XEN_VMM_RING_FRAMES, 1,
                                     mfns), -EINVAL);
    hn.xsm_rc = -EPERM;
    CU_ASSERT_EQUAL(vmm_ring_acquire(&hn.guest, 0, 0, 1, mfns), -EPERM);
    hn.xsm_rc = 0;
    CU_ASSERT_EQUAL(hn_op(&op, XEN_VMM_OP_detach), 0);
    CU_ASSERT_EQUAL(vmm_ring_max_frames(&hn.guest), 0);
    CU_ASSERT_EQUAL(vmm_ring_acquire(&hn.guest, 0, 0, 1, mfns), -ENOENT);
    hn_fini();
}

static const struct ut_case cases[] = {
    UT_CASE(alloc__layout),
    UT_CASE(alloc__reference_refused),
    UT_CASE(post__each_class_has_its_own_ring),
    UT_CASE(post__wraps_and_keeps_the_order),
    UT_CASE(post__full),
    UT_CASE(post__hostile_pager),
    UT_CASE(post__hostile_cons_at_random),
    UT_CASE(acquire__every_result),
};

UT_MAIN("hvm-hooks/ring", cases)
