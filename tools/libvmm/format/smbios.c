/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * smbios.c: the machine's memory modules; see smbios.h.
 *
 * Source: System Management BIOS Reference Specification (DSP0134) 3.6, 6.1
 * (structures), 7.18 (type 17, memory device), 7.20 (type 19, memory array
 * mapped address), 7.21 (type 20, memory device mapped address).  Later
 * versions make structures longer, so a member is there if its place is.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "format/smbios.h"

#define TYPE_DEVICE 17u
#define TYPE_ARRAY_ADDRESS 19u
#define TYPE_DEVICE_ADDRESS 20u
#define TYPE_END 127u

#define HEADER_BYTES 4u
#define KIB_PER_PAGE 4u
#define PAGE_SHIFT 12u
/* Of the two 32-bit addresses: the 64-bit ones that follow count. */
#define EXTENDED UINT32_MAX

struct structure {
    const uint8_t *data;        /* `length' of it, then the strings */
    const uint8_t *end;         /* after the strings */
    uint8_t type, length;
    uint16_t handle;
};

/* What is needed to find out where a device is. */
struct device {
    uint16_t handle, array;
    bool has_address;
};

struct table {
    const uint8_t *data;
    size_t size;
    struct vmm_dimm *dimms;
    struct device *devices;     /* beside them */
    bool *twice;                /* one like it is in another slot */
    uint32_t nr;
};

/* 0 for what an older version does not have. */
static uint64_t member(const struct structure *s, unsigned int at,
                       unsigned int nr_bytes)
{
    uint64_t value = 0;
    unsigned int i;

    if (at + nr_bytes <= s->length) {
        for (i = nr_bytes; i > 0; i--) {
            value = value << 8 | s->data[at + i - 1];
        }
    }
    return value;
}

/* *at moves.  VMM_E_NOENT: that was the last one. */
static int next(const struct table *table, size_t *at, struct structure *s)
{
    const uint8_t *p, *end = table->data + table->size;

    if (*at == table->size) {
        return VMM_E_NOENT;
    }
    if (table->size - *at < HEADER_BYTES) {
        return VMM_E_FORMAT;
    }
    s->data = table->data + *at;
    s->type = s->data[0];
    s->length = s->data[1];
    if (s->length < HEADER_BYTES || s->length > table->size - *at) {
        return VMM_E_FORMAT;
    }
    s->handle = (uint16_t)member(s, 2, 2);
    /* Strings end with one that is empty; with none there are two zeros. */
    for (p = s->data + s->length; end - p >= 2 && (p[0] || p[1]); p++) {
    }
    if (end - p < 2) {
        return VMM_E_FORMAT;
    }
    s->end = p + 2;
    *at = (size_t)(s->end - table->data);
    return s->type == TYPE_END ? VMM_E_NOENT : 0;
}

/* String number `member', without blanks around it. */
static void text(const struct structure *s, unsigned int at,
                 char out[VMM_DIMM_TEXT_BYTES])
{
    unsigned int number = (unsigned int)member(s, at, 1);
    const uint8_t *p = s->data + s->length;
    size_t len = 0;

    memset(out, 0, VMM_DIMM_TEXT_BYTES);
    if (!number) {
        return;
    }
    while (--number && *p) {
        p += strlen((const char *)p) + 1;
    }
    while (*p == ' ') {
        p++;
    }
    for (; p < s->end && *p && len < VMM_DIMM_TEXT_BYTES - 1; p++) {
        out[len++] = *p >= ' ' && *p <= '~' ? (char)*p : '?';
    }
    while (len && out[len - 1] == ' ') {
        out[--len] = '\0';
    }
}

