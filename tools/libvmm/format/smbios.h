/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* smbios.h: what a table of SMBIOS structures has of memory modules. */
#ifndef VMM_FORMAT_SMBIOS_H
#define VMM_FORMAT_SMBIOS_H

#include <stddef.h>

#include "include/vmm_retire.h"

/*
 * *dimms_out is the caller's.  VMM_E_FORMAT: it is none, or ends early;
 * VMM_E_NOENT: it has no modules; VMM_E_RANGE: more than VMM_DIMMS_MAX;
 * VMM_E_NOMEM.
 */
int vmm__smbios_decode(const void *data, size_t size,
                       struct vmm_dimm **dimms_out, uint32_t *nr_out);

#endif
