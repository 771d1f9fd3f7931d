/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_pager.c: the pager, one thing that can happen at a time, on the
 * simulation's hypervisor and a device that does as it is told.
 *
 * tests/sim has what happens by chance, and deaths at any call.
 */
#include "sim/sim.h"

/* Both have one. */
#define set_state sim_set_state
#include "sim/sim_hv.c"
#undef set_state

#include "consumer/pager.c"

#include "lib/fake_bdev.h"
#include "lib/ut.h"

#define NR_GFNS 1024u
#define NR_SLOTS 1024u
#define NR_VCPUS 2u
#define TARGET 512u
#define DOMID 7u
#define HARVEST_MS 1000u
#define RETRIES 2u
/* In place of a chance: as often as was ordered. */
#define ORDERED 1u

static const uint8_t uuid[16] = { 0xc0, 0xff, 0xee, 2 };

static struct sim sim;
static struct fake_bdev disk;
static uint8_t store[NR_SLOTS * VMM__PAGE_BYTES];
static struct vmm_pager *pager;
static struct vmm__pagefile *pf;
static struct vmm_pager_opts opts;
static struct vmm__pager_deps deps;
static struct vmm__hv_ops hv_ops;
static struct vmm__clock_ops clock_ops;
static char dir[64], index_path[96];
static uint32_t nr_slots;

/* Orders, and what came of them. */
static unsigned int nr_ordered;
static int call_rc;                 /* of each call that can be ordered */
static int late_rc;                 /* of an evict that was done */
static struct { int rc; unsigned int nr; } faults[2];   /* read, write */
static bool hold[2];                /* leave them in flight */
static unsigned int nr_ios[2];      /* completed */
static uint64_t armed_ns;
static unsigned int nr_pauses, nr_unpauses, nr_detaches, nr_harvests;
static unsigned int nr_logged[VMM_LOG_DEBUG + 1];
static char last_error[512];

/* Allocations. */

static unsigned int fail_nth, nr_allocs;
static size_t nr_mapped_bytes;

void *__real_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd,
                  off_t off);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd,
                  off_t off);
int __real_munmap(void *addr, size_t len);
int __wrap_munmap(void *addr, size_t len);

void *__wrap_calloc(size_t nr, size_t size)
{
    return ++nr_allocs == fail_nth ? NULL : __real_calloc(nr, size);
}

void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd,
                  off_t off)
{
    if (++nr_allocs == fail_nth) {
        return MAP_FAILED;
    }
    nr_mapped_bytes += len;
    return __real_mmap(addr, len, prot, flags, fd, off);
}

int __wrap_munmap(void *addr, size_t len)
{
    nr_mapped_bytes -= len;
    return __real_munmap(addr, len);
}

/* The world of sim_hv.c: it stands still while the pager is in a call. */

void sim_trace(struct sim *s, const char *fmt, ...)
{
    (void)s;
    (void)fmt;
}

_Noreturn void sim_fail(struct sim *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(s->why, sizeof(s->why), fmt, ap);
    va_end(ap);
    puts(s->why);
    CU_FAIL_FATAL("violation, see above");
    abort();
}

bool sim_chance(struct sim *s, uint32_t per_million)
{
    (void)s;
    if (per_million != ORDERED || !nr_ordered) {
        return false;
    }
    nr_ordered--;
    return true;
}

bool sim_fault(struct sim *s, uint32_t per_million)
{
    return sim_chance(s, per_million);
}

uint64_t sim_below(struct sim *s, uint64_t n)
{
    (void)s;
    (void)n;
    return 0;
}

uint64_t sim_between(struct sim *s, uint64_t from, uint64_t to)
{
    (void)s;
    (void)to;
    return from;
}

void sim_point(struct sim *s)
{
    (void)s;
}

void sim_advance(struct sim *s, uint64_t until_ns)
{
    (void)until_ns;
    s->now_ns = disk.now_ns;
}

/* Calls that fail as a whole, and are counted. */

static int ut_nominate(void *hv, struct vmm__hv_page *pages, unsigned int nr)
{
    return call_rc ? call_rc : sim_hv_ops.nominate(hv, pages, nr);
}

static int ut_evict(void *hv, struct vmm__hv_page *pages, unsigned int nr)
{
    int rc;

    if (call_rc) {
        return call_rc;
    }
    rc = sim_hv_ops.evict(hv, pages, nr);
    if (!rc && late_rc) {
        rc = late_rc;
        late_rc = 0;
        for (; nr; nr--) {
            pages[nr - 1].rc = VMM_E_BUSY;
        }
    }
    return rc;
}

static int ut_prepare(void *hv, struct vmm__hv_page *pages, unsigned int nr,
                      bool cold)
{
    return call_rc ? call_rc : sim_hv_ops.prepare(hv, pages, nr, cold);
}

static int ut_harvest(void *hv, uint64_t first, uint32_t nr, bool more,
                      uint8_t *bitmap)
{
    nr_harvests++;
    return sim_hv_ops.harvest(hv, first, nr, more, bitmap);
}

static int ut_pause(void *hv)
{
    nr_pauses++;
    return sim_hv_ops.pause_domain(hv);
}

static int ut_unpause(void *hv)
{
    nr_unpauses++;
    return sim_hv_ops.unpause_domain(hv);
}

static int ut_detach(void *hv)
{
    nr_detaches++;
    return sim_hv_ops.detach(hv);
}

static void ut_arm(void *clock, uint64_t due_ns)
{
    (void)clock;
    armed_ns = due_ns;
}

static void ut_log(void *user, enum vmm_log_level level, const char *msg)
{
    (void)user;
    nr_logged[level]++;
    if (level == VMM_LOG_ERROR) {
        (void)snprintf(last_error, sizeof(last_error), "%s", msg);
    }
}

/* A domain whose pages are all resident, and idle. */

static void begin(void)
{
    static const struct vmm__clock_ops *fake_clock;

    memset(&sim, 0, sizeof(sim));
    memset(store, 0, sizeof(store));
    memset(faults, 0, sizeof(faults));
    memset(hold, 0, sizeof(hold));
    memset(nr_ios, 0, sizeof(nr_ios));
    memset(nr_logged, 0, sizeof(nr_logged));
    nr_ordered = nr_pauses = nr_unpauses = nr_detaches = nr_harvests = 0;
    fail_nth = 0;
    call_rc = late_rc = 0;
    last_error[0] = '\0';
    armed_ns = 0;
    pager = NULL;
    pf = NULL;
    nr_slots = NR_SLOTS;

    sim.seed = 42;
    sim.cfg.nr_gfns = NR_GFNS;
    sim.cfg.nr_vcpus = NR_VCPUS;
    sim.cfg.foreign_slots = sim.cfg.drop_slots = SIM_RING_SLOTS;
    sim_hv_init(&sim);

    hv_ops = sim_hv_ops;
    hv_ops.nominate = ut_nominate;
    hv_ops.evict = ut_evict;
    hv_ops.prepare = ut_prepare;
    hv_ops.harvest = ut_harvest;
    hv_ops.pause_domain = ut_pause;
    hv_ops.unpause_domain = ut_unpause;
    hv_ops.detach = ut_detach;
    fake_bdev_init(&disk, &deps.bdev, &deps.clock);
    fake_clock = deps.clock.ops;
    clock_ops = *fake_clock;
    clock_ops.arm = ut_arm;
    deps.clock.ops = &clock_ops;
    deps.hv.ops = &hv_ops;
    deps.hv.self = &sim;
    deps.nr_gfns = NR_GFNS;
    deps.nr_vcpus = NR_VCPUS;

    vmm_pager_opts_init(&opts);
    opts.domid = DOMID;
    opts.target_pages = TARGET;
    opts.io_error_retries = RETRIES;
    opts.harvest_ms = HARVEST_MS;
    /* Its reads would come where none are expected. */
    opts.no_prefetch = true;

    strcpy(dir, "/dev/shm/ut-pager-XXXXXX");
    if (!mkdtemp(dir)) {
        strcpy(dir, "/tmp/ut-pager-XXXXXX");
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    }
    (void)snprintf(index_path, sizeof(index_path), "%s/index", dir);
}

static int open_pager(bool adopt)
{
    static const struct vmm_logger logger = { ut_log, NULL };
    int rc;

    opts.adopt = adopt;
    CU_ASSERT_EQUAL_FATAL(vmm__pagefile_open(index_path, adopt, uuid,
                                             deps.nr_gfns, nr_slots, &pf), 0);
    deps.pf = pf;
    rc = vmm__pager_new(&deps, &opts, &logger, &pager);
    if (rc) {
        pager = NULL;
        vmm__pagefile_close(pf);
        pf = NULL;
    }
    return rc;
}

