/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmm_page.c: the life of one page: nominate, evict, prepare, resume.
 *
 * A frame is read only after the flush that took it from the guest, which is
 * complete when the p2m lock is dropped (NPT flushes at each entry, EPT at
 * the unlock), and freed only after that.
 */

#include <xen/domain_page.h>
#include <xen/guest_access.h>
#include <asm/p2m.h>

#include "../mm-locks.h"
#include "vmm_private.h"

static p2m_type_t ram_type(struct domain *d)
{
    return paging_mode_log_dirty(d) ? p2m_ram_logdirty : p2m_ram_rw;
}

/* nr_refs: what the p2m has, and what we took ourselves. */
static bool only_guest_uses(const struct page_info *pg, unsigned int nr_refs)
{
    return !is_special_page(pg) &&
           (pg->count_info & (PGC_count_mask | PGC_allocated)) ==
           (nr_refs | PGC_allocated) &&
           !(pg->u.inuse.type_info & PGT_count_mask);
}

static bool gfn_in_range(const struct p2m_domain *p2m, gfn_t gfn)
{
    return gfn_x(gfn) <= p2m->max_mapped_pfn;
}

int vmm_page_nominate(struct domain *d, gfn_t gfn,
                      XEN_GUEST_HANDLE_PARAM(char) buf)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    struct page_info *pg = NULL;
    p2m_type_t t;
    p2m_access_t a;
    mfn_t mfn;
    void *va;
    int rc;

    if ( !gfn_in_range(p2m, gfn) )
        return -EINVAL;

    gfn_lock(p2m, gfn, 0);

    rc = -EBUSY;
    mfn = p2m->get_entry(p2m, gfn, &t, &a, 0, NULL, NULL);
    if ( !mfn_valid(mfn) || !p2m_is_pageable(t) || is_iomem_page(mfn) )
        goto out;

    pg = mfn_to_page(mfn);
    if ( !only_guest_uses(pg, 1) || !get_page(pg, d) )
    {
        pg = NULL;
        goto out;
    }

    rc = p2m_set_entry(p2m, gfn, mfn, PAGE_ORDER_4K, p2m_ram_paging_out, a);

 out:
    gfn_unlock(p2m, gfn, 0);

    if ( !rc && !guest_handle_is_null(buf) )
    {
        va = map_domain_page(mfn);
        if ( copy_to_guest(buf, (char *)va, PAGE_SIZE) )
            rc = -EFAULT;
        unmap_domain_page(va);

        if ( rc )
            vmm_page_resume(d, gfn);
    }

    if ( pg )
        put_page(pg);

    return rc;
}

int vmm_page_evict(struct domain *d, gfn_t gfn)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    struct page_info *pg = NULL;
    p2m_type_t t;
    p2m_access_t a;
    mfn_t mfn;
    int rc;

    if ( !gfn_in_range(p2m, gfn) )
        return -EINVAL;

    gfn_lock(p2m, gfn, 0);

    mfn = p2m->get_entry(p2m, gfn, &t, &a, 0, NULL, NULL);
    if ( t != p2m_ram_paging_out )
    {
        rc = mfn_valid(mfn) ? -EBUSY : -ENOENT;
        goto out;
    }

    pg = mfn_to_page(mfn);
    if ( !get_page(pg, d) )
        pg = NULL;

    /* If somebody mapped it since, the guest may as well have it back. */
    rc = -EBUSY;
    if ( pg && only_guest_uses(pg, 2) )
        rc = p2m_set_entry(p2m, gfn, INVALID_MFN, PAGE_ORDER_4K,
                           p2m_ram_paged, a);
    if ( rc )
    {
        vmm_page_resume(d, gfn);
        goto out;
    }

    put_page_alloc_ref(pg);
    atomic_inc(&d->paged_pages);

 out:
    gfn_unlock(p2m, gfn, 0);

    if ( pg )
    {
        /* Another domain may get the frame; it must not get the contents. */
        if ( !rc )
            scrub_one_page(pg);
        put_page(pg);
    }

    return rc;
}

int vmm_page_resume(struct domain *d, gfn_t gfn)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    p2m_type_t t;
    p2m_access_t a;
    mfn_t mfn;
    int rc;

    if ( !gfn_in_range(p2m, gfn) )
        return -EINVAL;

    gfn_lock(p2m, gfn, 0);

    mfn = p2m->get_entry(p2m, gfn, &t, &a, 0, NULL, NULL);
    if ( t == p2m_ram_paging_out )
        rc = p2m_set_entry(p2m, gfn, mfn, PAGE_ORDER_4K, ram_type(d), a);
    else
        rc = mfn_valid(mfn) ? -EEXIST : -ENOENT;

    gfn_unlock(p2m, gfn, 0);

    return rc;
}

