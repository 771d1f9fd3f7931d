/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_policy.c: events one by one, and whole programs against LRU. */
#include "consumer/policy.c"

#include "lib/ut.h"

#define NR 2048u
#define BITMAP_BYTES(nr) (((nr) + 7) / 8)

static struct vmm__policy *policy;
static uint8_t bitmap[BITMAP_BYTES(NR)];

static void setup(void)
{
    struct vmm__policy_cfg cfg;
    uint64_t gfn;

    vmm__policy_cfg_default(&cfg);
    policy = NULL;
    CU_ASSERT_EQUAL_FATAL(vmm__policy_new(&cfg, NR, &policy), 0);
    for (gfn = 0; gfn < NR; gfn++) {
        vmm__policy_resident(policy, gfn);
    }
    memset(bitmap, 0, sizeof(bitmap));
}

static void teardown(void)
{
    vmm__policy_free(policy);
}

static void generations(unsigned int nr)
{
    while (nr--) {
        vmm__policy_harvested(policy, 0, NR, bitmap);
        vmm__policy_next_generation(policy);
    }
}

static void access_gfn(uint64_t gfn)
{
    bitmap[gfn / 8] |= (uint8_t)(1u << (gfn % 8));
}

/* What the counts say is what there is. */
static void check_counts(void)
{
    uint64_t hist[NR_TEMPS][AGE_MAX + 1] = { 0 }, busy = 0, gfn;
    unsigned int t, a;

    for (gfn = 0; gfn < policy->nr_gfns; gfn++) {
        uint8_t mark = policy->mark[gfn], age = policy->age[gfn];

        busy += mark_state(mark) == BUSY;
        if (mark_state(mark) != RESIDENT) {
            continue;
        }
        t = mark_temp(mark);
        hist[t][age]++;
        CU_ASSERT(policy->oldest[t][gfn / CHUNK_GFNS] >= age);
        CU_ASSERT(t == COLD || policy->top_hot >= age);
    }
    for (t = 0; t < NR_TEMPS; t++) {
        uint64_t sum = 0;

        for (a = 0; a <= AGE_MAX; a++) {
            CU_ASSERT_EQUAL(hist[t][a], policy->hist[t][a]);
            sum += hist[t][a];
        }
        CU_ASSERT_EQUAL(sum, policy->nr_resident[t]);
    }
    CU_ASSERT_EQUAL(busy, policy->nr_busy);
}

static void policy_new__bad_arguments(void)
{
    struct vmm__policy_cfg cfg;
    struct vmm__policy *p;

    vmm__policy_cfg_default(&cfg);
    CU_ASSERT_EQUAL(vmm__policy_new(NULL, 1, &p), VMM_E_INVAL);
    CU_ASSERT_EQUAL(vmm__policy_new(&cfg, 0, &p), VMM_E_INVAL);
    CU_ASSERT_EQUAL(vmm__policy_new(&cfg, 1, NULL), VMM_E_INVAL);
    vmm__policy_free(NULL);
}

static void pick__nothing_known(void)
{
    struct vmm__policy_cfg cfg;
    struct vmm__policy *p;
    uint64_t gfns[4];

    vmm__policy_cfg_default(&cfg);
    CU_ASSERT_EQUAL_FATAL(vmm__policy_new(&cfg, NR, &p), 0);
    CU_ASSERT_EQUAL(vmm__policy_pick(p, 2, 4, gfns), 0);
    vmm__policy_free(p);
}

static void pick__pressure(void)
{
    uint64_t gfns[NR];
    unsigned int n;

    setup();
    CU_ASSERT_EQUAL(vmm__policy_pick(policy, 0, NR, gfns), 0);
    CU_ASSERT_EQUAL(vmm__policy_pick(policy, 1, NR, gfns), 0);
    generations(1);
    CU_ASSERT_EQUAL(vmm__policy_pick(policy, 0, NR, gfns), 0);
    n = vmm__policy_pick(policy, 1, 10, gfns);
    CU_ASSERT_EQUAL(n, 10);
    generations(1);
    n = vmm__policy_pick(policy, 0, 20, gfns);
    CU_ASSERT_EQUAL(n, 20);
    /* Busy or picked ones are not to be had, all others are. */
    vmm__policy_busy(policy, 1000);
    n = vmm__policy_pick(policy, 2, NR, gfns);
    CU_ASSERT_EQUAL(n, NR - 31);
    CU_ASSERT_EQUAL(vmm__policy_pick(policy, 2, NR, gfns), 0);
    check_counts();
    teardown();
}

