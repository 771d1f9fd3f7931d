/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* methods_region.c: what can be asked for of regions; see methods.h. */
#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "method.h"

#define PATH_BYTES_MAX 4000u
/* Unless it is said otherwise: see xl-region-create(1). */
#define PURGE_BYTES_PER_S (256ull << 20)
#define PURGE_LOW_PERCENT 10
#define PURGE_HIGH_PERCENT 20

/* Parameters: false, with the request failed, if there is one that is bad. */

static bool text_param(struct control_request *request, const char *key,
                       bool needed, const char **text_out)
{
    int rc;

    *text_out = NULL;
    rc = vmm__json_get_string(request->msg.params, key, text_out);
    if (method_bad_param(request, rc, key)) {
        return false;
    }
    if (rc && needed) {
        control_fail(request, VMM_E_INVAL, "%s: \"%s\" is missing",
                     request->msg.method, key);
        return false;
    }
    return true;
}

static bool path_param(struct control_request *request, const char *key,
                       bool needed, const char **path_out)
{
    if (!text_param(request, key, needed, path_out)) {
        return false;
    }
    if (*path_out && (**path_out != '/' ||
                      strlen(*path_out) >= PATH_BYTES_MAX)) {
        control_fail(request, VMM_E_INVAL, "%s: \"%s\" must be an absolute "
                     "path", request->msg.method, key);
        return false;
    }
    return true;
}

static bool flag_param(struct control_request *request, const char *key,
                       bool *flag_out)
{
    return !method_bad_param(request, vmm__json_get_bool(
        request->msg.params, key, flag_out), key);
}

/* NULL: the request has failed. */
static struct region *region_param(struct methods *methods,
                                   struct control_request *request)
{
    struct region *region;
    const char *name;

    if (!text_param(request, "name", true, &name)) {
        return NULL;
    }
    region = regions_find(methods->regions, name);
    if (!region) {
        control_fail(request, VMM_E_NOENT, "there is no region \"%.63s\"; xl "
                     "region-list has those that there are", name);
    }
    return region;
}

/* Answers. */

static void put_region(struct vmm__json_out *out, const char *key,
                       const struct region *region,
                       const struct region_result *result)
{
    struct vmm_ctl_region told;
    unsigned int i;

    region_tell(region, &told);
    vmm__json_put_object(out, key);
    vmm_ctl_put_region(out, &told);
    if (result && result->nr_points) {
        vmm__json_put_array(out, "points");
        for (i = 0; i < result->nr_points; i++) {
            vmm__json_put_object(out, NULL);
            vmm_ctl_put_region_point(out, &result->points[i]);
            vmm__json_end_object(out);
        }
        vmm__json_end_array(out);
    }
    vmm__json_end_object(out);
}

static bool has_failed(struct control_request *request, int rc,
                       const char *text)
{
    if (rc) {
        control_fail(request, rc, "%s", text && *text ? text
                                                      : vmm_error_text(rc));
    }
    return rc != 0;
}

static void region_done(void *user, int rc, const char *text,
                        const struct region *region,
                        const struct region_result *result)
{
    struct control_request *request = user;
    struct vmm__json_out *out;

    if (has_failed(request, rc, text)) {
        return;
    }
    out = control_begin(request);
    if (region) {
        put_region(out, "result", region, result);
    } else {
        vmm__json_put_object(out, "result");
        vmm__json_end_object(out);
    }
    control_end(request, out);
}

static void purge_done(void *user, int rc, const char *text,
                       const struct region *region,
                       const struct region_result *result)
{
    struct control_request *request = user;
    struct vmm__json_out *out;

    (void)region;
    if (has_failed(request, rc, text)) {
        return;
    }
    out = control_begin(request);
    vmm__json_put_object(out, "result");
    vmm__json_put_u64(out, "purged_blocks", result->nr_moved);
    vmm__json_end_object(out);
    control_end(request, out);
}

static void check_done(void *user, int rc, const char *text,
                       const struct region *region,
                       const struct region_result *result)
{
    struct control_request *request = user;
    struct vmm__json_out *out;
    unsigned int i;

    (void)region;
    if (has_failed(request, rc, text)) {
        return;
    }
    out = control_begin(request);
    vmm__json_put_object(out, "result");
    vmm__json_put_u64(out, "nr_problems", result->nr_problems);
    vmm__json_put_u64(out, "nr_repaired", result->nr_repaired);
    vmm__json_put_array(out, "problems");
    for (i = 0; i < result->nr_texts; i++) {
        vmm__json_put_string(out, NULL, result->texts[i]);
    }
    vmm__json_end_array(out);
    vmm__json_end_object(out);
    control_end(request, out);
}

/* Methods. */

static void region_create(struct methods *methods,
                          struct control_request *request)
{
    uint64_t max_snapshots = 0, low = PURGE_LOW_PERCENT,
             high = PURGE_HIGH_PERCENT;
    struct region_new params = { .purge_bytes_per_s = PURGE_BYTES_PER_S };

