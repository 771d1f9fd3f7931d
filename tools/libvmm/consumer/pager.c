/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pager.c: pages of one domain out to a page file and back.
 *
 * The state of each page here is what the hypervisor last said of it; the
 * index of the page file is written before a page is evicted, and cleared
 * after it is resident again, so that a successor can always tell which of
 * both is right: the hypervisor.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/crc.h"
#include "base/hist.h"
#include "base/log.h"
#include "consumer/pager.h"
#include "consumer/policy.h"
#include "consumer/prefetch.h"
#include "io/engine.h"

#define BATCH_PAGES 32u             /* written together */
#define RUN_PAGES 8u                /* in one transfer: who waits for a page
                                     * waits for what the device has begun */
#define NR_BATCHES 8u
#define NR_SPARE_LOADS 128u         /* beside one for each vCPU */
#define NR_STREAMS 8u
#define NR_VCPU_STREAMS (NR_STREAMS - 1)
#define FOREIGN_STREAM NR_VCPU_STREAMS
#define UNIT_GFNS 512u              /* harvested together */
#define HARVEST_RUN_GFNS 8192u
#define RECONCILE_RUN_GFNS 2048u    /* asks for more of each */
#define IDLE_HARVESTS 8u            /* intervals, while there is room */
#define ALL_UNITS_GENERATIONS 16u   /* how often to look at empty units */
#define PREFETCH_MAX 32u
#define MIN_GENERATIONS 2u          /* before anything is called cold */
#define MAX_ROUNDS 64u              /* in one dispatch */
#define RETRY_NS 5000000u
#define STORE_RETRY_NS 1000000000u
#define NS_PER_MS 1000000ull

enum page_state {
    PAGE_NONE = 0,                  /* nothing there, or nothing of ours */
    PAGE_RESIDENT,
    PAGE_EVICTING,                  /* nominated */
    PAGE_PAGED,
    PAGE_LOADING,
    PAGE_LOST,                      /* paged, and cannot be read */
};
#define PAGE_STATE_MASK 0x07u
#define PAGE_PREFETCHED 0x08u       /* and not seen accessed since */
#define PAGE_STREAM_SHIFT 4         /* whose prefetch it was: bits 4 to 6 */
#define PAGE_WANTED 0x80u           /* asked for before we came */

/* One page on its way in. */
struct load {
    struct vmm__engine_io eio;
    struct vmm_pager *pager;
    struct vmm__list_node node;     /* free, ready, delayed or failed list */
    struct load *hash_next;
    uint64_t gfn;
    uint64_t since_ns;              /* when somebody began to wait */
    uint64_t retry_ns;              /* on the delayed list: when */
    enum vmm_reqclass reqclass;
    uint32_t crc32c;
    uint32_t nr_retries;
    bool io_pending;                /* submitted, not done */
    bool must_read;                 /* delayed before the read, not after */
    void *buf;
};

struct evict_page {
    uint64_t gfn;
    uint64_t slot;                  /* VMM__SLOT_NONE: same-filled */
    uint32_t crc32c;
    int rc;
};

/* Pages on their way out together. */
struct batch {
    struct vmm_pager *pager;
    struct vmm__list_node node;     /* free list */
    struct evict_page pages[BATCH_PAGES];
    unsigned int nr_pages;
    unsigned int nr_ios;            /* not done yet */
    bool failed;                    /* some of it could not be written */
    struct batch_io {
        struct vmm__engine_io eio;
        struct batch *batch;
        unsigned int first, nr;     /* pages */
    } ios[BATCH_PAGES];
    uint8_t *buf;                   /* BATCH_PAGES pages */
};

struct vmm_pager {
    struct vmm__hv hv;
    struct vmm__bdev bdev;
    struct vmm__clock clock;
    struct vmm__pagefile *pf;
    struct vmm_logger logger;
    struct vmm__engine *engine;
    struct vmm__policy *policy;
    struct vmm__prefetch *prefetch;
    void *owner;

    uint64_t nr_gfns;
    uint32_t domid;
    uint32_t io_error_retries;
    uint64_t harvest_ns;

    bool draining, gone, paused, reclaiming, no_harvest;
    bool harvesting, must_reconcile;
    bool reconciling;               /* this harvest asks about each page */
    bool busy;                      /* there is more to do at once */
    int lost_rc;                /* of the last page that could not be read */
    int store_rc;               /* of writes; 0 again when they succeed */
    uint64_t failed_gfn;

    uint8_t *pages;                 /* enum page_state and flags, per gfn */
    uint8_t *units;                 /* per UNIT_GFNS: anything there */
    uint8_t bitmap[HARVEST_RUN_GFNS / 8];
    uint8_t states[HARVEST_RUN_GFNS];
    uint64_t nr_resident;           /* RESIDENT and EVICTING */
    uint64_t nr_evicting, nr_loading, nr_paged, nr_lost;
    uint64_t nr_same;
    uint64_t target, floor;

    uint8_t *mem;                   /* all buffers */
    size_t mem_bytes;
    struct load *loads;
    unsigned int nr_loads, nr_loads_free, nr_vcpus;
    struct vmm__list_node loads_free, loads_ready, loads_delayed, loads_failed;
    struct load *hash[256];
    struct batch *batches;
    struct vmm__list_node batches_free;

    uint64_t harvest_due_ns, store_retry_ns;
    uint64_t harvest_wait_ns;       /* longer while nothing is to be evicted */
    uint64_t harvest_next;          /* gfn to go on with */
    uint64_t drain_next, wanted_next;   /* gfns to go on with */
    uint64_t nr_wanted;
    uint64_t drop_lost_seen;
    unsigned int generations;

    uint64_t nr_evicted, nr_evict_busy, nr_dropped, nr_io_retries;
    uint64_t nr_rescued;
    uint64_t nr_hits, nr_misses;
    struct vmm__hist latency[VMM_NR_REQCLASSES];
    uint64_t nr_requests[VMM_NR_REQCLASSES], nr_failed[VMM_NR_REQCLASSES];
    uint64_t nr_promoted;
};

void vmm_pager_opts_init(struct vmm_pager_opts *opts_out)
{
    memset(opts_out, 0, sizeof(*opts_out));
    opts_out->size = sizeof(*opts_out);
    opts_out->io_error_retries = 5;
    opts_out->harvest_ms = 1000;
}

const char *vmm_pager_state_name(enum vmm_pager_state state)
{
    static const char *const names[] = {
        [VMM_PAGER_ACTIVE] = "active",
        [VMM_PAGER_DRAINING] = "draining",
        [VMM_PAGER_DRAINED] = "drained",
        [VMM_PAGER_STORE_FULL] = "store-full",
        [VMM_PAGER_FAILED] = "failed",
    };

    return (unsigned int)state < sizeof(names) / sizeof(names[0])
           ? names[state] : "unknown";
}

/* Page states. */

static enum page_state page_state(const struct vmm_pager *pager, uint64_t gfn)
{
    return gfn < pager->nr_gfns ? pager->pages[gfn] & PAGE_STATE_MASK
                                : PAGE_NONE;
}

static void count_state(struct vmm_pager *pager, enum page_state state,
                        int by)
{
    switch (state) {
    case PAGE_RESIDENT:
        pager->nr_resident += by;
        break;
    case PAGE_EVICTING:
        pager->nr_resident += by;
        pager->nr_evicting += by;
        break;
    case PAGE_PAGED:
        pager->nr_paged += by;
        break;
    case PAGE_LOADING:
        pager->nr_paged += by;
        pager->nr_loading += by;
        break;
    case PAGE_LOST:
        pager->nr_paged += by;
        pager->nr_lost += by;
        break;
    case PAGE_NONE:
        break;
    }
}

