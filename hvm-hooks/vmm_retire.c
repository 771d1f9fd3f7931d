/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmm_retire.c: the table of retired pages, corrected errors per page, and
 * XENMEM_vmm_retire_op.
 *
 * The table says which pages are meant to be out of use, and why; whether one
 * is yet the frame table says (offlined or offlining), so that the two cannot
 * come to differ.
 */

#include <xen/cper.h>
#include <xen/event.h>
#include <xen/guest_access.h>
#include <xen/hypercall.h>
#include <xen/init.h>
#include <xen/irq.h>
#include <xen/sched.h>
#include <xen/tasklet.h>
#include <xen/vmap.h>
#include <xsm/xsm.h>
#include <asm/setup.h>

#include "vmm_private.h"

/* Room for what fails before the table can grow. */
#define SPARE 1024u

struct record {
    uint64_t mfn;
    uint64_t time_s;
    uint32_t nr_pages;
    uint32_t nr_errors;
    uint8_t cause;
    bool boot;
};

/* Ascending, no overlaps.  Taken in softirq context too, never in an IRQ. */
static DEFINE_SPINLOCK(table_lock);
static struct record *table;
static unsigned int nr_records, nr_room;
static uint64_t sequence = 1;
static struct {
    uint64_t nr_uncorrected, nr_corrected, nr_moved, nr_unrecorded;
    atomic_t nr_touched;
} counts;

/*
 * Errors that nobody met: found in an interrupt, dealt with in a tasklet.  What
 * finds no room is lost; a page that is failing will be back.
 */
#define FOUND_RING 64u
static DEFINE_SPINLOCK(found_lock);
static struct found {
    unsigned long mfn;
    bool lost;
} found_ring[FOUND_RING];
static unsigned int found_prod, found_cons;

/*
 * A leaky bucket for each page that had an error lately.  The level is in
 * errors times the window, so that each second leaks `threshold'.  One that
 * has no room takes the place of the lowest.
 */
struct bucket {
    unsigned long mfn;
    uint64_t level;
    s_time_t when;
};
#define NR_BUCKETS 512u
static struct bucket buckets[NR_BUCKETS];
static unsigned int ce_threshold = 50, ce_window_s = 24 * 3600;

/* The first record that ends after mfn. */
static unsigned int find(uint64_t mfn)
{
    unsigned int lo = 0, hi = nr_records;

    while ( lo < hi )
    {
        unsigned int mid = lo + (hi - lo) / 2;

        if ( table[mid].mfn + table[mid].nr_pages > mfn )
            hi = mid;
        else
            lo = mid + 1;
    }

    return lo;
}

static struct record *lookup(uint64_t mfn)
{
    unsigned int i = find(mfn);

    return i < nr_records && table[i].mfn <= mfn ? &table[i] : NULL;
}

static bool insert(unsigned int at, const struct record *r)
{
    if ( nr_records >= nr_room )
        return false;

    memmove(table + at + 1, table + at, (nr_records - at) * sizeof(*table));
    table[at] = *r;
    nr_records++;

    return true;
}

static void remove(unsigned int at)
{
    nr_records--;
    memmove(table + at, table + at + 1, (nr_records - at) * sizeof(*table));
}

/* Take one page out of a record; there is room for one more. */
static void carve(unsigned int at, uint64_t mfn)
{
    struct record rest = table[at];
    uint32_t before = mfn - table[at].mfn;

    rest.mfn = mfn + 1;
    rest.nr_pages = table[at].nr_pages - before - 1;
    if ( before && rest.nr_pages )
        insert(at + 1, &rest);
    if ( before )
        table[at].nr_pages = before;
    else if ( rest.nr_pages )
        table[at] = rest;
    else
        remove(at);
}

