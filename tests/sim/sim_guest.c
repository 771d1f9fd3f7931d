/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sim_guest.c: vCPUs that run programs, mappers in dom0, a balloon. */
#include "sim.h"

#define MAP_RETRY_NS (100 * SIM_US)

static uint64_t think(struct sim *sim)
{
    return 1 + sim_below(sim, 2 * sim->cfg.think_ns);
}

void sim_guest_init(struct sim *sim)
{
    uint32_t i;

    for (i = 0; i < sim->cfg.nr_vcpus; i++) {
        sim->vcpu[i].next_ns = think(sim);
        sim->vcpu[i].program = (enum sim_program)sim_below(sim, 4);
        sim->vcpu[i].pos = sim_below(sim, sim->cfg.nr_gfns);
    }
    for (i = 0; i < sim->cfg.nr_mappers; i++) {
        sim->mapper[i].next_ns = think(sim);
        sim->mapper[i].held_gfn = SIM_NEVER;
    }
    sim->balloon_ns = sim->cfg.balloon ? think(sim) : SIM_NEVER;
}

static uint64_t next_gfn(struct sim *sim, struct sim_actor *vcpu)
{
    uint64_t n = sim->cfg.working_set, r;

    switch (vcpu->program) {
    case SIM_SEQUENTIAL:
        vcpu->pos++;
        break;
    case SIM_STRIDE:
        vcpu->pos += n - 3;
        break;
    case SIM_ZIPF:
        /* Not quite: each half of what is left is half as likely. */
        for (r = n; r > 1 && sim_below(sim, 3); r /= 2) {
        }
        return (sim_below(sim, r) * 7919) % n;
    case SIM_RANDOM:
        return sim_below(sim, n);
    }
    /* A phase change now and then. */
    if (sim_chance(sim, 2000)) {
        vcpu->pos = sim_below(sim, n);
    }
    return vcpu->pos % n;
}

static void vcpu_step(struct sim *sim, struct sim_actor *vcpu)
{
    if (sim->guest_stopped && !vcpu->pending) {
        vcpu->next_ns = SIM_NEVER;
        return;
    }
    if (!vcpu->pending) {
        vcpu->gfn = next_gfn(sim, vcpu);
        vcpu->write = sim_chance(sim, 300000);
        vcpu->pending = true;
        vcpu->since_ns = sim->now_ns;
        sim->nr_steps++;
    }
    if (sim_hv_touch(sim, vcpu, false) == SIM_TOUCH_WAIT) {
        return;
    }
    vcpu->pending = false;
    vcpu->next_ns = sim->now_ns + think(sim);
}

static void mapper_step(struct sim *sim, struct sim_actor *mapper)
{
    if (mapper->held_gfn != SIM_NEVER) {
        sim->page[mapper->held_gfn].maps--;
        mapper->held_gfn = SIM_NEVER;
        mapper->next_ns = sim->now_ns + 10 * think(sim);
        return;
    }
    if (!mapper->pending) {
        if (sim->guest_stopped) {
            mapper->next_ns = SIM_NEVER;
            return;
        }
        mapper->gfn = sim_below(sim, sim->cfg.nr_gfns);
        mapper->write = sim_chance(sim, 300000);
        mapper->pending = true;
        mapper->since_ns = sim->now_ns;
    }
    switch (sim_hv_touch(sim, mapper, true)) {
    case SIM_TOUCH_OK:
        sim->page[mapper->gfn].maps++;
        mapper->held_gfn = mapper->gfn;
        mapper->pending = false;
        mapper->next_ns = sim->now_ns + think(sim);
        break;
    case SIM_TOUCH_WAIT:
        mapper->next_ns = sim->now_ns + MAP_RETRY_NS;
        break;
    case SIM_TOUCH_HOLE:
        mapper->pending = false;
        mapper->next_ns = sim->now_ns + think(sim);
        break;
    }
}

