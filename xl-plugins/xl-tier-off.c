/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-tier-off.c: bring every page of a domain back; see xl-tier-off(1). */
#include <stdio.h>
#include <stdlib.h>

#include "plugin.h"

static const struct plugin_spec spec = {
    .name = "tier-off",
    .usage = "[OPTION]... <Domain>",
    .description = "Bring every page of a domain back into memory, and page "
                   "it no more",
    .options = "",
};

static bool draining(const struct vmm__json_value *progress, char *text,
                     size_t text_bytes)
{
    struct vmm_ctl_tier tier;

    if (vmm_ctl_get_tier(progress, &tier)) {
        return false;
    }
    if (tier.has_stat) {
        (void)snprintf(text, text_bytes, "domain %u: %llu MiB to be brought "
                       "back", tier.domid,
                       (unsigned long long)plugin_mib(
                           tier.stat.paged_pages));
    } else {
        (void)snprintf(text, text_bytes, "domain %u: %s", tier.domid,
                       vmm_ctl_session_state_name(tier.state));
    }
    return true;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { PLUGIN_LONG_OPTIONS };
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    struct vmm__json_out *params;
    struct plugin plugin;
    int opt, status = 0;

    plugin_init(&plugin, &spec);
    while ((opt = getopt_long(argc, argv, PLUGIN_SHORT_OPTIONS, options,
                              NULL)) != -1) {
        if (!plugin_option(&plugin, opt, &status)) {
            return status;
        }
    }
    if (!plugin_arguments(&plugin, argc - optind, 1, 1, &status)) {
        return status;
    }

    params = plugin_params("domain", argv[optind]);
    if (plugin_call(&plugin, "tier-off", params, draining, &reply, &result,
                    &status) && plugin.json) {
        puts("{}");
    }
    vmm__json_free(reply);
    return plugin_end(&plugin, status);
}
