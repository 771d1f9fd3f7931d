/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * harness.h: what hvm-hooks/ uses of Xen, in user space, checked.
 *
 * Every Xen header that a hook includes is this file (flags.mk makes them).
 * It is a model, not a copy: one domain, its p2m with real tables of 512
 * entries, frames with reference counts, and locks that are not taken but
 * counted.  What must not happen under a lock, or happens in a wrong order, is
 * a failure of the running case.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define __XEN__ 1
#define CONFIG_VMM_HOOKS 1
#define CONFIG_MEM_SHARING 1

#define HN_FRAMES 1024u
#define HN_GFNS 2048u           /* 4 tables of 512 */
#define HN_VCPUS 8u
#define HN_CONTROL_DOMAIN 0
#define HN_GUEST 5

/* Library. */

void hn_bad(const char *file, unsigned int line, const char *what);
#define HN_CHECK(x) ((x) ? (void)0 : hn_bad(__FILE__, __LINE__, #x))
#define ASSERT(x) HN_CHECK(x)
#define ASSERT_UNREACHABLE() hn_bad(__FILE__, __LINE__, "unreachable")
#define BUILD_BUG_ON(x) _Static_assert(!(x), #x)

#define cf_check
#define smp_wmb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define cpu_relax() ((void)0)
#define read_atomic(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define write_atomic(p, x) __atomic_store_n(p, x, __ATOMIC_RELAXED)
#define cmpxchgptr(p, old, new) __sync_val_compare_and_swap(p, old, new)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define min_t(type, a, b) min((type)(a), (type)(b))

#define PAGE_SHIFT 12
#define PAGE_SIZE (1ul << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_ORDER_4K 0
#define PADDR_BITS 52
#define ERESTART 85

typedef uint16_t domid_t;
typedef uint32_t evtchn_port_t;
typedef int64_t s_time_t;
typedef uint64_t xen_pfn_t;
typedef uint64_t paddr_t;
typedef struct { int counter; } atomic_t;

#define atomic_read(a) ((a)->counter)
#define atomic_inc(a) ((void)(a)->counter++)
#define atomic_dec(a) ((void)(a)->counter--)

#define DECLARE_BITMAP(name, bits) unsigned long name[((bits) + 63) / 64]
#define bitmap_zero(map, bits) memset(map, 0, (bits) / 8)
#define bitmap_fill(map, bits) memset(map, 0xff, (bits) / 8)

static inline unsigned int bitmap_weight(const unsigned long *map,
                                         unsigned int bits)
{
    unsigned int i, n = 0;

    for (i = 0; i < bits; i++) {
        n += map[i / 64] >> (i % 64) & 1;
    }
    return n;
}

static inline void __set_bit(unsigned int bit, unsigned long *map)
{
    map[bit / 64] |= 1ul << (bit % 64);
}

static inline bool test_and_clear_bit(unsigned int bit, uint64_t *word)
{
    bool was = *word >> bit & 1;

    *word &= ~(1ull << bit);
    return was;
}

void *hn_xzalloc(size_t size);
void hn_xfree(void *p);
#define _xzalloc(size, align) hn_xzalloc(size)
#define xfree(p) hn_xfree(p)
#define XFREE(p) (hn_xfree(p), (p) = NULL)

/* Calls that can be made to fail, or to be interrupted by other CPUs. */

enum hn_call {
    HN_SET_ENTRY, HN_ALLOC, HN_COPY, HN_EVTCHN, HN_GET_PAGE,
    HN_PAUSE,                   /* domain_pause() waits for vCPUs */
    HN_SLEEP,                   /* the current vCPU was taken off its CPU */
    HN_NR_CALLS
};

/* Locks: op_lock of the session, p2m lock (recursive), lock of the session. */

typedef struct { bool held; } spinlock_t;

void hn_spin_lock(spinlock_t *lock);
bool hn_spin_trylock(spinlock_t *lock);
void hn_spin_unlock(spinlock_t *lock);
#define spin_lock_init(l) ((l)->held = false)
#define spin_lock(l) hn_spin_lock(l)
#define spin_trylock(l) hn_spin_trylock(l)
#define spin_unlock(l) hn_spin_unlock(l)
#define spin_is_locked(l) ((l)->held)

/* Domains and vCPUs. */

struct vcpu {
    struct domain *domain;
    unsigned int vcpu_id;
    int pause_count;
};