/* Gives pages up, in runs, and takes back what it gave. */
static void balloon_step(struct sim *sim)
{
    uint64_t gfn = sim_below(sim, sim->cfg.nr_gfns);
    uint64_t n = sim_between(sim, 1, 8);
    bool in = sim_chance(sim, 500000);

    /* Often what a vCPU is at: pages on their way are the interesting ones. */
    if (!in && sim_chance(sim, 300000)) {
        gfn = sim->vcpu[sim_below(sim, sim->cfg.nr_vcpus)].gfn;
    }
    for (; n && gfn < sim->cfg.nr_gfns; n--, gfn++) {
        struct sim_page *page = &sim->page[gfn];

        if (in && page->state == VMM__HV_HOLE) {
            sim_hv_populate(sim, gfn);
        } else if (!in && page->state != VMM__HV_HOLE && !page->special &&
                   !page->maps) {
            sim_hv_drop(sim, gfn);
            /* Quick ones put another page there at once. */
            if (sim_chance(sim, 300000)) {
                sim_hv_populate(sim, gfn);
            }
        }
    }
    sim->balloon_ns = sim->guest_stopped ? SIM_NEVER
                                         : sim->now_ns + 5 * think(sim);
}

uint64_t sim_guest_next_ns(const struct sim *sim)
{
    uint64_t next_ns = SIM_NEVER;
    uint32_t i;

    if (sim->dead) {
        return SIM_NEVER;
    }
    if (!sim->paused) {
        for (i = 0; i < sim->cfg.nr_vcpus; i++) {
            if (next_ns > sim->vcpu[i].next_ns) {
                next_ns = sim->vcpu[i].next_ns;
            }
        }
        if (next_ns > sim->balloon_ns) {
            next_ns = sim->balloon_ns;
        }
    }
    for (i = 0; i < sim->cfg.nr_mappers; i++) {
        if (next_ns > sim->mapper[i].next_ns) {
            next_ns = sim->mapper[i].next_ns;
        }
    }
    return next_ns;
}

void sim_guest_step(struct sim *sim)
{
    uint32_t i;

    if (sim->dead) {
        return;
    }
    if (!sim->paused) {
        for (i = 0; i < sim->cfg.nr_vcpus; i++) {
            if (sim->vcpu[i].next_ns <= sim->now_ns) {
                vcpu_step(sim, &sim->vcpu[i]);
            }
        }
        if (sim->balloon_ns <= sim->now_ns) {
            balloon_step(sim);
        }
    }
    for (i = 0; i < sim->cfg.nr_mappers; i++) {
        if (sim->mapper[i].next_ns <= sim->now_ns) {
            mapper_step(sim, &sim->mapper[i]);
        }
    }
}

static void actor_check(struct sim *sim, const struct sim_actor *actor,
                        const char *what, uint32_t nr)
{
    uint64_t since_ns = actor->since_ns;

    if (since_ns < sim->calm_ns) {
        since_ns = sim->calm_ns;
    }
    if (actor->pending && sim->now_ns > since_ns + SIM_STUCK_NS) {
        sim_fail(sim, "%s %u waits for gfn %#llx, state %u, for %llu us",
                 what, nr, (unsigned long long)actor->gfn,
                 sim->page[actor->gfn].state,
                 (unsigned long long)(sim->now_ns - actor->since_ns) / 1000);
    }
}

void sim_guest_check(struct sim *sim)
{
    uint32_t i;

    if (sim->dead) {
        return;
    }
    /* Without a pager, with faults or in a paused domain nobody gets on. */
    if (!sim->alive || sim->paused ||
        (!sim->repaired && sim->now_ns >= sim->cfg.faults_from_ns &&
         sim->now_ns < sim->cfg.faults_to_ns)) {
        sim->calm_ns = sim->now_ns;
        return;
    }
    for (i = 0; i < sim->cfg.nr_vcpus; i++) {
        actor_check(sim, &sim->vcpu[i], "vcpu", i);
    }
    for (i = 0; i < sim->cfg.nr_mappers; i++) {
        actor_check(sim, &sim->mapper[i], "mapper", i);
    }
}
