/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * crc.h: CRC32C (Castagnoli), as in iSCSI (RFC 3720), in its usual form:
 * that of "123456789" is 0xe3069283.
 */
#ifndef VMM_BASE_CRC_H
#define VMM_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t vmm__crc32c(const void *buf, size_t len_bytes);

#endif
