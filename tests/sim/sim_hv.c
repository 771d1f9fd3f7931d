/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sim_hv.c: table/hv.h as the hypervisor of vmm_op.h would be.
 *
 * No frames: the contents of a page are a function of its gfn and of how
 * often it was written, and what the pager hands back is compared with that.
 */
#include <string.h>

#include "sim.h"

#define PAGE_WORDS (VMM__PAGE_BYTES / sizeof(uint64_t))

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

void sim_page_fill(const struct sim *sim, uint64_t gfn, void *buf)
{
    const struct sim_page *page = &sim->page[gfn];
    uint64_t *words = buf, value, step;
    unsigned int i;

    value = mix(sim->seed * 0x9e3779b97f4a7c15ull + gfn * 0x1000193 +
                page->gen * 0x51ed27f5cull);
    step = value | 1;
    if (page->zero) {
        value = step = 0;
    } else if (sim->cfg.same_filled && value % 4 == 0) {
        value = gfn % 3;
        step = 0;
    }
    for (i = 0; i < PAGE_WORDS; i++) {
        words[i] = value;
        value += step;
    }
}

static void page_verify(struct sim *sim, uint64_t gfn, const void *buf)
{
    uint64_t expected[PAGE_WORDS];

    sim_page_fill(sim, gfn, expected);
    if (memcmp(expected, buf, sizeof(expected))) {
        sim_fail(sim, "wrong page: gfn %#llx, written %u times",
                 (unsigned long long)gfn, sim->page[gfn].gen);
    }
}

uint32_t sim_hv_count(const struct sim *sim, enum vmm__hv_state state)
{
    return sim->nr_in_state[state];
}

static void set_state(struct sim *sim, struct sim_page *page,
                      enum vmm__hv_state state)
{
    sim->nr_in_state[page->state]--;
    sim->nr_in_state[state]++;
    page->state = (uint8_t)state;
}

/* Other domains have what this one does not need at its target. */
static bool have_frame(const struct sim *sim)
{
    return !sim->cfg.tight || sim->repaired ||
           sim_hv_count(sim, VMM__HV_RESIDENT) +
           sim_hv_count(sim, VMM__HV_NOMINATED) <
           sim->cfg.target + sim->cfg.spare_frames;
}

void sim_hv_init(struct sim *sim)
{
    uint32_t gfn;

    sim->nr_in_state[VMM__HV_HOLE] = sim->cfg.nr_gfns;
    for (gfn = 0; gfn < sim->cfg.nr_gfns; gfn++) {
        struct sim_page *page = &sim->page[gfn];

        set_state(sim, page, VMM__HV_RESIDENT);
        page->special = sim_chance(sim, sim->cfg.p_special);
        if (page->special && sim_chance(sim, 500000)) {
            set_state(sim, page, VMM__HV_OTHER);
        }
    }
    sim->ring[VMM__HV_DEMAND].limit = SIM_RING_SLOTS;
    sim->ring[VMM__HV_FOREIGN].limit = sim->cfg.foreign_slots;
    sim->ring[VMM__HV_DROP].limit = sim->cfg.drop_slots;
}

static void wake(struct sim *sim, uint64_t gfn)
{
    uint32_t i;

    for (i = 0; i < sim->cfg.nr_vcpus; i++) {
        struct sim_actor *vcpu = &sim->vcpu[i];

        if (vcpu->blocked && vcpu->gfn == gfn) {
            sim_trace(sim, "vcpu %u wakes", i);
            vcpu->blocked = false;
            vcpu->next_ns = sim->now_ns + 500;
        }
    }
}

static bool ring_post(struct sim *sim, enum vmm__hv_reqclass reqclass,
                      uint64_t gfn, uint32_t vcpu, uint64_t when_ns)
{
    struct sim_ring *ring = &sim->ring[reqclass];

    if (ring->prod - ring->cons >= ring->limit) {
        return false;
    }
    ring->slot[ring->prod % SIM_RING_SLOTS].gfn = gfn;
    ring->slot[ring->prod % SIM_RING_SLOTS].vcpu = vcpu;
    ring->slot[ring->prod % SIM_RING_SLOTS].when_ns = when_ns;
    ring->prod++;
    sim->nr_req[reqclass]++;
    sim->notify = true;
    return true;
}

