/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_smbios.c: memory modules, as firmware tells of them, or fails to. */
#include "format/smbios.c"

#include "lib/ut.h"

static uint8_t buf[8192];
static size_t len;
static uint16_t handle;
static struct vmm_dimm *dimms;
static uint32_t nr;

static void word(uint8_t *at, uint64_t value, unsigned int nr_bytes)
{
    while (nr_bytes--) {
        *at++ = (uint8_t)value;
        value >>= 8;
    }
}

/* A structure of `length' bytes; the strings end with an empty one. */
static uint8_t *put(uint8_t type, uint8_t length, const char *strings,
                    size_t strings_len)
{
    uint8_t *at = buf + len;

    memset(at, 0, length);
    at[0] = type;
    at[1] = length;
    word(at + 2, ++handle, 2);
    memcpy(at + length, strings, strings_len);
    len += length + strings_len;
    buf[len++] = '\0';
    if (!strings_len) {
        buf[len++] = '\0';
    }
    return at;
}
#define PUT(type, length, strings) \
    put(type, length, strings, sizeof(strings) - 1)

/* A module of 8 GiB in array 0x1000; returns its handle. */
#define DEVICE(strings) device(strings, sizeof(strings) - 1)
static uint16_t device(const char *strings, size_t strings_len)
{
    uint8_t *at = put(17, 0x28, strings, strings_len);

    word(at + 4, 0x1000, 2);
    word(at + 0x0c, 8192, 2);
    at[0x10] = 1;
    at[0x17] = 2;
    at[0x18] = 3;
    at[0x1a] = 4;
    return handle;
}

static void device_address(uint16_t device, uint64_t first_kib,
                           uint64_t last_kib, uint8_t interleave)
{
    uint8_t *at = PUT(20, 0x13, "");

    word(at + 4, first_kib, 4);
    word(at + 8, last_kib, 4);
    word(at + 0x0c, device, 2);
    at[0x11] = interleave;
}

static void array_address(uint64_t first_kib, uint64_t last_kib)
{
    uint8_t *at = PUT(19, 0x0f, "");

    word(at + 4, first_kib, 4);
    word(at + 8, last_kib, 4);
    word(at + 0x0c, 0x1000, 2);
}

static void begin(void)
{
    len = 0;
    handle = 0;
    (void)PUT(0, 0x18, "vendor\0version\0");
}

