/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* methods_page.c: what can be asked for of retired pages; see methods.h. */
#include <string.h>

#include "format/json.h"
#include "method.h"
#include "retire.h"

#define ENTRIES_MAX 1000u       /* of one answer */

/* False, with the request failed, if nothing can be done about pages here. */
static bool usable(const struct methods *methods,
                   struct control_request *request)
{
    if (!methods->retire || !retire_usable(methods->retire)) {
        control_fail(request, VMM_E_NOTSUP,
                     "this hypervisor does not retire pages");
        return false;
    }
    return true;
}

static bool range(struct control_request *request, uint64_t *mfn_out,
                  uint64_t *nr_out)
{
    *nr_out = 1;
    if (!vmm__json_member(request->msg.params, "mfn")) {
        control_fail(request, VMM_E_INVAL, "%s: \"mfn\" is missing",
                     request->msg.method);
        return false;
    }
    if (!method_number(request, "mfn", (1ull << VMM_RETIRE_MFN_BITS) - 1,
                       mfn_out) ||
        !method_number(request, "nr_pages", RETIRE_CHANGE_PAGES_MAX,
                       nr_out)) {
        return false;
    }
    if (!*nr_out ||
        *mfn_out + *nr_out > 1ull << VMM_RETIRE_MFN_BITS) {
        control_fail(request, VMM_E_RANGE, "%s: pages are out of range",
                     request->msg.method);
        return false;
    }
    return true;
}

/* The slot of the one module that has all of these pages; NULL: of none. */
static const char *slot_of(const vmm_record *record,
                           const struct vmm_retired *entry)
{
    const char *slot = NULL;
    uint32_t i;

    for (i = 0; i < vmm_record_nr_dimms(record); i++) {
        const struct vmm_dimm *dimm = vmm_record_dimm(record, i);

        if (dimm->absent ||
            !vmm_dimm_pages(dimm, entry->mfn, entry->nr_pages)) {
            continue;
        }
        if (slot || dimm->shared) {
            return NULL;
        }
        slot = dimm->locator;
    }
    return slot;
}

static void put_page(struct methods *methods, struct vmm__json_out *out,
                     const struct vmm_retired *entry)
{
    const char *slot = slot_of(retire_record(methods->retire), entry);

    vmm__json_put_object(out, NULL);
    vmm_ctl_put_page(out, entry);
    if (slot) {
        vmm__json_put_string(out, "slot", slot);
    }
    vmm__json_end_object(out);
}

static void page_list(struct methods *methods,
                      struct control_request *request)
{
    struct vmm_retired entries[64];
    uint64_t next_mfn = 0, nr_max = ENTRIES_MAX;
    struct vmm__json_out *out;
    bool more = true;
    uint32_t i, nr;
    int rc;

    if (!usable(methods, request) ||
        !method_number(request, "first_mfn", UINT64_MAX, &next_mfn) ||
        !method_number(request, "nr_max", ENTRIES_MAX, &nr_max)) {
        return;
    }
    out = control_begin(request);
    vmm__json_put_object(out, "result");
    vmm__json_put_array(out, "pages");
    while (more && nr_max) {
        rc = retire_list(methods->retire, &next_mfn, entries,
                         nr_max < 64 ? (uint32_t)nr_max : 64, &nr, &more);
        if (rc) {
            vmm__json_out_free(out);
            control_fail(request, rc, "%s", vmm_error_text(rc));
            return;
        }
        for (i = 0; i < nr; i++) {
            put_page(methods, out, &entries[i]);
        }
        nr_max -= nr;
    }
    vmm__json_end_array(out);
    if (more) {
        vmm__json_put_u64(out, "next_mfn", next_mfn);
    }
    vmm__json_end_object(out);
    control_end(request, out);
}

static const char *why(int rc)
{
    return rc == VMM_E_PERM ? "Xen itself lies there"
         : rc == VMM_E_INVAL ? "there is no such page in this machine"
         : rc == VMM_E_BUSY ? "its memory failed, and its owner still has it"
         : rc == VMM_E_NOENT ? "no such page is retired; xl page-list has "
                               "those that are"
         : vmm_error_text(rc);
}

/* As it is without one: somebody says so. */
static bool cause_param(struct control_request *request,
                        enum vmm_retire_cause *cause_out)
{
    const char *name = NULL;
    int rc;