static void set_state(struct vmm_pager *pager, uint64_t gfn,
                      enum page_state state)
{
    count_state(pager, page_state(pager, gfn), -1);
    pager->pages[gfn] = (pager->pages[gfn] & ~PAGE_STATE_MASK) | state;
    count_state(pager, state, 1);
}

/* A page of which nothing was known yet. */
static int page_found(struct vmm_pager *pager, uint64_t gfn,
                      enum page_state state)
{
    uint64_t unit = gfn / UNIT_GFNS;
    int rc;

    if (!pager->units[unit]) {
        rc = vmm__pagefile_reserve(pager->pf, unit * UNIT_GFNS, UNIT_GFNS);
        if (rc) {
            return rc;
        }
        pager->units[unit] = 1;
    }
    set_state(pager, gfn, state);
    if (state == PAGE_RESIDENT) {
        vmm__policy_resident(pager->policy, gfn);
    } else {
        vmm__policy_evicted(pager->policy, gfn);
    }
    return 0;
}

/* The prefetch of a page was of use, or it was not. */
static void judge_prefetch(struct vmm_pager *pager, uint64_t gfn, bool hit)
{
    unsigned int stream;

    if (!(pager->pages[gfn] & PAGE_PREFETCHED)) {
        return;
    }

    stream = pager->pages[gfn] >> PAGE_STREAM_SHIFT & (NR_STREAMS - 1);
    pager->pages[gfn] &= PAGE_STATE_MASK | PAGE_WANTED;
    if (hit) {
        vmm__prefetch_hit(pager->prefetch, stream);
        pager->nr_hits++;
    } else {
        vmm__prefetch_miss(pager->prefetch, stream);
        pager->nr_misses++;
    }
}

static void discard_slot(struct vmm_pager *pager, uint64_t slot)
{
    if (pager->bdev.ops->discard) {
        pager->bdev.ops->discard(pager->bdev.self, slot * VMM__PAGE_BYTES,
                                 VMM__PAGE_BYTES);
    }
}

static void clear_entry(struct vmm_pager *pager, uint64_t gfn)
{
    struct vmm__pagefile_entry entry;

    vmm__pagefile_get(pager->pf, gfn, &entry);
    if (entry.where == VMM__PAGEFILE_NONE) {
        return;
    }
    if (entry.where == VMM__PAGEFILE_SAME) {
        pager->nr_same--;
    } else {
        discard_slot(pager, entry.slot);
    }
    vmm__pagefile_clear(pager->pf, gfn);
}

static void page_gone(struct vmm_pager *pager, uint64_t gfn)
{
    judge_prefetch(pager, gfn, false);
    clear_entry(pager, gfn);
    vmm__policy_gone(pager->policy, gfn);
    set_state(pager, gfn, PAGE_NONE);
}

/* Loads: list and hash. */

static struct load *load_of(struct vmm__list_node *node)
{
    return vmm__container_of(node, struct load, node);
}

static struct load *load_find(struct vmm_pager *pager, uint64_t gfn)
{
    struct load *load = pager->hash[gfn % 256];

    while (load && load->gfn != gfn) {
        load = load->hash_next;
    }
    return load;
}

/*
 * Loads left for a class: those that vCPUs may need are not for others, and
 * prefetching leaves some to other domains.
 */
static bool load_available(const struct vmm_pager *pager,
                           enum vmm_reqclass reqclass)
{
    unsigned int reserved = reqclass == VMM_REQ_DEMAND ? 0 :
                            reqclass == VMM_REQ_FOREIGN ? pager->nr_vcpus :
                            pager->nr_vcpus + NR_SPARE_LOADS / 2;

    return pager->nr_loads_free > reserved;
}

static struct load *load_get(struct vmm_pager *pager, uint64_t gfn)
{
    struct load *load = load_of(pager->loads_free.next);

    vmm__list_del(&load->node);
    pager->nr_loads_free--;
    load->gfn = gfn;
    load->nr_retries = 0;
    load->hash_next = pager->hash[gfn % 256];
    pager->hash[gfn % 256] = load;
    return load;
}

static void load_put(struct vmm_pager *pager, struct load *load)
{
    struct load **link = &pager->hash[load->gfn % 256];

    while (*link != load) {
        link = &(*link)->hash_next;
    }
    *link = load->hash_next;
    vmm__list_add_tail(&pager->loads_free, &load->node);
    pager->nr_loads_free++;
}

/* A page that could not be read: nobody misses it any more. */
static void forget_lost(struct vmm_pager *pager, uint64_t gfn)
{
    struct load *load = load_find(pager, gfn);

    vmm__list_del(&load->node);
    load_put(pager, load);
}

/* Pauses count: a successor must know whether this one is ours. */
static void pause(struct vmm_pager *pager)
{
    int rc;

    if (pager->paused) {
        return;
    }
    pager->paused = true;
    vmm__pagefile_set_paused(pager->pf, true);
    rc = pager->hv.ops->pause_domain(pager->hv.self);
    if (rc) {
        vmm__log(&pager->logger, VMM_LOG_ERROR, "domid=%u: cannot pause: %s",
                 pager->domid, vmm_error_text(rc));
    }
}

static void unpause(struct vmm_pager *pager)
{
    pager->paused = false;
    (void)pager->hv.ops->unpause_domain(pager->hv.self);
    vmm__pagefile_set_paused(pager->pf, false);
}

/* The guest gave up all that could not be read: it can go on. */
static void unpause_if_whole(struct vmm_pager *pager)
{
    if (pager->paused && !pager->nr_lost) {
        unpause(pager);
    }
}

static void load_delay(struct vmm_pager *pager, struct load *load,
                       bool must_read, uint64_t delay_ns)
{
    load->must_read = must_read;
    load->retry_ns = vmm__now_ns(&pager->clock) + delay_ns;
    vmm__list_add_tail(&pager->loads_delayed, &load->node);
}

/* The page cannot be had.  Whoever waits for it waits; nobody gets zeros. */
static void load_failed(struct vmm_pager *pager, struct load *load, int rc)
{
    if (load->reqclass >= VMM_REQ_PREFETCH && !pager->draining) {
        /* Nobody asked; whoever does will see for himself. */
        set_state(pager, load->gfn, PAGE_PAGED);
        judge_prefetch(pager, load->gfn, false);
        load_put(pager, load);
        return;
    }

    pager->nr_failed[load->reqclass]++;
    set_state(pager, load->gfn, PAGE_LOST);
    vmm__list_add_tail(&pager->loads_failed, &load->node);
    pager->lost_rc = rc;
    pager->failed_gfn = load->gfn;

    vmm__log(&pager->logger, VMM_LOG_ERROR,
             "domid=%u gfn=%#llx: page cannot be read back (%s); repair the "
             "store, then retry; the domain is paused if it needs the page",
             pager->domid, (unsigned long long)load->gfn,
             vmm_error_text(rc));
    if (load->reqclass <= VMM_REQ_FOREIGN) {
        pause(pager);
    }
}

static void load_submit(struct vmm_pager *pager, struct load *load)
{
    load->io_pending = true;
    load->eio.bio.reqclass = load->reqclass;
    vmm__engine_submit(pager->engine, &load->eio);
}

static void load_done(struct vmm__engine_io *eio, int rc)
{
    struct load *load = vmm__container_of(eio, struct load, eio);
    struct vmm_pager *pager = load->pager;

    load->io_pending = false;
    if (!rc && vmm__crc32c(load->buf, VMM__PAGE_BYTES) != load->crc32c) {
        rc = VMM_E_CHECKSUM;
    }
    if (!rc) {
        vmm__list_add_tail(&pager->loads_ready, &load->node);
        return;
    }

    if (load->nr_retries >= pager->io_error_retries) {
        load_failed(pager, load, rc);
        return;
    }

    if (!load->nr_retries) {
        vmm__log(&pager->logger, VMM_LOG_WARN,
                 "domid=%u gfn=%#llx: read failed (%s), trying again",
                 pager->domid, (unsigned long long)load->gfn,
                 vmm_error_text(rc));
    }
    pager->nr_io_retries++;
    load_delay(pager, load, true, RETRY_NS << load->nr_retries);
    load->nr_retries++;
}