/* The device does what was submitted; returns how much that was. */
static unsigned int serve(void)
{
    unsigned int nr = 0;
    uint32_t i;

    for (i = 0; i < disk.nr_ios; i++) {
        struct vmm__bdev_io *io = disk.ios[i];
        uint8_t *at = store + io->offset_bytes;
        int rc = 0;

        if (disk.complete[i] || hold[io->write]) {
            continue;
        }
        CU_ASSERT_TRUE_FATAL(io->offset_bytes + io->len_bytes <=
                             (uint64_t)nr_slots * VMM__PAGE_BYTES);
        if (faults[io->write].nr) {
            faults[io->write].nr--;
            rc = faults[io->write].rc;
        } else if (io->write) {
            memcpy(at, io->buf, io->len_bytes);
        } else {
            memcpy(io->buf, at, io->len_bytes);
        }
        nr_ios[io->write]++;
        CU_ASSERT_TRUE(io->len_bytes <= RUN_PAGES * VMM__PAGE_BYTES);
        fake_bdev_complete(&disk, i, rc);
        nr++;
    }
    return nr;
}

/* All that is to be done at this instant; false once the domain is gone. */
static bool run(void)
{
    unsigned int i;
    int rc;

    for (i = 0; i < 1000; i++) {
        rc = vmm_pager_dispatch(pager);
        if (rc) {
            CU_ASSERT_EQUAL(rc, VMM_E_NOENT);
            return false;
        }
        CU_ASSERT_EQUAL(armed_ns, vmm__pager_due_ns(pager));
        if (!serve() && armed_ns > disk.now_ns) {
            return true;
        }
    }
    CU_FAIL_FATAL("it does not come to rest");
    return false;
}

static void pass(uint64_t ns)
{
    disk.now_ns += ns;
    sim.now_ns = disk.now_ns;
}

/* It is woken when it wants to be, as a timer would. */
static void run_for(uint64_t ns)
{
    uint64_t end_ns = disk.now_ns + ns;

    while (run()) {
        if (armed_ns > end_ns) {
            pass(end_ns - disk.now_ns);
            break;
        }
        pass(armed_ns - disk.now_ns);
    }
}

static struct vmm_pager_stat stat_now(void)
{
    struct vmm_pager_stat stat = { .size = sizeof(stat) };

    CU_ASSERT_EQUAL(vmm_pager_stat(pager, &stat), 0);
    return stat;
}

static enum vmm__pagefile_where where(uint64_t gfn)
{
    struct vmm__pagefile_entry entry;

    vmm__pagefile_get(pf, gfn, &entry);
    return entry.where;
}

/* What the pager, the hypervisor and the index say is the same. */
static void check_agree(void)
{
    struct vmm_pager_stat stat = stat_now();
    uint64_t gfn, nr_slot = 0, nr_same = 0;

    CU_ASSERT_EQUAL(stat.resident_pages,
                    sim_hv_count(&sim, VMM__HV_RESIDENT));
    CU_ASSERT_EQUAL(stat.paged_pages, sim_hv_count(&sim, VMM__HV_PAGED) +
                                      sim_hv_count(&sim, VMM__HV_PAGING_IN));
    CU_ASSERT_EQUAL(stat.total_pages,
                    stat.resident_pages + stat.paged_pages);
    CU_ASSERT_EQUAL(sim_hv_count(&sim, VMM__HV_NOMINATED), 0);
    for (gfn = 0; gfn < deps.nr_gfns; gfn++) {
        nr_slot += where(gfn) == VMM__PAGEFILE_SLOT;
        nr_same += where(gfn) == VMM__PAGEFILE_SAME;
    }
    CU_ASSERT_EQUAL(nr_slot + nr_same, stat.paged_pages);
    CU_ASSERT_EQUAL(stat.same_filled_pages, nr_same);
    CU_ASSERT_EQUAL(stat.store_used_bytes, nr_slot * VMM__PAGE_BYTES);
}

/* As if the process had died when nothing was under way. */
static void leave(bool *ended_out)
{
    unsigned int i;

    hold[0] = hold[1] = false;
    for (i = 0; i < 1000 && !vmm__pager_settle(pager); i++) {
        (void)serve();
    }
    CU_ASSERT_TRUE_FATAL(i < 1000);
    vmm__pager_free(pager, ended_out);
    vmm__pagefile_close(pf);
    pager = NULL;
    pf = NULL;
}

static void end(void)
{
    bool ended;

    if (pager) {
        leave(&ended);
    }
    (void)remove(index_path);
    (void)remove(dir);
}

/* One whose pages are out till the target is met. */
static void begin_paged(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_for(4000 * SIM_MS);
    CU_ASSERT_TRUE_FATAL(stat_now().paged_pages >= NR_GFNS - TARGET);
    nr_ios[0] = nr_ios[1] = 0;
}

static uint64_t some_gfn(enum vmm__hv_state state)
{
    uint64_t gfn;

    for (gfn = 0; gfn < NR_GFNS && sim.page[gfn].state != state; gfn++) {
    }
    CU_ASSERT_TRUE_FATAL(gfn < NR_GFNS);
    return gfn;
}

static enum sim_touch touch(unsigned int vcpu, uint64_t gfn)
{
    sim.vcpu[vcpu].gfn = gfn;
    return sim_hv_touch(&sim, &sim.vcpu[vcpu], false);
}

/* A page that a vCPU waits for. */
static uint64_t fault(unsigned int vcpu)
{
    uint64_t gfn = some_gfn(VMM__HV_PAGED);

    CU_ASSERT_EQUAL(touch(vcpu, gfn), SIM_TOUCH_WAIT);
    CU_ASSERT_TRUE(sim.vcpu[vcpu].blocked);
    return gfn;
}

static void post(enum vmm__hv_reqclass reqclass, uint64_t gfn)
{
    CU_ASSERT_TRUE(ring_post(&sim, reqclass, gfn, 0, sim.now_ns));
}

/* Its slot can be read no more until it was damaged once more. */
static void damage(uint64_t gfn)
{
    struct vmm__pagefile_entry entry;

    vmm__pagefile_get(pf, gfn, &entry);
    CU_ASSERT_EQUAL_FATAL(entry.where, VMM__PAGEFILE_SLOT);
    store[entry.slot * VMM__PAGE_BYTES + 123] ^= 0x10;
}

/* Run until writes are in flight, and no further. */
static void run_to_writes(void)
{
    unsigned int i;

    hold[true] = true;
    for (i = 0; i < 100 && !disk.nr_ios; i++) {
        CU_ASSERT_TRUE_FATAL(run());
        if (!disk.nr_ios) {
            pass(armed_ns - disk.now_ns);
        }
    }
    CU_ASSERT_TRUE_FATAL(disk.nr_ios > 0);
}

/* Cases. */

static void opts_init__is_usable(void)
{
    struct vmm_pager_opts o;

    vmm_pager_opts_init(&o);
    CU_ASSERT_EQUAL(o.size, sizeof(o));
    CU_ASSERT_TRUE(o.io_error_retries > 0 && o.harvest_ms > 0);
    CU_ASSERT_FALSE(o.adopt || o.fifo || o.no_prefetch);
    CU_ASSERT_PTR_NULL(o.store_path);
}

static void state_name__each(void)
{
    CU_ASSERT_STRING_EQUAL(vmm_pager_state_name(VMM_PAGER_ACTIVE), "active");
    CU_ASSERT_STRING_EQUAL(vmm_pager_state_name(VMM_PAGER_DRAINING),
                           "draining");
    CU_ASSERT_STRING_EQUAL(vmm_pager_state_name(VMM_PAGER_DRAINED),
                           "drained");
    CU_ASSERT_STRING_EQUAL(vmm_pager_state_name(VMM_PAGER_STORE_FULL),
                           "store-full");
    CU_ASSERT_STRING_EQUAL(vmm_pager_state_name(VMM_PAGER_FAILED), "failed");
    CU_ASSERT_STRING_EQUAL(vmm_pager_state_name(VMM_PAGER_FAILED + 1),
                           "unknown");
}

static void pager_new__counts_what_is_there(void)
{
    struct vmm_pager_stat stat;

    begin();
    sim_hv_drop(&sim, 100);
    sim_set_state(&sim, &sim.page[101], VMM__HV_OTHER);
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    CU_ASSERT_TRUE(sim.session);
    stat = stat_now();
    CU_ASSERT_EQUAL(stat.domid, DOMID);
    CU_ASSERT_EQUAL(stat.state, VMM_PAGER_ACTIVE);
    CU_ASSERT_EQUAL(stat.last_error, 0);
    CU_ASSERT_EQUAL(stat.resident_pages, NR_GFNS - 2);
    CU_ASSERT_EQUAL(stat.total_pages, NR_GFNS - 2);
    CU_ASSERT_EQUAL(stat.paged_pages, 0);
    CU_ASSERT_EQUAL(stat.target_pages, TARGET);
    CU_ASSERT_EQUAL(stat.store_max_bytes,
                    (uint64_t)NR_SLOTS * VMM__PAGE_BYTES);
    CU_ASSERT_EQUAL(vmm__pager_due_ns(pager), 0);
    end();
}

static void pager_new__target_below_floor(void)
{
    begin();
    opts.floor_pages = TARGET + 7;
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    CU_ASSERT_EQUAL(stat_now().target_pages, TARGET + 7);
    CU_ASSERT_EQUAL(stat_now().floor_pages, TARGET + 7);
    end();
}

