/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmm_retire_boot.c: the list of retired pages that the boot loader hands
 * over, or that a variable of EFI has, and what keeps those pages out of use
 * from the first allocation on.
 *
 * The boot allocator has room for 256 regions only, so the list does not split
 * them: it is searched at each allocation.  In the frame table a listed page
 * is `offlining' before the heap is built, so that the heap takes it out when
 * it is freed, whoever frees it and whenever: at the end of the boot allocator
 * or, what is beyond that one's reach, later.
 */

#include <xen/init.h>
#include <xen/kernel.h>
#include <xen/kexec.h>
#include <xen/lib.h>
#include <xen/mm.h>
#include <xen/param.h>
#include <xen/pfn.h>
#include <xen/xxhash.h>
#include <asm/e820.h>
#include <asm/setup.h>
#include <asm/time.h>

#include "vmm_private.h"

static bool __initdata opt_retire = true;
boolean_param("retire", opt_retire);

/* An area of 64 MiB, the grain of the memory map's identity. */
#define MAP_SHIFT 26
/* What Xen allocates its own tables in, 2 MiB: useless with a page less. */
#define CHUNK_ORDER 9

static const module_t *__initdata modules;
static unsigned int __initdata nr_modules;
static const module_t *__initdata module;   /* the list's, if it is in one */
static const struct xen_vmm_retire_entry *__initdata entries;
static unsigned int __initdata nr_entries;
static uint64_t __initdata list_ticks, heap_ticks;

/* In Xen's image, so that it goes where that goes. */
char __initdata __aligned(8)
    vmm_retire_boot_variable[XEN_VMM_RETIRE_VARIABLE_BYTES];
unsigned long __initdata vmm_retire_boot_variable_bytes;

struct vmm_retire_boot vmm_retire_boot;

/*
 * Where RAM begins and ends, to 64 MiB, so that it is the same at each boot of
 * one machine: what firmware takes for itself varies, more so under UEFI.
 */
static uint64_t __init hash_memory_map(void)
{
    uint64_t range[2] = {}, hash = 0;
    unsigned int i;

    for ( i = 0; i <= e820_raw.nr_map; i++ )
    {
        uint64_t s = 0, e = 0;

        if ( i < e820_raw.nr_map )
        {
            if ( e820_raw.map[i].type != E820_RAM )
                continue;
            s = (e820_raw.map[i].addr + (1u << (MAP_SHIFT - 1))) >> MAP_SHIFT;
            e = (e820_raw.map[i].addr + e820_raw.map[i].size +
                 (1u << (MAP_SHIFT - 1))) >> MAP_SHIFT;
            if ( s >= e )
                continue;
            if ( s <= range[1] && range[1] )
            {
                range[1] = max(range[1], e);
                continue;
            }
        }

        if ( range[1] )
            hash = xxh64(range, sizeof(range), hash);
        range[0] = s;
        range[1] = e;
    }

    return hash ?: 1;
}

static const char *__init check_entries(
    const struct xen_vmm_retire_entry *entry, unsigned int nr,
    uint64_t *nr_chunks)
{
    uint64_t next = 0, next_chunk = 0;
    unsigned int i;

    for ( *nr_chunks = i = 0; i < nr; i++ )
    {
        uint64_t chunk = max(entry[i].mfn >> CHUNK_ORDER, next_chunk);

        if ( !entry[i].nr_pages || entry[i].mfn < next ||
             entry[i].mfn + entry[i].nr_pages >
             (1ULL << XEN_VMM_RETIRE_MFN_BITS) ||
             entry[i].mfn >= (1ULL << XEN_VMM_RETIRE_MFN_BITS) )
            return "an entry is out of bounds or of order";
        if ( entry[i].cause >= XEN_VMM_NR_CAUSES || entry[i]._res1[0] ||
             entry[i]._res1[1] || entry[i]._res1[2] )
            return "an entry has an unknown cause";
        next = entry[i].mfn + entry[i].nr_pages;
        next_chunk = ((next - 1) >> CHUNK_ORDER) + 1;
        *nr_chunks += next_chunk - chunk;
    }

    return NULL;
}

/* Why it is not to be believed; NULL if it is. */
static const char *__init check_list(const void *data, size_t size,
                                     uint64_t *nr_chunks)
{
    const struct xen_vmm_retire_list *list = data;
    struct xen_vmm_retire_list head;
    struct xxh64_state state;

    if ( size < sizeof(*list) )
        return "it is shorter than its header";
    if ( list->magic != XEN_VMM_RETIRE_MAGIC )
        return "it is no such list";
    if ( list->version != XEN_VMM_RETIRE_VERSION )
        return "its version is unknown";
    if ( list->nr_entries > XEN_VMM_RETIRE_ENTRIES_MAX ||
         list->size_bytes != sizeof(*list) + list->nr_entries *
                             sizeof(struct xen_vmm_retire_entry) ||
         list->size_bytes > size )
        return "its size and its number of entries differ";

    head = *list;
    head.checksum = 0;
    xxh64_reset(&state, 0);
    xxh64_update(&state, &head, sizeof(head));
    xxh64_update(&state, list + 1, list->size_bytes - sizeof(head));
    if ( xxh64_digest(&state) != list->checksum )
        return "its checksum is wrong";

    return check_entries((const void *)(list + 1), list->nr_entries, nr_chunks);
}

/* Whether it is the list that counts, of those seen so far. */
static bool __init take_list(const struct xen_vmm_retire_list *list,
                             size_t size, unsigned int source,
                             unsigned long nr_ram_pages)
{
    static const char *const __initconstrel names[] = {
        [XEN_VMM_SOURCE_MODULE] = "boot module",
        [XEN_VMM_SOURCE_VARIABLE] = "EFI variable",
    };
    uint8_t outcome = XEN_VMM_LIST_TAKEN;
    uint64_t nr_chunks = 0;
    const char *why = check_list(list, size, &nr_chunks);

    if ( why )
    {
        outcome = XEN_VMM_LIST_DAMAGED;
        vmm_retire_boot.damaged |= 1u << source;
    }
    else if ( !opt_retire )
    {
        outcome = XEN_VMM_LIST_IGNORED;
        why = "retire=no";
    }
    else if ( nr_chunks << CHUNK_ORDER > nr_ram_pages / 2 )
    {
        outcome = XEN_VMM_LIST_TOO_MUCH;
        why = "it is all over the memory";
    }

    if ( vmm_retire_boot.list == XEN_VMM_LIST_TAKEN )
    {
        if ( !why && list->generation <= vmm_retire_boot.generation )
            return false;
    }
    else
        vmm_retire_boot.list = outcome;

    if ( why )
    {
        printk(XENLOG_ERR "Retired pages: the list of the %s is ignored: %s\n",
               names[source], why);
        return false;
    }

    vmm_retire_boot.source = source;
    vmm_retire_boot.generation = list->generation;
    vmm_retire_boot.nr_entries = nr_entries = list->nr_entries;
    vmm_retire_boot.map_changed =
        list->memory_map_hash &&
        list->memory_map_hash != vmm_retire_boot.memory_map_hash;
    entries = (const void *)(list + 1);
    printk("Retired pages: %u entries, list %"PRIu64" of the %s%s\n",
           nr_entries, list->generation, names[source],
           vmm_retire_boot.map_changed
           ? "; the memory map is another one now" : "");

    return true;
}

void __init vmm_retire_boot_claim(unsigned long *module_map,
                                  const multiboot_info_t *mbi,
                                  unsigned long nr_ram_pages)
{
    const module_t *mod = __va(mbi->mods_addr);
    const void *variable = vmm_retire_boot_variable;
    const struct xen_vmm_retire_list *list;
    uint64_t t0 = rdtsc();
    unsigned int i;

    modules = mod;
    nr_modules = mbi->mods_count;
    vmm_retire_boot.memory_map_hash = hash_memory_map();

    /* Module 0 is the kernel.  Of several lists the first one counts. */
    for ( i = 1; i < mbi->mods_count; i++ )
    {
        if ( mod[i].mod_end < sizeof(list->magic) )
            continue;

        list = bootstrap_map(mod + i);
        if ( list && list->magic == XEN_VMM_RETIRE_MAGIC )
        {
            /* Nobody is to take it for an initrd, whatever is in it. */
            __clear_bit(i, module_map);
            if ( take_list(list, mod[i].mod_end, XEN_VMM_SOURCE_MODULE,
                           nr_ram_pages) )
                module = mod + i;
            break;
        }
        bootstrap_map(NULL);
    }

    if ( vmm_retire_boot_variable_bytes &&
         take_list(variable, vmm_retire_boot_variable_bytes,
                   XEN_VMM_SOURCE_VARIABLE, nr_ram_pages) )
    {
        module = NULL;
        bootstrap_map(NULL);
    }

    list_ticks = rdtsc() - t0;
}

unsigned long __init vmm_retire_boot_first(unsigned long s, unsigned long e)
{
    unsigned int lo = 0, hi = nr_entries;

    /* The first entry that ends after s. */
    while ( lo < hi )
    {
        unsigned int mid = lo + (hi - lo) / 2;

        if ( entries[mid].mfn + entries[mid].nr_pages > s )
            hi = mid;
        else
            lo = mid + 1;
    }

    return lo < nr_entries && entries[lo].mfn < e ? max(entries[lo].mfn, s)
                                                  : e;
}

static bool __init in_a_module(unsigned long mfn)
{
    unsigned int i;

    for ( i = 0; i < nr_modules; i++ )
        if ( mfn >= modules[i].mod_start &&
             mfn < modules[i].mod_start + PFN_UP(modules[i].mod_end) )
            return true;

    return false;
}

static bool __init in_crash_area(unsigned long mfn)
{
#ifdef CONFIG_KEXEC
    return mfn >= PFN_DOWN(kexec_crash_area.start) &&
           mfn < PFN_UP(kexec_crash_area.start + kexec_crash_area.size);
#else
    return false;
#endif
}

/* Whether the heap would get it, now or when something of the boot is done. */
static bool __init is_for_the_heap(unsigned long mfn)
{
    return mfn >= PFN_DOWN(MB(1)) && mfn_valid(_mfn(mfn)) &&
           page_is_ram_type(mfn, RAM_TYPE_CONVENTIONAL) &&
           !is_xen_fixed_mfn(_mfn(mfn)) && !in_a_module(mfn) &&
           !in_crash_area(mfn);
}

void __init vmm_retire_boot_reserve(void)
{
    uint64_t t0 = rdtsc();
    unsigned long i, mfn, nr_not = 0, last = 0;

    if ( module )
    {
        /* It has its place, and the whole of memory is mapped. */
        const struct xen_vmm_retire_list *list =
            (const void *)mfn_to_virt(module->mod_start);

        entries = (const void *)(list + 1);
        bootstrap_map(NULL);
    }

    for ( i = 0; i < nr_entries; i++ )
        for ( mfn = entries[i].mfn;
              mfn < entries[i].mfn + entries[i].nr_pages; mfn++ )
        {
            if ( is_for_the_heap(mfn) )
                mfn_to_page(_mfn(mfn))->count_info =
                    PGC_state_offlining |
                    (entries[i].cause == XEN_VMM_CAUSE_UNCORRECTED
                     ? PGC_broken : 0);
            else
            {
                nr_not++;
                last = mfn;
            }
        }

    if ( nr_not )
        printk(XENLOG_WARNING "Retired pages: %lu are none that can be kept "
               "out of use, the last is %#lx\n", nr_not, last);

    list_ticks += rdtsc() - t0;
    heap_ticks = rdtsc();
}

void __init vmm_retire_boot_heap_done(void)
{
    heap_ticks = rdtsc() - heap_ticks;
}

/* The modules are gone after this. */
static int __init cf_check take_into_table(void)
{
    uint64_t t0 = rdtsc();
    int rc = vmm_retire_table_init(entries, nr_entries);

    list_ticks += rdtsc() - t0;
    vmm_retire_boot.list_us = list_ticks * 1000 / cpu_khz;
    vmm_retire_boot.heap_us = heap_ticks * 1000 / cpu_khz;
    if ( nr_entries )
        printk("Retired pages: %"PRIu64" us for the list, %"PRIu64" us to "
               "build the heap\n", vmm_retire_boot.list_us,
               vmm_retire_boot.heap_us);

    return rc;
}
__initcall(take_into_table);