static void demand(struct sim *sim, struct sim_actor *vcpu)
{
    vcpu->blocked = true;
    vcpu->next_ns = SIM_NEVER;
    vcpu->popped = vcpu->served = false;
    vcpu->overtaken = 0;
    vcpu->post_ns = sim->now_ns;
    (void)ring_post(sim, VMM__HV_DEMAND, vcpu->gfn,
                    (uint32_t)(vcpu - sim->vcpu), sim->now_ns);
}

enum sim_touch sim_hv_touch(struct sim *sim, struct sim_actor *actor,
                            bool foreign)
{
    struct sim_page *page = &sim->page[actor->gfn];

    switch (page->state) {
    case VMM__HV_NOMINATED:
        sim_trace(sim, "gfn %#llx rescued", (unsigned long long)actor->gfn);
        set_state(sim, page, VMM__HV_RESIDENT);
        sim->nr_rescued++;
        /* fallthrough */
    case VMM__HV_RESIDENT:
        page->accessed = page->accessed || !foreign;
        if (actor->write) {
            page->gen++;
            page->zero = false;
        }
        return SIM_TOUCH_OK;
    case VMM__HV_PAGED:
        if (foreign) {
            if (sim->session &&
                ring_post(sim, VMM__HV_FOREIGN, actor->gfn, 0, sim->now_ns)) {
                sim_trace(sim, "mapper %u faults gfn %#llx",
                          (unsigned int)(actor - sim->mapper),
                          (unsigned long long)actor->gfn);
                set_state(sim, page, VMM__HV_PAGING_IN);
            }
            return SIM_TOUCH_WAIT;
        }
        set_state(sim, page, VMM__HV_PAGING_IN);
        /* fallthrough */
    case VMM__HV_PAGING_IN:
        if (!foreign) {
            sim_trace(sim, "vcpu %u faults gfn %#llx",
                      (unsigned int)(actor - sim->vcpu),
                      (unsigned long long)actor->gfn);
            demand(sim, actor);
        }
        return SIM_TOUCH_WAIT;
    default:
        return SIM_TOUCH_HOLE;
    }
}

void sim_hv_drop(struct sim *sim, uint64_t gfn)
{
    struct sim_page *page = &sim->page[gfn];
    bool paging = page->state != VMM__HV_RESIDENT;

    sim_trace(sim, "guest drops gfn %#llx, state %u",
              (unsigned long long)gfn, page->state);
    set_state(sim, page, VMM__HV_HOLE);
    page->accessed = false;
    if (paging && sim->session) {
        if (!ring_post(sim, VMM__HV_DROP, gfn, 0, sim->now_ns)) {
            sim->nr_drop_lost++;
        }
        sim->notify = true;
        wake(sim, gfn);
    }
}

void sim_hv_populate(struct sim *sim, uint64_t gfn)
{
    struct sim_page *page = &sim->page[gfn];

    if (!have_frame(sim)) {
        return;
    }
    sim_trace(sim, "guest populates gfn %#llx", (unsigned long long)gfn);
    set_state(sim, page, VMM__HV_RESIDENT);
    page->zero = true;
    page->gen++;
    page->accessed = true;
}

/* The time that a call takes, and all that happens meanwhile. */
static void spend(struct sim *sim, unsigned int nr_pages)
{
    uint64_t ns = 1000 + nr_pages * 300;

    if (sim_chance(sim, 20000)) {
        ns += sim_below(sim, 300 * SIM_US);
    }
    sim_advance(sim, sim->now_ns + ns);
}

static int hv_enter(struct sim *sim)
{
    sim_point(sim);
    if (sim->dead) {
        return VMM_E_NOENT;
    }
    return sim->session ? 0 : VMM_E_NOENT;
}