static void fill_same(void *page, uint64_t value)
{
    uint64_t *words = page;
    unsigned int i;

    for (i = 0; i < VMM__PAGE_BYTES / sizeof(value); i++) {
        words[i] = value;
    }
}

/* Get the contents from wherever they are. */
static void load_read(struct vmm_pager *pager, struct load *load)
{
    struct vmm__pagefile_entry entry;

    vmm__pagefile_get(pager->pf, load->gfn, &entry);
    switch (entry.where) {
    case VMM__PAGEFILE_SAME:
        fill_same(load->buf, entry.value);
        vmm__list_add_tail(&pager->loads_ready, &load->node);
        break;
    case VMM__PAGEFILE_SLOT:
        load->crc32c = entry.crc32c;
        load->eio.bio.offset_bytes = entry.slot * VMM__PAGE_BYTES;
        load_submit(pager, load);
        break;
    case VMM__PAGEFILE_NONE:
        load_failed(pager, load, VMM_E_CHECKSUM);
        break;
    }
}

/* Bring in a PAGED page; load_available() was asked. */
static void load_start(struct vmm_pager *pager, uint64_t gfn,
                       enum vmm_reqclass reqclass, uint64_t since_ns)
{
    struct load *load = load_get(pager, gfn);

    set_state(pager, gfn, PAGE_LOADING);
    load->reqclass = reqclass;
    load->since_ns = since_ns;
    pager->nr_requests[reqclass]++;
    load_read(pager, load);
}

/* Somebody waits for a page that is on its way in. */
static void load_promote(struct vmm_pager *pager, uint64_t gfn,
                         enum vmm_reqclass reqclass, uint64_t since_ns)
{
    struct load *load = load_find(pager, gfn);

    if (!load || load->reqclass <= reqclass) {
        return;
    }
    if (load->reqclass == VMM_REQ_PREFETCH) {
        judge_prefetch(pager, gfn, true);
    }
    load->reqclass = reqclass;
    load->since_ns = since_ns;
    pager->nr_requests[reqclass]++;
    pager->nr_promoted++;
    if (load->io_pending) {
        vmm__engine_promote(pager->engine, &load->eio, reqclass);
    }
}

/* Hand what was read to the hypervisor, and forget where it was. */
static int finish_loads(struct vmm_pager *pager, struct load **loads,
                        unsigned int nr, bool cold)
{
    struct vmm__hv_page pages[BATCH_PAGES];
    uint64_t now_ns;
    unsigned int i;
    int rc;

    for (i = 0; i < nr; i++) {
        pages[i].gfn = loads[i]->gfn;
        pages[i].buf = loads[i]->buf;
    }

    rc = pager->hv.ops->prepare(pager->hv.self, pages, nr, cold);
    now_ns = vmm__now_ns(&pager->clock);

    for (i = 0; i < nr; i++) {
        struct load *load = loads[i];

        switch (rc ? rc : pages[i].rc) {
        case 0:
            vmm__hist_add(&pager->latency[load->reqclass],
                          now_ns - load->since_ns);
            /* fallthrough */
        case VMM_E_EXISTS:
            clear_entry(pager, load->gfn);
            set_state(pager, load->gfn, PAGE_RESIDENT);
            if (cold) {
                vmm__policy_prefetched(pager->policy, load->gfn);
            } else {
                vmm__policy_faulted(pager->policy, load->gfn);
            }
            load_put(pager, load);
            break;
        case VMM_E_NOENT:
            page_gone(pager, load->gfn);
            load_put(pager, load);
            break;
        case VMM_E_NOMEM:
        case VMM_E_FAULT:
        case VMM_E_AGAIN:
            /* Eviction, or another domain's end, will free a frame. */
            load_delay(pager, load, false, RETRY_NS);
            break;
        default:
            load_failed(pager, load, rc ? rc : pages[i].rc);
            break;
        }
    }

    return rc;
}

/* Urgent ones first, and never behind a copy of others. */
static int flush_ready(struct vmm_pager *pager)
{
    struct load *urgent[BATCH_PAGES], *cold[BATCH_PAGES];
    unsigned int nr_urgent, nr_cold;
    struct vmm__list_node *node, *next;
    int rc = 0, r;

    while (!vmm__list_empty(&pager->loads_ready)) {
        nr_urgent = nr_cold = 0;
        for (node = pager->loads_ready.next;
             node != &pager->loads_ready && nr_urgent < BATCH_PAGES;
             node = next) {
            struct load *load = load_of(node);

            next = node->next;
            if (load->reqclass <= VMM_REQ_FOREIGN) {
                vmm__list_del(node);
                urgent[nr_urgent++] = load;
            } else if (nr_cold < BATCH_PAGES) {
                cold[nr_cold++] = load;
            }
        }
        if (nr_urgent) {
            r = finish_loads(pager, urgent, nr_urgent, false);
        } else {
            unsigned int i;

            for (i = 0; i < nr_cold; i++) {
                vmm__list_del(&cold[i]->node);
            }
            r = finish_loads(pager, cold, nr_cold, true);
        }
        if (r) {
            rc = r;
        }
    }

    return rc;
}

static void run_delayed(struct vmm_pager *pager)
{
    uint64_t now_ns = vmm__now_ns(&pager->clock);
    struct vmm__list_node *node, *next;

    for (node = pager->loads_delayed.next; node != &pager->loads_delayed;
         node = next) {
        struct load *load = load_of(node);

        next = node->next;
        if (load->retry_ns > now_ns) {
            continue;
        }
        vmm__list_del(node);
        if (load->must_read) {
            load_submit(pager, load);
        } else {
            vmm__list_add_tail(&pager->loads_ready, node);
        }
    }
}

/* Requests from the hypervisor. */

static void prefetch_after(struct vmm_pager *pager, unsigned int stream,
                           uint64_t gfn, uint64_t now_ns)
{
    uint64_t gfns[PREFETCH_MAX], near;
    unsigned int nr, i;

    if (!pager->prefetch || pager->draining || gfn >= pager->nr_gfns) {
        return;
    }

    /* A fault next to what was prefetched tells that this was used. */
    for (near = gfn; near-- > 0 && (pager->pages[near] & PAGE_PREFETCHED);) {
        judge_prefetch(pager, near, true);
    }
    for (near = gfn + 1;
         near < pager->nr_gfns && (pager->pages[near] & PAGE_PREFETCHED);
         near++) {
        judge_prefetch(pager, near, true);
    }

    nr = vmm__prefetch_fault(pager->prefetch, stream, gfn, pager->nr_gfns,
                             PREFETCH_MAX, gfns);
    for (i = 0; i < nr; i++) {
        if (page_state(pager, gfns[i]) != PAGE_PAGED) {
            continue;
        }
        if (!load_available(pager, VMM_REQ_PREFETCH) ||
            pager->nr_resident + pager->nr_loading >= pager->target) {
            break;
        }
        load_start(pager, gfns[i], VMM_REQ_PREFETCH, now_ns);
        pager->pages[gfns[i]] |= PAGE_PREFETCHED |
                                 stream << PAGE_STREAM_SHIFT;
    }
}

static void page_wanted(struct vmm_pager *pager, uint64_t gfn,
                        enum vmm_reqclass reqclass, uint64_t since_ns)
{
    struct vmm__hv_page page = { .gfn = gfn };
    struct load *load;

