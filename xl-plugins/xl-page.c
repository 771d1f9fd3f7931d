/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-page.c: what xl does with pages of memory that are never to be used: one
 * program with a name for each command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "format/badpages.h"
#include "plugin.h"

#define DAY_BYTES 24
#define FILE_BYTES_MAX (64u << 20)

struct args {
    const char *what, *cause;   /* pages, or a file */
    bool badpage;
};

struct command {
    struct plugin_spec spec;
    const char *letters;        /* of the options below that it has */
    int nr_args;
    int (*run)(struct plugin *plugin, const struct args *args);
};

#define LETTERS "cb"
static const struct option options[] = {
    { "cause", required_argument, NULL, 'c' },
    { "badpage", no_argument, NULL, 'b' },
    PLUGIN_LONG_OPTIONS
};

static int not_understood(struct plugin *plugin)
{
    return plugin_fail(plugin, VMM_E_FORMAT, "vmmd's answer is not "
                       "understood; install the same version of both");
}

/* A page's number, or the first and last of several: "0x1a0-0x1af". */
static int parse_pages(const char *text, uint64_t *first_out,
                       uint64_t *nr_out)
{
    unsigned long long first, last;
    char *end;

    if (*text < '0' || *text > '9') {
        return VMM_E_FORMAT;
    }
    first = last = strtoull(text, &end, 0);
    if (*end == '-' && end[1] >= '0' && end[1] <= '9') {
        last = strtoull(end + 1, &end, 0);
    }
    if (*end) {
        return VMM_E_FORMAT;
    }
    if (last < first || last >= 1ull << VMM_RETIRE_MFN_BITS) {
        return VMM_E_RANGE;
    }
    *first_out = first;
    *nr_out = last - first + 1;
    return 0;
}

/* A list that vmmd gives in parts: fn is called for each entry of it. */
typedef int each_fn(void *user, const struct vmm_retired *page,
                    const struct vmm__json_value *value);

static int each(struct plugin *plugin, each_fn *fn, void *user)
{
    uint64_t next_mfn = 0;
    bool more = true;
    int status = 0;

    while (more && !status) {
        struct vmm__json_out *params = vmm__json_out_new(false);
        const struct vmm__json_value *result, *pages;
        struct vmm__json *reply = NULL;
        struct vmm_retired page;
        uint32_t i;

        vmm__json_put_object(params, NULL);
        vmm__json_put_u64(params, "first_mfn", next_mfn);
        if (!plugin_call(plugin, "page-list", params, NULL, &reply, &result,
                         &status)) {
            vmm__json_free(reply);
            break;
        }
        pages = vmm__json_member(result, "pages");
        for (i = 0; i < vmm__json_nr(pages) && !status; i++) {
            status = vmm_ctl_get_page(vmm__json_at(pages, i), &page)
                     ? not_understood(plugin)
                     : fn(user, &page, vmm__json_at(pages, i));
        }
        more = !vmm__json_get_u64(result, "next_mfn", &next_mfn);
        vmm__json_free(reply);
    }
    return status;
}

static int add_json(void *user, const struct vmm_retired *page,
                    const struct vmm__json_value *value)
{
    (void)page;
    vmm__json_put_value(user, NULL, value);
    return 0;
}

static int print_json(struct plugin *plugin)
{
    struct vmm__json_out *out = vmm__json_out_new(true);
    char *text = NULL;
    size_t len;
    int status;

    vmm__json_put_array(out, NULL);
    status = each(plugin, add_json, out);
    vmm__json_end_array(out);
    if (vmm__json_out_finish(out, &text, &len) && !status) {
        status = plugin_fail(plugin, VMM_E_NOMEM, "out of memory");
    }
    if (!status) {
        puts(text);
    }
    free(text);
    return status;
}