static void pick__oldest_in_order(void)
{
    uint64_t gfns[NR], gfn;
    unsigned int n, i;

    setup();
    generations(3);
    /* All but a few are touched once more. */
    for (gfn = 0; gfn < NR; gfn++) {
        if (gfn % 100 != 7) {
            access_gfn(gfn);
        }
    }
    generations(1);
    memset(bitmap, 0, sizeof(bitmap));
    generations(3);
    n = vmm__policy_pick(policy, 0, 21, gfns);
    CU_ASSERT_EQUAL(n, 21);
    for (i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(gfns[i] % 100, 7);
        CU_ASSERT(!i || gfns[i] > gfns[i - 1]);
    }
    check_counts();
    teardown();
}

static void pick__does_not_start_afresh(void)
{
    uint64_t gfns[8], last = 0;
    unsigned int i;

    setup();
    generations(2);
    for (i = 0; i < NR / 8; i++) {
        CU_ASSERT_EQUAL(vmm__policy_pick(policy, 0, 8, gfns), 8);
        CU_ASSERT(!i || gfns[0] > last);
        last = gfns[7];
    }
    CU_ASSERT_EQUAL(vmm__policy_pick(policy, 0, 8, gfns), 0);
    teardown();
}

static void busy__comes_back(void)
{
    uint64_t gfns[NR], gfn;

    setup();
    for (gfn = 0; gfn < NR; gfn++) {
        if (gfn != 5) {
            vmm__policy_gone(policy, gfn);
        }
    }
    vmm__policy_busy(policy, 5);
    generations(31);
    CU_ASSERT_EQUAL(vmm__policy_pick(policy, 2, NR, gfns), 0);
    check_counts();
    generations(1);
    CU_ASSERT_EQUAL(vmm__policy_pick(policy, 2, NR, gfns), 1);
    CU_ASSERT_EQUAL(gfns[0], 5);
    /* Not evicted after all, and so once more. */
    CU_ASSERT_EQUAL(vmm__policy_pick(policy, 2, NR, gfns), 0);
    vmm__policy_resident(policy, 5);
    CU_ASSERT_EQUAL(vmm__policy_pick(policy, 2, NR, gfns), 1);
    check_counts();
    teardown();
}

static void faulted__refault_is_protected(void)
{
    struct vmm__policy_stat stat;
    uint64_t gfns[NR];
    unsigned int i, n;

    setup();
    generations(4);
    CU_ASSERT_EQUAL(vmm__policy_pick(policy, 0, 1, gfns), 1);
    CU_ASSERT_EQUAL(gfns[0], 0);
    vmm__policy_evicted(policy, 0);
    generations(1);
    vmm__policy_faulted(policy, 0);
    vmm__policy_stat(policy, &stat);
    CU_ASSERT_EQUAL(stat.nr_refaults, 1);
    CU_ASSERT_EQUAL(stat.nr_protected, 1);
    generations(15);
    n = vmm__policy_pick(policy, 0, NR, gfns);
    CU_ASSERT_EQUAL(n, NR - 1);
    for (i = 0; i < n; i++) {
        CU_ASSERT_NOT_EQUAL(gfns[i], 0);
    }
    generations(1);
    CU_ASSERT_EQUAL(vmm__policy_pick(policy, 0, NR, gfns), 1);
    CU_ASSERT_EQUAL(gfns[0], 0);
    check_counts();
    teardown();
}

static void prefetched__unused_goes_first(void)
{
    uint64_t gfns[NR], gfn;

    setup();
    vmm__policy_evicted(policy, 77);
    /* The others are used all the time. */
    for (gfn = 0; gfn < NR; gfn++) {
        if (gfn != 77) {
            access_gfn(gfn);
        }
    }
    generations(2);
    vmm__policy_prefetched(policy, 77);
    generations(2);
    CU_ASSERT_EQUAL(vmm__policy_pick(policy, 0, NR, gfns), 1);
    CU_ASSERT_EQUAL(gfns[0], 77);
    check_counts();
    teardown();
}

