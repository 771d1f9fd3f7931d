/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-tier-top.c: paging as it goes on; see xl-tier-top(1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "plugin.h"

static const struct plugin_spec spec = {
    .name = "tier-top",
    .usage = "[OPTION]... [Domain]",
    .description = "Show paging as it goes on",
    .options =
    "-d, --delay=SECS     Between two looks; 2 if not given.\n"
    "-n, --iterations=N   End after so many.\n"
    "-b, --batch          One after the other, even on a terminal.\n",
};

#define DELAY_S 2
#define NR(array) (sizeof(array) / sizeof((array)[0]))

static const struct plugin_column domain_columns[] = {
    { "NAME", false }, { "ID", true }, { "STATE", false }, { "MEM", true },
    { "RESIDENT", true }, { "TARGET", true }, { "PAGED", true },
    { "WORKSET", true }, { "FAULT/s", true }, { "EVICT/s", true },
    { "REFAULT/s", true }, { "PREFETCH", true },
};

static const struct plugin_column class_columns[] = {
    { "ID", true }, { "CLASS", false }, { "REQ/s", true },
    { "FAILED", true }, { "QUEUED", true }, { "INFLIGHT", true },
    { "P50", true }, { "P99", true }, { "P99.9", true }, { "MAX", true },
};

/* What was seen, and when. */
struct look {
    struct vmm__json *reply;
    const struct vmm__json_value *result;
    struct vmm_ctl_tier *tiers;
    uint32_t nr;
    double time_s;
};

static void look_dispose(struct look *look)
{
    free(look->tiers);
    vmm__json_free(look->reply);
    memset(look, 0, sizeof(*look));
}

static bool look_take(struct plugin *plugin, const char *domain,
                      struct look *look, int *status)
{
    struct vmm__json_out *params = plugin_params("domain", domain);
    struct timespec now;

    memset(look, 0, sizeof(*look));
    if (!plugin_call(plugin, "tier-stat", params, NULL, &look->reply,
                     &look->result, status)) {
        return false;
    }
    /* vmmd does not keep those who are silent for long. */
    plugin_disconnect(plugin);
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    look->time_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    return plugin_tiers(plugin, look->result, &look->tiers, &look->nr,
                        status);
}

static const struct vmm_ctl_tier *tier_before(const struct look *before,
                                              uint32_t domid)
{
    uint32_t i;

    for (i = 0; i < before->nr; i++) {
        if (before->tiers[i].domid == domid) {
            return before->tiers[i].has_stat ? &before->tiers[i] : NULL;
        }
    }
    return NULL;
}

/* Counters start afresh when vmmd does. */
static void put_rate(struct plugin_table *table, const uint64_t *before,
                     uint64_t now, double seconds)
{
    if (before && now >= *before && seconds > 0) {
        plugin_table_text(table, "%.0f", (double)(now - *before) / seconds);
    } else {
        plugin_table_text(table, "-");
    }
}

static void put_domain(struct plugin_table *table,
                       const struct vmm_ctl_tier *tier,
                       const struct vmm_ctl_tier *before, double seconds)
{
    const struct vmm_pager_stat *now = &tier->stat;
    const struct vmm_pager_stat *old = before ? &before->stat : NULL;
    const uint64_t pages[] = {
        now->total_pages, now->resident_pages, now->target_pages,
        now->paged_pages, now->working_set_pages,
    };
    uint64_t tried = now->nr_prefetch_hits + now->nr_prefetch_misses;
    size_t i;

    plugin_table_row(table);
    plugin_table_text(table, "%s", tier->name);
    plugin_table_text(table, "%u", tier->domid);
    plugin_table_text(table, "%s", vmm_ctl_tier_state(tier));
    if (!tier->has_stat) {
        return;
    }
    for (i = 0; i < NR(pages); i++) {
        plugin_table_text(table, "%llu",
                          (unsigned long long)plugin_mib(pages[i]));
    }
    put_rate(table, old ? &old->reqclass[VMM_REQ_DEMAND].nr_requests : NULL,
             now->reqclass[VMM_REQ_DEMAND].nr_requests, seconds);
    put_rate(table, old ? &old->nr_evicted : NULL, now->nr_evicted, seconds);
    put_rate(table, old ? &old->nr_refaults : NULL, now->nr_refaults,
             seconds);
    if (tried) {
        plugin_table_text(table, "%.0f%% of %llu",
                          100.0 * (double)now->nr_prefetch_hits /
                          (double)tried, (unsigned long long)tried);
    } else {
        plugin_table_text(table, "-");
    }
}

static void put_classes(struct plugin_table *table,
                        const struct vmm_ctl_tier *tier,
                        const struct vmm_ctl_tier *before, double seconds)
{
    unsigned int i;

    for (i = 0; tier->has_stat && i < VMM_NR_REQCLASSES; i++) {
        const struct vmm_pager_class_stat *now = &tier->stat.reqclass[i];

        plugin_table_row(table);
        plugin_table_text(table, "%u", tier->domid);
        plugin_table_text(table, "%s",
                          vmm_reqclass_name((enum vmm_reqclass)i));
        put_rate(table, before ? &before->stat.reqclass[i].nr_requests
                               : NULL, now->nr_requests, seconds);
        plugin_table_text(table, "%llu", (unsigned long long)now->nr_failed);
        plugin_table_text(table, "%u", now->nr_queued);
        plugin_table_text(table, "%u", now->nr_inflight);
        plugin_table_time(table, now->p50_ns);
        plugin_table_time(table, now->p99_ns);
        plugin_table_time(table, now->p999_ns);
        plugin_table_time(table, now->max_ns);
    }
}

/* NULL without memory. */
static char *text_of(const struct look *look, const struct look *before)
{
    struct plugin_table *domains, *classes;
    double seconds = look->time_s - before->time_s;
    char *upper, *lower, *text = NULL;
    uint32_t i;

    domains = plugin_table_new(domain_columns, NR(domain_columns));
    classes = plugin_table_new(class_columns, NR(class_columns));
    for (i = 0; i < look->nr; i++) {
        const struct vmm_ctl_tier *tier = &look->tiers[i];
        const struct vmm_ctl_tier *old = tier_before(before, tier->domid);

        put_domain(domains, tier, old, seconds);
        put_classes(classes, tier, old, seconds);
    }
    upper = plugin_table_finish(domains);
    lower = plugin_table_finish(classes);
    if (!upper || !lower || asprintf(&text, "%s\n%s", upper, lower) < 0) {
        text = NULL;
    }
    free(upper);
    free(lower);
    return text;
}

static int run(struct plugin *plugin, const char *domain, uint64_t delay_s,
               uint64_t iterations, bool batch)
{
    const struct timespec delay = { .tv_sec = (time_t)delay_s };
    struct look before = { .nr = 0 }, look;
    bool live = !batch && !plugin->json && isatty(STDOUT_FILENO);
    uint64_t i;
    char *text;
    int status = 0;

    for (i = 0; !iterations || i < iterations; i++) {
        if (i && nanosleep(&delay, NULL)) {
            break;
        }
        if (!look_take(plugin, domain, &look, &status)) {
            look_dispose(&look);
            break;
        }
        text = plugin->json ? plugin_array(look.result, false)
                            : text_of(&look, &before);
        if (!text) {
            status = plugin_fail(plugin, VMM_E_NOMEM, "out of memory");
            look_dispose(&look);
            break;
        }
        printf("%s%s\n", live ? "\033[H\033[J" : "", text);
        free(text);
        look_dispose(&before);
        before = look;
        if (fflush(stdout)) {
            break;
        }
    }
    look_dispose(&before);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "delay", required_argument, NULL, 'd' },
        { "iterations", required_argument, NULL, 'n' },
        { "batch", no_argument, NULL, 'b' },
        PLUGIN_LONG_OPTIONS
    };
    uint64_t delay_s = DELAY_S, iterations = 0;
    bool batch = false, ok = true;
    struct plugin plugin;
    int opt, status;

    plugin_init(&plugin, &spec);
    while ((opt = getopt_long(argc, argv, PLUGIN_SHORT_OPTIONS "d:n:b",
                              options, NULL)) != -1) {
        switch (opt) {
        case 'd':
            ok = ok && !plugin_parse_number(optarg, 1, 86400, &delay_s);
            break;
        case 'n':
            ok = ok && !plugin_parse_number(optarg, 1, UINT32_MAX,
                                            &iterations);
            break;
        case 'b':
            batch = true;
            break;
        default:
            if (!plugin_option(&plugin, opt, &status)) {
                return status;
            }
        }
    }
    if (!ok) {
        return plugin_fail(&plugin, VMM_E_INVAL, "the delay and the number "
                           "of iterations are whole numbers from 1, the "
                           "delay up to 86400");
    }
    if (!plugin_arguments(&plugin, argc - optind, 0, 1, &status)) {
        return status;
    }
    return plugin_end(&plugin, run(&plugin, argv[optind], delay_s,
                                   iterations, batch));
}
