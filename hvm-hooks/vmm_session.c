/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmm_session.c: who waits for which page of a domain, and its pager.
 *
 * Everything that a pager needs in order to continue after another one died
 * is here and in the p2m, and nothing of it is the pager's to keep.
 */

#include <xen/event.h>
#include <xen/hypercall.h>
#include <xen/iommu.h>
#include <xen/vm_event.h>
#include <asm/altp2m.h>
#include <asm/hap.h>
#include <asm/hvm/nestedhvm.h>
#include <asm/mem_sharing.h>
#include <asm/p2m.h>

#include "../mm-locks.h"
#include "vmm_private.h"

bool vmm_session_active(const struct domain *d)
{
    const struct vmm_session *s = d->vmm;

    return s && read_atomic(&s->active);
}

bool vmm_session_has_sleeper(const struct domain *d)
{
    return d->vmm && !list_empty(&d->vmm->wq.list);
}

/* The pager consumes rings when it is told to; it has nothing to tell us. */
static void cf_check notified(struct vcpu *v, unsigned int port)
{
}

static void notify_pager(struct domain *d, struct vmm_session *s)
{
    evtchn_port_t port = read_atomic(&s->port);

    if ( port )
        notify_via_xen_event_channel(d, port);
}

static int may_attach(const struct domain *d)
{
    /* Foreign mappings of a translated control domain were never tried. */
    if ( is_hvm_domain(hardware_domain) )
        return -EOPNOTSUPP;
    if ( !is_hvm_domain(d) || !hap_enabled(d) )
        return -EOPNOTSUPP;
    if ( nestedhvm_enabled(d) || altp2m_active(d) )
        return -EOPNOTSUPP;
#ifdef CONFIG_MEM_SHARING
    if ( mem_sharing_enabled(d) )
        return -EOPNOTSUPP;
#endif
    if ( is_iommu_enabled(d) )
        return -EMLINK;
    if ( p2m_pod_active(d) )
        return -EXDEV;
    if ( vm_event_check_ring(d->vm_event_paging) )
        return -EEXIST;
    if ( !d->max_vcpus || !d->vcpu || !d->vcpu[0] )
        return -EINVAL;

    return 0;
}

struct vmm_session *vmm_session_get(struct domain *d, bool create, int *rc)
{
    struct vmm_session *s = d->vmm;

    *rc = s ? 0 : -ENOENT;
    if ( !create )
        return s;

    *rc = may_attach(d);
    if ( *rc )
        return NULL;
    if ( s )
        return s;

    s = _xzalloc(sizeof(*s) + d->max_vcpus * sizeof(s->waiters[0]),
                 __alignof__(*s));
    if ( !s )
    {
        *rc = -ENOMEM;
        return NULL;
    }
    spin_lock_init(&s->op_lock);
    spin_lock_init(&s->lock);
    init_waitqueue_head(&s->wq);

    /* Only now may the hooks see it; another caller may have been first. */
    if ( cmpxchgptr(&d->vmm, NULL, s) )
        xfree(s);

    return d->vmm;
}

static void repost(struct vmm_session *s, unsigned int nr_vcpus)
{
    unsigned int i;

    for ( i = 0; i < nr_vcpus; i++ )
    {
        struct vmm_waiter *w = &s->waiters[i];

        if ( w->how != VMM_WAIT_NONE && !w->posted )
            w->posted = vmm_ring_post(s, XEN_VMM_CLASS_DEMAND, w->gfn, i,
                                      w->access, w->since);
    }
}

void vmm_session_repost(struct domain *d)
{
    struct vmm_session *s = d->vmm;

    spin_lock(&s->lock);
    if ( s->active && s->nr_waiting )
        repost(s, d->max_vcpus);
    spin_unlock(&s->lock);
}

long vmm_session_attach(struct domain *d, struct xen_vmm_attach *op)
{
    bool takeover = op->flags & XEN_VMM_ATTACH_TAKEOVER;
    struct vmm_session *s = d->vmm;
    evtchn_port_t old_port;
    unsigned int i;
    int rc;

    if ( op->flags & ~XEN_VMM_ATTACH_TAKEOVER )
        return -EINVAL;

    if ( vmm_session_active(d) && !takeover )
        return -EBUSY;
    if ( !vmm_session_active(d) && takeover )
        return -ENOENT;

    if ( !takeover )
    {
        rc = vmm_ring_alloc(d, s);
        if ( rc )
            return rc;
    }

    rc = alloc_unbound_xen_event_channel(d, 0, current->domain->domain_id,
                                         notified);
    if ( rc < 0 )
    {
        if ( !takeover )
            vmm_ring_free(s);
        return rc;
    }

    spin_lock(&s->lock);
    old_port = s->port;
    write_atomic(&s->port, rc);
    vmm_ring_reset(s);
    if ( !takeover )
    {
        memset(s->nr_requests, 0, sizeof(s->nr_requests));
        s->nr_drop_lost = s->nr_rescued = s->nr_hypercall_waits = 0;
    }
    for ( i = 0; i < d->max_vcpus; i++ )
        s->waiters[i].posted = false;
    repost(s, d->max_vcpus);
    write_atomic(&s->active, true);
    spin_unlock(&s->lock);

    if ( old_port )
        free_xen_event_channel(d, old_port);

    op->port = rc;
    op->nr_frames = XEN_VMM_RING_FRAMES;
    op->nr_vcpus = d->max_vcpus;

    return 0;
}

