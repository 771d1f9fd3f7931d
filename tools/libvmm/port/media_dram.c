/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* media_dram.c: media that nothing survives on: anonymous memory. */
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "include/vmm.h"
#include "port/media_dram.h"

#define HUGE_BYTES ((size_t)2 << 20)

/* Stores are as durable as they will ever be. */
static void dram_flush(void *self, const void *at, size_t len_bytes)
{
    (void)self;
    (void)at;
    (void)len_bytes;
}

static void dram_drain(void *self)
{
    (void)self;
}

static void dram_copy(void *self, void *to, const void *from,
                      size_t len_bytes)
{
    (void)self;
    memcpy(to, from, len_bytes);
}

static const struct vmm__media_ops dram_ops = {
    .flush = dram_flush,
    .drain = dram_drain,
    .copy = dram_copy,
};

int vmm__media_dram_open(uint64_t size_bytes, struct vmm__media *media_out)
{
    uint8_t *map, *base;
    size_t before;

    if (!size_bytes || size_bytes % 4096 || size_bytes > SIZE_MAX / 2) {
        return VMM_E_INVAL;
    }
    map = mmap(NULL, size_bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        return VMM_E_NOMEM;
    }
    /* Where huge pages can be: a random read is half TLB misses without. */
    before = HUGE_BYTES - (uintptr_t)map % HUGE_BYTES;
    base = map + before;
    (void)munmap(map, before);
    (void)munmap(base + size_bytes, HUGE_BYTES - before);
    (void)madvise(base, size_bytes, MADV_HUGEPAGE);
    *media_out = (struct vmm__media){
        .ops = &dram_ops, .base = base, .len_bytes = size_bytes,
    };
    return 0;
}

void vmm__media_dram_close(struct vmm__media *media)
{
    if (media->base) {
        (void)munmap(media->base, media->len_bytes);
    }
    media->base = NULL;
}
