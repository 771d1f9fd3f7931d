/* SPDX-License-Identifier: GPL-2.0-only */
/* harness.c: the model behind harness.h, and the checks it makes. */
#include "vmm_private.h"

#include <CUnit/CUnit.h>
#include <stdarg.h>
#include <stdio.h>

#define ENTRIES 512u
#define LEAF 0x80u
#define NPT_FLAGS 0x67u         /* present, write, user, accessed, dirty */
#define EPT_FLAGS 0x107u        /* all access, accessed */
#define SUPER_MFN 512u          /* the frames of the only superpage */

struct harness hn;
static uint8_t memory[HN_FRAMES][PAGE_SIZE] __attribute__((aligned(4096)));

void hn_bad(const char *file, unsigned int line, const char *what)
{
    CU_assertImplementation(CU_FALSE, line, what, file, "", CU_FALSE);
}

/* One more call of a kind: shall it fail? */
static bool fails(enum hn_call call)
{
    void (*meanwhile)(void) = hn.meanwhile[call];

    if (meanwhile) {
        meanwhile();
    }
    return ++hn.nr_calls[call] == hn.fail_at[call];
}

void hn_fail(enum hn_call call, unsigned int nth)
{
    hn.nr_calls[call] = 0;
    hn.fail_at[call] = nth;
}

/* Locks. */

static bool session_locked(void)
{
    return hn.guest.vmm && hn.guest.vmm->lock.held;
}

/* Held: what forbids an allocation, and a copy to or from a guest. */
bool hn_locked(void)
{
    return hn.p2m.depth || session_locked();
}

void hn_spin_lock(spinlock_t *lock)
{
    HN_CHECK(!lock->held);
    HN_CHECK(!session_locked());
    if (hn.guest.vmm && lock == &hn.guest.vmm->op_lock) {
        HN_CHECK(!hn.p2m.depth);
    }
    lock->held = true;
}

bool hn_spin_trylock(spinlock_t *lock)
{
    if (hn.trylock_fails) {
        hn.trylock_fails--;
        return false;
    }
    hn_spin_lock(lock);
    return true;
}

void hn_spin_unlock(spinlock_t *lock)
{
    HN_CHECK(lock->held);
    lock->held = false;
}

void p2m_lock(struct p2m_domain *p2m)
{
    HN_CHECK(!session_locked());
    p2m->depth++;
}

void p2m_unlock(struct p2m_domain *p2m)
{
    HN_CHECK(p2m->depth);
    if (!--p2m->depth) {
        p2m->unflushed = false;
    }
}

void p2m_tlb_flush_sync(struct p2m_domain *p2m)
{
    HN_CHECK(p2m->depth);
    p2m->unflushed = false;
}

/* Memory of Xen. */

void *hn_xzalloc(size_t size)
{
    void *p;

    HN_CHECK(!hn_locked());
    if (fails(HN_ALLOC)) {
        return NULL;
    }
    p = calloc(1, size);
    hn.nr_xmalloc += p != NULL;
    return p;
}

void hn_xfree(void *p)
{
    hn.nr_xmalloc -= p != NULL;
    free(p);
}

/* Frames. */

uint8_t *hn_memory(unsigned long mfn)
{
    return memory[mfn];
}

static struct page_info *take_frame(void)
{
    unsigned int i;

    for (i = 1; i < SUPER_MFN; i++) {
        struct page_info *pg = &hn.frames[i];

        if (!pg->owner && !pg->table) {
            /* What a frame holds that nobody has filled. */
            memset(memory[i], 0xaa, PAGE_SIZE);
            return pg;
        }
    }
    abort();
}

struct page_info *alloc_domheap_page(struct domain *d, unsigned int flags)
{
    struct page_info *pg;

    HN_CHECK(!hn_locked());
    if (fails(HN_ALLOC)) {
        return NULL;
    }
    pg = take_frame();
    pg->owner = d;
    pg->count_info = PGC_allocated | 1;
    pg->u.inuse.type_info = 0;
    if (flags & MEMF_no_refcount) {
        pg->count_info |= PGC_extra;
    } else {
        d->tot_pages++;
    }
    return pg;
}

bool get_page(struct page_info *pg, struct domain *d)
{
    if (fails(HN_GET_PAGE) || pg->owner != d) {
        return false;
    }
    pg->count_info++;
    return true;
}

