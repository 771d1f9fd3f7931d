/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_page.c: nominate, evict, prepare and resume: each result, and each call
 * inside them that can fail.
 */
#include "hvm-hooks/vmm_page.c"

#include "lib/ut.h"

#define GFN 5ul

static uint8_t saved[PAGE_SIZE];
static char *const unmapped = (char *)HN_UNMAPPED_ADDR;

static void start(void)
{
    hn_init(2);
    hn_populate(0, 8);
    CU_ASSERT_EQUAL_FATAL(hn_attach(0), 0);
    memset(saved, 0, sizeof(saved));
}

static int nominate(unsigned long gfn, void *buf)
{
    return vmm_page_nominate(&hn.guest, _gfn(gfn),
                             guest_handle_from_ptr(buf, char));
}

static int evict(unsigned long gfn)
{
    return vmm_page_evict(&hn.guest, _gfn(gfn));
}

static int prepare(unsigned long gfn, void *buf)
{
    return vmm_page_prepare(&hn.guest, _gfn(gfn),
                            guest_handle_from_ptr(buf, char), false);
}

static int resume(unsigned long gfn)
{
    return vmm_page_resume(&hn.guest, _gfn(gfn));
}

static struct page_info *frame(void)
{
    return mfn_to_page(hn.mfn[GFN]);
}

static bool holds_gfn(const uint8_t *page)
{
    static uint8_t expected[PAGE_SIZE];

    memset(expected, GFN, sizeof(expected));
    return !memcmp(page, expected, sizeof(expected));
}

static void is(p2m_type_t type)
{
    CU_ASSERT_EQUAL(hn.type[GFN], type);
    hn_check();
}

static void nominate__copies_the_page(void)
{
    start();
    CU_ASSERT_EQUAL(nominate(GFN, saved), 0);
    is(p2m_ram_paging_out);
    CU_ASSERT_TRUE(holds_gfn(saved));
    hn_fini();
}

static void nominate__bad_gfn(void)
{
    start();
    CU_ASSERT_EQUAL(nominate(8, saved), -EINVAL);
    CU_ASSERT_EQUAL(nominate(~0ul, saved), -EINVAL);
    hn_fini();
}

static void nominate__not_resident(void)
{
    start();
    CU_ASSERT_EQUAL(nominate(GFN, NULL), 0);
    CU_ASSERT_EQUAL(nominate(GFN, NULL), -EBUSY);
    CU_ASSERT_EQUAL(evict(GFN), 0);
    CU_ASSERT_EQUAL(nominate(GFN, NULL), -EBUSY);
    is(p2m_ram_paged);
    hn_touch(0, GFN);
    CU_ASSERT_EQUAL(nominate(GFN, NULL), -EBUSY);
    is(p2m_ram_paging_in);
    hn_drop(GFN);
    CU_ASSERT_EQUAL(nominate(GFN, NULL), -EBUSY);
    is(p2m_invalid);
    hn_fini();
}

static void nominate__in_use_or_special(void)
{
    start();
    CU_ASSERT_TRUE(get_page(frame(), &hn.guest));
    CU_ASSERT_EQUAL(nominate(GFN, NULL), -EBUSY);
    put_page(frame());

    frame()->u.inuse.type_info = PGT_writable_page | 1;
    CU_ASSERT_EQUAL(nominate(GFN, NULL), -EBUSY);
    frame()->u.inuse.type_info = PGT_writable_page;

    frame()->count_info |= PGC_extra;
    CU_ASSERT_EQUAL(nominate(GFN, NULL), -EBUSY);
    frame()->count_info &= ~PGC_extra;

    /* The guest's reference is gone: one of somebody else keeps it. */
    frame()->count_info &= ~PGC_allocated;
    CU_ASSERT_EQUAL(nominate(GFN, NULL), -EBUSY);
    frame()->count_info |= PGC_allocated;

    hn.iomem_mfn = mfn_x(hn.mfn[GFN]);
    CU_ASSERT_EQUAL(nominate(GFN, NULL), -EBUSY);
    hn.iomem_mfn = 0;

    hn.type[GFN] = p2m_ram_ro;
    CU_ASSERT_EQUAL(nominate(GFN, NULL), -EBUSY);
    hn.type[GFN] = p2m_ram_shared;
    CU_ASSERT_EQUAL(nominate(GFN, NULL), -EBUSY);
    hn.type[GFN] = p2m_ram_rw;
    hn_check();
    CU_ASSERT_EQUAL(nominate(GFN, NULL), 0);
    hn_fini();
}

