/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-tier-list.c: the domains that are paged; see xl-tier-list(1). */
#include <stdio.h>
#include <stdlib.h>

#include "plugin.h"

static const struct plugin_spec spec = {
    .name = "tier-list",
    .usage = "[OPTION]... [Domain]",
    .description = "List the domains that are paged",
    .options = "",
};

static const struct plugin_column columns[] = {
    { "NAME", false }, { "ID", true }, { "STATE", false },
    { "MEM", true }, { "RESIDENT", true }, { "TARGET", true },
    { "FLOOR", true }, { "PAGED", true }, { "SAME", true },
    { "STORE", false },
};

static char *table_of(const struct vmm_ctl_tier *tiers, uint32_t nr)
{
    struct plugin_table *table;
    uint32_t i, j;

    table = plugin_table_new(columns, sizeof(columns) / sizeof(columns[0]));
    for (i = 0; i < nr; i++) {
        const struct vmm_pager_stat *stat = &tiers[i].stat;
        const uint64_t pages[] = {
            stat->total_pages, stat->resident_pages, stat->target_pages,
            stat->floor_pages, stat->paged_pages, stat->same_filled_pages,
        };

        plugin_table_row(table);
        plugin_table_text(table, "%s", tiers[i].name);
        plugin_table_text(table, "%u", tiers[i].domid);
        plugin_table_text(table, "%s", vmm_ctl_tier_state(&tiers[i]));
        for (j = 0; j < sizeof(pages) / sizeof(pages[0]); j++) {
            if (tiers[i].has_stat) {
                plugin_table_text(table, "%llu", (unsigned long long)
                                  plugin_mib(pages[j]));
            } else {
                plugin_table_text(table, "-");
            }
        }
        plugin_table_text(table, "%s", tiers[i].store);
    }
    return plugin_table_finish(table);
}

/* Why a tier is not what it should be, and what to do. */
static void print_errors(const struct vmm_ctl_tier *tiers, uint32_t nr)
{
    uint32_t i;

    for (i = 0; i < nr; i++) {
        const struct vmm_pager_stat *stat = &tiers[i].stat;

        if (!tiers[i].has_stat && tiers[i].failed_rc) {
            printf("%s: %s: its pages cannot be brought back, what touches "
                   "them waits: repair the store, then xl tier-set again\n",
                   tiers[i].name, vmm_error_text(tiers[i].failed_rc));
        }
        if (!tiers[i].has_stat || !stat->last_error) {
            continue;
        }
        if (stat->state == VMM_PAGER_FAILED) {
            printf("%s: %s at guest frame %#llx, the domain is paused if it "
                   "needs it: repair the store, then xl tier-set again\n",
                   tiers[i].name, vmm_error_text(stat->last_error),
                   (unsigned long long)stat->failed_gfn);
        } else if (stat->state == VMM_PAGER_STORE_FULL) {
            printf("%s: %s: no more pages are evicted until there is room\n",
                   tiers[i].name, vmm_error_text(stat->last_error));
        } else {
            printf("%s: %s: pages cannot be written to the store and stay in "
                   "memory; it is tried again\n", tiers[i].name,
                   vmm_error_text(stat->last_error));
        }
    }
}

static int run(struct plugin *plugin, const char *domain)
{
    struct vmm__json_out *params = plugin_params("domain", domain);
    const struct vmm__json_value *result;
    struct vmm_ctl_tier *tiers = NULL;
    struct vmm__json *reply = NULL;
    char *text = NULL;
    uint32_t nr;
    int status = 0;

    if (!plugin_call(plugin, domain ? "tier-stat" : "tier-list", params, NULL,
                     &reply, &result, &status) ||
        !plugin_tiers(plugin, result, &tiers, &nr, &status)) {
        goto out;
    }
    text = plugin->json ? plugin_array(result, true) : table_of(tiers, nr);
    if (!text) {
        status = plugin_fail(plugin, VMM_E_NOMEM, "out of memory");
        goto out;
    }
    fputs(text, stdout);
    if (!plugin->json) {
        print_errors(tiers, nr);
    }

 out:
    free(text);
    free(tiers);
    vmm__json_free(reply);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { PLUGIN_LONG_OPTIONS };
    struct plugin plugin;
    int opt, status;

    plugin_init(&plugin, &spec);
    while ((opt = getopt_long(argc, argv, PLUGIN_SHORT_OPTIONS, options,
                              NULL)) != -1) {
        if (!plugin_option(&plugin, opt, &status)) {
            return status;
        }
    }
    if (!plugin_arguments(&plugin, argc - optind, 0, 1, &status)) {
        return status;
    }
    return plugin_end(&plugin, run(&plugin, argv[optind]));
}
