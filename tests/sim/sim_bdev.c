/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sim_bdev.c: table/bdev.h as a device that serves its queues in any order.
 *
 * A write changes the store at some time between submit and completion, with
 * what is in the buffer then; a read fills the buffer with rubbish first.
 * What is in flight when the process dies is resolved there and then: a
 * successor that holds the lock on the store cannot meet a late write.
 */
#include <string.h>

#include "sim.h"

#define PAGE VMM__PAGE_BYTES
/* Low-class ios that may be handed over while a vCPU's read is not. */
#define OVERTAKEN_MAX 3u

void sim_bdev_init(struct sim *sim)
{
    memset(sim->dead_slot, 0, sim->cfg.nr_slots);
    sim->device_next_ns = SIM_NEVER;
}

static void next_event(struct sim *sim)
{
    uint64_t next_ns = SIM_NEVER;
    uint32_t i;

    for (i = 0; i < SIM_MAX_IOS; i++) {
        const struct sim_io *io = &sim->io[i];
        uint64_t ns = io->landed ? io->done_ns : io->land_ns;

        if (io->io && ns > sim->now_ns && next_ns > ns) {
            next_ns = ns;
        }
    }
    sim->device_next_ns = next_ns;
}

uint64_t sim_bdev_next_ns(const struct sim *sim)
{
    return sim->device_next_ns;
}

static void land(struct sim *sim, struct sim_io *io)
{
    struct vmm__bdev_io *bio = io->io;

    io->landed = true;
    if (bio->write && !io->rc) {
        memcpy(sim->store + bio->offset_bytes, bio->buf, bio->len_bytes);
    }
}

void sim_bdev_step(struct sim *sim)
{
    uint32_t i;

    if (sim->device_next_ns > sim->now_ns) {
        return;
    }
    sim->nr_done_ios = 0;
    for (i = 0; i < SIM_MAX_IOS; i++) {
        struct sim_io *io = &sim->io[i];

        if (!io->io) {
            continue;
        }
        if (!io->landed && io->land_ns <= sim->now_ns) {
            land(sim, io);
        }
        sim->nr_done_ios += io->done_ns <= sim->now_ns;
    }
    next_event(sim);
}

/* A read or write that jumps a queue, or waits in the wrong one. */
static void check_order(struct sim *sim, const struct vmm__bdev_io *io)
{
    struct vmm__pagefile_entry entry;
    uint32_t i;

    const struct sim_cfg *cfg = &sim->cfg;

    if (cfg->fifo) {
        return;
    }
    if (io->write != (io->reqclass == VMM_REQ_EVICT)) {
        sim_fail(sim, "%s in the %s queue", io->write ? "write" : "read",
                 vmm_reqclass_name(io->reqclass));
    }
    /* After an error nothing may be read for a while. */
    if (sim->now_ns >= cfg->faults_from_ns &&
        (cfg->p_nomem || cfg->p_fault || cfg->p_read_eio || cfg->p_corrupt ||
         cfg->p_dead_slot)) {
        return;
    }
    for (i = 0; i < sim->cfg.nr_vcpus; i++) {
        struct sim_actor *vcpu = &sim->vcpu[i];
        uint32_t k;

        if (!vcpu->blocked || !vcpu->popped || vcpu->served) {
            continue;
        }
        vmm__pagefile_get(sim->pf, vcpu->gfn, &entry);
        if (entry.where != VMM__PAGEFILE_SLOT) {
            continue;
        }
        /* Read already, or in flight, as a prefetch perhaps? */
        if (sim->slot_read[entry.slot]) {
            vcpu->served = true;
        }
        for (k = 0; k < SIM_MAX_IOS; k++) {
            const struct vmm__bdev_io *other = sim->io[k].io;

            if (other && !other->write &&
                other->offset_bytes == entry.slot * PAGE) {
                vcpu->served = true;
            }
        }
        if (!io->write && io->offset_bytes == entry.slot * PAGE) {
            vcpu->served = true;
        }
        if (!vcpu->served && io->reqclass > VMM_REQ_FOREIGN &&
            sim->nr_in_class[VMM_REQ_DEMAND] < cfg->queue_depth &&
            ++vcpu->overtaken > OVERTAKEN_MAX) {
            sim_fail(sim, "vcpu %u waits for gfn %#llx while %u low ios "
                     "went to the device", i, (unsigned long long)vcpu->gfn,
                     vcpu->overtaken);
        }
    }
}

