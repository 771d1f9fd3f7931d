/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * policy.c: which page is cold.
 *
 * Two bytes a gfn: the age, harvests since the page was last seen accessed
 * (it goes on counting while the page is out), and a mark: state and class.
 * The class makes the difference between two reuse distances: a HOT page was
 * accessed again sooner than the oldest hot page has been idle, anything else
 * is COLD and goes first.  So a scan, however long, passes through the cold
 * part and leaves the hot part alone, while a page that keeps coming back
 * displaces the hot page that has been idle for longest.
 *
 * Source: Jiang and Zhang, "LIRS", SIGMETRICS 2002; Jiang, Chen and Zhang,
 * "CLOCK-Pro", USENIX ATC 2005: the idea.  The list is replaced by ages, since
 * accessed bits have no order within a harvest.
 *
 * Picking is a clock: a histogram of ages says how old is old enough, a bound
 * per chunk of 512 gfns says where such pages can be at all, and the hand of
 * a class stays where the last pick ended.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "consumer/policy.h"
#include "include/vmm.h"

#define CHUNK_GFNS      512u
#define AGE_MAX         255u
#define OCTET           8u          /* gfns, and bits of a byte of a bitmap */
#define OCTET_ONES      0x0101010101010101ull

/* Hot pages are between 1/4 and 15/16 of the resident ones. */
#define HOT_LEAST_SHIFT 2
#define COLD_LEAST_SHIFT 4
/* So much of the resident pages is given back to the hot ones at a time. */
#define HOT_STEP_SHIFT  6

enum { COLD, HOT, NR_TEMPS };

/* The mark of a page. */
#define MARK_STATE      0x07u
enum { UNKNOWN, RESIDENT, PICKED, EVICTED, BUSY };
#define MARK_HOT        0x08u
/* Nothing but its arrival explains the accessed bit of the next harvest. */
#define MARK_FRESH      0x10u

struct vmm__policy {
    struct vmm__policy_cfg cfg;
    uint64_t nr_gfns, nr_chunks;
    uint8_t *age;
    uint8_t *mark;
    /* No RESIDENT page of the chunk is older; 0 if there is none. */
    uint8_t *oldest[NR_TEMPS];
    uint64_t hand[NR_TEMPS];                    /* a chunk */
    uint64_t hist[NR_TEMPS][AGE_MAX + 1];       /* RESIDENT pages */
    uint64_t nr_resident[NR_TEMPS];
    unsigned int top_hot;                       /* no hot page is older */
    uint64_t hot_limit;
    uint64_t nr_refaults, nr_busy;
    uint32_t generation;
};

void vmm__policy_cfg_default(struct vmm__policy_cfg *cfg_out)
{
    cfg_out->min_age = 2;
    cfg_out->refault_protect = 16;
    cfg_out->busy_backoff = 32;
}

int vmm__policy_new(const struct vmm__policy_cfg *cfg, uint64_t nr_gfns,
                    struct vmm__policy **policy_out)
{
    struct vmm__policy *policy;
    unsigned int t;

    if (!cfg || !nr_gfns || !policy_out) {
        return VMM_E_INVAL;
    }
    policy = calloc(1, sizeof(*policy));
    if (!policy) {
        return VMM_E_NOMEM;
    }
    policy->cfg = *cfg;
    policy->nr_gfns = nr_gfns;
    policy->hot_limit = nr_gfns;
    policy->nr_chunks = (nr_gfns + CHUNK_GFNS - 1) / CHUNK_GFNS;
    policy->age = calloc(nr_gfns, 1);
    policy->mark = calloc(nr_gfns, 1);
    if (!policy->age || !policy->mark) {
        goto nomem;
    }
    for (t = 0; t < NR_TEMPS; t++) {
        policy->oldest[t] = calloc(policy->nr_chunks, 1);
        if (!policy->oldest[t]) {
            goto nomem;
        }
    }
    *policy_out = policy;
    return 0;

nomem:
    vmm__policy_free(policy);
    return VMM_E_NOMEM;
}

void vmm__policy_free(struct vmm__policy *policy)
{
    unsigned int t;

    if (!policy) {
        return;
    }
    for (t = 0; t < NR_TEMPS; t++) {
        free(policy->oldest[t]);
    }
    free(policy->mark);
    free(policy->age);
    free(policy);
}

static unsigned int mark_state(uint8_t mark)
{
    return mark & MARK_STATE;
}

static unsigned int mark_temp(uint8_t mark)
{
    return mark & MARK_HOT ? HOT : COLD;
}

