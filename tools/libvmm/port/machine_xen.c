/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine_xen.c: the hypervisor's table of retired pages. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define __XEN_TOOLS__ 1
#include <xencall.h>
#include <xen/xen.h>
#include <xen/memory.h>
#include <xen/vmm_retire.h>

#include "base/log.h"
#include "include/vmm_retire.h"

#define LIST_MAX 1024u          /* entries in one call */

struct call_mem {
    struct xen_vmm_retire_op op;
    union {
        xen_vmm_retired_t entries[LIST_MAX];
        xen_vmm_change_t changes[VMM_MACHINE_CHANGES_MAX];
    };
};

struct vmm_machine {
    struct vmm_logger logger;
    xencall_handle *xcall;
    struct call_mem *mem;
};

static int translate(int err)
{
    switch (err) {
    case 0:             return 0;
    case EBUSY:         return VMM_E_BUSY;
    case EINVAL:        return VMM_E_INVAL;
    case ENOENT:        return VMM_E_NOENT;
    case ENOMEM:        return VMM_E_NOMEM;
    case ENOSPC:        return VMM_E_NOSPC;
    case ENOSYS:
    case EOPNOTSUPP:    return VMM_E_NOTSUP;
    case EACCES:
    case EPERM:         return VMM_E_PERM;
    default:            return VMM_E_LOCAL;
    }
}

static struct xen_vmm_retire_op *prepare(struct vmm_machine *machine,
                                         uint32_t cmd)
{
    struct xen_vmm_retire_op *op = &machine->mem->op;

    memset(op, 0, sizeof(*op));
    op->interface_version = XEN_VMM_RETIRE_VERSION;
    op->cmd = cmd;
    return op;
}

static int call(struct vmm_machine *machine)
{
    struct xen_vmm_retire_op *op = &machine->mem->op;
    int err = xencall2(machine->xcall, __HYPERVISOR_memory_op,
                       XENMEM_vmm_retire_op, (unsigned long)op) < 0
              ? errno : 0;

    if (err) {
        vmm__log(&machine->logger, VMM_LOG_WARN, "vmm_retire_op %u: %s",
                 op->cmd, strerror(err));
    }
    return translate(err);
}

int vmm_machine_open(const struct vmm_logger *logger,
                     vmm_machine **machine_out)
{
    struct vmm_machine *machine = calloc(1, sizeof(*machine));
    struct vmm_machine_stat stat;
    int rc = VMM_E_NOMEM;

    if (!machine) {
        return rc;
    }
    machine->logger = *logger;
    machine->xcall = xencall_open(NULL, 0);
    if (!machine->xcall) {
        rc = VMM_E_NOTSUP;
        goto fail;
    }
    machine->mem = xencall_alloc_buffer(machine->xcall,
                                        sizeof(*machine->mem));
    if (!machine->mem) {
        goto fail;
    }
    rc = vmm_machine_stat(machine, &stat);
    if (rc) {
        goto fail;
    }
    *machine_out = machine;
    return 0;

 fail:
    vmm_machine_close(machine);
    return rc;
}

void vmm_machine_close(struct vmm_machine *machine)
{
    if (!machine) {
        return;
    }
    if (machine->mem) {
        xencall_free_buffer(machine->xcall, machine->mem);
    }
    if (machine->xcall) {
        xencall_close(machine->xcall);
    }
    free(machine);
}