/* Returns whether it could be put down; *again if it was there already. */
static bool record(uint64_t mfn, uint8_t cause, bool error, bool *again)
{
    struct record *r;
    bool done = true;

    spin_lock(&table_lock);

    r = lookup(mfn);
    *again = r;
    if ( !r )
    {
        unsigned int at = find(mfn);

        done = insert(at, &(struct record){ .mfn = mfn, .nr_pages = 1,
                                            .cause = cause });
        r = done ? &table[at] : NULL;
        if ( !done )
            counts.nr_unrecorded++;
    }
    if ( r )
    {
        r->nr_errors += error;
        /* What was about to fail has failed. */
        if ( cause == XEN_VMM_CAUSE_UNCORRECTED && r->nr_pages == 1 )
            r->cause = cause;
        /* To be asked once more to retire it is no news. */
        if ( error || !*again )
        {
            r->time_s = get_sec();
            sequence++;
        }
    }
    if ( error && cause == XEN_VMM_CAUSE_UNCORRECTED )
        counts.nr_uncorrected++;

    spin_unlock(&table_lock);

    return done;
}

/* Not where it might be in an interrupt: it allocates. */
static void grow(void)
{
    struct record *more, *old;
    unsigned int want;

    spin_lock(&table_lock);
    want = nr_room - nr_records < SPARE
           ? min(nr_room + nr_room / 2 + 2 * SPARE,
                 2 * XEN_VMM_RETIRE_ENTRIES_MAX) : 0;
    spin_unlock(&table_lock);

    if ( !want || !(more = vzalloc(want * sizeof(*more))) )
        return;

    spin_lock(&table_lock);
    old = more;
    if ( want > nr_room )
    {
        if ( nr_records )
            memcpy(more, table, nr_records * sizeof(*table));
        old = table;
        table = more;
        nr_room = want;
    }
    spin_unlock(&table_lock);

    vfree(old);
}

int __init vmm_retire_table_init(const struct xen_vmm_retire_entry *entries,
                                 unsigned int nr)
{
    unsigned int i;

    nr_room = nr + 2 * SPARE;
    table = vzalloc(nr_room * sizeof(*table));
    if ( !table )
    {
        nr_room = 0;
        printk(XENLOG_ERR "Retired pages: no memory for the table\n");
        return -ENOMEM;
    }

    for ( i = 0; i < nr; i++ )
        table[i] = (struct record){
            .mfn = entries[i].mfn, .nr_pages = entries[i].nr_pages,
            .cause = entries[i].cause, .boot = true,
        };
    nr_records = nr;

    return 0;
}

static uint8_t page_state(uint64_t mfn, uint16_t *owner, uint32_t *flags)
{
    const struct page_info *pg;
    const struct domain *d;

    *owner = DOMID_INVALID;
    if ( mfn >= max_page || !mfn_valid(_mfn(mfn)) ||
         !page_is_ram_type(mfn, RAM_TYPE_CONVENTIONAL) )
        return XEN_VMM_PAGE_NOT_RAM;

    pg = mfn_to_page(_mfn(mfn));
    if ( pg->count_info & PGC_broken )
        *flags |= XEN_VMM_RETIRED_BROKEN;

    if ( page_state_is(pg, offlined) )
        return XEN_VMM_PAGE_RETIRED;
    if ( !page_state_is(pg, offlining) || is_xen_fixed_mfn(_mfn(mfn)) )
        return XEN_VMM_PAGE_OVERLAPS;

    /* The owner may just go; only its number is looked at. */
    if ( pg->count_info & PGC_xen_heap )
        *owner = DOMID_XEN;
    else
    {
        rcu_read_lock(&domlist_read_lock);
        d = page_get_owner(pg);
        if ( d )
            *owner = d->domain_id;
        rcu_read_unlock(&domlist_read_lock);
    }

    return XEN_VMM_PAGE_PENDING;
}

