/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* efivar.h: the variable of EFI that has the list of retired pages. */
#ifndef VMM_PORT_EFIVAR_H
#define VMM_PORT_EFIVAR_H

#include <stddef.h>

/*
 * As a whole, and durable when it returns.  VMM_E_NOTSUP: this machine has no
 * variables; VMM_E_NOSPC: it does not fit; VMM_E_PERM, VMM_E_IO.
 */
int vmm__efivar_set(const void *data, size_t size);

#endif
