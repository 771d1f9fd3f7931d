/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hist.h: a histogram of times, log2 with 8 linear steps per octave: at most
 * 12.5 % off.  Fixed size, no allocation.
 */
#ifndef VMM_BASE_HIST_H
#define VMM_BASE_HIST_H

#include <stdint.h>

#define VMM__HIST_BUCKETS (8 * 62)

struct vmm__hist {
    uint64_t count;
    uint64_t max;
    uint64_t bucket[VMM__HIST_BUCKETS];
};

void vmm__hist_add(struct vmm__hist *hist, uint64_t value);
/* quantile in parts per 1,000 (500: median, 999: p99.9); 0 if empty. */
uint64_t vmm__hist_quantile(const struct vmm__hist *hist,
                            unsigned int per_mille);
void vmm__hist_reset(struct vmm__hist *hist);

#endif
