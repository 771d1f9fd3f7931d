/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* super.c: the superblocks, before anything else of a region is known. */
#include <string.h>

#include "base/log.h"
#include "region/region.h"

static int decode(const struct vmm__media *media, unsigned int i,
                  struct vmm__super *super_out)
{
    return media->len_bytes < 2 * VMM__BLOCK_BYTES ? VMM_E_FORMAT :
           vmm__super_decode(media->base + i * VMM__BLOCK_BYTES, super_out);
}

bool vmm__region_is(const struct vmm__media *media)
{
    struct vmm__super super;

    return decode(media, 0, &super) != VMM_E_FORMAT ||
           decode(media, 1, &super) != VMM_E_FORMAT;
}

void vmm__region_wipe(const struct vmm__media *media)
{
    unsigned int i;

    for (i = 0; i < 2; i++) {
        memset(media->base + i * VMM__BLOCK_BYTES, 0, VMM__BLOCK_BYTES);
        vmm__media_persist(media, media->base + i * VMM__BLOCK_BYTES,
                           VMM__BLOCK_BYTES);
    }
}

int vmm__region_super(const struct vmm__media *media,
                      const struct vmm_logger *logger,
                      struct vmm__super *super_out)
{
    struct vmm__super supers[2];
    int rcs[2], rc;
    unsigned int i;

    if (media->len_bytes < 2 * VMM__BLOCK_BYTES) {
        vmm__log(logger, VMM_LOG_ERROR, "too small for a region");
        return VMM_E_FORMAT;
    }
    for (i = 0; i < 2; i++) {
        rcs[i] = decode(media, i, &supers[i]);
    }
    if (rcs[0] == VMM_E_VERSION || rcs[1] == VMM_E_VERSION) {
        vmm__log(logger, VMM_LOG_ERROR,
                 "the region was made by a later version, or for it");
        return VMM_E_VERSION;
    }
    if (rcs[0] && rcs[1]) {
        rc = rcs[0] == VMM_E_CHECKSUM || rcs[1] == VMM_E_CHECKSUM
             ? VMM_E_CHECKSUM : VMM_E_FORMAT;
        vmm__log(logger, VMM_LOG_ERROR, rc == VMM_E_CHECKSUM
                 ? "both superblocks are damaged" : "not a region");
        return rc;
    }
    i = rcs[0] || (!rcs[1] && supers[1].seq > supers[0].seq);
    if (supers[i].geo.nr_pblks > media->len_bytes / VMM__BLOCK_BYTES) {
        vmm__log(logger, VMM_LOG_ERROR,
                 "the region has %llu blocks, and only %llu are there",
                 (unsigned long long)supers[i].geo.nr_pblks,
                 (unsigned long long)media->len_bytes / VMM__BLOCK_BYTES);
        return VMM_E_FORMAT;
    }
    *super_out = supers[i];
    return 0;
}