static void harvested__last_chunk_is_short(void)
{
    struct vmm__policy_cfg cfg;
    uint8_t *bits = malloc(BITMAP_BYTES(515));
    uint64_t gfns[8], gfn;

    vmm__policy_cfg_default(&cfg);
    CU_ASSERT_EQUAL_FATAL(vmm__policy_new(&cfg, 515, &policy), 0);
    for (gfn = 0; gfn < 515; gfn++) {
        vmm__policy_resident(policy, gfn);
    }
    memset(bits, 0xff, BITMAP_BYTES(515));
    bits[514 / 8] = (uint8_t)~(1u << (514 % 8));
    vmm__policy_harvested(policy, 0, 515, bits);
    vmm__policy_harvested(policy, 0, 515, bits);
    CU_ASSERT_EQUAL(vmm__policy_pick(policy, 0, 8, gfns), 1);
    CU_ASSERT_EQUAL(gfns[0], 514);
    check_counts();
    teardown();
    free(bits);
}

static void events__any_order_keeps_counts(void)
{
    uint64_t x = 88172645463325252ull, gfns[16];
    unsigned int i, k, n;

    setup();
    for (i = 0; i < 100000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        switch (x % 9) {
        case 0:
            vmm__policy_resident(policy, x / 16 % NR);
            break;
        case 1:
            vmm__policy_faulted(policy, x / 16 % NR);
            break;
        case 2:
            vmm__policy_prefetched(policy, x / 16 % NR);
            break;
        case 3:
            vmm__policy_evicted(policy, x / 16 % NR);
            break;
        case 4:
            vmm__policy_busy(policy, x / 16 % NR);
            break;
        case 5:
            if (x / 16 % 8 == 0) {
                vmm__policy_gone(policy, x / 128 % NR);
            }
            break;
        case 6:
            access_gfn(x / 16 % NR);
            break;
        case 7:
            n = vmm__policy_pick(policy, x / 16 % 3, x / 64 % 17, gfns);
            for (k = 0; k < n; k++) {
                CU_ASSERT_EQUAL(mark_state(policy->mark[gfns[k]]), PICKED);
            }
            break;
        case 8:
            if (x / 16 % 64 == 0) {
                vmm__policy_harvested(policy, x / 1024 % 4 * 512, 512,
                                      bitmap);
                vmm__policy_next_generation(policy);
                memset(bitmap, 0, sizeof(bitmap));
            }
            break;
        }
    }
    check_counts();
    teardown();
}

/* Programs: share of accesses that fault, for us, for LRU, at random. */

enum program { CYCLE, ZIPF };
enum replacement { OURS, LRU, RANDOM };

#define DOMAIN 4096u        /* 256 MiB at one to sixteen */
#define TARGET 2336u        /* 146 MiB */

static uint64_t rng;

static uint64_t rnd(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng;
}

/* Weights i^-0.9, without libm: by the ratio of neighbours. */
static double zipf_cdf[DOMAIN];

static double root10(double x)
{
    double y = 1, next;
    unsigned int i, k;

    for (i = 0; i < 60; i++) {
        double p = 1;

        for (k = 0; k < 9; k++) {
            p *= y;
        }
        next = (9 * y + x / p) / 10;
        y = next;
    }
    return y;
}

static void zipf_init(unsigned int n)
{
    double sum = 0;
    unsigned int i;

    for (i = 0; i < n; i++) {
        sum += root10(i + 1.0) / (i + 1.0);
        zipf_cdf[i] = sum;
    }
    for (i = 0; i < n; i++) {
        zipf_cdf[i] /= sum;
    }
}