static void pager_new__session_is_not_as_expected(void)
{
    bool ended;

    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    leave(&ended);
    CU_ASSERT_FALSE(ended);
    CU_ASSERT_EQUAL(open_pager(false), VMM_E_SESSION);
    sim.session = false;
    CU_ASSERT_EQUAL(open_pager(true), VMM_E_NOENT);
    sim.dead = true;
    CU_ASSERT_EQUAL(open_pager(false), VMM_E_NOENT);
    end();
}

static void pager_new__nth_allocation_fails(void)
{
    static const struct vmm_logger logger = { ut_log, NULL };
    unsigned int nth, nr_failed = 0;
    int rc = -1;

    begin();
    opts.no_prefetch = false;
    CU_ASSERT_EQUAL_FATAL(vmm__pagefile_open(index_path, false, uuid,
                                             NR_GFNS, nr_slots, &pf), 0);
    deps.pf = pf;
    opts.adopt = false;
    for (nth = 1; rc; nth++) {
        size_t mapped = nr_mapped_bytes;

        nr_allocs = 0;
        fail_nth = nth;
        rc = vmm__pager_new(&deps, &opts, &logger, &pager);
        fail_nth = 0;
        if (rc) {
            nr_failed++;
            CU_ASSERT_EQUAL(rc, VMM_E_NOMEM);
            CU_ASSERT_FALSE(sim.session);
            CU_ASSERT_EQUAL(nr_mapped_bytes, mapped);
        }
        CU_ASSERT_TRUE_FATAL(nth < 50);
    }
    /* pages, units, loads, batches, buffers and what each part has. */
    CU_ASSERT_TRUE(nr_failed >= 9);
    run_for(4000 * SIM_MS);
    check_agree();
    end();
}

static int query_fails(void *hv, uint64_t first, uint32_t nr,
                       uint8_t *states)
{
    (void)hv;
    (void)first;
    (void)nr;
    (void)states;
    return VMM_E_NOENT;
}

/* The session is there by then, and stays. */
static void pager_new__query_fails(void)
{
    begin();
    hv_ops.query = query_fails;
    CU_ASSERT_EQUAL(open_pager(false), VMM_E_NOENT);
    CU_ASSERT_PTR_NULL(pager);
    CU_ASSERT_TRUE(sim.session);
    end();
}

static void dispatch__evicts_to_the_target(void)
{
    struct vmm_pager_stat stat;
    unsigned int i;

    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    /* Nothing is cold before it was looked at for a while. */
    (void)run();
    CU_ASSERT_EQUAL(stat_now().paged_pages, 0);
    for (i = 0; i < 40; i++) {
        /* Somebody uses the first of them. */
        unsigned int gfn;

        for (gfn = 0; gfn < 300; gfn++) {
            CU_ASSERT_NOT_EQUAL(touch(0, gfn), SIM_TOUCH_WAIT);
        }
        run_for(HARVEST_MS / 4 * SIM_MS);
    }
    stat = stat_now();
    CU_ASSERT_TRUE(stat.resident_pages <= TARGET);
    /* Not much more than needed. */
    CU_ASSERT_TRUE(stat.resident_pages >= TARGET - 3 * BATCH_PAGES);
    CU_ASSERT_EQUAL(stat.nr_evicted, stat.paged_pages);
    CU_ASSERT_EQUAL(nr_ios[0], 0);
    CU_ASSERT_TRUE(nr_ios[1] >= stat.paged_pages / BATCH_PAGES);
    CU_ASSERT_TRUE(stat.reqclass[VMM_REQ_EVICT].nr_requests == nr_ios[1]);
    CU_ASSERT_EQUAL(stat.state, VMM_PAGER_ACTIVE);
    CU_ASSERT_TRUE(stat.generation > 2 && nr_harvests > 2);
    CU_ASSERT_TRUE(stat.working_set_pages >= 300);
    check_agree();
    end();
}

static void dispatch__comes_again_in_time(void)
{
    uint64_t due_ns;

    begin_paged();
    (void)run();
    due_ns = vmm__pager_due_ns(pager);
    CU_ASSERT_TRUE(due_ns > disk.now_ns &&
                   due_ns <= disk.now_ns + 8 * HARVEST_MS * SIM_MS);
    /* Less often while there is room, and then not. */
    CU_ASSERT_EQUAL(vmm_pager_set_target(pager, NR_GFNS, 0), 0);
    run_for(60 * HARVEST_MS * SIM_MS);
    nr_harvests = 0;
    run_for(8 * HARVEST_MS * SIM_MS);
    CU_ASSERT_EQUAL(nr_harvests, 1);
    CU_ASSERT_EQUAL(vmm_pager_set_target(pager, TARGET / 2, 0), 0);
    CU_ASSERT_EQUAL(vmm__pager_due_ns(pager), 0);
    end();
}

static void prepare__resident(void)
{
    struct vmm_pager_stat stat;
    uint64_t gfn;

    begin_paged();
    gfn = fault(0);
    (void)run();
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    CU_ASSERT_EQUAL(sim.page[gfn].state, VMM__HV_RESIDENT);
    CU_ASSERT_EQUAL(nr_ios[0], 1);
    CU_ASSERT_EQUAL(where(gfn), VMM__PAGEFILE_NONE);
    stat = stat_now();
    CU_ASSERT_EQUAL(stat.reqclass[VMM_REQ_DEMAND].nr_requests, 1);
    CU_ASSERT_EQUAL(stat.reqclass[VMM_REQ_DEMAND].nr_failed, 0);
    CU_ASSERT_EQUAL(stat.nr_refaults, 1);
    check_agree();
    end();
}

static void prepare__waits_are_measured_from_the_request(void)
{
    struct vmm_pager_stat stat;

    begin_paged();
    (void)fault(0);
    pass(3 * SIM_MS);
    (void)run();
    stat = stat_now();
    CU_ASSERT_TRUE(stat.reqclass[VMM_REQ_DEMAND].max_ns >= 3 * SIM_MS);
    CU_ASSERT_TRUE(stat.reqclass[VMM_REQ_DEMAND].max_ns < 4 * SIM_MS);
    CU_ASSERT_TRUE(stat.reqclass[VMM_REQ_DEMAND].p50_ns > 0);
    vmm_pager_reset_latency(pager);
    CU_ASSERT_EQUAL(stat_now().reqclass[VMM_REQ_DEMAND].max_ns, 0);
    end();
}

static void prepare__exists(void)
{
    uint64_t gfn;

    begin_paged();
    gfn = fault(0);
    hold[false] = true;
    (void)run();
    CU_ASSERT_EQUAL(disk.nr_ios, 1);
    /* The hypervisor has it by other means. */
    sim_set_state(&sim, &sim.page[gfn], VMM__HV_RESIDENT);
    hold[false] = false;
    (void)run();
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    /* It was not us, so it is no latency of ours. */
    CU_ASSERT_EQUAL(stat_now().reqclass[VMM_REQ_DEMAND].max_ns, 0);
    check_agree();
    end();
}

static void prepare__guest_gave_it_up(void)
{
    struct vmm_pager_stat stat;
    uint64_t gfn;

    begin_paged();
    gfn = fault(0);
    hold[false] = true;
    (void)run();
    sim_hv_drop(&sim, gfn);
    hold[false] = false;
    (void)run();
    CU_ASSERT_EQUAL(sim.page[gfn].state, VMM__HV_HOLE);
    CU_ASSERT_EQUAL(where(gfn), VMM__PAGEFILE_NONE);
    stat = stat_now();
    CU_ASSERT_EQUAL(stat.total_pages, NR_GFNS - 1);
    CU_ASSERT_EQUAL(stat.state, VMM_PAGER_ACTIVE);
    check_agree();
    end();
}

static void check_prepare_again(uint32_t *chance)
{
    uint64_t gfn;

    begin_paged();
    gfn = fault(0);
    *chance = ORDERED;
    nr_ordered = 2;
    (void)run();
    CU_ASSERT_TRUE(sim.vcpu[0].blocked);
    CU_ASSERT_EQUAL(where(gfn), VMM__PAGEFILE_SLOT);
    CU_ASSERT_TRUE(vmm__pager_due_ns(pager) <= disk.now_ns + RETRY_NS);
    run_for(3 * RETRY_NS);
    CU_ASSERT_EQUAL(nr_ordered, 0);
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    /* The contents were there; they are not read again. */
    CU_ASSERT_EQUAL(nr_ios[0], 1);
    CU_ASSERT_EQUAL(nr_pauses, 0);
    CU_ASSERT_EQUAL(stat_now().nr_io_retries, 0);
    check_agree();
    *chance = 0;
    end();
}

static void prepare__no_frame_now(void)
{
    check_prepare_again(&sim.cfg.p_nomem);
}

static void prepare__buffer_not_readable_now(void)
{
    check_prepare_again(&sim.cfg.p_fault);
}

static void prepare__call_fails_for_now(void)
{
    begin_paged();
    (void)fault(0);
    call_rc = VMM_E_AGAIN;
    (void)run();
    CU_ASSERT_TRUE(sim.vcpu[0].blocked);
    CU_ASSERT_TRUE(nr_logged[VMM_LOG_ERROR] > 0);
    call_rc = 0;
    run_for(2 * RETRY_NS);
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    CU_ASSERT_EQUAL(nr_pauses, 0);
    check_agree();
    end();
}