/* Off the heap now, moved, or pending: what the table is to know already. */
static uint8_t take_out(uint64_t mfn, bool broken, int *rc)
{
    uint32_t status, flags = 0;
    uint16_t owner;
    uint8_t state;

    *rc = offline_page(_mfn(mfn), broken, &status);
    if ( *rc )
        return is_xen_fixed_mfn(_mfn(mfn)) ? XEN_VMM_PAGE_OVERLAPS
                                           : XEN_VMM_PAGE_NOT_RAM;

    state = page_state(mfn, &owner, &flags);
    if ( state == XEN_VMM_PAGE_PENDING && !broken && owner < DOMID_FIRST_RESERVED )
    {
        struct domain *d = rcu_lock_domain_by_id(owner);

        if ( d && !vmm_page_move(d, _mfn(mfn)) )
        {
            spin_lock(&table_lock);
            counts.nr_moved++;
            sequence++;
            spin_unlock(&table_lock);
            state = page_state(mfn, &owner, &flags);
        }
        if ( d )
            rcu_unlock_domain(d);
    }

    return state;
}

bool vmm_retire_uncorrected(mfn_t mfn)
{
    bool again;

    record(mfn_x(mfn), XEN_VMM_CAUSE_UNCORRECTED, true, &again);

    return again;
}

void vmm_retire_touched(void)
{
    atomic_inc(&counts.nr_touched);
}

static void cf_check do_found(void *unused);
static DECLARE_TASKLET(found_tasklet, do_found, NULL);

void vmm_retire_found(paddr_t addr, bool lost)
{
    unsigned long flags;

    spin_lock_irqsave(&found_lock, flags);
    if ( found_prod - found_cons < FOUND_RING )
        found_ring[found_prod++ % FOUND_RING] = (struct found){
            .mfn = PFN_DOWN(addr), .lost = lost,
        };
    spin_unlock_irqrestore(&found_lock, flags);

    tasklet_schedule(&found_tasklet);
}

static void leak(struct bucket *b, s_time_t now)
{
    uint64_t leaked = (now - b->when) / SECONDS(1) * ce_threshold;

    b->level = b->level > leaked ? b->level - leaked : 0;
    /* What is left of a second leaks with the next one. */
    b->when += (now - b->when) / SECONDS(1) * SECONDS(1);
}

/* Whether this one is one too many. */
static bool fill_bucket(unsigned long mfn, s_time_t now)
{
    struct bucket *b = NULL, *lowest = buckets;
    unsigned int i;

    for ( i = 0; i < NR_BUCKETS; i++ )
    {
        if ( buckets[i].level )
            leak(&buckets[i], now);
        if ( buckets[i].level && buckets[i].mfn == mfn )
            b = &buckets[i];
        if ( buckets[i].level < lowest->level )
            lowest = &buckets[i];
    }

    if ( !b )
    {
        b = lowest;
        *b = (struct bucket){ .mfn = mfn, .when = now };
    }
    b->level += ce_window_s;
    if ( !ce_threshold || b->level <= (uint64_t)(ce_threshold - 1) * ce_window_s )
        return false;

    b->level = 0;

    return true;
}

/* The only place that looks at the buckets, but for config: table_lock. */
static void corrected(unsigned long mfn)
{
    bool over, again;
    int rc;

    spin_lock(&table_lock);
    counts.nr_corrected++;
    over = fill_bucket(mfn, NOW());
    sequence++;
    spin_unlock(&table_lock);

    if ( !over || !mfn_valid(_mfn(mfn)) ||
         !page_is_ram_type(mfn, RAM_TYPE_CONVENTIONAL) )
        return;

    record(mfn, XEN_VMM_CAUSE_CORRECTED, true, &again);
    printk(XENLOG_WARNING "Retired pages: %#lx has too many corrected "
           "errors: %s\n", mfn,
           take_out(mfn, false, &rc) == XEN_VMM_PAGE_RETIRED
           ? "retired" : "to be retired when it is free");
}