void put_page(struct page_info *pg)
{
    unsigned long mfn = mfn_x(page_to_mfn(pg));
    unsigned int gfn;

    HN_CHECK(pg->count_info & PGC_count_mask);
    if (--pg->count_info & PGC_count_mask) {
        return;
    }
    /* Its next owner's contents would be seen through the old mapping. */
    HN_CHECK(!hn.p2m.unflushed);
    HN_CHECK(!(pg->count_info & PGC_allocated) && !pg->nr_maps);
    HN_CHECK(!(pg->u.inuse.type_info & PGT_count_mask));
    for (gfn = 0; gfn < HN_GFNS; gfn++) {
        HN_CHECK(mfn_x(hn.mfn[gfn]) != mfn);
    }
    if (!(pg->count_info & PGC_extra)) {
        pg->owner->tot_pages--;
    }
    memset(pg, 0, sizeof(*pg));
}

void put_page_alloc_ref(struct page_info *pg)
{
    if (pg->count_info & PGC_allocated) {
        pg->count_info &= ~PGC_allocated;
        put_page(pg);
    }
}

bool get_page_and_type(struct page_info *pg, struct domain *d,
                       unsigned long type)
{
    if (!get_page(pg, d)) {
        return false;
    }
    pg->u.inuse.type_info = type | ((pg->u.inuse.type_info + 1) &
                                    PGT_count_mask);
    return true;
}

void put_page_and_type(struct page_info *pg)
{
    HN_CHECK(pg->u.inuse.type_info & PGT_count_mask);
    pg->u.inuse.type_info--;
    put_page(pg);
}

void *map_domain_page(mfn_t mfn)
{
    HN_CHECK(mfn_valid(mfn));
    HN_CHECK(hn.frames[mfn_x(mfn)].owner || hn.frames[mfn_x(mfn)].table);
    /* A vCPU may write to it yet. */
    HN_CHECK(hn.frames[mfn_x(mfn)].table || !hn.p2m.unflushed);
    hn.frames[mfn_x(mfn)].nr_maps++;
    hn.nr_maps++;
    return memory[mfn_x(mfn)];
}

void unmap_domain_page(void *va)
{
    struct page_info *pg = &hn.frames[((uint8_t *)va - memory[0]) / PAGE_SIZE];

    HN_CHECK(pg->nr_maps);
    pg->nr_maps--;
    hn.nr_maps--;
}

void clear_domain_page(mfn_t mfn)
{
    memset(memory[mfn_x(mfn)], 0, PAGE_SIZE);
}

void copy_domain_page(mfn_t to, mfn_t from)
{
    memcpy(map_domain_page(to), map_domain_page(from), PAGE_SIZE);
    unmap_domain_page(memory[mfn_x(from)]);
    unmap_domain_page(memory[mfn_x(to)]);
}

void scrub_one_page(struct page_info *pg)
{
    HN_CHECK(!hn.p2m.unflushed);
    clear_domain_page(page_to_mfn(pg));
}

/* A copy: what is used after vunmap() is found. */
void *vmap(const mfn_t *mfns, unsigned int nr)
{
    uint8_t *va = hn_xzalloc(nr * PAGE_SIZE);
    unsigned int i;

    for (i = 0; va && i < nr; i++) {
        memcpy(va + i * PAGE_SIZE, memory[mfn_x(mfns[i])], PAGE_SIZE);
    }
    return va;
}

void vunmap(void *va)
{
    hn_xfree(va);
}

/* p2m: types and frames are in arrays, what the CPU sees is in tables. */

static uint64_t *table_of(uint64_t entry)
{
    return (uint64_t *)memory[entry >> PAGE_SHIFT & (HN_FRAMES - 1)];
}

static uint64_t new_table(void)
{
    struct page_info *pg = take_frame();
    unsigned long mfn = mfn_x(page_to_mfn(pg));

    pg->table = true;
    memset(memory[mfn], 0, PAGE_SIZE);
    return mfn << PAGE_SHIFT | (hn.vmx ? 7 : 7 | 0x20);
}

/* The first entry of each level above leads to all gfns. */
static uint64_t *level2(void)
{
    uint64_t *level4 = (uint64_t *)memory[mfn_x(hn.p2m.root)];

    return table_of(*table_of(*level4));
}

uint64_t *hn_entry(unsigned long gfn, unsigned int *order_out)
{
    uint64_t *entry = &level2()[gfn / ENTRIES];
    unsigned int order = 9;

    if (!*entry) {
        *entry = new_table();
    }
    if (!(*entry & LEAF)) {
        order = 0;
        entry = &table_of(*entry)[gfn % ENTRIES];
    }
    if (order_out) {
        *order_out = order;
    }
    return entry;
}

