/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ctl_page.c: retired pages in the control protocol; see include/vmm_ctl.h. */
#include <string.h>

#include "ctl/field.h"
#include "include/vmm_ctl.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE(member) VMM__FIELD(struct vmm_retired, member)
#define DIMM(member) VMM__FIELD(struct vmm_ctl_dimm, member)
#define PAST(member) VMM__FIELD(struct vmm_retired_past, member)
#define STAT(member) VMM__FIELD(struct vmm_ctl_page_stat, member)
#define MACHINE(member) VMM__FIELD(struct vmm_machine_stat, member)

static const struct vmm__field page_fields[] = {
    PAGE(mfn), PAGE(nr_pages), PAGE(nr_errors), PAGE(time_s),
};

static const struct vmm__field dimm_fields[] = {
    DIMM(nr_pages), DIMM(nr_errors), DIMM(nr_pending), DIMM(nr_past),
};

static const struct vmm__field past_fields[] = {
    PAST(mfn), PAST(nr_pages), PAST(nr_errors), PAST(time_s),
    PAST(released_s),
};

static const struct {
    const char *name;
    size_t offset;
} dimm_texts[] = {
    { "slot", offsetof(struct vmm_dimm, locator) },
    { "maker", offsetof(struct vmm_dimm, maker) },
    { "part", offsetof(struct vmm_dimm, part) },
    { "serial", offsetof(struct vmm_dimm, serial) },
};

static const struct vmm__field stat_fields[] = {
    STAT(nr_recorded), STAT(nr_past), STAT(generation),
};

static const struct vmm__field machine_fields[] = {
    MACHINE(boot_entries), MACHINE(boot_list_us), MACHINE(boot_heap_us),
    MACHINE(nr_uncorrected), MACHINE(nr_corrected), MACHINE(nr_moved),
    MACHINE(nr_touched), MACHINE(nr_unrecorded),
};

