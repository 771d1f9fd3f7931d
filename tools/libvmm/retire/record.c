/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record.c: the record of retired pages, in two copies in turn.
 *
 * A save goes to the copy that is older, so that the other one is whole
 * whatever becomes of it, and only then to the boot loader's list, which is
 * thus never newer than the record.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "format/retirefile.h"
#include "format/retirelist.h"
#include "retire/record.h"

#define NR_COPIES 2u

struct vmm_record {
    struct vmm__files files;
    struct vmm_logger logger;
    char *copies[NR_COPIES];
    char *list_path;            /* NULL: none */
    uint64_t generation;
    struct vmm_retired *entries;        /* ascending, no overlaps */
    uint32_t nr, room;
};

/* One copy; what is newer than what there is takes its place. */
static int take(struct vmm_record *record, const void *data, size_t size)
{
    struct vmm_retired *entries;
    uint64_t generation;
    uint32_t nr;
    int rc;

    rc = vmm__retirefile_decode(data, size, &generation, &entries, &nr);
    if (rc) {
        return rc;
    }
    if (generation <= record->generation) {
        free(entries);
        return 0;
    }
    free(record->entries);
    record->entries = entries;
    record->nr = record->room = nr;
    record->generation = generation;
    return 0;
}

static int load(struct vmm_record *record)
{
    bool found = false;
    unsigned int i;
    int rc, bad_rc = 0;

    for (i = 0; i < NR_COPIES; i++) {
        void *data = NULL;
        size_t size;

        rc = record->files.ops->read(record->files.self, record->copies[i],
                                     VMM__RETIREFILE_BYTES_MAX, &data, &size);
        if (rc == VMM_E_NOENT) {
            continue;
        }
        if (!rc) {
            rc = take(record, data, size);
            free(data);
        }
        if (rc) {
            vmm__log(&record->logger, VMM_LOG_ERROR, "%s: %s",
                     record->copies[i], vmm_error_text(rc));
            bad_rc = rc;
        } else {
            found = true;
        }
    }
    return found ? 0 : bad_rc;
}

int vmm__record_open(const struct vmm__files *files, const char *dir,
                     const char *list_path, const struct vmm_logger *logger,
                     struct vmm_record **record_out)
{
    struct vmm_record *record = calloc(1, sizeof(*record));
    unsigned int i;
    int rc = VMM_E_NOMEM;

    if (!record) {
        return rc;
    }
    record->files = *files;
    record->logger = *logger;
    for (i = 0; i < NR_COPIES; i++) {
        if (asprintf(&record->copies[i], "%s/retired.%u", dir, i) < 0) {
            record->copies[i] = NULL;
            goto fail;
        }
    }
    if (list_path) {
        record->list_path = strdup(list_path);
        if (!record->list_path) {
            goto fail;
        }
    }
    rc = load(record);
    if (rc) {
        goto fail;
    }
    *record_out = record;
    return 0;

 fail:
    vmm_record_close(record);
    return rc;
}

void vmm_record_close(struct vmm_record *record)
{
    unsigned int i;

    if (!record) {
        return;
    }
    for (i = 0; i < NR_COPIES; i++) {
        free(record->copies[i]);
    }
    free(record->list_path);
    free(record->entries);
    free(record);
}

/* The first entry that ends after mfn. */
static uint32_t find(const struct vmm_record *record, uint64_t mfn)
{
    uint32_t lo = 0, hi = record->nr;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (record->entries[mid].mfn + record->entries[mid].nr_pages > mfn) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return lo;
}