static void prepare__call_fails_for_good(void)
{
    begin_paged();
    (void)fault(0);
    call_rc = VMM_E_PERM;
    (void)run();
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_FAILED);
    CU_ASSERT_EQUAL(stat_now().last_error, VMM_E_PERM);
    CU_ASSERT_TRUE(sim.paused);
    call_rc = 0;
    vmm_pager_retry(pager);
    (void)run();
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    CU_ASSERT_FALSE(sim.paused);
    check_agree();
    end();
}

static void read__fails_once(void)
{
    begin_paged();
    (void)fault(0);
    faults[false].rc = VMM_E_IO;
    faults[false].nr = 1;
    (void)run();
    CU_ASSERT_TRUE(sim.vcpu[0].blocked);
    CU_ASSERT_EQUAL(stat_now().nr_io_retries, 1);
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_WARN], 1);
    run_for(2 * RETRY_NS);
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    CU_ASSERT_EQUAL(nr_ios[0], 2);
    CU_ASSERT_EQUAL(nr_pauses, 0);
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_ACTIVE);
    CU_ASSERT_EQUAL(stat_now().reqclass[VMM_REQ_DEMAND].nr_failed, 0);
    check_agree();
    end();
}

/* One that a vCPU waits for, and that could not be read. */
static uint64_t lose(int rc)
{
    uint64_t gfn = fault(0);
    struct vmm_pager_stat stat;

    faults[false].rc = rc;
    faults[false].nr = RETRIES + 1;
    run_for(500 * SIM_MS);
    CU_ASSERT_EQUAL(faults[false].nr, 0);
    stat = stat_now();
    CU_ASSERT_EQUAL(stat.state, VMM_PAGER_FAILED);
    CU_ASSERT_EQUAL(stat.last_error, rc);
    CU_ASSERT_EQUAL(stat.failed_gfn, gfn);
    CU_ASSERT_EQUAL(stat.nr_io_retries, RETRIES);
    CU_ASSERT_EQUAL(stat.reqclass[VMM_REQ_DEMAND].nr_failed, 1);
    CU_ASSERT_TRUE(sim.paused && vmm__pagefile_paused(pf));
    CU_ASSERT_TRUE(sim.vcpu[0].blocked);
    CU_ASSERT_EQUAL(nr_pauses, 1);
    return gfn;
}

static void read__fails_for_good(void)
{
    uint64_t gfn, nr_evicted;
    char expected[64];

    begin_paged();
    gfn = lose(VMM_E_IO);
    (void)snprintf(expected, sizeof(expected), "domid=%u gfn=%#llx: ", DOMID,
                   (unsigned long long)gfn);
    CU_ASSERT_EQUAL(strncmp(last_error, expected, strlen(expected)), 0);
    CU_ASSERT_EQUAL(where(gfn), VMM__PAGEFILE_SLOT);

    /* More of it is not put there. */
    nr_evicted = stat_now().nr_evicted;
    CU_ASSERT_EQUAL(vmm_pager_set_target(pager, TARGET / 2, 0), 0);
    run_for(5000 * SIM_MS);
    CU_ASSERT_EQUAL(stat_now().nr_evicted, nr_evicted);
    CU_ASSERT_EQUAL(nr_ios[0], RETRIES + 1);

    vmm_pager_retry(pager);
    run_for(5000 * SIM_MS);
    CU_ASSERT_FALSE(sim.paused || vmm__pagefile_paused(pf));
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    CU_ASSERT_EQUAL(nr_pauses, 1);
    CU_ASSERT_EQUAL(nr_unpauses, 1);
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_ACTIVE);
    CU_ASSERT_EQUAL(stat_now().last_error, 0);
    CU_ASSERT_TRUE(stat_now().nr_evicted > nr_evicted);
    check_agree();
    end();
}

static void retry__fails_again(void)
{
    begin_paged();
    (void)lose(VMM_E_IO);
    faults[false].nr = RETRIES + 1;
    vmm_pager_retry(pager);
    run_for(500 * SIM_MS);
    CU_ASSERT_EQUAL(faults[false].nr, 0);
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_FAILED);
    CU_ASSERT_EQUAL(nr_pauses, 2);
    CU_ASSERT_TRUE(sim.paused);
    vmm_pager_retry(pager);
    (void)run();
    CU_ASSERT_FALSE(sim.paused);
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    check_agree();
    end();
}

static void retry__nothing_failed(void)
{
    begin_paged();
    vmm_pager_retry(pager);
    (void)run();
    CU_ASSERT_EQUAL(nr_pauses + nr_unpauses, 0);
    CU_ASSERT_EQUAL(nr_ios[0], 0);
    check_agree();
    end();
}

static void retry__several_failed(void)
{
    uint64_t gfn, other;

    begin_paged();
    gfn = fault(0);
    other = fault(1);
    CU_ASSERT_NOT_EQUAL(gfn, other);
    faults[false].rc = VMM_E_IO;
    faults[false].nr = 2 * (RETRIES + 1);
    run_for(500 * SIM_MS);
    CU_ASSERT_EQUAL(stat_now().reqclass[VMM_REQ_DEMAND].nr_failed, 2);
    CU_ASSERT_EQUAL(nr_pauses, 1);
    /* One of them can be read again. */
    damage(other);
    vmm_pager_retry(pager);
    run_for(500 * SIM_MS);
    CU_ASSERT_EQUAL(sim.page[gfn].state, VMM__HV_RESIDENT);
    CU_ASSERT_EQUAL(sim.page[other].state, VMM__HV_PAGING_IN);
    CU_ASSERT_TRUE(sim.paused);
    CU_ASSERT_EQUAL(stat_now().last_error, VMM_E_CHECKSUM);
    CU_ASSERT_EQUAL(stat_now().failed_gfn, other);
    damage(other);
    vmm_pager_retry(pager);
    (void)run();
    CU_ASSERT_FALSE(sim.paused);
    check_agree();
    end();
}

static void read__contents_are_not_what_they_were(void)
{
    uint64_t gfn;

    begin_paged();
    gfn = fault(0);
    damage(gfn);
    run_for(500 * SIM_MS);
    /* Waiting is better than another page. */
    CU_ASSERT_TRUE(sim.vcpu[0].blocked && sim.paused);
    CU_ASSERT_EQUAL(stat_now().last_error, VMM_E_CHECKSUM);
    CU_ASSERT_EQUAL(nr_ios[0], RETRIES + 1);
    damage(gfn);
    vmm_pager_retry(pager);
    (void)run();
    CU_ASSERT_FALSE(sim.vcpu[0].blocked || sim.paused);
    check_agree();
    end();
}

static void lost__guest_gives_it_up(void)
{
    uint64_t gfn;

    begin_paged();
    gfn = lose(VMM_E_IO);
    sim_hv_drop(&sim, gfn);
    (void)run();
    CU_ASSERT_FALSE(sim.paused || vmm__pagefile_paused(pf));
    CU_ASSERT_EQUAL(nr_unpauses, 1);
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_ACTIVE);
    CU_ASSERT_EQUAL(stat_now().nr_dropped, 1);
    CU_ASSERT_EQUAL(where(gfn), VMM__PAGEFILE_NONE);
    check_agree();
    end();
}

/* What nobody needs yet pauses nobody. */
static void read__prefetch_fails(void)
{
    struct vmm_pager_stat stat;
    uint64_t gfn, first;
    unsigned int i;

    begin();
    opts.no_prefetch = false;
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_for(4000 * SIM_MS);
    nr_ios[0] = 0;
    first = some_gfn(VMM__HV_PAGED);
    /* A run of faults, so that there is something to be guessed. */
    for (i = 0; i < 16 && !stat_now().reqclass[VMM_REQ_PREFETCH].nr_requests;
         i++) {
        gfn = first + i;
        CU_ASSERT_EQUAL_FATAL(sim.page[gfn].state, VMM__HV_PAGED);
        (void)touch(0, gfn);
        /* The page itself is there at once; the guesses wait. */
        CU_ASSERT_EQUAL(vmm_pager_dispatch(pager), 0);
        if (stat_now().reqclass[VMM_REQ_PREFETCH].nr_requests) {
            break;
        }
        (void)run();
    }
    stat = stat_now();
    CU_ASSERT_TRUE_FATAL(stat.reqclass[VMM_REQ_PREFETCH].nr_requests > 0);
    faults[false].rc = VMM_E_IO;
    faults[false].nr = UINT32_MAX;
    for (i = 0; i < disk.nr_ios; i++) {
        if (disk.ios[i]->reqclass == VMM_REQ_DEMAND) {
            struct vmm__bdev_io *io = disk.ios[i];

            memcpy(io->buf, store + io->offset_bytes, io->len_bytes);
            fake_bdev_complete(&disk, i, 0);
        }
    }
    run_for(500 * SIM_MS);
    stat = stat_now();
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    CU_ASSERT_EQUAL(nr_pauses, 0);
    CU_ASSERT_EQUAL(stat.state, VMM_PAGER_ACTIVE);
    CU_ASSERT_TRUE(stat.nr_io_retries >= RETRIES);
    CU_ASSERT_EQUAL(stat.nr_prefetch_hits, 0);
    CU_ASSERT_TRUE(stat.nr_prefetch_misses > 0);
    check_agree();

    /* Whoever does need it, does. */
    faults[false].nr = 0;
    gfn = fault(1);
    (void)run();
    CU_ASSERT_EQUAL(sim.page[gfn].state, VMM__HV_RESIDENT);
    end();
}