static unsigned int zipf(unsigned int n)
{
    double u = (double)(rnd() >> 11) / 9007199254740992.0;
    unsigned int lo = 0, hi = n - 1;

    while (lo < hi) {
        unsigned int mid = (lo + hi) / 2;

        if (zipf_cdf[mid] < u) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    /* Hot ones are not neighbours. */
    return lo * 1031u % n;
}

static unsigned int victims(enum replacement how, unsigned int over,
                            const uint64_t *stamp, const uint8_t *in,
                            uint64_t *gfns)
{
    unsigned int gfn, best = 0, n = 0, pressure;

    switch (how) {
    case OURS:
        for (pressure = 0; pressure < 3 && !n; pressure++) {
            if (over <= pressure * (TARGET / 32)) {
                break;
            }
            n = vmm__policy_pick(policy, pressure, 16, gfns);
        }
        return n;
    case LRU:
        for (gfn = 0, best = DOMAIN; gfn < DOMAIN; gfn++) {
            if (in[gfn] && (best == DOMAIN || stamp[gfn] < stamp[best])) {
                best = gfn;
            }
        }
        break;
    case RANDOM:
        do {
            best = rnd() % DOMAIN;
        } while (!in[best]);
        break;
    }
    gfns[0] = best;
    return 1;
}

/* Faults of the second half, in thousandths of its accesses. */
static unsigned int faults(enum program program, enum replacement how,
                           unsigned int set, unsigned int per_harvest,
                           unsigned int accesses)
{
    static uint64_t stamp[DOMAIN];
    static uint8_t in[DOMAIN], bits[BITMAP_BYTES(DOMAIN)];
    unsigned int i, k, n, resident = DOMAIN, nr_faults = 0;
    struct vmm__policy_cfg cfg;
    uint64_t gfns[16], gfn;

    rng = 88172645463325252ull;
    vmm__policy_cfg_default(&cfg);
    CU_ASSERT_EQUAL_FATAL(vmm__policy_new(&cfg, DOMAIN, &policy), 0);
    for (gfn = 0; gfn < DOMAIN; gfn++) {
        vmm__policy_resident(policy, gfn);
        in[gfn] = 1;
        stamp[gfn] = 0;
    }
    memset(bits, 0, sizeof(bits));
    zipf_init(set);

    for (i = 0; i < accesses; i++) {
        gfn = program == CYCLE ? i % set : zipf(set);
        if (!in[gfn]) {
            in[gfn] = 1;
            resident++;
            vmm__policy_faulted(policy, gfn);
            nr_faults += i >= accesses / 2;
        }
        stamp[gfn] = i + 1;
        bits[gfn / 8] |= (uint8_t)(1u << (gfn % 8));
        if (i % per_harvest == per_harvest - 1) {
            vmm__policy_harvested(policy, 0, DOMAIN, bits);
            vmm__policy_next_generation(policy);
            memset(bits, 0, sizeof(bits));
        }
        while (resident > TARGET) {
            n = victims(how, resident - TARGET, stamp, in, gfns);
            for (k = 0; k < n; k++) {
                vmm__policy_evicted(policy, gfns[k]);
                in[gfns[k]] = 0;
            }
            resident -= n;
            if (!n) {
                break;
            }
        }
    }
    teardown();
    return nr_faults * 2000ull / accesses;
}

static void program__set_that_fits_does_not_fault(void)
{
    unsigned int per_harvest;

    /* 96 MiB in a target of 146, of 256. */
    for (per_harvest = 100; per_harvest <= 10000; per_harvest *= 10) {
        CU_ASSERT_EQUAL(faults(CYCLE, OURS, 1536, per_harvest, 60000), 0);
    }
}

static void program__zipf_no_worse_than_lru(void)
{
    unsigned int per_harvest;
    unsigned int lru = faults(ZIPF, LRU, 3200, 1000, 60000);

    for (per_harvest = 300; per_harvest <= 30000; per_harvest *= 10) {
        CU_ASSERT(faults(ZIPF, OURS, 3200, per_harvest, 60000) <= lru);
    }
}

static void program__long_scan_no_worse_than_random(void)
{
    unsigned int per_harvest;
    unsigned int some = faults(CYCLE, RANDOM, 3200, 1000, 100000);
    unsigned int all = faults(CYCLE, RANDOM, DOMAIN, 1000, 100000);

    CU_ASSERT(some > 300 && some < 600);
    for (per_harvest = 100; per_harvest <= 10000; per_harvest *= 10) {
        CU_ASSERT(faults(CYCLE, OURS, 3200, per_harvest, 100000) <= some);
        CU_ASSERT(faults(CYCLE, OURS, DOMAIN, per_harvest, 100000) <= all);
    }
}

static const struct ut_case cases[] = {
    UT_CASE(policy_new__bad_arguments),
    UT_CASE(pick__nothing_known),
    UT_CASE(pick__pressure),
    UT_CASE(pick__oldest_in_order),
    UT_CASE(pick__does_not_start_afresh),
    UT_CASE(busy__comes_back),
    UT_CASE(faulted__refault_is_protected),
    UT_CASE(prefetched__unused_goes_first),
    UT_CASE(harvested__last_chunk_is_short),
    UT_CASE(events__any_order_keeps_counts),
    UT_CASE(program__set_that_fits_does_not_fault),
    UT_CASE(program__zipf_no_worse_than_lru),
    UT_CASE(program__long_scan_no_worse_than_random),
};

UT_MAIN("consumer/policy", cases)
