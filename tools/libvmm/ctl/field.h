/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * field.h: members of a struct that are plain numbers, under their own names;
 * for ctl/ alone.
 */
#ifndef VMM_CTL_FIELD_H
#define VMM_CTL_FIELD_H

#include <stddef.h>

#include "format/json.h"

struct vmm__field {
    const char *name;
    size_t offset;
    size_t size;                /* of a uint64_t or uint32_t */
};
#define VMM__FIELD(type, member) \
    { #member, offsetof(type, member), sizeof(((type *)0)->member) }

void vmm__put_fields(struct vmm__json_out *out,
                     const struct vmm__field *fields, size_t nr,
                     const void *base);
/* All must be there: VMM_E_FORMAT. */
int vmm__get_fields(const struct vmm__json_value *object,
                    const struct vmm__field *fields, size_t nr, void *base);

#endif
