/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * blocks.h: regions as block devices, for processes that serve them on: a
 * thread for each that has connected.  Source: include/vmm_blocks.h.
 */
#ifndef VMMD_BLOCKS_H
#define VMMD_BLOCKS_H

#include "loop.h"

struct regions;
struct blocks;

/* VMM_E_NOMEM, VMM_E_LOCAL, which is logged. */
int blocks_open(struct loop *loop, const char *path, struct regions *regions,
                struct blocks **blocks_out);
/* Hangs up on all; what they are at is finished.  NULL is fine. */
void blocks_close(struct blocks *blocks);

#endif
