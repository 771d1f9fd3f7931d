/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * retirefile.h: a copy of the record of retired pages; vmm-retired(5).
 */
#ifndef VMM_FORMAT_RETIREFILE_H
#define VMM_FORMAT_RETIREFILE_H

#include <stddef.h>
#include <stdint.h>

#include "include/vmm_retire.h"

#define VMM__RETIREFILE_BYTES_MAX (48u + VMM_RETIRE_PAGES_MAX * 32u + \
                                   VMM_DIMMS_MAX * 336u + \
                                   VMM_RETIRE_PAST_MAX * 40u)

/*
 * What a copy holds.  The arrays are the caller's, and have room: entries for
 * a multiple of a step, the others for as many as there can be.
 */
#define VMM__RETIREFILE_STEP 1024u
struct vmm__retirefile {
    uint64_t generation;        /* at least 1 */
    struct vmm_retired *entries;
    struct vmm_dimm *dimms;
    struct vmm_retired_past *past;
    uint32_t nr_entries, nr_dimms, nr_past;
};

/* An empty one with room for nr_entries.  VMM_E_NOMEM. */
int vmm__retirefile_init(struct vmm__retirefile *file, uint32_t nr_entries);
void vmm__retirefile_free(struct vmm__retirefile *file);
/* *data_out is the caller's.  VMM_E_NOMEM. */
int vmm__retirefile_encode(const struct vmm__retirefile *file,
                           void **data_out, size_t *size_out);
/* Strict.  VMM_E_FORMAT, VMM_E_VERSION, VMM_E_CHECKSUM, VMM_E_NOMEM. */
int vmm__retirefile_decode(const void *data, size_t size,
                           struct vmm__retirefile *file_out);

#endif