static void nominate__bad_buffer(void)
{
    start();
    CU_ASSERT_EQUAL(nominate(GFN, unmapped), -EFAULT);
    is(p2m_ram_rw);
    CU_ASSERT_EQUAL(nominate(GFN, (void *)HN_XEN_ADDR), -EFAULT);
    is(p2m_ram_rw);
    hn_fini();
}

static void guest_touches(void)
{
    hn.meanwhile[HN_COPY] = NULL;
    hn_touch(0, GFN);
}

static void nominate__touched_while_it_is_copied(void)
{
    start();
    hn.meanwhile[HN_COPY] = guest_touches;
    CU_ASSERT_EQUAL(nominate(GFN, saved), 0);
    is(p2m_ram_rw);
    CU_ASSERT_EQUAL(evict(GFN), -EBUSY);
    is(p2m_ram_rw);
    hn_fini();
}

static void guest_drops(void)
{
    hn.meanwhile[HN_COPY] = NULL;
    hn_drop(GFN);
}

/* Its frame is there until it is copied. */
static void nominate__dropped_while_it_is_copied(void)
{
    start();
    hn.meanwhile[HN_COPY] = guest_drops;
    CU_ASSERT_EQUAL(nominate(GFN, saved), 0);
    CU_ASSERT_TRUE(holds_gfn(saved));
    is(p2m_invalid);
    CU_ASSERT_EQUAL(evict(GFN), -ENOENT);
    hn_fini();
}

static void evict__frees_and_scrubs_the_frame(void)
{
    static const uint8_t zeroes[PAGE_SIZE];
    unsigned long mfn;

    start();
    CU_ASSERT_EQUAL(nominate(GFN, NULL), 0);
    mfn = mfn_x(hn.mfn[GFN]);
    CU_ASSERT_EQUAL(evict(GFN), 0);
    is(p2m_ram_paged);
    CU_ASSERT_EQUAL(hn.guest.tot_pages, 7);
    CU_ASSERT_EQUAL(hn.guest.paged_pages.counter, 1);
    CU_ASSERT_PTR_NULL(hn.frames[mfn].owner);
    CU_ASSERT_EQUAL(memcmp(hn_memory(mfn), zeroes, PAGE_SIZE), 0);
    hn_fini();
}

static void evict__wrong_state(void)
{
    start();
    CU_ASSERT_EQUAL(evict(8), -EINVAL);
    CU_ASSERT_EQUAL(evict(GFN), -EBUSY);
    is(p2m_ram_rw);
    hn_page_out(GFN);
    CU_ASSERT_EQUAL(evict(GFN), -ENOENT);
    is(p2m_ram_paged);
    hn_fini();
}

static void evict__mapped_meanwhile(void)
{
    start();
    CU_ASSERT_EQUAL(nominate(GFN, NULL), 0);
    CU_ASSERT_TRUE(get_page_and_type(frame(), &hn.guest, PGT_writable_page));
    CU_ASSERT_EQUAL_FATAL(evict(GFN), -EBUSY);
    CU_ASSERT_EQUAL(hn.type[GFN], p2m_ram_rw);
    CU_ASSERT_TRUE(holds_gfn(hn_memory(mfn_x(hn.mfn[GFN]))));
    put_page_and_type(frame());
    is(p2m_ram_rw);
    hn_fini();
}

static void evict__entry_cannot_be_changed(void)
{
    start();
    CU_ASSERT_EQUAL(nominate(GFN, NULL), 0);
    hn_fail(HN_SET_ENTRY, 1);
    CU_ASSERT_EQUAL(evict(GFN), -ENOMEM);
    is(p2m_ram_rw);
    CU_ASSERT_TRUE(holds_gfn(hn_memory(mfn_x(hn.mfn[GFN]))));
    hn_fini();
}

static void evict__reference_refused(void)
{
    start();
    CU_ASSERT_EQUAL(nominate(GFN, NULL), 0);
    hn_fail(HN_GET_PAGE, 1);
    CU_ASSERT_EQUAL(evict(GFN), -EBUSY);
    is(p2m_ram_rw);
    hn_fini();
}

