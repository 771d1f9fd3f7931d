/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ctl_page.c: retired pages in the control protocol; see include/vmm_ctl.h. */
#include <string.h>

#include "ctl/field.h"
#include "include/vmm_ctl.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE(member) VMM__FIELD(struct vmm_retired, member)
#define STAT(member) VMM__FIELD(struct vmm_ctl_page_stat, member)
#define MACHINE(member) VMM__FIELD(struct vmm_machine_stat, member)

static const struct vmm__field page_fields[] = {
    PAGE(mfn), PAGE(nr_pages), PAGE(nr_errors), PAGE(time_s),
};

static const struct vmm__field stat_fields[] = {
    STAT(nr_recorded), STAT(generation),
};

static const struct vmm__field machine_fields[] = {
    MACHINE(boot_entries), MACHINE(boot_list_us), MACHINE(boot_heap_us),
    MACHINE(nr_uncorrected), MACHINE(nr_corrected), MACHINE(nr_moved),
    MACHINE(nr_touched), MACHINE(nr_unrecorded),
};

void vmm_ctl_put_page(struct vmm__json_out *out,
                      const struct vmm_retired *page)
{
    vmm__put_fields(out, page_fields, NR(page_fields), page);
    vmm__json_put_string(out, "cause", vmm_retire_cause_name(page->cause));
    vmm__json_put_string(out, "state", vmm_retire_state_name(page->state));
    if (page->state == VMM_RETIRE_PENDING) {
        vmm__json_put_u64(out, "owner_domid", page->owner_domid);
    }
    vmm__json_put_bool(out, "broken", page->broken);
    vmm__json_put_bool(out, "from_boot_list", page->from_boot_list);
}

int vmm_ctl_get_page(const struct vmm__json_value *value,
                     struct vmm_retired *page_out)
{
    struct vmm_retired page = { .owner_domid = VMM_RETIRE_NO_OWNER };
    const char *cause, *state;
    uint64_t owner;

    if (vmm__get_fields(value, page_fields, NR(page_fields), &page) ||
        vmm__json_get_string(value, "cause", &cause) ||
        vmm__json_get_string(value, "state", &state) ||
        vmm__json_get_bool(value, "broken", &page.broken) ||
        vmm__json_get_bool(value, "from_boot_list", &page.from_boot_list)) {
        return VMM_E_FORMAT;
    }
    if (!vmm_retire_cause_of(cause, &page.cause)) {
        return VMM_E_FORMAT;
    }
    while (strcmp(state, vmm_retire_state_name(page.state))) {
        if (++page.state == VMM_RETIRE_NR_STATES) {
            return VMM_E_FORMAT;
        }
    }
    if (!vmm__json_get_u64(value, "owner_domid", &owner)) {
        if (owner > UINT16_MAX) {
            return VMM_E_FORMAT;
        }
        page.owner_domid = (uint16_t)owner;
    }
    *page_out = page;
    return 0;
}

void vmm_ctl_put_page_stat(struct vmm__json_out *out,
                           const struct vmm_ctl_page_stat *stat)
{
    vmm__json_put_string(out, "boot_list",
                         vmm_machine_list_name(stat->machine.list));
    vmm__json_put_bool(out, "memory_map_changed", stat->machine.map_changed);
    vmm__put_fields(out, stat_fields, NR(stat_fields), stat);
    vmm__put_fields(out, machine_fields, NR(machine_fields), &stat->machine);
}

int vmm_ctl_get_page_stat(const struct vmm__json_value *value,
                          struct vmm_ctl_page_stat *stat_out)
{
    struct vmm_ctl_page_stat stat = { .nr_recorded = 0 };
    const char *list;

    if (vmm__json_get_string(value, "boot_list", &list) ||
        vmm__json_get_bool(value, "memory_map_changed",
                           &stat.machine.map_changed) ||
        vmm__get_fields(value, stat_fields, NR(stat_fields), &stat) ||
        vmm__get_fields(value, machine_fields, NR(machine_fields),
                        &stat.machine)) {
        return VMM_E_FORMAT;
    }
    while (strcmp(list, vmm_machine_list_name(stat.machine.list))) {
        if (++stat.machine.list == VMM_MACHINE_NR_LISTS) {
            return VMM_E_FORMAT;
        }
    }
    *stat_out = stat;
    return 0;
}
