/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* crc.c: CRC32C by ISA-L. */
#include <isa-l/crc.h>

#include <assert.h>
#include <limits.h>

#include "base/crc.h"

uint32_t vmm__crc32c(const void *buf, size_t len_bytes)
{
    assert(len_bytes <= INT_MAX);
    /* ISA-L leaves out both inversions, and const. */
    return ~crc32_iscsi((unsigned char *)(uintptr_t)buf, (int)len_bytes,
                        UINT32_MAX);
}
