/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dimms.h: pages follow the modules that they are of. */
#ifndef VMM_RETIRE_DIMMS_H
#define VMM_RETIRE_DIMMS_H

#include "format/retirefile.h"

/* As vmm_record_set_dimms(). */
int vmm__dimms_follow(struct vmm__retirefile *file,
                      const struct vmm_dimm *dimms, uint32_t nr,
                      uint64_t now_s, struct vmm_dimm_changes *changes_out);

#endif
