/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* u64vec.h: numbers, as many as come.  All zeros is an empty one. */
#ifndef VMM_BASE_U64VEC_H
#define VMM_BASE_U64VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct vmm__u64vec {
    uint64_t *v;
    size_t nr, max;
};

/* Room for `nr' more: pushing these cannot fail. */
static inline bool vmm__u64vec_reserve(struct vmm__u64vec *vec, size_t nr)
{
    size_t max = vec->max ? vec->max : 16;
    uint64_t *v;

    if (vec->max - vec->nr >= nr) {
        return true;
    }
    while (max - vec->nr < nr) {
        max *= 2;
    }
    v = realloc(vec->v, max * sizeof(*v));
    if (!v) {
        return false;
    }
    vec->v = v;
    vec->max = max;
    return true;
}

static inline bool vmm__u64vec_push(struct vmm__u64vec *vec, uint64_t n)
{
    if (!vmm__u64vec_reserve(vec, 1)) {
        return false;
    }
    vec->v[vec->nr++] = n;
    return true;
}

static inline void vmm__u64vec_dispose(struct vmm__u64vec *vec)
{
    free(vec->v);
    *vec = (struct vmm__u64vec){ NULL, 0, 0 };
}

#endif