    if (!text_param(request, "name", true, &params.name) ||
        !path_param(request, "nvm", true, &params.nvm) ||
        !path_param(request, "storage", false, &params.storage) ||
        !method_number(request, "nvm_bytes", INT64_MAX, &params.nvm_bytes) ||
        !method_number(request, "region_bytes", INT64_MAX,
                      &params.region_bytes) ||
        !method_number(request, "storage_bytes", INT64_MAX,
                      &params.storage_bytes) ||
        !method_number(request, "max_snapshots", 16381, &max_snapshots) ||
        !method_number(request, "purge_bytes_per_s", INT64_MAX,
                      &params.purge_bytes_per_s) ||
        !method_number(request, "purge_low_percent", 100, &low) ||
        !method_number(request, "purge_high_percent", 100, &high)) {
        return;
    }
    if (!params.region_bytes) {
        control_fail(request, VMM_E_INVAL,
                     "region-create: \"region_bytes\" is missing");
        return;
    }
    if (low > high) {
        control_fail(request, VMM_E_RANGE, "purging cannot begin below %llu "
                     "percent free and end above %llu",
                     (unsigned long long)low, (unsigned long long)high);
        return;
    }
    params.max_snapshots = (uint32_t)max_snapshots;
    params.purge_low_percent = (uint32_t)low;
    params.purge_high_percent = (uint32_t)high;
    regions_create(methods->regions, &params, region_done, request);
}

static void region_list(struct methods *methods,
                        struct control_request *request)
{
    const struct region *region = NULL;
    struct vmm__json_out *out;

    if (vmm__json_member(request->msg.params, "name")) {
        region = region_param(methods, request);
        if (!region) {
            return;
        }
    }
    out = control_begin(request);
    vmm__json_put_array(out, "result");
    if (region) {
        put_region(out, NULL, region, NULL);
    } else {
        while ((region = regions_next(methods->regions, region)) != NULL) {
            put_region(out, NULL, region, NULL);
        }
    }
    vmm__json_end_array(out);
    control_end(request, out);
}

static void region_stat(struct methods *methods,
                        struct control_request *request)
{
    static const struct region_do what = { .verb = REGION_STAT };
    struct region *region = region_param(methods, request);

    if (region) {
        region_do(region, &what, region_done, request);
    }
}

static void with_snapshot(struct methods *methods,
                          struct control_request *request,
                          enum region_verb verb)
{
    struct region_do what = { .verb = verb };
    struct region *region = region_param(methods, request);

    if (region && text_param(request, "snapshot", true, &what.snapshot)) {
        region_do(region, &what, region_done, request);
    }
}

static void region_snapshot(struct methods *methods,
                            struct control_request *request)
{
    with_snapshot(methods, request, REGION_SNAPSHOT);
}

static void region_revert(struct methods *methods,
                          struct control_request *request)
{
    with_snapshot(methods, request, REGION_REVERT);
}

static void region_delete(struct methods *methods,
                          struct control_request *request)
{
    static const struct region_do what = { .verb = REGION_DELETE };
    struct region *region;
    bool all = false;

    if (!flag_param(request, "region", &all)) {
        return;
    }
    if (!all) {
        with_snapshot(methods, request, REGION_DELETE_SNAPSHOT);
        return;
    }
    if (vmm__json_member(request->msg.params, "snapshot")) {
        control_fail(request, VMM_E_INVAL, "region-delete: a snapshot, or "
                     "the region, not both");
        return;
    }
    region = region_param(methods, request);
    if (region) {
        region_do(region, &what, region_done, request);
    }
}

static void region_purge(struct methods *methods,
                         struct control_request *request)
{
    struct region_do what = { .verb = REGION_PURGE };
    struct region *region = region_param(methods, request);
    uint64_t free_percent = 100;

    if (!region || !flag_param(request, "all", &what.any) ||
        !method_number(request, "free_percent", 100, &free_percent)) {
        return;
    }
    what.free_percent = (uint32_t)free_percent;
    region_do(region, &what, purge_done, request);
}

static void region_check(struct methods *methods,
                         struct control_request *request)
{
    struct region_do what = { .verb = REGION_CHECK };
    struct region *region = region_param(methods, request);

    if (region && flag_param(request, "repair", &what.repair)) {
        region_do(region, &what, check_done, request);
    }
}

/* Whether it may be is said when somebody connects. */
static void region_export(struct methods *methods,
                          struct control_request *request)
{
    struct region *region = region_param(methods, request);
    struct vmm__json_out *out;
    const char *snapshot;

    if (!region || !text_param(request, "snapshot", false, &snapshot)) {
        return;
    }
    out = control_begin(request);
    vmm__json_put_object(out, "result");
    vmm__json_put_string(out, "socket", methods->blocks_path);
    vmm__json_end_object(out);
    control_end(request, out);
}

const struct method methods_region[] = {
    { "region-create", region_create, METHODS_RUNNING,
      { "name", "nvm", "nvm_bytes", "region_bytes", "storage",
        "storage_bytes", "max_snapshots", "purge_bytes_per_s",
        "purge_low_percent", "purge_high_percent" } },
    { "region-list", region_list, METHODS_ANY, { "name" } },
    { "region-stat", region_stat, METHODS_RUNNING, { "name" } },
    { "region-snapshot", region_snapshot, METHODS_RUNNING,
      { "name", "snapshot" } },
    { "region-revert", region_revert, METHODS_RUNNING,
      { "name", "snapshot" } },
    { "region-delete", region_delete, METHODS_RUNNING,
      { "name", "snapshot", "region" } },
    { "region-purge", region_purge, METHODS_RUNNING,
      { "name", "all", "free_percent" } },
    { "region-check", region_check, METHODS_RUNNING, { "name", "repair" } },
    { "region-export", region_export, METHODS_RUNNING,
      { "name", "snapshot" } },
    { NULL, NULL, 0, { NULL } },
};