static void check_slots(struct sim *sim, const struct vmm__bdev_io *io)
{
    uint32_t k;

    if ((uintptr_t)io->buf % VMM__BDEV_ALIGN_BYTES ||
        io->offset_bytes % PAGE || io->len_bytes % PAGE || !io->len_bytes ||
        io->offset_bytes + io->len_bytes >
        (uint64_t)sim->cfg.nr_slots * PAGE) {
        sim_fail(sim, "io of %u bytes at %#llx, buffer %p", io->len_bytes,
                 (unsigned long long)io->offset_bytes, io->buf);
    }
    for (k = 0; k < SIM_MAX_IOS; k++) {
        const struct vmm__bdev_io *other = sim->io[k].io;

        if (other && (other->write || io->write) &&
            other->offset_bytes < io->offset_bytes + io->len_bytes &&
            io->offset_bytes < other->offset_bytes + other->len_bytes) {
            sim_fail(sim, "two ios in flight at %#llx, one a write",
                     (unsigned long long)io->offset_bytes);
        }
    }
}

static uint64_t latency(struct sim *sim)
{
    uint64_t ns = sim_between(sim, sim->cfg.latency_ns / 2,
                              sim->cfg.latency_ns * 2);

    /* A long tail. */
    if (sim_chance(sim, 20000)) {
        ns *= 20;
    }
    return ns;
}

static int transfer_result(struct sim *sim, const struct vmm__bdev_io *io)
{
    uint64_t slot = io->offset_bytes / PAGE;
    uint32_t i;

    if (io->write) {
        if (sim_fault(sim, sim->cfg.p_nospc)) {
            return VMM_E_NOSPC;
        }
        return sim_fault(sim, sim->cfg.p_write_eio) ? VMM_E_IO : 0;
    }
    if (sim_fault(sim, sim->cfg.p_read_eio)) {
        sim->faults_seen = true;
        return VMM_E_IO;
    }
    for (i = 0; i < io->len_bytes / PAGE; i++) {
        if (sim->repaired) {
            continue;
        }
        if (!sim->dead_slot[slot + i] &&
            sim_fault(sim, sim->cfg.p_dead_slot)) {
            sim->dead_slot[slot + i] = 1;
        }
        if (sim->dead_slot[slot + i]) {
            sim->faults_seen = true;
            return VMM_E_IO;
        }
    }
    return 0;
}

static int bdev_submit(void *bdev, struct vmm__bdev_io *io)
{
    struct sim *sim = bdev;
    struct sim_io *slot = NULL;
    uint32_t i;

    sim_point(sim);
    if (sim->nr_in_class[io->reqclass] >= sim->cfg.queue_depth) {
        return VMM_E_AGAIN;
    }
    check_slots(sim, io);
    check_order(sim, io);
    for (i = 0; i < SIM_MAX_IOS && !slot; i++) {
        if (!sim->io[i].io) {
            slot = &sim->io[i];
        }
    }
    if (!slot) {
        return VMM_E_AGAIN;
    }
    slot->io = io;
    slot->rc = transfer_result(sim, io);
    slot->done_ns = sim->now_ns + latency(sim);
    slot->land_ns = sim_between(sim, sim->now_ns + 1, slot->done_ns);
    slot->landed = false;
    slot->seq = sim->io_seq++;
    sim->nr_ios++;
    sim->nr_in_class[io->reqclass]++;
    if (io->write) {
        memset(sim->slot_read + io->offset_bytes / PAGE, 0,
               io->len_bytes / PAGE);
    } else {
        memset(io->buf, 0xdb, io->len_bytes);
    }
    if (sim->device_next_ns > slot->land_ns) {
        sim->device_next_ns = slot->land_ns;
    }
    sim_trace(sim, "submit %s %s slot %llu+%u",
              vmm_reqclass_name(io->reqclass), io->write ? "write" : "read",
              (unsigned long long)io->offset_bytes / PAGE,
              io->len_bytes / PAGE);
    sim_point(sim);
    return 0;
}

