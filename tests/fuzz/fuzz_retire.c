/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_retire.c: what is read of retired pages: the boot loader's list, a copy
 * of the record, other people's lists, a record of machine checks, SMBIOS.
 *
 * Input: which of them (a byte), then its contents; of the first two the
 * checksum is put right if the byte says so.  What is accepted is in order,
 * within bounds, and the same after it was written and read again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "format/badpages.h"
#include "format/mcerecord.h"
#include "format/retirefile.h"
#include "format/retirelist.h"
#include "format/smbios.h"

#define LIST_CHECKSUM 40u
#define FILE_CHECKSUM 24u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct vmm_retired *entries, uint32_t nr)
{
    uint64_t end = 0;
    uint32_t i;

    assert(nr <= VMM_RETIRE_PAGES_MAX);
    for (i = 0; i < nr; i++) {
        assert(entries[i].mfn >= end && entries[i].nr_pages);
        end = entries[i].mfn + entries[i].nr_pages;
        assert(end <= 1ull << VMM_RETIRE_MFN_BITS);
        assert((unsigned int)entries[i].cause < VMM_RETIRE_NR_CAUSES);
    }
}

static void list(const uint8_t *data, size_t size)
{
    struct vmm__retirelist_head head, again;
    struct vmm_retired *entries, *twice;
    void *text;
    size_t len;

    if (vmm__retirelist_decode(data, size, &head, &entries)) {
        return;
    }
    check(entries, head.nr_entries);
    assert(!vmm__retirelist_encode(entries, head.nr_entries, head.generation,
                                   head.memory_map_hash, &text, &len));
    assert(len <= size);
    assert(!vmm__retirelist_decode(text, len, &again, &twice));
    assert(again.nr_entries <= head.nr_entries);
    check(twice, again.nr_entries);
    free(twice);
    free(text);
    free(entries);
}

static void file(const uint8_t *data, size_t size)
{
    struct vmm__retirefile file;
    void *text;
    size_t len;

    if (vmm__retirefile_decode(data, size, &file)) {
        return;
    }
    check(file.entries, file.nr_entries);
    assert(!vmm__retirefile_encode(&file, &text, &len));
    assert(len == size && !memcmp(text, data, size));
    free(text);
    vmm__retirefile_free(&file);
}

static void check_dimm(const struct vmm_dimm *dimm)
{
    uint32_t i;

    assert(dimm->nr_ranges <= VMM_DIMM_RANGES_MAX && !dimm->absent);
    for (i = 0; i < dimm->nr_ranges; i++) {
        const struct vmm_dimm_range *range = &dimm->ranges[i];

        assert(range->nr_pages && range->first_mfn + range->nr_pages <=
                                  1ull << VMM_RETIRE_MFN_BITS);
        assert(!i || range->first_mfn >= range[-1].first_mfn);
    }
    assert(memchr(dimm->serial, '\0', VMM_DIMM_TEXT_BYTES));
    assert(memchr(dimm->locator, '\0', VMM_DIMM_TEXT_BYTES));
}

/* A table of modules; what it says can be recorded, and read again. */
static void smbios(const uint8_t *data, size_t size)
{
    struct vmm__retirefile file, again;
    struct vmm_dimm *dimms;
    void *text;
    uint32_t i, nr;
    size_t len;

    if (vmm__smbios_decode(data, size, &dimms, &nr)) {
        return;
    }
    for (i = 0; i < nr; i++) {
        check_dimm(&dimms[i]);
    }
    assert(!vmm__retirefile_init(&file, 0));
    file.generation = 1;
    file.nr_dimms = nr;
    memcpy(file.dimms, dimms, nr * sizeof(*dimms));
    free(dimms);
    assert(!vmm__retirefile_encode(&file, &text, &len));
    assert(!vmm__retirefile_decode(text, len, &again));
    assert(again.nr_dimms == nr &&
           !memcmp(again.dimms, file.dimms, nr * sizeof(*dimms)));
    free(text);
    vmm__retirefile_free(&again);
    vmm__retirefile_free(&file);
}

static int page(void *user, uint64_t mfn, uint32_t nr_pages,
                enum vmm_retire_cause cause)
{
    uint32_t *nr = user;

    assert(nr_pages && mfn + nr_pages <= 1ull << VMM_RETIRE_MFN_BITS);
    assert((unsigned int)cause < VMM_RETIRE_NR_CAUSES);
    assert(++*nr <= VMM_RETIRE_PAGES_MAX);
    return 0;
}

static void pages(const uint8_t *data, size_t size)
{
    const char *why = NULL;
    uint32_t nr = 0;

    if (vmm__badpages_parse((const char *)data, size, page, &nr, &why)) {
        assert(why);
    }
}

static void machine_check(const uint8_t *data, size_t size)
{
    char text[VMM__MCERECORD_TEXT_BYTES];
    struct vmm__mcerecord record;

    if (!vmm__mcerecord_decode(data, size, &record)) {
        vmm__mcerecord_text(&record, text, sizeof(text));
        assert(strlen(text) < sizeof(text) - 1);
        assert(text[strlen(text) - 1] == '}');
    }
}

static void put_right(uint8_t *data, size_t size, size_t at)
{
    uint64_t sum;

    if (size >= at + sizeof(sum)) {
        sum = vmm__hash64(data, size, at);
        memcpy(data + at, &sum, sizeof(sum));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;

    if (!size) {
        return 0;
    }
    /* As long as it says, so that what reads beyond it is found. */
    copy = malloc(size > 1 ? size - 1 : 1);
    assert(copy);
    memcpy(copy, data + 1, size - 1);
    switch (data[0] % 7) {
    case 0:
        put_right(copy, size - 1, LIST_CHECKSUM);
        /* fall through */
    case 1:
        list(copy, size - 1);
        break;
    case 2:
        put_right(copy, size - 1, FILE_CHECKSUM);
        /* fall through */
    case 3:
        file(copy, size - 1);
        break;
    case 4:
        pages(copy, size - 1);
        break;
    case 5:
        machine_check(copy, size - 1);
        break;
    case 6:
        smbios(copy, size - 1);
        break;
    }
    free(copy);
    return 0;
}