    switch (page_state(pager, gfn)) {
    case PAGE_PAGED:
        load_start(pager, gfn, reqclass, since_ns);
        break;
    case PAGE_LOADING:
        load_promote(pager, gfn, reqclass, since_ns);
        break;
    case PAGE_LOST:
        /* One that was lost in a drain is missed only now. */
        load = load_find(pager, gfn);
        if (load->reqclass > reqclass) {
            load->reqclass = reqclass;
        }
        pause(pager);
        break;
    case PAGE_RESIDENT:
    case PAGE_EVICTING:
    case PAGE_NONE:
        /* An old request, served since; whoever waits is woken. */
        (void)pager->hv.ops->resume(pager->hv.self, &page, 1);
        break;
    }
}

/*
 * The guest gave a page up, once.  It may have put another one there since,
 * which may be paged out again by now: the hypervisor knows.
 */
static void page_dropped(struct vmm_pager *pager, uint64_t gfn)
{
    enum page_state state = page_state(pager, gfn);
    uint8_t now;

    if (state != PAGE_PAGED && state != PAGE_LOST) {
        /* On its way in: prepare will say that it is gone. */
        return;
    }
    if (pager->hv.ops->query(pager->hv.self, gfn, 1, &now) ||
        now == VMM__HV_PAGED || now == VMM__HV_PAGING_IN) {
        return;
    }
    if (state == PAGE_LOST) {
        forget_lost(pager, gfn);
    }
    pager->nr_dropped++;
    page_gone(pager, gfn);
    if (now == VMM__HV_RESIDENT) {
        (void)page_found(pager, gfn, PAGE_RESIDENT);
    }
    unpause_if_whole(pager);
}

static void take_requests(struct vmm_pager *pager)
{
    const struct vmm__hv_ops *hv = pager->hv.ops;
    struct vmm__hv_request req;
    uint64_t now_ns = vmm__now_ns(&pager->clock);

    while (hv->next_request(pager->hv.self, VMM__HV_DROP, &req)) {
        page_dropped(pager, req.gfn);
    }

    while (load_available(pager, VMM_REQ_DEMAND) &&
           hv->next_request(pager->hv.self, VMM__HV_DEMAND, &req)) {
        page_wanted(pager, req.gfn, VMM_REQ_DEMAND,
                    now_ns > req.age_ns ? now_ns - req.age_ns : now_ns);
        prefetch_after(pager, req.vcpu % NR_VCPU_STREAMS, req.gfn, now_ns);
    }

    while (load_available(pager, VMM_REQ_FOREIGN) &&
           hv->next_request(pager->hv.self, VMM__HV_FOREIGN, &req)) {
        page_wanted(pager, req.gfn, VMM_REQ_FOREIGN,
                    now_ns > req.age_ns ? now_ns - req.age_ns : now_ns);
        prefetch_after(pager, FOREIGN_STREAM, req.gfn, now_ns);
    }
}

/* Eviction. */

static void store_failed(struct vmm_pager *pager, int rc)
{
    if (pager->store_rc != rc) {
        vmm__log(&pager->logger, VMM_LOG_WARN, rc == VMM_E_NOSPC
                 ? "domid=%u: store is full (%s), nothing more is paged out; "
                   "make room or raise the target"
                 : "domid=%u: write to the store failed (%s); pages stay",
                 pager->domid, vmm_error_text(rc));
    }
    pager->store_rc = rc;
    pager->store_retry_ns = vmm__now_ns(&pager->clock) + STORE_RETRY_NS;
}

/* Pages that were nominated and could not be written go back. */
static void give_back(struct vmm_pager *pager, struct evict_page *pages,
                      unsigned int nr)
{
    struct vmm__hv_page hv_pages[BATCH_PAGES];
    unsigned int i;

    if (!nr) {
        return;
    }
    for (i = 0; i < nr; i++) {
        hv_pages[i].gfn = pages[i].gfn;
        hv_pages[i].buf = NULL;
    }
    (void)pager->hv.ops->resume(pager->hv.self, hv_pages, nr);
    for (i = 0; i < nr; i++) {
        set_state(pager, pages[i].gfn, PAGE_RESIDENT);
        vmm__policy_busy(pager->policy, pages[i].gfn);
    }
}

/*
 * The call failed as a whole: what became of the page?  It is out unless the
 * hypervisor says otherwise, since its contents are safe: one that is there
 * all the same is found to be when it is brought in.
 */
static int evict_outcome(struct vmm_pager *pager, uint64_t gfn)
{
    struct vmm__hv_page page = { .gfn = gfn };
    uint8_t now;

    if (pager->hv.ops->query(pager->hv.self, gfn, 1, &now)) {
        return 0;
    }
    switch (now) {
    case VMM__HV_PAGED:
    case VMM__HV_PAGING_IN:
        return 0;
    case VMM__HV_NOMINATED:
        return pager->hv.ops->resume(pager->hv.self, &page, 1)
               ? 0 : VMM_E_BUSY;
    case VMM__HV_RESIDENT:
        return VMM_E_BUSY;
    default:
        return VMM_E_NOENT;
    }
}

/* The contents of all that did not fail are safe: let go of the frames. */
static void evict_pages(struct vmm_pager *pager, struct evict_page *pages,
                        unsigned int nr_pages)
{
    struct vmm__hv_page hv_pages[BATCH_PAGES];
    struct evict_page bad[BATCH_PAGES];
    unsigned int i, nr = 0, nr_bad = 0;
    int rc = 0;

    for (i = 0; i < nr_pages; i++) {
        if (pages[i].rc) {
            bad[nr_bad++] = pages[i];
            continue;
        }
        hv_pages[nr].gfn = pages[i].gfn;
        hv_pages[nr++].buf = NULL;
    }
    give_back(pager, bad, nr_bad);

    if (nr) {
        rc = pager->hv.ops->evict(pager->hv.self, hv_pages, nr);
    }
    for (i = 0; i < nr; i++) {
        uint64_t gfn = hv_pages[i].gfn;

        switch (rc ? evict_outcome(pager, gfn) : hv_pages[i].rc) {
        case 0:
            judge_prefetch(pager, gfn, false);
            set_state(pager, gfn, PAGE_PAGED);
            vmm__policy_evicted(pager->policy, gfn);
            pager->nr_evicted++;
            break;
        case VMM_E_NOENT:
            page_gone(pager, gfn);
            break;
        default:
            /* Touched just in time: it was not cold. */
            clear_entry(pager, gfn);
            set_state(pager, gfn, PAGE_RESIDENT);
            vmm__policy_faulted(pager->policy, gfn);
            pager->nr_evict_busy++;
            break;
        }
    }
}

static void batch_finish(struct vmm_pager *pager, struct batch *batch)
{
    /* One that began before another one failed proves nothing. */
    if (batch->nr_pages && !batch->failed &&
        vmm__now_ns(&pager->clock) >= pager->store_retry_ns) {
        pager->store_rc = 0;
    }
    evict_pages(pager, batch->pages, batch->nr_pages);
    vmm__list_add_tail(&pager->batches_free, &batch->node);
}

static void put_entry(struct vmm_pager *pager, const struct evict_page *page,
                      uint64_t value)
{
    struct vmm__pagefile_entry entry = {
        .where = page->slot == VMM__SLOT_NONE ? VMM__PAGEFILE_SAME
                                              : VMM__PAGEFILE_SLOT,
        .slot = page->slot,
        .crc32c = page->crc32c,
        .value = value,
    };

    if (entry.where == VMM__PAGEFILE_SAME) {
        pager->nr_same++;
    }
    vmm__pagefile_set(pager->pf, page->gfn, &entry);
}