/* The only place where a page changes. */
static void page_set(struct vmm__policy *policy, uint64_t gfn,
                     unsigned int mark, unsigned int age)
{
    uint8_t old = policy->mark[gfn];
    uint8_t *oldest;
    unsigned int t;

    if (mark_state(old) == RESIDENT) {
        t = mark_temp(old);
        policy->hist[t][policy->age[gfn]]--;
        policy->nr_resident[t]--;
    } else if (mark_state(old) == BUSY) {
        policy->nr_busy--;
    }

    policy->mark[gfn] = (uint8_t)mark;
    policy->age[gfn] = (uint8_t)age;

    if (mark_state((uint8_t)mark) == RESIDENT) {
        t = mark_temp((uint8_t)mark);
        policy->hist[t][age]++;
        policy->nr_resident[t]++;
        oldest = &policy->oldest[t][gfn / CHUNK_GFNS];
        if (*oldest < age) {
            *oldest = (uint8_t)age;
        }
        if (t == HOT && policy->top_hot < age) {
            policy->top_hot = age;
        }
    } else if (mark_state((uint8_t)mark) == BUSY) {
        policy->nr_busy++;
    }
}

/*
 * How many pages may be hot.  The cold part must be so large that a page gets
 * old in it before its place is needed: it grows when hot pages had to go
 * because no cold page was old enough, and shrinks again when many are.
 */
static uint64_t hot_limit(const struct vmm__policy *policy)
{
    uint64_t nr = policy->nr_resident[COLD] + policy->nr_resident[HOT];
    uint64_t most = nr - (nr >> COLD_LEAST_SHIFT);
    uint64_t least = nr >> HOT_LEAST_SHIFT;

    if (policy->hot_limit > most) {
        return most;
    }
    return policy->hot_limit < least ? least : policy->hot_limit;
}

/* Is a page hot that was accessed after `distance' harvests without? */
static bool is_hot(struct vmm__policy *policy, unsigned int distance)
{
    if (policy->nr_resident[HOT] < hot_limit(policy)) {
        return true;
    }
    while (policy->top_hot && !policy->hist[HOT][policy->top_hot]) {
        policy->top_hot--;
    }
    return distance < policy->top_hot;
}

static void page_accessed(struct vmm__policy *policy, uint64_t gfn)
{
    unsigned int mark = RESIDENT;
    uint8_t old = policy->mark[gfn];

    if (old & MARK_HOT || (!(old & MARK_FRESH) &&
                           is_hot(policy, policy->age[gfn]))) {
        mark |= MARK_HOT;
    }
    page_set(policy, gfn, mark, 0);
}

static void page_older(struct vmm__policy *policy, uint64_t gfn)
{
    unsigned int age = policy->age[gfn];

    if (age < AGE_MAX) {
        page_set(policy, gfn, policy->mark[gfn] & ~MARK_FRESH, age + 1);
    }
}

/* Neighbours are often alike: eight at once, or false. */
static bool octet_harvested(struct vmm__policy *policy, uint64_t gfn,
                            uint8_t bits)
{
    uint8_t *marks = &policy->mark[gfn], *ages = &policy->age[gfn];
    unsigned int age = ages[0], temp = mark_temp(marks[0]);
    uint64_t marks8, ages8;
    uint8_t *oldest;

    memcpy(&marks8, marks, OCTET);
    memcpy(&ages8, ages, OCTET);
    if (marks8 != marks[0] * OCTET_ONES || ages8 != age * OCTET_ONES) {
        return false;
    }

    switch (mark_state(marks[0])) {
    case RESIDENT:
        if (bits) {
            return bits == 0xff && !age && temp == HOT &&
                   !(marks[0] & MARK_FRESH);
        }
        if (age < AGE_MAX) {
            policy->hist[temp][age] -= OCTET;
            policy->hist[temp][++age] += OCTET;
        }
        oldest = &policy->oldest[temp][gfn / CHUNK_GFNS];
        if (*oldest < age) {
            *oldest = (uint8_t)age;
        }
        if (temp == HOT && policy->top_hot < age) {
            policy->top_hot = age;
        }
        break;
    case EVICTED:
        if (age < AGE_MAX) {
            age++;
        }
        break;
    case BUSY:
        return false;
    default:
        return true;
    }
    memset(ages, (int)age, OCTET);
    memset(marks, marks[0] & ~MARK_FRESH, OCTET);
    return true;
}

