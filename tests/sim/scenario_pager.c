/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scenario_pager.c: the life of a pager, as its seed has it.
 *
 * Starts, runs with faults and deaths, comes to rest, and ends: drained, or
 * with its domain gone.  What must hold then: nobody waits, the target is
 * kept, after a drain every page is back and no slot is in use, and nothing
 * that was allocated is left.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"
#include "sim_alloc.h"

/* In which rest must be reached: past the pager's longest delay. */
#define REST_NS         (8000 * SIM_MS)
#define MAX_DISPATCHES  200000u

/* For what is linked in between the pager and the page file. */
static struct sim *current;

void sim_pagefile_set(struct vmm__pagefile *pf, uint64_t gfn,
                      const struct vmm__pagefile_entry *entry);
void sim_pagefile_clear(struct vmm__pagefile *pf, uint64_t gfn);

void sim_pagefile_set(struct vmm__pagefile *pf, uint64_t gfn,
                      const struct vmm__pagefile_entry *entry)
{
    sim_point(current);
    sim_trace(current, "index %#llx := %u, slot %llu",
              (unsigned long long)gfn, entry->where,
              (unsigned long long)entry->slot);
    vmm__pagefile_set(pf, gfn, entry);
    sim_point(current);
}

void sim_pagefile_clear(struct vmm__pagefile *pf, uint64_t gfn)
{
    sim_point(current);
    sim_trace(current, "index %#llx cleared", (unsigned long long)gfn);
    vmm__pagefile_clear(pf, gfn);
    sim_point(current);
}

static void log_line(void *user, enum vmm_log_level level, const char *msg)
{
    sim_trace(user, "log %u: %s", level, msg);
}

static void draw_cfg(struct sim *sim)
{
    struct sim_cfg *cfg = &sim->cfg;
    uint64_t steps;

    cfg->nr_gfns = (uint32_t)sim_between(sim, 192, 700);
    if (sim_chance(sim, 50000)) {
        cfg->nr_gfns = (uint32_t)sim_between(sim, 700, 2048);
    }
    cfg->nr_vcpus = (uint32_t)sim_between(sim, 1, 4);
    if (sim_chance(sim, 600000)) {
        cfg->nr_mappers = (uint32_t)sim_between(sim, 1, SIM_MAX_MAPPERS);
    }
    cfg->target = (uint32_t)sim_between(sim, 120, cfg->nr_gfns);
    cfg->working_set = (uint32_t)sim_between(sim, 30, cfg->nr_gfns);
    cfg->nr_slots = cfg->nr_gfns;
    if (sim_chance(sim, 100000)) {
        cfg->nr_slots = (uint32_t)sim_between(sim, 1, cfg->nr_gfns / 3);
    }
    cfg->foreign_slots = (uint32_t)sim_between(sim, 1, 8);
    cfg->drop_slots = sim_chance(sim, 500000)
                      ? (uint32_t)sim_between(sim, 1, 8) : SIM_RING_SLOTS;
    cfg->queue_depth = (uint32_t)sim_between(sim, 1, 64);
    cfg->think_ns = sim_between(sim, 1, 40) * SIM_US;
    cfg->latency_ns = sim_between(sim, 5, 200) * SIM_US;
    cfg->wake_ns = sim_between(sim, 1, 100) * SIM_US;
    cfg->harvest_ms = (uint32_t)sim_between(sim, 1, 10);
    cfg->balloon = sim_chance(sim, 400000);
    cfg->fifo = sim_chance(sim, 40000);
    cfg->no_prefetch = sim_chance(sim, 150000);
    cfg->no_harvest = sim_chance(sim, 50000);
    cfg->same_filled = sim_chance(sim, 500000);
    cfg->p_special = sim_chance(sim, 300000) ? 20000 : 0;
    cfg->p_busy = sim_chance(sim, 400000)
                  ? (uint32_t)sim_between(sim, 1000, 300000) : 0;

    steps = sim_between(sim, 800, 4000);
    cfg->duration_ns = steps * cfg->think_ns / cfg->nr_vcpus;
    if (cfg->duration_ns < 30 * SIM_MS) {
        cfg->duration_ns = 30 * SIM_MS;
    }

    if (sim_chance(sim, 350000)) {
        cfg->faults_from_ns = sim_below(sim, cfg->duration_ns);
        cfg->faults_to_ns = sim_between(sim, cfg->faults_from_ns,
                                        2 * cfg->duration_ns);
        if (sim_chance(sim, 400000)) {
            cfg->p_nomem = (uint32_t)sim_between(sim, 10000, 900000);
        }
        if (sim_chance(sim, 200000)) {
            cfg->p_fault = (uint32_t)sim_between(sim, 10000, 500000);
        }
        if (sim_chance(sim, 400000)) {
            cfg->p_read_eio = (uint32_t)sim_between(sim, 1000, 700000);
        }
        if (sim_chance(sim, 400000)) {
            cfg->p_write_eio = (uint32_t)sim_between(sim, 1000, 700000);
        }
        if (sim_chance(sim, 300000)) {
            cfg->p_nospc = (uint32_t)sim_between(sim, 1000, 700000);
        }
        if (sim_chance(sim, 200000)) {
            cfg->p_corrupt = (uint32_t)sim_between(sim, 1000, 500000);
        }
        if (sim_chance(sim, 250000)) {
            cfg->p_dead_slot = (uint32_t)sim_between(sim, 1000, 200000);
        }
    }
    /* A slow guest: pages that cannot be read get through all retries. */
    if (sim_chance(sim, 80000)) {
        cfg->duration_ns = 600 * SIM_MS;
        cfg->think_ns = 200 * SIM_US;
        cfg->faults_from_ns = 0;
        cfg->faults_to_ns = cfg->duration_ns;
        cfg->p_dead_slot = (uint32_t)sim_between(sim, 1000, 50000);
        cfg->balloon = cfg->balloon || sim_chance(sim, 500000);
    }
    if (sim_chance(sim, 600000)) {
        cfg->nr_crashes = (uint32_t)sim_between(sim, 1, 6);
        cfg->crash_calls = (uint32_t)(1u << sim_between(sim, 3, 12));
    }
    /* With room for all in the store, or there may be no way out. */
    cfg->tight = cfg->nr_slots == cfg->nr_gfns && sim_chance(sim, 250000);
    cfg->spare_frames = (uint32_t)sim_below(sim, 64);
    cfg->end = sim_chance(sim, 80000) ? SIM_END_DEATH : SIM_END_DRAIN;
}