static void prepare__fills_a_new_frame(void)
{
    start();
    CU_ASSERT_EQUAL(nominate(GFN, saved), 0);
    CU_ASSERT_EQUAL(evict(GFN), 0);
    CU_ASSERT_EQUAL(prepare(GFN, saved), 0);
    is(p2m_ram_rw);
    CU_ASSERT_TRUE(holds_gfn(hn_memory(mfn_x(hn.mfn[GFN]))));
    CU_ASSERT_EQUAL(hn.m2p[mfn_x(hn.mfn[GFN])], GFN);
    CU_ASSERT_EQUAL(hn.guest.paged_pages.counter, 0);
    CU_ASSERT_EQUAL(hn.guest.tot_pages, 8);
    hn_fini();
}

static void prepare__log_dirty(void)
{
    start();
    hn_page_out(GFN);
    hn.guest.log_dirty = true;
    CU_ASSERT_EQUAL(prepare(GFN, saved), 0);
    is(p2m_ram_logdirty);
    CU_ASSERT_EQUAL(nominate(GFN, saved), 0);
    CU_ASSERT_EQUAL(resume(GFN), 0);
    is(p2m_ram_logdirty);
    hn_fini();
}

static void prepare__cold(void)
{
    XEN_GUEST_HANDLE_PARAM(char) buf = guest_handle_from_ptr(saved, char);

    start();
    hn_page_out(GFN);
    CU_ASSERT_EQUAL(vmm_page_prepare(&hn.guest, _gfn(GFN), buf, true), 0);
    CU_ASSERT_FALSE(*hn_entry(GFN, NULL) & 0x20);
    CU_ASSERT_TRUE(*hn_entry(GFN + 1, NULL) & 0x20);
    hn_page_out(GFN);
    CU_ASSERT_EQUAL(vmm_page_prepare(&hn.guest, _gfn(GFN), buf, false), 0);
    CU_ASSERT_TRUE(*hn_entry(GFN, NULL) & 0x20);
    hn_fini();
}

static void prepare__nominated_or_resident(void)
{
    start();
    CU_ASSERT_EQUAL(nominate(GFN, NULL), 0);
    /* Not even read. */
    CU_ASSERT_EQUAL(prepare(GFN, unmapped), 0);
    is(p2m_ram_rw);
    CU_ASSERT_TRUE(holds_gfn(hn_memory(mfn_x(hn.mfn[GFN]))));
    CU_ASSERT_EQUAL(prepare(GFN, unmapped), -EEXIST);
    CU_ASSERT_EQUAL(prepare(8, saved), -EINVAL);
    hn_fini();
}

/* Who waits for a page that is in was forgotten: woken all the same. */
static void prepare__resident_wakes_waiters(void)
{
    start();
    hn_page_out(GFN);
    hn_touch(0, GFN);
    hn.guest.vmm->waiters[0].gfn = _gfn(GFN + 1);
    CU_ASSERT_EQUAL(prepare(GFN + 1, saved), -EEXIST);
    CU_ASSERT_EQUAL(hn.vcpus[0].pause_count, 0);
    is(p2m_ram_paging_in);
    hn_fini();
}

static void prepare__hole(void)
{
    start();
    hn_page_out(GFN);
    hn_drop(GFN);
    CU_ASSERT_EQUAL(prepare(GFN, saved), -ENOENT);
    is(p2m_invalid);
    hn_fini();
}

static void prepare__dropped_while_it_is_copied(void)
{
    start();
    hn_page_out(GFN);
    hn_touch(0, GFN);
    hn.meanwhile[HN_COPY] = guest_drops;
    CU_ASSERT_EQUAL(prepare(GFN, saved), -ENOENT);
    is(p2m_invalid);
    CU_ASSERT_EQUAL(hn.vcpus[0].pause_count, 0);
    hn_fini();
}

/* The waiter stays, and the next attempt wakes it. */
static void prepare__fails_and_is_tried_again(void)
{
    static const struct {
        enum hn_call call;
        int rc;
    } failures[] = {
        { HN_ALLOC, -ENOMEM },
        { HN_COPY, -EFAULT },
        { HN_SET_ENTRY, -ENOMEM },
    };
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(failures); i++) {
        start();
        hn_page_out(GFN);
        hn_touch(0, GFN);
        hn_fail(failures[i].call, 1);
        CU_ASSERT_EQUAL(prepare(GFN, saved), failures[i].rc);
        is(p2m_ram_paging_in);
        CU_ASSERT_EQUAL(hn.vcpus[0].pause_count, 1);
        CU_ASSERT_EQUAL(prepare(GFN, NULL), -EINVAL);
        CU_ASSERT_EQUAL(prepare(GFN, saved), 0);
        is(p2m_ram_rw);
        CU_ASSERT_EQUAL(hn.vcpus[0].pause_count, 0);
        hn_fini();
    }
}

