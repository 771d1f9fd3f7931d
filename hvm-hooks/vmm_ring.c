/* SPDX-License-Identifier: GPL-2.0-only */
/* vmm_ring.c: the request rings of a session, one a class. */

#include <xen/domain_page.h>
#include <xen/vmap.h>
#include <xsm/xsm.h>

#include "vmm_private.h"

static xen_vmm_request_t *slot_of(const struct vmm_session *s,
                                  unsigned int reqclass, uint32_t idx)
{
    xen_vmm_request_t *slots = (void *)s->ring + PAGE_SIZE;

    return &slots[reqclass * XEN_VMM_RING_SLOTS + idx % XEN_VMM_RING_SLOTS];
}

void vmm_ring_free(struct vmm_session *s)
{
    unsigned int i;

    if ( s->ring )
        vunmap(s->ring);
    s->ring = NULL;

    for ( i = 0; i < XEN_VMM_RING_FRAMES; i++ )
    {
        struct page_info *pg = s->pages[i];

        if ( !pg )
            continue;
        s->pages[i] = NULL;
        put_page_alloc_ref(pg);
        put_page_and_type(pg);
    }
}

int vmm_ring_alloc(struct domain *d, struct vmm_session *s)
{
    mfn_t mfns[XEN_VMM_RING_FRAMES];
    unsigned int i;

    BUILD_BUG_ON(sizeof(xen_vmm_request_t) != 32);
    BUILD_BUG_ON(sizeof(struct xen_vmm_ring) > PAGE_SIZE);
    BUILD_BUG_ON(sizeof(struct xen_vmm_op) != 128);
    BUILD_BUG_ON((XEN_VMM_RING_FRAMES - 1) * PAGE_SIZE !=
                 XEN_VMM_NR_CLASSES * XEN_VMM_RING_SLOTS *
                 sizeof(xen_vmm_request_t));

    for ( i = 0; i < XEN_VMM_RING_FRAMES; i++ )
    {
        struct page_info *pg = alloc_domheap_page(d, MEMF_no_refcount);

        if ( !pg )
            goto nomem;

        if ( !get_page_and_type(pg, d, PGT_writable_page) )
        {
            /* Nobody can know of the page yet. */
            domain_crash(d);
            vmm_ring_free(s);
            return -ENODATA;
        }

        s->pages[i] = pg;
        mfns[i] = page_to_mfn(pg);
        clear_domain_page(mfns[i]);
    }

    s->ring = vmap(mfns, XEN_VMM_RING_FRAMES);
    if ( !s->ring )
        goto nomem;

    return 0;

 nomem:
    vmm_ring_free(s);
    return -ENOMEM;
}

void vmm_ring_reset(struct vmm_session *s)
{
    struct xen_vmm_ring *ring = s->ring;

    memset(s->prod, 0, sizeof(s->prod));
    memset(ring, 0, sizeof(*ring));
    ring->version = XEN_VMM_INTERFACE_VERSION;
    ring->nr_slots = XEN_VMM_RING_SLOTS;
    ring->nr_classes = XEN_VMM_NR_CLASSES;
    ring->slot_bytes = sizeof(xen_vmm_request_t);
    ring->slots_offset_bytes = PAGE_SIZE;
    smp_wmb();
    ring->magic = XEN_VMM_RING_MAGIC;
}

/*
 * cons belongs to the pager: any distance but one of 0 to the number of slots
 * reads as a full ring, which harms nobody but the pager.
 */
bool vmm_ring_has_room(const struct vmm_session *s, unsigned int reqclass)
{
    uint32_t cons = read_atomic(&s->ring->index[reqclass].cons);

    return s->prod[reqclass] - cons < XEN_VMM_RING_SLOTS;
}

bool vmm_ring_post(struct vmm_session *s, unsigned int reqclass, gfn_t gfn,
                   unsigned int vcpu, unsigned int access, s_time_t when)
{
    xen_vmm_request_t *slot;

    ASSERT(spin_is_locked(&s->lock));

    if ( !vmm_ring_has_room(s, reqclass) )
        return false;

    slot = slot_of(s, reqclass, s->prod[reqclass]);
    *slot = (xen_vmm_request_t){
        .gfn = gfn_x(gfn),
        .time_ns = when,
        .vcpu = vcpu,
        .reqclass = reqclass,
        .access = access,
        .seq = ++s->seq,
    };
    smp_wmb();
    write_atomic(&s->ring->index[reqclass].prod, ++s->prod[reqclass]);
    s->nr_requests[reqclass]++;

    return true;
}

unsigned int vmm_ring_max_frames(const struct domain *d)
{
    return vmm_session_active(d) ? XEN_VMM_RING_FRAMES : 0;
}

int vmm_ring_acquire(struct domain *d, unsigned int id, unsigned int frame,
                     unsigned int nr_frames, xen_pfn_t mfn_list[])
{
    struct vmm_session *s = d->vmm;
    unsigned int i;
    int rc;

    if ( id )
        return -EINVAL;
    if ( !s )
        return -ENOENT;

    rc = xsm_vmm_op(XSM_PRIV, d, XEN_VMM_OP_attach);
    if ( rc )
        return rc;

    spin_lock(&s->lock);
    if ( !s->active )
        rc = -ENOENT;
    else if ( frame > XEN_VMM_RING_FRAMES ||
              nr_frames > XEN_VMM_RING_FRAMES - frame )
        rc = -EINVAL;
    else
    {
        for ( i = 0; i < nr_frames; i++ )
            mfn_list[i] = mfn_x(page_to_mfn(s->pages[frame + i]));
        rc = nr_frames;
    }
    spin_unlock(&s->lock);

    return rc;
}
