/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * recordpages.c: a record of many retired pages, as vmmd would have it after
 * years.
 *
 *   recordpages STATE_DIR LIST NR FIRST STEP
 */
#include <stdio.h>
#include <stdlib.h>

#include <vmm_retire.h>

int main(int argc, char **argv)
{
    const struct vmm_logger nobody = { .log = NULL };
    struct vmm_retired entry = {
        .nr_pages = 1, .cause = VMM_RETIRE_IMPORTED,
    };
    unsigned long i, nr;
    vmm_record *record;
    bool changed;

    if (argc != 6) {
        fputs("usage: recordpages STATE_DIR LIST NR FIRST STEP\n", stderr);
        return 2;
    }
    nr = strtoul(argv[3], NULL, 0);
    if (vmm_record_open(argv[1], argv[2], false, &nobody, &record)) {
        fputs("recordpages: no record\n", stderr);
        return 1;
    }
    for (i = 0; i < nr; i++) {
        entry.mfn = strtoull(argv[4], NULL, 0) +
                    i * strtoull(argv[5], NULL, 0);
        if (vmm_record_add(record, &entry, &changed)) {
            fputs("recordpages: a page is not recorded\n", stderr);
            return 1;
        }
    }
    if (vmm_record_save(record, 0)) {
        fputs("recordpages: not saved\n", stderr);
        return 1;
    }
    vmm_record_close(record);
    return 0;
}