static void cf_check do_found(void *unused)
{
    struct found found;
    domid_t owner;

    for ( ; ; )
    {
        spin_lock_irq(&found_lock);
        if ( found_cons == found_prod )
        {
            spin_unlock_irq(&found_lock);
            break;
        }
        found = found_ring[found_cons++ % FOUND_RING];
        spin_unlock_irq(&found_lock);

        if ( found.lost )
            /* Whatever the outcome: nobody has met it. */
            vmm_memerr_uncorrected(pfn_to_paddr(found.mfn), true, NULL,
                                   &owner);
        else
            corrected(found.mfn);
    }

    grow();
}

static int do_list(struct xen_vmm_retire_list_op *op)
{
    if ( op->done > op->nr || op->_res1 )
        return -EINVAL;
    if ( !guest_handle_okay(op->entries, op->nr) )
        return -EFAULT;

    for ( op->more = 1; op->done < op->nr; )
    {
        struct xen_vmm_retired out = {};
        uint64_t mfn, end;
        struct record r = {};
        unsigned int at;

        spin_lock(&table_lock);
        op->sequence = sequence;
        at = find(op->first_mfn);
        if ( at < nr_records )
            r = table[at];
        spin_unlock(&table_lock);

        if ( !r.nr_pages )
        {
            op->more = 0;
            break;
        }

        /* As many of its pages as are alike, and as is bounded work. */
        mfn = max(op->first_mfn, r.mfn);
        end = min(r.mfn + r.nr_pages, mfn + 1024);
        out = (struct xen_vmm_retired){
            .mfn = mfn, .time_s = r.time_s, .nr_errors = r.nr_errors,
            .cause = r.cause, .flags = r.boot ? XEN_VMM_RETIRED_BOOT : 0,
        };
        out.state = page_state(mfn, &out.owner, &out.flags);
        for ( out.nr_pages = 1; mfn + out.nr_pages < end; out.nr_pages++ )
        {
            uint32_t flags = out.flags & ~XEN_VMM_RETIRED_BROKEN;
            uint16_t owner;

            if ( page_state(mfn + out.nr_pages, &owner, &flags) != out.state ||
                 owner != out.owner || flags != out.flags )
                break;
        }

        if ( __copy_to_guest_offset(op->entries, op->done, &out, 1) )
            return -EFAULT;
        op->first_mfn = mfn + out.nr_pages;
        op->done++;

        if ( op->done < op->nr && hypercall_preempt_check() )
            return -ERESTART;
    }

    return 0;
}

static void retire_one(struct xen_vmm_change *item)
{
    bool again;

    item->result = -EINVAL;
    if ( item->cause >= XEN_VMM_NR_CAUSES || item->mfn >= max_page ||
         !mfn_valid(_mfn(item->mfn)) ||
         !page_is_ram_type(item->mfn, RAM_TYPE_CONVENTIONAL) )
        return;

    item->result = -EPERM;
    if ( is_xen_fixed_mfn(_mfn(item->mfn)) )
        return;

    grow();
    item->result = -ENOSPC;
    if ( !record(item->mfn, item->cause, false, &again) )
        return;

    item->state = take_out(item->mfn, false, &item->result);
}

static void release_one(struct xen_vmm_change *item)
{
    struct record *r;
    uint32_t status;
    unsigned int at;

    grow();
    spin_lock(&table_lock);
    at = find(item->mfn);
    r = lookup(item->mfn);
    item->result = !r ? -ENOENT : nr_records >= nr_room ? -ENOSPC : 0;
    if ( !item->result && mfn_valid(_mfn(item->mfn)) )
        item->result = unbreak_page(_mfn(item->mfn));
    if ( !item->result )
    {
        carve(at, item->mfn);
        sequence++;
    }
    spin_unlock(&table_lock);

    /* One that never was out of use is none to bring back. */
    if ( !item->result && mfn_valid(_mfn(item->mfn)) )
        online_page(_mfn(item->mfn), &status);
}

