/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_retirelist.c: the boot loader's list, whole and damaged. */
#include "format/retirelist.c"

#include "lib/ut.h"

static const struct vmm_retired three[] = {
    { .mfn = 0x100, .nr_pages = 1, .cause = VMM_RETIRE_UNCORRECTED },
    { .mfn = 0x101, .nr_pages = 2, .cause = VMM_RETIRE_UNCORRECTED },
    { .mfn = 0x200, .nr_pages = 1, .cause = VMM_RETIRE_ADMIN },
};

static void *encode(const struct vmm_retired *entries, uint32_t nr,
                    size_t *size_out)
{
    void *data = NULL;

    CU_ASSERT_EQUAL_FATAL(vmm__retirelist_encode(entries, nr, 7, 9, &data,
                                                 size_out), 0);
    return data;
}

static void encode__neighbours_become_one(void)
{
    struct vmm__retirelist_head head;
    struct vmm_retired *entries;
    size_t size;
    void *data = encode(three, 3, &size);

    CU_ASSERT_EQUAL(size, 48 + 2 * 16);
    CU_ASSERT_EQUAL_FATAL(vmm__retirelist_decode(data, size, &head, &entries),
                          0);
    CU_ASSERT_EQUAL(head.generation, 7);
    CU_ASSERT_EQUAL(head.memory_map_hash, 9);
    CU_ASSERT_EQUAL(head.nr_entries, 2);
    CU_ASSERT_EQUAL(entries[0].mfn, 0x100);
    CU_ASSERT_EQUAL(entries[0].nr_pages, 3);
    CU_ASSERT_EQUAL(entries[0].cause, VMM_RETIRE_UNCORRECTED);
    CU_ASSERT_EQUAL(entries[1].mfn, 0x200);
    free(entries);
    free(data);
}

static void encode__out_of_bounds(void)
{
    static const struct vmm_retired bad[][2] = {
        { { .mfn = 5, .nr_pages = 2 }, { .mfn = 6, .nr_pages = 1 } },
        { { .mfn = 5, .nr_pages = 1 }, { .mfn = 4, .nr_pages = 1 } },
        { { .mfn = 5, .nr_pages = 0 }, { .mfn = 6, .nr_pages = 1 } },
        { { .mfn = 5, .nr_pages = 1 },
          { .mfn = (1ull << 40) - 1, .nr_pages = 2 } },
        { { .mfn = 5, .nr_pages = 1 }, { .mfn = 1ull << 40, .nr_pages = 1 } },
    };
    size_t i, size;
    void *data;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_EQUAL(vmm__retirelist_encode(bad[i], 2, 1, 0, &data, &size),
                        VMM_E_RANGE);
    }
}

static void decode__every_bit(void)
{
    struct vmm__retirelist_head head;
    struct vmm_retired *entries;
    size_t size, bit;
    uint8_t *data = encode(three, 3, &size);

    for (bit = 0; bit < size * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CU_ASSERT_NOT_EQUAL(vmm__retirelist_decode(data, size, &head,
                                                   &entries), 0);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(data);
}

static void decode__every_length(void)
{
    struct vmm__retirelist_head head;
    struct vmm_retired *entries;
    size_t size, len;
    uint8_t *data = encode(three, 3, &size), *part;

    for (len = 0; len < size; len++) {
        part = malloc(len ? len : 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(part);
        memcpy(part, data, len);
        CU_ASSERT_NOT_EQUAL(vmm__retirelist_decode(part, len, &head,
                                                   &entries), 0);
        free(part);
    }
    /* What a boot loader adds to it is no part of it. */
    part = calloc(1, size + 100);
    CU_ASSERT_PTR_NOT_NULL_FATAL(part);
    memcpy(part, data, size);
    CU_ASSERT_EQUAL_FATAL(vmm__retirelist_decode(part, size + 100, &head,
                                                 &entries), 0);
    free(entries);
    free(part);
    free(data);
}

/* With a good checksum over bad contents. */
static void decode__bad_entries(void)
{
    struct vmm__retirelist_head head;
    struct vmm_retired *entries;
    unsigned int i;

    for (i = 0; i < 5; i++) {
        size_t size;
        struct wire_head *data = encode(three, 3, &size);
        struct wire_entry *wire = (struct wire_entry *)(data + 1);

        switch (i) {
        case 0:
            wire[0].nr_pages = 0;
            break;
        case 1:
            wire[1].mfn = wire[0].mfn;
            break;
        case 2:
            wire[1].mfn = htole64(1ull << 40);
            break;
        case 3:
            wire[1].cause = VMM_RETIRE_NR_CAUSES;
            break;
        case 4:
            wire[1].res1[2] = 1;
            break;
        }
        data->checksum = htole64(checksum(data, size));
        CU_ASSERT_EQUAL(vmm__retirelist_decode(data, size, &head, &entries),
                        VMM_E_FORMAT);
        free(data);
    }
}

static const struct ut_case cases[] = {
    UT_CASE(encode__neighbours_become_one),
    UT_CASE(encode__out_of_bounds),
    UT_CASE(decode__every_bit),
    UT_CASE(decode__every_length),
    UT_CASE(decode__bad_entries),
};

UT_MAIN("format/retirelist", cases)
