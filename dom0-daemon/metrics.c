/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * metrics.c: see metrics.h.
 *
 * Source: exposition_formats.md of Prometheus, text format 0.0.4.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "metrics.h"

static void family(FILE *f, const char *name, const char *type,
                   const char *help)
{
    (void)fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(FILE *f, const char *name, const char *type,
                   const char *help, uint64_t value)
{
    family(f, name, type, help);
    (void)fprintf(f, "%s %" PRIu64 "\n", name, value);
}

/* The value of a label; texts of modules are printable. */
static void label(FILE *f, const char *name, const char *value)
{
    (void)fprintf(f, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"') {
            (void)fputc('\\', f);
        }
        (void)fputc(*value, f);
    }
    (void)fputc('"', f);
}

static uint64_t pages_of(const vmm_record *record, const struct vmm_dimm *dimm)
{
    struct vmm_retired entry;
    uint64_t nr = 0;
    uint32_t i;

    for (i = 0; i < vmm_record_nr(record); i++) {
        vmm_record_get(record, i, &entry);
        nr += vmm_dimm_pages(dimm, entry.mfn, entry.nr_pages);
    }
    return nr;
}

static void put_dimms(FILE *f, const vmm_record *record)
{
    uint32_t i;

    family(f, "xen_badpage_dimm_pages", "gauge", "Pages that are recorded as "
           "bad and may be of this memory module.");
    for (i = 0; i < vmm_record_nr_dimms(record); i++) {
        const struct vmm_dimm *dimm = vmm_record_dimm(record, i);

        if (dimm->absent) {
            continue;
        }
        (void)fputs("xen_badpage_dimm_pages{", f);
        label(f, "slot", dimm->locator);
        (void)fputc(',', f);
        label(f, "serial", dimm->serial);
        (void)fprintf(f, "} %" PRIu64 "\n", pages_of(record, dimm));
    }
}

static void put(FILE *f, const struct metrics *metrics)
{
    const struct vmm_machine_stat *stat = &metrics->stat;
    unsigned int i;

    family(f, "xen_badpage_pages", "gauge", "Pages of memory that are retired "
           "or are to be, by what became of them.");
    for (i = VMM_RETIRE_RETIRED; i < VMM_RETIRE_NR_STATES; i++) {
        (void)fprintf(f, "xen_badpage_pages{state=\"%s\"} %" PRIu64 "\n",
                      vmm_retire_state_name((enum vmm_retire_state)i),
                      metrics->nr_pages[i]);
    }
    single(f, "xen_badpage_uncorrected_errors_total", "counter",
           "Uncorrected memory errors since boot.", stat->nr_uncorrected);
    single(f, "xen_badpage_corrected_errors_total", "counter",
           "Corrected memory errors since boot.", stat->nr_corrected);
    single(f, "xen_badpage_moved_pages_total", "counter", "Pages in use whose "
           "contents were moved to good memory since boot.", stat->nr_moved);
    single(f, "xen_badpage_touched_total", "counter", "Accesses of guests to "
           "lost pages since boot.", stat->nr_touched);
    single(f, "xen_badpage_recorded_entries", "gauge", "Entries of the record "
           "that outlives the boot.", vmm_record_nr(metrics->record));
    single(f, "xen_badpage_boot_list_bad", "gauge",
           "1 if Xen was given a list that it did not take.",
           stat->module_damaged || stat->variable_damaged ||
           stat->list > VMM_MACHINE_LIST_TAKEN);
    put_dimms(f, metrics->record);
}

int metrics_write(const char *path, const struct metrics *metrics)
{
    char *aside = NULL;
    FILE *f = NULL;
    int fd, rc = VMM_E_IO;

    /* A name that is not collected; what a crash leaves is written over. */
    if (asprintf(&aside, "%s.new", path) < 0) {
        return VMM_E_NOMEM;
    }
    fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
              0644);
    if (fd < 0) {
        rc = errno == ENOENT ? VMM_E_NOENT : VMM_E_IO;
        free(aside);
        return rc;
    }
    if (!fchmod(fd, 0644)) {
        f = fdopen(fd, "w");
    }
    if (!f) {
        (void)close(fd);
    } else {
        put(f, metrics);
        rc = ferror(f) ? VMM_E_IO : 0;
        rc = fclose(f) ? VMM_E_IO : rc;
    }
    if (rc || rename(aside, path)) {
        (void)unlink(aside);
        rc = VMM_E_IO;
    }
    free(aside);
    return rc;
}