static void trace_cfg(struct sim *sim)
{
    const struct sim_cfg *cfg = &sim->cfg;

    sim_trace(sim, "%u gfns, %u vcpus, %u mappers, target %u, working set %u, "
              "%u slots, queues of %u, tight %d", cfg->nr_gfns, cfg->nr_vcpus,
              cfg->nr_mappers, cfg->target, cfg->working_set, cfg->nr_slots,
              cfg->queue_depth, cfg->tight);
    sim_trace(sim, "balloon %d, fifo %d, no_prefetch %d, no_harvest %d, "
              "same_filled %d, harvest_ms %u, foreign slots %u, drop slots %u",
              cfg->balloon, cfg->fifo, cfg->no_prefetch, cfg->no_harvest,
              cfg->same_filled, cfg->harvest_ms, cfg->foreign_slots,
              cfg->drop_slots);
    sim_trace(sim, "per million: busy %u, nomem %u, fault %u, read %u, "
              "write %u, nospc %u, corrupt %u, dead slot %u, from %llu to "
              "%llu us", cfg->p_busy, cfg->p_nomem, cfg->p_fault,
              cfg->p_read_eio, cfg->p_write_eio, cfg->p_nospc,
              cfg->p_corrupt, cfg->p_dead_slot,
              (unsigned long long)cfg->faults_from_ns / 1000,
              (unsigned long long)cfg->faults_to_ns / 1000);
    sim_trace(sim, "%u crashes, every %u calls", cfg->nr_crashes,
              cfg->crash_calls);
}

/* The pager's process. */

static void arm_crash(struct sim *sim)
{
    sim->crash_in = 0;
    if (sim->crashes_left) {
        sim->crashes_left--;
        sim->crash_in = sim_between(sim, 1, 2 * sim->cfg.crash_calls);
        /* Some die while they take over. */
        if (sim_chance(sim, 200000)) {
            sim->crash_in = sim_between(sim, 1, 20);
        }
    }
}