static uint64_t entry_of(mfn_t mfn, p2m_type_t t)
{
    switch (t) {
    case p2m_ram_rw:
    case p2m_ram_logdirty:
    case p2m_ram_ro:
    case p2m_ram_shared:
        return mfn_x(mfn) << PAGE_SHIFT | (hn.vmx ? EPT_FLAGS : NPT_FLAGS);
    default:
        return 0;
    }
}

static void put_entry(unsigned long gfn, mfn_t mfn, p2m_type_t t)
{
    *hn_entry(gfn, NULL) = entry_of(mfn, t);
    hn.type[gfn] = t;
    hn.mfn[gfn] = mfn;
    if (gfn > hn.p2m.max_mapped_pfn) {
        hn.p2m.max_mapped_pfn = gfn;
    }
}

int p2m_set_entry(struct p2m_domain *p2m, gfn_t gfn, mfn_t mfn,
                  unsigned int order, p2m_type_t t, p2m_access_t a)
{
    unsigned int old_order, i;
    uint64_t *entry, old;

    HN_CHECK(p2m->depth);
    HN_CHECK(gfn_x(gfn) < HN_GFNS && order == PAGE_ORDER_4K);
    if (fails(HN_SET_ENTRY)) {
        return -ENOMEM;
    }
    entry = hn_entry(gfn_x(gfn), &old_order);
    if (old_order) {
        /* Pages of a superpage that is broken up are as it was. */
        old = *entry & ~(uint64_t)LEAF;
        *entry = new_table();
        for (i = 0; i < ENTRIES; i++) {
            table_of(*entry)[i] = old + ((uint64_t)i << PAGE_SHIFT);
        }
    }
    put_entry(gfn_x(gfn), mfn, t);
    p2m->unflushed = true;
    return 0;
}

static mfn_t get_entry(struct p2m_domain *p2m, gfn_t gfn, p2m_type_t *t,
                       p2m_access_t *a, unsigned int q, unsigned int *order,
                       bool *sve)
{
    HN_CHECK(p2m->depth);
    HN_CHECK(!q && !sve);
    *a = p2m_access_rwx;
    if (gfn_x(gfn) > p2m->max_mapped_pfn) {
        *t = p2m_mmio_dm;
        return INVALID_MFN;
    }
    *t = hn.type[gfn_x(gfn)];
    if (order) {
        (void)hn_entry(gfn_x(gfn), order);
    }
    return hn.mfn[gfn_x(gfn)];
}

void ept_sync_domain(struct p2m_domain *p2m)
{
    HN_CHECK(hn.vmx && p2m->depth);
    hn.nr_flushes++;
}

void guest_flush_tlb_mask(const struct domain *d, const int *mask)
{
    HN_CHECK(!hn.vmx && hn.p2m.depth && mask == d->dirty_cpumask);
    hn.nr_flushes++;
}

/* vCPUs. */

void vcpu_pause_nosync(struct vcpu *v)
{
    v->pause_count++;
}

void vcpu_unpause(struct vcpu *v)
{
    HN_CHECK(v->pause_count > 0);
    v->pause_count--;
}

void domain_pause(struct domain *d)
{
    HN_CHECK(!hn_locked() && hn.cur->domain != d);
    (void)fails(HN_PAUSE);
    d->pause_count++;
}

void domain_unpause(struct domain *d)
{
    HN_CHECK(d->pause_count > 0);
    d->pause_count--;
}

int rcu_lock_live_remote_domain_by_id(domid_t id, struct domain **d_out)
{
    if (id == hn.cur->domain->domain_id) {
        return -EPERM;
    }
    if (id != HN_GUEST || hn.guest.is_dying == 2) {
        return -ESRCH;
    }
    hn.nr_rcu++;
    *d_out = &hn.guest;
    return 0;
}

void rcu_unlock_domain(struct domain *d)
{
    hn.nr_rcu--;
}

static bool sleeps(const struct waitqueue_head *wq, const struct vcpu *v)
{
    unsigned int i;

    for (i = 0; i < wq->list.nr; i++) {
        if (wq->list.v[i] == v) {
            return true;
        }
    }
    return false;
}

void wake_up_all(struct waitqueue_head *wq)
{
    while (wq->list.nr) {
        struct vcpu *v = wq->list.v[--wq->list.nr];

        vcpu_unpause(v);
        v->domain->refs--;
    }
}

