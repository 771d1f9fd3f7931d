/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmm_memerr.c: what is done about an uncorrected memory error.
 *
 * The page is taken out of use, and away from the domain that has it, if that
 * can be.  The domain is told when it touches the page, by a machine check
 * that is precise: told at once, while it does something else, Linux on an AMD
 * CPU would have to take whatever runs for what consumed the error.
 */

#include <xen/event.h>
#include <xen/pfn.h>
#include <xen/sched.h>
#include <asm/hvm/hvm.h>
#include <asm/mce.h>
#include <asm/p2m.h>
#include <asm/processor.h>

#include "../../cpu/mcheck/x86_mca.h"
#include "../mm-locks.h"
#include "vmm_private.h"

/* A load from memory that cannot be corrected (AMD64 APM 2, 9.5; SDM 3B, 16). */
#define STATUS_COMMON (MCi_STATUS_VAL | MCi_STATUS_UC | MCi_STATUS_EN | \
                       MCi_STATUS_MISCV | MCi_STATUS_ADDRV)
#define STATUS_AMD    (STATUS_COMMON | 0x0135)
#define STATUS_INTEL  (STATUS_COMMON | MCi_STATUS_S | MCi_STATUS_AR | 0x0134)
/* The address is one of physical memory, valid from bit 12 on. */
#define MISC_PAGE     ((2u << 6) | PAGE_SHIFT)

#define LOST_TYPES (P2M_RAM_TYPES | p2m_to_mask(p2m_mmio_direct))

static bool take_from_guest(struct domain *d, mfn_t mfn)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    unsigned long gfn = get_gpfn_from_mfn(mfn_x(mfn));
    bool done = false;
    p2m_type_t t;
    p2m_access_t a;
    mfn_t entry;

    if ( !paging_mode_hap(d) || gfn > p2m->max_mapped_pfn )
        return false;

    gfn_lock(p2m, _gfn(gfn), 0);
    entry = p2m->get_entry(p2m, _gfn(gfn), &t, &a, 0, NULL, NULL);
    if ( p2m_is_broken(t) )
        done = true;
    else if ( mfn_eq(entry, mfn) && (p2m_to_mask(t) & LOST_TYPES) )
        done = !p2m_set_entry(p2m, _gfn(gfn), mfn, PAGE_ORDER_4K,
                              p2m_ram_broken, a);
    gfn_unlock(p2m, _gfn(gfn), 0);

    return done;
}

static enum vmm_memerr stop(struct domain *d, mfn_t mfn, const char *why)
{
    printk(XENLOG_ERR "%pd: uncorrected memory error in its page %#lx, %s: "
           "it is stopped\n", d, mfn_x(mfn), why);
    domain_crash(d);

    return VMM_MEMERR_CONTAINED;
}

static enum vmm_memerr owned(struct domain *d, mfn_t mfn, bool again,
                             const struct domain *running, bool restartable)
{
    if ( !restartable && running == d && !is_hardware_domain(d) )
        return stop(d, mfn, "which it cannot go on from");

    /* Another one, dom0 mostly, read it, and cannot go on. */
    if ( !restartable )
        return VMM_MEMERR_FATAL;

    if ( is_hardware_domain(d) )
        /* Reported the first time; if it is met again, told by #MC. */
        return again && running == d ? VMM_MEMERR_TELL : VMM_MEMERR_PENDING;

    if ( !is_hvm_domain(d) )
        return stop(d, mfn, "which cannot be taken from a PV domain");

    if ( !take_from_guest(d, mfn) )
        return stop(d, mfn, "which is not ordinary memory of it");

    return VMM_MEMERR_RECOVERED;
}

enum vmm_memerr vmm_memerr_uncorrected(paddr_t addr, bool restartable,
                                       const struct domain *running,
                                       domid_t *owner)
{
    mfn_t mfn = maddr_to_mfn(addr);
    enum vmm_memerr outcome;
    struct domain *d;
    uint32_t status;
    bool again;

    *owner = DOMID_INVALID;
    if ( !mfn_valid(mfn) ||
         !page_is_ram_type(mfn_x(mfn), RAM_TYPE_CONVENTIONAL) )
        return restartable ? VMM_MEMERR_PENDING : VMM_MEMERR_FATAL;

    again = vmm_retire_uncorrected(mfn);
    if ( offline_page(mfn, 1, &status) || !(status & PG_OFFLINE_PENDING) )
    {
        /* Free, or PoD's, which has another one now; or Xen itself. */
        if ( status & PG_OFFLINE_OFFLINED )
            return VMM_MEMERR_RECOVERED;
        return restartable && !again ? VMM_MEMERR_PENDING : VMM_MEMERR_FATAL;
    }

    if ( !(status & PG_OFFLINE_OWNED) )
    {
        *owner = DOMID_XEN;
        return restartable && !again ? VMM_MEMERR_PENDING : VMM_MEMERR_FATAL;
    }

    *owner = status >> PG_OFFLINE_OWNER_SHIFT;
    d = rcu_lock_domain_by_id(*owner);
    if ( !d )
        /* Dying, or a special one (shared pages): it goes when it is free. */
        return restartable ? VMM_MEMERR_PENDING : VMM_MEMERR_FATAL;

    outcome = owned(d, mfn, again, running, restartable);
    rcu_unlock_domain(d);

    return outcome;
}

/* Why the vCPU cannot take a machine check now; NULL if it can. */
static const char *raise(struct vcpu *v, paddr_t gpa)
{
    struct vmce *vmce = &v->arch.vmce;

    if ( !(v->arch.hvm.guest_cr[4] & X86_CR4_MCE) )
        return "it does not handle machine checks";

    /* An interrupt that is half delivered would be lost. */
    if ( hvm_event_pending(v) )
        return "its stack or descriptor tables are lost";

    spin_lock(&vmce->lock);
    if ( vmce->mcg_status & MCG_STATUS_MCIP )
    {
        spin_unlock(&vmce->lock);
        return "it still handles another one";
    }
    vmce->mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV | MCG_STATUS_EIPV;
    vmce->bank[1].mci_status =
        v->domain->arch.cpuid->x86_vendor == X86_VENDOR_INTEL ? STATUS_INTEL
                                                              : STATUS_AMD;
    vmce->bank[1].mci_addr = gpa;
    vmce->bank[1].mci_misc = MISC_PAGE;
    spin_unlock(&vmce->lock);

    hvm_inject_hw_exception(TRAP_machine_check, X86_EVENT_NO_EC);
    vmm_retire_touched();

    return NULL;
}

bool vmm_memerr_touched(paddr_t gpa)
{
    struct vcpu *v = current;
    const char *why = raise(v, gpa);

    if ( !why )
        return true;

    printk(XENLOG_ERR "%pv: touched gfn %#lx, lost to an uncorrected memory "
           "error; %s: the domain is stopped\n", v, PFN_DOWN(gpa), why);
    domain_crash(v->domain);

    return true;
}
