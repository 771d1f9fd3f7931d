/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * retirelist.h: the list of retired pages that a boot loader hands to Xen.
 *
 * Layout: struct xen_vmm_retire_list of xen/include/public/vmm_retire.h, and
 * vmm-retired(5).  Xen has a reader of its own; the tests hold both against
 * each other.
 */
#ifndef VMM_FORMAT_RETIRELIST_H
#define VMM_FORMAT_RETIRELIST_H

#include <stddef.h>
#include <stdint.h>

#include "include/vmm_retire.h"

struct vmm__retirelist_head {
    uint64_t generation;
    uint64_t memory_map_hash;
    uint32_t nr_entries;
};

/*
 * Whether an entry has pages, within bounds and from *end_mfn on, and a known
 * cause; *end_mfn is then where it ends.
 */
bool vmm__retired_follows(const struct vmm_retired *entry, uint64_t *end_mfn);

/*
 * Entries in ascending order that do not overlap; neighbours of one cause
 * become one.  *data_out is the caller's.  VMM_E_NOMEM, VMM_E_RANGE.
 */
int vmm__retirelist_encode(const struct vmm_retired *entries, uint32_t nr,
                           uint64_t generation, uint64_t memory_map_hash,
                           void **data_out, size_t *size_out);
/*
 * *entries_out, the caller's, have mfn, nr_pages and cause.  What follows the
 * list is left alone.  VMM_E_FORMAT, VMM_E_VERSION, VMM_E_CHECKSUM,
 * VMM_E_NOMEM.
 */
int vmm__retirelist_decode(const void *data, size_t size,
                           struct vmm__retirelist_head *head_out,
                           struct vmm_retired **entries_out);

#endif
