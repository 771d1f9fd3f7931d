/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * prefetch.h: which pages come next.
 *
 * The majority stride in a window of recent faults (Boyer-Moore vote over
 * growing windows; Maruf and Chowdhury, "Effectively Prefetching Remote
 * Memory with Leap", ATC 2020) says where; the hit rate of what was
 * prefetched says how far.  Pure; per vCPU streams are kept apart.
 */
#ifndef VMM_CONSUMER_PREFETCH_H
#define VMM_CONSUMER_PREFETCH_H

#include <stdint.h>

struct vmm__prefetch;

struct vmm__prefetch_cfg {
    unsigned int history;       /* faults remembered per stream: 32 */
    unsigned int max_depth;     /* 32 */
};
void vmm__prefetch_cfg_default(struct vmm__prefetch_cfg *cfg_out);

int vmm__prefetch_new(const struct vmm__prefetch_cfg *cfg,
                      unsigned int nr_streams,
                      struct vmm__prefetch **prefetch_out);
void vmm__prefetch_free(struct vmm__prefetch *prefetch);

/*
 * A fault of a stream.  Writes at most `max' gfns (0 <= gfn < nr_gfns), the
 * nearest first, and returns how many; 0 where no trend is seen.
 */
unsigned int vmm__prefetch_fault(struct vmm__prefetch *prefetch,
                                 unsigned int stream, uint64_t gfn,
                                 uint64_t nr_gfns, unsigned int max,
                                 uint64_t *gfns_out);

/* What became of a prefetched page: touched while it mattered, or not. */
void vmm__prefetch_hit(struct vmm__prefetch *prefetch, unsigned int stream);
void vmm__prefetch_miss(struct vmm__prefetch *prefetch, unsigned int stream);

struct vmm__prefetch_stat {
    uint64_t nr_hits, nr_misses;
    unsigned int depth;         /* of the deepest stream now */
};
void vmm__prefetch_stat(const struct vmm__prefetch *prefetch,
                        struct vmm__prefetch_stat *stat_out);

#endif
