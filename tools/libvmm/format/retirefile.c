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
    uint8_t res1[16];
};

struct wire_entry {
    uint64_t mfn;
    uint64_t time_s;
    uint32_t nr_pages;
    uint32_t nr_errors;
    uint8_t cause;
    uint8_t res1[7];
};

static uint64_t checksum(const struct wire_head *head, size_t size)
{
    return vmm__hash64(head, size, offsetof(struct wire_head, checksum));
}

int vmm__retirefile_encode(const struct vmm_retired *entries, uint32_t nr,
                           uint64_t generation, void **data_out,
                           size_t *size_out)
{
    size_t size = sizeof(struct wire_head) + nr * sizeof(struct wire_entry);
    struct wire_head *head = calloc(1, size);
    struct wire_entry *wire;
    uint32_t i;

    if (!head) {
        return VMM_E_NOMEM;
    }
    wire = (struct wire_entry *)(head + 1);
    for (i = 0; i < nr; i++) {
        wire[i] = (struct wire_entry){
            .mfn = htole64(entries[i].mfn),
            .time_s = htole64(entries[i].time_s),
            .nr_pages = htole32(entries[i].nr_pages),
            .nr_errors = htole32(entries[i].nr_errors),
            .cause = (uint8_t)entries[i].cause,
        };
    }
    memcpy(head->magic, MAGIC, sizeof(head->magic));
    head->version = htole32(VERSION);
    head->nr_entries = htole32(nr);
    head->generation = htole64(generation);
    head->checksum = htole64(checksum(head, size));
    *data_out = head;
    *size_out = size;
    return 0;
}

static bool is_zero(const uint8_t *bytes, size_t nr)
{
    while (nr && !bytes[nr - 1]) {
        nr--;
    }
    return !nr;
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
    if (nr > VMM_RETIRE_PAGES_MAX ||
        size != sizeof(*head) + nr * sizeof(struct wire_entry)) {
        return VMM_E_FORMAT;
    }
    if (checksum(head, size) != le64toh(head->checksum)) {
        return VMM_E_CHECKSUM;
    }
    return head->generation && is_zero(head->res1, sizeof(head->res1))
           ? 0 : VMM_E_FORMAT;
}

int vmm__retirefile_decode(const void *data, size_t size,
                           uint64_t *generation_out,
                           struct vmm_retired **entries_out,
                           uint32_t *nr_out)
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
        struct vmm_retired e = {
            .mfn = le64toh(wire[i].mfn), .time_s = le64toh(wire[i].time_s),
            .nr_pages = le32toh(wire[i].nr_pages),
            .nr_errors = le32toh(wire[i].nr_errors),
            .cause = (enum vmm_retire_cause)wire[i].cause,
            .owner_domid = VMM_RETIRE_NO_OWNER,
        };

        if (!vmm__retired_follows(&e, &end) ||
            !is_zero(wire[i].res1, sizeof(wire[i].res1))) {
            free(entries);
            return VMM_E_FORMAT;
        }
        entries[i] = e;
    }
    *generation_out = le64toh(head->generation);
    *entries_out = entries;
    *nr_out = nr;
    return 0;
}