    *cause_out = VMM_RETIRE_ADMIN;
    rc = vmm__json_get_string(request->msg.params, "cause", &name);
    if (method_bad_param(request, rc, "cause")) {
        return false;
    }
    if (name && !vmm_retire_cause_of(name, cause_out)) {
        control_fail(request, VMM_E_INVAL, "%s: there is no cause \"%.32s\"",
                     request->msg.method, name);
        return false;
    }
    return true;
}

static void put_result(struct control_request *request,
                       const struct retire_result *result)
{
    struct vmm__json_out *out = control_begin(request);

    vmm__json_put_object(out, "result");
    vmm__json_put_u64(out, "nr_pending", result->nr_pending);
    vmm__json_put_u64(out, "nr_refused", result->nr_refused);
    vmm__json_end_object(out);
    control_end(request, out);
}

static void page_retire(struct methods *methods,
                        struct control_request *request)
{
    struct vmm_retired range_of = { .nr_pages = 0 };
    struct retire_result result;
    uint64_t mfn, nr;
    int rc;

    if (!usable(methods, request) || !range(request, &mfn, &nr) ||
        !cause_param(request, &range_of.cause)) {
        return;
    }
    range_of.mfn = mfn;
    range_of.nr_pages = (uint32_t)nr;
    rc = retire_pages(methods->retire, &range_of, 1, &result);
    if (!rc && result.nr_refused == nr) {
        rc = result.refused_rc;
    }
    if (rc) {
        control_fail(request, rc, "page 0x%llx: %s", (unsigned long long)mfn,
                     why(rc));
        return;
    }
    put_result(request, &result);
}

/* [mfn, nr_pages] */
static bool import_entry(const struct vmm__json_value *value,
                         struct vmm_retired *entry)
{
    uint64_t nr;

    if (vmm__json_type(value) != VMM__JSON_ARRAY ||
        vmm__json_nr(value) != 2 ||
        vmm__json_as_u64(vmm__json_at(value, 0), &entry->mfn) ||
        vmm__json_as_u64(vmm__json_at(value, 1), &nr) ||
        !nr || nr > RETIRE_CHANGE_PAGES_MAX ||
        entry->mfn >= 1ull << VMM_RETIRE_MFN_BITS ||
        entry->mfn + nr > 1ull << VMM_RETIRE_MFN_BITS) {
        return false;
    }
    entry->nr_pages = (uint32_t)nr;
    return true;
}

static void page_import(struct methods *methods,
                        struct control_request *request)
{
    const struct vmm__json_value *pages =
        vmm__json_member(request->msg.params, "pages");
    struct vmm_retired entries[ENTRIES_MAX];
    enum vmm_retire_cause cause;
    struct retire_result result;
    uint32_t i, nr = vmm__json_nr(pages);
    int rc;

    if (!usable(methods, request) || !cause_param(request, &cause)) {
        return;
    }
    if (vmm__json_type(pages) != VMM__JSON_ARRAY || nr > ENTRIES_MAX) {
        control_fail(request, VMM_E_INVAL, "page-import: \"pages\" must be an "
                     "array of at most %u", ENTRIES_MAX);
        return;
    }
    for (i = 0; i < nr; i++) {
        entries[i] = (struct vmm_retired){ .cause = cause };
        if (!import_entry(vmm__json_at(pages, i), &entries[i])) {
            control_fail(request, VMM_E_INVAL, "page-import: pages are to be "
                         "[mfn, nr_pages], of at most %u",
                         RETIRE_CHANGE_PAGES_MAX);
            return;
        }
    }
    rc = retire_pages(methods->retire, entries, nr, &result);
    if (rc) {
        control_fail(request, rc, "%s", vmm_error_text(rc));
        return;
    }
    put_result(request, &result);
}

static void page_release(struct methods *methods,
                         struct control_request *request)
{
    struct vmm__json_out *out;
    uint32_t nr_released;
    uint64_t mfn, nr;
    int rc;

    if (!usable(methods, request) || !range(request, &mfn, &nr)) {
        return;
    }
    rc = retire_release(methods->retire, mfn, (uint32_t)nr, &nr_released);
    if (rc) {
        control_fail(request, rc, "page 0x%llx: %s", (unsigned long long)mfn,
                     why(rc));
        return;
    }
    out = control_begin(request);
    vmm__json_put_object(out, "result");
    vmm__json_put_u64(out, "nr_released", nr_released);
    vmm__json_end_object(out);
    control_end(request, out);
}

