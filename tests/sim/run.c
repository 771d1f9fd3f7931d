/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run.c: many schedules, or one again. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim.h"

static const char usage[] =
"usage: run [--schedules N] [--first SEED] [--expect-failure] | --seed SEED\n"
"  --schedules N      seeds FIRST to FIRST + N - 1 (1000)\n"
"  --first SEED       (1)\n"
"  --seed SEED        this one alone, with all that happens in it\n"
"  --expect-failure   0 if a schedule fails, 1 if none does\n";

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "schedules", required_argument, NULL, 'n' },
        { "first", required_argument, NULL, 'f' },
        { "seed", required_argument, NULL, 's' },
        { "expect-failure", no_argument, NULL, 'x' },
        { NULL, 0, NULL, 0 },
    };
    uint64_t first = 1, nr = 1000, i, nr_failed = 0;
    struct sim_totals totals = { 0 };
    bool trace = false, expect_failure = false;
    struct stat st;
    struct sim *sim;
    int opt;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (opt) {
        case 'n':
            nr = strtoull(optarg, NULL, 0);
            break;
        case 'f':
            first = strtoull(optarg, NULL, 0);
            break;
        case 's':
            first = strtoull(optarg, NULL, 0);
            nr = 1;
            trace = true;
            break;
        case 'x':
            expect_failure = true;
            break;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }

    sim = calloc(1, sizeof(*sim));
    if (!sim) {
        return 3;
    }
    sim->store = malloc((size_t)SIM_MAX_GFNS * VMM__PAGE_BYTES);
    sim->dead_slot = malloc(SIM_MAX_GFNS);
    if (!sim->store || !sim->dead_slot) {
        return 3;
    }
    memset(sim->store, 0xee, (size_t)SIM_MAX_GFNS * VMM__PAGE_BYTES);
    snprintf(sim->index_path, sizeof(sim->index_path),
             "%s/xenolith-sim-%ld.idx",
             stat("/dev/shm", &st) ? "/tmp" : "/dev/shm", (long)getpid());

    for (i = 0; i < nr; i++) {
        if (sim_run_schedule(sim, first + i, trace, &totals)) {
            printf("FAILED seed %llu: %s\n", (unsigned long long)(first + i),
                   sim->why);
            nr_failed++;
            if (expect_failure || nr_failed >= 20) {
                i++;
                break;
            }
        }
    }

    printf("sim: %llu schedules, %llu failed; %llu accesses, %llu demand "
           "faults, %llu rescued, %llu dropped, %llu pager deaths, %llu "
           "calls\n", (unsigned long long)i, (unsigned long long)nr_failed,
           (unsigned long long)totals.nr_steps,
           (unsigned long long)totals.nr_demand,
           (unsigned long long)totals.nr_rescued,
           (unsigned long long)totals.nr_drops,
           (unsigned long long)totals.nr_crashes,
           (unsigned long long)totals.nr_calls);
    free(sim->dead_slot);
    free(sim->store);
    free(sim);
    return expect_failure ? !nr_failed : nr_failed != 0;
}
