/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * media.h: byte-addressable memory whose contents survive, mapped.
 *
 * What is stored to it is durable after flush() of its lines and then
 * drain(); before, each line may be so or not, and aligned 8 bytes are never
 * torn.  Implemented by port/media_pmem2.c, port/media_dram.c (nothing
 * survives) and by the simulation, which tries every outcome.
 * Any thread; drain() is for what the caller's thread flushed.
 */
#ifndef VMM_TABLE_MEDIA_H
#define VMM_TABLE_MEDIA_H

#include <stddef.h>
#include <stdint.h>

struct vmm__media_ops {
    void (*flush)(void *media, const void *at, size_t len_bytes);
    void (*drain)(void *media);
    /* memcpy() and flush(); `to' is on the media. */
    void (*copy)(void *media, void *to, const void *from, size_t len_bytes);
};

struct vmm__media {
    const struct vmm__media_ops *ops;
    void *self;
    uint8_t *base;              /* aligned to 4 KiB */
    uint64_t len_bytes;
};

static inline void vmm__media_flush(const struct vmm__media *media,
                                    const void *at, size_t len_bytes)
{
    media->ops->flush(media->self, at, len_bytes);
}

static inline void vmm__media_drain(const struct vmm__media *media)
{
    media->ops->drain(media->self);
}

static inline void vmm__media_persist(const struct vmm__media *media,
                                      const void *at, size_t len_bytes)
{
    vmm__media_flush(media, at, len_bytes);
    vmm__media_drain(media);
}

#endif
