/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* field.c: tables of numbers to JSON and back; see field.h. */
#include <stdint.h>
#include <string.h>

#include "ctl/field.h"
#include "include/vmm.h"

void vmm__put_fields(struct vmm__json_out *out,
                     const struct vmm__field *fields, size_t nr,
                     const void *base)
{
    size_t i;

    for (i = 0; i < nr; i++) {
        const char *at = (const char *)base + fields[i].offset;
        uint64_t number64;
        uint32_t number32;

        if (fields[i].size == sizeof(number64)) {
            memcpy(&number64, at, sizeof(number64));
        } else {
            memcpy(&number32, at, sizeof(number32));
            number64 = number32;
        }
        vmm__json_put_u64(out, fields[i].name, number64);
    }
}

int vmm__get_fields(const struct vmm__json_value *object,
                    const struct vmm__field *fields, size_t nr, void *base)
{
    size_t i;

    for (i = 0; i < nr; i++) {
        char *at = (char *)base + fields[i].offset;
        uint64_t number64;
        uint32_t number32;

        if (vmm__json_get_u64(object, fields[i].name, &number64)) {
            return VMM_E_FORMAT;
        }
        if (fields[i].size == sizeof(number64)) {
            memcpy(at, &number64, sizeof(number64));
        } else if (number64 <= UINT32_MAX) {
            number32 = (uint32_t)number64;
            memcpy(at, &number32, sizeof(number32));
        } else {
            return VMM_E_FORMAT;
        }
    }
    return 0;
}
