/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * metrics.h: what became of bad memory, for node-exporter's textfile
 * collector.  Memory modules are labels, pages never are.
 */
#ifndef VMMD_METRICS_H
#define VMMD_METRICS_H

#include "include/vmm_retire.h"

struct metrics {
    uint64_t nr_pages[VMM_RETIRE_NR_STATES];
    struct vmm_machine_stat stat;
    const vmm_record *record;
};

/*
 * Replace the file, readable by all.  VMM_E_NOENT: its folder is not there,
 * so nobody collects; VMM_E_IO.
 */
int metrics_write(const char *path, const struct metrics *metrics);

#endif