/* The caller holds no lock, and no vCPU of the domain runs. */
static void close_session(struct domain *d, struct vmm_session *s)
{
    evtchn_port_t port;

    spin_lock(&s->lock);
    port = s->port;
    write_atomic(&s->port, 0);
    write_atomic(&s->active, false);
    vmm_ring_free(s);
    spin_unlock(&s->lock);

    if ( port )
        free_xen_event_channel(d, port);
}

long vmm_session_detach(struct domain *d)
{
    struct vmm_session *s = d->vmm;
    long rc = 0;

    if ( !vmm_session_active(d) )
        return -ENOENT;

    /* No vCPU may be between its fault and its request. */
    domain_pause(d);
    if ( atomic_read(&d->paged_pages) || s->nr_waiting )
        rc = -EBUSY;
    else
        close_session(d, s);
    domain_unpause(d);

    return rc;
}

void vmm_session_destroy(struct domain *d)
{
    struct vmm_session *s = d->vmm;

    if ( !s )
        return;

    /* Takes the sleepers off the queue and drops their domain references. */
    destroy_waitqueue_head(&s->wq);
    spin_lock(&s->op_lock);
    if ( s->active )
        close_session(d, s);
    spin_unlock(&s->op_lock);
}

void vmm_session_free(struct domain *d)
{
    XFREE(d->vmm);
}

void vmm_session_stat(struct domain *d, struct xen_vmm_stat *op)
{
    struct vmm_session *s = d->vmm;

    spin_lock(&s->lock);
    op->tot_pages = domain_tot_pages(d);
    op->paged_pages = atomic_read(&d->paged_pages);
    op->max_gfn = p2m_get_hostp2m(d)->max_mapped_pfn;
    op->nr_demand = s->nr_requests[XEN_VMM_CLASS_DEMAND];
    op->nr_foreign = s->nr_requests[XEN_VMM_CLASS_FOREIGN];
    op->nr_drop = s->nr_requests[XEN_VMM_CLASS_DROP];
    op->nr_drop_lost = s->nr_drop_lost;
    op->nr_rescued = s->nr_rescued;
    op->nr_hypercall_waits = s->nr_hypercall_waits;
    op->nr_waiting = s->nr_waiting;
    op->now_ns = NOW();
    spin_unlock(&s->lock);
}

void vmm_session_rescued(struct domain *d)
{
    struct vmm_session *s = d->vmm;

    spin_lock(&s->lock);
    s->nr_rescued++;
    spin_unlock(&s->lock);
}

void vmm_session_wake(struct domain *d, gfn_t gfn)
{
    struct vmm_session *s = d->vmm;
    bool sleepers = false;
    unsigned int i;

    spin_lock(&s->lock);
    for ( i = 0; s->nr_waiting && i < d->max_vcpus; i++ )
    {
        struct vmm_waiter *w = &s->waiters[i];
        enum vmm_wait how = w->how;

        if ( how == VMM_WAIT_NONE || !gfn_eq(w->gfn, gfn) )
            continue;

        write_atomic(&w->how, VMM_WAIT_NONE);
        s->nr_waiting--;
        if ( how == VMM_WAIT_PAUSED )
            vcpu_unpause(d->vcpu[i]);
        else
            sleepers = true;
    }
    spin_unlock(&s->lock);

    /* Each looks whether it was meant. */
    if ( sleepers )
        wake_up_all(&s->wq);
}

/* The current vCPU needs gfn, which is paging in; the p2m lock is held. */
static bool demand(struct vmm_session *s, gfn_t gfn, unsigned int access,
                   s_time_t now)
{
    struct vcpu *v = current;
    struct vmm_waiter *w = &s->waiters[v->vcpu_id];

    /*
     * It waits for a page already: Xen itself touches this one on its
     * behalf, while it is on its way out.  Nobody will wait for it.
     */
    if ( w->how != VMM_WAIT_NONE )
        return !gfn_eq(w->gfn, gfn) &&
               vmm_ring_post(s, XEN_VMM_CLASS_FOREIGN, gfn, 0, access, now);

    w->gfn = gfn;
    w->access = access;
    w->since = now;
    w->how = VMM_WAIT_PAUSED;
    s->nr_waiting++;
    vcpu_pause_nosync(v);
    w->posted = vmm_ring_post(s, XEN_VMM_CLASS_DEMAND, gfn, v->vcpu_id,
                              access, now);

    return w->posted;
}

