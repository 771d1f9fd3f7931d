/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * retire.h: retired pages: what the hypervisor says of them is recorded before
 * anybody is told, and what is recorded the hypervisor keeps out of use.
 *
 * The loop thread.
 */
#ifndef VMMD_RETIRE_H
#define VMMD_RETIRE_H

#include "conf.h"
#include "include/vmm_retire.h"
#include "loop.h"

struct retire;

/* What vmmd asks of the hypervisor: include/vmm_retire.h, or tests. */
struct machine_ops {
    int (*open)(const struct vmm_logger *logger, vmm_machine **machine_out);
    void (*close)(vmm_machine *machine);
    int (*list)(vmm_machine *machine, uint64_t *next_mfn,
                struct vmm_retired *entries, uint32_t nr, uint32_t *nr_out,
                bool *more_out);
    int (*change)(vmm_machine *machine, struct vmm_machine_change *changes,
                  uint32_t nr);
    int (*set_threshold)(vmm_machine *machine, uint32_t threshold,
                         uint32_t window_s);
    int (*stat)(vmm_machine *machine, struct vmm_machine_stat *stat_out);
};

/*
 * Without a hypervisor that knows of it vmmd goes on, and retire_usable() is
 * false.  Errors: of the record, VMM_E_NOMEM, VMM_E_LOCAL.
 */
int retire_open(struct loop *loop, const struct conf *conf,
                const struct machine_ops *ops, struct retire **retire_out);
void retire_close(struct retire *retire);       /* NULL is fine */
bool retire_usable(const struct retire *retire);

/* Something may have happened: look now. */
void retire_look(struct retire *retire);

/* What of the configuration may change while vmmd runs.  VMM_E_LOCAL. */
int retire_configure(struct retire *retire, const struct conf *conf);

/*
 * Pages [ranges[i].mfn, + nr_pages) for its cause: retired, and recorded when
 * it returns; one save for all.  What is none of this machine's memory, or
 * Xen's own, is counted and left out.  Errors: what became of the record.
 */
struct retire_result {
    uint64_t nr_pending;        /* in use yet */
    uint64_t nr_refused;
    int refused_rc;             /* VMM_E_INVAL: no RAM; VMM_E_PERM: Xen's */
};
int retire_pages(struct retire *retire, const struct vmm_retired *ranges,
                 uint32_t nr, struct retire_result *result_out);
/*
 * Good again, as many as can be.  VMM_E_NOENT: none of them is recorded;
 * VMM_E_BUSY: their owner has them yet.
 */
int retire_release(struct retire *retire, uint64_t mfn, uint32_t nr,
                   uint32_t *nr_released_out);
/* What one call is for; the loop waits for it. */
#define RETIRE_CHANGE_PAGES_MAX 65536u

/*
 * Up to nr entries from page *next_mfn on, as the hypervisor has them, and how
 * often and since when as the record does.
 */
int retire_list(struct retire *retire, uint64_t *next_mfn,
                struct vmm_retired *entries, uint32_t nr, uint32_t *nr_out,
                bool *more_out);
int retire_stat(struct retire *retire, struct vmm_machine_stat *stat_out);
/* For looking at. */
const vmm_record *retire_record(const struct retire *retire);

#endif