static void resume__every_state(void)
{
    start();
    CU_ASSERT_EQUAL(resume(8), -EINVAL);
    CU_ASSERT_EQUAL(resume(GFN), -EEXIST);
    CU_ASSERT_EQUAL(nominate(GFN, NULL), 0);
    CU_ASSERT_EQUAL(resume(GFN), 0);
    is(p2m_ram_rw);
    hn_page_out(GFN);
    CU_ASSERT_EQUAL(resume(GFN), -ENOENT);
    is(p2m_ram_paged);
    hn_touch(0, GFN);
    CU_ASSERT_EQUAL(resume(GFN), -ENOENT);
    is(p2m_ram_paging_in);
    hn_fini();
}

static void nominate__superpage_is_split(void)
{
    unsigned int order;

    start();
    hn_superpage(512);
    CU_ASSERT_EQUAL(nominate(600, NULL), 0);
    (void)hn_entry(601, &order);
    CU_ASSERT_EQUAL(order, 0);
    CU_ASSERT_EQUAL(hn.type[601], p2m_ram_rw);
    CU_ASSERT_EQUAL(evict(600), 0);
    hn_check();
    hn_fini();
}

/* Out and in once; true if nothing failed on the way. */
static bool round_trip(void)
{
    int rc = nominate(GFN, saved), rc_evict;

    hn_check();
    if (rc) {
        CU_ASSERT_EQUAL(hn.type[GFN], p2m_ram_rw);
        return false;
    }
    rc_evict = evict(GFN);
    hn_check();
    CU_ASSERT_EQUAL(hn.type[GFN], rc_evict ? p2m_ram_rw : p2m_ram_paged);
    if (rc_evict) {
        return false;
    }
    hn_touch(0, GFN);
    hn_check();
    rc = prepare(GFN, saved);
    hn_check();
    if (rc) {
        CU_ASSERT_NOT_EQUAL(hn.type[GFN], p2m_ram_rw);
        CU_ASSERT_EQUAL(prepare(GFN, saved), 0);
    }
    CU_ASSERT_EQUAL(hn.vcpus[0].pause_count, 0);
    return !rc && hn.guest.vmm->nr_requests[XEN_VMM_CLASS_DEMAND];
}

static void round_trip__nth_call_fails(void)
{
    static const enum hn_call calls[] = { HN_SET_ENTRY, HN_ALLOC, HN_COPY };
    unsigned int i, nth;
    bool done;

    for (i = 0; i < ARRAY_SIZE(calls); i++) {
        nth = 0;
        do {
            start();
            hn_fail(calls[i], ++nth);
            done = round_trip();
            is(p2m_ram_rw);
            CU_ASSERT_TRUE(holds_gfn(hn_memory(mfn_x(hn.mfn[GFN]))));
            hn_fini();
        } while (!done && nth < 10);
        CU_ASSERT_EQUAL(nth, calls[i] == HN_SET_ENTRY ? 5 :
                             calls[i] == HN_COPY ? 3 : 2);
    }
}

static void nominate__reference_refused(void)
{
    start();
    hn_fail(HN_GET_PAGE, 1);
    CU_ASSERT_EQUAL(nominate(GFN, NULL), -EBUSY);
    is(p2m_ram_rw);
    hn_fini();
}

static void prepare__reference_refused(void)
{
    struct page_info *pg;

    start();
    /* The frame that is free next. */
    pg = frame();
    hn_page_out(GFN);
    hn_fail(HN_GET_PAGE, 1);
    CU_ASSERT_EQUAL(prepare(GFN, saved), -ENODATA);
    /* The frame stays with the domain, which does not live on. */
    CU_ASSERT_TRUE(hn.guest.crashed);
    CU_ASSERT_EQUAL(hn.type[GFN], p2m_ram_paged);
    CU_ASSERT_EQUAL(hn.guest.tot_pages, 8);
    hn.guest.crashed = false;
    put_page_alloc_ref(pg);
    hn_fini();
}

static int move(mfn_t mfn)
{
    return vmm_page_move(&hn.guest, mfn);
}