bool vmm_session_fault(struct domain *d, gfn_t gfn, unsigned int access)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    struct vmm_session *s = d->vmm;
    bool own = current->domain == d, post = false, served = false;
    struct vmm_waiter *w;
    s_time_t now = NOW();
    p2m_type_t t;
    p2m_access_t a;

    if ( !s || vm_event_check_ring(d->vm_event_paging) )
        return false;

    w = own ? &s->waiters[current->vcpu_id] : NULL;
    gfn_lock(p2m, gfn, 0);
    p2m->get_entry(p2m, gfn, &t, &a, 0, NULL, NULL);

    switch ( t )
    {
    case p2m_ram_paging_out:
        /* Its frame is there yet: no need to ask anybody. */
        served = !vmm_page_resume(d, gfn);
        if ( served )
            vmm_session_rescued(d);
        break;

    case p2m_ram_paged:
        spin_lock(&s->lock);
        /*
         * Who does not wait tries again by itself, and is not to be forgotten:
         * the page starts to come in only if its request is accepted.
         */
        if ( s->active &&
             ((own && w->how == VMM_WAIT_NONE) ||
              vmm_ring_has_room(s, XEN_VMM_CLASS_FOREIGN)) &&
             !p2m_set_entry(p2m, gfn, INVALID_MFN, PAGE_ORDER_4K,
                            p2m_ram_paging_in, a) )
            post = own ? demand(s, gfn, access, now)
                       : vmm_ring_post(s, XEN_VMM_CLASS_FOREIGN, gfn, 0,
                                       access, now);
        spin_unlock(&s->lock);
        break;

    case p2m_ram_paging_in:
        /* Asked for; but that a vCPU waits for it now is news. */
        spin_lock(&s->lock);
        if ( own && s->active )
            post = demand(s, gfn, access, now);
        spin_unlock(&s->lock);
        break;

    default:
        /* In by now, or gone. */
        served = true;
        break;
    }

    if ( own )
        w->served = served;
    gfn_unlock(p2m, gfn, 0);

    if ( post )
        notify_pager(d, s);

    return true;
}

bool vmm_session_populate(struct domain *d, gfn_t gfn)
{
    return d->vmm && vmm_session_fault(d, gfn, 0);
}

bool vmm_session_dropped(struct domain *d, gfn_t gfn)
{
    struct vmm_session *s = d->vmm;

    if ( !vmm_session_active(d) )
        return false;

    spin_lock(&s->lock);
    if ( s->active &&
         !vmm_ring_post(s, XEN_VMM_CLASS_DROP, gfn, 0, 0, NOW()) )
        s->nr_drop_lost++;
    spin_unlock(&s->lock);

    vmm_session_wake(d, gfn);
    notify_pager(d, s);

    return true;
}

void vmm_session_in_hypercall(struct vcpu *v, bool in)
{
    struct vmm_session *s = v->domain->vmm;

    if ( s )
        s->waiters[v->vcpu_id].in_hypercall = in;
}

bool vmm_session_wait(struct vcpu *v)
{
    struct vmm_session *s = v->domain->vmm;
    struct vmm_waiter *w;

    if ( !vmm_session_active(v->domain) || v != current )
        return false;

    w = &s->waiters[v->vcpu_id];

    /*
     * To try again without having waited makes sense if the page is there;
     * what could not be asked for is not waited for either.
     */
    if ( read_atomic(&w->how) == VMM_WAIT_NONE )
        return w->served;

    /*
     * in_hypercall is false while a context switch writes to the guest.
     * A wait queue can save 4 KiB of stack, and crashes the domain for more.
     */
    if ( !w->in_hypercall || in_atomic() ||
         (unsigned long)get_cpu_info() - (unsigned long)&w > PAGE_SIZE - 1024 )
        return false;

    spin_lock(&s->lock);
    if ( w->how == VMM_WAIT_PAUSED )
    {
        w->how = VMM_WAIT_SLEEPING;
        s->nr_hypercall_waits++;
        vcpu_unpause(v);
    }
    spin_unlock(&s->lock);

    w->in_hypercall = false;
    wait_event(s->wq, read_atomic(&w->how) != VMM_WAIT_SLEEPING);
    w->in_hypercall = true;

    return true;
}
