/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* media_dram.h: media that nothing survives on: anonymous memory. */
#ifndef VMM_PORT_MEDIA_DRAM_H
#define VMM_PORT_MEDIA_DRAM_H

#include "table/media.h"

/*
 * Reads zeros; takes memory as it is touched.  VMM_E_INVAL: not a multiple of
 * 4 KiB; VMM_E_NOMEM.
 */
int vmm__media_dram_open(uint64_t size_bytes, struct vmm__media *media_out);
void vmm__media_dram_close(struct vmm__media *media);

#endif