static void write_done(struct vmm__engine_io *eio, int rc)
{
    struct batch_io *io = vmm__container_of(eio, struct batch_io, eio);
    struct batch *batch = io->batch;
    struct vmm_pager *pager = batch->pager;
    unsigned int i;

    if (rc) {
        batch->failed = true;
        store_failed(pager, rc);
    }

    for (i = io->first; i < io->first + io->nr; i++) {
        struct evict_page *page = &batch->pages[i];

        page->rc = rc;
        if (rc) {
            discard_slot(pager, page->slot);
            vmm__pagefile_free_slot(pager->pf, page->slot);
        } else {
            put_entry(pager, page, 0);
        }
    }

    if (!--batch->nr_ios) {
        batch_finish(pager, batch);
    }
}

/* Write the pages of a batch in few transfers, none of them long. */
static void batch_write(struct vmm_pager *pager, struct batch *batch)
{
    unsigned int i, first = 0, nr_ios = 0;

    while (first < batch->nr_pages) {
        uint64_t slot = 0;
        uint32_t nr = batch->nr_pages - first;
        struct batch_io *io;

        nr = vmm__pagefile_alloc(pager->pf, nr < RUN_PAGES ? nr : RUN_PAGES,
                                 &slot);

        if (!nr) {
            give_back(pager, &batch->pages[first], batch->nr_pages - first);
            batch->nr_pages = first;
            batch->failed = true;
            store_failed(pager, VMM_E_NOSPC);
            break;
        }

        for (i = 0; i < nr; i++) {
            batch->pages[first + i].slot = slot + i;
        }
        io = &batch->ios[nr_ios++];
        io->first = first;
        io->nr = nr;
        io->eio.bio.write = true;
        io->eio.bio.reqclass = VMM_REQ_EVICT;
        io->eio.bio.offset_bytes = slot * VMM__PAGE_BYTES;
        io->eio.bio.len_bytes = nr * VMM__PAGE_BYTES;
        io->eio.bio.buf = batch->buf + first * VMM__PAGE_BYTES;
        io->eio.done = write_done;
        first += nr;
    }

    batch->nr_ios = nr_ios;
    if (!nr_ios) {
        batch_finish(pager, batch);
        return;
    }
    for (i = 0; i < nr_ios; i++) {
        vmm__engine_submit(pager->engine, &batch->ios[i].eio);
    }
}

/* Nominate up to nr pages and start to write them; returns how many. */
static unsigned int evict_some(struct vmm_pager *pager, const uint64_t *gfns,
                               unsigned int nr, int *rc_out)
{
    struct batch *batch = vmm__container_of(pager->batches_free.next,
                                            struct batch, node);
    struct vmm__hv_page hv_pages[BATCH_PAGES];
    struct evict_page same[BATCH_PAGES];
    uint64_t values[BATCH_PAGES];
    unsigned int i, nr_same = 0, nr_write = 0;
    int rc;

    for (i = 0; i < nr; i++) {
        hv_pages[i].gfn = gfns[i];
        hv_pages[i].buf = batch->buf + i * VMM__PAGE_BYTES;
    }

    rc = pager->hv.ops->nominate(pager->hv.self, hv_pages, nr);
    if (rc) {
        /* Some may have been: they are the guest's again. */
        (void)pager->hv.ops->resume(pager->hv.self, hv_pages, nr);
        for (i = 0; i < nr; i++) {
            vmm__policy_resident(pager->policy, gfns[i]);
        }
        *rc_out = rc;
        return 0;
    }

    vmm__list_del(&batch->node);
    for (i = 0; i < nr; i++) {
        struct evict_page page = {
            .gfn = gfns[i], .slot = VMM__SLOT_NONE,
        };
        uint64_t value;
        void *buf = batch->buf + nr_write * VMM__PAGE_BYTES;

        if (hv_pages[i].rc) {
            if (hv_pages[i].rc == VMM_E_INVAL) {
                page_gone(pager, gfns[i]);
            } else {
                vmm__policy_busy(pager->policy, gfns[i]);
            }
            continue;
        }

        set_state(pager, gfns[i], PAGE_EVICTING);
        if (vmm__page_is_same(hv_pages[i].buf, &value)) {
            same[nr_same] = page;
            values[nr_same++] = value;
            continue;
        }

        /* What is written together lies together. */
        if (buf != hv_pages[i].buf) {
            memcpy(buf, hv_pages[i].buf, VMM__PAGE_BYTES);
        }
        page.crc32c = vmm__crc32c(buf, VMM__PAGE_BYTES);
        batch->pages[nr_write++] = page;
    }

    /* Same-filled pages need no I/O. */
    for (i = 0; i < nr_same; i++) {
        put_entry(pager, &same[i], values[i]);
    }
    evict_pages(pager, same, nr_same);

    batch->nr_pages = nr_write;
    batch->failed = false;
    batch_write(pager, batch);

    return nr_write + nr_same;
}

/*
 * Pages to be kept free below the target, so that a page-in does not wait for
 * an eviction: eviction starts below one slack and goes on to two.
 */
static uint64_t slack_pages(const struct vmm_pager *pager)
{
    uint64_t slack = pager->target / 64;

    return slack < BATCH_PAGES ? BATCH_PAGES : slack > 2048 ? 2048 : slack;
}

static void harvest_soon(struct vmm_pager *pager)
{
    uint64_t due_ns = vmm__now_ns(&pager->clock) + pager->harvest_ns;

    pager->harvest_wait_ns = pager->harvest_ns;
    if (pager->harvest_due_ns > due_ns) {
        pager->harvest_due_ns = due_ns;
    }
}

/* How many of so many pages the store can take now. */
static uint64_t room(struct vmm_pager *pager, uint64_t want)
{
    uint64_t nr = want;
    int rc = pager->bdev.ops->room
             ? pager->bdev.ops->room(pager->bdev.self, &nr) : 0;

    if (rc && rc != VMM_E_AGAIN) {
        store_failed(pager, rc);
    }
    return rc ? 0 : nr < want ? nr : want;
}

/* At most one batch, so that no request waits for more; true if it did. */
static bool evict_step(struct vmm_pager *pager)
{
    uint64_t slack = slack_pages(pager), used, gfns[BATCH_PAGES], want;
    unsigned int nr, pressure = 0;
    int rc = 0;

    used = pager->nr_resident - pager->nr_evicting + pager->nr_loading;

    if (used + slack > pager->target) {
        if (!pager->reclaiming) {
            harvest_soon(pager);
        }
        pager->reclaiming = true;
    } else if (used + 2 * slack <= pager->target) {
        pager->reclaiming = false;
        pager->store_rc = 0;    /* nothing more is to be written */
    }

    if (!pager->reclaiming || pager->nr_lost ||
        pager->generations < MIN_GENERATIONS ||
        vmm__list_empty(&pager->batches_free) ||
        vmm__now_ns(&pager->clock) < pager->store_retry_ns) {
        return false;
    }

    want = used + 2 * slack - pager->target;
    if (want > BATCH_PAGES) {
        want = BATCH_PAGES;
    }
    want = room(pager, want);
    if (!want) {
        return false;
    }
    do {
        nr = vmm__policy_pick(pager->policy, pressure, want, gfns);
    } while (!nr && used > pager->target && ++pressure <= 2);
    if (!nr) {
        return false;
    }

    nr = evict_some(pager, gfns, nr, &rc);
    if (rc == VMM_E_NOENT) {
        pager->gone = true;
    } else if (rc) {
        vmm__log(&pager->logger, VMM_LOG_WARN, "domid=%u: cannot page out "
                 "(%s), trying again", pager->domid, vmm_error_text(rc));
        pager->store_retry_ns = vmm__now_ns(&pager->clock) + STORE_RETRY_NS;
    }

    return nr > 0;
}

/* Accessed bits. */