static void move__to_another_frame(void)
{
    mfn_t was;

    start();
    was = hn.mfn[GFN];
    CU_ASSERT_EQUAL(move(was), 0);
    is(p2m_ram_rw);
    CU_ASSERT_NOT_EQUAL(mfn_x(hn.mfn[GFN]), mfn_x(was));
    CU_ASSERT_PTR_NULL(mfn_to_page(was)->owner);
    CU_ASSERT_EQUAL(nominate(GFN, saved), 0);
    CU_ASSERT_TRUE(holds_gfn(saved));
    hn_fini();
}

/* Somebody else uses it, or it is not where it was. */
static void move__not_now(void)
{
    mfn_t mfn;

    start();
    mfn = hn.mfn[GFN];
    CU_ASSERT_TRUE(get_page(frame(), &hn.guest));
    CU_ASSERT_EQUAL(move(mfn), -EBUSY);
    put_page(frame());
    is(p2m_ram_rw);
    CU_ASSERT_EQUAL(nominate(GFN, saved), 0);
    CU_ASSERT_EQUAL(move(mfn), -EBUSY);
    is(p2m_ram_paging_out);
    CU_ASSERT_EQUAL(evict(GFN), 0);
    CU_ASSERT_NOT_EQUAL(move(mfn), 0);
    hn_fini();
}

static void move__not_of_this_domain(void)
{
    mfn_t mfn;

    start();
    mfn = hn.mfn[GFN];
    hn.guest.iommu = true;
    CU_ASSERT_EQUAL(move(mfn), -EOPNOTSUPP);
    hn.guest.iommu = false;
    hn.guest.hvm = false;
    CU_ASSERT_EQUAL(move(mfn), -EOPNOTSUPP);
    hn.guest.hvm = true;
    is(p2m_ram_rw);
    hn_fini();
}

static void move__nth_call_fails(void)
{
    static const enum hn_call calls[] = { HN_ALLOC, HN_SET_ENTRY,
                                          HN_GET_PAGE };
    unsigned int i, nth;

    for (i = 0; i < 3; i++) {
        int rc = -1;

        /* One that cannot be had of a new frame is as in prepare. */
        for (nth = calls[i] == HN_GET_PAGE ? 2 : 1; rc; nth++) {
            mfn_t mfn;

            start();
            mfn = hn.mfn[GFN];
            hn_fail(calls[i], nth);
            rc = move(mfn);
            hn_fail(calls[i], 0);
            CU_ASSERT_TRUE_FATAL(nth < 10);
            if (rc) {
                CU_ASSERT_EQUAL(mfn_x(hn.mfn[GFN]), mfn_x(mfn));
                is(p2m_ram_rw);
            }
            hn_fini();
        }
        CU_ASSERT_TRUE(nth > 2);
    }
}

static const struct ut_case cases[] = {
    UT_CASE(nominate__copies_the_page),
    UT_CASE(nominate__bad_gfn),
    UT_CASE(nominate__not_resident),
    UT_CASE(nominate__in_use_or_special),
    UT_CASE(nominate__bad_buffer),
    UT_CASE(nominate__touched_while_it_is_copied),
    UT_CASE(nominate__dropped_while_it_is_copied),
    UT_CASE(nominate__superpage_is_split),
    UT_CASE(nominate__reference_refused),
    UT_CASE(evict__frees_and_scrubs_the_frame),
    UT_CASE(evict__wrong_state),
    UT_CASE(evict__mapped_meanwhile),
    UT_CASE(evict__entry_cannot_be_changed),
    UT_CASE(evict__reference_refused),
    UT_CASE(prepare__fills_a_new_frame),
    UT_CASE(prepare__log_dirty),
    UT_CASE(prepare__cold),
    UT_CASE(prepare__nominated_or_resident),
    UT_CASE(prepare__resident_wakes_waiters),
    UT_CASE(prepare__hole),
    UT_CASE(prepare__dropped_while_it_is_copied),
    UT_CASE(prepare__fails_and_is_tried_again),
    UT_CASE(prepare__reference_refused),
    UT_CASE(resume__every_state),
    UT_CASE(round_trip__nth_call_fails),
    UT_CASE(move__to_another_frame),
    UT_CASE(move__not_now),
    UT_CASE(move__not_of_this_domain),
    UT_CASE(move__nth_call_fails),
};

UT_MAIN("hvm-hooks/page", cases)