static int hv_attach(void *hv, bool takeover)
{
    struct sim *sim = hv;
    uint32_t i;

    sim_point(sim);
    if (sim->dead) {
        return VMM_E_NOENT;
    }
    if (takeover != sim->session) {
        return takeover ? VMM_E_NOENT : VMM_E_SESSION;
    }
    sim_trace(sim, "attach, takeover=%d", takeover);
    sim->session = true;
    for (i = 0; i < 3; i++) {
        sim->ring[i].prod = sim->ring[i].cons = 0;
    }
    for (i = 0; i < sim->cfg.nr_vcpus; i++) {
        struct sim_actor *vcpu = &sim->vcpu[i];

        if (vcpu->blocked) {
            vcpu->popped = vcpu->served = false;
            vcpu->overtaken = 0;
            (void)ring_post(sim, VMM__HV_DEMAND, vcpu->gfn, i,
                            vcpu->post_ns);
        }
    }
    sim_point(sim);
    return 0;
}

static int hv_detach(void *hv)
{
    struct sim *sim = hv;
    uint32_t i;
    int rc;

    rc = hv_enter(sim);
    if (rc) {
        return rc;
    }
    if (sim_hv_count(sim, VMM__HV_PAGED) ||
        sim_hv_count(sim, VMM__HV_PAGING_IN) ||
        sim_hv_count(sim, VMM__HV_NOMINATED)) {
        return VMM_E_BUSY;
    }
    for (i = 0; i < sim->cfg.nr_vcpus; i++) {
        if (sim->vcpu[i].blocked) {
            return VMM_E_BUSY;
        }
    }
    sim_trace(sim, "detach");
    sim->session = false;
    sim_point(sim);
    return 0;
}

/* One page of a batch; the world stands still meanwhile. */
static int nominate_one(struct sim *sim, uint64_t gfn, void *buf)
{
    struct sim_page *page;

    if (gfn >= sim->cfg.nr_gfns) {
        return VMM_E_INVAL;
    }
    page = &sim->page[gfn];
    if (page->state != VMM__HV_RESIDENT || page->special || page->maps ||
        sim_chance(sim, sim->cfg.p_busy)) {
        return VMM_E_BUSY;
    }
    set_state(sim, page, VMM__HV_NOMINATED);
    if (buf) {
        sim_page_fill(sim, gfn, buf);
    }
    return 0;
}

static int evict_one(struct sim *sim, uint64_t gfn)
{
    struct sim_page *page;

    if (gfn >= sim->cfg.nr_gfns) {
        return VMM_E_INVAL;
    }
    page = &sim->page[gfn];
    switch (page->state) {
    case VMM__HV_NOMINATED:
        if (sim_chance(sim, sim->cfg.p_busy)) {
            set_state(sim, page, VMM__HV_RESIDENT);
            return VMM_E_BUSY;
        }
        set_state(sim, page, VMM__HV_PAGED);
        page->accessed = false;
        return 0;
    case VMM__HV_RESIDENT:
    case VMM__HV_OTHER:
        return VMM_E_BUSY;
    default:
        return VMM_E_NOENT;
    }
}

static int prepare_one(struct sim *sim, uint64_t gfn, const void *buf,
                       bool cold)
{
    struct sim_page *page;

    if (gfn >= sim->cfg.nr_gfns) {
        return VMM_E_INVAL;
    }
    page = &sim->page[gfn];
    switch (page->state) {
    case VMM__HV_PAGED:
    case VMM__HV_PAGING_IN:
        if (!buf) {
            return VMM_E_INVAL;
        }
        if (!have_frame(sim) || sim_fault(sim, sim->cfg.p_nomem)) {
            return VMM_E_NOMEM;
        }
        if (sim_fault(sim, sim->cfg.p_fault)) {
            return VMM_E_FAULT;
        }
        page_verify(sim, gfn, buf);
        set_state(sim, page, VMM__HV_RESIDENT);
        page->accessed = !cold;
        wake(sim, gfn);
        return 0;
    case VMM__HV_NOMINATED:
        set_state(sim, page, VMM__HV_RESIDENT);
        wake(sim, gfn);
        return 0;
    case VMM__HV_RESIDENT:
    case VMM__HV_OTHER:
        wake(sim, gfn);
        return VMM_E_EXISTS;
    default:
        wake(sim, gfn);
        return VMM_E_NOENT;
    }
}

