/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pagefile.h: where a domain's paged-out pages are.
 *
 * A file or block device of 4 KiB slots holds the contents; an index, one
 * entry per gfn in a mapped file of its own, says where each page is and what
 * it must look like (crc32c).  The index survives the death of the process;
 * it need not survive that of the host, since the domain does not either.
 *
 * Order that makes a kill at any instant harmless: contents in the slot, then
 * vmm__pagefile_set(), then the page is evicted; page resident again, then
 * vmm__pagefile_clear().  So every page that the hypervisor calls paged has
 * an entry; entries of pages that it calls resident are stale, and are
 * cleared by whoever opens the index again.
 * One thread.
 */
#ifndef VMM_CONSUMER_PAGEFILE_H
#define VMM_CONSUMER_PAGEFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "include/vmm.h"

struct vmm__pagefile;

#define VMM__SLOT_NONE UINT64_MAX

enum vmm__pagefile_where {
    VMM__PAGEFILE_NONE = 0,     /* no contents for this gfn */
    VMM__PAGEFILE_SLOT,         /* in a slot, checksum known */
    VMM__PAGEFILE_SAME,         /* 512 times the same 64-bit value */
};

struct vmm__pagefile_entry {
    enum vmm__pagefile_where where;
    uint64_t slot;              /* SLOT */
    uint32_t crc32c;            /* SLOT */
    uint64_t value;             /* SAME */
};

/*
 * index_path: created (or, with `adopt', opened and checked: magic, version,
 * nr_gfns, uuid, a checksum of the header; VMM_E_FORMAT if it does not fit).
 * nr_slots: size of the store in slots.  With adopt, slots in use are found
 * from the index; two gfns in one slot or a slot past the end is
 * VMM_E_FORMAT.
 */
int vmm__pagefile_open(const char *index_path, bool adopt,
                       const uint8_t uuid[16], uint64_t nr_gfns,
                       uint64_t nr_slots, struct vmm__pagefile **pf_out);
/* Unmaps; the index file stays. */
void vmm__pagefile_close(struct vmm__pagefile *pf);

/*
 * `nr' slots, as few runs as possible (next-fit): returns how many follow
 * each other from *first_out, 0 if the store is full.  Not yet in the index:
 * they are free again after a crash.
 */
uint32_t vmm__pagefile_alloc(struct vmm__pagefile *pf, uint32_t nr,
                             uint64_t *first_out);
/* Give back slots that were not put into the index. */
void vmm__pagefile_free_slot(struct vmm__pagefile *pf, uint64_t slot);

void vmm__pagefile_get(const struct vmm__pagefile *pf, uint64_t gfn,
                       struct vmm__pagefile_entry *entry_out);
void vmm__pagefile_set(struct vmm__pagefile *pf, uint64_t gfn,
                       const struct vmm__pagefile_entry *entry);
/* Frees the slot as well. */
void vmm__pagefile_clear(struct vmm__pagefile *pf, uint64_t gfn);

uint64_t vmm__pagefile_nr_used(const struct vmm__pagefile *pf);  /* slots */
uint64_t vmm__pagefile_nr_slots(const struct vmm__pagefile *pf);
/*
 * Make sure that entries of these gfns can be stored: a store to a mapped
 * hole ends the process where the file system is full.  VMM_E_NOSPC.
 */
int vmm__pagefile_reserve(struct vmm__pagefile *pf, uint64_t first,
                          uint64_t nr);

/*
 * Whether the domain is paused because a page cannot be read.  Survives with
 * the index.
 */
void vmm__pagefile_set_paused(struct vmm__pagefile *pf, bool paused);
bool vmm__pagefile_paused(const struct vmm__pagefile *pf);

/* True if the page is one 64-bit value over and over. */
bool vmm__page_is_same(const void *page, uint64_t *value_out);

#endif
