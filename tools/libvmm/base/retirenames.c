/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* retirenames.c: what causes, states, reasons and boot lists are called. */
#include <string.h>

#include "include/vmm_retire.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

static const char *const causes[] = {
    [VMM_RETIRE_UNKNOWN] = "unknown",
    [VMM_RETIRE_UNCORRECTED] = "uncorrected",
    [VMM_RETIRE_CORRECTED] = "corrected",
    [VMM_RETIRE_ADMIN] = "admin",
    [VMM_RETIRE_IMPORTED] = "imported",
};

static const char *const states[] = {
    [VMM_RETIRE_ABSENT] = "absent",
    [VMM_RETIRE_RETIRED] = "retired",
    [VMM_RETIRE_PENDING] = "pending",
    [VMM_RETIRE_OVERLAPS] = "overlaps",
    [VMM_RETIRE_NOT_RAM] = "not-ram",
};

static const char *const reasons[] = {
    [VMM_RETIRE_RELEASED] = "released",
    [VMM_RETIRE_REPLACED] = "replaced",
};

static const char *const lists[] = {
    [VMM_MACHINE_LIST_NONE] = "none",
    [VMM_MACHINE_LIST_TAKEN] = "taken",
    [VMM_MACHINE_LIST_DAMAGED] = "damaged",
    [VMM_MACHINE_LIST_IGNORED] = "ignored",
    [VMM_MACHINE_LIST_TOO_MUCH] = "too-much",
};

const char *vmm_retire_cause_name(enum vmm_retire_cause cause)
{
    return (unsigned int)cause < NR(causes) ? causes[cause] : "unknown";
}

bool vmm_retire_cause_of(const char *name, enum vmm_retire_cause *cause_out)
{
    unsigned int i;

    for (i = 0; i < NR(causes); i++) {
        if (!strcmp(name, causes[i])) {
            *cause_out = (enum vmm_retire_cause)i;
            return true;
        }
    }
    return false;
}

const char *vmm_retire_state_name(enum vmm_retire_state state)
{
    return (unsigned int)state < NR(states) ? states[state] : "unknown";
}

const char *vmm_retire_reason_name(enum vmm_retire_reason reason)
{
    return (unsigned int)reason < NR(reasons) ? reasons[reason] : "unknown";
}

const char *vmm_machine_list_name(enum vmm_machine_list list)
{
    return (unsigned int)list < NR(lists) ? lists[list] : "unknown";
}
