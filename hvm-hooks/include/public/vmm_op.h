/* SPDX-License-Identifier: MIT */
/*
 * vmm_op.h: paging of a domain's memory by a control-domain pager.
 *
 * This is the ABI between the hypervisor's hvm-hooks and the tools.  It
 * replaces, for the domain on which a session is open, the vm_event paging
 * ring and XENMEM_paging_op (xen/include/public/vm_event.h, memory.h):
 * requests carry a class, one hypercall moves a batch of pages, and the
 * state of every page and of every vCPU that waits lives in the hypervisor,
 * so that a pager that dies can be replaced by another one at any moment.
 *
 * Calling convention:
 *     HYPERVISOR_memory_op(XENMEM_vmm_op, struct xen_vmm_op *op)
 * The caller is the control domain (XSM: xsm_vmm_op, XSM_PRIV).  The operand
 * must be zeroed apart from the members that a command reads.  Commands that
 * work through a range or a batch are preemptible: they keep their progress
 * in `done' and are continued by the hypervisor; the caller sets it to 0.
 *
 * Life of a page, as the pager sees it:
 *
 *     RESIDENT --nominate--> NOMINATED --evict--> PAGED
 *         ^                     |                   | touched: a request
 *         |   touched: at once  |                   v
 *         +---------------------+               PAGING_IN
 *         +------------------prepare----------------+
 *
 * A touch of a NOMINATED page gives the page back at once, with no request;
 * the evict that follows then says -EBUSY for it.  After evict, whatever it
 * answers, a page is either PAGED or RESIDENT, never NOMINATED.
 */
#ifndef __XEN_PUBLIC_VMM_OP_H__
#define __XEN_PUBLIC_VMM_OP_H__

#include "xen.h"

/* Out of the way of the numbers that upstream takes one by one. */
#define XENMEM_vmm_op                   60
/* XENMEM_acquire_resource: the request rings of a session, frames from 0. */
#define XENMEM_resource_vmm_ring        60

#define XEN_VMM_INTERFACE_VERSION       1

/* Operands are for the hypervisor and its tools. */
#if defined(__XEN__) || defined(__XEN_TOOLS__)

#define XEN_VMM_BATCH_MAX               512

/* Commands. */
#define XEN_VMM_OP_attach               1
#define XEN_VMM_OP_detach               2
#define XEN_VMM_OP_nominate             3
#define XEN_VMM_OP_evict                4
#define XEN_VMM_OP_prepare              5
#define XEN_VMM_OP_resume               6
#define XEN_VMM_OP_harvest              7
#define XEN_VMM_OP_query                8
#define XEN_VMM_OP_stat                 9

/*
 * attach: open a session on a domain, or take one over.
 *
 * Errors: -EBUSY       a session exists and no TAKEOVER was asked for
 *         -ENOENT      TAKEOVER was asked for and no session exists
 *         -EOPNOTSUPP  not an HVM or PVH domain with HAP, or nested
 *                      virtualisation, altp2m or memory sharing is on
 *         -EMLINK      the domain has an IOMMU context (passthrough)
 *         -EXDEV       the domain is populated on demand (PoD)
 *         -EEXIST      a vm_event paging ring is in use (xenpaging)
 *
 * A takeover gives a new event channel, empties the rings and puts the
 * request of every vCPU that still waits into the DEMAND ring again.
 * Requests of class FOREIGN are not repeated: their pages are PAGING_IN,
 * and query finds them.
 */
struct xen_vmm_attach {
#define XEN_VMM_ATTACH_TAKEOVER         (1u << 0)
    uint32_t flags;                     /* IN */
    uint32_t port;                      /* OUT: to be bound by the caller */
    uint32_t nr_frames;                 /* OUT: of the ring resource */
    uint32_t nr_vcpus;                  /* OUT: most that can wait at once */
};

/*
 * detach: close the session.  Takes no operand.
 *
 * Pages that are NOMINATED become RESIDENT when they are touched.
 *
 * Errors: -EBUSY  pages are PAGED or PAGING_IN, or a vCPU waits
 *         -ENOENT no session
 */

