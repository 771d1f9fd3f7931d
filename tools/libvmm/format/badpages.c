/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* badpages.c: see badpages.h. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "format/badpages.h"
#include "format/json.h"

#define PAGE_SHIFT 12u
#define MFNS (1ull << VMM_RETIRE_MFN_BITS)

struct list {
    const char *at, *end;
    vmm__badpages_fn *fn;
    void *user;
    uint32_t nr;                /* entries so far */
    const char *why;
};

static int bad(struct list *list, int rc, const char *why)
{
    list->why = why;
    return rc;
}

static int found(struct list *list, uint64_t mfn, uint64_t nr_pages,
                 enum vmm_retire_cause cause)
{
    if (!nr_pages || mfn >= MFNS || nr_pages > MFNS - mfn ||
        nr_pages > UINT32_MAX) {
        return bad(list, VMM_E_RANGE, "a page is out of range");
    }
    if (list->nr++ == VMM_RETIRE_PAGES_MAX) {
        return bad(list, VMM_E_RANGE, "there are too many pages");
    }
    list->why = "it was not taken";
    return list->fn(list->user, mfn, (uint32_t)nr_pages, cause);
}

static void skip(struct list *list, const char *what)
{
    while (list->at < list->end && strchr(what, *list->at) && *list->at) {
        list->at++;
    }
}

static bool next_is(struct list *list, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(list->end - list->at) < len ||
        strncmp(list->at, word, len)) {
        return false;
    }
    list->at += len;
    return true;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* *digits_out: how many, of a hexadecimal one. */
static bool number(struct list *list, uint64_t *out, unsigned int *digits_out)
{
    unsigned int base = next_is(list, "0x") || next_is(list, "0X") ? 16 : 10;
    uint64_t value = 0;
    unsigned int nr = 0;
    int digit;

    for (; list->at < list->end &&
           (digit = digit_of(*list->at)) < (int)base; list->at++, nr++) {
        if (value > (UINT64_MAX - (uint64_t)digit) / base) {
            return false;
        }
        value = value * base + (uint64_t)digit;
    }
    *out = value;
    *digits_out = base == 16 ? nr : 0;
    return nr;
}

/* Commas, which GRUB and people write with blanks and in several lines. */
static bool more(struct list *list)
{
    skip(list, " \t\r\n");
    if (list->at == list->end || *list->at != ',') {
        return false;
    }
    list->at++;
    skip(list, " \t\r\n");
    return true;
}

static int parse_pages(struct list *list)
{
    uint64_t first, last;
    unsigned int digits;
    int rc;

    do {
        if (!number(list, &first, &digits)) {
            return bad(list, VMM_E_FORMAT, "a page's number is expected");
        }
        last = first;
        if (list->at < list->end && *list->at == '-') {
            list->at++;
            if (!number(list, &last, &digits) || last < first) {
                return bad(list, VMM_E_FORMAT,
                           "the last page of several is expected");
            }
        }
        rc = last >= MFNS ? bad(list, VMM_E_RANGE, "a page is out of range")
                          : found(list, first, last - first + 1,
                                  VMM_RETIRE_IMPORTED);
    } while (!rc && more(list));
    return rc;
}

/* All pages that agree with `addr' where `mask' is 1. */
static int spread(struct list *list, uint64_t addr, uint64_t mask)
{
    uint64_t open = ~mask >> PAGE_SHIFT, base = (addr & mask) >> PAGE_SHIFT;
    uint64_t low = open & ~(open + 1), high, bits;
    int rc;

    if (open >> VMM_RETIRE_MFN_BITS || base >> VMM_RETIRE_MFN_BITS) {
        return bad(list, VMM_E_RANGE, "a mask is too wide");
    }
    /* Zeros at the end of the mask are pages in a row. */
    high = open & ~low;
    bits = 0;
    do {
        rc = found(list, base | bits, low + 1, VMM_RETIRE_IMPORTED);
        bits = (bits - high) & high;
    } while (!rc && bits);
    return rc;
}

static int parse_badram(struct list *list)
{
    uint64_t addr, mask;
    unsigned int digits;
    int rc;

    do {
        if (!number(list, &addr, &digits) || !digits || !more(list) ||
            !number(list, &mask, &digits) || !digits) {
            return bad(list, VMM_E_FORMAT, "pairs of an address and a mask "
                       "are expected, hexadecimal with 0x");
        }
        /* Of 32 bits: no more than that was said. */
        if (digits <= 8) {
            mask |= ~0ull << 32;
        }
        rc = spread(list, addr, mask);
    } while (!rc && more(list));
    return rc;
}

static int parse_json(struct list *list)
{
    const struct vmm__json_value *root;
    struct vmm__json *json;
    uint32_t i;
    int rc;

    rc = vmm__json_parse(list->at, (size_t)(list->end - list->at), &json);
    if (rc) {
        return bad(list, rc, "it is no JSON");
    }
    root = vmm__json_root(json);
    if (vmm__json_type(root) != VMM__JSON_ARRAY) {
        rc = bad(list, VMM_E_FORMAT, "an array of pages is expected");
    }
    for (i = 0; !rc && i < vmm__json_nr(root); i++) {
        const struct vmm__json_value *page = vmm__json_at(root, i);
        enum vmm_retire_cause cause = VMM_RETIRE_IMPORTED;
        const char *name = NULL;
        uint64_t mfn, nr = 1;
        int nr_rc, name_rc;

        nr_rc = vmm__json_get_u64(page, "nr_pages", &nr);
        name_rc = vmm__json_get_string(page, "cause", &name);
        if (vmm__json_get_u64(page, "mfn", &mfn) ||
            (nr_rc && nr_rc != VMM_E_NOENT) ||
            (name_rc && name_rc != VMM_E_NOENT)) {
            rc = bad(list, VMM_E_FORMAT, "a page has \"mfn\", and may have "
                     "\"nr_pages\" and \"cause\"");
            break;
        }
        if (name && !vmm_retire_cause_of(name, &cause)) {
            cause = VMM_RETIRE_UNKNOWN;
        }
        rc = found(list, mfn, nr, cause);
    }
    vmm__json_free(json);
    return rc;
}

int vmm__badpages_parse(const char *text, size_t len_bytes,
                        vmm__badpages_fn *fn, void *user,
                        const char **why_out)
{
    struct list list = {
        .at = text, .end = text + len_bytes, .fn = fn, .user = user,
    };
    int rc;

    skip(&list, " \t\r\n");
    if (list.at < list.end && (*list.at == '[' || *list.at == '{')) {
        rc = parse_json(&list);
        *why_out = list.why;
        return rc;
    }
    if (next_is(&list, "badram=") || next_is(&list, "GRUB_BADRAM=")) {
        skip(&list, "\"'");
        rc = parse_badram(&list);
    } else {
        (void)next_is(&list, "badpage=");
        rc = parse_pages(&list);
    }
    if (!rc) {
        skip(&list, " \t\r\n\"'");
        if (list.at < list.end) {
            rc = bad(&list, VMM_E_FORMAT, "something follows the list");
        }
    }
    *why_out = list.why;
    return rc;
}
