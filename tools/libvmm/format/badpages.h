/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * badpages.h: lists of bad pages as others write them.
 *
 *   badpage=0x3f45,0x8a321-0x8a330     Xen's option: pages, hexadecimal or not
 *   badram=0x12345000,0xfffff000,...   memtest86+, or GRUB_BADRAM="..." of
 *                                      GRUB: pairs of an address and a mask,
 *                                      of all addresses that agree with it
 *                                      where the mask is 1
 *   [{"mfn":74565,"nr_pages":2,"cause":"uncorrected"},...]
 *                                      xl page-list -j
 *
 * A list of numbers without a name is one of pages.
 */
#ifndef VMM_FORMAT_BADPAGES_H
#define VMM_FORMAT_BADPAGES_H

#include <stddef.h>

#include "include/vmm_retire.h"

/* In the order of the text; a return but 0 ends it, and is returned. */
typedef int vmm__badpages_fn(void *user, uint64_t mfn, uint32_t nr_pages,
                             enum vmm_retire_cause cause);

/*
 * *why_out: a static text, on failure.  VMM_E_FORMAT; VMM_E_RANGE: pages
 * beyond 2^40, or more than VMM_RETIRE_PAGES_MAX entries; VMM_E_NOMEM.
 */
int vmm__badpages_parse(const char *text, size_t len_bytes,
                        vmm__badpages_fn *fn, void *user,
                        const char **why_out);

#endif