void hn_prepare_to_wait(struct waitqueue_head *wq)
{
    HN_CHECK(!in_atomic() && !hn.guest.vmm->op_lock.held);
    HN_CHECK(!sleeps(wq, hn.cur));
    wq->list.v[wq->list.nr++] = hn.cur;
    vcpu_pause_nosync(hn.cur);
    hn.cur->domain->refs++;
}

/* Nobody has two stacks here: what nobody wakes is left where it is. */
void hn_wait(struct waitqueue_head *wq)
{
    struct vcpu *v = hn.cur;

    (void)fails(HN_SLEEP);
    hn.cur = v;
    if (sleeps(wq, v)) {
        longjmp(hn.asleep, 1);
    }
}

void hn_finish_wait(struct waitqueue_head *wq)
{
    unsigned int i;

    for (i = 0; i < wq->list.nr; i++) {
        if (wq->list.v[i] == hn.cur) {
            wq->list.v[i] = wq->list.v[--wq->list.nr];
            vcpu_unpause(hn.cur);
            hn.cur->domain->refs--;
        }
    }
}

/* Event channels, hypercalls. */

int alloc_unbound_xen_event_channel(struct domain *d, unsigned int vcpu,
                                    domid_t remote,
                                    void (*notified)(struct vcpu *,
                                                     unsigned int))
{
    int port = 1;

    HN_CHECK(!hn_locked() && d == &hn.guest && remote == HN_CONTROL_DOMAIN);
    if (fails(HN_EVTCHN)) {
        return -ENOSPC;
    }
    while (hn.ports >> port & 1) {
        port++;
    }
    hn.ports |= 1ull << port;
    return port;
}

void free_xen_event_channel(struct domain *d, evtchn_port_t port)
{
    HN_CHECK(!session_locked());
    HN_CHECK(hn.ports >> port & 1);
    hn.ports &= ~(1ull << port);
}

void notify_via_xen_event_channel(struct domain *d, evtchn_port_t port)
{
    HN_CHECK(hn.ports >> port & 1);
    hn.nr_notified++;
}

bool hypercall_preempt_check(void)
{
    return hn.preempt;
}

long hn_continuation(void)
{
    HN_CHECK(!hn_locked() && !hn.nr_rcu &&
             !(hn.guest.vmm && hn.guest.vmm->op_lock.held));
    hn.continued = true;
    hn.nr_continued++;
    return __HYPERVISOR_memory_op;
}

bool hn_copy(void *to, const void *from, size_t bytes, const void *guest,
             bool checked)
{
    bool okay = (uintptr_t)guest + bytes <= HN_XEN_ADDR;

    HN_CHECK(!hn_locked());
    HN_CHECK(okay || !checked);
    if (fails(HN_COPY) || !okay ||
        (uintptr_t)guest < HN_UNMAPPED_ADDR + PAGE_SIZE ||
        (uintptr_t)guest >> 47) {
        return true;
    }
    memcpy(to, from, bytes);
    return false;
}

/* The world. */

void hn_init(unsigned int nr_vcpus)
{
    static int cpumask;
    uint64_t *level4, level3;
    unsigned int i;

    memset(&hn, 0, sizeof(hn));
    hn.stack_bytes = 512;
    hn.control.domain_id = HN_CONTROL_DOMAIN;
    hn.control_vcpu.domain = &hn.control;
    hn.cur = &hn.control_vcpu;
    hn.guest = (struct domain){
        .domain_id = HN_GUEST,
        .max_vcpus = nr_vcpus,
        .vcpu = hn.vcpu_ptrs,
        .dirty_cpumask = &cpumask,
        .hvm = true,
        .hap = true,
    };
    for (i = 0; i < nr_vcpus; i++) {
        hn.vcpus[i] = (struct vcpu){ .domain = &hn.guest, .vcpu_id = i };
        hn.vcpu_ptrs[i] = &hn.vcpus[i];
    }
    hn.p2m.domain = &hn.guest;
    hn.p2m.get_entry = get_entry;
    hn.p2m.ept.ad = true;
    hn.p2m.root = maddr_to_mfn(new_table());
    level4 = (uint64_t *)memory[mfn_x(hn.p2m.root)];
    *level4 = level3 = new_table();
    *table_of(level3) = new_table();
    for (i = 0; i < HN_GFNS; i++) {
        hn.type[i] = p2m_invalid;
        hn.mfn[i] = INVALID_MFN;
    }
}