static void harvested(struct vmm_pager *pager, uint64_t first, uint32_t nr)
{
    uint32_t i;

    for (i = 0; i < nr; i++) {
        uint64_t gfn = first + i;

        if (!(i % 8) && !pager->bitmap[i / 8]) {
            i += 7;
            continue;
        }
        if (!(pager->bitmap[i / 8] & 1u << i % 8)) {
            continue;
        }
        judge_prefetch(pager, gfn, true);
        if (page_state(pager, gfn) == PAGE_NONE) {
            /* The guest got itself a new page; without room it stays. */
            (void)page_found(pager, gfn, PAGE_RESIDENT);
        }
    }
    vmm__policy_harvested(pager->policy, first, nr, pager->bitmap);
}

/* Believe the hypervisor about a run of at most HARVEST_RUN_GFNS pages. */
static int reconcile_run(struct vmm_pager *pager, uint64_t first, uint32_t nr)
{
    struct vmm__hv_page page = { 0 };
    uint64_t gfn;
    uint32_t i;
    int rc;

    rc = pager->hv.ops->query(pager->hv.self, first, nr, pager->states);
    if (rc) {
        return rc;
    }

    for (i = 0; i < nr; i++) {
        enum page_state was;

        gfn = first + i;
        was = page_state(pager, gfn);
        if (was == PAGE_LOADING || was == PAGE_EVICTING) {
            continue;
        }
        if (was == PAGE_LOST && pager->states[i] != VMM__HV_PAGED &&
            pager->states[i] != VMM__HV_PAGING_IN) {
            forget_lost(pager, gfn);
        }

        switch (pager->states[i]) {
        case VMM__HV_NOMINATED:
            page.gfn = gfn;
            rc = pager->hv.ops->resume(pager->hv.self, &page, 1);
            if (rc) {
                return rc;
            }
            /* fallthrough */
        case VMM__HV_RESIDENT:
            clear_entry(pager, gfn);
            if (was != PAGE_RESIDENT) {
                rc = page_found(pager, gfn, PAGE_RESIDENT);
                if (rc) {
                    return rc;
                }
            }
            break;
        case VMM__HV_PAGING_IN:
        case VMM__HV_PAGED:
            if (was != PAGE_PAGED && was != PAGE_LOST) {
                rc = page_found(pager, gfn, PAGE_PAGED);
                if (rc) {
                    return rc;
                }
            }
            if (pager->states[i] == VMM__HV_PAGING_IN &&
                was != PAGE_LOST &&
                !(pager->pages[gfn] & PAGE_WANTED)) {
                pager->pages[gfn] |= PAGE_WANTED;
                pager->nr_wanted++;
                if (gfn < pager->wanted_next) {
                    pager->wanted_next = gfn;
                }
            }
            break;
        default:
            if (was != PAGE_NONE) {
                page_gone(pager, gfn);
            } else {
                clear_entry(pager, gfn);
            }
            break;
        }
    }
    unpause_if_whole(pager);

    return 0;
}

/* About every page: after a predecessor's death. */
static int reconcile(struct vmm_pager *pager)
{
    uint64_t first;
    uint32_t nr;
    int rc = 0;

    for (first = 0; !rc && first < pager->nr_gfns; first += nr) {
        nr = sizeof(pager->states);
        if (nr > pager->nr_gfns - first) {
            nr = pager->nr_gfns - first;
        }
        rc = reconcile_run(pager, first, nr);
    }

    return rc;
}

/* The first gfn from a unit's on that is to be harvested. */
static uint64_t next_unit(const struct vmm_pager *pager, uint64_t gfn,
                          bool all)
{
    while (gfn < pager->nr_gfns && !(all || pager->units[gfn / UNIT_GFNS])) {
        gfn += UNIT_GFNS;
    }
    return gfn;
}

/*
 * One run of gfns, so that no request waits for more; all of them make a
 * generation.  Where nothing is known to be, look every now and then, and ask
 * the hypervisor: what the guest gave up while it was resident, nobody tells.
 */
static int harvest_step(struct vmm_pager *pager)
{
    uint64_t first = pager->harvest_next, end, run_gfns;
    uint32_t nr;
    bool all;
    int rc;

    if (!first) {
        pager->reconciling = pager->must_reconcile ||
            pager->generations % ALL_UNITS_GENERATIONS == 0;
        pager->must_reconcile = false;
    }
    all = pager->reconciling;
    run_gfns = all ? RECONCILE_RUN_GFNS : HARVEST_RUN_GFNS;

    first = next_unit(pager, first, all);
    for (end = first; end < pager->nr_gfns && end - first < run_gfns &&
                      (all || pager->units[end / UNIT_GFNS]);) {
        end += UNIT_GFNS;
    }
    pager->harvest_next = next_unit(pager, end, all);

    if (first < pager->nr_gfns) {
        nr = (end < pager->nr_gfns ? end : pager->nr_gfns) - first;
        if (all) {
            rc = reconcile_run(pager, first, nr);
            if (rc) {
                return rc;
            }
        }
        rc = pager->no_harvest ? VMM_E_NOTSUP :
             pager->hv.ops->harvest(pager->hv.self, first, nr,
                                    pager->harvest_next < pager->nr_gfns,
                                    pager->bitmap);
        if (rc == VMM_E_NOTSUP) {
            if (!pager->no_harvest) {
                vmm__log(&pager->logger, VMM_LOG_WARN,
                         "domid=%u: no accessed bits here; pages are paged "
                         "out in turn", pager->domid);
            }
            /* Pages age all the same: first in, first out. */
            pager->no_harvest = true;
            memset(pager->bitmap, 0, sizeof(pager->bitmap));
            rc = 0;
        }
        if (rc) {
            return rc;
        }
        harvested(pager, first, nr);
    }

    if (pager->harvest_next >= pager->nr_gfns) {
        pager->harvest_next = 0;
        pager->harvesting = false;
        vmm__policy_next_generation(pager->policy);
        pager->generations++;
    }

    return 0;
}

/* Pages that somebody asked a predecessor for. */
static void serve_wanted(struct vmm_pager *pager)
{
    uint64_t now_ns = vmm__now_ns(&pager->clock), gfn;

    for (; pager->nr_wanted && pager->wanted_next < pager->nr_gfns;
         pager->wanted_next++) {
        gfn = pager->wanted_next;
        if (!(pager->pages[gfn] & PAGE_WANTED)) {
            continue;
        }
        if (!load_available(pager, VMM_REQ_FOREIGN)) {
            return;
        }
        pager->pages[gfn] &= ~PAGE_WANTED;
        pager->nr_wanted--;
        if (page_state(pager, gfn) == PAGE_PAGED) {
            load_start(pager, gfn, VMM_REQ_FOREIGN, now_ns);
        }
    }
}

static void drain_step(struct vmm_pager *pager)
{
    uint64_t now_ns = vmm__now_ns(&pager->clock);

    if (pager->nr_paged == pager->nr_loading + pager->nr_lost) {
        return;
    }
    while (load_available(pager, VMM_REQ_PREFETCH)) {
        uint64_t end = pager->drain_next ? pager->drain_next : pager->nr_gfns;

        do {
            if (++pager->drain_next >= pager->nr_gfns) {
                pager->drain_next = 0;
            }
        } while (page_state(pager, pager->drain_next) != PAGE_PAGED &&
                 pager->drain_next != end % pager->nr_gfns);
        if (page_state(pager, pager->drain_next) != PAGE_PAGED) {
            return;
        }
        load_start(pager, pager->drain_next, VMM_REQ_PREFETCH, now_ns);
    }
}