static void bdev_kick(void *bdev)
{
    struct sim *sim = bdev;

    sim_point(sim);
    sim_advance(sim, sim->now_ns + 500);
    sim_point(sim);
}

/* Most urgent first, then as they come. */
static struct sim_io *next_done(struct sim *sim)
{
    struct sim_io *best = NULL;
    uint32_t i;

    for (i = 0; i < SIM_MAX_IOS; i++) {
        struct sim_io *io = &sim->io[i];

        if (!io->io || !io->landed || io->done_ns > sim->now_ns) {
            continue;
        }
        if (!best || io->io->reqclass < best->io->reqclass ||
            (io->io->reqclass == best->io->reqclass &&
             io->done_ns < best->done_ns)) {
            best = io;
        }
    }
    return best;
}

static unsigned int bdev_reap(void *bdev)
{
    struct sim *sim = bdev;
    struct sim_io *done;
    unsigned int n = 0;

    sim_point(sim);
    while (sim->nr_done_ios && (done = next_done(sim))) {
        struct vmm__bdev_io *io = done->io;

        if (!io->write && !done->rc) {
            memcpy(io->buf, sim->store + io->offset_bytes, io->len_bytes);
            memset(sim->slot_read + io->offset_bytes / PAGE, 1,
                   io->len_bytes / PAGE);
            if (sim_fault(sim, sim->cfg.p_corrupt)) {
                sim->faults_seen = true;
                ((uint8_t *)io->buf)[sim_below(sim, io->len_bytes)] ^= 1;
            }
        }
        sim_trace(sim, "complete %s %s slot %llu: %d",
                  vmm_reqclass_name(io->reqclass),
                  io->write ? "write" : "read",
                  (unsigned long long)io->offset_bytes / PAGE, done->rc);
        done->io = NULL;
        sim->nr_ios--;
        sim->nr_done_ios--;
        sim->nr_in_class[io->reqclass]--;
        io->done(io, done->rc);
        n++;
        sim_point(sim);
    }
    return n;
}

static int bdev_fd(void *bdev)
{
    (void)bdev;
    return -1;
}

static bool bdev_must_poll(void *bdev)
{
    (void)bdev;
    return false;
}

static int bdev_register_mem(void *bdev, void *base, uint64_t len_bytes)
{
    struct sim *sim = bdev;

    (void)base;
    (void)len_bytes;
    sim_point(sim);
    return VMM_E_NOTSUP;
}

void sim_bdev_died(struct sim *sim)
{
    uint32_t i, n;

    for (i = 0; i < SIM_MAX_IOS; i++) {
        struct sim_io *io = &sim->io[i];

        if (!io->io) {
            continue;
        }
        if (io->io->write && !io->landed && !io->rc) {
            /* All, nothing, or some sectors. */
            n = (uint32_t)sim_between(sim, 0, io->io->len_bytes / 512);
            if (sim_chance(sim, 300000)) {
                n = io->io->len_bytes / 512;
            }
            memcpy(sim->store + io->io->offset_bytes, io->io->buf, n * 512);
        }
        io->io = NULL;
    }
    sim->nr_ios = sim->nr_done_ios = 0;
    memset(sim->slot_read, 0, sizeof(sim->slot_read));
    memset(sim->nr_in_class, 0, sizeof(sim->nr_in_class));
    sim->device_next_ns = SIM_NEVER;
}

void sim_bdev_repair(struct sim *sim)
{
    sim->repaired = true;
    memset(sim->dead_slot, 0, sim->cfg.nr_slots);
}

const struct vmm__bdev_ops sim_bdev_ops = {
    .submit = bdev_submit,
    .kick = bdev_kick,
    .reap = bdev_reap,
    .fd = bdev_fd,
    .must_poll = bdev_must_poll,
    .register_mem = bdev_register_mem,
};
