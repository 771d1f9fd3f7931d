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
            vmm__json_put_object(out, NULL);
            vmm_ctl_put_page(out, &entries[i]);
            vmm__json_end_object(out);
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

static void page_stat(struct methods *methods,
                      struct control_request *request)
{
    struct vmm_ctl_page_stat stat;
    struct vmm__json_out *out;
    int rc;

    if (!usable(methods, request)) {
        return;
    }
    retire_look(methods->retire);
    rc = retire_stat(methods->retire, &stat.machine);
    if (rc) {
        control_fail(request, rc, "%s", vmm_error_text(rc));
        return;
    }
    stat.nr_recorded = retire_nr(methods->retire);
    stat.generation = retire_generation(methods->retire);
    out = control_begin(request);
    vmm__json_put_object(out, "result");
    vmm_ctl_put_page_stat(out, &stat);
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