/*
 * nominate, evict, prepare, resume: up to XEN_VMM_BATCH_MAX pages.
 *
 * The call fails as a whole for a bad operand only; each page has its own
 * result, 0 or a negative errno value.  Pages are handled in order.
 *
 *   nominate  take the page away from the guest and, with bufs, copy it out.
 *             -EBUSY: in use, special, or not RESIDENT; -EINVAL: bad gfn
 *   evict     free the frame of a NOMINATED page.
 *             -EBUSY: the page is RESIDENT again (touched, or mapped), as it
 *             is with -ENOMEM; -ENOENT: no frame there
 *   prepare   give a PAGED or PAGING_IN page its contents, make it RESIDENT
 *             and wake the vCPUs that wait for it.  0 too, with nothing
 *             copied, for a NOMINATED page.
 *             -EEXIST: RESIDENT already (waiters are woken all the same);
 *             -ENOENT: the guest gave the page up; -ENOMEM: no frame now,
 *             to be tried again; -EFAULT: the buffer could not be read
 *   resume    make a NOMINATED page RESIDENT, and wake its waiters.
 *             -EEXIST: RESIDENT already; -ENOENT: no frame there
 *   all       -EINVAL: no gfn of this domain
 *
 * A wrong error of one page does not stop the batch.
 */
struct xen_vmm_batch {
    uint32_t nr;                        /* IN: at most XEN_VMM_BATCH_MAX */
    uint32_t done;                      /* IN: 0; OUT: pages handled */
#define XEN_VMM_PREPARE_COLD            (1u << 0) /* accessed bit clear */
    uint32_t flags;                     /* IN */
    uint32_t _res1;                     /* IN: 0 */
    XEN_GUEST_HANDLE_64(uint64) gfns;   /* IN: nr */
    XEN_GUEST_HANDLE_64(uint64) bufs;   /* IN: nr addresses of a page each */
    XEN_GUEST_HANDLE_64(int) results;   /* OUT: nr */
};

/*
 * harvest: read and clear the accessed bits of gfns [first, first + nr).
 *
 * Bit i of the bitmap is set if gfn first + i is RESIDENT and was accessed
 * since it was last harvested.  A page is found accessed by the first harvest
 * after it became RESIDENT, unless it was prepared COLD.  first is a multiple
 * of 512, nr at most XEN_VMM_RANGE_MAX.  Superpages met on the way are broken
 * up, so that each page has a bit of its own; all gfns of an accessed one that
 * cannot be broken up (there is no memory) count as accessed.
 *
 * A CPU that has a bit cached does not set it again before a flush, which costs
 * the guest all that its CPUs have cached.  With MORE it waits for the next
 * harvest without: one for a whole domain.
 *
 * Errors: -EOPNOTSUPP  the hardware keeps no accessed bits here (EPT without
 *                      A/D, or with it off)
 */
#define XEN_VMM_RANGE_MAX               (1u << 20)
struct xen_vmm_harvest {
    uint64_aligned_t first;             /* IN */
    uint32_t nr;                        /* IN */
    uint32_t done;                      /* IN: 0; OUT: gfns handled */
#define XEN_VMM_HARVEST_MORE            (1u << 0)
    uint32_t flags;                     /* IN */
    uint32_t nr_accessed;               /* IN: 0; OUT */
    XEN_GUEST_HANDLE_64(uint8) bitmap;  /* OUT: (nr + 7) / 8 bytes */
};

/* query: the state of gfns [first, first + nr), a byte each. */
#define XEN_VMM_STATE_HOLE              0 /* nothing there */
#define XEN_VMM_STATE_RESIDENT          1 /* RAM that could be nominated */
#define XEN_VMM_STATE_NOMINATED         2
#define XEN_VMM_STATE_PAGED             3
#define XEN_VMM_STATE_PAGING_IN         4 /* asked for, no frame yet */
#define XEN_VMM_STATE_OTHER             5 /* MMIO, grants, shared, broken */
struct xen_vmm_query {
    uint64_aligned_t first;             /* IN */
    uint32_t nr;                        /* IN: at most XEN_VMM_RANGE_MAX */
    uint32_t done;                      /* IN: 0; OUT: gfns handled */
    XEN_GUEST_HANDLE_64(uint8) states;  /* OUT: nr bytes */
};