struct domain {
    domid_t domain_id;
    int is_dying;
    unsigned int max_vcpus;
    struct vcpu **vcpu;
    struct vmm_session *vmm;
    atomic_t paged_pages;
    unsigned int tot_pages;
    void *vm_event_paging;
    int *dirty_cpumask;
    int pause_count;
    int refs;                   /* of sleepers */
    bool crashed;
    bool hvm, hap, nestedhvm, altp2m, sharing, iommu, pod, log_dirty;
};

struct waitqueue_head {
    struct hn_sleepers {
        unsigned int nr;
        struct vcpu *v[HN_VCPUS];
    } list;
};

struct cpu_info;

#define current (hn.cur)
#define hardware_domain (&hn.control)
#define NOW() (++hn.now)
#define in_atomic() (hn.atomic || hn_locked())
/* The bottom of the stack, as if so much of it were in use. */
#define get_cpu_info() ((struct cpu_info *) \
    ((char *)__builtin_frame_address(0) + hn.stack_bytes))
#define is_hvm_domain(d) ((d)->hvm)
#define hap_enabled(d) ((d)->hap)
#define paging_mode_hap(d) ((d)->hap)
#define nestedhvm_enabled(d) ((d)->nestedhvm)
#define altp2m_active(d) ((d)->altp2m)
#define mem_sharing_enabled(d) ((d)->sharing)
#define is_iommu_enabled(d) ((d)->iommu)
#define p2m_pod_active(d) ((d)->pod)
#define paging_mode_log_dirty(d) ((d)->log_dirty)
#define vm_event_check_ring(ved) ((ved) != NULL)
#define domain_tot_pages(d) ((d)->tot_pages)
#define domain_crash(d) ((void)((d)->crashed = true))

