/* SPDX-License-Identifier: GPL-2.0-only */
/* vmm_private.h: what the hooks share among themselves. */
#ifndef __VMM_PRIVATE_H__
#define __VMM_PRIVATE_H__

#include <xen/mm.h>
#include <xen/sched.h>
#include <xen/spinlock.h>
#include <xen/vmm_hooks.h>
#include <xen/wait.h>

/* What a vCPU that touched a paged page does until it is in. */
enum vmm_wait {
    VMM_WAIT_NONE,
    VMM_WAIT_PAUSED,    /* left guest mode; its pause count holds it */
    VMM_WAIT_SLEEPING,  /* in a hypercall, on the session's wait queue */
};

struct vmm_waiter {
    enum vmm_wait how;
    bool posted;        /* its request is, or was, in the ring */
    bool in_hypercall;
    bool served;        /* what it last touched was there after all */
    uint8_t access;
    gfn_t gfn;
    s_time_t since;
};

/*
 * One per domain, from the first attach until the domain structure is freed:
 * hooks may look at it without a lock.  Lock order: op_lock, p2m lock, lock;
 * never an allocation or a copy from a guest inside the last two.
 */
struct vmm_session {
    spinlock_t op_lock;         /* one operation at a time; the outermost */
    bool must_flush;            /* accessed bits were cleared; op_lock */
    spinlock_t lock;            /* all that follows */
    bool active;                /* a pager may be attached, or come back */
    evtchn_port_t port;

    /* The rings; all gone while not active. */
    struct page_info *pages[XEN_VMM_RING_FRAMES];
    struct xen_vmm_ring *ring;
    uint32_t prod[XEN_VMM_NR_CLASSES];
    uint64_t seq;

    /* Since the session was opened. */
    uint64_t nr_requests[XEN_VMM_NR_CLASSES];
    uint64_t nr_drop_lost;
    uint64_t nr_rescued;
    uint64_t nr_hypercall_waits;

    unsigned int nr_waiting;
    struct waitqueue_head wq;
    struct vmm_waiter waiters[]; /* d->max_vcpus */
};

/* vmm_ring.c: the session lock is held, but for alloc and what it undoes. */
int vmm_ring_alloc(struct domain *d, struct vmm_session *s);
void vmm_ring_free(struct vmm_session *s);
void vmm_ring_reset(struct vmm_session *s);
bool vmm_ring_has_room(const struct vmm_session *s, unsigned int reqclass);
bool vmm_ring_post(struct vmm_session *s, unsigned int reqclass, gfn_t gfn,
                   unsigned int vcpu, unsigned int access, s_time_t when);

/* vmm_session.c */
/* The session; with create, made if the domain may have one. */
struct vmm_session *vmm_session_get(struct domain *d, bool create, int *rc);
long vmm_session_attach(struct domain *d, struct xen_vmm_attach *op);
long vmm_session_detach(struct domain *d);
void vmm_session_stat(struct domain *d, struct xen_vmm_stat *op);
/* Wake whoever waits for gfn. */
void vmm_session_wake(struct domain *d, gfn_t gfn);
/* Put requests into the ring that did not fit when they were born. */
void vmm_session_repost(struct domain *d);
void vmm_session_rescued(struct domain *d);

/* vmm_page.c: one page each; 0 or -errno as public/vmm_op.h says. */
int vmm_page_nominate(struct domain *d, gfn_t gfn,
                      XEN_GUEST_HANDLE_PARAM(char) buf);
int vmm_page_evict(struct domain *d, gfn_t gfn);
int vmm_page_prepare(struct domain *d, gfn_t gfn,
                     XEN_GUEST_HANDLE_PARAM(char) buf, bool cold);
int vmm_page_resume(struct domain *d, gfn_t gfn);
/*
 * Give the domain another frame with the same contents in place of mfn, unseen
 * by it; mfn is freed.  -EBUSY if anything but the domain uses it.
 */
int vmm_page_move(struct domain *d, mfn_t mfn);

/* vmm_access.c */
/*
 * Harvest nr gfns, 512 at most, from a multiple of 512 on, into 512 bits.
 * The p2m lock is taken inside.  A CPU that has a bit cached does not set it
 * again before a flush, which is the caller's to do when it has enough: each
 * costs the guest all that its CPUs know of its memory.
 */
int vmm_access_harvest(struct domain *d, gfn_t first, unsigned int nr,
                       unsigned long *bitmap);
void vmm_access_flush(struct domain *d);
/* Forget that a page was accessed; the p2m lock is held. */
void vmm_access_clear(struct domain *d, gfn_t gfn);

/* vmm_retire_boot.c: what became of the boot loader's list. */
struct vmm_retire_boot {
    uint64_t generation;
    uint64_t memory_map_hash;
    uint64_t list_us, heap_us;
    unsigned int nr_entries;
    uint8_t list;               /* XEN_VMM_LIST_* */
    uint8_t source;             /* XEN_VMM_SOURCE_* */
    uint8_t damaged;            /* bits of sources */
    bool map_changed;
};
extern struct vmm_retire_boot vmm_retire_boot;

/* vmm_retire.c */
/* The boot list's entries, which are in order, are the first of the table. */
int vmm_retire_table_init(const struct xen_vmm_retire_entry *entries,
                          unsigned int nr);
/* Put it down; true if it was there before.  Not in an interrupt. */
bool vmm_retire_uncorrected(mfn_t mfn);
/* A guest was told of a lost page that it touched. */
void vmm_retire_touched(void);

#endif /* __VMM_PRIVATE_H__ */
