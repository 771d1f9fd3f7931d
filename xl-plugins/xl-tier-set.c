/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-tier-set.c: keep so much of a domain in memory; see xl-tier-set(1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "plugin.h"

static const struct plugin_spec spec = {
    .name = "tier-set",
    .usage = "[OPTION]... <Domain> <TARGET[%|B|K|M|G|T]>",
    .description = "Keep so much of a domain in memory, and its cold pages "
                   "in a store",
    .options =
    "-s, --store=PATH     A file (made) or block device for the pages.\n"
    "    --floor=SIZE     The target is never taken below.\n"
    "-w, --wait           Until no more than the target is resident.\n"
    "    --no-prefetch    Do not read ahead.\n"
    "    --fifo           No priorities, for comparison.\n",
};

#define POLL_MS 500

enum { FLOOR = PLUGIN_OPTION_FIRST, NO_PREFETCH, FIFO };

struct args {
    const char *domain, *target, *store, *floor;
    bool wait, no_prefetch, fifo;
};

static bool put_size(struct plugin *plugin, struct vmm__json_out *params,
                     const char *key, const char *text, int *status)
{
    uint64_t bytes;
    int rc;

    rc = plugin_parse_size(text, &bytes);
    if (!rc && !bytes && !strcmp(key, "target")) {
        rc = VMM_E_RANGE;
    }
    if (rc) {
        *status = plugin_fail(plugin, VMM_E_INVAL, "%s: %s is %s; give a "
                              "number with K, M, G, T or nothing for "
                              "mebibytes%s", text, key,
                              rc == VMM_E_RANGE ? "out of range" : "no size",
                              !strcmp(key, "target")
                              ? ", or from 1% to 100%" : "");
        return false;
    }
    vmm__json_put_u64(params, key, bytes);
    return true;
}

static bool put_target(struct plugin *plugin, struct vmm__json_out *params,
                       const char *text, int *status)
{
    size_t len = strlen(text);
    uint64_t percent;
    char digits[8] = "";

    if (!len || text[len - 1] != '%') {
        return put_size(plugin, params, "target", text, status);
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

static bool put_store(struct plugin *plugin, struct vmm__json_out *params,
                      const char *path, int *status)
{
    char *cwd, *absolute = NULL;

    if (*path == '/') {
        vmm__json_put_string(params, "store", path);
        return true;
    }
    /* vmmd is somewhere else. */
    cwd = getcwd(NULL, 0);
    if (!*path || !cwd || asprintf(&absolute, "%s/%s", cwd, path) < 0) {
        *status = plugin_fail(plugin, VMM_E_INVAL, "\"%s\": is no file or "
                              "block device; give its absolute path", path);
        free(cwd);
        return false;
    }
    vmm__json_put_string(params, "store", absolute);
    free(absolute);
    free(cwd);
    return true;
}

static void opening(const struct vmm_ctl_tier *tier, char *text,
                    size_t text_bytes)
{
    (void)snprintf(text, text_bytes, "%s",
                   vmm_ctl_session_state_name(tier->state));
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
        if (!plugin_call(plugin, "tier-stat", plugin_params(domain), NULL,
                         reply, result, status)) {
            return false;
        }
    }
}

static int run(struct plugin *plugin, const struct args *args)
{
    struct vmm__json_out *params = plugin_params(args->domain), *out;
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    char *text = NULL;
    size_t len;
    int status = 0;

    if (!put_target(plugin, params, args->target, &status) ||
        (args->floor && !put_size(plugin, params, "floor", args->floor,
                                  &status)) ||
        (args->store && !put_store(plugin, params, args->store, &status))) {
        vmm__json_out_free(params);
        return status;
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
        out = vmm__json_out_new(true);
        vmm__json_put_value(out, NULL, result);
        if (vmm__json_out_finish(out, &text, &len)) {
            status = plugin_fail(plugin, VMM_E_NOMEM, "out of memory");
            goto out;
        }
        fputs(text, stdout);
    }

 out:
    free(text);
    vmm__json_free(reply);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "store", required_argument, NULL, 's' },
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
    while ((opt = getopt_long(argc, argv, PLUGIN_SHORT_OPTIONS "s:w",
                              options, NULL)) != -1) {
        switch (opt) {
        case 's':
            args.store = optarg;
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
