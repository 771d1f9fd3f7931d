/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* entries.h: the pages in a record, in ascending order, without overlaps. */
#ifndef VMM_RETIRE_ENTRIES_H
#define VMM_RETIRE_ENTRIES_H

#include "format/retirefile.h"

/* The first entry that ends after mfn; nr_entries if there is none. */
uint32_t vmm__entries_find(const struct vmm__retirefile *file, uint64_t mfn);
/* As vmm_record_add(). */
int vmm__entries_add(struct vmm__retirefile *file,
                     const struct vmm_retired *entry, bool *changed_out);
/* One page; VMM_E_NOENT, VMM_E_NOSPC, VMM_E_NOMEM. */
int vmm__entries_remove(struct vmm__retirefile *file, uint64_t mfn,
                        struct vmm_retired *removed_out);

#endif
