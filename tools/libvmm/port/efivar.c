/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* efivar.c: see efivar.h. */
#include <efivar/efivar.h>
#include <errno.h>

#include "include/vmm.h"
#include "port/efivar.h"

/* XEN_VMM_RETIRE_VARIABLE and so on of xen/include/public/vmm_retire.h. */
#define NAME "XenRetiredPages"
#define BYTES_MAX 32768u
static const efi_guid_t guid = {
    0x7ae4de9a, 0x1ef4, 0x4f3e, 0x9dba,
    { 0x6a, 0x0c, 0x8e, 0x1f, 0x5c, 0x27 }
};

int vmm__efivar_set(const void *data, size_t size)
{
    const uint32_t attributes = EFI_VARIABLE_NON_VOLATILE |
                                EFI_VARIABLE_BOOTSERVICE_ACCESS |
                                EFI_VARIABLE_RUNTIME_ACCESS;
    int rc;

    if (!efi_variables_supported()) {
        return VMM_E_NOTSUP;
    }
    if (size > BYTES_MAX) {
        return VMM_E_NOSPC;
    }
    /* libefivar takes what it does not change for a pointer to what it may. */
    rc = efi_set_variable(guid, NAME, (uint8_t *)(uintptr_t)data, size,
                          attributes, 0600);
    if (!rc) {
        return 0;
    }
    return errno == ENOSPC || errno == EINVAL ? VMM_E_NOSPC
         : errno == EPERM || errno == EACCES || errno == EROFS ? VMM_E_PERM
                                                               : VMM_E_IO;
}
