/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * statefile.h: what a later vmmd must know, in a folder: one file for each
 * thing, a line of JSON, replaced as a whole.
 */
#ifndef VMMD_STATEFILE_H
#define VMMD_STATEFILE_H

#include "format/json.h"

/*
 * `out', an object, is consumed.  Durable when it returns.
 * Errors: VMM_E_NOSPC, VMM_E_IO, VMM_E_NOMEM.
 */
int statefile_save(const char *dir, const char *name,
                   struct vmm__json_out *out);
/* One that is not there is fine. */
int statefile_remove(const char *dir, const char *name);

/*
 * Call `fn' for each file that ends in `suffix'.  What cannot be read, or what
 * fn returns an error for, is logged with `or_else', and stays.  Left-overs of
 * a save are removed.
 */
int statefile_each(const char *dir, const char *suffix, const char *or_else,
                   int (*fn)(void *user, const char *name,
                             const struct vmm__json_value *root),
                   void *user);

#endif