int vmm_machine_list(struct vmm_machine *machine, uint64_t *next_mfn,
                     struct vmm_retired *entries, uint32_t nr,
                     uint32_t *nr_out, bool *more_out)
{
    struct xen_vmm_retire_op *op = prepare(machine, XEN_VMM_RETIRE_list);
    struct xen_vmm_retire_list_op *list = &op->u.list;
    uint32_t i;
    int rc;

    list->first_mfn = *next_mfn;
    list->nr = nr < LIST_MAX ? nr : LIST_MAX;
    set_xen_guest_handle_raw(list->entries, machine->mem->entries);
    rc = call(machine);
    if (rc) {
        return rc;
    }
    if (list->done > list->nr) {
        return VMM_E_LOCAL;
    }
    for (i = 0; i < list->done; i++) {
        const xen_vmm_retired_t *e = &machine->mem->entries[i];

        entries[i] = (struct vmm_retired){
            .mfn = e->mfn, .time_s = e->time_s, .nr_pages = e->nr_pages,
            .nr_errors = e->nr_errors, .owner_domid = e->owner,
            .broken = e->flags & XEN_VMM_RETIRED_BROKEN,
            .from_boot_list = e->flags & XEN_VMM_RETIRED_BOOT,
            .cause = (enum vmm_retire_cause)e->cause,
            .state = (enum vmm_retire_state)e->state,
        };
    }
    *next_mfn = list->first_mfn;
    *nr_out = list->done;
    *more_out = list->more && list->done == list->nr;
    return 0;
}

int vmm_machine_change(struct vmm_machine *machine,
                       struct vmm_machine_change *changes, uint32_t nr)
{
    struct xen_vmm_retire_op *op = prepare(machine, XEN_VMM_RETIRE_change);
    xen_vmm_change_t *items = machine->mem->changes;
    uint32_t i;
    int rc;

    if (nr > VMM_MACHINE_CHANGES_MAX) {
        return VMM_E_RANGE;
    }
    memset(items, 0, nr * sizeof(*items));
    for (i = 0; i < nr; i++) {
        items[i].mfn = changes[i].mfn;
        items[i].action = changes[i].release ? XEN_VMM_CHANGE_RELEASE
                                             : XEN_VMM_CHANGE_RETIRE;
        items[i].cause = (uint8_t)changes[i].cause;
    }
    op->u.change.nr = nr;
    set_xen_guest_handle_raw(op->u.change.items, items);
    rc = call(machine);
    if (rc) {
        return rc;
    }
    for (i = 0; i < nr; i++) {
        changes[i].state = (enum vmm_retire_state)items[i].state;
        changes[i].rc = translate(-items[i].result);
    }
    return 0;
}

int vmm_machine_set_threshold(struct vmm_machine *machine, uint32_t threshold,
                              uint32_t window_s)
{
    struct xen_vmm_retire_op *op = prepare(machine, XEN_VMM_RETIRE_config);

    op->u.config.flags = XEN_VMM_CONFIG_SET;
    op->u.config.ce_threshold = threshold;
    op->u.config.ce_window_s = window_s;
    return call(machine);
}

int vmm_machine_stat(struct vmm_machine *machine,
                     struct vmm_machine_stat *stat_out)
{
    struct xen_vmm_retire_op *op = prepare(machine, XEN_VMM_RETIRE_stat);
    const struct xen_vmm_retire_stat *s = &op->u.stat;
    int rc = call(machine);

    if (rc) {
        return rc;
    }
    *stat_out = (struct vmm_machine_stat){
        .generation = s->generation, .memory_map_hash = s->memory_map_hash,
        .sequence = s->sequence, .boot_list_us = s->boot_list_us,
        .boot_heap_us = s->boot_heap_us, .nr_uncorrected = s->nr_uncorrected,
        .nr_corrected = s->nr_corrected, .nr_moved = s->nr_moved,
        .nr_touched = s->nr_touched, .nr_unrecorded = s->nr_unrecorded,
        .boot_entries = s->boot_entries,
        .list = (enum vmm_machine_list)s->list,
        .from_variable = s->source == XEN_VMM_SOURCE_VARIABLE,
        .module_damaged = s->damaged & 1u << XEN_VMM_SOURCE_MODULE,
        .variable_damaged = s->damaged & 1u << XEN_VMM_SOURCE_VARIABLE,
        .map_changed = s->map_changed,
    };
    return 0;
}
