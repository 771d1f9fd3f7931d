/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hist.c: a histogram of times. */
#include <assert.h>
#include <string.h>

#include "base/hist.h"

#define STEP_BITS 3
#define STEPS     (1u << STEP_BITS)

/* Below STEPS a bucket per value, then STEPS buckets per octave. */
static unsigned int bucket_of(uint64_t value)
{
    unsigned int shift;

    if (value < STEPS) {
        return (unsigned int)value;
    }
    shift = 63u - (unsigned int)__builtin_clzll(value) - STEP_BITS;
    return STEPS * (shift + 1) + (unsigned int)(value >> shift & (STEPS - 1));
}

/* The largest value that falls into it. */
static uint64_t bucket_end(unsigned int bucket)
{
    unsigned int shift;

    if (bucket < STEPS) {
        return bucket;
    }
    shift = bucket / STEPS - 1;
    return ((uint64_t)(STEPS + bucket % STEPS) << shift) |
           (((uint64_t)1 << shift) - 1);
}

void vmm__hist_add(struct vmm__hist *hist, uint64_t value)
{
    hist->bucket[bucket_of(value)]++;
    hist->count++;
    if (value > hist->max) {
        hist->max = value;
    }
}

uint64_t vmm__hist_quantile(const struct vmm__hist *hist,
                            unsigned int per_mille)
{
    uint64_t rank, seen = 0, end;
    unsigned int i;

    assert(per_mille <= 1000);
    if (!hist->count) {
        return 0;
    }

    /* The smallest value that `rank' values do not exceed. */
    rank = hist->count / 1000 * per_mille +
           (hist->count % 1000 * per_mille + 999) / 1000;
    rank = rank ? rank : 1;
    for (i = 0; i < VMM__HIST_BUCKETS; i++) {
        seen += hist->bucket[i];
        if (seen >= rank) {
            break;
        }
    }
    end = i < VMM__HIST_BUCKETS ? bucket_end(i) : hist->max;
    return end < hist->max ? end : hist->max;
}

void vmm__hist_reset(struct vmm__hist *hist)
{
    memset(hist, 0, sizeof(*hist));
}
