/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-region.c: what xl does with regions, but for exporting them: one program
 * with a name for each command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugin.h"

#define BLOCKS_PER_MIB 256.0
#define DAY_BYTES 24

struct args {
    const char *name, *snapshot;
    const char *nvm, *nvm_size, *size, *storage, *storage_size, *snapshots,
               *rate, *low, *high, *free;
    bool all, repair, region;
};

struct command {
    struct plugin_spec spec;
    const char *letters;        /* of the options below that it has */
    int min_args, max_args;
    int (*run)(struct plugin *plugin, const struct args *args);
};

/* The letters are ours alone. */
#define LETTERS "nNsdDSPLHafRr"
static const struct option options[] = {
    { "nvm", required_argument, NULL, 'n' },
    { "nvm-size", required_argument, NULL, 'N' },
    { "size", required_argument, NULL, 's' },
    { "storage", required_argument, NULL, 'd' },
    { "storage-size", required_argument, NULL, 'D' },
    { "snapshots", required_argument, NULL, 'S' },
    { "purge-rate", required_argument, NULL, 'P' },
    { "purge-low", required_argument, NULL, 'L' },
    { "purge-high", required_argument, NULL, 'H' },
    { "all", no_argument, NULL, 'a' },
    { "free", required_argument, NULL, 'f' },
    { "repair", no_argument, NULL, 'R' },
    { "region", no_argument, NULL, 'r' },
    PLUGIN_LONG_OPTIONS
};

/* What commands have in common. */

static double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static int not_understood(struct plugin *plugin)
{
    return plugin_fail(plugin, VMM_E_FORMAT, "vmmd's answer is not "
                       "understood; install the same version of both");
}

static bool purging(const struct vmm__json_value *progress, char *text,
                    size_t text_bytes)
{
    uint64_t nr;

    if (vmm__json_get_u64(progress, "purged_blocks", &nr)) {
        (void)snprintf(text, text_bytes, "under way");
    } else {
        (void)snprintf(text, text_bytes, "%.1f MiB moved",
                       (double)nr / BLOCKS_PER_MIB);
    }
    return true;
}

/* A call of which nothing is said, but its JSON. */
static int quietly(struct plugin *plugin, const char *method,
                   struct vmm__json_out *params)
{
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    int status = 0;

    if (plugin_call(plugin, method, params, purging, &reply, &result,
                    &status) && plugin->json) {
        (void)plugin_print_json(plugin, result, &status);
    }
    vmm__json_free(reply);
    return status;
}

static bool put_number(struct plugin *plugin, struct vmm__json_out *params,
                       const char *key, const char *text, uint64_t max,
                       int *status)
{
    uint64_t number;

    if (!text) {
        return true;
    }
    if (plugin_parse_number(text, 0, max, &number)) {
        *status = plugin_fail(plugin, VMM_E_INVAL, "%s: must be a number up "
                              "to %llu", text, (unsigned long long)max);
        return false;
    }
    vmm__json_put_u64(params, key, number);
    return true;
}

static bool put_size(struct plugin *plugin, struct vmm__json_out *params,
                     const char *key, const char *text, int *status)
{
    return !text || plugin_put_size(plugin, params, key, text, "", status);
}

/* Commands. */

static int create(struct plugin *plugin, const struct args *args)
{
    struct vmm__json_out *params;
    int status = 0;

    if (!args->nvm || !args->size) {
        return plugin_fail(plugin, VMM_E_INVAL, "--nvm and --size must be "
                           "given: where the region is to be, and how large "
                           "for its users");
    }
    if (args->storage_size && !args->storage) {
        return plugin_fail(plugin, VMM_E_INVAL,
                           "--storage-size, of which --storage?");
    }
    params = plugin_params("name", args->name);
    if (!plugin_put_path(plugin, params, "nvm", args->nvm, &status) ||
        !put_size(plugin, params, "nvm_bytes", args->nvm_size, &status) ||
        !put_size(plugin, params, "region_bytes", args->size, &status) ||
        (args->storage && !plugin_put_path(plugin, params, "storage",
                                           args->storage, &status)) ||
        !put_size(plugin, params, "storage_bytes", args->storage_size,
                  &status) ||
        !put_number(plugin, params, "max_snapshots", args->snapshots, 16381,
                    &status) ||
        !put_size(plugin, params, "purge_bytes_per_s", args->rate,
                  &status) ||
        !put_number(plugin, params, "purge_low_percent", args->low, 100,
                    &status) ||
        !put_number(plugin, params, "purge_high_percent", args->high, 100,
                    &status)) {
        vmm__json_out_free(params);
        return status;
    }
    return quietly(plugin, "region-create", params);
}