static void put_time(struct plugin_table *table, uint64_t time_s)
{
    time_t when = (time_t)time_s;
    char day[DAY_BYTES] = "-";
    struct tm tm;

    if (when && localtime_r(&when, &tm)) {
        (void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    }
    plugin_table_text(table, "%s", day);
}

static int add_row(void *user, const struct vmm_retired *page,
                   const struct vmm__json_value *value)
{
    struct plugin_table *table = user;
    const char *slot = "-";

    (void)vmm__json_get_string(value, "slot", &slot);
    plugin_table_row(table);
    plugin_table_text(table, "0x%llx", (unsigned long long)page->mfn);
    plugin_table_text(table, "%u", page->nr_pages);
    plugin_table_text(table, "%s%s", vmm_retire_state_name(page->state),
                      page->broken ? " broken" : "");
    plugin_table_text(table, "%s", vmm_retire_cause_name(page->cause));
    plugin_table_text(table, "%u", page->nr_errors);
    put_time(table, page->time_s);
    if (page->state == VMM_RETIRE_PENDING &&
        page->owner_domid < VMM_RETIRE_FIRST_RESERVED) {
        plugin_table_text(table, "domain %u", page->owner_domid);
    } else {
        plugin_table_text(table, "%s", page->state == VMM_RETIRE_PENDING
                                       ? "Xen" : "-");
    }
    plugin_table_text(table, "%s", slot);
    return 0;
}

/* Unless there was a failure already; returns the status. */
static int print_table(struct plugin *plugin, struct plugin_table *table,
                       int status)
{
    char *text = plugin_table_finish(table);

    if (!status && !text) {
        status = plugin_fail(plugin, VMM_E_NOMEM, "out of memory");
    }
    if (!status) {
        fputs(text, stdout);
    }
    free(text);
    return status;
}

static int list(struct plugin *plugin, const struct args *args)
{
    static const struct plugin_column columns[] = {
        { "PAGE", false }, { "PAGES", true }, { "STATE", false },
        { "CAUSE", false }, { "ERRORS", true }, { "LAST", false },
        { "USED-BY", false }, { "SLOT", false },
    };
    struct plugin_table *table;
    int status;

    (void)args;
    if (plugin->json) {
        return print_json(plugin);
    }
    table = plugin_table_new(columns, sizeof(columns) / sizeof(columns[0]));
    status = each(plugin, add_row, table);
    return print_table(plugin, table, status);
}

/* Progress is not vmmd's to tell: a call is for so many pages at most. */
#define PAGES_PER_CALL 4096u

/* A call for each part; adds up the members `keys' of the answers. */
#define KEYS 2u
static int change(struct plugin *plugin, const char *method,
                  const struct args *args, const char *const keys[KEYS],
                  uint64_t *nr_out, uint64_t sums_out[KEYS])
{
    uint64_t mfn, nr, number;
    unsigned int i;
    int rc, status = 0;

    rc = parse_pages(args->what, &mfn, &nr);
    if (rc) {
        return plugin_fail(plugin, rc, "%s: is to be a page's number, or the "
                           "first and last of several with a hyphen between",
                           args->what);
    }
    *nr_out = nr;
    memset(sums_out, 0, KEYS * sizeof(*sums_out));
    while (nr && !status) {
        struct vmm__json_out *params = vmm__json_out_new(false);
        uint64_t part = nr < PAGES_PER_CALL ? nr : PAGES_PER_CALL;
        const struct vmm__json_value *result;
        struct vmm__json *reply = NULL;

        vmm__json_put_object(params, NULL);
        vmm__json_put_u64(params, "mfn", mfn);
        vmm__json_put_u64(params, "nr_pages", part);
        if (args->cause) {
            vmm__json_put_string(params, "cause", args->cause);
        }
        if (plugin_call(plugin, method, params, NULL, &reply, &result,
                        &status)) {
            for (i = 0; i < KEYS && keys[i] && !status; i++) {
                if (vmm__json_get_u64(result, keys[i], &number)) {
                    status = not_understood(plugin);
                } else {
                    sums_out[i] += number;
                }
            }
        }
        vmm__json_free(reply);
        nr -= part;
        mfn += part;
    }
    return status;
}

static void tell_retired(const struct plugin *plugin, uint64_t nr,
                         uint64_t nr_pending, uint64_t nr_refused)
{
    printf(plugin->json
           ? "{\"nr_pages\": %llu, \"nr_pending\": %llu, "
             "\"nr_refused\": %llu}\n"
           : "%llu pages: %llu are in use, and will be retired when they are "
             "free; %llu are none of this machine's memory, or Xen's own\n",
           (unsigned long long)nr, (unsigned long long)nr_pending,
           (unsigned long long)nr_refused);
}

static int retire(struct plugin *plugin, const struct args *args)
{
    static const char *const keys[KEYS] = { "nr_pending", "nr_refused" };
    uint64_t nr, sums[KEYS];
    int status = change(plugin, "page-retire", args, keys, &nr, sums);

    if (!status && (plugin->json || sums[0] || sums[1])) {
        tell_retired(plugin, nr, sums[0], sums[1]);
    }
    return status;
}

static int release(struct plugin *plugin, const struct args *args)
{
    static const char *const keys[KEYS] = { "nr_released" };
    uint64_t nr, sums[KEYS];
    int status = change(plugin, "page-release", args, keys, &nr, sums);

    if (!status && plugin->json) {
        printf("{\"nr_pages\": %llu, \"nr_released\": %llu}\n",
               (unsigned long long)nr, (unsigned long long)sums[0]);
    } else if (!status && sums[0] < nr) {
        printf("%llu of %llu pages: the others were not retired, or their "
               "owner still has them\n", (unsigned long long)sums[0],
               (unsigned long long)nr);
    }
    return status;
}

/* Imports: as many entries in a call as vmmd takes, all of one cause. */
#define ENTRIES_PER_CALL 1000u

struct import {
    struct plugin *plugin;
    const char *cause;          /* instead of each one's own; NULL: not */
    struct vmm__json_out *params;       /* of the call that is being put
                                           together; NULL: of none */
    const char *params_cause;
    uint32_t nr;
    uint64_t nr_pages, nr_pending, nr_refused;
    int status;
};

static void send_import(struct import *import)
{
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    uint64_t nr_pending, nr_refused;

    if (!import->params) {
        return;
    }
    vmm__json_end_array(import->params);
    if (plugin_call(import->plugin, "page-import", import->params, NULL,
                    &reply, &result, &import->status)) {
        if (vmm__json_get_u64(result, "nr_pending", &nr_pending) ||
            vmm__json_get_u64(result, "nr_refused", &nr_refused)) {
            import->status = not_understood(import->plugin);
        } else {
            import->nr_pending += nr_pending;
            import->nr_refused += nr_refused;
        }
    }
    vmm__json_free(reply);
    import->params = NULL;
    import->nr = 0;
}

static int import_pages(void *user, uint64_t mfn, uint32_t nr_pages,
                        enum vmm_retire_cause cause)
{
    struct import *import = user;
    const char *name = import->cause ? import->cause
                                     : vmm_retire_cause_name(cause);

    while (nr_pages) {
        uint32_t part = nr_pages < PAGES_PER_CALL ? nr_pages : PAGES_PER_CALL;

        if (import->nr == ENTRIES_PER_CALL ||
            (import->nr && strcmp(import->params_cause, name))) {
            send_import(import);
            if (import->status) {
                return VMM_E_CANCELED;
            }
        }
        if (!import->params) {
            import->params = plugin_params("cause", name);
            vmm__json_put_array(import->params, "pages");
            import->params_cause = name;
        }
        vmm__json_put_array(import->params, NULL);
        vmm__json_put_u64(import->params, NULL, mfn);
        vmm__json_put_u64(import->params, NULL, part);
        vmm__json_end_array(import->params);
        import->nr++;
        import->nr_pages += part;
        mfn += part;
        nr_pages -= part;
    }
    return 0;
}

static int look_at_pages(void *user, uint64_t mfn, uint32_t nr_pages,
                         enum vmm_retire_cause cause)
{
    (void)user;
    (void)mfn;
    (void)nr_pages;
    (void)cause;
    return 0;
}

static char *read_all(FILE *file, size_t *len_out)
{
    size_t room = 0, len = 0, r = 1;
    char *text = NULL;

    while (r && len < FILE_BYTES_MAX) {
        if (len == room) {
            char *grown = realloc(text, room = room * 2 + 4096);

            if (!grown) {
                break;
            }
            text = grown;
        }
        r = fread(text + len, 1, room - len, file);
        len += r;
    }
    if (r || ferror(file)) {
        free(text);
        return NULL;
    }
    *len_out = len;
    return text;
}

static int import(struct plugin *plugin, const struct args *args)
{
    struct import import = { .plugin = plugin, .cause = args->cause };
    bool is_stdin = !strcmp(args->what, "-");
    FILE *file = is_stdin ? stdin : fopen(args->what, "re");
    const char *why = NULL;
    char *text = NULL;
    size_t len;
    int rc;

    if (file) {
        text = read_all(file, &len);
    }
    if (file && !is_stdin) {
        (void)fclose(file);
    }
    if (!text) {
        return plugin_fail(plugin, VMM_E_NOENT, "%s: cannot be read",
                           args->what);
    }
    /* All of it is understood before any of it is done. */
    rc = vmm__badpages_parse(text, len, look_at_pages, NULL, &why);
    rc = rc ? rc : vmm__badpages_parse(text, len, import_pages, &import,
                                       &why);
    free(text);
    if (!rc && !import.status) {
        send_import(&import);
    }
    vmm__json_out_free(import.params);
    if (import.status) {
        return import.status;
    }
    if (rc) {
        return plugin_fail(plugin, rc, "%s: %s", args->what, why);
    }
    tell_retired(plugin, import.nr_pages, import.nr_pending,
                 import.nr_refused);
    return 0;
}

static int add_badpage(void *user, const struct vmm_retired *page,
                       const struct vmm__json_value *value)
{
    bool *first = user;

    (void)value;
    printf("%s0x%llx", *first ? "badpage=" : ",",
           (unsigned long long)page->mfn);
    if (page->nr_pages > 1) {
        printf("-0x%llx", (unsigned long long)(page->mfn + page->nr_pages -
                                               1));
    }
    *first = false;
    return 0;
}

static int export(struct plugin *plugin, const struct args *args)
{
    bool first = true;
    int status;

    if (!args->badpage) {
        return print_json(plugin);
    }
    status = each(plugin, add_badpage, &first);
    if (!first) {
        puts("");
    }
    return status;
}

static int print_dimms(struct plugin *plugin,
                       const struct vmm__json_value *dimms)
{
    static const struct plugin_column columns[] = {
        { "SLOT", false }, { "SERIAL", false }, { "PART", false },
        { "MIB", true }, { "PAGES", true }, { "PENDING", true },
        { "ERRORS", true }, { "PAST", true },
    };
    struct plugin_table *table;
    struct vmm_ctl_dimm dimm;
    int status = 0;
    uint32_t i;

    if (!vmm__json_nr(dimms)) {
        puts("memory modules: not known");
        return 0;
    }
    table = plugin_table_new(columns, sizeof(columns) / sizeof(columns[0]));
    for (i = 0; i < vmm__json_nr(dimms) && !status; i++) {
        if (vmm_ctl_get_dimm(vmm__json_at(dimms, i), &dimm)) {
            status = not_understood(plugin);
            break;
        }
        plugin_table_row(table);
        plugin_table_text(table, "%s%s", dimm.dimm.locator,
                          dimm.dimm.absent ? " (gone)" : "");
        plugin_table_text(table, "%s", *dimm.dimm.serial ? dimm.dimm.serial
                                                         : "-");
        plugin_table_text(table, "%s", *dimm.dimm.part ? dimm.dimm.part
                                                       : "-");
        plugin_table_text(table, "%llu",
                          (unsigned long long)dimm.dimm.size_bytes >> 20);
        plugin_table_text(table, "%llu", (unsigned long long)dimm.nr_pages);
        plugin_table_text(table, "%llu", (unsigned long long)dimm.nr_pending);
        plugin_table_text(table, "%llu", (unsigned long long)dimm.nr_errors);
        plugin_table_text(table, "%llu", (unsigned long long)dimm.nr_past);
    }
    return print_table(plugin, table, status);
}

/* The newest of the history; all of it is in the JSON. */
#define PAST_ROWS 20u

static int print_past(struct plugin *plugin,
                      const struct vmm__json_value *past, uint32_t nr_past)
{
    static const struct plugin_column columns[] = {
        { "PAGE", false }, { "PAGES", true }, { "CAUSE", false },
        { "RELEASED", false }, { "REASON", false },
    };
    uint32_t nr = vmm__json_nr(past), i = nr < PAST_ROWS ? 0 : nr - PAST_ROWS;
    struct plugin_table *table;
    struct vmm_retired_past p;
    int status = 0;

    if (!nr) {
        return 0;
    }
    printf("history: %u entries, the newest are\n", nr_past);
    table = plugin_table_new(columns, sizeof(columns) / sizeof(columns[0]));
    for (; i < nr && !status; i++) {
        if (vmm_ctl_get_past(vmm__json_at(past, i), &p)) {
            status = not_understood(plugin);
            break;
        }
        plugin_table_row(table);
        plugin_table_text(table, "0x%llx", (unsigned long long)p.mfn);
        plugin_table_text(table, "%u", p.nr_pages);
        plugin_table_text(table, "%s", vmm_retire_cause_name(p.cause));
        put_time(table, p.released_s);
        plugin_table_text(table, "%s", vmm_retire_reason_name(p.reason));
    }
    return print_table(plugin, table, status);
}

static int print_stat(struct plugin *plugin,
                      const struct vmm__json_value *result)
{
    const struct vmm_machine_stat *m;
    struct vmm_ctl_page_stat stat;
    int status;

    if (vmm_ctl_get_page_stat(result, &stat)) {
        return not_understood(plugin);
    }
    m = &stat.machine;
    printf("recorded: %u entries, list %llu\n", stat.nr_recorded,
           (unsigned long long)stat.generation);
    printf("boot list: %s%s, %u entries%s%s%s\n",
           vmm_machine_list_name(m->list),
           m->list != VMM_MACHINE_LIST_TAKEN ? ""
           : m->from_variable ? " from EFI's variable"
                              : " from a boot module",
           m->boot_entries,
           m->module_damaged ? "; that of the boot module is damaged" : "",
           m->variable_damaged ? "; that of EFI's variable is damaged" : "",
           m->map_changed ? "; the memory map is another one now" : "");
    printf("boot time: %llu us for the list, %llu us to build the heap\n",
           (unsigned long long)m->boot_list_us,
           (unsigned long long)m->boot_heap_us);
    printf("since boot: %llu uncorrected errors, %llu corrected; %llu pages "
           "moved, %llu accesses to lost pages told\n",
           (unsigned long long)m->nr_uncorrected,
           (unsigned long long)m->nr_corrected,
           (unsigned long long)m->nr_moved,
           (unsigned long long)m->nr_touched);
    if (m->nr_unrecorded) {
        printf("%llu errors found the hypervisor's table full\n",
               (unsigned long long)m->nr_unrecorded);
    }
    status = print_dimms(plugin, vmm__json_member(result, "dimms"));
    return status ? status
                  : print_past(plugin, vmm__json_member(result, "past"),
                               stat.nr_past);
}

static int stat(struct plugin *plugin, const struct args *args)
{
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    int status = 0;

    (void)args;
    if (plugin_call(plugin, "page-stat", plugin_params(NULL, NULL), NULL,
                    &reply, &result, &status)) {
        if (plugin->json) {
            (void)plugin_print_json(plugin, result, &status);
        } else {
            status = print_stat(plugin, result);
        }
    }
    vmm__json_free(reply);
    return status;
}

static const struct command commands[] = {
    { { "page-list", "[OPTION]...",
        "List the pages of memory that are retired, or are to be", "" },
      "", 0, list },
    { { "page-retire", "[OPTION]... <Page>|<First>-<Last>",
        "Never use pages of memory again",
        "    --cause=CAUSE        uncorrected, corrected, admin or "
        "imported.\n" }, "c", 1, retire },
    { { "page-import", "[OPTION]... <File>|-",
        "Retire the pages of a list: badpage=, badram=, or of page-export",
        "    --cause=CAUSE        Of all of them.\n" }, "c", 1, import },
    { { "page-export", "[OPTION]...",
        "Write a list of the retired pages",
        "    --badpage            As an option of Xen, rather than JSON.\n" },
      "b", 0, export },
    { { "page-release", "[OPTION]... <Page>|<First>-<Last>",
        "Use pages of memory again that were retired", "" },
      "", 1, release },
    { { "page-stat", "[OPTION]...",
        "Show how memory errors were dealt with", "" }, "", 0, stat },
};
#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void take(void *user, int letter)
{
    struct args *args = user;

    if (letter == 'c') {
        args->cause = optarg;
    } else {
        args->badpage = true;
    }
}

int main(int argc, char **argv)
{
    struct args args = { .what = NULL };
    const struct command *command;
    struct plugin plugin;
    int status;

    command = plugin_called(argv[0], commands, sizeof(commands[0]),
                            NR_COMMANDS, &status);
    if (!command) {
        return status;
    }
    plugin_init(&plugin, &command->spec);
    if (!plugin_options(&plugin, argc, argv, options, LETTERS,
                        command->letters, take, &args, &status)) {
        return status;
    }
    if (!plugin_arguments(&plugin, argc - optind, command->nr_args,
                          command->nr_args, &status)) {
        return status;
    }
    args.what = argc > optind ? argv[optind] : NULL;
    return plugin_end(&plugin, command->run(&plugin, &args));
}