static void check_frames(void)
{
    unsigned int i, nr_extra = 0, nr_ram = 0, nr_mapped = 0, nr_out = 0;
    struct vmm_session *s = hn.guest.vmm;

    for (i = 0; i < HN_GFNS; i++) {
        nr_out += hn.type[i] == p2m_ram_paged ||
                  hn.type[i] == p2m_ram_paging_in;
        nr_mapped += mfn_valid(hn.mfn[i]);
    }
    HN_CHECK(nr_out == (unsigned int)hn.guest.paged_pages.counter);
    for (i = 0; i < HN_FRAMES; i++) {
        const struct page_info *pg = &hn.frames[i];
        bool extra = pg->count_info & PGC_extra;

        HN_CHECK(!pg->nr_maps);
        if (pg->owner) {
            /* A frame of a ring is ours to write as well. */
            HN_CHECK((pg->count_info & ~PGC_extra) ==
                     (PGC_allocated | (extra ? 2 : 1)));
            HN_CHECK((pg->u.inuse.type_info & PGT_count_mask) == extra);
            nr_extra += extra;
            nr_ram += !extra;
        }
    }
    HN_CHECK(nr_ram == nr_mapped && nr_ram == hn.guest.tot_pages);
    HN_CHECK(nr_extra == (s && s->active ? XEN_VMM_RING_FRAMES : 0));
}

void hn_check(void)
{
    struct vmm_session *s = hn.guest.vmm;
    unsigned int i, nr_waiting = 0, nr_sleepers = 0;

    HN_CHECK(!hn_locked() && !(s && s->op_lock.held));
    HN_CHECK(!hn.nr_rcu && !hn.nr_maps && !hn.guest.pause_count);
    check_frames();
    for (i = 0; s && i < hn.guest.max_vcpus; i++) {
        bool asleep = s->waiters[i].how == VMM_WAIT_SLEEPING;

        HN_CHECK(hn.vcpus[i].pause_count ==
                 (s->waiters[i].how != VMM_WAIT_NONE));
        HN_CHECK(sleeps(&s->wq, &hn.vcpus[i]) == asleep);
        nr_waiting += s->waiters[i].how != VMM_WAIT_NONE;
        nr_sleepers += asleep;
    }
    if (s) {
        HN_CHECK(nr_waiting == s->nr_waiting);
        HN_CHECK(hn.ports == (s->port ? 1ull << s->port : 0));
        HN_CHECK(!s->active == !s->port && !s->active == !s->ring);
    }
    HN_CHECK(hn.guest.refs == (int)nr_sleepers);
}

void hn_fini(void)
{
    hn_check();
    hn.guest.is_dying = 2;
    vmm_session_destroy(&hn.guest);
    check_frames();
    HN_CHECK(!hn.guest.refs && !vmm_session_has_sleeper(&hn.guest));
    vmm_session_free(&hn.guest);
    HN_CHECK(!hn.ports && !hn.nr_xmalloc && !hn.guest.crashed);
}

void hn_populate(unsigned long first, unsigned int nr)
{
    unsigned int i;

    for (i = 0; i < nr; i++) {
        struct page_info *pg = take_frame();

        pg->owner = &hn.guest;
        pg->count_info = PGC_allocated | 1;
        hn.guest.tot_pages++;
        memset(memory[pg - hn.frames], (int)(first + i), PAGE_SIZE);
        put_entry(first + i, page_to_mfn(pg), p2m_ram_rw);
        set_gpfn_from_mfn(pg - hn.frames, first + i);
    }
}

void hn_superpage(unsigned long first)
{
    unsigned int i;

    level2()[first / ENTRIES] = LEAF | entry_of(_mfn(SUPER_MFN), p2m_ram_rw);
    for (i = 0; i < ENTRIES; i++) {
        hn.frames[SUPER_MFN + i].owner = &hn.guest;
        hn.frames[SUPER_MFN + i].count_info = PGC_allocated | 1;
        hn.mfn[first + i] = _mfn(SUPER_MFN + i);
        hn.type[first + i] = p2m_ram_rw;
    }
    hn.guest.tot_pages += ENTRIES;
    hn.p2m.max_mapped_pfn = first + ENTRIES - 1;
}