static void add_users(struct plugin_table *table,
                      const struct vmm_ctl_region *region)
{
    const char *exports = region->nr_exports == 1 ? "export" : "exports";

    if (region->has_domid) {
        plugin_table_text(table, "domain %u", region->domid);
    } else if (region->nr_exports) {
        plugin_table_text(table, "%u %s", region->nr_exports, exports);
    } else {
        plugin_table_text(table, "-");
    }
}

static void add_region(struct plugin_table *table,
                       const struct vmm_ctl_region *region)
{
    const struct vmm_region_stat *stat = &region->stat;
    const uint64_t bytes[] = {
        stat->region_bytes, stat->nvm_bytes, stat->nvm_free_bytes,
        stat->storage_bytes, stat->storage_used_bytes,
    };
    unsigned int i;

    plugin_table_row(table);
    plugin_table_text(table, "%s", region->name);
    plugin_table_text(table, "%s", vmm_ctl_region_state_name(region->state));
    for (i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
        if (region->has_stat) {
            plugin_table_text(table, "%.0f", mib(bytes[i]));
        } else {
            plugin_table_text(table, "-");
        }
    }
    if (region->has_stat) {
        plugin_table_text(table, "%u", stat->nr_snapshots);
    } else {
        plugin_table_text(table, "-");
    }
    add_users(table, region);
}

static int print_list(struct plugin *plugin,
                      const struct vmm__json_value *result)
{
    static const struct plugin_column columns[] = {
        { "NAME", false }, { "STATE", false }, { "SIZE", true },
        { "NVM", true }, { "FREE", true }, { "STORAGE", true },
        { "USED", true }, { "SNAPS", true }, { "USED-BY", false },
    };
    struct plugin_table *table;
    struct vmm_ctl_region region;
    uint32_t i;
    char *text;

    table = plugin_table_new(columns, sizeof(columns) / sizeof(columns[0]));
    for (i = 0; i < vmm__json_nr(result); i++) {
        if (vmm_ctl_get_region(vmm__json_at(result, i), &region)) {
            free(plugin_table_finish(table));
            return not_understood(plugin);
        }
        add_region(table, &region);
    }
    text = plugin_table_finish(table);
    if (!text) {
        return plugin_fail(plugin, VMM_E_NOMEM, "out of memory");
    }
    fputs(text, stdout);
    free(text);
    for (i = 0; i < vmm__json_nr(result); i++) {
        (void)vmm_ctl_get_region(vmm__json_at(result, i), &region);
        if (region.state == VMM_CTL_REGION_FAILED) {
            printf("%s: cannot be opened: %s: see vmmd's log, and xl "
                   "region-check %s\n", region.name,
                   vmm_error_text(region.failed_rc), region.name);
        }
        if (region.has_stat && region.stat.nr_lost) {
            printf("%s: %llu blocks could not be read and are lost; see "
                   "vmmd's log\n", region.name,
                   (unsigned long long)region.stat.nr_lost);
        }
    }
    return 0;
}

static int list(struct plugin *plugin, const struct args *args)
{
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    int status = 0;

    if (plugin_call(plugin, "region-list", plugin_params("name", args->name),
                    NULL, &reply, &result, &status)) {
        if (plugin->json) {
            (void)plugin_print_json(plugin, result, &status);
        } else {
            status = print_list(plugin, result);
        }
    }
    vmm__json_free(reply);
    return status;
}

