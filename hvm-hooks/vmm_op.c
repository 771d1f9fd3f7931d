/* SPDX-License-Identifier: GPL-2.0-only */
/* vmm_op.c: XENMEM_vmm_op: checks, batches, preemption. */

#include <xen/event.h>
#include <xen/guest_access.h>
#include <xen/hypercall.h>
#include <xsm/xsm.h>
#include <asm/p2m.h>

#include "../mm-locks.h"
#include "vmm_private.h"

#define HARVEST_UNIT 512u

/* 0: finished; -ERESTART: preempted, op->done says where to go on. */
static int do_batch(struct domain *d, unsigned int cmd,
                    struct xen_vmm_batch *op)
{
    bool cold = op->flags & XEN_VMM_PREPARE_COLD;

    if ( op->_res1 || op->nr > XEN_VMM_BATCH_MAX || op->done > op->nr ||
         (op->flags & ~XEN_VMM_PREPARE_COLD) ||
         (cold && cmd != XEN_VMM_OP_prepare) )
        return -EINVAL;

    if ( !guest_handle_okay(op->gfns, op->nr) ||
         !guest_handle_okay(op->results, op->nr) ||
         (!guest_handle_is_null(op->bufs) &&
          !guest_handle_okay(op->bufs, op->nr)) )
        return -EFAULT;

    while ( op->done < op->nr )
    {
        XEN_GUEST_HANDLE_PARAM(char) buf =
            guest_handle_from_ptr(NULL, char);
        uint64_t gfn, addr;
        int32_t result;

        if ( __copy_from_guest_offset(&gfn, op->gfns, op->done, 1) )
            return -EFAULT;

        if ( !guest_handle_is_null(op->bufs) )
        {
            if ( __copy_from_guest_offset(&addr, op->bufs, op->done, 1) )
                return -EFAULT;
            buf = guest_handle_from_ptr((void *)addr, char);
        }

        switch ( cmd )
        {
        case XEN_VMM_OP_nominate:
            result = vmm_page_nominate(d, _gfn(gfn), buf);
            break;

        case XEN_VMM_OP_evict:
            result = vmm_page_evict(d, _gfn(gfn));
            break;

        case XEN_VMM_OP_prepare:
            result = vmm_page_prepare(d, _gfn(gfn), buf, cold);
            break;

        case XEN_VMM_OP_resume:
            result = vmm_page_resume(d, _gfn(gfn));
            vmm_session_wake(d, _gfn(gfn));
            break;

        default:
            ASSERT_UNREACHABLE();
            return -EINVAL;
        }

        /*
         * Once a page was handled its result must reach the caller: a result
         * that cannot be written is as good as a batch that ends here.
         */
        if ( __copy_to_guest_offset(op->results, op->done, &result, 1) )
            return -EFAULT;

        if ( ++op->done < op->nr && hypercall_preempt_check() )
            return -ERESTART;
    }

    return 0;
}

static int check_range(uint64_t first, uint32_t nr, uint32_t done)
{
    if ( nr > XEN_VMM_RANGE_MAX || done > nr ||
         (first >> (PADDR_BITS - PAGE_SHIFT)) )
        return -EINVAL;

    return 0;
}

static int do_harvest(struct domain *d, struct vmm_session *s,
                      struct xen_vmm_harvest *op)
{
    DECLARE_BITMAP(bits, HARVEST_UNIT);
    unsigned int nr_accessed;
    int rc = check_range(op->first, op->nr, op->done);

    if ( rc )
        return rc;
    if ( (op->flags & ~XEN_VMM_HARVEST_MORE) || op->first % HARVEST_UNIT ||
         op->done % HARVEST_UNIT )
        return -EINVAL;
    if ( !guest_handle_okay(op->bitmap, DIV_ROUND_UP(op->nr, 8)) )
        return -EFAULT;

    while ( op->done < op->nr )
    {
        unsigned int nr = min(op->nr - op->done, HARVEST_UNIT);

        rc = vmm_access_harvest(d, _gfn(op->first + op->done), nr, bits);
        if ( rc )
            break;

        nr_accessed = bitmap_weight(bits, nr);
        s->must_flush |= nr_accessed;
        op->nr_accessed += nr_accessed;
        if ( __copy_to_guest_offset(op->bitmap, op->done / 8,
                                    (uint8_t *)bits, DIV_ROUND_UP(nr, 8)) )
        {
            rc = -EFAULT;
            break;
        }

        op->done += nr;
        if ( op->done < op->nr && hypercall_preempt_check() )
        {
            rc = -ERESTART;
            break;
        }
    }

    if ( s->must_flush && rc != -ERESTART &&
         (rc || !(op->flags & XEN_VMM_HARVEST_MORE)) )
    {
        s->must_flush = false;
        vmm_access_flush(d);
    }

