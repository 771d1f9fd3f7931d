/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* replace.h: small files that are replaced as a whole. */
#ifndef VMM_BASE_REPLACE_H
#define VMM_BASE_REPLACE_H

#include <stddef.h>

/*
 * After a power cut at any time there is the old contents of `path' or the new
 * one, and the new one if it returned; mode 0600.  On the way PATH.new is
 * written, which a crash may leave behind.
 * Errors, with errno: VMM_E_NOSPC, VMM_E_IO; VMM_E_NOMEM.
 */
int vmm__replace_file(const char *path, const void *data, size_t size);
/* What was done to names in the folder that `path' is in is durable. */
int vmm__sync_folder_of(const char *path);

#endif
