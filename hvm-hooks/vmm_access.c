/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmm_access.c: accessed bits of nested page tables.
 *
 * Both formats are trees of 512 entries of 8 bytes; what differs is where the
 * bits are.  NPT: Xen's own use of the accessed bit (p2m-pt.c, RECALC_FLAGS)
 * is confined to entries whose user bit is clear, which are left alone here.
 * EPT: the CPU keeps the bits only if the EPT pointer says so (ept.ad), which
 * in this version is while PML is on.
 *
 * Sources: AMD APM volume 2, 15.25; Intel SDM volume 3, 29.3.
 */

#include <xen/domain_page.h>
#include <asm/flushtlb.h>
#include <asm/hvm/vmx/vmx.h>
#include <asm/p2m.h>

#include "../mm-locks.h"
#include "vmm_private.h"

#define NR_ENTRIES 512u

struct format {
    uint64_t present;       /* any of these */
    uint64_t usable;        /* all of these, or the entry is not ours */
    unsigned int accessed;  /* bit number */
};

static const struct format npt = {
    .present = _PAGE_PRESENT,
    .usable = _PAGE_USER,
    .accessed = 5,
};

static const struct format ept = {
    .present = 7,
    .accessed = 8,
};

#define LEAF_BIT (1ULL << 7)    /* superpage, in both */
#define ADDR_MASK 0x000ffffffffff000ULL

static const struct format *format_of(const struct p2m_domain *p2m)
{
    if ( !cpu_has_vmx )
        return &npt;

    return p2m->ept.ad ? &ept : NULL;
}

void vmm_access_flush(struct domain *d)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(d);

    p2m_lock(p2m);
    if ( cpu_has_vmx )
        ept_sync_domain(p2m);
    else
        guest_flush_tlb_mask(d, d->dirty_cpumask);
    p2m_unlock(p2m);
}

static bool accessed(const struct format *f, uint64_t entry)
{
    return (entry & f->present) && (entry & f->usable) == f->usable &&
           (entry & (1ULL << f->accessed));
}

static bool test_and_clear_accessed(const struct format *f, uint64_t *entry)
{
    return accessed(f, *entry) && test_and_clear_bit(f->accessed, entry);
}

/*
 * Walk down to the table of 512 page entries that covers gfn.  Returns it
 * mapped, or NULL and in *leaf the superpage entry met on the way, mapped
 * (NULL if there is nothing at all).
 */
static uint64_t *find_table(const struct p2m_domain *p2m,
                            const struct format *f, gfn_t gfn,
                            uint64_t **leaf)
{
    uint64_t *table =
        map_domain_page(pagetable_get_mfn(p2m_get_pagetable(p2m)));
    unsigned int level;

    *leaf = NULL;

    for ( level = 4; level > 1; level-- )
    {
        uint64_t *entry = &table[(gfn_x(gfn) >> ((level - 1) * 9)) &
                                 (NR_ENTRIES - 1)];
        uint64_t e = *entry;

        if ( !(e & f->present) )
        {
            unmap_domain_page(table);
            return NULL;
        }
        if ( level < 4 && (e & LEAF_BIT) )
        {
            *leaf = entry;
            return NULL;
        }
        unmap_domain_page(table);
        table = map_domain_page(maddr_to_mfn(e & ADDR_MASK));
    }

    return table;
}

/* Break up the superpage at gfn, down to 4 KiB; the p2m lock is held. */
static bool split(struct p2m_domain *p2m, gfn_t gfn)
{
    p2m_type_t t;
    p2m_access_t a;
    unsigned int order;
    mfn_t mfn = p2m->get_entry(p2m, gfn, &t, &a, 0, &order, NULL);

    return mfn_valid(mfn) && p2m_is_pageable(t) && order &&
           !p2m_set_entry(p2m, gfn, mfn, PAGE_ORDER_4K, t, a);
}

int vmm_access_harvest(struct domain *d, gfn_t first, unsigned int nr,
                       unsigned long *bitmap)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    const struct format *f;
    uint64_t *table, *leaf;
    unsigned int i;

    bitmap_zero(bitmap, NR_ENTRIES);

    p2m_lock(p2m);

    f = format_of(p2m);
    if ( !f )
    {
        p2m_unlock(p2m);
        return -EOPNOTSUPP;
    }

    /* The walk does not look at more bits than a p2m can have. */
    if ( gfn_x(first) > p2m->max_mapped_pfn )
    {
        p2m_unlock(p2m);
        return 0;
    }

    table = find_table(p2m, f, first, &leaf);
    if ( leaf && split(p2m, first) )
    {
        unmap_domain_page((void *)((unsigned long)leaf & PAGE_MASK));
        table = find_table(p2m, f, first, &leaf);
    }

    if ( table )
    {
        for ( i = 0; i < nr; i++ )
            if ( test_and_clear_accessed(f, &table[i]) )
                __set_bit(i, bitmap);
        unmap_domain_page(table);
    }
    else if ( leaf )
    {
        /* It has one bit for several ranges, which stays until it is split. */
        for ( i = 0; i < nr && accessed(f, *leaf); i++ )
            __set_bit(i, bitmap);
        unmap_domain_page((void *)((unsigned long)leaf & PAGE_MASK));
    }

    p2m_unlock(p2m);

    return 0;
}

void vmm_access_clear(struct domain *d, gfn_t gfn)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    const struct format *f = format_of(p2m);
    uint64_t *table, *leaf;

    ASSERT(p2m_locked_by_me(p2m));

    if ( !f )
        return;

    table = find_table(p2m, f, gfn, &leaf);
    if ( leaf )
        unmap_domain_page((void *)((unsigned long)leaf & PAGE_MASK));
    if ( table )
    {
        /* The entry was just made: no CPU can have it cached. */
        test_and_clear_accessed(f, &table[gfn_x(gfn) & (NR_ENTRIES - 1)]);
        unmap_domain_page(table);
    }
}