static int insert(struct vmm_record *record, uint32_t at,
                  const struct vmm_retired *entry)
{
    if (record->nr >= VMM_RETIRE_PAGES_MAX) {
        return VMM_E_NOSPC;
    }
    if (record->nr == record->room) {
        uint32_t room = record->room + record->room / 2 + 16;
        struct vmm_retired *entries = realloc(record->entries,
                                              room * sizeof(*entries));

        if (!entries) {
            return VMM_E_NOMEM;
        }
        record->entries = entries;
        record->room = room;
    }
    memmove(record->entries + at + 1, record->entries + at,
            (record->nr - at) * sizeof(*entry));
    record->entries[at] = *entry;
    record->entries[at].state = VMM_RETIRE_ABSENT;
    record->entries[at].owner_domid = VMM_RETIRE_NO_OWNER;
    record->entries[at].broken = record->entries[at].from_boot_list = false;
    record->nr++;
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

int vmm_record_add(struct vmm_record *record, const struct vmm_retired *entry,
                   bool *changed_out)
{
    uint64_t mfn = entry->mfn, end = 0;
    int rc;

    *changed_out = false;
    if (!vmm__retired_follows(entry, &end)) {
        return VMM_E_INVAL;
    }
    while (mfn < end) {
        uint32_t at = find(record, mfn);
        struct vmm_retired *known = at < record->nr ? &record->entries[at]
                                                    : NULL;
        struct vmm_retired gap = *entry;

        if (known && known->mfn <= mfn) {
            *changed_out |= update(known, entry);
            mfn = known->mfn + known->nr_pages;
            continue;
        }
        gap.mfn = mfn;
        gap.nr_pages = (uint32_t)((known && known->mfn < end ? known->mfn
                                                             : end) - mfn);
        rc = insert(record, at, &gap);
        if (rc) {
            return rc;
        }
        *changed_out = true;
        mfn += gap.nr_pages;
    }
    return 0;
}

int vmm_record_remove(struct vmm_record *record, uint64_t mfn)
{
    uint32_t at = find(record, mfn);
    struct vmm_retired *known, rest;
    int rc;

    if (at == record->nr || record->entries[at].mfn > mfn) {
        return VMM_E_NOENT;
    }
    rest = record->entries[at];
    rest.mfn = mfn + 1;
    rest.nr_pages -= (uint32_t)(rest.mfn - record->entries[at].mfn);
    if (rest.nr_pages && mfn > record->entries[at].mfn) {
        rc = insert(record, at + 1, &rest);
        if (rc) {
            return rc;
        }
    }
    known = &record->entries[at];
    if (mfn > known->mfn) {
        known->nr_pages = (uint32_t)(mfn - known->mfn);
    } else if (rest.nr_pages) {
        *known = rest;
    } else {
        record->nr--;
        memmove(known, known + 1, (record->nr - at) * sizeof(*known));
    }
    return 0;
}

static int replace(struct vmm_record *record, const char *path,
                   const void *data, size_t size)
{
    int rc = record->files.ops->replace(record->files.self, path, data, size);

    if (rc) {
        vmm__log(&record->logger, VMM_LOG_ERROR, "%s: %s", path,
                 vmm_error_text(rc));
    }
    return rc;
}

int vmm_record_save(struct vmm_record *record, uint64_t memory_map_hash)
{
    uint64_t generation = record->generation + 1;
    void *data;
    size_t size;
    int rc;

    rc = vmm__retirefile_encode(record->entries, record->nr, generation,
                                &data, &size);
    if (rc) {
        return rc;
    }
    rc = replace(record, record->copies[generation % NR_COPIES], data, size);
    free(data);
    if (rc) {
        return rc;
    }
    record->generation = generation;
    if (!record->list_path) {
        return 0;
    }
    rc = vmm__retirelist_encode(record->entries, record->nr, generation,
                                memory_map_hash, &data, &size);
    if (rc) {
        return rc;
    }
    rc = replace(record, record->list_path, data, size);
    free(data);
    if (!rc) {
        rc = record->files.ops->settle(record->files.self, record->list_path);
        if (rc) {
            vmm__log(&record->logger, VMM_LOG_WARN, "%s: after a power cut a "
                     "boot loader may see an older one: %s",
                     record->list_path, vmm_error_text(rc));
        }
    }
    /* The record has it, and the next start writes the list again. */
    return rc == VMM_E_NOTSUP ? 0 : rc;
}

uint32_t vmm_record_nr(const struct vmm_record *record)
{
    return record->nr;
}

void vmm_record_get(const struct vmm_record *record, uint32_t index,
                    struct vmm_retired *entry_out)
{
    *entry_out = record->entries[index];
}

uint64_t vmm_record_generation(const struct vmm_record *record)
{
    return record->generation;
}
