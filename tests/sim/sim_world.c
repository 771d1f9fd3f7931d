/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sim_world.c: chance, time, and the death of the pager. */
#include <stdio.h>
#include <string.h>

#include "sim.h"

void sim_trace(struct sim *sim, const char *fmt, ...)
{
    va_list ap;

    if (!sim->trace) {
        return;
    }
    printf("%12.3f us  ", (double)sim->now_ns / 1000);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void sim_fail(struct sim *sim, const char *fmt, ...)
{
    int n = snprintf(sim->why, sizeof(sim->why), "at %.3f us: ",
                     (double)sim->now_ns / 1000);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(sim->why + n, sizeof(sim->why) - (size_t)n, fmt, ap);
    va_end(ap);
    sim_trace(sim, "VIOLATION: %s", sim->why);
    longjmp(sim->failed, 1);
}

/* Source: Steele, Lea and Flood, "SplitMix", OOPSLA 2014. */
uint64_t sim_rand(struct sim *sim)
{
    uint64_t z = sim->rng += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

uint64_t sim_below(struct sim *sim, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)sim_rand(sim) * n) >> 64);
}

uint64_t sim_between(struct sim *sim, uint64_t from, uint64_t to)
{
    return from + sim_below(sim, to - from + 1);
}

bool sim_chance(struct sim *sim, uint32_t per_million)
{
    return per_million && sim_below(sim, 1000000) < per_million;
}

bool sim_fault(struct sim *sim, uint32_t per_million)
{
    return per_million && !sim->repaired &&
           sim->now_ns >= sim->cfg.faults_from_ns &&
           sim->now_ns < sim->cfg.faults_to_ns &&
           sim_chance(sim, per_million);
}

void sim_point(struct sim *sim)
{
    if (!sim->in_pager) {
        return;
    }
    sim->nr_calls++;
    if (sim->crash_in && !--sim->crash_in) {
        longjmp(sim->died, 1);
    }
}

uint64_t sim_next_ns(const struct sim *sim)
{
    uint64_t guest_ns = sim_guest_next_ns(sim);
    uint64_t device_ns = sim_bdev_next_ns(sim);

    return guest_ns < device_ns ? guest_ns : device_ns;
}

void sim_advance(struct sim *sim, uint64_t until_ns)
{
    for (;;) {
        uint64_t next_ns = sim_next_ns(sim);

        if (next_ns > until_ns) {
            break;
        }
        if (sim->now_ns < next_ns) {
            sim->now_ns = next_ns;
        }
        sim_bdev_step(sim);
        sim_guest_step(sim);
    }
    if (sim->now_ns < until_ns) {
        sim->now_ns = until_ns;
    }
    sim_guest_check(sim);
}

static uint64_t sim_now_ns(void *clock)
{
    struct sim *sim = clock;

    return sim->now_ns;
}

const struct vmm__clock_ops sim_clock_ops = {
    .now_ns = sim_now_ns,
};