static void prefetch__is_of_use(void)
{
    struct vmm_pager_stat stat;
    uint64_t first;
    unsigned int i;

    begin();
    opts.no_prefetch = false;
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_for(4000 * SIM_MS);
    nr_ios[0] = 0;
    first = some_gfn(VMM__HV_PAGED);
    for (i = 0; i < 24; i++) {
        (void)touch(0, first + i);
        (void)run();
        CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    }
    run_for(2 * HARVEST_MS * SIM_MS);
    stat = stat_now();
    CU_ASSERT_TRUE(stat.reqclass[VMM_REQ_PREFETCH].nr_requests > 4);
    CU_ASSERT_TRUE(stat.nr_prefetch_hits > 4);
    /* vCPUs waited for fewer than they touched. */
    CU_ASSERT_TRUE(stat.reqclass[VMM_REQ_DEMAND].nr_requests < 24);
    check_agree();
    end();
}

/* A page that was guessed is needed before it is there. */
static void prefetch__overtaken_by_a_vcpu(void)
{
    struct vmm_pager_stat stat;
    uint64_t first, gfn, guessed;
    unsigned int i;

    begin();
    opts.no_prefetch = false;
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_for(4000 * SIM_MS);
    first = some_gfn(VMM__HV_PAGED);
    hold[false] = true;
    for (i = 0; i < 16 && !stat_now().reqclass[VMM_REQ_PREFETCH].nr_requests;
         i++) {
        /* The one before is served, and nothing else. */
        hold[false] = false;
        (void)run();
        hold[false] = true;
        (void)touch(0, first + i);
        CU_ASSERT_EQUAL(vmm_pager_dispatch(pager), 0);
    }
    gfn = first + i - 1;
    for (guessed = gfn + 1; guessed < NR_GFNS &&
                            page_state(pager, guessed) != PAGE_LOADING;
         guessed++) {
    }
    CU_ASSERT_TRUE_FATAL(guessed < NR_GFNS);
    CU_ASSERT_EQUAL(sim.page[guessed].state, VMM__HV_PAGED);
    CU_ASSERT_EQUAL(touch(1, guessed), SIM_TOUCH_WAIT);
    CU_ASSERT_EQUAL(vmm_pager_dispatch(pager), 0);
    stat = stat_now();
    CU_ASSERT_TRUE(stat.nr_prefetch_hits > 0);
    CU_ASSERT_FALSE(pager->pages[guessed] & PAGE_PREFETCHED);
    hold[false] = false;
    (void)run();
    CU_ASSERT_FALSE(sim.vcpu[0].blocked || sim.vcpu[1].blocked);
    check_agree();
    end();
}

static void request__promoted_by_a_vcpu(void)
{
    struct vmm_pager_stat stat;
    uint64_t gfn;

    begin_paged();
    gfn = some_gfn(VMM__HV_PAGED);
    sim.mapper[0].gfn = gfn;
    CU_ASSERT_EQUAL(sim_hv_touch(&sim, &sim.mapper[0], true),
                    SIM_TOUCH_WAIT);
    hold[false] = true;
    (void)run();
    CU_ASSERT_EQUAL(touch(0, gfn), SIM_TOUCH_WAIT);
    (void)run();
    hold[false] = false;
    (void)run();
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    CU_ASSERT_EQUAL(nr_ios[0], 1);
    stat = stat_now();
    CU_ASSERT_EQUAL(stat.reqclass[VMM_REQ_FOREIGN].nr_requests, 1);
    CU_ASSERT_EQUAL(stat.reqclass[VMM_REQ_DEMAND].nr_requests, 1);
    check_agree();
    end();
}

static void request__page_is_there_already(void)
{
    begin_paged();
    /* Posted, and then served for somebody else. */
    sim.vcpu[0].gfn = some_gfn(VMM__HV_RESIDENT);
    sim.vcpu[0].blocked = true;
    post(VMM__HV_DEMAND, sim.vcpu[0].gfn);
    (void)run();
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    CU_ASSERT_EQUAL(nr_ios[0], 0);
    check_agree();
    end();
}

static void request__gfn_out_of_range(void)
{
    static const uint64_t gfns[] = {
        NR_GFNS, NR_GFNS + 1, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX,
    };
    size_t i;

    begin();
    opts.no_prefetch = false;
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_for(4000 * SIM_MS);
    nr_ios[0] = 0;
    for (i = 0; i < sizeof(gfns) / sizeof(gfns[0]); i++) {
        post(VMM__HV_DEMAND, gfns[i]);
        post(VMM__HV_FOREIGN, gfns[i]);
        post(VMM__HV_DROP, gfns[i]);
    }
    (void)run();
    CU_ASSERT_EQUAL(sim.ring[VMM__HV_DEMAND].cons,
                    sim.ring[VMM__HV_DEMAND].prod);
    CU_ASSERT_EQUAL(sim.ring[VMM__HV_FOREIGN].cons,
                    sim.ring[VMM__HV_FOREIGN].prod);
    CU_ASSERT_EQUAL(sim.ring[VMM__HV_DROP].cons,
                    sim.ring[VMM__HV_DROP].prod);
    CU_ASSERT_EQUAL(nr_ios[0], 0);
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_ACTIVE);
    CU_ASSERT_EQUAL(stat_now().nr_dropped, 0);
    check_agree();
    end();
}

/* More than there are buffers for. */
static void request__more_than_buffers(void)
{
    uint64_t gfn, nr = 0;

    begin_paged();
    for (gfn = 0; gfn < NR_GFNS; gfn++) {
        if (sim.page[gfn].state == VMM__HV_PAGED && nr < 300) {
            sim.mapper[0].gfn = gfn;
            (void)sim_hv_touch(&sim, &sim.mapper[0], true);
            nr++;
        }
    }
    CU_ASSERT_EQUAL(nr, 300);
    hold[false] = true;
    CU_ASSERT_EQUAL(vmm_pager_dispatch(pager), 0);
    /* vCPUs' are not for others. */
    CU_ASSERT_EQUAL(pager->nr_loads_free, NR_VCPUS);
    (void)fault(0);
    CU_ASSERT_EQUAL(vmm_pager_dispatch(pager), 0);
    CU_ASSERT_EQUAL(pager->nr_loads_free, NR_VCPUS - 1);
    hold[false] = false;
    (void)run();
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    CU_ASSERT_EQUAL(sim_hv_count(&sim, VMM__HV_PAGING_IN), 0);
    CU_ASSERT_EQUAL(pager->nr_loads_free, pager->nr_loads);
    run_for(100 * SIM_MS);
    check_agree();
    end();
}

static void drop__page_is_out(void)
{
    struct vmm_pager_stat before;
    uint64_t gfn;

    begin_paged();
    before = stat_now();
    gfn = some_gfn(VMM__HV_PAGED);
    sim_hv_drop(&sim, gfn);
    (void)run();
    CU_ASSERT_EQUAL(stat_now().nr_dropped, 1);
    CU_ASSERT_EQUAL(stat_now().paged_pages, before.paged_pages - 1);
    CU_ASSERT_EQUAL(stat_now().store_used_bytes,
                    before.store_used_bytes - VMM__PAGE_BYTES);
    check_agree();
    end();
}

static void drop__another_page_is_there_since(void)
{
    uint64_t gfn;

    begin_paged();
    gfn = some_gfn(VMM__HV_PAGED);
    sim_hv_drop(&sim, gfn);
    sim_hv_populate(&sim, gfn);
    (void)run();
    CU_ASSERT_EQUAL(sim.page[gfn].state, VMM__HV_RESIDENT);
    CU_ASSERT_EQUAL(where(gfn), VMM__PAGEFILE_NONE);
    check_agree();
    end();
}

/* It was told late, and is about a page that is gone long since. */
static void drop__page_is_out_again(void)
{
    uint64_t gfn;

    begin_paged();
    gfn = some_gfn(VMM__HV_PAGED);
    post(VMM__HV_DROP, gfn);
    (void)run();
    CU_ASSERT_EQUAL(where(gfn), VMM__PAGEFILE_SLOT);
    CU_ASSERT_EQUAL(stat_now().nr_dropped, 0);
    (void)touch(0, gfn);
    (void)run();
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    check_agree();
    end();
}

static void drop__could_not_be_told(void)
{
    uint64_t gfn;

    begin_paged();
    gfn = some_gfn(VMM__HV_PAGED);
    sim.ring[VMM__HV_DROP].limit = 0;
    sim_hv_drop(&sim, gfn);
    CU_ASSERT_EQUAL(sim.nr_drop_lost, 1);
    run_for(3 * HARVEST_MS * SIM_MS);
    CU_ASSERT_EQUAL(where(gfn), VMM__PAGEFILE_NONE);
    check_agree();
    end();
}

