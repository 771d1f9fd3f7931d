/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm_pager.h: a domain that runs in less memory than it has.
 *
 * A pager keeps the resident pages of one domain at a target; cold pages live
 * in a page file.  It is an object with one descriptor and one dispatch
 * function: the owner's thread polls vmm_pager_fd() and calls
 * vmm_pager_dispatch() when it is readable.  All functions of one pager are
 * called by one thread, which may be any; different pagers need no locking
 * against each other.  Not across fork.
 *
 * The session lives in the hypervisor.  If the owner dies, pages stay where
 * they are and vCPUs that touch them wait; vmm_pager_open() with adopt
 * continues the session.
 *
 * Source: xen/include/public/vmm_op.h; vmmd(8).
 */
#ifndef VMM_PAGER_H
#define VMM_PAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm.h"
#include "vmm_region.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct vmm_pager vmm_pager;

struct vmm_pager_opts {
    uint32_t size;              /* sizeof(struct vmm_pager_opts) */
    uint32_t domid;
    uint8_t uuid[16];           /* of the domain */
    /*
     * In place of a store: a region with nothing in it that matters, or with
     * `adopt' as it was.  It outlives the pager, what runs there is the
     * pager's alone, and when the session ends nothing is left in it.
     */
    vmm_region *region;
    const char *store_path;     /* file (created) or block device */
    uint64_t store_max_bytes;   /* 0: the domain's size (file), all (device) */
    const char *index_path;     /* mapped file, on a file system in memory */
    bool adopt;                 /* continue a session */
    uint64_t target_pages;      /* resident */
    uint64_t floor_pages;       /* target is never taken below */
    bool fifo;                  /* classes off, for comparison */
    bool no_prefetch;
    uint32_t io_error_retries;  /* page-in, before the domain is paused */
    uint32_t harvest_ms;        /* interval of accessed-bit harvests */
};
void vmm_pager_opts_init(struct vmm_pager_opts *opts_out);

/*
 * Errors: VMM_E_IOMMU, VMM_E_POD, VMM_E_NOHAP, VMM_E_OTHERPAGER, VMM_E_NOTSUP:
 * the domain cannot be paged, or this Xen has no vmm_op; VMM_E_NOENT: no such
 * domain (or, with adopt, no session); VMM_E_SESSION: there is one, adopt it;
 * VMM_E_EXISTS: the store holds something else; VMM_E_IO, VMM_E_NOSPC,
 * VMM_E_FORMAT: store or index.
 */
int vmm_pager_open(const struct vmm_pager_opts *opts,
                   const struct vmm_logger *logger, vmm_pager **pager_out);

int vmm_pager_fd(const vmm_pager *pager);
/*
 * Do what is due; never blocks on a device.  Returns 0, or VMM_E_NOENT when
 * the domain is gone: close the pager then.
 */
int vmm_pager_dispatch(vmm_pager *pager);

int vmm_pager_set_target(vmm_pager *pager, uint64_t target_pages,
                         uint64_t floor_pages);

/*
 * Stop paging: from here on dispatch() only brings pages back.  When
 * vmm_pager_drained() says true, vmm_pager_close() detaches the session.
 */
void vmm_pager_drain(vmm_pager *pager);
bool vmm_pager_drained(const vmm_pager *pager);
/* Try pages again that failed, after the store was repaired. */
void vmm_pager_retry(vmm_pager *pager);

/*
 * Free everything.  Drained, or the domain gone: the session ends and the
 * index is removed.  Otherwise the session stays in the hypervisor, to be
 * adopted.  NULL is fine.
 */
void vmm_pager_close(vmm_pager *pager);

enum vmm_pager_state {
    VMM_PAGER_ACTIVE = 0,
    VMM_PAGER_DRAINING,
    VMM_PAGER_DRAINED,
    VMM_PAGER_STORE_FULL,       /* evicts no more until there is room */
    VMM_PAGER_FAILED,           /* domain paused: a page cannot be read */
};
const char *vmm_pager_state_name(enum vmm_pager_state state);

struct vmm_pager_class_stat {
    uint64_t nr_requests, nr_failed, nr_promoted;
    uint32_t nr_queued, nr_inflight;
    uint64_t p50_ns, p99_ns, p999_ns, max_ns;   /* request to resident */
};

struct vmm_pager_stat {
    uint32_t size;              /* sizeof, set by the caller */
    uint32_t domid;
    enum vmm_pager_state state;
    int last_error;             /* of FAILED and STORE_FULL, or of writes
                                   that fail and are tried again; else 0 */
    uint64_t failed_gfn;
    uint64_t total_pages, resident_pages, paged_pages, same_filled_pages;
    uint64_t target_pages, floor_pages;
    uint64_t store_used_bytes, store_max_bytes;
    uint64_t nr_evicted, nr_evict_busy, nr_rescued, nr_dropped;
    uint64_t nr_refaults, nr_prefetch_hits, nr_prefetch_misses;
    uint64_t nr_io_retries;
    uint32_t prefetch_depth, generation;
    uint64_t working_set_pages; /* accessed in the last generations */
    struct vmm_pager_class_stat reqclass[VMM_NR_REQCLASSES];
};
int vmm_pager_stat(const vmm_pager *pager, struct vmm_pager_stat *stat);
/* Start the latency percentiles afresh. */
void vmm_pager_reset_latency(vmm_pager *pager);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* VMM_PAGER_H */