static int count_pending(struct methods *methods, struct vmm_ctl_dimm *dimm)
{
    struct vmm_retired entries[64];
    uint64_t next_mfn = 0;
    bool more = true;
    uint32_t i, nr;
    int rc;

    while (more) {
        rc = retire_list(methods->retire, &next_mfn, entries, 64, &nr, &more);
        if (rc) {
            return rc;
        }
        for (i = 0; i < nr; i++) {
            if (entries[i].state == VMM_RETIRE_PENDING) {
                dimm->nr_pending += vmm_dimm_pages(
                    &dimm->dimm, entries[i].mfn, entries[i].nr_pages);
            }
        }
    }
    return 0;
}

static int put_dimm(struct methods *methods, struct vmm__json_out *out,
                    uint32_t index)
{
    const vmm_record *record = retire_record(methods->retire);
    struct vmm_ctl_dimm dimm = { .dimm = *vmm_record_dimm(record, index) };
    struct vmm_retired entry;
    uint64_t nr;
    uint32_t i;
    int rc = 0;

    for (i = 0; !dimm.dimm.absent && i < vmm_record_nr(record); i++) {
        vmm_record_get(record, i, &entry);
        nr = vmm_dimm_pages(&dimm.dimm, entry.mfn, entry.nr_pages);
        dimm.nr_pages += nr;
        dimm.nr_errors += nr ? entry.nr_errors : 0;
    }
    for (i = 0; i < vmm_record_nr_past(record); i++) {
        if (vmm_record_past(record, i)->dimm == index) {
            dimm.nr_past += vmm_record_past(record, i)->nr_pages;
        }
    }
    if (dimm.nr_pages) {
        rc = count_pending(methods, &dimm);
    }
    vmm__json_put_object(out, NULL);
    vmm_ctl_put_dimm(out, &dimm);
    vmm__json_end_object(out);
    return rc;
}

static void put_past(const vmm_record *record, struct vmm__json_out *out)
{
    uint32_t nr = vmm_record_nr_past(record), i;

    vmm__json_put_array(out, "past");
    for (i = nr < VMM_CTL_PAST_MAX ? 0 : nr - VMM_CTL_PAST_MAX; i < nr; i++) {
        vmm__json_put_object(out, NULL);
        vmm_ctl_put_past(out, vmm_record_past(record, i));
        vmm__json_end_object(out);
    }
    vmm__json_end_array(out);
}

static void page_stat(struct methods *methods,
                      struct control_request *request)
{
    struct vmm_ctl_page_stat stat;
    struct vmm__json_out *out;
    const vmm_record *record;
    uint32_t i;
    int rc;

    if (!usable(methods, request)) {
        return;
    }
    record = retire_record(methods->retire);
    retire_look(methods->retire);
    rc = retire_stat(methods->retire, &stat.machine);
    stat.nr_recorded = vmm_record_nr(record);
    stat.nr_past = vmm_record_nr_past(record);
    stat.generation = vmm_record_generation(record);
    out = control_begin(request);
    vmm__json_put_object(out, "result");
    if (!rc) {
        vmm_ctl_put_page_stat(out, &stat);
        put_past(record, out);
        vmm__json_put_array(out, "dimms");
    }
    for (i = 0; !rc && i < vmm_record_nr_dimms(record); i++) {
        rc = put_dimm(methods, out, i);
    }
    if (rc) {
        vmm__json_out_free(out);
        control_fail(request, rc, "%s", vmm_error_text(rc));
        return;
    }
    vmm__json_end_array(out);
    vmm__json_end_object(out);
    control_end(request, out);
}

const struct method methods_page[] = {
    { "page-list", page_list, METHODS_ANY, { "first_mfn", "nr_max" } },
    { "page-retire", page_retire, METHODS_RUNNING,
      { "mfn", "nr_pages", "cause" } },
    { "page-import", page_import, METHODS_RUNNING, { "pages", "cause" } },
    { "page-release", page_release, METHODS_RUNNING, { "mfn", "nr_pages" } },
    { "page-stat", page_stat, METHODS_ANY, { NULL } },
    { NULL, NULL, 0, { NULL } },
};