/* As long as it says, so that the sanitizer sees what reads beyond. */
static int decode(void)
{
    void *data;
    int rc;

    (void)PUT(127, 4, "");
    data = malloc(len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    memcpy(data, buf, len);
    nr = 0;
    dimms = NULL;
    rc = vmm__smbios_decode(data, len, &dimms, &nr);
    free(data);
    return rc;
}

static void check_range(uint32_t i, uint32_t j, uint64_t first, uint64_t pages)
{
    CU_ASSERT_TRUE_FATAL(i < nr && j < dimms[i].nr_ranges);
    CU_ASSERT_EQUAL(dimms[i].ranges[j].first_mfn, first);
    CU_ASSERT_EQUAL(dimms[i].ranges[j].nr_pages, pages);
}

static void decode__one_module_has_all_of_its_array(void)
{
    begin();
    array_address(4 << 20, (6 << 20) - 1);
    array_address(0, (2 << 20) - 1);
    (void)DEVICE("DIMM 0\0 QEMU \0S1\0P/N\0");
    CU_ASSERT_EQUAL_FATAL(decode(), 0);
    CU_ASSERT_EQUAL_FATAL(nr, 1);
    CU_ASSERT_STRING_EQUAL(dimms[0].locator, "DIMM 0");
    CU_ASSERT_STRING_EQUAL(dimms[0].maker, "QEMU");
    CU_ASSERT_STRING_EQUAL(dimms[0].serial, "S1");
    CU_ASSERT_STRING_EQUAL(dimms[0].part, "P/N");
    CU_ASSERT_EQUAL(dimms[0].size_bytes, 8ull << 30);
    CU_ASSERT_EQUAL(dimms[0].nr_ranges, 2);
    CU_ASSERT_FALSE(dimms[0].shared);
    check_range(0, 0, 0, 0x80000);
    check_range(0, 1, 0x100000, 0x80000);
    free(dimms);
}

static void decode__two_in_an_array_share_it(void)
{
    begin();
    (void)DEVICE("A\0M\0S1\0P\0");
    (void)DEVICE("B\0M\0S2\0P\0");
    array_address(0, (2 << 20) - 1);
    CU_ASSERT_EQUAL_FATAL(decode(), 0);
    CU_ASSERT_EQUAL_FATAL(nr, 2);
    CU_ASSERT_TRUE(dimms[0].shared && dimms[1].shared);
    check_range(1, 0, 0, 0x80000);
    free(dimms);
}

static void decode__what_a_device_says_counts(void)
{
    uint16_t a, b;

    begin();
    array_address(0, (4 << 20) - 1);
    a = DEVICE("A\0M\0S1\0P\0");
    b = DEVICE("B\0M\0S2\0P\0");
    device_address(b, 2 << 20, (4 << 20) - 1, 0);
    device_address(a, 0, (2 << 20) - 1, 0);
    CU_ASSERT_EQUAL_FATAL(decode(), 0);
    CU_ASSERT_FALSE(dimms[0].shared || dimms[1].shared);
    check_range(0, 0, 0, 0x80000);
    check_range(1, 0, 0x80000, 0x80000);
    free(dimms);

    begin();
    a = DEVICE("A\0M\0S1\0P\0");
    device_address(a, 0, (2 << 20) - 1, 1);
    CU_ASSERT_EQUAL_FATAL(decode(), 0);
    CU_ASSERT_TRUE(dimms[0].shared);
    free(dimms);
}

static void decode__extended_addresses_and_sizes(void)
{
    uint8_t *at;

    begin();
    at = PUT(17, 0x28, "A\0");
    word(at + 4, 0x1000, 2);
    word(at + 0x0c, 0x7fff, 2);
    word(at + 0x1c, 64 << 10, 4);
    at = PUT(19, 0x1f, "");
    word(at + 4, UINT32_MAX, 4);
    word(at + 8, UINT32_MAX, 4);
    word(at + 0x0c, 0x1000, 2);
    word(at + 0x0f, 1ull << 42, 8);
    word(at + 0x17, (1ull << 42) + (64ull << 30) - 1, 8);
    CU_ASSERT_EQUAL_FATAL(decode(), 0);
    CU_ASSERT_EQUAL(dimms[0].size_bytes, 64ull << 30);
    check_range(0, 0, 1ull << 30, 16u << 20);
    free(dimms);
}

static void decode__addresses_that_are_none(void)
{
    uint16_t a;

    begin();
    a = DEVICE("A\0M\0S1\0P\0");
    device_address(a, 100, 50, 0);
    CU_ASSERT_EQUAL_FATAL(decode(), 0);
    CU_ASSERT_EQUAL(dimms[0].nr_ranges, 0);
    free(dimms);

    /* More than there is room for: then nobody knows. */
    begin();
    a = DEVICE("A\0M\0S1\0P\0");
    for (nr = 0; nr <= VMM_DIMM_RANGES_MAX; nr++) {
        device_address(a, nr * 4096, nr * 4096 + 1023, 0);
    }
    CU_ASSERT_EQUAL_FATAL(decode(), 0);
    CU_ASSERT_EQUAL(dimms[0].nr_ranges, 0);
    free(dimms);
}

static void decode__serials_that_tell_nothing_apart(void)
{
    begin();
    (void)DEVICE("A\0M\0Not Specified\0P\0");
    (void)DEVICE("B\0M\00000000\0P\0");
    (void)DEVICE("C\0M\0TWIN\0P\0");
    (void)DEVICE("D\0M\0TWIN\0P\0");
    (void)DEVICE("E\0M\0TWIN\0other\0");
    (void)DEVICE("F\0M\0S\1G\0P\0");
    CU_ASSERT_EQUAL_FATAL(decode(), 0);
    CU_ASSERT_EQUAL_FATAL(nr, 6);
    CU_ASSERT_STRING_EQUAL(dimms[0].serial, "");
    CU_ASSERT_STRING_EQUAL(dimms[1].serial, "");
    CU_ASSERT_STRING_EQUAL(dimms[2].serial, "");
    CU_ASSERT_STRING_EQUAL(dimms[3].serial, "");
    CU_ASSERT_STRING_EQUAL(dimms[4].serial, "TWIN");
    CU_ASSERT_STRING_EQUAL(dimms[5].serial, "S?G");
    free(dimms);
}

static void decode__older_versions_have_less(void)
{
    uint8_t *at;

    begin();
    at = PUT(17, 0x15, "A\0");
    word(at + 0x0c, 512, 2);
    at[0x10] = 1;
    CU_ASSERT_EQUAL_FATAL(decode(), 0);
    CU_ASSERT_EQUAL(dimms[0].size_bytes, 512ull << 20);
    CU_ASSERT_STRING_EQUAL(dimms[0].locator, "A");
    CU_ASSERT_STRING_EQUAL(dimms[0].serial, "");
    free(dimms);
}

static void decode__none(void)
{
    uint8_t *at;

    begin();
    CU_ASSERT_EQUAL(decode(), VMM_E_NOENT);
    begin();
    at = PUT(17, 0x28, "empty slot\0");
    at[0x10] = 1;
    CU_ASSERT_EQUAL(decode(), VMM_E_NOENT);
    CU_ASSERT_EQUAL(vmm__smbios_decode(buf, 0, &dimms, &nr), VMM_E_NOENT);
}

static void decode__too_many(void)
{
    static uint8_t big[(VMM_DIMMS_MAX + 1) * (0x15 + 2)];
    uint32_t i;

    for (i = 0; i <= VMM_DIMMS_MAX; i++) {
        uint8_t *at = big + i * (0x15 + 2);

        at[0] = 17;
        at[1] = 0x15;
        at[0x0c] = 1;
    }
    CU_ASSERT_EQUAL(vmm__smbios_decode(big, sizeof(big), &dimms, &nr),
                    VMM_E_RANGE);
}

/* Wherever it ends: a module is whole, or it is not told of. */
static void decode__every_length(void)
{
    size_t whole, i;

    begin();
    array_address(0, (2 << 20) - 1);
    (void)DEVICE("A\0M\0S1\0P\0");
    whole = len;
    for (i = 0; i < whole; i++) {
        uint8_t *data = malloc(i + 1);
        int rc;

        CU_ASSERT_PTR_NOT_NULL_FATAL(data);
        memcpy(data, buf, i);
        rc = vmm__smbios_decode(data, i, &dimms, &nr);
        CU_ASSERT_TRUE(rc == VMM_E_FORMAT || rc == VMM_E_NOENT);
        free(data);
    }
}

static const struct ut_case cases[] = {
    UT_CASE(decode__one_module_has_all_of_its_array),
    UT_CASE(decode__two_in_an_array_share_it),
    UT_CASE(decode__what_a_device_says_counts),
    UT_CASE(decode__extended_addresses_and_sizes),
    UT_CASE(decode__addresses_that_are_none),
    UT_CASE(decode__serials_that_tell_nothing_apart),
    UT_CASE(decode__older_versions_have_less),
    UT_CASE(decode__none),
    UT_CASE(decode__too_many),
    UT_CASE(decode__every_length),
};

UT_MAIN("format/smbios", cases)
