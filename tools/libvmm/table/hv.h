/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hv.h: one domain in the hypervisor, as a pager needs it.
 *
 * Implemented by port/hv_xen.c over xen/include/public/vmm_op.h, which says
 * what each operation means, and by the simulation.  One thread per handle.
 * All functions return 0 or VMM_E_*; page results likewise, in `rc'.
 */
#ifndef VMM_TABLE_HV_H
#define VMM_TABLE_HV_H

#include <stdbool.h>
#include <stdint.h>

#define VMM__PAGE_BYTES 4096u
#define VMM__HV_BATCH_MAX 512u

enum vmm__hv_reqclass { VMM__HV_DEMAND, VMM__HV_FOREIGN, VMM__HV_DROP };

struct vmm__hv_request {
    enum vmm__hv_reqclass reqclass;
    uint64_t gfn;           /* checked to be at most info.max_gfn */
    uint64_t age_ns;        /* since the hypervisor posted it */
    uint32_t vcpu;
    uint8_t access;         /* XEN_VMM_ACCESS_* */
};

enum vmm__hv_state {        /* the values of XEN_VMM_STATE_* */
    VMM__HV_HOLE, VMM__HV_RESIDENT, VMM__HV_NOMINATED, VMM__HV_PAGED,
    VMM__HV_PAGING_IN, VMM__HV_OTHER
};

struct vmm__hv_page {
    uint64_t gfn;
    void *buf;              /* VMM__PAGE_BYTES, or NULL where not needed */
    int rc;
};

struct vmm__hv_stat {
    uint64_t tot_pages, paged_pages, max_gfn;
    uint64_t nr_demand, nr_foreign, nr_drop, nr_drop_lost, nr_rescued;
    uint64_t nr_hypercall_waits;
    uint32_t nr_waiting;
};

/*
 * Page results:
 *   nominate  0; BUSY: in use or special or not resident; INVAL: bad gfn
 *   evict     0: paged; BUSY: resident again
 *   prepare   0: resident, waiters woken; EXISTS: resident already, waiters
 *             woken; NOENT: the guest gave the page up; NOMEM: no frame now;
 *             FAULT: buffer not readable just now, touch it and try again
 *   resume    0: resident; EXISTS: was resident; NOENT: no frame
 * A batch is at most VMM__HV_BATCH_MAX pages; a non-zero return of the
 * function itself means that no page's rc is valid.
 */
struct vmm__hv_ops {
    /* takeover: adopt the session that a dead pager left behind. */
    int (*attach)(void *hv, bool takeover);
    int (*detach)(void *hv);
    int (*nominate)(void *hv, struct vmm__hv_page *pages, unsigned int nr);
    int (*evict)(void *hv, struct vmm__hv_page *pages, unsigned int nr);
    int (*prepare)(void *hv, struct vmm__hv_page *pages, unsigned int nr,
                   bool cold);
    int (*resume)(void *hv, struct vmm__hv_page *pages, unsigned int nr);
    /*
     * Bit i: gfn first + i accessed since last time.  first % 512 == 0.
     * more: another harvest follows at once, what costs the guest can wait.
     */
    int (*harvest)(void *hv, uint64_t first, uint32_t nr, bool more,
                   uint8_t *bitmap);
    /* A byte of enum vmm__hv_state per gfn. */
    int (*query)(void *hv, uint64_t first, uint32_t nr, uint8_t *states);
    int (*stat)(void *hv, struct vmm__hv_stat *stat_out);
    /* True and a request, or false if that class has none now. */
    bool (*next_request)(void *hv, enum vmm__hv_reqclass reqclass,
                         struct vmm__hv_request *req_out);
    /* Readable when requests may have come; ack before looking at rings. */
    int (*fd)(void *hv);
    void (*ack)(void *hv);
    /* Pause the domain's vCPUs for good: its memory cannot be brought back. */
    int (*pause_domain)(void *hv);
    int (*unpause_domain)(void *hv);
};

struct vmm__hv {
    const struct vmm__hv_ops *ops;
    void *self;
};

#endif
