/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * retirefile.h: a copy of the record of retired pages; vmm-retired(5).
 */
#ifndef VMM_FORMAT_RETIREFILE_H
#define VMM_FORMAT_RETIREFILE_H

#include <stddef.h>
#include <stdint.h>

#include "include/vmm_retire.h"

#define VMM__RETIREFILE_BYTES_MAX (48u + VMM_RETIRE_PAGES_MAX * 32u)

/* *data_out is the caller's.  VMM_E_NOMEM. */
int vmm__retirefile_encode(const struct vmm_retired *entries, uint32_t nr,
                           uint64_t generation, void **data_out,
                           size_t *size_out);
/* Strict.  VMM_E_FORMAT, VMM_E_VERSION, VMM_E_CHECKSUM, VMM_E_NOMEM. */
int vmm__retirefile_decode(const void *data, size_t size,
                           uint64_t *generation_out,
                           struct vmm_retired **entries_out,
                           uint32_t *nr_out);

#endif