static void pager_died(struct sim *sim)
{
    sim_trace(sim, "the pager dies");
    sim->nr_crashes++;
    sim->in_pager = sim->alive = false;
    sim->pager = NULL;
    sim->pf = NULL;
    sim_bdev_died(sim);
    sim_alloc_abandon();
    sim->dispatch_ns = sim->now_ns + sim_between(sim, 1, 20 * SIM_MS);
}

/* Call into the pager; false if it died in there. */
static bool guarded(struct sim *sim, void (*fn)(struct sim *sim))
{
    if (setjmp(sim->died)) {
        pager_died(sim);
        return false;
    }
    sim->in_pager = true;
    fn(sim);
    sim->in_pager = false;
    return true;
}

static void start(struct sim *sim)
{
    struct vmm_logger logger = { .log = log_line, .user = sim };
    struct vmm__pager_deps deps = {
        .hv = { &sim_hv_ops, sim },
        .bdev = { &sim_bdev_ops, sim },
        .clock = { &sim_clock_ops, sim },
        .nr_gfns = sim->cfg.nr_gfns,
        .nr_vcpus = sim->cfg.nr_vcpus,
    };
    struct vmm_pager_opts opts;
    bool adopt = sim->session;
    int rc;

    vmm_pager_opts_init(&opts);
    memcpy(opts.uuid, &sim->seed, sizeof(sim->seed));
    opts.domid = 1;
    opts.adopt = adopt;
    opts.target_pages = sim->cfg.target;
    opts.fifo = sim->cfg.fifo;
    opts.no_prefetch = sim->cfg.no_prefetch;
    opts.harvest_ms = sim->cfg.harvest_ms;

    rc = vmm__pagefile_open(sim->index_path, adopt, opts.uuid,
                            sim->cfg.nr_gfns, sim->cfg.nr_slots, &deps.pf);
    if (rc) {
        sim_fail(sim, "index cannot be opened, adopt=%d: %d", adopt, rc);
    }
    sim->pf = deps.pf;
    rc = vmm__pager_new(&deps, &opts, &logger, &sim->pager);
    if (rc) {
        if (!sim->dead || rc != VMM_E_NOENT) {
            sim_fail(sim, "vmm__pager_new, adopt=%d: %d", adopt, rc);
        }
        vmm__pagefile_close(deps.pf);
        sim->pf = NULL;
        sim->pager = NULL;
        return;
    }
    sim->alive = true;
    sim->notify = true;
    sim->dispatch_ns = sim->now_ns;
    if (sim->draining) {
        vmm_pager_drain(sim->pager);
    }
}

static void try_start(struct sim *sim)
{
    sim_trace(sim, "the pager starts, adopt=%d", sim->session);
    arm_crash(sim);
    (void)guarded(sim, start);
}

static void dispatch(struct sim *sim)
{
    int rc;

    rc = vmm_pager_dispatch(sim->pager);
    if (rc && !(sim->dead && rc == VMM_E_NOENT)) {
        sim_fail(sim, "dispatch: %d", rc);
    }
    if (rc) {
        sim_trace(sim, "the pager knows that the domain is gone");
        sim->alive = false;
        return;
    }
    if (!sim->dead &&
        sim->ring[VMM__HV_DEMAND].prod != sim->ring[VMM__HV_DEMAND].cons &&
        !sim->notify && vmm__pager_due_ns(sim->pager) > sim->now_ns) {
        sim_fail(sim, "the pager goes to sleep with a vcpu's request in the "
                 "ring");
    }
}

static enum vmm_pager_state pager_state(struct sim *sim)
{
    struct vmm_pager_stat stat;

    stat.size = sizeof(stat);
    if (vmm_pager_stat(sim->pager, &stat)) {
        sim_fail(sim, "vmm_pager_stat");
    }
    return stat.state;
}

static void retry(struct sim *sim)
{
    vmm_pager_retry(sim->pager);
}

static void repair(struct sim *sim)
{
    sim_trace(sim, "the store is repaired");
    sim_bdev_repair(sim);
    if (guarded(sim, retry)) {
        sim->dispatch_ns = sim->now_ns;
    }
}