static int do_change(struct xen_vmm_change_op *op)
{
    if ( op->nr > XEN_VMM_CHANGE_NR_MAX || op->done > op->nr )
        return -EINVAL;
    if ( !guest_handle_okay(op->items, op->nr) )
        return -EFAULT;

    while ( op->done < op->nr )
    {
        struct xen_vmm_change item;

        if ( __copy_from_guest_offset(&item, op->items, op->done, 1) )
            return -EFAULT;

        item.state = 0;
        if ( item._res1 )
            item.result = -EINVAL;
        else if ( item.action == XEN_VMM_CHANGE_RETIRE )
            retire_one(&item);
        else if ( item.action == XEN_VMM_CHANGE_RELEASE )
            release_one(&item);
        else
            item.result = -EINVAL;

        if ( __copy_to_guest_offset(op->items, op->done, &item, 1) )
            return -EFAULT;

        if ( ++op->done < op->nr && hypercall_preempt_check() )
            return -ERESTART;
    }

    return 0;
}

static int do_config(struct xen_vmm_config_op *op)
{
    if ( (op->flags & ~XEN_VMM_CONFIG_SET) || op->_res1 )
        return -EINVAL;

    if ( op->flags & XEN_VMM_CONFIG_SET )
    {
        if ( !op->ce_window_s || op->ce_window_s > 10000000 ||
             op->ce_threshold > 1000000 )
            return -EINVAL;

        spin_lock(&table_lock);
        ce_threshold = op->ce_threshold;
        ce_window_s = op->ce_window_s;
        /* Levels are in terms of the window. */
        memset(buckets, 0, sizeof(buckets));
        spin_unlock(&table_lock);
    }
    op->ce_threshold = ce_threshold;
    op->ce_window_s = ce_window_s;

    return 0;
}

static void do_stat(struct xen_vmm_retire_stat *op)
{
    *op = (struct xen_vmm_retire_stat){
        .generation = vmm_retire_boot.generation,
        .memory_map_hash = vmm_retire_boot.memory_map_hash,
        .boot_list_us = vmm_retire_boot.list_us,
        .boot_heap_us = vmm_retire_boot.heap_us,
        .boot_entries = vmm_retire_boot.nr_entries,
        .list = vmm_retire_boot.list,
        .map_changed = vmm_retire_boot.map_changed,
        .source = vmm_retire_boot.source,
        .damaged = vmm_retire_boot.damaged,
    };

    spin_lock(&table_lock);
    op->sequence = sequence;
    op->nr_uncorrected = counts.nr_uncorrected;
    op->nr_corrected = counts.nr_corrected;
    op->nr_moved = counts.nr_moved;
    op->nr_unrecorded = counts.nr_unrecorded;
    spin_unlock(&table_lock);
    op->nr_touched = atomic_read(&counts.nr_touched);
}

long vmm_retire_op(XEN_GUEST_HANDLE_PARAM(xen_vmm_retire_op_t) arg)
{
    struct xen_vmm_retire_op op;
    int rc;

    if ( copy_from_guest(&op, arg, 1) )
        return -EFAULT;

    rc = xsm_vmm_retire(XSM_PRIV, op.cmd);
    if ( rc )
        return rc;

    if ( op.interface_version != XEN_VMM_RETIRE_VERSION )
        return -EINVAL;

    switch ( op.cmd )
    {
    case XEN_VMM_RETIRE_list:
        rc = do_list(&op.u.list);
        break;

    case XEN_VMM_RETIRE_change:
        rc = do_change(&op.u.change);
        break;

    case XEN_VMM_RETIRE_config:
        rc = do_config(&op.u.config);
        break;

    case XEN_VMM_RETIRE_stat:
        do_stat(&op.u.stat);
        break;

    default:
        rc = -ENOSYS;
        break;
    }

    if ( (!rc || rc == -ERESTART) && __copy_to_guest(arg, &op, 1) )
        rc = -EFAULT;

    if ( rc == -ERESTART )
        rc = hypercall_create_continuation(__HYPERVISOR_memory_op, "ih",
                                           XENMEM_vmm_retire_op, arg);

    return rc;
}
