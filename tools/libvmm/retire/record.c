/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record.c: the record of retired pages, in two copies in turn.
 *
 * A save goes to the boot loader's list first: of a power cut on the way the
 * next boot knows at once, and whoever opens the record has the list's pages
 * from the hypervisor.  Then to the copy that is older, so that the other one
 * is whole whatever becomes of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "format/retirefile.h"
#include "format/retirelist.h"
#include "retire/dimms.h"
#include "retire/entries.h"
#include "retire/past.h"
#include "retire/record.h"

#define NR_COPIES 2u

struct vmm_record {
    struct vmm__files files;
    struct vmm_logger logger;
    char *copies[NR_COPIES];
    char *list_path;            /* NULL: none */
    bool with_variable;
    int variable_rc;            /* of the last time */
    struct vmm__retirefile file;        /* entries ascend, no overlaps */
};

/* One copy; what is newer than what there is takes its place. */
static int take(struct vmm_record *record, const void *data, size_t size)
{
    struct vmm__retirefile file;
    int rc = vmm__retirefile_decode(data, size, &file);

    if (!rc && file.generation > record->file.generation) {
        vmm__retirefile_free(&record->file);
        record->file = file;
    } else if (!rc) {
        vmm__retirefile_free(&file);
    }
    return rc;
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
                     const char *list_path, bool with_variable,
                     const struct vmm_logger *logger,
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
    record->with_variable = with_variable;
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
    rc = vmm__retirefile_init(&record->file, 0);
    rc = rc ? rc : load(record);
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
    vmm__retirefile_free(&record->file);
    free(record);
}

int vmm_record_add(struct vmm_record *record, const struct vmm_retired *entry,
                   bool *changed_out)
{
    return vmm__entries_add(&record->file, entry, changed_out);
}

int vmm_record_remove(struct vmm_record *record, uint64_t mfn, uint64_t now_s)
{
    struct vmm_retired removed;
    int rc = vmm__entries_remove(&record->file, mfn, &removed);

    if (!rc) {
        vmm__past_add(&record->file, &removed, VMM_RETIRE_RELEASED,
                      vmm__past_dimm_of(&record->file, mfn), now_s);
    }
    return rc;
}

int vmm_record_set_dimms(struct vmm_record *record,
                         const struct vmm_dimm *dimms, uint32_t nr,
                         uint64_t now_s, struct vmm_dimm_changes *changes_out)
{
    return vmm__dimms_follow(&record->file, dimms, nr, now_s, changes_out);
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

static int put_list(struct vmm_record *record, const void *data, size_t size)
{
    int rc = replace(record, record->list_path, data, size);

    if (rc) {
        return rc;
    }
    rc = record->files.ops->settle(record->files.self, record->list_path);
    if (rc) {
        vmm__log(&record->logger, VMM_LOG_WARN, "%s: after a power cut a "
                 "boot loader may see an older one: %s", record->list_path,
                 vmm_error_text(rc));
    }
    /* The record has it, and the next start writes the list again. */
    return rc == VMM_E_NOTSUP ? 0 : rc;
}

/* A second one, so that its failure is none of the whole. */
static void set_variable(struct vmm_record *record, const void *data,
                         size_t size)
{
    int rc = VMM_E_NOTSUP;

    if (record->with_variable) {
        rc = record->files.ops->set_variable(record->files.self, data, size);
    }
    if (rc && rc != VMM_E_NOTSUP && rc != record->variable_rc) {
        vmm__log(&record->logger, VMM_LOG_WARN, "EFI's variable keeps an "
                 "older list, or none: %s", rc == VMM_E_NOSPC
                 ? "this one is too long" : vmm_error_text(rc));
    }
    record->variable_rc = rc;
}

/* To the copy that is older. */
static int put_copy(struct vmm_record *record,
                    const struct vmm__retirefile *file)
{
    void *data;
    size_t size;
    int rc;

    rc = vmm__retirefile_encode(file, &data, &size);
    if (rc) {
        return rc;
    }
    rc = replace(record, record->copies[file->generation % NR_COPIES], data,
                 size);
    free(data);
    return rc;
}

int vmm_record_save(struct vmm_record *record, uint64_t memory_map_hash)
{
    struct vmm__retirefile file = record->file;
    int rc, list_rc = 0;
    void *data;
    size_t size;

    file.generation++;
    rc = vmm__retirelist_encode(file.entries, file.nr_entries,
                                file.generation, memory_map_hash, &data,
                                &size);
    if (rc) {
        return rc;
    }
    if (record->list_path) {
        list_rc = put_list(record, data, size);
    }
    set_variable(record, data, size);
    free(data);
    rc = put_copy(record, &file);
    if (!rc) {
        record->file.generation = file.generation;
    }
    return rc ? rc : list_rc;
}

uint32_t vmm_record_nr(const struct vmm_record *record)
{
    return record->file.nr_entries;
}

void vmm_record_get(const struct vmm_record *record, uint32_t index,
                    struct vmm_retired *entry_out)
{
    *entry_out = record->file.entries[index];
}

uint64_t vmm_record_generation(const struct vmm_record *record)
{
    return record->file.generation;
}

bool vmm_record_has(const struct vmm_record *record, uint64_t mfn)
{
    uint32_t at = vmm__entries_find(&record->file, mfn);

    return at < record->file.nr_entries &&
           record->file.entries[at].mfn <= mfn;
}

uint32_t vmm_record_nr_dimms(const struct vmm_record *record)
{
    return record->file.nr_dimms;
}

const struct vmm_dimm *vmm_record_dimm(const struct vmm_record *record,
                                       uint32_t index)
{
    return &record->file.dimms[index];
}

uint32_t vmm_record_nr_past(const struct vmm_record *record)
{
    return record->file.nr_past;
}

const struct vmm_retired_past *vmm_record_past(const struct vmm_record *record,
                                               uint32_t index)
{
    return &record->file.past[index];
}
