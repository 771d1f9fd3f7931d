/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* retirefile.c: see retirefile.h. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "format/retirefile.h"
#include "format/retirelist.h"

#define MAGIC "VMRECORD"
#define VERSION 1u

struct wire_head {
    char magic[8];
    uint32_t version;
    uint32_t nr_entries;
    uint64_t generation;
    uint64_t checksum;          /* XXH64, seed 0, of all, with 0 here */
    uint32_t nr_dimms;
    uint32_t nr_past;
    uint8_t res1[8];
};

struct wire_entry {
    uint64_t mfn;
    uint64_t time_s;
    uint32_t nr_pages;
    uint32_t nr_errors;
    uint8_t cause;
    uint8_t res1[7];
};

struct wire_range {
    uint64_t first_mfn;
    uint64_t nr_pages;
};

struct wire_dimm {
    char locator[VMM_DIMM_TEXT_BYTES];
    char maker[VMM_DIMM_TEXT_BYTES];
    char part[VMM_DIMM_TEXT_BYTES];
    char serial[VMM_DIMM_TEXT_BYTES];
    struct wire_range ranges[VMM_DIMM_RANGES_MAX];
    uint64_t size_bytes;
    uint32_t nr_ranges;
    uint8_t shared;
    uint8_t absent;
    uint8_t res1[2];
};

struct wire_past {
    uint64_t mfn;
    uint64_t time_s;
    uint64_t released_s;
    uint32_t nr_pages;
    uint32_t nr_errors;
    uint16_t dimm;
    uint8_t cause;
    uint8_t reason;
    uint8_t res1[4];
};

static uint64_t checksum(const struct wire_head *head, size_t size)
{
    return vmm__hash64(head, size, offsetof(struct wire_head, checksum));
}

static size_t file_bytes(uint32_t nr_entries, uint32_t nr_dimms,
                         uint32_t nr_past)
{
    return sizeof(struct wire_head) + nr_entries * sizeof(struct wire_entry) +
           nr_dimms * sizeof(struct wire_dimm) +
           nr_past * sizeof(struct wire_past);
}

int vmm__retirefile_init(struct vmm__retirefile *file, uint32_t nr_entries)
{
    size_t room = nr_entries / VMM__RETIREFILE_STEP * VMM__RETIREFILE_STEP +
                  VMM__RETIREFILE_STEP;

    *file = (struct vmm__retirefile){
        .entries = calloc(room, sizeof(*file->entries)),
        .dimms = calloc(VMM_DIMMS_MAX, sizeof(*file->dimms)),
        .past = calloc(VMM_RETIRE_PAST_MAX, sizeof(*file->past)),
    };
    if (!file->entries || !file->dimms || !file->past) {
        vmm__retirefile_free(file);
        return VMM_E_NOMEM;
    }
    return 0;
}

void vmm__retirefile_free(struct vmm__retirefile *file)
{
    free(file->entries);
    free(file->dimms);
    free(file->past);
    *file = (struct vmm__retirefile){ .generation = 0 };
}

static void encode_dimm(const struct vmm_dimm *dimm, struct wire_dimm *wire)
{
    uint32_t i;

    memcpy(wire->locator, dimm->locator, VMM_DIMM_TEXT_BYTES);
    memcpy(wire->maker, dimm->maker, VMM_DIMM_TEXT_BYTES);
    memcpy(wire->part, dimm->part, VMM_DIMM_TEXT_BYTES);
    memcpy(wire->serial, dimm->serial, VMM_DIMM_TEXT_BYTES);
    wire->size_bytes = htole64(dimm->size_bytes);
    wire->nr_ranges = htole32(dimm->nr_ranges);
    wire->shared = dimm->shared;
    wire->absent = dimm->absent;
    for (i = 0; i < dimm->nr_ranges; i++) {
        wire->ranges[i].first_mfn = htole64(dimm->ranges[i].first_mfn);
        wire->ranges[i].nr_pages = htole64(dimm->ranges[i].nr_pages);
    }
}

