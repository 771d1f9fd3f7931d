/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sim_alloc.h: what a process owns.
 *
 * The objects under test are linked with these in place of the C library's
 * (objcopy --redefine-sym), so that the death of the pager can take back all
 * that it had, and a proper end can be seen to leave nothing behind.
 */
#ifndef SIM_ALLOC_H
#define SIM_ALLOC_H

/* Memory, mappings and descriptors that are held. */
unsigned long sim_alloc_live(void);
void sim_alloc_abandon(void);

#endif