static const struct {
    const char *name;
    size_t offset;
} machine_flags[] = {
    { "memory_map_changed", offsetof(struct vmm_machine_stat, map_changed) },
    { "from_efi_variable", offsetof(struct vmm_machine_stat, from_variable) },
    { "module_damaged", offsetof(struct vmm_machine_stat, module_damaged) },
    { "efi_variable_damaged",
      offsetof(struct vmm_machine_stat, variable_damaged) },
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

void vmm_ctl_put_dimm(struct vmm__json_out *out,
                      const struct vmm_ctl_dimm *dimm)
{
    const struct vmm_dimm *d = &dimm->dimm;
    uint32_t i;

    for (i = 0; i < NR(dimm_texts); i++) {
        vmm__json_put_string(out, dimm_texts[i].name,
                             (const char *)d + dimm_texts[i].offset);
    }
    vmm__json_put_u64(out, "size_bytes", d->size_bytes);
    vmm__json_put_bool(out, "shared", d->shared);
    vmm__json_put_bool(out, "absent", d->absent);
    vmm__json_put_array(out, "ranges");
    for (i = 0; i < d->nr_ranges; i++) {
        vmm__json_put_array(out, NULL);
        vmm__json_put_u64(out, NULL, d->ranges[i].first_mfn);
        vmm__json_put_u64(out, NULL, d->ranges[i].nr_pages);
        vmm__json_end_array(out);
    }
    vmm__json_end_array(out);
    vmm__put_fields(out, dimm_fields, NR(dimm_fields), dimm);
}

static int get_range(const struct vmm__json_value *value,
                     struct vmm_dimm_range *range_out)
{
    return vmm__json_type(value) != VMM__JSON_ARRAY ||
           vmm__json_nr(value) != 2 ||
           vmm__json_as_u64(vmm__json_at(value, 0), &range_out->first_mfn) ||
           vmm__json_as_u64(vmm__json_at(value, 1), &range_out->nr_pages)
           ? VMM_E_FORMAT : 0;
}

int vmm_ctl_get_dimm(const struct vmm__json_value *value,
                     struct vmm_ctl_dimm *dimm_out)
{
    const struct vmm__json_value *ranges = vmm__json_member(value, "ranges");
    struct vmm_ctl_dimm dimm = { .nr_pages = 0 };
    struct vmm_dimm *d = &dimm.dimm;
    const char *text;
    uint32_t i;

    if (vmm__get_fields(value, dimm_fields, NR(dimm_fields), &dimm) ||
        vmm__json_get_u64(value, "size_bytes", &d->size_bytes) ||
        vmm__json_get_bool(value, "shared", &d->shared) ||
        vmm__json_get_bool(value, "absent", &d->absent) ||
        vmm__json_type(ranges) != VMM__JSON_ARRAY ||
        vmm__json_nr(ranges) > VMM_DIMM_RANGES_MAX) {
        return VMM_E_FORMAT;
    }
    for (i = 0; i < NR(dimm_texts); i++) {
        if (vmm__json_get_string(value, dimm_texts[i].name, &text) ||
            strlen(text) >= VMM_DIMM_TEXT_BYTES) {
            return VMM_E_FORMAT;
        }
        strcpy((char *)d + dimm_texts[i].offset, text);
    }
    d->nr_ranges = vmm__json_nr(ranges);
    for (i = 0; i < d->nr_ranges; i++) {
        if (get_range(vmm__json_at(ranges, i), &d->ranges[i])) {
            return VMM_E_FORMAT;
        }
    }
    *dimm_out = dimm;
    return 0;
}

void vmm_ctl_put_past(struct vmm__json_out *out,
                      const struct vmm_retired_past *past)
{
    vmm__put_fields(out, past_fields, NR(past_fields), past);
    vmm__json_put_string(out, "cause", vmm_retire_cause_name(past->cause));
    vmm__json_put_string(out, "reason", vmm_retire_reason_name(past->reason));
    if (past->dimm != VMM_RETIRE_NO_DIMM) {
        vmm__json_put_u64(out, "dimm", past->dimm);
    }
}

int vmm_ctl_get_past(const struct vmm__json_value *value,
                     struct vmm_retired_past *past_out)
{
    struct vmm_retired_past past = { .dimm = VMM_RETIRE_NO_DIMM };
    const char *cause, *reason;
    uint64_t dimm;

    if (vmm__get_fields(value, past_fields, NR(past_fields), &past) ||
        vmm__json_get_string(value, "cause", &cause) ||
        vmm__json_get_string(value, "reason", &reason) ||
        !vmm_retire_cause_of(cause, &past.cause)) {
        return VMM_E_FORMAT;
    }
    while (strcmp(reason, vmm_retire_reason_name(past.reason))) {
        if (++past.reason == VMM_RETIRE_NR_REASONS) {
            return VMM_E_FORMAT;
        }
    }
    if (!vmm__json_get_u64(value, "dimm", &dimm)) {
        if (dimm >= VMM_DIMMS_MAX) {
            return VMM_E_FORMAT;
        }
        past.dimm = (uint16_t)dimm;
    }
    *past_out = past;
    return 0;
}

void vmm_ctl_put_page_stat(struct vmm__json_out *out,
                           const struct vmm_ctl_page_stat *stat)
{
    size_t i;

    vmm__json_put_string(out, "boot_list",
                         vmm_machine_list_name(stat->machine.list));
    for (i = 0; i < NR(machine_flags); i++) {
        vmm__json_put_bool(out, machine_flags[i].name,
                           *(const bool *)((const char *)&stat->machine +
                                           machine_flags[i].offset));
    }
    vmm__put_fields(out, stat_fields, NR(stat_fields), stat);
    vmm__put_fields(out, machine_fields, NR(machine_fields), &stat->machine);
}

int vmm_ctl_get_page_stat(const struct vmm__json_value *value,
                          struct vmm_ctl_page_stat *stat_out)
{
    struct vmm_ctl_page_stat stat = { .nr_recorded = 0 };
    const char *list;
    size_t i;

    if (vmm__json_get_string(value, "boot_list", &list) ||
        vmm__get_fields(value, stat_fields, NR(stat_fields), &stat) ||
        vmm__get_fields(value, machine_fields, NR(machine_fields),
                        &stat.machine)) {
        return VMM_E_FORMAT;
    }
    for (i = 0; i < NR(machine_flags); i++) {
        if (vmm__json_get_bool(value, machine_flags[i].name,
                               (bool *)((char *)&stat.machine +
                                        machine_flags[i].offset))) {
            return VMM_E_FORMAT;
        }
    }
    while (strcmp(list, vmm_machine_list_name(stat.machine.list))) {
        if (++stat.machine.list == VMM_MACHINE_NR_LISTS) {
            return VMM_E_FORMAT;
        }
    }
    *stat_out = stat;
    return 0;
}
