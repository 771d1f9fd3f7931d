/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* retirelist.c: see retirelist.h. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "format/retirelist.h"

#define MAGIC "VMRETIRE"
#define VERSION 1u

struct wire_head {
    char magic[8];
    uint32_t version;
    uint32_t nr_entries;
    uint64_t size_bytes;
    uint64_t generation;
    uint64_t memory_map_hash;
    uint64_t checksum;
};

struct wire_entry {
    uint64_t mfn;
    uint32_t nr_pages;
    uint8_t cause;
    uint8_t res1[3];
};

static uint64_t checksum(const struct wire_head *head, size_t size)
{
    return vmm__hash64(head, size, offsetof(struct wire_head, checksum));
}

bool vmm__retired_follows(const struct vmm_retired *entry, uint64_t *end_mfn)
{
    if (!entry->nr_pages || entry->mfn < *end_mfn ||
        entry->mfn >= 1ull << VMM_RETIRE_MFN_BITS ||
        entry->mfn + entry->nr_pages > 1ull << VMM_RETIRE_MFN_BITS ||
        (unsigned int)entry->cause >= VMM_RETIRE_NR_CAUSES) {
        return false;
    }
    *end_mfn = entry->mfn + entry->nr_pages;
    return true;
}

int vmm__retirelist_encode(const struct vmm_retired *entries, uint32_t nr,
                           uint64_t generation, uint64_t memory_map_hash,
                           void **data_out, size_t *size_out)
{
    struct wire_entry *last = NULL, *next;
    struct wire_head *head;
    uint64_t end = 0;
    uint32_t i;

    head = calloc(1, sizeof(*head) + nr * sizeof(*next));
    if (!head) {
        return VMM_E_NOMEM;
    }
    next = (struct wire_entry *)(head + 1);
    for (i = 0; i < nr; i++) {
        const struct vmm_retired *e = &entries[i];
        bool adjoins = i && e->mfn == end;

        if (!vmm__retired_follows(e, &end)) {
            free(head);
            return VMM_E_RANGE;
        }
        if (adjoins && last->cause == (uint8_t)e->cause &&
            le32toh(last->nr_pages) + (uint64_t)e->nr_pages <= UINT32_MAX) {
            last->nr_pages = htole32(le32toh(last->nr_pages) + e->nr_pages);
        } else {
            last = next++;
            last->mfn = htole64(e->mfn);
            last->nr_pages = htole32(e->nr_pages);
            last->cause = (uint8_t)e->cause;
        }
    }
    *size_out = (size_t)((char *)next - (char *)head);
    nr = (uint32_t)(next - (struct wire_entry *)(head + 1));
    if (nr > VMM_RETIRE_PAGES_MAX) {
        free(head);
        return VMM_E_RANGE;
    }
    memcpy(head->magic, MAGIC, sizeof(head->magic));
    head->version = htole32(VERSION);
    head->nr_entries = htole32(nr);
    head->size_bytes = htole64(*size_out);
    head->generation = htole64(generation);
    head->memory_map_hash = htole64(memory_map_hash);
    head->checksum = htole64(checksum(head, *size_out));
    *data_out = head;
    return 0;
}

static int check_head(const struct wire_head *head, size_t size)
{
    uint64_t nr;

    if (size < sizeof(*head) || memcmp(head->magic, MAGIC, 8)) {
        return VMM_E_FORMAT;
    }
    if (le32toh(head->version) != VERSION) {
        return VMM_E_VERSION;
    }
    nr = le32toh(head->nr_entries);
    if (nr > VMM_RETIRE_PAGES_MAX || le64toh(head->size_bytes) > size ||
        le64toh(head->size_bytes) !=
        sizeof(*head) + nr * sizeof(struct wire_entry)) {
        return VMM_E_FORMAT;
    }
    return checksum(head, le64toh(head->size_bytes)) ==
           le64toh(head->checksum) ? 0 : VMM_E_CHECKSUM;
}

int vmm__retirelist_decode(const void *data, size_t size,
                           struct vmm__retirelist_head *head_out,
                           struct vmm_retired **entries_out)
{
    const struct wire_head *head = data;
    const struct wire_entry *wire = (const struct wire_entry *)(head + 1);
    struct vmm_retired *entries;
    uint64_t end = 0;
    uint32_t i, nr;
    int rc;

    rc = check_head(head, size);
    if (rc) {
        return rc;
    }
    nr = le32toh(head->nr_entries);
    entries = calloc(nr ? nr : 1, sizeof(*entries));
    if (!entries) {
        return VMM_E_NOMEM;
    }
    for (i = 0; i < nr; i++) {
        entries[i] = (struct vmm_retired){
            .mfn = le64toh(wire[i].mfn), .nr_pages = le32toh(wire[i].nr_pages),
            .cause = (enum vmm_retire_cause)wire[i].cause,
            .owner_domid = VMM_RETIRE_NO_OWNER, .from_boot_list = true,
        };
        if (!vmm__retired_follows(&entries[i], &end) || wire[i].res1[0] ||
            wire[i].res1[1] || wire[i].res1[2]) {
            free(entries);
            return VMM_E_FORMAT;
        }
    }
    *head_out = (struct vmm__retirelist_head){
        .generation = le64toh(head->generation),
        .memory_map_hash = le64toh(head->memory_map_hash), .nr_entries = nr,
    };
    *entries_out = entries;
    return 0;
}