/* What firmware writes where there is no serial: words, or one digit. */
static bool tells_apart(const char *serial)
{
    static const char *const words[] = {
        "not specified", "not available", "unknown", "none", "n/a", "no dimm",
        "to be filled by o.e.m.", "default string", "empty", "sernum",
    };
    const char *first = serial;
    char lower[VMM_DIMM_TEXT_BYTES];
    size_t i, len = strlen(serial);

    for (i = 0; i <= len; i++) {
        lower[i] = (char)tolower((unsigned char)serial[i]);
    }
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!strncmp(lower, words[i], strlen(words[i]))) {
            return false;
        }
    }
    first += !strncmp(lower, "0x", 2) ? 2 : 0;
    return *first && strspn(first, (const char[]){ *first, '\0' }) <
                     strlen(first);
}

static uint64_t device_bytes(const struct structure *s)
{
    uint64_t size = member(s, 0x0c, 2);

    if (size == 0xffff) {       /* there is one, of unknown size */
        return 0;
    }
    if (size == 0x7fff) {
        return (member(s, 0x1c, 4) & 0x7fffffff) << 20;
    }
    return size & 0x8000 ? (size & 0x7fff) << 10 : size << 20;
}

static int add_device(struct table *table, const struct structure *s)
{
    struct vmm_dimm *dimm;

    if (!member(s, 0x0c, 2)) {  /* an empty slot */
        return 0;
    }
    if (table->nr == VMM_DIMMS_MAX) {
        return VMM_E_RANGE;
    }
    dimm = &table->dimms[table->nr];
    *dimm = (struct vmm_dimm){ .size_bytes = device_bytes(s) };
    text(s, 0x10, dimm->locator);
    text(s, 0x17, dimm->maker);
    text(s, 0x18, dimm->serial);
    text(s, 0x1a, dimm->part);
    if (!tells_apart(dimm->serial)) {
        memset(dimm->serial, 0, sizeof(dimm->serial));
    }
    table->devices[table->nr++] = (struct device){
        .handle = s->handle, .array = (uint16_t)member(s, 4, 2),
    };
    return 0;
}

/* False if it is none; addresses are of KiB or, later, of bytes. */
static bool address_range(const struct structure *s, unsigned int extended_at,
                          struct vmm_dimm_range *range_out)
{
    uint64_t first = member(s, 4, 4), last = member(s, 8, 4);

    if (first == EXTENDED) {
        first = member(s, extended_at, 8);
        last = member(s, extended_at + 8, 8);
        first >>= 10;
        last >>= 10;
    }
    if (last < first || last >> (VMM_RETIRE_MFN_BITS + PAGE_SHIFT - 10)) {
        return false;
    }
    range_out->first_mfn = first / KIB_PER_PAGE;
    range_out->nr_pages = last / KIB_PER_PAGE - range_out->first_mfn + 1;
    return true;
}

/* In its place among them; one that finds no room makes all of them none. */
static void add_range(struct vmm_dimm *dimm, const struct vmm_dimm_range *new)
{
    uint32_t at = dimm->nr_ranges;

    if (at >= VMM_DIMM_RANGES_MAX) {
        dimm->nr_ranges = VMM_DIMM_RANGES_MAX + 1;
        return;
    }
    for (; at > 0 && dimm->ranges[at - 1].first_mfn > new->first_mfn; at--) {
        dimm->ranges[at] = dimm->ranges[at - 1];
    }
    dimm->ranges[at] = *new;
    dimm->nr_ranges++;
}

static int add_device_address(struct table *table, const struct structure *s)
{
    uint16_t handle = (uint16_t)member(s, 0x0c, 2);
    struct vmm_dimm_range range;
    uint32_t i;

    for (i = 0; i < table->nr; i++) {
        if (table->devices[i].handle == handle &&
            address_range(s, 0x13, &range)) {
            add_range(&table->dimms[i], &range);
            table->devices[i].has_address = true;
            table->dimms[i].shared |= member(s, 0x11, 1) != 0;
        }
    }
    return 0;
}

/* For devices of which no structure of their own says more. */
static int add_array_address(struct table *table, const struct structure *s)
{
    uint16_t array = (uint16_t)member(s, 0x0c, 2);
    struct vmm_dimm_range range;
    uint32_t i;

    for (i = 0; i < table->nr; i++) {
        if (table->devices[i].array == array &&
            !table->devices[i].has_address &&
            address_range(s, 0x0f, &range)) {
            add_range(&table->dimms[i], &range);
        }
    }
    return 0;
}

