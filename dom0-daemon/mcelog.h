/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mcelog.h: the one reader of Xen's machine-check records in dom0, which
 * passes them on: a line of JSON for each, to whoever is connected.
 *
 * Who cannot keep up loses its connection, not the others their records.  The
 * loop thread.
 */
#ifndef VMMD_MCELOG_H
#define VMMD_MCELOG_H

#include "loop.h"

struct mcelog;

#define MCELOG_CLIENTS_MAX 16u

/*
 * `arrived' is called after records were passed on.  A device that is not
 * there is fine: nothing arrives; so is one that somebody else reads, of which
 * the log warns.  Errors: VMM_E_NOMEM, VMM_E_LOCAL.
 */
int mcelog_open(struct loop *loop, const char *device_path,
                const char *socket_path, loop_fn *arrived, void *user,
                struct mcelog **mcelog_out);
void mcelog_close(struct mcelog *mcelog);       /* NULL is fine */

#endif
