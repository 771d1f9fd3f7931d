/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dimms.h: the machine's memory modules, and what became of them. */
#ifndef VMMD_DIMMS_H
#define VMMD_DIMMS_H

#include "include/vmm_retire.h"

/*
 * Tell the record what modules there are, by the firmware's table in a file.
 * If that cannot be read, nothing changes, and the log has why.
 * *changed_out: the record has what is to be saved.
 * Errors: of vmm_record_set_dimms().
 */
int dimms_update(vmm_record *record, const char *smbios_path,
                 bool *changed_out);

#endif
