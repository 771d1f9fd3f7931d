/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_crc.c: CRC32C, against the values of RFC 3720 and a plain one. */
#include "base/crc.c"

#include "lib/ut.h"

/* A bit at a time; the polynomial is 0x1edc6f41 the other way round. */
static uint32_t plain_crc32c(const uint8_t *buf, size_t len)
{
    uint32_t crc = UINT32_MAX;
    unsigned int bit;

    for (; len--; buf++) {
        crc ^= *buf;
        for (bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

/* Source: RFC 3720, B.4, and the check value of the catalogue of CRCs. */
static void crc32c__published_values(void)
{
    uint8_t buf[32];
    unsigned int i;

    CU_ASSERT_EQUAL(vmm__crc32c("123456789", 9), 0xe3069283u);
    CU_ASSERT_EQUAL(vmm__crc32c("", 0), 0);
    memset(buf, 0, sizeof(buf));
    CU_ASSERT_EQUAL(vmm__crc32c(buf, sizeof(buf)), 0x8a9136aau);
    memset(buf, 0xff, sizeof(buf));
    CU_ASSERT_EQUAL(vmm__crc32c(buf, sizeof(buf)), 0x62a8ab43u);
    for (i = 0; i < sizeof(buf); i++) {
        buf[i] = (uint8_t)i;
    }
    CU_ASSERT_EQUAL(vmm__crc32c(buf, sizeof(buf)), 0x46dd794eu);
    for (i = 0; i < sizeof(buf); i++) {
        buf[i] = (uint8_t)(31 - i);
    }
    CU_ASSERT_EQUAL(vmm__crc32c(buf, sizeof(buf)), 0x113fdb5cu);
}

/* ISA-L goes by words and blocks of its own. */
static void crc32c__any_length_and_alignment(void)
{
    static uint8_t buf[4096 + 8];
    uint32_t state = 1;
    size_t i, len;

    for (i = 0; i < sizeof(buf); i++) {
        state = state * 1664525u + 1013904223u;
        buf[i] = (uint8_t)(state >> 24);
    }
    for (len = 0; len <= 300; len++) {
        CU_ASSERT_EQUAL(vmm__crc32c(buf + len % 8, len),
                        plain_crc32c(buf + len % 8, len));
    }
    for (i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(vmm__crc32c(buf + i, 4096),
                        plain_crc32c(buf + i, 4096));
    }
}

static void crc32c__each_bit_counts(void)
{
    static uint8_t page[4096];
    uint32_t before = vmm__crc32c(page, sizeof(page));
    unsigned int bit;

    for (bit = 0; bit < 8 * sizeof(page); bit += 37) {
        page[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CU_ASSERT_NOT_EQUAL(vmm__crc32c(page, sizeof(page)), before);
        page[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CU_ASSERT_EQUAL(vmm__crc32c(page, sizeof(page)), before);
}

static const struct ut_case cases[] = {
    UT_CASE(crc32c__published_values),
    UT_CASE(crc32c__any_length_and_alignment),
    UT_CASE(crc32c__each_bit_counts),
};

UT_MAIN("base/crc", cases)