static int resume_one(struct sim *sim, uint64_t gfn)
{
    struct sim_page *page;

    if (gfn >= sim->cfg.nr_gfns) {
        return VMM_E_INVAL;
    }
    page = &sim->page[gfn];
    switch (page->state) {
    case VMM__HV_NOMINATED:
        set_state(sim, page, VMM__HV_RESIDENT);
        wake(sim, gfn);
        return 0;
    case VMM__HV_RESIDENT:
    case VMM__HV_OTHER:
        wake(sim, gfn);
        return VMM_E_EXISTS;
    default:
        wake(sim, gfn);
        return VMM_E_NOENT;
    }
}

enum batch_op { NOMINATE, EVICT, PREPARE, PREPARE_COLD, RESUME };

static int batch(void *hv, enum batch_op op, struct vmm__hv_page *pages,
                 unsigned int nr)
{
    static const char *const names[] = {
        "nominate", "evict", "prepare", "prepare cold", "resume",
    };
    struct sim *sim = hv;
    unsigned int i, half = 0;
    int rc;

    rc = hv_enter(sim);
    if (rc) {
        return rc;
    }
    if (nr > VMM__HV_BATCH_MAX) {
        sim_fail(sim, "%s of %u pages", names[op], nr);
    }
    /* A batch can be preempted once, somewhere. */
    if (nr > 1 && sim_chance(sim, 100000)) {
        half = (unsigned int)sim_between(sim, 1, nr - 1);
    }
    for (i = 0; i < nr; i++) {
        struct vmm__hv_page *p = &pages[i];

        if (half && i == half) {
            spend(sim, half);
            if (sim->dead) {
                return VMM_E_NOENT;
            }
        }
        switch (op) {
        case NOMINATE:
            p->rc = nominate_one(sim, p->gfn, p->buf);
            break;
        case EVICT:
            p->rc = evict_one(sim, p->gfn);
            break;
        case PREPARE:
        case PREPARE_COLD:
            p->rc = prepare_one(sim, p->gfn, p->buf, op == PREPARE_COLD);
            break;
        case RESUME:
            p->rc = resume_one(sim, p->gfn);
            break;
        }
        sim_trace(sim, "%s gfn %#llx: %d", names[op],
                  (unsigned long long)p->gfn, p->rc);
    }
    spend(sim, nr - half);
    sim_point(sim);
    return 0;
}

static int hv_nominate(void *hv, struct vmm__hv_page *pages, unsigned int nr)
{
    return batch(hv, NOMINATE, pages, nr);
}

static int hv_evict(void *hv, struct vmm__hv_page *pages, unsigned int nr)
{
    return batch(hv, EVICT, pages, nr);
}

static int hv_prepare(void *hv, struct vmm__hv_page *pages, unsigned int nr,
                      bool cold)
{
    return batch(hv, cold ? PREPARE_COLD : PREPARE, pages, nr);
}

static int hv_resume(void *hv, struct vmm__hv_page *pages, unsigned int nr)
{
    return batch(hv, RESUME, pages, nr);
}

static int hv_harvest(void *hv, uint64_t first, uint32_t nr,
                      bool more, uint8_t *bitmap)
{
    struct sim *sim = hv;
    uint32_t i;
    int rc;

    (void)more;
    rc = hv_enter(sim);
    if (rc) {
        return rc;
    }
    if (sim->cfg.no_harvest) {
        return VMM_E_NOTSUP;
    }
    if (first % 512) {
        return VMM_E_INVAL;
    }
    memset(bitmap, 0, (nr + 7) / 8);
    for (i = 0; i < nr && first + i < sim->cfg.nr_gfns; i++) {
        struct sim_page *page = &sim->page[first + i];

        if (page->state == VMM__HV_RESIDENT && page->accessed) {
            bitmap[i / 8] |= (uint8_t)(1u << (i % 8));
            page->accessed = false;
        }
    }
    spend(sim, nr / 64);
    sim_point(sim);
    return 0;
}

