/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store.h: mass storage behind a region, for who can wait.
 *
 * Slots of a block each.  Implemented by port/store_file.c and by tests.  Any
 * thread, several at once.
 */
#ifndef VMM_TABLE_STORE_H
#define VMM_TABLE_STORE_H

#include <stdint.h>

struct vmm__store_ops {
    /* buf: a block, any alignment.  VMM_E_IO. */
    int (*read)(void *store, uint64_t slot, void *buf);
    /*
     * `nr' blocks, aligned to one, to slots that follow each other.  VMM_E_IO,
     * VMM_E_NOSPC.
     */
    int (*write)(void *store, uint64_t first_slot, const void *const *blocks,
                 unsigned int nr);
    /* All that was written is durable.  VMM_E_IO. */
    int (*sync)(void *store);
};

struct vmm__store {
    const struct vmm__store_ops *ops;       /* NULL: there is none */
    void *self;
    uint64_t nr_slots;
};

#endif