/* stat: counts since the session was opened, and the domain's size. */
struct xen_vmm_stat {
    uint64_aligned_t tot_pages;         /* frames that the domain owns */
    uint64_aligned_t paged_pages;
    uint64_aligned_t max_gfn;           /* highest gfn ever populated */
    uint64_aligned_t nr_demand;         /* requests by class */
    uint64_aligned_t nr_foreign;
    uint64_aligned_t nr_drop;
    uint64_aligned_t nr_drop_lost;      /* the ring was full: use query */
    uint64_aligned_t nr_rescued;        /* NOMINATED pages touched in time */
    uint64_aligned_t nr_hypercall_waits;/* a hypercall waited for its argument */
    uint64_aligned_t now_ns;            /* the clock of requests, now */
    uint32_t nr_waiting;                /* vCPUs that wait now */
    uint32_t _res1;
};

struct xen_vmm_op {
    uint32_t interface_version;         /* IN: XEN_VMM_INTERFACE_VERSION */
    uint16_t cmd;                       /* IN: XEN_VMM_OP_* */
    domid_t domain;                     /* IN: not the caller's own */
    union {
        struct xen_vmm_attach attach;
        struct xen_vmm_batch batch;
        struct xen_vmm_harvest harvest;
        struct xen_vmm_query query;
        struct xen_vmm_stat stat;
        uint8_t pad[120];
    } u;
};
typedef struct xen_vmm_op xen_vmm_op_t;
DEFINE_XEN_GUEST_HANDLE(xen_vmm_op_t);

#endif /* __XEN__ || __XEN_TOOLS__ */

/*
 * The request rings: one a class, so that none is ever behind another.
 *
 * Frame 0 holds the header, the frames after it the slots, class by class.
 * The hypervisor writes slots, then prod; the pager reads slots, then writes
 * cons.  Both run freely and are taken modulo XEN_VMM_RING_SLOTS.  The
 * hypervisor keeps its own copy of prod and trusts nothing that it reads
 * here but the distance to cons, which it checks.
 *
 * DEMAND cannot overflow: a vCPU has at most one request.  FOREIGN that does
 * not fit is not accepted, and the requester tries again.  DROP that does not
 * fit is counted in nr_drop_lost.
 */
#define XEN_VMM_CLASS_DEMAND            0 /* a vCPU of the domain waits */
#define XEN_VMM_CLASS_FOREIGN           1 /* another domain, or Xen, waits */
#define XEN_VMM_CLASS_DROP              2 /* the guest gave the page up */
#define XEN_VMM_NR_CLASSES              3

#define XEN_VMM_RING_SLOTS              1024

#define XEN_VMM_ACCESS_READ             (1u << 0)
#define XEN_VMM_ACCESS_WRITE            (1u << 1)
#define XEN_VMM_ACCESS_EXEC             (1u << 2)

struct xen_vmm_request {
    uint64_t gfn;
    uint64_t time_ns;                   /* Xen's system time at the request */
    uint32_t vcpu;                      /* DEMAND: whose; else 0 */
    uint8_t reqclass;                   /* XEN_VMM_CLASS_* */
    uint8_t access;                     /* XEN_VMM_ACCESS_*, 0 if not known */
    uint16_t _res1;
    uint64_t seq;                       /* counts the requests of a session */
};
typedef struct xen_vmm_request xen_vmm_request_t;

#define XEN_VMM_RING_MAGIC              0x474e4952304d4d56ULL /* "VMM0RING" */

struct xen_vmm_ring_index {
    uint32_t prod;                      /* written by the hypervisor */
    uint32_t _res1[15];
    uint32_t cons;                      /* written by the pager */
    uint32_t _res2[15];
};

struct xen_vmm_ring {
    uint64_t magic;                     /* XEN_VMM_RING_MAGIC */
    uint32_t version;                   /* XEN_VMM_INTERFACE_VERSION */
    uint32_t nr_slots;                  /* XEN_VMM_RING_SLOTS */
    uint32_t nr_classes;                /* XEN_VMM_NR_CLASSES */
    uint32_t slot_bytes;                /* sizeof(xen_vmm_request_t) */
    uint32_t slots_offset_bytes;        /* of class 0, from the header */
    uint32_t _res1[9];
    struct xen_vmm_ring_index index[XEN_VMM_NR_CLASSES];
};

#define XEN_VMM_RING_FRAMES \
    (1 + XEN_VMM_NR_CLASSES * XEN_VMM_RING_SLOTS / 128)

#endif /* __XEN_PUBLIC_VMM_OP_H__ */