static int hv_query(void *hv, uint64_t first, uint32_t nr, uint8_t *states)
{
    struct sim *sim = hv;
    uint32_t i;
    int rc;

    rc = hv_enter(sim);
    if (rc) {
        return rc;
    }
    for (i = 0; i < nr; i++) {
        states[i] = first + i < sim->cfg.nr_gfns ? sim->page[first + i].state
                                                 : VMM__HV_HOLE;
    }
    sim_trace(sim, "query %#llx+%u", (unsigned long long)first, nr);
    spend(sim, nr / 64);
    sim_point(sim);
    return 0;
}

static int hv_stat(void *hv, struct vmm__hv_stat *stat_out)
{
    struct sim *sim = hv;
    uint32_t i;
    int rc;

    rc = hv_enter(sim);
    if (rc) {
        return rc;
    }
    memset(stat_out, 0, sizeof(*stat_out));
    stat_out->paged_pages = sim_hv_count(sim, VMM__HV_PAGED) +
                            sim_hv_count(sim, VMM__HV_PAGING_IN);
    stat_out->tot_pages = sim_hv_count(sim, VMM__HV_RESIDENT) +
                          sim_hv_count(sim, VMM__HV_NOMINATED);
    stat_out->max_gfn = sim->cfg.nr_gfns - 1;
    stat_out->nr_demand = sim->nr_req[VMM__HV_DEMAND];
    stat_out->nr_foreign = sim->nr_req[VMM__HV_FOREIGN];
    stat_out->nr_drop = sim->nr_req[VMM__HV_DROP];
    stat_out->nr_drop_lost = sim->nr_drop_lost;
    stat_out->nr_rescued = sim->nr_rescued;
    for (i = 0; i < sim->cfg.nr_vcpus; i++) {
        stat_out->nr_waiting += sim->vcpu[i].blocked;
    }
    sim_point(sim);
    return 0;
}

static bool hv_next_request(void *hv, enum vmm__hv_reqclass reqclass,
                            struct vmm__hv_request *req_out)
{
    struct sim *sim = hv;
    struct sim_ring *ring = &sim->ring[reqclass];
    uint32_t idx = ring->cons % SIM_RING_SLOTS;

    sim_point(sim);
    if (sim->dead || ring->cons == ring->prod) {
        return false;
    }
    memset(req_out, 0, sizeof(*req_out));
    req_out->reqclass = reqclass;
    req_out->gfn = ring->slot[idx].gfn;
    req_out->vcpu = ring->slot[idx].vcpu;
    req_out->age_ns = sim->now_ns - ring->slot[idx].when_ns;
    ring->cons++;
    if (reqclass == VMM__HV_DEMAND) {
        struct sim_actor *vcpu = &sim->vcpu[req_out->vcpu];

        if (vcpu->blocked && vcpu->gfn == req_out->gfn) {
            vcpu->popped = true;
        }
    }
    sim_trace(sim, "request class %u gfn %#llx", reqclass,
              (unsigned long long)req_out->gfn);
    sim_point(sim);
    return true;
}

static int hv_fd(void *hv)
{
    (void)hv;
    return -1;
}

static void hv_ack(void *hv)
{
    struct sim *sim = hv;

    sim_point(sim);
    sim->notify = false;
}

static int hv_pause_domain(void *hv)
{
    struct sim *sim = hv;

    sim_point(sim);
    if (sim->dead) {
        return VMM_E_NOENT;
    }
    sim_trace(sim, "domain paused");
    sim->paused = true;
    sim_point(sim);
    return 0;
}

static int hv_unpause_domain(void *hv)
{
    struct sim *sim = hv;

    sim_point(sim);
    if (sim->dead) {
        return VMM_E_NOENT;
    }
    sim_trace(sim, "domain unpaused");
    sim->paused = false;
    sim_point(sim);
    return 0;
}

const struct vmm__hv_ops sim_hv_ops = {
    .attach = hv_attach,
    .detach = hv_detach,
    .nominate = hv_nominate,
    .evict = hv_evict,
    .prepare = hv_prepare,
    .resume = hv_resume,
    .harvest = hv_harvest,
    .query = hv_query,
    .stat = hv_stat,
    .next_request = hv_next_request,
    .fd = hv_fd,
    .ack = hv_ack,
    .pause_domain = hv_pause_domain,
    .unpause_domain = hv_unpause_domain,
};
