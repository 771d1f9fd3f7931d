/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-tier-set.c: keep so much of a domain in memory; see xl-tier-set(1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugin.h"

static const struct plugin_spec spec = {
    .name = "tier-set",
    .usage = "[OPTION]... <Domain> <TARGET[%|B|K|M|G|T]>",
    .description = "Keep so much of a domain in memory, and its cold pages "
                   "in a store",
    .options =
    "-s, --store=PATH     A file (made) or block device for the pages.\n"
    "-r, --region=NAME    A region for the pages, in place of a store.\n"
    "    --floor=SIZE     The target is never taken below.\n"
    "-w, --wait           Until no more than the target is resident.\n"
    "    --no-prefetch    Do not read ahead.\n"
    "    --fifo           No priorities, for comparison.\n",
};

#define POLL_MS 500

enum { FLOOR = PLUGIN_OPTION_FIRST, NO_PREFETCH, FIFO };

struct args {
    const char *domain, *target, *store, *region, *floor;
    bool wait, no_prefetch, fifo;
};

static bool put_target(struct plugin *plugin, struct vmm__json_out *params,
                       const char *text, int *status)
{
    size_t len = strlen(text);
    uint64_t percent;
    char digits[8] = "";

    if (!len || text[len - 1] != '%') {
        return plugin_put_size(plugin, params, "target", text,
                               ", or from 1% to 100%", status);
    }
    if (len <= sizeof(digits)) {
        memcpy(digits, text, len - 1);
    }
    if (plugin_parse_number(digits, 1, 100, &percent)) {
        *status = plugin_fail(plugin, VMM_E_INVAL, "%s: the target must be "
                              "from 1%% to 100%%", text);
        return false;
    }
    vmm__json_put_u64(params, "target_percent", percent);
    return true;
}

static bool opening(const struct vmm__json_value *progress, char *text,
                    size_t text_bytes)
{
    struct vmm_ctl_tier tier;

    if (vmm_ctl_get_tier(progress, &tier)) {
        return false;
    }
    (void)snprintf(text, text_bytes, "domain %u: %s", tier.domid,
                   vmm_ctl_session_state_name(tier.state));
    return true;
}

/* Till the target is met; the tier is replaced by the last that was seen. */
static bool wait_for(struct plugin *plugin, const char *domain,
                     struct vmm__json **reply,
                     const struct vmm__json_value **result, int *status)
{
    const struct timespec interval = { .tv_nsec = POLL_MS * 1000000L };
    struct vmm_ctl_tier *tiers;
    uint32_t nr;
    bool met;

    for (;;) {
        if (!plugin_tiers(plugin, *result, &tiers, &nr, status)) {
            return false;
        }
        met = tiers->has_stat &&
              tiers->stat.resident_pages <= tiers->stat.target_pages;
        if (!met && tiers->has_stat &&
            (tiers->stat.state == VMM_PAGER_STORE_FULL ||
             tiers->stat.state == VMM_PAGER_FAILED)) {
            *status = plugin_fail(plugin, tiers->stat.last_error,
                                  "domain %u: %s; see vmmd's log, then xl "
                                  "tier-set again", tiers->domid,
                                  vmm_error_text(tiers->stat.last_error));
            free(tiers);
            return false;
        }
        plugin_show("xl-%s: domain %u: %llu of %llu MiB are resident",
                    plugin->spec->name, tiers->domid,
                    (unsigned long long)plugin_mib(tiers->stat.resident_pages),
                    (unsigned long long)plugin_mib(tiers->stat.target_pages));
        free(tiers);
        if (met) {
            return true;
        }
        (void)nanosleep(&interval, NULL);
        vmm__json_free(*reply);
        *reply = NULL;
        if (!plugin_call(plugin, "tier-stat",
                         plugin_params("domain", domain), NULL, reply, result,
                         status)) {
            return false;
        }
    }
}

static int run(struct plugin *plugin, const struct args *args)
{
    struct vmm__json_out *params = plugin_params("domain", args->domain);
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    int status = 0;

    if (args->store && args->region) {
        vmm__json_out_free(params);
        return plugin_fail(plugin, VMM_E_INVAL, "a store, or a region, not "
                           "both");
    }
    if (!put_target(plugin, params, args->target, &status) ||
        (args->floor && !plugin_put_size(plugin, params, "floor",
                                         args->floor, "", &status)) ||
        (args->store && !plugin_put_path(plugin, params, "store",
                                         args->store, &status))) {
        vmm__json_out_free(params);
        return status;
    }
    if (args->region) {
        vmm__json_put_string(params, "region", args->region);
    }
    if (args->no_prefetch) {
        vmm__json_put_bool(params, "no_prefetch", true);
    }
    if (args->fifo) {
        vmm__json_put_bool(params, "fifo", true);
    }

    if (!plugin_call(plugin, "tier-set", params, opening, &reply, &result,
                     &status) ||
        (args->wait && !wait_for(plugin, args->domain, &reply, &result,
                                 &status))) {
        goto out;
    }
    if (plugin->json) {
        (void)plugin_print_json(plugin, result, &status);
    }

 out:
    vmm__json_free(reply);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "store", required_argument, NULL, 's' },
        { "region", required_argument, NULL, 'r' },
        { "floor", required_argument, NULL, FLOOR },
        { "wait", no_argument, NULL, 'w' },
        { "no-prefetch", no_argument, NULL, NO_PREFETCH },
        { "fifo", no_argument, NULL, FIFO },
        PLUGIN_LONG_OPTIONS
    };
    struct args args = { .domain = NULL };
    struct plugin plugin;
    int opt, status;

    plugin_init(&plugin, &spec);
    while ((opt = getopt_long(argc, argv, PLUGIN_SHORT_OPTIONS "s:r:w",
                              options, NULL)) != -1) {
        switch (opt) {
        case 's':
            args.store = optarg;
            break;
        case 'r':
            args.region = optarg;
            break;
        case FLOOR:
            args.floor = optarg;
            break;
        case 'w':
            args.wait = true;
            break;
        case NO_PREFETCH:
            args.no_prefetch = true;
            break;
        case FIFO:
            args.fifo = true;
            break;
        default:
            if (!plugin_option(&plugin, opt, &status)) {
                return status;
            }
        }
    }
    if (!plugin_arguments(&plugin, argc - optind, 2, 2, &status)) {
        return status;
    }
    args.domain = argv[optind];
    args.target = argv[optind + 1];
    return plugin_end(&plugin, run(&plugin, &args));
}