static void add_point(struct plugin_table *table,
                      const struct vmm_ctl_region_point *point)
{
    const struct vmm_region_usage *usage = &point->usage;
    const uint64_t blocks[] = {
        usage->nr_blocks, usage->nr_exclusive,
        usage->nr_blocks - usage->nr_exclusive, usage->nr_nvm,
        usage->nr_storage, usage->nr_same_filled, usage->nr_lost,
    };
    time_t created = (time_t)point->created_s;
    char day[DAY_BYTES] = "-";
    struct tm tm;
    unsigned int i;

    if (created && localtime_r(&created, &tm)) {
        (void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    }
    plugin_table_row(table);
    plugin_table_text(table, "%s", *point->name ? point->name : "(running)");
    plugin_table_text(table, "%s", day);
    plugin_table_text(table, "%s", *point->parent ? point->parent : "-");
    for (i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        plugin_table_text(table, "%.1f", (double)blocks[i] / BLOCKS_PER_MIB);
    }
}

static int print_stat(struct plugin *plugin,
                      const struct vmm__json_value *result)
{
    static const struct plugin_column columns[] = {
        { "SNAPSHOT", false }, { "CREATED", false }, { "PARENT", false },
        { "SIZE", true }, { "EXCLUSIVE", true }, { "SHARED", true },
        { "NVM", true }, { "STORAGE", true }, { "SAME", true },
        { "LOST", true },
    };
    const struct vmm__json_value *points = vmm__json_member(result, "points");
    struct vmm_ctl_region_point point;
    struct vmm_ctl_region region;
    struct plugin_table *table;
    uint32_t i;
    char *text;

    if (vmm_ctl_get_region(result, &region) || !region.has_stat) {
        return not_understood(plugin);
    }
    table = plugin_table_new(columns, sizeof(columns) / sizeof(columns[0]));
    for (i = 0; i < vmm__json_nr(points); i++) {
        if (vmm_ctl_get_region_point(vmm__json_at(points, i), &point)) {
            free(plugin_table_finish(table));
            return not_understood(plugin);
        }
        add_point(table, &point);
    }
    text = plugin_table_finish(table);
    if (!text) {
        return plugin_fail(plugin, VMM_E_NOMEM, "out of memory");
    }
    printf("%s: %.0f MiB; NVM %s: %.1f of %.1f MiB free; storage %s: %.1f of "
           "%.1f MiB used\n", region.name, mib(region.stat.region_bytes),
           region.nvm, mib(region.stat.nvm_free_bytes),
           mib(region.stat.nvm_bytes),
           *region.storage ? region.storage : "(none)",
           mib(region.stat.storage_used_bytes),
           mib(region.stat.storage_bytes));
    printf("since it was opened: %.1f MiB purged, %.1f recalled, %.1f lost\n",
           (double)region.stat.nr_purged / BLOCKS_PER_MIB,
           (double)region.stat.nr_recalled / BLOCKS_PER_MIB,
           (double)region.stat.nr_lost / BLOCKS_PER_MIB);
    fputs(text, stdout);
    free(text);
    return 0;
}

static int stat(struct plugin *plugin, const struct args *args)
{
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    int status = 0;

    if (plugin_call(plugin, "region-stat", plugin_params("name", args->name),
                    purging, &reply, &result, &status)) {
        if (plugin->json) {
            (void)plugin_print_json(plugin, result, &status);
        } else {
            status = print_stat(plugin, result);
        }
    }
    vmm__json_free(reply);
    return status;
}

static int with_snapshot(struct plugin *plugin, const struct args *args,
                         const char *method)
{
    struct vmm__json_out *params = plugin_params("name", args->name);

    vmm__json_put_string(params, "snapshot", args->snapshot);
    return quietly(plugin, method, params);
}

static int snapshot(struct plugin *plugin, const struct args *args)
{
    return with_snapshot(plugin, args, "region-snapshot");
}

static int revert(struct plugin *plugin, const struct args *args)
{
    return with_snapshot(plugin, args, "region-revert");
}

static int delete(struct plugin *plugin, const struct args *args)
{
    struct vmm__json_out *params;

    if (!args->region == !args->snapshot) {
        return plugin_fail(plugin, VMM_E_INVAL, "a snapshot, or --region for "
                           "the region and all that is in it");
    }
    if (args->snapshot) {
        return with_snapshot(plugin, args, "region-delete");
    }
    params = plugin_params("name", args->name);
    vmm__json_put_bool(params, "region", true);
    return quietly(plugin, "region-delete", params);
}

static int purge(struct plugin *plugin, const struct args *args)
{
    struct vmm__json_out *params = plugin_params("name", args->name);
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    uint64_t nr;
    int status = 0;

    if (args->all) {
        vmm__json_put_bool(params, "all", true);
    }
    if (!put_number(plugin, params, "free_percent", args->free, 100,
                    &status)) {
        vmm__json_out_free(params);
        return status;
    }
    if (plugin_call(plugin, "region-purge", params, purging, &reply, &result,
                    &status)) {
        if (vmm__json_get_u64(result, "purged_blocks", &nr)) {
            status = not_understood(plugin);
        } else if (plugin->json) {
            (void)plugin_print_json(plugin, result, &status);
        } else {
            printf("%.1f MiB moved to storage\n",
                   (double)nr / BLOCKS_PER_MIB);
        }
    }
    vmm__json_free(reply);
    return status;
}

static int print_check(struct plugin *plugin,
                       const struct vmm__json_value *result)
{
    const struct vmm__json_value *texts = vmm__json_member(result,
                                                           "problems");
    uint64_t nr, nr_repaired;
    uint32_t i;

    if (vmm__json_get_u64(result, "nr_problems", &nr) ||
        vmm__json_get_u64(result, "nr_repaired", &nr_repaired)) {
        return not_understood(plugin);
    }
    if (plugin->json) {
        int status = 0;

        (void)plugin_print_json(plugin, result, &status);
        return status ? status : nr > nr_repaired
               ? vmm_error_exit_status(VMM_E_CHECKSUM) : 0;
    }
    for (i = 0; i < vmm__json_nr(texts); i++) {
        struct vmm__json_out *out = vmm__json_out_new(false);
        char *line = NULL;
        size_t len;

        /* As a string of JSON: what is in it cannot move the cursor. */
        vmm__json_put_value(out, NULL, vmm__json_at(texts, i));
        if (!vmm__json_out_finish(out, &line, &len)) {
            puts(line);
        }
        free(line);
    }
    printf("%llu problems", (unsigned long long)nr);
    if (nr_repaired) {
        printf(", %llu repaired", (unsigned long long)nr_repaired);
    }
    puts("");
    return nr > nr_repaired ? vmm_error_exit_status(VMM_E_CHECKSUM) : 0;
}

static int check(struct plugin *plugin, const struct args *args)
{
    struct vmm__json_out *params = plugin_params("name", args->name);
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    int status = 0;

    if (args->repair) {
        vmm__json_put_bool(params, "repair", true);
    }
    if (plugin_call(plugin, "region-check", params, purging, &reply, &result,
                    &status)) {
        status = print_check(plugin, result);
    }
    vmm__json_free(reply);
    return status;
}

static const struct command commands[] = {
    { { "region-create", "[OPTION]... --nvm PATH --size SIZE <Region>",
        "Make a region: blocks on memory that survives, with snapshots",
        "    --nvm=PATH           A file, which is made, or a device-dax.\n"
        "    --nvm-size=SIZE      Of the file.\n"
        "    --size=SIZE          Of the region, as its users see it.\n"
        "    --storage=PATH       A file, which is made, or block device, for "
        "what\n"
        "                         is cold.\n"
        "    --storage-size=SIZE  Of the file; of a device, at most.\n"
        "    --snapshots=N        As many as there may be.\n"
        "    --purge-rate=SIZE    A second, at most; 0: no limit.\n"
        "    --purge-low=PERCENT  Of NVM free: below, purging begins.\n"
        "    --purge-high=PERCENT ... and here it ends.\n" },
      "nNsdDSPLH", 1, 1, create },
    { { "region-list", "[OPTION]... [Region]",
        "List the regions", "" }, "", 0, 1, list },
    { { "region-stat", "[OPTION]... <Region>",
        "Show what a region and each of its snapshots takes", "" },
      "", 1, 1, stat },
    { { "region-snapshot", "[OPTION]... <Region> <Snapshot>",
        "Take a snapshot of a region", "" }, "", 2, 2, snapshot },
    { { "region-revert", "[OPTION]... <Region> <Snapshot>",
        "Go back to a snapshot; what was there since is gone", "" },
      "", 2, 2, revert },
    { { "region-delete", "[OPTION]... <Region> <Snapshot>",
        "Delete a snapshot, or a region",
        "    --region             The region, and all that is in it.\n" },
      "r", 1, 2, delete },
    { { "region-purge", "[OPTION]... <Region>",
        "Move blocks of a region to its storage",
        "    --all                What is in use as well.\n"
        "    --free=PERCENT       Until so much of NVM is free.\n" },
      "af", 1, 1, purge },
    { { "region-check", "[OPTION]... <Region>",
        "Check a region that nobody uses",
        "    --repair             And put right what can be.\n" },
      "R", 1, 1, check },
};
#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char **text_of(struct args *args, int letter)
{
    switch (letter) {
    case 'n':
        return &args->nvm;
    case 'N':
        return &args->nvm_size;
    case 's':
        return &args->size;
    case 'd':
        return &args->storage;
    case 'D':
        return &args->storage_size;
    case 'S':
        return &args->snapshots;
    case 'P':
        return &args->rate;
    case 'L':
        return &args->low;
    case 'H':
        return &args->high;
    default:
        return &args->free;
    }
}

static void take(void *user, int letter)
{
    struct args *args = user;

    switch (letter) {
    case 'a':
        args->all = true;
        break;
    case 'R':
        args->repair = true;
        break;
    case 'r':
        args->region = true;
        break;
    default:
        *text_of(args, letter) = optarg;
        break;
    }
}

int main(int argc, char **argv)
{
    struct args args = { .name = NULL };
    const struct command *command;
    struct plugin plugin;
    int status;

    command = plugin_called(argv[0], commands, sizeof(commands[0]),
                            NR_COMMANDS, &status);
    if (!command) {
        return status;
    }
    plugin_init(&plugin, &command->spec);
    if (!plugin_options(&plugin, argc, argv, options, LETTERS,
                        command->letters, take, &args, &status)) {
        return status;
    }
    if (!plugin_arguments(&plugin, argc - optind, command->min_args,
                          command->max_args, &status)) {
        return status;
    }
    args.name = argc > optind ? argv[optind] : NULL;
    args.snapshot = argc > optind + 1 ? argv[optind + 1] : NULL;
    return plugin_end(&plugin, command->run(&plugin, &args));
}