static void chunk_harvested(struct vmm__policy *policy, uint64_t first,
                            uint32_t nr, const uint8_t *bitmap)
{
    uint64_t chunk = first / CHUNK_GFNS;
    uint32_t i;

    /* Raised again by page_set(): from here on they are exact. */
    policy->oldest[COLD][chunk] = policy->oldest[HOT][chunk] = 0;

    for (i = 0; i < nr; i++) {
        uint64_t gfn = first + i;

        if (i % OCTET == 0 && nr - i >= OCTET &&
            octet_harvested(policy, gfn, bitmap[i / OCTET])) {
            i += OCTET - 1;
            continue;
        }
        switch (mark_state(policy->mark[gfn])) {
        case RESIDENT:
            if (bitmap[i / 8] & (1u << (i % 8))) {
                page_accessed(policy, gfn);
            } else if (policy->age[gfn] < AGE_MAX) {
                page_older(policy, gfn);
            } else {
                policy->oldest[mark_temp(policy->mark[gfn])][chunk] = AGE_MAX;
            }
            break;
        case EVICTED:
            page_older(policy, gfn);
            break;
        case BUSY:
            /* The age of a busy page counts down. */
            if (policy->age[gfn] > 1) {
                policy->age[gfn]--;
            } else {
                page_set(policy, gfn, RESIDENT | MARK_FRESH, 0);
            }
            break;
        default:
            break;
        }
    }
}

void vmm__policy_harvested(struct vmm__policy *policy, uint64_t first,
                           uint32_t nr, const uint8_t *bitmap)
{
    assert(first % CHUNK_GFNS == 0);
    assert(first <= policy->nr_gfns && nr <= policy->nr_gfns - first);

    while (nr) {
        uint32_t n = nr < CHUNK_GFNS ? nr : CHUNK_GFNS;

        chunk_harvested(policy, first, n, bitmap);
        first += n;
        nr -= n;
        bitmap += CHUNK_GFNS / 8;
    }
}

void vmm__policy_next_generation(struct vmm__policy *policy)
{
    uint64_t nr = policy->nr_resident[COLD] + policy->nr_resident[HOT];
    uint64_t young = 0;
    unsigned int a;

    policy->generation++;
    for (a = 0; a < policy->cfg.min_age; a++) {
        young += policy->hist[COLD][a];
    }
    if (policy->nr_resident[COLD] - young > nr >> COLD_LEAST_SHIFT) {
        policy->hot_limit = hot_limit(policy) + (nr >> HOT_STEP_SHIFT);
    }
}

void vmm__policy_resident(struct vmm__policy *policy, uint64_t gfn)
{
    unsigned int mark;

    assert(gfn < policy->nr_gfns);
    mark = policy->mark[gfn];
    switch (mark_state((uint8_t)mark)) {
    case UNKNOWN:
    case EVICTED:
        page_set(policy, gfn, RESIDENT | MARK_FRESH, 0);
        break;
    case PICKED:
        /* Not evicted after all: what it was. */
        page_set(policy, gfn, (mark & ~MARK_STATE) | RESIDENT,
                 policy->age[gfn]);
        break;
    default:
        break;
    }
}

void vmm__policy_faulted(struct vmm__policy *policy, uint64_t gfn)
{
    unsigned int mark = RESIDENT | MARK_FRESH;

    assert(gfn < policy->nr_gfns);
    switch (mark_state(policy->mark[gfn])) {
    case EVICTED:
        policy->nr_refaults++;
        if (is_hot(policy, policy->age[gfn])) {
            mark |= MARK_HOT;
        }
        page_set(policy, gfn, mark, 0);
        break;
    case PICKED:
    case RESIDENT:
        page_accessed(policy, gfn);
        break;
    case UNKNOWN:
        page_set(policy, gfn, mark, 0);
        break;
    default:
        break;
    }
}

void vmm__policy_prefetched(struct vmm__policy *policy, uint64_t gfn)
{
    assert(gfn < policy->nr_gfns);
    switch (mark_state(policy->mark[gfn])) {
    case UNKNOWN:
    case EVICTED:
    case PICKED:
        page_set(policy, gfn, RESIDENT | MARK_FRESH, 0);
        break;
    default:
        break;
    }
}

void vmm__policy_evicted(struct vmm__policy *policy, uint64_t gfn)
{
    assert(gfn < policy->nr_gfns);
    if (mark_state(policy->mark[gfn]) == BUSY) {
        /* Its age is none. */
        page_set(policy, gfn, EVICTED, 0);
    } else {
        page_set(policy, gfn, EVICTED, policy->age[gfn]);
    }
}