int vmm_page_prepare(struct domain *d, gfn_t gfn,
                     XEN_GUEST_HANDLE_PARAM(char) buf, bool cold)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    struct page_info *pg;
    p2m_type_t t;
    p2m_access_t a;
    mfn_t mfn;
    void *va;
    int rc;

    if ( !gfn_in_range(p2m, gfn) )
        return -EINVAL;

    /*
     * Allocate and fill first: the p2m lock is the one that every nested
     * fault of the domain takes.
     */
    gfn_lock(p2m, gfn, 0);
    mfn = p2m->get_entry(p2m, gfn, &t, &a, 0, NULL, NULL);
    gfn_unlock(p2m, gfn, 0);

    if ( t != p2m_ram_paged && t != p2m_ram_paging_in )
    {
        rc = vmm_page_resume(d, gfn);
        goto wake;
    }

    if ( guest_handle_is_null(buf) )
        return -EINVAL;

    pg = alloc_domheap_page(d, 0);
    if ( !pg )
        return -ENOMEM;
    if ( !get_page(pg, d) )
    {
        /* Nobody can know of the page yet. */
        domain_crash(d);
        return -ENODATA;
    }

    mfn = page_to_mfn(pg);
    va = map_domain_page(mfn);
    rc = copy_from_guest((char *)va, buf, PAGE_SIZE) ? -EFAULT : 0;
    unmap_domain_page(va);
    if ( rc )
        goto drop;

    gfn_lock(p2m, gfn, 0);
    p2m->get_entry(p2m, gfn, &t, &a, 0, NULL, NULL);
    if ( t == p2m_ram_paged || t == p2m_ram_paging_in )
    {
        rc = p2m_set_entry(p2m, gfn, mfn, PAGE_ORDER_4K, ram_type(d), a);
        if ( !rc )
        {
            set_gpfn_from_mfn(mfn_x(mfn), gfn_x(gfn));
            atomic_dec(&d->paged_pages);
            if ( cold )
                vmm_access_clear(d, gfn);
        }
    }
    else
        /* The guest gave it up, or put another page there, meanwhile. */
        rc = -ENOENT;
    gfn_unlock(p2m, gfn, 0);

 drop:
    if ( rc )
        put_page_alloc_ref(pg);
    put_page(pg);

 wake:
    if ( rc != -EFAULT && rc != -ENOMEM )
        vmm_session_wake(d, gfn);

    return rc;
}

int vmm_page_move(struct domain *d, mfn_t mfn)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    gfn_t gfn = _gfn(get_gpfn_from_mfn(mfn_x(mfn)));
    struct page_info *old = mfn_to_page(mfn), *pg;
    bool taken = false;
    p2m_type_t t;
    p2m_access_t a;
    mfn_t to;
    int rc;

    /* A device would go on with the old one. */
    if ( !is_hvm_domain(d) || !paging_mode_hap(d) || is_iommu_enabled(d) ||
         !gfn_in_range(p2m, gfn) )
        return -EOPNOTSUPP;

    pg = alloc_domheap_page(d, 0);
    if ( !pg )
        return -ENOMEM;
    if ( !get_page(pg, d) )
    {
        domain_crash(d);
        return -ENODATA;
    }
    to = page_to_mfn(pg);

    gfn_lock(p2m, gfn, 0);

    rc = -EBUSY;
    if ( !mfn_eq(p2m->get_entry(p2m, gfn, &t, &a, 0, NULL, NULL), mfn) ||
         !p2m_is_pageable(t) || !only_guest_uses(old, 1) ||
         !(taken = get_page(old, d)) )
        goto out;

    /* Nobody writes to it while it is copied: the lock keeps faults waiting. */
    rc = p2m_set_entry(p2m, gfn, mfn, PAGE_ORDER_4K, p2m_ram_paging_out, a);
    if ( rc )
        goto out;
    p2m_tlb_flush_sync(p2m);

    /* A grant may have been mapped, or an argument looked at, before that. */
    rc = only_guest_uses(old, 2) ? 0 : -EBUSY;
    if ( !rc )
    {
        copy_domain_page(to, mfn);
        rc = p2m_set_entry(p2m, gfn, to, PAGE_ORDER_4K, t, a);
    }
    if ( rc )
    {
        if ( p2m_set_entry(p2m, gfn, mfn, PAGE_ORDER_4K, t, a) )
            domain_crash(d);
    }
    else
    {
        set_gpfn_from_mfn(mfn_x(mfn), INVALID_M2P_ENTRY);
        set_gpfn_from_mfn(mfn_x(to), gfn_x(gfn));
        put_page_alloc_ref(old);
    }

 out:
    gfn_unlock(p2m, gfn, 0);

    if ( taken )
        put_page(old);
    if ( rc )
        put_page_alloc_ref(pg);
    put_page(pg);

    return rc;
}
