/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ctl_region.c: regions in the control protocol; see include/vmm_ctl.h. */
#include <string.h>

#include "ctl/field.h"
#include "include/vmm_ctl.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))
#define REGION(member) VMM__FIELD(struct vmm_ctl_region, member)
#define STAT(member) VMM__FIELD(struct vmm_region_stat, member)
#define USAGE(member) VMM__FIELD(struct vmm_region_usage, member)

static const char *const states[] = {
    [VMM_CTL_REGION_OPENING] = "opening",
    [VMM_CTL_REGION_OPEN] = "open",
    [VMM_CTL_REGION_CHECKING] = "checking",
    [VMM_CTL_REGION_FAILED] = "failed",
};

static const struct vmm__field region_fields[] = {
    REGION(nr_exports), REGION(purge_bytes_per_s), REGION(purge_low_percent),
    REGION(purge_high_percent),
};

static const struct vmm__field stat_fields[] = {
    STAT(nr_snapshots), STAT(region_bytes), STAT(nvm_bytes),
    STAT(nvm_free_bytes), STAT(storage_bytes), STAT(storage_used_bytes),
    STAT(nr_purged), STAT(nr_recalled), STAT(nr_lost),
};

static const struct vmm__field usage_fields[] = {
    USAGE(nr_blocks), USAGE(nr_nvm), USAGE(nr_storage),
    USAGE(nr_same_filled), USAGE(nr_lost), USAGE(nr_exclusive),
};

const char *vmm_ctl_region_state_name(enum vmm_ctl_region_state state)
{
    return (unsigned int)state < VMM_CTL_NR_REGION_STATES ? states[state]
                                                          : "unknown";
}

void vmm_ctl_put_region(struct vmm__json_out *out,
                        const struct vmm_ctl_region *region)
{
    vmm__json_put_string(out, "name", region->name);
    vmm__json_put_string(out, "uuid", region->uuid);
    vmm__json_put_string(out, "nvm", region->nvm);
    vmm__json_put_string(out, "storage", region->storage);
    vmm__json_put_string(out, "state",
                         vmm_ctl_region_state_name(region->state));
    if (region->failed_rc) {
        vmm__json_put_string(out, "error", vmm_error_name(region->failed_rc));
    }
    if (region->has_domid) {
        vmm__json_put_u64(out, "domid", region->domid);
    }
    vmm__put_fields(out, region_fields, NR(region_fields), region);
    if (region->has_stat) {
        vmm__put_fields(out, stat_fields, NR(stat_fields), &region->stat);
    }
}

int vmm_ctl_get_region(const struct vmm__json_value *value,
                       struct vmm_ctl_region *region_out)
{
    struct vmm_ctl_region region = { .has_stat = false };
    const char *state, *error;
    uint64_t domid;
    unsigned int i;

    if (vmm__json_get_string(value, "name", &region.name) ||
        vmm__json_get_string(value, "uuid", &region.uuid) ||
        vmm__json_get_string(value, "nvm", &region.nvm) ||
        vmm__json_get_string(value, "storage", &region.storage) ||
        vmm__json_get_string(value, "state", &state) ||
        vmm__get_fields(value, region_fields, NR(region_fields), &region)) {
        return VMM_E_FORMAT;
    }
    for (i = 0; strcmp(states[i], state); i++) {
        if (i == VMM_CTL_NR_REGION_STATES - 1) {
            return VMM_E_FORMAT;
        }
    }
    region.state = (enum vmm_ctl_region_state)i;
    if (!vmm__json_get_string(value, "error", &error)) {
        region.failed_rc = vmm_ctl_error_of(error);
    }
    if (!vmm__json_get_u64(value, "domid", &domid)) {
        if (domid > UINT32_MAX) {
            return VMM_E_FORMAT;
        }
        region.has_domid = true;
        region.domid = (uint32_t)domid;
    }
    if (vmm__json_member(value, "nvm_bytes")) {
        if (vmm__get_fields(value, stat_fields, NR(stat_fields),
                            &region.stat)) {
            return VMM_E_FORMAT;
        }
        region.stat.size = sizeof(region.stat);
        region.has_stat = true;
    }
    *region_out = region;
    return 0;
}

void vmm_ctl_put_region_point(struct vmm__json_out *out,
                              const struct vmm_ctl_region_point *point)
{
    vmm__json_put_string(out, "name", point->name);
    vmm__json_put_string(out, "parent", point->parent);
    vmm__json_put_u64(out, "created_s", point->created_s);
    vmm__put_fields(out, usage_fields, NR(usage_fields), &point->usage);
}

int vmm_ctl_get_region_point(const struct vmm__json_value *value,
                             struct vmm_ctl_region_point *point_out)
{
    struct vmm_ctl_region_point point = {
        .usage = { .size = sizeof(point.usage) },
    };

    if (vmm__json_get_string(value, "name", &point.name) ||
        vmm__json_get_string(value, "parent", &point.parent) ||
        vmm__json_get_u64(value, "created_s", &point.created_s) ||
        vmm__get_fields(value, usage_fields, NR(usage_fields),
                        &point.usage)) {
        return VMM_E_FORMAT;
    }
    *point_out = point;
    return 0;
}