void vmm__policy_busy(struct vmm__policy *policy, uint64_t gfn)
{
    assert(gfn < policy->nr_gfns);
    page_set(policy, gfn, BUSY, policy->cfg.busy_backoff);
}

void vmm__policy_gone(struct vmm__policy *policy, uint64_t gfn)
{
    assert(gfn < policy->nr_gfns);
    page_set(policy, gfn, UNKNOWN, 0);
}

/* Takes from one chunk; true if there is no room for more. */
static bool chunk_pick(struct vmm__policy *policy, uint64_t chunk,
                       unsigned int temp, unsigned int min_age,
                       unsigned int max, uint64_t *gfns, unsigned int *n)
{
    uint64_t gfn = chunk * CHUNK_GFNS;
    uint64_t end = gfn + CHUNK_GFNS;
    unsigned int oldest = 0;

    if (end > policy->nr_gfns) {
        end = policy->nr_gfns;
    }
    for (; gfn < end; gfn++) {
        uint8_t mark = policy->mark[gfn];
        unsigned int age = policy->age[gfn];

        if (mark_state(mark) != RESIDENT || mark_temp(mark) != temp) {
            continue;
        }
        if (age < min_age) {
            if (oldest < age) {
                oldest = age;
            }
            continue;
        }
        if (*n == max) {
            return true;
        }
        page_set(policy, gfn, (mark & ~MARK_STATE) | PICKED, age);
        gfns[(*n)++] = gfn;
    }
    policy->oldest[temp][chunk] = (uint8_t)oldest;
    return false;
}

/* At most `max' pages of a class, none younger than `min_age'. */
static unsigned int pick_temp(struct vmm__policy *policy, unsigned int temp,
                              unsigned int min_age, unsigned int max,
                              uint64_t *gfns)
{
    uint64_t nr_old = 0, left, chunk;
    unsigned int age = AGE_MAX, n = 0;

    if (!max) {
        return 0;
    }
    /* So old that there are enough of them, and no younger. */
    for (;; age--) {
        nr_old += policy->hist[temp][age];
        if (nr_old >= max || age <= min_age) {
            break;
        }
    }
    if (!nr_old) {
        return 0;
    }
    chunk = policy->hand[temp];
    for (left = policy->nr_chunks; left; left--) {
        if (policy->oldest[temp][chunk] >= age &&
            chunk_pick(policy, chunk, temp, age, max, gfns, &n)) {
            break;
        }
        if (n == max || n == nr_old) {
            break;
        }
        chunk = chunk + 1 < policy->nr_chunks ? chunk + 1 : 0;
    }
    policy->hand[temp] = chunk;
    return n;
}

unsigned int vmm__policy_pick(struct vmm__policy *policy,
                              unsigned int pressure, unsigned int max,
                              uint64_t *gfns_out)
{
    unsigned int cold_age = policy->cfg.min_age;
    unsigned int hot_age = policy->cfg.refault_protect;
    uint64_t limit = hot_limit(policy), over;
    unsigned int n = 0, nr_hot;

    if (pressure == 1) {
        cold_age = 1;
        hot_age /= 4;
    } else if (pressure > 1) {
        cold_age = hot_age = 0;
    }
    if (hot_age < cold_age) {
        hot_age = cold_age;
    }
    if (policy->nr_resident[HOT] > limit) {
        over = policy->nr_resident[HOT] - limit;
        n = pick_temp(policy, HOT, hot_age,
                      over < max ? (unsigned int)over : max, gfns_out);
    }
    n += pick_temp(policy, COLD, cold_age, max - n, gfns_out + n);
    nr_hot = pick_temp(policy, HOT, hot_age, max - n, gfns_out + n);
    if (nr_hot) {
        policy->hot_limit = limit > nr_hot ? limit - nr_hot : 0;
    }
    return n + nr_hot;
}

void vmm__policy_stat(const struct vmm__policy *policy,
                      struct vmm__policy_stat *stat_out)
{
    unsigned int t, a;

    memset(stat_out, 0, sizeof(*stat_out));
    for (t = 0; t < NR_TEMPS; t++) {
        for (a = 0; a <= AGE_MAX; a++) {
            unsigned int i = a < VMM__POLICY_AGES ? a : VMM__POLICY_AGES - 1;

            stat_out->nr_by_age[i] += policy->hist[t][a];
        }
    }
    stat_out->nr_refaults = policy->nr_refaults;
    stat_out->nr_protected = policy->nr_resident[HOT];
    stat_out->nr_busy = policy->nr_busy;
    stat_out->generation = policy->generation;
}
