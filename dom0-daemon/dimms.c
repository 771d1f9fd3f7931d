/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dimms.c: see dimms.h. */
#include <stdlib.h>
#include <time.h>

#include "dimms.h"
#include "log.h"

static int read_dimms(const char *path, struct vmm_dimm **dimms_out,
                      uint32_t *nr_out)
{
    int rc = vmm_dimms_read(path, dimms_out, nr_out);

    if (rc) {
        log_line(VMM_LOG_WARN, "retire", "memory modules are not known, so "
                 "that retired pages stay retired if one is replaced: %s: %s",
                 path, rc == VMM_E_FORMAT ? "it is no table of SMBIOS"
                     : rc == VMM_E_NOENT ? "it is not there, or has none"
                     : vmm_error_text(rc));
    }
    return rc;
}

/* Those of the record that are not in the machine any more. */
static void tell_gone(const vmm_record *record, const struct vmm_dimm *dimms,
                      uint32_t nr)
{
    uint32_t i, j;

    for (i = 0; i < vmm_record_nr_dimms(record); i++) {
        const struct vmm_dimm *dimm = vmm_record_dimm(record, i);

        for (j = 0; j < nr && !vmm_dimm_same(dimm, &dimms[j]); j++) {
        }
        if (j == nr && !dimm->absent && *dimm->serial) {
            log_line(VMM_LOG_WARN, "retire", "memory module serial=%s part=%s "
                     "slot=\"%s\": is gone", dimm->serial, dimm->part,
                     dimm->locator);
        }
    }
}

static void tell_changes(const struct vmm_dimm_changes *changes)
{
    if (changes->nr_gone || changes->nr_elsewhere || changes->nr_back) {
        log_line(VMM_LOG_WARN, "retire", "memory modules were changed: %llu "
                 "retired pages are released, %llu moved with their module, "
                 "%llu are back with it; see xl page-stat",
                 (unsigned long long)changes->nr_gone,
                 (unsigned long long)changes->nr_elsewhere,
                 (unsigned long long)changes->nr_back);
    }
    if (changes->nr_doubtful) {
        log_line(VMM_LOG_ERROR, "retire", "%llu retired pages may be others "
                 "now: their modules have other addresses, and the firmware "
                 "does not say which; test the memory, and xl page-release "
                 "what is good", (unsigned long long)changes->nr_doubtful);
    }
}

int dimms_update(vmm_record *record, const char *smbios_path,
                 bool *changed_out)
{
    struct vmm_dimm_changes changes;
    struct vmm_dimm *dimms;
    uint32_t nr;
    int rc;

    *changed_out = false;
    if (read_dimms(smbios_path, &dimms, &nr)) {
        return 0;
    }
    tell_gone(record, dimms, nr);
    rc = vmm_record_set_dimms(record, dimms, nr, (uint64_t)time(NULL),
                              &changes);
    free(dimms);
    if (!rc) {
        *changed_out = changes.any;
        tell_changes(&changes);
    }
    return rc;
}