/* An operator sees that the domain is paused, repairs and says so. */
static void look_after(struct sim *sim)
{
    if (!sim->paused) {
        return;
    }
    if (!sim->faults_seen) {
        sim_fail(sim, "domain paused for no reason");
    }
    /* Nothing unpauses a dead one. */
    if (!sim->alive || sim->dead) {
        return;
    }
    if (pager_state(sim) != VMM_PAGER_FAILED) {
        sim_fail(sim, "domain paused, pager state %s",
                 vmm_pager_state_name(pager_state(sim)));
    }
    if (sim_chance(sim, 100000) || sim->repaired) {
        repair(sim);
    }
}

/* One turn: the world up to the pager's next, and that. */
static void turn(struct sim *sim, uint64_t until_ns)
{
    uint64_t next_ns = until_ns, ns;

    if (sim->alive && sim->dispatch_ns == SIM_NEVER) {
        ns = vmm__pager_due_ns(sim->pager);
        if (sim->notify || sim->nr_done_ios || ns <= sim->now_ns) {
            sim->dispatch_ns = sim->now_ns + 1 +
                               sim_below(sim, sim->cfg.wake_ns);
        } else if (next_ns > ns) {
            next_ns = ns;
        }
    }
    if (next_ns > sim->dispatch_ns) {
        next_ns = sim->dispatch_ns;
    }
    /* What the world does may be what the pager waits for. */
    if (sim->dispatch_ns == SIM_NEVER && next_ns > sim_next_ns(sim)) {
        next_ns = sim_next_ns(sim);
    }
    sim_advance(sim, next_ns > sim->now_ns ? next_ns : sim->now_ns);

    if (sim->dispatch_ns > sim->now_ns) {
        return;
    }
    sim->dispatch_ns = SIM_NEVER;
    if (sim->alive) {
        sim->nr_dispatches++;
        (void)guarded(sim, dispatch);
        look_after(sim);
    } else if (!sim->dead && !sim->pager) {
        if (sim->session || !sim->draining) {
            try_start(sim);
        }
    }
}

/* Until it is so, or for that time; true if it is. */
static bool run(struct sim *sim, uint64_t for_ns,
                bool (*stop)(struct sim *sim))
{
    uint64_t until_ns = sim->now_ns + for_ns;
    uint64_t first = sim->nr_dispatches;
    uint32_t n;

    for (n = 0; sim->now_ns < until_ns; n++) {
        if (stop && n % 8 == 0 && stop(sim)) {
            return true;
        }
        if (sim->nr_dispatches - first > MAX_DISPATCHES) {
            sim_fail(sim, "the pager is busy with nothing");
        }
        turn(sim, until_ns);
    }
    return stop && stop(sim);
}

/* Phases. */

static bool somebody_waits(const struct sim *sim)
{
    uint32_t i;

    for (i = 0; i < sim->cfg.nr_vcpus; i++) {
        if (sim->vcpu[i].pending) {
            return true;
        }
    }
    for (i = 0; i < sim->cfg.nr_mappers; i++) {
        if (sim->mapper[i].pending ||
            sim->mapper[i].held_gfn != SIM_NEVER) {
            return true;
        }
    }
    return false;
}

static bool at_rest(struct sim *sim)
{
    return sim->alive && !sim->paused && !somebody_waits(sim) &&
           !sim_hv_count(sim, VMM__HV_PAGING_IN) &&
           !sim_hv_count(sim, VMM__HV_NOMINATED) && !sim->nr_ios &&
           (sim->cfg.nr_slots < sim->cfg.nr_gfns ||
            sim_hv_count(sim, VMM__HV_RESIDENT) <= sim->cfg.target);
}

static void check_rest(struct sim *sim)
{
    struct vmm_pager_stat stat;
    uint32_t resident = sim_hv_count(sim, VMM__HV_RESIDENT);
    uint32_t paged = sim_hv_count(sim, VMM__HV_PAGED);

    if (!at_rest(sim)) {
        uint32_t i;

        for (i = 0; i < sim->cfg.nr_vcpus; i++) {
            sim_trace(sim, "vcpu %u pending %u blocked %u", i,
                      sim->vcpu[i].pending, sim->vcpu[i].blocked);
        }
        sim_fail(sim, "no rest: alive %d, paused %d, waiting %d, resident %u "
                 "of target %u, paging in %u, nominated %u, ios %u",
                 sim->alive, sim->paused, somebody_waits(sim), resident,
                 sim->cfg.target, sim_hv_count(sim, VMM__HV_PAGING_IN),
                 sim_hv_count(sim, VMM__HV_NOMINATED), sim->nr_ios);
    }
    stat.size = sizeof(stat);
    (void)vmm_pager_stat(sim->pager, &stat);
    if (!sim->cfg.balloon && stat.paged_pages != paged) {
        sim_fail(sim, "%u pages are paged, the pager says %llu", paged,
                 (unsigned long long)stat.paged_pages);
    }
}

