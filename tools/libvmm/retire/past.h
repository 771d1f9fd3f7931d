/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* past.h: what was in a record once. */
#ifndef VMM_RETIRE_PAST_H
#define VMM_RETIRE_PAST_H

#include "format/retirefile.h"

/* The one module that a page is of; VMM_RETIRE_NO_DIMM if it may be others. */
uint16_t vmm__past_dimm_of(const struct vmm__retirefile *file, uint64_t mfn);
/* Neighbours that are alike are one; the oldest goes if there is no room. */
void vmm__past_add(struct vmm__retirefile *file,
                   const struct vmm_retired *entry,
                   enum vmm_retire_reason reason, uint16_t dimm,
                   uint64_t now_s);

#endif