static int each(struct table *table, uint8_t type,
                int (*fn)(struct table *table, const struct structure *s))
{
    struct structure s;
    size_t at = 0;
    int rc;

    while (!(rc = next(table, &at, &s))) {
        rc = s.type == type ? fn(table, &s) : 0;
        if (rc) {
            return rc;
        }
    }
    return rc == VMM_E_NOENT ? 0 : rc;
}

static bool overlap(const struct vmm_dimm *a, const struct vmm_dimm *b)
{
    uint32_t i, j;

    for (i = 0; i < a->nr_ranges; i++) {
        for (j = 0; j < b->nr_ranges; j++) {
            const struct vmm_dimm_range *r = &a->ranges[i];
            const struct vmm_dimm_range *q = &b->ranges[j];

            if (r->first_mfn < q->first_mfn + q->nr_pages &&
                q->first_mfn < r->first_mfn + r->nr_pages) {
                return true;
            }
        }
    }
    return false;
}

bool vmm_dimm_same(const struct vmm_dimm *a, const struct vmm_dimm *b)
{
    return *a->serial && !strcmp(a->serial, b->serial) &&
           !strcmp(a->maker, b->maker) && !strcmp(a->part, b->part);
}

/* What can only be told when all are known. */
static void compare(struct table *table)
{
    bool *twice = table->twice;
    uint32_t i, j;

    for (i = 0; i < table->nr; i++) {
        struct vmm_dimm *dimm = &table->dimms[i];

        if (dimm->nr_ranges > VMM_DIMM_RANGES_MAX) {
            dimm->nr_ranges = 0;
            memset(dimm->ranges, 0, sizeof(dimm->ranges));
        }
    }
    for (i = 0; i < table->nr; i++) {
        struct vmm_dimm *a = &table->dimms[i];

        /* A range that overlaps itself is none of this module's alone. */
        for (j = 1; j < a->nr_ranges; j++) {
            a->shared |= a->ranges[j].first_mfn <
                         a->ranges[j - 1].first_mfn +
                         a->ranges[j - 1].nr_pages;
        }
        for (j = i + 1; j < table->nr; j++) {
            struct vmm_dimm *b = &table->dimms[j];

            if (overlap(a, b)) {
                a->shared = b->shared = true;
            }
            if (vmm_dimm_same(a, b)) {
                twice[i] = twice[j] = true;
            }
        }
    }
    for (i = 0; i < table->nr; i++) {
        if (twice[i]) {
            memset(table->dimms[i].serial, 0, VMM_DIMM_TEXT_BYTES);
        }
    }
}

int vmm__smbios_decode(const void *data, size_t size,
                       struct vmm_dimm **dimms_out, uint32_t *nr_out)
{
    struct table table = { .data = data, .size = size };
    int rc = VMM_E_NOMEM;

    table.dimms = calloc(VMM_DIMMS_MAX, sizeof(*table.dimms));
    table.devices = calloc(VMM_DIMMS_MAX, sizeof(*table.devices));
    table.twice = calloc(VMM_DIMMS_MAX, sizeof(*table.twice));
    if (table.dimms && table.devices && table.twice) {
        rc = each(&table, TYPE_DEVICE, add_device);
        rc = rc ? rc : each(&table, TYPE_DEVICE_ADDRESS, add_device_address);
        rc = rc ? rc : each(&table, TYPE_ARRAY_ADDRESS, add_array_address);
    }
    if (!rc && !table.nr) {
        rc = VMM_E_NOENT;
    }
    if (!rc) {
        compare(&table);
        *dimms_out = table.dimms;
        *nr_out = table.nr;
        table.dimms = NULL;
    }
    free(table.dimms);
    free(table.devices);
    free(table.twice);
    return rc;
}
