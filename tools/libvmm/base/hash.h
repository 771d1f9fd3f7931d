/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hash.h: checksums of files, by libxxhash. */
#ifndef VMM_BASE_HASH_H
#define VMM_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/*
 * XXH64 with seed 0 of size bytes, of which the eight from `at' on, the
 * checksum itself, count as 0.
 */
uint64_t vmm__hash64(const void *data, size_t size, size_t at);

#endif
