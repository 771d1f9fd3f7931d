/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pager.h: the inside of include/vmm_pager.h: a pager on tables.
 *
 * vmm.c joins it to the real hypervisor and device, the simulation to its
 * own.  Nothing here waits: the owner calls vmm_pager_dispatch() when the
 * hypervisor or the device has something, and at vmm__pager_due_ns().
 */
#ifndef VMM_CONSUMER_PAGER_H
#define VMM_CONSUMER_PAGER_H

#include "consumer/pagefile.h"
#include "include/vmm_pager.h"
#include "table/bdev.h"
#include "table/clock.h"
#include "table/hv.h"

struct vmm__pager_deps {
    struct vmm__hv hv;              /* not attached yet */
    struct vmm__bdev bdev;
    struct vmm__clock clock;
    struct vmm__pagefile *pf;       /* opened with opts->adopt */
    uint64_t nr_gfns;
    uint32_t nr_vcpus;
};

/*
 * Attaches (takes over, with opts->adopt), and brings the index in line with
 * what the hypervisor says of each page.  The deps stay the caller's, who
 * disposes of them after vmm__pager_free().
 */
int vmm__pager_new(const struct vmm__pager_deps *deps,
                   const struct vmm_pager_opts *opts,
                   const struct vmm_logger *logger,
                   struct vmm_pager **pager_out);

/*
 * Before free: finish what is under way and begin nothing; to be repeated
 * until it says true, that no transfer is queued or in flight.
 */
bool vmm__pager_settle(struct vmm_pager *pager);
/*
 * Free; `ended' if the session is over (drained and detached here, or the
 * domain is gone), and the index not needed any more.
 */
void vmm__pager_free(struct vmm_pager *pager, bool *ended_out);

/*
 * When dispatch() is due with nothing else happening; UINT64_MAX: never.
 * Every dispatch() also arms the clock with it.
 */
uint64_t vmm__pager_due_ns(const struct vmm_pager *pager);

/* What the owner hung there; the pager does not look at it. */
void vmm__pager_set_owner(struct vmm_pager *pager, void *owner);
void *vmm__pager_owner(const struct vmm_pager *pager);

#endif
