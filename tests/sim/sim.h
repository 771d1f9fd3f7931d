/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sim.h: a domain, its hypervisor and a device, in virtual time.
 *
 * One thread, one seed.  The pager under test is the real one, on tables of
 * functions that lead here.  While it is inside such a function the world goes
 * on: vCPUs, mappers and the device act until the call's cost has passed.
 * At any such call the pager may "die": the call does not return, all memory
 * that the pager had is freed behind its back, and a successor is opened.
 *
 * What must hold is checked where it could break: the contents of a page at
 * the moment it becomes resident, the wait of each vCPU at each step.
 */
#ifndef SIM_H
#define SIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "consumer/pagefile.h"
#include "consumer/pager.h"
#include "include/vmm_pager.h"
#include "table/bdev.h"
#include "table/clock.h"
#include "table/hv.h"

#define SIM_MAX_GFNS    4096u
#define SIM_MAX_VCPUS   8u
#define SIM_MAX_MAPPERS 4u
#define SIM_MAX_IOS     512u
#define SIM_RING_SLOTS  1024u
#define SIM_US          1000ull
#define SIM_MS          1000000ull
#define SIM_NEVER       UINT64_MAX

/* A vCPU or mapper that waits longer than this, in calm, is stuck. */
#define SIM_STUCK_NS    (2000 * SIM_MS)

enum sim_program { SIM_SEQUENTIAL, SIM_STRIDE, SIM_ZIPF, SIM_RANDOM };
enum sim_end { SIM_END_DRAIN, SIM_END_DEATH };

/* Chances are per million. */
struct sim_cfg {
    uint32_t nr_gfns, nr_vcpus, nr_mappers, nr_slots;
    uint32_t target, foreign_slots, drop_slots, queue_depth;
    uint32_t working_set;
    uint64_t think_ns, duration_ns, latency_ns, wake_ns;
    uint32_t harvest_ms;
    uint32_t spare_frames;          /* with `tight', beyond the target */
    bool tight, balloon, fifo, no_prefetch, no_harvest, same_filled;
    uint32_t nr_crashes, crash_calls;
    uint32_t p_special, p_busy, p_nomem, p_fault;
    uint32_t p_read_eio, p_write_eio, p_nospc, p_corrupt;
    uint32_t p_dead_slot;           /* cannot be read until repaired */
    uint64_t faults_from_ns, faults_to_ns;
    enum sim_end end;
};

struct sim_page {
    uint8_t state;                  /* enum vmm__hv_state */
    bool accessed, special;
    bool zero;                      /* populated, and not written since */
    uint16_t maps;
    uint32_t gen;
};

/* A vCPU, or somebody in dom0 who maps pages. */
struct sim_actor {
    uint64_t next_ns;               /* SIM_NEVER: blocked, or idle */
    uint64_t gfn;                   /* what it wants now */
    bool pending;                   /* it wants something */
    bool blocked;
    bool write;
    bool popped;                    /* the pager took its request */
    bool served;                    /* and a read for it was submitted */
    uint32_t overtaken;             /* by low-class ios, in between */
    uint64_t since_ns;              /* began to wait */
    uint64_t post_ns;
    enum sim_program program;
    uint64_t pos;
    uint64_t held_gfn;              /* mapper: mapped now, or SIM_NEVER */
};

struct sim_ring {
    struct { uint64_t gfn, when_ns; uint32_t vcpu; } slot[SIM_RING_SLOTS];
    uint32_t prod, cons, limit;
};

struct sim_io {
    struct vmm__bdev_io *io;        /* NULL: this slot is free */
    uint64_t land_ns;               /* writes: when the store changes */
    uint64_t done_ns;
    bool landed, late_copy;
    int rc;
    uint64_t seq;
};

struct sim {
    uint64_t seed, rng;
    struct sim_cfg cfg;
    uint64_t now_ns;
    bool trace;