/* Timed work; returns VMM_E_NOENT when the domain is gone. */
static int housekeeping(struct vmm_pager *pager)
{
    uint64_t now_ns = vmm__now_ns(&pager->clock);
    struct vmm__hv_stat stat;
    int rc;

    if (now_ns < pager->harvest_due_ns) {
        return 0;
    }
    /*
     * Know soon what is cold while there is too much.  Nobody asks while there
     * is room, and each harvest costs the guest its TLB.
     */
    if (pager->reclaiming || pager->generations < MIN_GENERATIONS) {
        pager->harvest_wait_ns = pager->harvest_ns;
    } else if (pager->harvest_wait_ns < IDLE_HARVESTS * pager->harvest_ns) {
        pager->harvest_wait_ns *= 2;
    }
    pager->harvest_due_ns = now_ns +
        (pager->nr_resident > pager->target ? pager->harvest_ns / 4
                                            : pager->harvest_wait_ns);

    rc = pager->hv.ops->stat(pager->hv.self, &stat);
    if (rc) {
        return rc;
    }
    pager->nr_rescued = stat.nr_rescued;
    /* Without accessed bits new pages are found in no other way. */
    if (pager->no_harvest || stat.nr_drop_lost != pager->drop_lost_seen) {
        pager->drop_lost_seen = stat.nr_drop_lost;
        pager->must_reconcile = true;
    }

    pager->harvesting = true;

    return 0;
}

uint64_t vmm__pager_due_ns(const struct vmm_pager *pager)
{
    uint64_t due_ns = pager->harvest_due_ns, t;
    const struct vmm__list_node *node;

    if (pager->busy || vmm__engine_must_poll(pager->engine)) {
        return 0;
    }
    for (node = pager->loads_delayed.next; node != &pager->loads_delayed;
         node = node->next) {
        t = vmm__container_of(node, const struct load, node)->retry_ns;
        due_ns = t < due_ns ? t : due_ns;
    }
    t = vmm__engine_due_ns(pager->engine);
    due_ns = t < due_ns ? t : due_ns;
    if (pager->reclaiming && pager->store_retry_ns < due_ns &&
        pager->store_retry_ns > vmm__now_ns(&pager->clock)) {
        due_ns = pager->store_retry_ns;
    }

    return due_ns;
}

int vmm_pager_dispatch(struct vmm_pager *pager)
{
    unsigned int round, nr_done;
    bool evicted;
    int rc;

    if (pager->gone) {
        return VMM_E_NOENT;
    }

    pager->hv.ops->ack(pager->hv.self);
    rc = housekeeping(pager);
    run_delayed(pager);

    /* Requests are looked at again after every piece of other work. */
    for (round = 0; !rc && round < MAX_ROUNDS; round++) {
        take_requests(pager);
        serve_wanted(pager);
        nr_done = vmm__engine_dispatch(pager->engine);
        rc = flush_ready(pager);
        if (rc) {
            break;
        }
        if (pager->draining) {
            drain_step(pager);
            evicted = false;
        } else {
            evicted = evict_step(pager);
            if (pager->harvesting) {
                rc = harvest_step(pager);
            }
        }
        if (!nr_done && !evicted && (pager->draining || !pager->harvesting) &&
            vmm__list_empty(&pager->loads_ready)) {
            break;
        }
    }
    (void)vmm__engine_dispatch(pager->engine);
    pager->busy = round == MAX_ROUNDS ||
                  !vmm__list_empty(&pager->loads_ready);

    if (rc == VMM_E_NOENT) {
        pager->gone = true;
    } else if (rc) {
        vmm__log(&pager->logger, VMM_LOG_ERROR, "domid=%u: %s", pager->domid,
                 vmm_error_text(rc));
    }
    if (pager->clock.ops->arm) {
        pager->clock.ops->arm(pager->clock.self, vmm__pager_due_ns(pager));
    }

    return pager->gone ? VMM_E_NOENT : 0;
}

int vmm_pager_set_target(struct vmm_pager *pager, uint64_t target_pages,
                         uint64_t floor_pages)
{
    if (!target_pages) {
        return VMM_E_INVAL;
    }
    pager->floor = floor_pages;
    pager->target = target_pages > floor_pages ? target_pages : floor_pages;
    pager->draining = false;
    pager->harvest_due_ns = 0;
    pager->busy = true;

    return 0;
}

void vmm_pager_drain(struct vmm_pager *pager)
{
    pager->draining = true;
    pager->busy = true;
}

bool vmm_pager_drained(const struct vmm_pager *pager)
{
    return pager->draining && !pager->nr_paged && !pager->nr_evicting &&
           vmm__engine_idle(pager->engine);
}

void vmm_pager_retry(struct vmm_pager *pager)
{
    struct vmm__list_node failed = pager->loads_failed, *node;

    if (vmm__list_empty(&pager->loads_failed)) {
        return;
    }

    /* What fails again goes to the end of a list that is empty now. */
    failed.next->prev = failed.prev->next = &failed;
    vmm__list_init(&pager->loads_failed);
    while (!vmm__list_empty(&failed)) {
        struct load *load;

        node = failed.next;
        vmm__list_del(node);
        load = load_of(node);
        load->nr_retries = 0;
        set_state(pager, load->gfn, PAGE_LOADING);
        load_read(pager, load);
    }

    unpause_if_whole(pager);
    pager->busy = true;
}

static enum vmm_pager_state state_now(const struct vmm_pager *pager)
{
    return pager->nr_lost ? VMM_PAGER_FAILED :
           vmm_pager_drained(pager) ? VMM_PAGER_DRAINED :
           pager->draining ? VMM_PAGER_DRAINING :
           pager->store_rc == VMM_E_NOSPC ? VMM_PAGER_STORE_FULL
                                          : VMM_PAGER_ACTIVE;
}

int vmm_pager_stat(const struct vmm_pager *pager, struct vmm_pager_stat *stat)
{
    struct vmm__engine_class_stat engine;
    struct vmm__policy_stat policy;
    struct vmm__prefetch_stat prefetch = { 0 };
    unsigned int i;

    if (stat->size != sizeof(*stat)) {
        return VMM_E_INVAL;
    }

    memset(stat, 0, sizeof(*stat));
    stat->size = sizeof(*stat);
    stat->domid = pager->domid;
    stat->state = state_now(pager);
    stat->last_error = pager->nr_lost ? pager->lost_rc : pager->store_rc;
    stat->failed_gfn = pager->failed_gfn;
    stat->total_pages = pager->nr_resident + pager->nr_paged;
    stat->resident_pages = pager->nr_resident;
    stat->paged_pages = pager->nr_paged;
    stat->same_filled_pages = pager->nr_same;
    stat->target_pages = pager->target;
    stat->floor_pages = pager->floor;
    stat->store_used_bytes = vmm__pagefile_nr_used(pager->pf) *
                             VMM__PAGE_BYTES;
    stat->store_max_bytes = vmm__pagefile_nr_slots(pager->pf) *
                            VMM__PAGE_BYTES;
    stat->nr_evicted = pager->nr_evicted;
    stat->nr_evict_busy = pager->nr_evict_busy;
    stat->nr_rescued = pager->nr_rescued;
    stat->nr_dropped = pager->nr_dropped;
    stat->nr_prefetch_hits = pager->nr_hits;
    stat->nr_prefetch_misses = pager->nr_misses;
    stat->nr_io_retries = pager->nr_io_retries;

    vmm__policy_stat(pager->policy, &policy);
    stat->nr_refaults = policy.nr_refaults;
    stat->generation = policy.generation;
    stat->working_set_pages = policy.nr_by_age[0] + policy.nr_by_age[1];
    if (pager->prefetch) {
        vmm__prefetch_stat(pager->prefetch, &prefetch);
    }
    stat->prefetch_depth = prefetch.depth;

    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        struct vmm_pager_class_stat *c = &stat->reqclass[i];
        const struct vmm__hist *latency = &pager->latency[i];

        vmm__engine_stat(pager->engine, i, &engine);
        c->nr_requests = pager->nr_requests[i];
        c->nr_failed = pager->nr_failed[i];
        if (i == VMM_REQ_EVICT) {
            /* Writes end at the device; there is nobody who waits. */
            latency = engine.latency;
            c->nr_requests = engine.nr_done;
            c->nr_failed = engine.nr_failed;
        }
        c->nr_promoted = engine.nr_promoted_in;
        c->nr_queued = engine.nr_queued;
        c->nr_inflight = engine.nr_inflight;
        c->p50_ns = vmm__hist_quantile(latency, 500);
        c->p99_ns = vmm__hist_quantile(latency, 990);
        c->p999_ns = vmm__hist_quantile(latency, 999);
        c->max_ns = latency->max;
    }

    return 0;
}