int vmm__retirefile_encode(const struct vmm__retirefile *file,
                           void **data_out, size_t *size_out)
{
    size_t size = file_bytes(file->nr_entries, file->nr_dimms,
                             file->nr_past);
    struct wire_head *head = calloc(1, size);
    struct wire_entry *entries;
    struct wire_dimm *dimms;
    struct wire_past *past;
    uint32_t i;

    if (!head) {
        return VMM_E_NOMEM;
    }
    entries = (struct wire_entry *)(head + 1);
    for (i = 0; i < file->nr_entries; i++) {
        const struct vmm_retired *e = &file->entries[i];

        entries[i] = (struct wire_entry){
            .mfn = htole64(e->mfn), .time_s = htole64(e->time_s),
            .nr_pages = htole32(e->nr_pages),
            .nr_errors = htole32(e->nr_errors), .cause = (uint8_t)e->cause,
        };
    }
    dimms = (struct wire_dimm *)(entries + file->nr_entries);
    for (i = 0; i < file->nr_dimms; i++) {
        encode_dimm(&file->dimms[i], &dimms[i]);
    }
    past = (struct wire_past *)(dimms + file->nr_dimms);
    for (i = 0; i < file->nr_past; i++) {
        const struct vmm_retired_past *p = &file->past[i];

        past[i] = (struct wire_past){
            .mfn = htole64(p->mfn), .time_s = htole64(p->time_s),
            .released_s = htole64(p->released_s),
            .nr_pages = htole32(p->nr_pages),
            .nr_errors = htole32(p->nr_errors), .dimm = htole16(p->dimm),
            .cause = (uint8_t)p->cause, .reason = (uint8_t)p->reason,
        };
    }
    memcpy(head->magic, MAGIC, sizeof(head->magic));
    head->version = htole32(VERSION);
    head->nr_entries = htole32(file->nr_entries);
    head->nr_dimms = htole32(file->nr_dimms);
    head->nr_past = htole32(file->nr_past);
    head->generation = htole64(file->generation);
    head->checksum = htole64(checksum(head, size));
    *data_out = head;
    *size_out = size;
    return 0;
}

static bool is_zero(const void *bytes, size_t nr)
{
    const uint8_t *b = bytes;

    while (nr && !b[nr - 1]) {
        nr--;
    }
    return !nr;
}

static int check_head(const struct wire_head *head, size_t size)
{
    if (size < sizeof(*head) || memcmp(head->magic, MAGIC, 8)) {
        return VMM_E_FORMAT;
    }
    if (le32toh(head->version) != VERSION) {
        return VMM_E_VERSION;
    }
    if (le32toh(head->nr_entries) > VMM_RETIRE_PAGES_MAX ||
        le32toh(head->nr_dimms) > VMM_DIMMS_MAX ||
        le32toh(head->nr_past) > VMM_RETIRE_PAST_MAX ||
        size != file_bytes(le32toh(head->nr_entries), le32toh(head->nr_dimms),
                           le32toh(head->nr_past))) {
        return VMM_E_FORMAT;
    }
    if (checksum(head, size) != le64toh(head->checksum)) {
        return VMM_E_CHECKSUM;
    }
    return head->generation && is_zero(head->res1, sizeof(head->res1))
           ? 0 : VMM_E_FORMAT;
}

static bool decode_entries(const struct wire_entry *wire,
                           struct vmm__retirefile *file)
{
    uint64_t end = 0;
    uint32_t i;

    for (i = 0; i < file->nr_entries; i++) {
        struct vmm_retired e = {
            .mfn = le64toh(wire[i].mfn), .time_s = le64toh(wire[i].time_s),
            .nr_pages = le32toh(wire[i].nr_pages),
            .nr_errors = le32toh(wire[i].nr_errors),
            .cause = (enum vmm_retire_cause)wire[i].cause,
            .owner_domid = VMM_RETIRE_NO_OWNER,
        };

        if (!vmm__retired_follows(&e, &end) ||
            !is_zero(wire[i].res1, sizeof(wire[i].res1))) {
            return false;
        }
        file->entries[i] = e;
    }
    return true;
}

/* Printable, and zeros to the end. */
static bool decode_text(const char *wire, char *text)
{
    size_t len = strnlen(wire, VMM_DIMM_TEXT_BYTES), i;

    for (i = 0; i < len; i++) {
        if (wire[i] < ' ' || wire[i] > '~') {
            return false;
        }
    }
    memcpy(text, wire, len);
    return len < VMM_DIMM_TEXT_BYTES &&
           is_zero(wire + len, VMM_DIMM_TEXT_BYTES - len);
}