void vcpu_pause_nosync(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
void domain_pause(struct domain *d);
void domain_unpause(struct domain *d);
int rcu_lock_live_remote_domain_by_id(domid_t id, struct domain **d_out);
void rcu_unlock_domain(struct domain *d);

#define list_empty(l) ((l)->nr == 0)
#define init_waitqueue_head(wq) memset(wq, 0, sizeof(*(wq)))
#define destroy_waitqueue_head(wq) wake_up_all(wq)
void wake_up_all(struct waitqueue_head *wq);
void hn_prepare_to_wait(struct waitqueue_head *wq);
void hn_wait(struct waitqueue_head *wq);
void hn_finish_wait(struct waitqueue_head *wq);
#define wait_event(wq, condition) \
    do { \
        while (!(condition)) { \
            hn_prepare_to_wait(&(wq)); \
            if (!(condition)) { \
                hn_wait(&(wq)); \
            } \
        } \
        hn_finish_wait(&(wq)); \
    } while (0)

#define XSM_PRIV 1
#define xsm_vmm_op(action, d, cmd) ((void)(action), hn.xsm_rc)

int alloc_unbound_xen_event_channel(struct domain *d, unsigned int vcpu,
                                    domid_t remote,
                                    void (*notified)(struct vcpu *,
                                                     unsigned int));
void free_xen_event_channel(struct domain *d, evtchn_port_t port);
void notify_via_xen_event_channel(struct domain *d, evtchn_port_t port);

#define __HYPERVISOR_memory_op 12
bool hypercall_preempt_check(void);
long hn_continuation(void);
#define hypercall_create_continuation(op, fmt, cmd, arg) \
    ((void)(arg), hn_continuation())

/* Frames. */

typedef struct { unsigned long v; } mfn_t;
typedef struct { unsigned long v; } gfn_t;

#define _gfn(x) ((gfn_t){ x })
#define gfn_x(g) ((g).v)
#define gfn_eq(a, b) ((a).v == (b).v)
#define _mfn(x) ((mfn_t){ x })
#define mfn_x(m) ((m).v)
#define INVALID_MFN _mfn(~0ul)
#define mfn_valid(m) ((m).v - 1 < HN_FRAMES - 1)

#define PGC_allocated (1ul << 63)
#define PGC_extra (1ul << 62)
#define PGC_count_mask ((1ul << 48) - 1)
#define PGT_writable_page (1ul << 61)
#define PGT_count_mask ((1ul << 48) - 1)
#define MEMF_no_refcount 1u

struct page_info {
    unsigned long count_info;
    union {
        struct {
            unsigned long type_info;
        } inuse;
    } u;
    struct domain *owner;
    unsigned int nr_maps;
    bool table;                 /* of the p2m */
};

#define page_to_mfn(pg) _mfn((unsigned long)((pg) - hn.frames))
#define mfn_to_page(m) (&hn.frames[mfn_x(m)])
#define is_special_page(pg) (((pg)->count_info & PGC_extra) != 0)
#define is_iomem_page(m) (mfn_x(m) == hn.iomem_mfn)
#define maddr_to_mfn(ma) _mfn((ma) >> PAGE_SHIFT)
#define set_gpfn_from_mfn(mfn, gpfn) ((void)(hn.m2p[mfn] = (gpfn)))
#define get_gpfn_from_mfn(mfn) (hn.m2p[mfn])
#define INVALID_M2P_ENTRY (~0ul)
#define mfn_eq(a, b) ((a).v == (b).v)

struct page_info *alloc_domheap_page(struct domain *d, unsigned int flags);
bool get_page(struct page_info *pg, struct domain *d);
void put_page(struct page_info *pg);
void put_page_alloc_ref(struct page_info *pg);
bool get_page_and_type(struct page_info *pg, struct domain *d,
                       unsigned long type);
void put_page_and_type(struct page_info *pg);
void *map_domain_page(mfn_t mfn);
void unmap_domain_page(void *va);
void clear_domain_page(mfn_t mfn);
void copy_domain_page(mfn_t to, mfn_t from);
void scrub_one_page(struct page_info *pg);
void *vmap(const mfn_t *mfns, unsigned int nr);
void vunmap(void *va);

/* p2m. */

typedef enum {
    p2m_ram_rw, p2m_ram_logdirty, p2m_ram_ro, p2m_mmio_dm, p2m_mmio_direct,
    p2m_ram_paging_out, p2m_ram_paged, p2m_ram_paging_in, p2m_ram_shared,
    p2m_invalid
} p2m_type_t;
typedef enum { p2m_access_rwx } p2m_access_t;

struct p2m_domain {
    struct domain *domain;
    mfn_t (*get_entry)(struct p2m_domain *p2m, gfn_t gfn, p2m_type_t *t,
                       p2m_access_t *a, unsigned int q, unsigned int *order,
                       bool *sve);
    unsigned long max_mapped_pfn;
    struct { bool ad; } ept;
    mfn_t root;
    unsigned int depth;         /* of its lock */
    bool unflushed;             /* an entry changed and is in TLBs yet */
};

#define _PAGE_PRESENT 0x1u
#define _PAGE_USER 0x4u
#define p2m_is_pageable(t) ((t) == p2m_ram_rw || (t) == p2m_ram_logdirty)
#define p2m_get_hostp2m(d) ((void)(d), &hn.p2m)
#define p2m_get_pagetable(p2m) ((p2m)->root)
#define pagetable_get_mfn(mfn) (mfn)
#define cpu_has_vmx (hn.vmx)
void p2m_lock(struct p2m_domain *p2m);
void p2m_unlock(struct p2m_domain *p2m);
#define p2m_read_lock(p2m) p2m_lock(p2m)
#define p2m_read_unlock(p2m) p2m_unlock(p2m)
#define gfn_lock(p2m, gfn, order) p2m_lock(p2m)
#define gfn_unlock(p2m, gfn, order) p2m_unlock(p2m)
#define p2m_locked_by_me(p2m) ((p2m)->depth != 0)
int p2m_set_entry(struct p2m_domain *p2m, gfn_t gfn, mfn_t mfn,
                  unsigned int order, p2m_type_t t, p2m_access_t a);
void ept_sync_domain(struct p2m_domain *p2m);
void p2m_tlb_flush_sync(struct p2m_domain *p2m);
void guest_flush_tlb_mask(const struct domain *d, const int *mask);

/* Memory of the caller of a hypercall: ours, but for what is named bad. */

#define XEN_GUEST_HANDLE_PARAM(type) __guest_handle_##type
#define XEN_GUEST_HANDLE_64(type) __guest_handle_##type
#define DEFINE_XEN_GUEST_HANDLE(type) \
    typedef struct { type *p; } __guest_handle_##type
typedef uint64_t uint64;
typedef uint8_t uint8;
typedef uint64_t uint64_aligned_t;
DEFINE_XEN_GUEST_HANDLE(uint64);
DEFINE_XEN_GUEST_HANDLE(uint8);
DEFINE_XEN_GUEST_HANDLE(char);
DEFINE_XEN_GUEST_HANDLE(int);

/* The addresses from here on are the hypervisor's. */
#define HN_XEN_ADDR 0xffff800000000000ul
/* Nothing is mapped here. */
#define HN_UNMAPPED_ADDR 0x1000ul

#define guest_handle_is_null(h) ((h).p == NULL)
#define guest_handle_from_ptr(ptr, type) \
    ((__guest_handle_##type){ (type *)(ptr) })
#define guest_handle_okay(h, nr) \
    ((uintptr_t)(h).p + (uint64_t)(nr) * sizeof(*(h).p) <= HN_XEN_ADDR)
/* Returns true if it failed.  checked: after guest_handle_okay() only. */
bool hn_copy(void *to, const void *from, size_t bytes, const void *guest,
             bool checked);
#define copy_from_guest(to, h, nr) \
    hn_copy(to, (h).p, (nr) * sizeof(*(h).p), (h).p, false)
#define copy_to_guest(h, from, nr) \
    hn_copy((h).p, from, (nr) * sizeof(*(h).p), (h).p, false)
#define __copy_to_guest(h, from, nr) \
    hn_copy((h).p, from, (nr) * sizeof(*(h).p), (h).p, true)
#define __copy_from_guest_offset(to, h, off, nr) \
    hn_copy(to, (h).p + (off), (nr) * sizeof(*(h).p), (h).p + (off), true)
#define __copy_to_guest_offset(h, off, from, nr) \
    hn_copy((h).p + (off), from, (nr) * sizeof(*(h).p), (h).p + (off), true)

/* The world, and what a test does with it. */

struct harness {
    struct vcpu *cur;
    struct domain guest, control;
    struct vcpu vcpus[HN_VCPUS], control_vcpu, *vcpu_ptrs[HN_VCPUS];
    struct p2m_domain p2m;
    p2m_type_t type[HN_GFNS];
    mfn_t mfn[HN_GFNS];
    struct page_info frames[HN_FRAMES];
    unsigned long m2p[HN_FRAMES];
    unsigned long iomem_mfn;

    /* 0: never; n: the n-th from when it is set, with its count set to 0. */
    unsigned int fail_at[HN_NR_CALLS], nr_calls[HN_NR_CALLS];
    /* What other CPUs do meanwhile. */
    void (*meanwhile[HN_NR_CALLS])(void);

    bool vmx, atomic;
    size_t stack_bytes;
    s_time_t now;
    int xsm_rc;
    unsigned int trylock_fails;
    bool preempt;               /* whenever it is asked */
    bool continued;
    unsigned int nr_tasklets;
    unsigned int nr_continued, nr_notified, nr_flushes, nr_maps, nr_xmalloc;
    int nr_rcu;
    uint64_t ports;             /* that are open */
    jmp_buf asleep;
};

extern struct harness hn;

struct xen_vmm_op;
struct xen_vmm_request;

bool hn_locked(void);
void hn_init(unsigned int nr_vcpus);
/* Everything is consistent, and nothing is held or leaked. */
void hn_check(void);
/* The same, then the domain is destroyed, and nothing is left. */
void hn_fini(void);
/* The kind's n-th call from now on fails. */
void hn_fail(enum hn_call call, unsigned int nth);
/* gfns [first, first + nr) have a frame each, filled with the gfn's number. */
void hn_populate(unsigned long first, unsigned int nr);
void hn_superpage(unsigned long first);
uint8_t *hn_memory(unsigned long mfn);
/* The lowest entry for gfn. */
uint64_t *hn_entry(unsigned long gfn, unsigned int *order_out);
/* vCPU nr touches gfn; the control domain, or Xen for it, does. */
bool hn_touch(unsigned int nr, unsigned long gfn);
bool hn_touch_foreign(unsigned long gfn);
/* As hn_touch(), in a hypercall; true if the vCPU sleeps in it now. */
bool hn_touch_in_hypercall(unsigned int nr, unsigned long gfn);
/* The guest gives gfn up. */
void hn_drop(unsigned long gfn);
/* The hypercall, with its continuations. */
long hn_op(struct xen_vmm_op *op, unsigned int cmd);
/* One command for one page: its result. */
int hn_page_op(unsigned int cmd, unsigned long gfn, void *buf);
long hn_attach(unsigned int flags);
/* nominate, evict. */
void hn_page_out(unsigned long gfn);
/* The next request of a ring, taken from it; false: none. */
bool hn_take(unsigned int reqclass, struct xen_vmm_request *req_out);

/* The boot: memory of HN_FRAMES pages, and modules that are buffers here. */

#define XXH_INLINE_ALL 1
#include <xxhash.h>
#define xxh64 XXH64
#define xxh64_state XXH64_state_s
#define xxh64_reset(state, seed) ((void)XXH64_reset(state, seed))
#define xxh64_update(state, p, n) ((void)XXH64_update(state, p, n))
#define xxh64_digest XXH64_digest

#define __init
#define __initdata
#define __initconstrel
#define __aligned(n) __attribute__((aligned(n)))
#define XENLOG_ERR ""
#define XENLOG_WARNING ""
#define PRIu64 "lu"
#define boolean_param(name, var) _Static_assert(sizeof(var), name)
#define __initcall(fn) int (*hn_initcall_##fn)(void) = fn
#define rdtsc() (++hn.now)
#define cpu_khz 1000ul
#define MB(n) ((n) << 20)
#define pfn_to_paddr(pfn) ((paddr_t)(pfn) << PAGE_SHIFT)
#define PFN_DOWN(x) ((x) >> PAGE_SHIFT)
#define PFN_UP(x) (((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define max(a, b) ((a) > (b) ? (a) : (b))

#define E820_RAM 1
#define RAM_TYPE_CONVENTIONAL 1
#define PGC_state_offlining (1ul << 57)
#define PGC_broken (1ul << 56)
struct e820map {
    unsigned int nr_map;
    struct { uint64_t addr, size; uint32_t type; } map[8];
};
/* What is read by its pfn is at HN_MODULE_MFN and after. */
#define HN_MODULE_MFN 0x700ul
typedef struct { uint32_t mod_start, mod_end; const void *data; } module_t;
typedef struct { uint32_t mods_count; module_t *mods_addr; } multiboot_info_t;

extern struct e820map e820_raw;
extern const void *hn_module_data;
extern char hn_said[512];
int printk(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *bootstrap_map(const module_t *mod);
bool page_is_ram_type(unsigned long mfn, unsigned long type);
bool is_xen_fixed_mfn(mfn_t mfn);
#define __va(x) (x)
#define mfn_to_virt(mfn) ((void)(mfn), (char *)(uintptr_t)hn_module_data)

static inline void __clear_bit(unsigned int bit, unsigned long *map)
{
    map[bit / 64] &= ~(1ul << (bit % 64));
}

/* Page retirement; what becomes of a frame is its test's to say. */

#define DEFINE_SPINLOCK(name) spinlock_t name
#define spin_lock_irqsave(l, flags) ((void)((flags) = 0), hn_spin_lock(l))
#define spin_unlock_irqrestore(l, flags) ((void)(flags), hn_spin_unlock(l))
#define spin_lock_irq(l) hn_spin_lock(l)
#define spin_unlock_irq(l) hn_spin_unlock(l)
#define DECLARE_TASKLET(name, fn, arg) void (*const name)(void *) = fn
#define tasklet_schedule(t) ((void)(t), (void)hn.nr_tasklets++)
#define vzalloc(size) hn_xzalloc(size)
#define vfree(p) hn_xfree(p)
#define get_sec() ((uint64_t)hn.now / 1000000000)
#define SECONDS(n) ((s_time_t)(n) * 1000000000)
#define rcu_read_lock(l) ((void)hn.nr_rcu++)
#define rcu_read_unlock(l) ((void)hn.nr_rcu--)
#define rcu_lock_domain_by_id(id) \
    ((id) == HN_GUEST ? (hn.nr_rcu++, &hn.guest) : NULL)
#define xsm_vmm_retire(action, cmd) ((void)(action), hn.xsm_rc)
#define DOMID_FIRST_RESERVED 0x7ff0u
#define DOMID_XEN 0x7ff2u
#define DOMID_INVALID 0x7ff4u
#define PGC_xen_heap (1ul << 55)
#define PGC_state_offlined (2ul << 57)
#define PGC_state (3ul << 57)
#define page_state_is(pg, st) \
    (((pg)->count_info & PGC_state) == PGC_state_##st)
#define page_get_owner(pg) ((pg)->owner)
#define max_page HN_FRAMES
#define array_index_nospec(i, n) (i)
int offline_page(mfn_t mfn, int broken, uint32_t *status);
int online_page(mfn_t mfn, uint32_t *status);
int unbreak_page(mfn_t mfn);

#endif