void vmm_pager_reset_latency(struct vmm_pager *pager)
{
    unsigned int i;

    for (i = 0; i < VMM_NR_REQCLASSES; i++) {
        vmm__hist_reset(&pager->latency[i]);
    }
}

void vmm__pager_set_owner(struct vmm_pager *pager, void *owner)
{
    pager->owner = owner;
}

void *vmm__pager_owner(const struct vmm_pager *pager)
{
    return pager->owner;
}

/* Life cycle. */

static int make_buffers(struct vmm_pager *pager)
{
    size_t batch_bytes = (size_t)BATCH_PAGES * VMM__PAGE_BYTES;
    unsigned int i;
    uint8_t *mem;

    vmm__list_init(&pager->loads_free);
    vmm__list_init(&pager->loads_ready);
    vmm__list_init(&pager->loads_delayed);
    vmm__list_init(&pager->loads_failed);
    vmm__list_init(&pager->batches_free);

    pager->nr_loads = pager->nr_vcpus + NR_SPARE_LOADS;
    pager->loads = calloc(pager->nr_loads, sizeof(pager->loads[0]));
    pager->batches = calloc(NR_BATCHES, sizeof(pager->batches[0]));
    pager->mem_bytes = (size_t)pager->nr_loads * VMM__PAGE_BYTES +
                       NR_BATCHES * batch_bytes;
    mem = mmap(NULL, pager->mem_bytes, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (mem == MAP_FAILED) {
        return VMM_E_NOMEM;
    }
    pager->mem = mem;
    if (!pager->loads || !pager->batches) {
        return VMM_E_NOMEM;
    }
    /* The hypervisor reads and writes it; a page that moves is a retry. */
    (void)mlock(mem, pager->mem_bytes);

    for (i = 0; i < pager->nr_loads; i++) {
        struct load *load = &pager->loads[i];

        load->pager = pager;
        load->buf = mem;
        load->eio.bio.len_bytes = VMM__PAGE_BYTES;
        load->eio.bio.buf = mem;
        load->eio.done = load_done;
        mem += VMM__PAGE_BYTES;
        vmm__list_add_tail(&pager->loads_free, &load->node);
    }
    pager->nr_loads_free = pager->nr_loads;

    for (i = 0; i < NR_BATCHES; i++) {
        struct batch *batch = &pager->batches[i];
        unsigned int j;

        batch->pager = pager;
        batch->buf = mem;
        mem += batch_bytes;
        for (j = 0; j < BATCH_PAGES; j++) {
            batch->ios[j].batch = batch;
        }
        vmm__list_add_tail(&pager->batches_free, &batch->node);
    }

    return 0;
}

static void dispose(struct vmm_pager *pager)
{
    vmm__engine_free(pager->engine);
    vmm__policy_free(pager->policy);
    vmm__prefetch_free(pager->prefetch);
    if (pager->mem) {
        munmap(pager->mem, pager->mem_bytes);
    }
    free(pager->loads);
    free(pager->batches);
    free(pager->pages);
    free(pager->units);
    free(pager);
}

int vmm__pager_new(const struct vmm__pager_deps *deps,
                   const struct vmm_pager_opts *opts,
                   const struct vmm_logger *logger,
                   struct vmm_pager **pager_out)
{
    struct vmm__engine_cfg engine_cfg;
    struct vmm__policy_cfg policy_cfg;
    struct vmm__prefetch_cfg prefetch_cfg;
    struct vmm_pager *pager;
    uint64_t gfn;
    int rc;

    pager = calloc(1, sizeof(*pager));
    if (!pager) {
        return VMM_E_NOMEM;
    }

    pager->hv = deps->hv;
    pager->bdev = deps->bdev;
    pager->clock = deps->clock;
    pager->pf = deps->pf;
    pager->logger = *logger;
    pager->nr_gfns = deps->nr_gfns;
    pager->nr_vcpus = deps->nr_vcpus;
    pager->domid = opts->domid;
    pager->io_error_retries = opts->io_error_retries;
    pager->harvest_ns = opts->harvest_ms * NS_PER_MS;
    pager->harvest_wait_ns = pager->harvest_ns;
    pager->floor = opts->floor_pages;
    pager->target = opts->target_pages > opts->floor_pages
                    ? opts->target_pages : opts->floor_pages;

    pager->pages = calloc(pager->nr_gfns, 1);
    pager->units = calloc(pager->nr_gfns / UNIT_GFNS + 1, 1);
    rc = make_buffers(pager);
    if (!rc && (!pager->pages || !pager->units)) {
        rc = VMM_E_NOMEM;
    }
    if (rc) {
        goto out;
    }

    vmm__engine_cfg_default(&engine_cfg);
    engine_cfg.fifo = opts->fifo;
    rc = vmm__engine_new(&engine_cfg, &deps->bdev, &deps->clock,
                         &pager->engine);
    if (rc) {
        goto out;
    }
    vmm__policy_cfg_default(&policy_cfg);
    rc = vmm__policy_new(&policy_cfg, pager->nr_gfns, &pager->policy);
    if (rc) {
        goto out;
    }
    if (!opts->no_prefetch) {
        vmm__prefetch_cfg_default(&prefetch_cfg);
        rc = vmm__prefetch_new(&prefetch_cfg, NR_STREAMS, &pager->prefetch);
        if (rc) {
            goto out;
        }
    }
    if (deps->bdev.ops->register_mem) {
        (void)deps->bdev.ops->register_mem(deps->bdev.self, pager->mem,
                                           pager->mem_bytes);
    }

    /* Same-filled pages of a predecessor, before entries are cleared. */
    for (gfn = 0; opts->adopt && gfn < pager->nr_gfns; gfn++) {
        struct vmm__pagefile_entry entry;

        vmm__pagefile_get(pager->pf, gfn, &entry);
        pager->nr_same += entry.where == VMM__PAGEFILE_SAME;
    }

    rc = pager->hv.ops->attach(pager->hv.self, opts->adopt);
    if (rc) {
        goto out;
    }
    /* What it could not read we try again, if it is wanted again. */
    pager->paused = opts->adopt && vmm__pagefile_paused(pager->pf);
    rc = reconcile(pager);
    if (rc) {
        goto out;
    }
    pager->busy = true;

    *pager_out = pager;
    pager = NULL;
    rc = 0;

 out:
    if (pager) {
        dispose(pager);
    }
    return rc;
}

bool vmm__pager_settle(struct vmm_pager *pager)
{
    (void)vmm__engine_dispatch(pager->engine);
    (void)flush_ready(pager);
    return vmm__engine_idle(pager->engine);
}

void vmm__pager_free(struct vmm_pager *pager, bool *ended_out)
{
    bool ended = pager->gone;

    if (!ended && vmm_pager_drained(pager)) {
        ended = !pager->hv.ops->detach(pager->hv.self);
    }
    dispose(pager);
    *ended_out = ended;
}
