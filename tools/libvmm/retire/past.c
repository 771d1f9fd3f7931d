/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* past.c: see past.h. */
#include <string.h>

#include "retire/past.h"

uint16_t vmm__past_dimm_of(const struct vmm__retirefile *file, uint64_t mfn)
{
    uint16_t found = VMM_RETIRE_NO_DIMM;
    uint32_t i;

    for (i = 0; i < file->nr_dimms; i++) {
        const struct vmm_dimm *dimm = &file->dimms[i];

        if (dimm->absent || !vmm_dimm_pages(dimm, mfn, 1)) {
            continue;
        }
        if (found != VMM_RETIRE_NO_DIMM || dimm->shared) {
            return VMM_RETIRE_NO_DIMM;
        }
        found = (uint16_t)i;
    }
    return found;
}

void vmm__past_add(struct vmm__retirefile *file,
                   const struct vmm_retired *entry,
                   enum vmm_retire_reason reason, uint16_t dimm,
                   uint64_t now_s)
{
    struct vmm_retired_past *last = file->nr_past
                                    ? &file->past[file->nr_past - 1] : NULL;

    if (last && last->mfn + last->nr_pages == entry->mfn &&
        last->cause == entry->cause && last->time_s == entry->time_s &&
        last->nr_errors == entry->nr_errors && last->reason == reason &&
        last->dimm == dimm && now_s - last->released_s <= 1 &&
        last->nr_pages + entry->nr_pages > last->nr_pages) {
        last->nr_pages += entry->nr_pages;
        return;
    }
    if (file->nr_past == VMM_RETIRE_PAST_MAX) {
        file->nr_past--;
        memmove(file->past, file->past + 1,
                file->nr_past * sizeof(*file->past));
    }
    file->past[file->nr_past++] = (struct vmm_retired_past){
        .mfn = entry->mfn, .time_s = entry->time_s, .released_s = now_s,
        .nr_pages = entry->nr_pages, .nr_errors = entry->nr_errors,
        .dimm = dimm, .cause = entry->cause, .reason = reason,
    };
}