static bool is_drained(struct sim *sim)
{
    if (!sim->session) {
        return true;
    }
    if (!sim->alive || sim->dispatch_ns != SIM_NEVER) {
        return false;
    }
    return vmm_pager_drained(sim->pager);
}

static void ask_drain(struct sim *sim)
{
    vmm_pager_drain(sim->pager);
}

static void settle(struct sim *sim)
{
    sim->settled = vmm__pager_settle(sim->pager);
}

static void end(struct sim *sim)
{
    sim->ended = false;
    vmm__pager_free(sim->pager, &sim->ended);
    sim->pager = NULL;
    sim->alive = false;
}

/* Let go of a pager in peace; false if it died meanwhile. */
static bool close_pager(struct sim *sim)
{
    uint32_t n;

    for (n = 0; ; n++) {
        if (!guarded(sim, settle)) {
            return false;
        }
        if (sim->settled) {
            break;
        }
        if (n > 10000) {
            sim_fail(sim, "the pager does not settle");
        }
        sim_advance(sim, sim->now_ns + 50 * SIM_US);
    }
    if (!guarded(sim, end)) {
        return false;
    }
    return true;
}

static void close_index(struct sim *sim)
{
    uint64_t nr_used = vmm__pagefile_nr_used(sim->pf);

    vmm__pagefile_close(sim->pf);
    sim->pf = NULL;
    if (sim->ended && !sim->dead && nr_used) {
        sim_fail(sim, "%llu slots in use after the end",
                 (unsigned long long)nr_used);
    }
    if (sim_alloc_live()) {
        sim_fail(sim, "%lu pieces of memory left", sim_alloc_live());
    }
}

/* The owner exits in order and starts again: the session goes on. */
static void restart(struct sim *sim)
{
    sim_trace(sim, "the pager is closed, the session stays");
    if (!sim->alive || !close_pager(sim)) {
        return;
    }
    if (sim->ended || !sim->session) {
        sim_fail(sim, "the session ended with pages out");
    }
    close_index(sim);
    sim->dispatch_ns = sim->now_ns + sim_between(sim, 1, 5 * SIM_MS);
}

static void phase_run(struct sim *sim)
{
    uint64_t nr_parts = sim_between(sim, 1, 4), i;

    for (i = 0; i < nr_parts; i++) {
        run(sim, sim->cfg.duration_ns / nr_parts, NULL);
        if (sim_chance(sim, 200000)) {
            sim->cfg.target = (uint32_t)sim_between(sim, 120,
                                                    sim->cfg.nr_gfns);
            sim_trace(sim, "target %u", sim->cfg.target);
            if (sim->alive) {
                (void)vmm_pager_set_target(sim->pager, sim->cfg.target, 0);
                sim->notify = true;
            }
        }
        if (sim_chance(sim, 100000)) {
            restart(sim);
        }
    }
}

static void phase_rest(struct sim *sim)
{
    sim_trace(sim, "no faults any more, the guest comes to rest");
    sim_bdev_repair(sim);
    sim->guest_stopped = true;
    if (sim->alive) {
        (void)guarded(sim, retry);
    }
    run(sim, REST_NS, at_rest);
    check_rest(sim);
}

