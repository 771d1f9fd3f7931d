/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mcerecord.h: a record of /dev/mcelog as dom0's kernel has it from Xen.
 *
 * Source: struct xen_mce, include/xen/interface/xen-mca.h of Linux 6.1; later
 * kernels append members, so that a record may be longer.
 */
#ifndef VMM_FORMAT_MCERECORD_H
#define VMM_FORMAT_MCERECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmm__mcerecord {
    uint64_t status, misc, addr, mcgstatus, time_s, mcgcap;
    uint32_t cpu, socket, apicid;
    uint8_t bank;
    bool has_addr, uncorrected;     /* what status says */
};

/* VMM_E_FORMAT: shorter than what is known, or not finished. */
int vmm__mcerecord_decode(const void *data, size_t size,
                          struct vmm__mcerecord *record_out);
/*
 * A line of JSON without its newline; cut if it does not fit, which it does in
 * VMM__MCERECORD_TEXT_BYTES.
 */
#define VMM__MCERECORD_TEXT_BYTES 320u
void vmm__mcerecord_text(const struct vmm__mcerecord *record, char *text,
                         size_t text_bytes);

#endif
