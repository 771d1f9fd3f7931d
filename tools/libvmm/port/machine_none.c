/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine_none.c: a build without Xen: open() says so, no handle is made. */
#include "include/vmm_retire.h"

int vmm_machine_open(const struct vmm_logger *logger,
                     vmm_machine **machine_out)
{
    (void)logger;
    (void)machine_out;
    return VMM_E_NOTSUP;
}

void vmm_machine_close(vmm_machine *machine)
{
    (void)machine;
}

int vmm_machine_list(vmm_machine *machine, uint64_t *next_mfn,
                     struct vmm_retired *entries, uint32_t nr,
                     uint32_t *nr_out, bool *more_out)
{
    (void)machine;
    (void)next_mfn;
    (void)entries;
    (void)nr;
    (void)nr_out;
    (void)more_out;
    return VMM_E_NOTSUP;
}

int vmm_machine_change(vmm_machine *machine,
                       struct vmm_machine_change *changes, uint32_t nr)
{
    (void)machine;
    (void)changes;
    (void)nr;
    return VMM_E_NOTSUP;
}

int vmm_machine_set_threshold(vmm_machine *machine, uint32_t threshold,
                              uint32_t window_s)
{
    (void)machine;
    (void)threshold;
    (void)window_s;
    return VMM_E_NOTSUP;
}

int vmm_machine_stat(vmm_machine *machine, struct vmm_machine_stat *stat_out)
{
    (void)machine;
    (void)stat_out;
    return VMM_E_NOTSUP;
}