static void phase_drain(struct sim *sim)
{
    uint64_t end_ns = sim->now_ns + REST_NS;
    uint32_t i;

    sim_trace(sim, "drain");
    sim->draining = true;
    /* All pages need frames: somebody made room. */
    sim->cfg.tight = false;
    if (sim_chance(sim, 500000)) {
        /* With the guest running, and more deaths. */
        sim->guest_stopped = false;
        for (i = 0; i < sim->cfg.nr_vcpus; i++) {
            if (sim->vcpu[i].next_ns == SIM_NEVER && !sim->vcpu[i].pending) {
                sim->vcpu[i].next_ns = sim->now_ns;
            }
        }
    }
    if (sim->cfg.nr_crashes && sim_chance(sim, 400000)) {
        sim->crashes_left = (uint32_t)sim_between(sim, 1, 3);
        arm_crash(sim);
    }
    for (;;) {
        if (sim->alive && guarded(sim, ask_drain)) {
            sim->dispatch_ns = sim->now_ns;
            (void)run(sim, 200 * SIM_MS, is_drained);
            if (sim->alive && pager_state(sim) == VMM_PAGER_FAILED) {
                repair(sim);
            }
        } else {
            run(sim, SIM_MS, NULL);
        }
        if (!sim->session) {
            break;
        }
        if (is_drained(sim)) {
            if (!close_pager(sim)) {
                continue;
            }
            if (!sim->ended) {
                sim_fail(sim, "drained, but the session did not end");
            }
            close_index(sim);
            break;
        }
        if (sim->now_ns > end_ns) {
            sim_fail(sim, "not drained: %u paged, %u paging in, %u "
                     "nominated", sim_hv_count(sim, VMM__HV_PAGED),
                     sim_hv_count(sim, VMM__HV_PAGING_IN),
                     sim_hv_count(sim, VMM__HV_NOMINATED));
        }
    }
    if (sim_hv_count(sim, VMM__HV_PAGED) ||
        sim_hv_count(sim, VMM__HV_PAGING_IN) ||
        sim_hv_count(sim, VMM__HV_NOMINATED)) {
        sim_fail(sim, "pages are out after the end");
    }
}

static bool knows_death(struct sim *sim)
{
    return !sim->alive;
}

static void phase_death(struct sim *sim)
{
    sim_trace(sim, "the domain dies");
    sim->dead = true;
    if (sim->alive) {
        sim->dispatch_ns = sim->now_ns;
        if (!run(sim, REST_NS, knows_death)) {
            sim_fail(sim, "the pager does not see that the domain is gone");
        }
    }
    if (!sim->pager) {
        return;
    }
    if (!close_pager(sim)) {
        return;
    }
    if (!sim->ended) {
        sim_fail(sim, "the domain is gone, the session is not");
    }
    close_index(sim);
}

static void schedule(struct sim *sim)
{
    draw_cfg(sim);
    trace_cfg(sim);
    sim_hv_init(sim);
    sim_bdev_init(sim);
    sim_guest_init(sim);
    sim->crashes_left = sim->cfg.nr_crashes;

    try_start(sim);
    phase_run(sim);
    if (sim->cfg.end == SIM_END_DEATH) {
        phase_death(sim);
        return;
    }
    sim->crashes_left = 0;
    sim->crash_in = 0;
    /* A drain can come at any time, faults or not. */
    if (!sim_chance(sim, 200000)) {
        phase_rest(sim);
    }
    phase_drain(sim);
}

int sim_run_schedule(struct sim *sim, uint64_t seed, bool trace,
                     struct sim_totals *totals)
{
    char index_path[sizeof(sim->index_path)];
    uint8_t *store = sim->store, *dead_slot = sim->dead_slot;

    memcpy(index_path, sim->index_path, sizeof(index_path));
    memset(sim, 0, sizeof(*sim));
    memcpy(sim->index_path, index_path, sizeof(index_path));
    sim->store = store;
    sim->dead_slot = dead_slot;
    sim->seed = sim->rng = seed;
    sim->trace = trace;
    sim->dispatch_ns = SIM_NEVER;
    current = sim;

    if (!setjmp(sim->failed)) {
        schedule(sim);
    }
    sim->in_pager = false;

    totals->nr_crashes += sim->nr_crashes;
    totals->nr_calls += sim->nr_calls;
    totals->nr_steps += sim->nr_steps;
    totals->nr_demand += sim->nr_req[VMM__HV_DEMAND];
    totals->nr_rescued += sim->nr_rescued;
    totals->nr_drops += sim->nr_req[VMM__HV_DROP] + sim->nr_drop_lost;
    sim_alloc_abandon();
    (void)unlink(sim->index_path);
    return sim->why[0] != 0;
}