    return rc;
}

static uint8_t state_of(p2m_type_t t, mfn_t mfn)
{
    switch ( t )
    {
    case p2m_ram_rw:
    case p2m_ram_logdirty:
        return XEN_VMM_STATE_RESIDENT;
    case p2m_ram_paging_out:
        return XEN_VMM_STATE_NOMINATED;
    case p2m_ram_paged:
        return XEN_VMM_STATE_PAGED;
    case p2m_ram_paging_in:
        return XEN_VMM_STATE_PAGING_IN;
    case p2m_invalid:
        return XEN_VMM_STATE_HOLE;
    default:
        return mfn_valid(mfn) ? XEN_VMM_STATE_OTHER : XEN_VMM_STATE_HOLE;
    }
}

static int do_query(struct domain *d, struct xen_vmm_query *op)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    uint8_t states[512];
    int rc = check_range(op->first, op->nr, op->done);

    if ( rc )
        return rc;
    if ( !guest_handle_okay(op->states, op->nr) )
        return -EFAULT;

    while ( op->done < op->nr )
    {
        unsigned int i, nr = min_t(unsigned int, op->nr - op->done,
                                   ARRAY_SIZE(states));

        p2m_read_lock(p2m);
        for ( i = 0; i < nr; )
        {
            uint64_t gfn = op->first + op->done + i;
            unsigned int order = 0;
            unsigned long end;
            p2m_type_t t;
            p2m_access_t a;
            mfn_t mfn = p2m->get_entry(p2m, _gfn(gfn), &t, &a, 0, &order,
                                       NULL);

            /* One entry for all of a superpage, or of a hole like it. */
            end = (gfn | ((1UL << order) - 1)) + 1 - op->first - op->done;
            do {
                states[i] = state_of(t, mfn);
            } while ( ++i < min_t(unsigned long, nr, end) );
        }
        p2m_read_unlock(p2m);

        if ( __copy_to_guest_offset(op->states, op->done, states, nr) )
            return -EFAULT;

        op->done += nr;
        if ( op->done < op->nr && hypercall_preempt_check() )
            return -ERESTART;
    }

    return 0;
}

long vmm_memory_op(XEN_GUEST_HANDLE_PARAM(xen_vmm_op_t) arg)
{
    struct xen_vmm_op op;
    struct vmm_session *s;
    struct domain *d;
    int rc;

    if ( copy_from_guest(&op, arg, 1) )
        return -EFAULT;

    rc = rcu_lock_live_remote_domain_by_id(op.domain, &d);
    if ( rc )
        return rc;

    rc = xsm_vmm_op(XSM_PRIV, d, op.cmd);
    if ( rc )
        goto out;

    rc = -EINVAL;
    if ( op.interface_version != XEN_VMM_INTERFACE_VERSION )
        goto out;

    s = vmm_session_get(d, op.cmd == XEN_VMM_OP_attach, &rc);
    if ( !s )
        goto out;

    while ( !spin_trylock(&s->op_lock) )
    {
        if ( hypercall_preempt_check() )
        {
            rc = -ERESTART;
            goto out;
        }
        cpu_relax();
    }

    /* It may have begun to die since it was looked up. */
    rc = -ENOENT;
    if ( d->is_dying ||
         (op.cmd != XEN_VMM_OP_attach && !vmm_session_active(d)) )
        goto unlock;

    if ( op.cmd != XEN_VMM_OP_attach )
        vmm_session_repost(d);

    switch ( op.cmd )
    {
    case XEN_VMM_OP_attach:
        rc = vmm_session_attach(d, &op.u.attach);
        break;

    case XEN_VMM_OP_detach:
        rc = vmm_session_detach(d);
        break;

    case XEN_VMM_OP_nominate:
    case XEN_VMM_OP_evict:
    case XEN_VMM_OP_prepare:
    case XEN_VMM_OP_resume:
        rc = do_batch(d, op.cmd, &op.u.batch);
        break;

    case XEN_VMM_OP_harvest:
        rc = do_harvest(d, s, &op.u.harvest);
        break;

    case XEN_VMM_OP_query:
        rc = do_query(d, &op.u.query);
        break;

    case XEN_VMM_OP_stat:
        vmm_session_stat(d, &op.u.stat);
        rc = 0;
        break;

    default:
        rc = -ENOSYS;
        break;
    }

 unlock:
    spin_unlock(&s->op_lock);

    if ( (!rc || rc == -ERESTART) && __copy_to_guest(arg, &op, 1) )
        rc = -EFAULT;

 out:
    rcu_unlock_domain(d);

    if ( rc == -ERESTART )
        rc = hypercall_create_continuation(__HYPERVISOR_memory_op, "ih",
                                           XENMEM_vmm_op, arg);

    return rc;
}