    /* The pager's process. */
    struct vmm_pager *pager;
    struct vmm__pagefile *pf;
    bool in_pager, alive, draining, settled, ended;
    jmp_buf died, failed;
    uint64_t crash_in;              /* calls; 0: never */
    uint64_t nr_calls, nr_crashes, nr_dispatches;
    uint64_t dispatch_ns;           /* when it runs next */
    uint32_t crashes_left;
    bool faults_seen;               /* of a kind that may end in FAILED */
    bool repaired;                  /* no faults any more */
    uint64_t calm_ns;               /* since then nothing disturbs */
    char index_path[128];
    char why[512];

    /* The hypervisor. */
    struct sim_page page[SIM_MAX_GFNS];
    uint32_t nr_in_state[VMM__HV_OTHER + 1];
    bool session, paused, dead, notify;
    struct sim_ring ring[3];
    uint64_t nr_req[3], nr_drop_lost, nr_rescued;
    struct sim_actor vcpu[SIM_MAX_VCPUS];
    struct sim_actor mapper[SIM_MAX_MAPPERS];
    uint64_t balloon_ns;
    bool guest_stopped;
    uint64_t nr_steps;

    /* The device. */
    uint8_t *store;                 /* cfg.nr_slots pages */
    uint8_t *dead_slot;
    bool slot_read[SIM_MAX_GFNS];   /* since it was written, by this pager */
    struct sim_io io[SIM_MAX_IOS];
    uint32_t nr_ios, nr_done_ios;   /* in flight; complete, not reaped */
    uint32_t nr_in_class[VMM_NR_REQCLASSES];
    uint64_t io_seq, device_next_ns;
};

/* sim_world.c */
void sim_trace(struct sim *sim, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
_Noreturn void sim_fail(struct sim *sim, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
uint64_t sim_rand(struct sim *sim);
uint64_t sim_below(struct sim *sim, uint64_t n);        /* 0 .. n - 1 */
uint64_t sim_between(struct sim *sim, uint64_t from, uint64_t to);
bool sim_chance(struct sim *sim, uint32_t per_million);
/* True with the chance, if faults are being injected now. */
bool sim_fault(struct sim *sim, uint32_t per_million);
/* A call of the pager begins or ends: it may not come back from here. */
void sim_point(struct sim *sim);
/* Let the world run until then. */
void sim_advance(struct sim *sim, uint64_t until_ns);
/* When something will happen in the world, the pager apart. */
uint64_t sim_next_ns(const struct sim *sim);
extern const struct vmm__clock_ops sim_clock_ops;

/* sim_hv.c */
extern const struct vmm__hv_ops sim_hv_ops;
void sim_hv_init(struct sim *sim);
enum sim_touch { SIM_TOUCH_OK, SIM_TOUCH_WAIT, SIM_TOUCH_HOLE };
enum sim_touch sim_hv_touch(struct sim *sim, struct sim_actor *actor,
                            bool foreign);
void sim_hv_drop(struct sim *sim, uint64_t gfn);
void sim_hv_populate(struct sim *sim, uint64_t gfn);
uint32_t sim_hv_count(const struct sim *sim, enum vmm__hv_state state);
void sim_page_fill(const struct sim *sim, uint64_t gfn, void *buf);

/* sim_guest.c */
void sim_guest_init(struct sim *sim);
uint64_t sim_guest_next_ns(const struct sim *sim);
void sim_guest_step(struct sim *sim);           /* what is due now */
void sim_guest_check(struct sim *sim);

/* sim_bdev.c */
extern const struct vmm__bdev_ops sim_bdev_ops;
void sim_bdev_init(struct sim *sim);
uint64_t sim_bdev_next_ns(const struct sim *sim);
void sim_bdev_step(struct sim *sim);
/* The process died: writes in flight land, or not, or in part. */
void sim_bdev_died(struct sim *sim);
void sim_bdev_repair(struct sim *sim);

/* scenario_pager.c */
struct sim_totals {
    uint64_t nr_crashes, nr_calls, nr_steps, nr_demand, nr_evicted;
    uint64_t nr_rescued, nr_drops;
};
/* 0, or 1 with sim->why. */
int sim_run_schedule(struct sim *sim, uint64_t seed, bool trace,
                     struct sim_totals *totals);

#endif