static bool touch(struct vcpu *v, unsigned long gfn, unsigned int access)
{
    struct vcpu *was = hn.cur;
    bool handled;

    hn.cur = v;
    handled = access ? vmm_session_fault(&hn.guest, _gfn(gfn), access) :
                       vmm_session_populate(&hn.guest, _gfn(gfn));
    hn.cur = was;
    return handled;
}

bool hn_touch(unsigned int nr, unsigned long gfn)
{
    return touch(&hn.vcpus[nr], gfn, XEN_VMM_ACCESS_WRITE);
}

bool hn_touch_foreign(unsigned long gfn)
{
    return touch(&hn.control_vcpu, gfn, 0);
}

bool hn_touch_in_hypercall(unsigned int nr, unsigned long gfn)
{
    struct vcpu *was = hn.cur;
    volatile bool asleep = true;

    vmm_session_in_hypercall(&hn.vcpus[nr], true);
    touch(&hn.vcpus[nr], gfn, 0);
    hn.cur = &hn.vcpus[nr];
    if (!setjmp(hn.asleep)) {
        HN_CHECK(vmm_session_wait(hn.cur));
        asleep = false;
    }
    hn.cur = was;
    vmm_session_in_hypercall(&hn.vcpus[nr], false);
    return asleep;
}

void hn_drop(unsigned long gfn)
{
    p2m_type_t t = hn.type[gfn];
    mfn_t mfn = hn.mfn[gfn];

    p2m_lock(&hn.p2m);
    put_entry(gfn, INVALID_MFN, p2m_invalid);
    if (t == p2m_ram_paged || t == p2m_ram_paging_in) {
        hn.guest.paged_pages.counter--;
        (void)vmm_session_dropped(&hn.guest, _gfn(gfn));
    }
    p2m_unlock(&hn.p2m);
    if (mfn_valid(mfn)) {
        put_page_alloc_ref(mfn_to_page(mfn));
    }
}

long hn_op(struct xen_vmm_op *op, unsigned int cmd)
{
    unsigned int most = hn.nr_continued + HN_GFNS;
    long rc;

    op->cmd = cmd;
    op->interface_version = XEN_VMM_INTERFACE_VERSION;
    op->domain = HN_GUEST;
    do {
        hn.continued = false;
        rc = vmm_memory_op(guest_handle_from_ptr(op, xen_vmm_op_t));
    } while (hn.continued && hn.nr_continued < most);
    HN_CHECK(!hn.continued);
    return rc;
}

int hn_page_op(unsigned int cmd, unsigned long gfn, void *buf)
{
    uint64_t gfns[] = { gfn }, bufs[] = { (uintptr_t)buf };
    int results[] = { 1 };
    struct xen_vmm_op op = {
        .u.batch = {
            .nr = 1,
            .gfns = { gfns },
            .bufs = { buf ? bufs : NULL },
            .results = { results },
        },
    };

    HN_CHECK(!hn_op(&op, cmd));
    return results[0];
}

long hn_attach(unsigned int flags)
{
    struct xen_vmm_op op = { .u.attach.flags = flags };

    return hn_op(&op, XEN_VMM_OP_attach);
}

void hn_page_out(unsigned long gfn)
{
    HN_CHECK(!hn_page_op(XEN_VMM_OP_nominate, gfn, NULL));
    HN_CHECK(!hn_page_op(XEN_VMM_OP_evict, gfn, NULL));
}

bool hn_take(unsigned int reqclass, struct xen_vmm_request *req_out)
{
    struct xen_vmm_ring *ring = hn.guest.vmm->ring;
    struct xen_vmm_ring_index *index = &ring->index[reqclass];
    const struct xen_vmm_request *slots =
        (void *)((char *)ring + ring->slots_offset_bytes);

    if (index->cons == index->prod) {
        return false;
    }
    *req_out = slots[reqclass * ring->nr_slots +
                     index->cons++ % ring->nr_slots];
    return true;
}

/* The boot. */

struct e820map e820_raw;
const void *hn_module_data;
char hn_said[512];

int printk(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(hn_said, sizeof(hn_said), fmt, ap);
    va_end(ap);
    return 0;
}

void *bootstrap_map(const module_t *mod)
{
    return mod ? (void *)(uintptr_t)mod->data : NULL;
}

/* The first MiB and all after it, but for the last 64 frames. */
bool page_is_ram_type(unsigned long mfn, unsigned long type)
{
    (void)type;
    return mfn < HN_FRAMES - 64;
}

bool is_xen_fixed_mfn(mfn_t mfn)
{
    return mfn_x(mfn) - 300 < 20;
}
