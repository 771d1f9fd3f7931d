/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmm_hooks.h: what the rest of the hypervisor sees of the hooks.
 *
 * With CONFIG_VMM_HOOKS off every hook is an inline that does nothing; with
 * it on, a domain that never had a session costs one test of a pointer.
 */
#ifndef __XEN_VMM_HOOKS_H__
#define __XEN_VMM_HOOKS_H__

#include <xen/mm-frame.h>
#include <xen/types.h>
#include <public/vmm_op.h>
#include <public/vmm_retire.h>

struct domain;
struct page_info;

/* What was done about an uncorrected memory error. */
enum vmm_memerr {
    VMM_MEMERR_RECOVERED,   /* nobody can touch it any more */
    VMM_MEMERR_CONTAINED,   /* the domain that had it was stopped */
    VMM_MEMERR_PENDING,     /* in use yet: dom0, Xen's heap, no RAM of ours */
    VMM_MEMERR_TELL,        /* dom0 came upon it: a machine check for it */
    VMM_MEMERR_FATAL,       /* Xen or dom0 cannot go on */
};

#ifdef CONFIG_VMM_HOOKS

#include <xen/sched.h>
#include <xen/guest_access.h>
#include <xen/multiboot.h>

/* XENMEM_vmm_op. */
long vmm_memory_op(XEN_GUEST_HANDLE_PARAM(xen_vmm_op_t) arg);

/* XENMEM_acquire_resource, XENMEM_resource_vmm_ring. */
unsigned int vmm_ring_max_frames(const struct domain *d);
int vmm_ring_acquire(struct domain *d, unsigned int id, unsigned int frame,
                     unsigned int nr_frames, xen_pfn_t mfn_list[]);

/* A pager has, or had, pages of this domain. */
bool vmm_session_active(const struct domain *d);

/*
 * A gfn of paging type was touched.  False: no session, stock paging's
 * business.  No lock is held.  The first is for nested page faults, with
 * XEN_VMM_ACCESS_*; the second for everything else.
 */
bool vmm_session_fault(struct domain *d, gfn_t gfn, unsigned int access);
bool vmm_session_populate(struct domain *d, gfn_t gfn);

/* A gfn that was paged out is not any more, and not through the pager. */
bool vmm_session_dropped(struct domain *d, gfn_t gfn);

/* Brackets the handler of a guest's hypercall. */
void vmm_session_in_hypercall(struct vcpu *v, bool in);
/*
 * The argument of a hypercall lies in a page that is paged out and was asked
 * for: sleep until it is in.  True: try again.  False: cannot sleep here.
 */
bool vmm_session_wait(struct vcpu *v);

/* The domain is dead and its vCPUs are paused; and: nobody knows it any more. */
void vmm_session_destroy(struct domain *d);
void vmm_session_free(struct domain *d);
/* A vCPU sleeps on a wait queue of ours (livepatch asks). */
bool vmm_session_has_sleeper(const struct domain *d);

/* XENMEM_vmm_retire_op. */
long vmm_retire_op(XEN_GUEST_HANDLE_PARAM(xen_vmm_retire_op_t) arg);

/* What EFI's variable has, which boot services were asked for. */
extern char vmm_retire_boot_variable[XEN_VMM_RETIRE_VARIABLE_BYTES];
extern unsigned long vmm_retire_boot_variable_bytes;

/*
 * The list of retired pages at boot, in this order: found among the
 * modules, once these have their places (nr_ram_pages: of the machine), before
 * the first page goes to the boot allocator; asked for the first retired page
 * in [s, e), e if there is none, at each of its allocations; applied to the
 * frame table, before the heap is built; and when it is.
 */
void vmm_retire_boot_claim(unsigned long *module_map,
                           const multiboot_info_t *mbi,
                           unsigned long nr_ram_pages);
unsigned long vmm_retire_boot_first(unsigned long s, unsigned long e);
void vmm_retire_boot_reserve(void);
void vmm_retire_boot_heap_done(void);

/*
 * An error at addr that nobody met: corrected, or lost but not consumed yet.
 * Any context, interrupts included.
 */
void vmm_retire_found(paddr_t addr, bool lost);

/*
 * An uncorrected one, in the machine check's softirq.  restartable: what was
 * interrupted can go on; running: the domain that was.  *owner: whose page it
 * is, DOMID_XEN, or DOMID_INVALID if it is nobody's.
 */
enum vmm_memerr vmm_memerr_uncorrected(paddr_t addr, bool restartable,
                                       const struct domain *running,
                                       domid_t *owner);
/*
 * The current vCPU touched a page of type p2m_ram_broken.  False: the domain
 * is to be crashed.  No lock is held.
 */
bool vmm_memerr_touched(paddr_t gpa);

#else /* !CONFIG_VMM_HOOKS */

static inline bool vmm_session_active(const struct domain *d)
{
    return false;
}
static inline bool vmm_session_fault(struct domain *d, gfn_t gfn,
                                     unsigned int access)
{
    return false;
}
static inline bool vmm_session_populate(struct domain *d, gfn_t gfn)
{
    return false;
}
static inline bool vmm_session_dropped(struct domain *d, gfn_t gfn)
{
    return false;
}
static inline void vmm_session_in_hypercall(struct vcpu *v, bool in) {}
static inline bool vmm_session_wait(struct vcpu *v)
{
    return false;
}
static inline void vmm_session_destroy(struct domain *d) {}
static inline void vmm_session_free(struct domain *d) {}
static inline bool vmm_session_has_sleeper(const struct domain *d)
{
    return false;
}

static inline unsigned long vmm_retire_boot_first(unsigned long s,
                                                  unsigned long e)
{
    return e;
}
static inline void vmm_retire_boot_reserve(void) {}
static inline void vmm_retire_boot_heap_done(void) {}
static inline void vmm_retire_found(paddr_t addr, bool lost) {}
static inline bool vmm_memerr_touched(paddr_t gpa)
{
    return false;
}

#endif /* CONFIG_VMM_HOOKS */

#endif /* __XEN_VMM_HOOKS_H__ */