/* What the guest takes for itself is found by its accesses. */
static void harvest__new_page(void)
{
    begin();
    sim_hv_drop(&sim, 600);
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    CU_ASSERT_EQUAL(vmm_pager_set_target(pager, NR_GFNS * 2, 0), 0);
    run_for(2 * HARVEST_MS * SIM_MS);
    CU_ASSERT_EQUAL(stat_now().total_pages, NR_GFNS - 1);
    sim_hv_populate(&sim, 600);
    run_for(2 * HARVEST_MS * SIM_MS);
    CU_ASSERT_EQUAL(stat_now().total_pages, NR_GFNS);
    check_agree();
    end();
}

static void harvest__no_accessed_bits(void)
{
    begin();
    sim.cfg.no_harvest = true;
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_for(5 * HARVEST_MS * SIM_MS);
    CU_ASSERT_TRUE(stat_now().resident_pages <= TARGET);
    /* Said once, asked once. */
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_WARN], 1);
    CU_ASSERT_EQUAL(nr_harvests, 1);
    check_agree();
    end();
}

static void nominate__in_use(void)
{
    unsigned int gfn;

    begin();
    for (gfn = 0; gfn < NR_GFNS; gfn += 3) {
        sim.page[gfn].maps = 1;
    }
    for (gfn = 1; gfn < NR_GFNS; gfn += 64) {
        sim.page[gfn].special = true;
    }
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_for(8000 * SIM_MS);
    CU_ASSERT_TRUE(stat_now().resident_pages <= TARGET);
    for (gfn = 0; gfn < NR_GFNS; gfn++) {
        CU_ASSERT_TRUE((!sim.page[gfn].maps && !sim.page[gfn].special) ||
                       sim.page[gfn].state == VMM__HV_RESIDENT);
    }
    check_agree();

    /* Not for ever. */
    for (gfn = 0; gfn < NR_GFNS; gfn++) {
        sim.page[gfn].maps = 0;
    }
    CU_ASSERT_EQUAL(vmm_pager_set_target(pager, 100, 0), 0);
    run_for(60 * HARVEST_MS * SIM_MS);
    CU_ASSERT_TRUE(stat_now().resident_pages <= 100);
    check_agree();
    end();
}

static void nominate__bad_gfn(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    /* The first generation asks about each page; then it gets smaller. */
    run_for(HARVEST_MS / 8 * SIM_MS);
    CU_ASSERT_EQUAL(stat_now().total_pages, NR_GFNS);
    sim.cfg.nr_gfns = NR_GFNS / 2;
    sim.nr_in_state[VMM__HV_RESIDENT] -= NR_GFNS / 2;
    CU_ASSERT_EQUAL(vmm_pager_set_target(pager, 100, 0), 0);
    run_for(3 * HARVEST_MS * SIM_MS);
    CU_ASSERT_TRUE(stat_now().resident_pages <= 100);
    /* Those that were tried are no pages any more. */
    CU_ASSERT_TRUE(stat_now().total_pages <= NR_GFNS / 2 + 100);
    CU_ASSERT_EQUAL(stat_now().paged_pages,
                    sim_hv_count(&sim, VMM__HV_PAGED));
    end();
}

static void nominate__domain_is_gone(void)
{
    bool ended;

    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_for(HARVEST_MS / 8 * SIM_MS);
    call_rc = VMM_E_NOENT;
    run_for(3 * HARVEST_MS * SIM_MS);
    CU_ASSERT_EQUAL(vmm_pager_dispatch(pager), VMM_E_NOENT);
    leave(&ended);
    CU_ASSERT_TRUE(ended);
    CU_ASSERT_EQUAL(nr_detaches, 0);
    end();
}

static void evict__resident_again(void)
{
    struct vmm_pager_stat stat;

    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_to_writes();
    sim.cfg.p_busy = ORDERED;
    nr_ordered = 3;
    hold[true] = false;
    while (nr_ordered) {
        CU_ASSERT_EQUAL_FATAL(vmm_pager_dispatch(pager), 0);
        CU_ASSERT_TRUE_FATAL(serve() || nr_ordered < 3);
    }
    sim.cfg.p_busy = 0;
    run_for(4000 * SIM_MS);
    stat = stat_now();
    CU_ASSERT_EQUAL(stat.nr_evict_busy, 3);
    CU_ASSERT_TRUE(stat.resident_pages <= TARGET);
    check_agree();
    end();
}

static void evict__touched_before_it_is_written(void)
{
    uint64_t gfn, first;

    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_to_writes();
    first = some_gfn(VMM__HV_NOMINATED);
    for (gfn = first; gfn < NR_GFNS; gfn++) {
        if (sim.page[gfn].state == VMM__HV_NOMINATED) {
            sim.vcpu[0].write = true;
            CU_ASSERT_EQUAL(touch(0, gfn), SIM_TOUCH_OK);
        }
    }
    CU_ASSERT_EQUAL(vmm_pager_set_target(pager, 2 * NR_GFNS, 0), 0);
    hold[true] = false;
    run_for(2 * HARVEST_MS * SIM_MS);
    CU_ASSERT_TRUE(nr_ios[1] > 0);
    /* What was written is old, and is not used. */
    CU_ASSERT_EQUAL(stat_now().paged_pages, 0);
    CU_ASSERT_EQUAL(stat_now().nr_evicted, 0);
    CU_ASSERT_TRUE(stat_now().nr_evict_busy > 0);
    CU_ASSERT_EQUAL(stat_now().nr_evict_busy, stat_now().nr_rescued);
    check_agree();
    end();
}

/* Of some pages, and then it fails: the results are not to be had. */
static void evict__call_fails_when_it_was_done(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_to_writes();
    sim.vcpu[0].write = true;
    CU_ASSERT_EQUAL(touch(0, some_gfn(VMM__HV_NOMINATED)), SIM_TOUCH_OK);
    late_rc = VMM_E_FAULT;
    hold[true] = false;
    run_for(4000 * SIM_MS);
    CU_ASSERT_EQUAL(late_rc, 0);
    CU_ASSERT_EQUAL(stat_now().nr_evict_busy, 1);
    CU_ASSERT_TRUE(stat_now().resident_pages <= TARGET);
    check_agree();
    (void)fault(0);
    (void)run();
    CU_ASSERT_FALSE(sim.vcpu[0].blocked || sim.paused);
    check_agree();
    end();
}

static void nominate__call_fails_for_a_while(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    call_rc = VMM_E_NOMEM;
    run_for(5000 * SIM_MS);
    CU_ASSERT_EQUAL(stat_now().resident_pages, NR_GFNS);
    CU_ASSERT_TRUE(nr_logged[VMM_LOG_WARN] > 0);
    call_rc = 0;
    run_for(5000 * SIM_MS);
    CU_ASSERT_TRUE(stat_now().resident_pages <= TARGET);
    check_agree();
    end();
}

static void evict__given_up_before_it_is_written(void)
{
    uint64_t gfn;

    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_to_writes();
    gfn = some_gfn(VMM__HV_NOMINATED);
    sim_hv_drop(&sim, gfn);
    hold[true] = false;
    run_for(4000 * SIM_MS);
    CU_ASSERT_EQUAL(where(gfn), VMM__PAGEFILE_NONE);
    CU_ASSERT_EQUAL(stat_now().total_pages, NR_GFNS - 1);
    check_agree();
    end();
}

static void evict__domain_is_gone(void)
{
    bool ended;

    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_to_writes();
    sim.dead = true;
    hold[true] = false;
    run_for(2 * HARVEST_MS * SIM_MS);
    CU_ASSERT_EQUAL(vmm_pager_dispatch(pager), VMM_E_NOENT);
    leave(&ended);
    CU_ASSERT_TRUE(ended);
    end();
}

static void write__fails(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    faults[true].rc = VMM_E_IO;
    faults[true].nr = UINT32_MAX;
    run_for(3 * HARVEST_MS * SIM_MS);
    /* No page is let go of, none keeps a slot. */
    CU_ASSERT_EQUAL(stat_now().paged_pages, 0);
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_ACTIVE);
    CU_ASSERT_EQUAL(stat_now().last_error, VMM_E_IO);
    CU_ASSERT_EQUAL(stat_now().nr_evicted, 0);
    CU_ASSERT_TRUE(stat_now().reqclass[VMM_REQ_EVICT].nr_failed > 0);
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_WARN], 1);
    check_agree();
    faults[true].nr = 0;
    /* Those that were given back are left alone for a while. */
    run_for(60 * HARVEST_MS * SIM_MS);
    CU_ASSERT_EQUAL(stat_now().last_error, 0);
    CU_ASSERT_TRUE(stat_now().resident_pages <= TARGET);
    check_agree();
    end();
}

static void write__fails_of_some(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    faults[true].rc = VMM_E_NOSPC;
    faults[true].nr = 1;
    run_to_writes();
    hold[true] = false;
    run_for(10 * HARVEST_MS * SIM_MS);
    CU_ASSERT_EQUAL(faults[true].nr, 0);
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_ACTIVE);
    CU_ASSERT_TRUE(stat_now().resident_pages <= TARGET);
    check_agree();
    end();
}

