/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hash.c: see hash.h. */
#define XXH_INLINE_ALL 1        /* a state that is not allocated, no library */
#include <xxhash.h>

#include "base/hash.h"

uint64_t vmm__hash64(const void *data, size_t size, size_t at)
{
    static const uint8_t none[8];
    const uint8_t *bytes = data;
    XXH64_state_t state;

    (void)XXH64_reset(&state, 0);
    (void)XXH64_update(&state, bytes, at);
    (void)XXH64_update(&state, none, sizeof(none));
    (void)XXH64_update(&state, bytes + at + sizeof(none),
                       size - at - sizeof(none));
    return XXH64_digest(&state);
}
