/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * files.h: small files that are replaced as a whole.
 *
 * Implemented by port/files.c and by tests, which cut the power between any
 * two.  One thread.
 */
#ifndef VMM_TABLE_FILES_H
#define VMM_TABLE_FILES_H

#include <stddef.h>

struct vmm__files_ops {
    /*
     * *data_out is the caller's.  VMM_E_NOENT; VMM_E_IO, VMM_E_PERM,
     * VMM_E_RANGE (longer than max_bytes), VMM_E_NOMEM.
     */
    int (*read)(void *self, const char *path, size_t max_bytes,
                void **data_out, size_t *size_out);
    /*
     * After a power cut at any time there is the old contents or the new one,
     * and the new one if it returned.  VMM_E_NOSPC, VMM_E_IO, VMM_E_PERM,
     * VMM_E_NOMEM.
     */
    int (*replace)(void *self, const char *path, const void *data,
                   size_t size);
    /*
     * What replace() made of it a boot loader sees, which reads the file
     * system as it lies there and replays no journal.  VMM_E_IO;
     * VMM_E_NOTSUP: it is not known how, or not allowed.
     */
    int (*settle)(void *self, const char *path);
    /*
     * The firmware's copy of what a boot loader gets.  VMM_E_NOTSUP: it keeps
     * none; VMM_E_NOSPC: it does not fit; VMM_E_IO, VMM_E_PERM.
     */
    int (*set_variable)(void *self, const void *data, size_t size);
};

struct vmm__files {
    const struct vmm__files_ops *ops;
    void *self;
};

#endif