static void store_full__stops_and_recovers(void)
{
    struct vmm_pager_stat stat;
    unsigned int nr_writes, nr_warned;
    uint64_t gfn;

    begin();
    nr_slots = 100;
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_for(4 * HARVEST_MS * SIM_MS);
    stat = stat_now();
    CU_ASSERT_EQUAL(stat.state, VMM_PAGER_STORE_FULL);
    CU_ASSERT_EQUAL(stat.last_error, VMM_E_NOSPC);
    CU_ASSERT_EQUAL(stat.paged_pages, nr_slots);
    CU_ASSERT_EQUAL(stat.store_used_bytes, stat.store_max_bytes);
    nr_warned = nr_logged[VMM_LOG_WARN];
    CU_ASSERT_TRUE(nr_warned > 0);
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_ERROR], 0);
    check_agree();

    /* It is tried again all the while, and not said again. */
    nr_writes = nr_ios[1];
    run_for(4 * HARVEST_MS * SIM_MS);
    CU_ASSERT_EQUAL(nr_ios[1], nr_writes);
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_STORE_FULL);
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_WARN], nr_warned);

    /* Pages come in all the same, and make room. */
    gfn = fault(0);
    (void)run();
    CU_ASSERT_EQUAL(sim.page[gfn].state, VMM__HV_RESIDENT);
    run_for(80 * HARVEST_MS * SIM_MS);
    CU_ASSERT_TRUE(nr_ios[1] > nr_writes);
    CU_ASSERT_EQUAL(stat_now().paged_pages, nr_slots);

    CU_ASSERT_EQUAL(vmm_pager_set_target(pager, NR_GFNS, 0), 0);
    (void)run();
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_ACTIVE);
    CU_ASSERT_EQUAL(stat_now().last_error, 0);
    check_agree();
    end();
}

/* Some of the last batch fit in. */
static void store_full__within_a_batch(void)
{
    begin();
    nr_slots = BATCH_PAGES / 2;
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_to_writes();
    hold[true] = false;
    (void)run();
    CU_ASSERT_EQUAL(nr_ios[1], nr_slots / RUN_PAGES);
    CU_ASSERT_EQUAL(stat_now().paged_pages, nr_slots);
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_STORE_FULL);
    CU_ASSERT_TRUE(vmm__pager_due_ns(pager) <=
                   disk.now_ns + HARVEST_MS * SIM_MS);
    check_agree();
    end();
}

/* The guest gives up pages that are out. */
static void store_full__room_is_made(void)
{
    uint64_t gfn;

    begin();
    nr_slots = 100;
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_for(4 * HARVEST_MS * SIM_MS);
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_STORE_FULL);
    for (gfn = 0; gfn < NR_GFNS; gfn++) {
        if (sim.page[gfn].state == VMM__HV_PAGED) {
            sim_hv_drop(&sim, gfn);
        }
    }
    run_for(80 * HARVEST_MS * SIM_MS);
    CU_ASSERT_EQUAL(stat_now().paged_pages, nr_slots);
    CU_ASSERT_EQUAL(stat_now().total_pages, NR_GFNS - nr_slots);
    check_agree();
    end();
}

static void same_filled__costs_no_io(void)
{
    unsigned int gfn;

    begin();
    for (gfn = 0; gfn < NR_GFNS; gfn++) {
        sim.page[gfn].zero = true;
    }
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_for(4000 * SIM_MS);
    CU_ASSERT_TRUE(stat_now().resident_pages <= TARGET);
    CU_ASSERT_EQUAL(stat_now().same_filled_pages, stat_now().paged_pages);
    CU_ASSERT_EQUAL(stat_now().store_used_bytes, 0);
    (void)fault(0);
    (void)run();
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    CU_ASSERT_EQUAL(nr_ios[0] + nr_ios[1], 0);
    check_agree();
    end();
}

/* Those that are written lie together although the others are between. */
static void same_filled__among_others(void)
{
    unsigned int gfn;

    begin();
    for (gfn = 0; gfn < NR_GFNS; gfn += 2) {
        sim.page[gfn].zero = true;
    }
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_for(4000 * SIM_MS);
    CU_ASSERT_TRUE(stat_now().same_filled_pages > 200);
    CU_ASSERT_TRUE(stat_now().store_used_bytes > 200 * VMM__PAGE_BYTES);
    check_agree();
    vmm_pager_drain(pager);
    run_for(1000 * SIM_MS);
    CU_ASSERT_TRUE(vmm_pager_drained(pager));
    CU_ASSERT_EQUAL(stat_now().same_filled_pages, 0);
    end();
}

static void drain__brings_all_back(void)
{
    bool ended;

    begin_paged();
    vmm_pager_drain(pager);
    CU_ASSERT_FALSE(vmm_pager_drained(pager));
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_DRAINING);
    run_for(1000 * SIM_MS);
    CU_ASSERT_TRUE(vmm_pager_drained(pager));
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_DRAINED);
    CU_ASSERT_EQUAL(sim_hv_count(&sim, VMM__HV_RESIDENT), NR_GFNS);
    CU_ASSERT_EQUAL(stat_now().store_used_bytes, 0);
    CU_ASSERT_EQUAL(nr_ios[1], 0);
    check_agree();
    leave(&ended);
    CU_ASSERT_TRUE(ended);
    CU_ASSERT_FALSE(sim.session);
    end();
}

static void drain__while_pages_go_out(void)
{
    bool ended;

    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_to_writes();
    vmm_pager_drain(pager);
    (void)run();
    CU_ASSERT_FALSE(vmm_pager_drained(pager));
    hold[true] = false;
    run_for(1000 * SIM_MS);
    CU_ASSERT_TRUE(vmm_pager_drained(pager));
    check_agree();
    leave(&ended);
    CU_ASSERT_TRUE(ended && !sim.session);
    end();
}

static void drain__page_cannot_be_read(void)
{
    uint64_t gfn;
    bool ended;

    begin_paged();
    gfn = some_gfn(VMM__HV_PAGED);
    damage(gfn);
    vmm_pager_drain(pager);
    run_for(1000 * SIM_MS);
    CU_ASSERT_FALSE(vmm_pager_drained(pager));
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_FAILED);
    CU_ASSERT_EQUAL(stat_now().paged_pages, 1);
    CU_ASSERT_EQUAL(stat_now().failed_gfn, gfn);
    /* Nobody needs it yet. */
    CU_ASSERT_EQUAL(nr_pauses, 0);
    CU_ASSERT_EQUAL(touch(0, gfn), SIM_TOUCH_WAIT);
    run_for(100 * SIM_MS);
    CU_ASSERT_TRUE(sim.paused);
    damage(gfn);
    vmm_pager_retry(pager);
    run_for(1000 * SIM_MS);
    CU_ASSERT_TRUE(vmm_pager_drained(pager));
    CU_ASSERT_FALSE(sim.paused);
    check_agree();
    leave(&ended);
    CU_ASSERT_TRUE(ended);
    end();
}

static void drain__detach_fails(void)
{
    bool ended;

    begin_paged();
    vmm_pager_drain(pager);
    run_for(1000 * SIM_MS);
    CU_ASSERT_TRUE(vmm_pager_drained(pager));
    /* Somebody waits, and nobody knows. */
    sim.vcpu[0].blocked = true;
    leave(&ended);
    CU_ASSERT_EQUAL(nr_detaches, 1);
    CU_ASSERT_FALSE(ended);
    CU_ASSERT_TRUE(sim.session);
    end();
}

static void set_target__ends_a_drain(void)
{
    begin_paged();
    vmm_pager_drain(pager);
    run_for(1000 * SIM_MS);
    CU_ASSERT_EQUAL(vmm_pager_set_target(pager, 300, 350), 0);
    CU_ASSERT_EQUAL(stat_now().target_pages, 350);
    CU_ASSERT_EQUAL(stat_now().floor_pages, 350);
    CU_ASSERT_FALSE(vmm_pager_drained(pager));
    run_for(5 * HARVEST_MS * SIM_MS);
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_ACTIVE);
    CU_ASSERT_TRUE(stat_now().resident_pages <= 350);
    CU_ASSERT_EQUAL(vmm_pager_set_target(pager, 0, 0), VMM_E_INVAL);
    CU_ASSERT_EQUAL(stat_now().target_pages, 350);
    check_agree();
    end();
}

static void stat__of_another_version(void)
{
    struct vmm_pager_stat stat = { .size = sizeof(stat) - 8 };

    begin();
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    CU_ASSERT_EQUAL(vmm_pager_stat(pager, &stat), VMM_E_INVAL);
    end();
}

static void free__session_stays(void)
{
    bool ended;

    begin_paged();
    vmm__pager_set_owner(pager, &sim);
    CU_ASSERT_PTR_EQUAL(vmm__pager_owner(pager), &sim);
    (void)fault(0);
    hold[false] = true;
    (void)run();
    /* What is under way is finished first. */
    CU_ASSERT_FALSE(vmm__pager_settle(pager));
    leave(&ended);
    CU_ASSERT_FALSE(ended);
    CU_ASSERT_TRUE(sim.session);
    CU_ASSERT_EQUAL(nr_detaches, 0);
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    end();
}

