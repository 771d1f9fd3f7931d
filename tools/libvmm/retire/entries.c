/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* entries.c: see entries.h. */
#include <stdlib.h>
#include <string.h>

#include "format/retirelist.h"
#include "retire/entries.h"

uint32_t vmm__entries_find(const struct vmm__retirefile *file, uint64_t mfn)
{
    uint32_t lo = 0, hi = file->nr_entries;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (file->entries[mid].mfn + file->entries[mid].nr_pages > mfn) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return lo;
}

static int insert(struct vmm__retirefile *file, uint32_t at,
                  const struct vmm_retired *entry)
{
    if (file->nr_entries >= VMM_RETIRE_PAGES_MAX) {
        return VMM_E_NOSPC;
    }
    if (file->nr_entries % VMM__RETIREFILE_STEP == 0) {
        struct vmm_retired *entries =
            realloc(file->entries, (file->nr_entries + VMM__RETIREFILE_STEP) *
                                   sizeof(*entries));

        if (!entries) {
            return VMM_E_NOMEM;
        }
        file->entries = entries;
    }
    memmove(file->entries + at + 1, file->entries + at,
            (file->nr_entries - at) * sizeof(*entry));
    file->entries[at] = *entry;
    file->entries[at].state = VMM_RETIRE_ABSENT;
    file->entries[at].owner_domid = VMM_RETIRE_NO_OWNER;
    file->entries[at].broken = file->entries[at].from_boot_list = false;
    file->nr_entries++;
    return 0;
}

/* Something new about pages that are there. */
static bool update(struct vmm_retired *known, const struct vmm_retired *entry)
{
    bool changed = false;

    if (entry->time_s > known->time_s) {
        known->time_s = entry->time_s;
        known->nr_errors += entry->nr_errors ? 1 : 0;
        changed = true;
    }
    if (entry->cause == VMM_RETIRE_UNCORRECTED &&
        known->cause != entry->cause && known->nr_pages == entry->nr_pages) {
        known->cause = entry->cause;
        changed = true;
    }
    return changed;
}

int vmm__entries_add(struct vmm__retirefile *file,
                     const struct vmm_retired *entry, bool *changed_out)
{
    uint64_t mfn = entry->mfn, end = 0;
    int rc;

    *changed_out = false;
    if (!vmm__retired_follows(entry, &end)) {
        return VMM_E_INVAL;
    }
    while (mfn < end) {
        uint32_t at = vmm__entries_find(file, mfn);
        struct vmm_retired *known = at < file->nr_entries
                                    ? &file->entries[at] : NULL;
        struct vmm_retired gap = *entry;

        if (known && known->mfn <= mfn) {
            *changed_out |= update(known, entry);
            mfn = known->mfn + known->nr_pages;
            continue;
        }
        gap.mfn = mfn;
        gap.nr_pages = (uint32_t)((known && known->mfn < end ? known->mfn
                                                             : end) - mfn);
        rc = insert(file, at, &gap);
        if (rc) {
            return rc;
        }
        *changed_out = true;
        mfn += gap.nr_pages;
    }
    return 0;
}

int vmm__entries_remove(struct vmm__retirefile *file, uint64_t mfn,
                        struct vmm_retired *removed_out)
{
    uint32_t at = vmm__entries_find(file, mfn);
    struct vmm_retired *known, rest;
    int rc;

    if (at == file->nr_entries || file->entries[at].mfn > mfn) {
        return VMM_E_NOENT;
    }
    rest = file->entries[at];
    rest.mfn = mfn + 1;
    rest.nr_pages -= (uint32_t)(rest.mfn - file->entries[at].mfn);
    if (rest.nr_pages && mfn > file->entries[at].mfn) {
        rc = insert(file, at + 1, &rest);
        if (rc) {
            return rc;
        }
    }
    known = &file->entries[at];
    *removed_out = *known;
    removed_out->mfn = mfn;
    removed_out->nr_pages = 1;
    if (mfn > known->mfn) {
        known->nr_pages = (uint32_t)(mfn - known->mfn);
    } else if (rest.nr_pages) {
        *known = rest;
    } else {
        file->nr_entries--;
        memmove(known, known + 1, (file->nr_entries - at) * sizeof(*known));
    }
    return 0;
}
