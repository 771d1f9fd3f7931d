/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * policy.h: which page is cold.
 *
 * Pure: bits and events in, gfns out.  Each page has an age, the number of
 * harvests since it was last seen accessed (up to 255 are told apart), and is
 * hot or cold: hot if it was accessed again, resident or by a refault, sooner
 * than the oldest hot page has been idle.  Cold pages go first, the oldest
 * first; a hot one is protected while cold ones are to be had, and for
 * refault_protect harvests in any case.  Pages that cannot be nominated are
 * put aside and tried again later.
 * Memory: 2 bytes a gfn, and 4 for 1,024 of them.
 */
#ifndef VMM_CONSUMER_POLICY_H
#define VMM_CONSUMER_POLICY_H

#include <stdint.h>

struct vmm__policy;

struct vmm__policy_cfg {
    uint8_t min_age;            /* harvests unaccessed before evictable: 2 */
    uint8_t refault_protect;    /* the same for a hot page: 16 */
    uint8_t busy_backoff;       /* harvests an unpageable page is left: 32 */
};
void vmm__policy_cfg_default(struct vmm__policy_cfg *cfg_out);

int vmm__policy_new(const struct vmm__policy_cfg *cfg, uint64_t nr_gfns,
                    struct vmm__policy **policy_out);
void vmm__policy_free(struct vmm__policy *policy);

/*
 * One harvest of [first, first + nr) was read: bit i set, page accessed.
 * Covering the whole domain once makes a generation: call _next_generation().
 */
void vmm__policy_harvested(struct vmm__policy *policy, uint64_t first,
                           uint32_t nr, const uint8_t *bitmap);
void vmm__policy_next_generation(struct vmm__policy *policy);

/*
 * Events; a gfn that was never mentioned is not evictable.  _resident() of a
 * page that was picked says that it was not evicted after all: it is what it
 * was before.
 */
void vmm__policy_resident(struct vmm__policy *policy, uint64_t gfn);
/* Brought in because somebody asked for it: a refault if it was evicted. */
void vmm__policy_faulted(struct vmm__policy *policy, uint64_t gfn);
void vmm__policy_prefetched(struct vmm__policy *policy, uint64_t gfn);
void vmm__policy_evicted(struct vmm__policy *policy, uint64_t gfn);
void vmm__policy_busy(struct vmm__policy *policy, uint64_t gfn);
void vmm__policy_gone(struct vmm__policy *policy, uint64_t gfn);

/*
 * The coldest pages, at most `max', cold ones before hot ones, each in
 * ascending order of gfn from where the last pick ended (neighbours are
 * written together).  `pressure' 0: cold pages of min_age, hot ones of
 * refault_protect and more; 1: cold pages that were not accessed in the last
 * harvest, hot ones of a quarter of refault_protect; 2: any page that is not
 * set aside as busy.  Returned pages are not returned again before an event
 * of theirs.  Cost: a byte for 512 gfns, and the chunks of 512 that have
 * such pages.
 */
unsigned int vmm__policy_pick(struct vmm__policy *policy,
                              unsigned int pressure, unsigned int max,
                              uint64_t *gfns_out);

/* Resident pages by age now, for the working-set estimate. */
#define VMM__POLICY_AGES 8
struct vmm__policy_stat {
    uint64_t nr_by_age[VMM__POLICY_AGES];   /* the last: that and older */
    uint64_t nr_refaults, nr_protected, nr_busy;    /* protected: hot */
    uint32_t generation;
};
void vmm__policy_stat(const struct vmm__policy *policy,
                      struct vmm__policy_stat *stat_out);

#endif