static void domain__dies(void)
{
    bool ended;

    begin_paged();
    sim.dead = true;
    run_for(9 * HARVEST_MS * SIM_MS);
    CU_ASSERT_EQUAL(vmm_pager_dispatch(pager), VMM_E_NOENT);
    CU_ASSERT_EQUAL(vmm_pager_dispatch(pager), VMM_E_NOENT);
    leave(&ended);
    CU_ASSERT_TRUE(ended);
    CU_ASSERT_EQUAL(nr_detaches, 0);
    end();
}

static void adopt__each_state(void)
{
    uint64_t nominated, paged, wanted, stale;
    struct vmm__pagefile_entry entry = {
        .where = VMM__PAGEFILE_SAME, .value = 5,
    };
    uint64_t nr_paged;
    unsigned int gfn;
    bool ended;

    begin();
    for (gfn = 1; gfn < NR_GFNS; gfn += 8) {
        sim.page[gfn].zero = true;
    }
    CU_ASSERT_EQUAL_FATAL(open_pager(false), 0);
    run_for(4000 * SIM_MS);
    nr_paged = stat_now().paged_pages;

    /* It died after a nominate, and before an entry was cleared. */
    nominated = some_gfn(VMM__HV_RESIDENT);
    sim_set_state(&sim, &sim.page[nominated], VMM__HV_NOMINATED);
    stale = some_gfn(VMM__HV_RESIDENT);
    vmm__pagefile_set(pf, stale, &entry);
    leave(&ended);
    CU_ASSERT_FALSE(ended);
    /* Somebody in dom0 asked it; whoever faults now is told of again. */
    wanted = some_gfn(VMM__HV_PAGED);
    sim_set_state(&sim, &sim.page[wanted], VMM__HV_PAGING_IN);
    paged = some_gfn(VMM__HV_PAGED);

    CU_ASSERT_EQUAL_FATAL(open_pager(true), 0);
    CU_ASSERT_EQUAL(sim.page[nominated].state, VMM__HV_RESIDENT);
    CU_ASSERT_EQUAL(where(stale), VMM__PAGEFILE_NONE);
    CU_ASSERT_EQUAL(stat_now().paged_pages, nr_paged);
    check_agree();
    nr_ios[0] = 0;
    (void)run();
    CU_ASSERT_EQUAL(sim.page[wanted].state, VMM__HV_RESIDENT);
    CU_ASSERT_EQUAL(sim.page[paged].state, VMM__HV_PAGED);
    CU_ASSERT_EQUAL(stat_now().reqclass[VMM_REQ_FOREIGN].nr_requests, 1);
    CU_ASSERT_TRUE(nr_ios[0] <= 1);
    check_agree();

    /* It goes on as the other would have. */
    CU_ASSERT_EQUAL(touch(1, paged), SIM_TOUCH_WAIT);
    (void)run();
    CU_ASSERT_FALSE(sim.vcpu[1].blocked);
    vmm_pager_drain(pager);
    run_for(1000 * SIM_MS);
    CU_ASSERT_TRUE(vmm_pager_drained(pager));
    CU_ASSERT_EQUAL(stat_now().same_filled_pages, 0);
    leave(&ended);
    CU_ASSERT_TRUE(ended && !sim.session);
    end();
}

static void adopt__vcpu_waits(void)
{
    uint64_t gfn;
    bool ended;

    begin_paged();
    leave(&ended);
    gfn = some_gfn(VMM__HV_PAGED);
    CU_ASSERT_EQUAL(touch(0, gfn), SIM_TOUCH_WAIT);
    CU_ASSERT_EQUAL_FATAL(open_pager(true), 0);
    (void)run();
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    CU_ASSERT_EQUAL(sim.page[gfn].state, VMM__HV_RESIDENT);
    CU_ASSERT_EQUAL(nr_ios[0], 1);
    check_agree();
    end();
}

/* Paused by the predecessor; there is nothing that cannot be read now. */
static void adopt__domain_is_paused(void)
{
    bool ended;

    begin_paged();
    (void)lose(VMM_E_IO);
    leave(&ended);
    CU_ASSERT_FALSE(ended);
    CU_ASSERT_TRUE(sim.paused);
    CU_ASSERT_EQUAL_FATAL(open_pager(true), 0);
    run_for(100 * SIM_MS);
    CU_ASSERT_FALSE(sim.paused || vmm__pagefile_paused(pf));
    CU_ASSERT_EQUAL(nr_unpauses, 1);
    CU_ASSERT_FALSE(sim.vcpu[0].blocked);
    check_agree();
    end();
}

/* Somebody else paused it: that is not ours to end. */
static void adopt__paused_by_others(void)
{
    bool ended;

    begin_paged();
    leave(&ended);
    sim.paused = true;
    CU_ASSERT_EQUAL_FATAL(open_pager(true), 0);
    run_for(100 * SIM_MS);
    CU_ASSERT_TRUE(sim.paused);
    CU_ASSERT_EQUAL(nr_unpauses, 0);
    end();
}

static void adopt__page_without_an_entry(void)
{
    uint64_t gfn;
    bool ended;

    begin_paged();
    gfn = some_gfn(VMM__HV_PAGED);
    vmm__pagefile_clear(pf, gfn);
    leave(&ended);
    CU_ASSERT_EQUAL_FATAL(open_pager(true), 0);
    (void)run();
    CU_ASSERT_EQUAL(nr_pauses, 0);
    CU_ASSERT_EQUAL(touch(0, gfn), SIM_TOUCH_WAIT);
    (void)run();
    /* Nobody gets zeros. */
    CU_ASSERT_TRUE(sim.paused && sim.vcpu[0].blocked);
    CU_ASSERT_EQUAL(stat_now().state, VMM_PAGER_FAILED);
    CU_ASSERT_EQUAL(stat_now().last_error, VMM_E_CHECKSUM);
    CU_ASSERT_EQUAL(stat_now().failed_gfn, gfn);
    /* Trying does not help. */
    vmm_pager_retry(pager);
    (void)run();
    CU_ASSERT_TRUE(sim.paused && vmm__pagefile_paused(pf));
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(opts_init__is_usable),
    UT_CASE(state_name__each),
    UT_CASE(pager_new__counts_what_is_there),
    UT_CASE(pager_new__target_below_floor),
    UT_CASE(pager_new__session_is_not_as_expected),
    UT_CASE(pager_new__nth_allocation_fails),
    UT_CASE(pager_new__query_fails),
    UT_CASE(dispatch__evicts_to_the_target),
    UT_CASE(dispatch__comes_again_in_time),
    UT_CASE(prepare__resident),
    UT_CASE(prepare__waits_are_measured_from_the_request),
    UT_CASE(prepare__exists),
    UT_CASE(prepare__guest_gave_it_up),
    UT_CASE(prepare__no_frame_now),
    UT_CASE(prepare__buffer_not_readable_now),
    UT_CASE(prepare__call_fails_for_now),
    UT_CASE(prepare__call_fails_for_good),
    UT_CASE(read__fails_once),
    UT_CASE(read__fails_for_good),
    UT_CASE(read__contents_are_not_what_they_were),
    UT_CASE(read__prefetch_fails),
    UT_CASE(retry__fails_again),
    UT_CASE(retry__nothing_failed),
    UT_CASE(retry__several_failed),
    UT_CASE(lost__guest_gives_it_up),
    UT_CASE(prefetch__is_of_use),
    UT_CASE(prefetch__overtaken_by_a_vcpu),
    UT_CASE(request__promoted_by_a_vcpu),
    UT_CASE(request__page_is_there_already),
    UT_CASE(request__gfn_out_of_range),
    UT_CASE(request__more_than_buffers),
    UT_CASE(drop__page_is_out),
    UT_CASE(drop__another_page_is_there_since),
    UT_CASE(drop__page_is_out_again),
    UT_CASE(drop__could_not_be_told),
    UT_CASE(harvest__new_page),
    UT_CASE(harvest__no_accessed_bits),
    UT_CASE(nominate__in_use),
    UT_CASE(nominate__bad_gfn),
    UT_CASE(nominate__domain_is_gone),
    UT_CASE(evict__resident_again),
    UT_CASE(evict__touched_before_it_is_written),
    UT_CASE(evict__call_fails_when_it_was_done),
    UT_CASE(nominate__call_fails_for_a_while),
    UT_CASE(evict__given_up_before_it_is_written),
    UT_CASE(evict__domain_is_gone),
    UT_CASE(write__fails),
    UT_CASE(write__fails_of_some),
    UT_CASE(store_full__stops_and_recovers),
    UT_CASE(store_full__within_a_batch),
    UT_CASE(store_full__room_is_made),
    UT_CASE(same_filled__costs_no_io),
    UT_CASE(same_filled__among_others),
    UT_CASE(drain__brings_all_back),
    UT_CASE(drain__while_pages_go_out),
    UT_CASE(drain__page_cannot_be_read),
    UT_CASE(drain__detach_fails),
    UT_CASE(set_target__ends_a_drain),
    UT_CASE(stat__of_another_version),
    UT_CASE(free__session_stays),
    UT_CASE(domain__dies),
    UT_CASE(adopt__each_state),
    UT_CASE(adopt__vcpu_waits),
    UT_CASE(adopt__domain_is_paused),
    UT_CASE(adopt__paused_by_others),
    UT_CASE(adopt__page_without_an_entry),
};

UT_MAIN("consumer/pager", cases)
