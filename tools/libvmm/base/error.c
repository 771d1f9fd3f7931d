/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* error.c: what include/vmm_errors.def says of each error. */
#include <stddef.h>

#include "include/vmm.h"

struct row {
    int value;
    enum vmm_error_class class;
    int exit_status;
    const char *name, *text;
};

static const struct row rows[] = {
    { VMM_OK, VMM_ECLASS_NONE, 0, "VMM_OK", "success" },
#define VMM_ERROR(name, value, class, exit_status, text) \
    { value, VMM_ECLASS_##class, exit_status, "VMM_E_" #name, text },
#include "include/vmm_errors.def"
#undef VMM_ERROR
};

static const struct row unknown = {
    0, VMM_ECLASS_NONE, 1, "unknown error", "unknown error"
};

static const struct row *find(int rc)
{
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].value == rc) {
            return &rows[i];
        }
    }
    return &unknown;
}

const char *vmm_error_name(int rc)
{
    return find(rc)->name;
}

const char *vmm_error_text(int rc)
{
    return find(rc)->text;
}

enum vmm_error_class vmm_error_class_of(int rc)
{
    return find(rc)->class;
}

const char *vmm_error_class_name(enum vmm_error_class eclass)
{
    static const char *const names[] = {
        [VMM_ECLASS_NONE] = "none",
        [VMM_ECLASS_RETRY] = "retry",
        [VMM_ECLASS_PEER] = "peer",
        [VMM_ECLASS_MEDIA] = "media",
        [VMM_ECLASS_LOCAL] = "local",
        [VMM_ECLASS_CALLER] = "caller",
        [VMM_ECLASS_NOTSUP] = "notsup",
    };

    return (size_t)eclass < sizeof(names) / sizeof(names[0]) ? names[eclass]
                                                             : "none";
}

int vmm_error_exit_status(int rc)
{
    return find(rc)->exit_status;
}