static bool decode_dimm(const struct wire_dimm *wire, struct vmm_dimm *dimm)
{
    uint64_t end, last = 0;
    uint32_t i;

    dimm->size_bytes = le64toh(wire->size_bytes);
    dimm->nr_ranges = le32toh(wire->nr_ranges);
    dimm->shared = wire->shared;
    dimm->absent = wire->absent;
    if (dimm->nr_ranges > VMM_DIMM_RANGES_MAX || wire->shared > 1 ||
        wire->absent > 1 || !is_zero(wire->res1, sizeof(wire->res1)) ||
        !is_zero(wire->ranges + dimm->nr_ranges,
                 (VMM_DIMM_RANGES_MAX - dimm->nr_ranges) *
                 sizeof(wire->ranges[0]))) {
        return false;
    }
    for (i = 0; i < dimm->nr_ranges; i++) {
        struct vmm_dimm_range *range = &dimm->ranges[i];

        range->first_mfn = le64toh(wire->ranges[i].first_mfn);
        range->nr_pages = le64toh(wire->ranges[i].nr_pages);
        end = range->first_mfn + range->nr_pages;
        if (range->first_mfn < last || end <= range->first_mfn ||
            end > 1ull << VMM_RETIRE_MFN_BITS) {
            return false;
        }
        last = range->first_mfn;
    }
    return decode_text(wire->locator, dimm->locator) &&
           decode_text(wire->maker, dimm->maker) &&
           decode_text(wire->part, dimm->part) &&
           decode_text(wire->serial, dimm->serial);
}

static bool decode_past(const struct wire_past *wire, uint32_t nr_dimms,
                        struct vmm_retired_past *past)
{
    *past = (struct vmm_retired_past){
        .mfn = le64toh(wire->mfn), .time_s = le64toh(wire->time_s),
        .released_s = le64toh(wire->released_s),
        .nr_pages = le32toh(wire->nr_pages),
        .nr_errors = le32toh(wire->nr_errors), .dimm = le16toh(wire->dimm),
        .cause = (enum vmm_retire_cause)wire->cause,
        .reason = (enum vmm_retire_reason)wire->reason,
    };
    return past->nr_pages && past->mfn < 1ull << VMM_RETIRE_MFN_BITS &&
           past->mfn + past->nr_pages <= 1ull << VMM_RETIRE_MFN_BITS &&
           wire->cause < VMM_RETIRE_NR_CAUSES &&
           wire->reason < VMM_RETIRE_NR_REASONS &&
           (past->dimm < nr_dimms || past->dimm == VMM_RETIRE_NO_DIMM) &&
           is_zero(wire->res1, sizeof(wire->res1));
}

int vmm__retirefile_decode(const void *data, size_t size,
                           struct vmm__retirefile *file_out)
{
    const struct wire_head *head = data;
    const struct wire_entry *entries = (const struct wire_entry *)(head + 1);
    struct vmm__retirefile file;
    const struct wire_dimm *dimms;
    const struct wire_past *past;
    bool good;
    uint32_t i;
    int rc;

    rc = check_head(head, size);
    if (rc) {
        return rc;
    }
    rc = vmm__retirefile_init(&file, le32toh(head->nr_entries));
    if (rc) {
        return rc;
    }
    file.generation = le64toh(head->generation);
    file.nr_entries = le32toh(head->nr_entries);
    file.nr_dimms = le32toh(head->nr_dimms);
    file.nr_past = le32toh(head->nr_past);
    dimms = (const struct wire_dimm *)(entries + file.nr_entries);
    past = (const struct wire_past *)(dimms + file.nr_dimms);
    good = decode_entries(entries, &file);
    for (i = 0; good && i < file.nr_dimms; i++) {
        good = decode_dimm(&dimms[i], &file.dimms[i]);
    }
    for (i = 0; good && i < file.nr_past; i++) {
        good = decode_past(&past[i], file.nr_dimms, &file.past[i]);
    }
    if (!good) {
        vmm__retirefile_free(&file);
        return VMM_E_FORMAT;
    }
    *file_out = file;
    return 0;
}
