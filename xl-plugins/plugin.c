/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plugin.c: what all xl commands of ours do in the same way; see plugin.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libsmartcols/libsmartcols.h>

#include "plugin.h"

#define SHOW_AFTER_MS 2000
#define CELL_BYTES 256

static bool showing;

void plugin_init(struct plugin *plugin, const struct plugin_spec *spec)
{
    memset(plugin, 0, sizeof(*plugin));
    plugin->spec = spec;
    plugin->socket_path = VMM_CTL_SOCKET;
    opterr = 0;
}

static void hide(void)
{
    if (showing) {
        (void)fputs("\r\033[K", stderr);
        showing = false;
    }
}

void plugin_show(const char *fmt, ...)
{
    va_list ap;

    if (!isatty(STDERR_FILENO)) {
        return;
    }
    hide();
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fflush(stderr);
    showing = true;
}

int plugin_fail(const struct plugin *plugin, int rc, const char *fmt, ...)
{
    va_list ap;

    hide();
    (void)fprintf(stderr, "xl-%s: ", plugin->spec->name);
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fputc('\n', stderr);
    return vmm_error_exit_status(rc);
}

static void help(const struct plugin_spec *spec)
{
    printf("Usage: xl %s %s\n\n%s.\n\nOptions:\n\n%s"
           "-j, --json           The answer as JSON.\n"
           "    --socket=PATH    vmmd's socket, if not " VMM_CTL_SOCKET ".\n"
           "-h, --help           This text.\n\n"
           "See xl-%s(1).\n", spec->name, spec->usage, spec->description,
           spec->options, spec->name);
}

bool plugin_option(struct plugin *plugin, int opt, int *status_out)
{
    switch (opt) {
    case 'h':
        help(plugin->spec);
        *status_out = plugin_end(plugin, 0);
        return false;
    case 'j':
        plugin->json = true;
        return true;
    case 256:
        plugin->socket_path = optarg;
        return true;
    default:
        *status_out = plugin_fail(plugin, VMM_E_INVAL, "an option is not "
                                  "known or lacks its value; xl %s --help "
                                  "has those that there are",
                                  plugin->spec->name);
        return false;
    }
}

bool plugin_arguments(struct plugin *plugin, int nr, int min, int max,
                      int *status_out)
{
    if (nr >= min && nr <= max) {
        return true;
    }
    *status_out = plugin_fail(plugin, VMM_E_INVAL, "%s argument; usage: xl "
                              "%s %s", nr < min ? "missing" : "superfluous",
                              plugin->spec->name, plugin->spec->usage);
    return false;
}

void plugin_disconnect(struct plugin *plugin)
{
    vmm_ctl_close(plugin->ctl);
    plugin->ctl = NULL;
}

int plugin_end(struct plugin *plugin, int status)
{
    hide();
    plugin_disconnect(plugin);
    if ((fflush(stdout) || ferror(stdout)) && !status) {
        status = plugin_fail(plugin, VMM_E_IO, "standard output: %s",
                             strerror(errno));
    }
    return status;
}

/* Calls. */

struct call {
    struct plugin *plugin;
    plugin_progress_fn *progress;
    uint64_t begun_ms;
};

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void progressed(void *user, const struct vmm__json_value *value)
{
    struct call *call = user;
    char text[128];

    if (now_ms() - call->begun_ms >= SHOW_AFTER_MS && call->progress &&
        call->progress(value, text, sizeof(text))) {
        plugin_show("xl-%s: %s", call->plugin->spec->name, text);
    }
}

bool plugin_call(struct plugin *plugin, const char *method,
                 struct vmm__json_out *params, plugin_progress_fn *progress,
                 struct vmm__json **reply_out,
                 const struct vmm__json_value **result_out,
                 int *status_out)
{
    struct call call = { plugin, progress, now_ms() };
    int rc;

    vmm__json_end_object(params);
    if (!plugin->ctl) {
        rc = vmm_ctl_open(plugin->socket_path, &plugin->ctl);
        if (rc) {
            vmm__json_out_free(params);
            *status_out = plugin_fail(plugin, rc, "%s", plugin->ctl
                                      ? vmm_ctl_message(plugin->ctl)
                                      : vmm_error_text(rc));
            return false;
        }
    }
    rc = vmm_ctl_call(plugin->ctl, method, params, progressed, &call,
                      reply_out, result_out);
    hide();
    if (rc) {
        *status_out = plugin_fail(plugin, rc, "%s",
                                  vmm_ctl_message(plugin->ctl));
        return false;
    }
    return true;
}

struct vmm__json_out *plugin_params(const char *key, const char *value)
{
    struct vmm__json_out *out = vmm__json_out_new(false);

    vmm__json_put_object(out, NULL);
    if (value) {
        vmm__json_put_string(out, key, value);
    }
    return out;
}

bool plugin_put_size(struct plugin *plugin, struct vmm__json_out *params,
                     const char *key, const char *text, const char *or_else,
                     int *status_out)
{
    uint64_t bytes;
    int rc;

    rc = plugin_parse_size(text, &bytes);
    if (!rc && !bytes && *or_else) {
        rc = VMM_E_RANGE;
    }
    if (rc) {
        *status_out = plugin_fail(plugin, VMM_E_INVAL, "%s: %s is %s; give a "
                                  "number with K, M, G, T or nothing for "
                                  "mebibytes%s", text, key,
                                  rc == VMM_E_RANGE ? "out of range"
                                                    : "no size", or_else);
        return false;
    }
    vmm__json_put_u64(params, key, bytes);
    return true;
}

bool plugin_put_path(struct plugin *plugin, struct vmm__json_out *params,
                     const char *key, const char *path, int *status_out)
{
    char *cwd, *absolute = NULL;

    if (*path == '/') {
        vmm__json_put_string(params, key, path);
        return true;
    }
    /* vmmd is somewhere else. */
    cwd = getcwd(NULL, 0);
    if (!*path || !cwd || asprintf(&absolute, "%s/%s", cwd, path) < 0) {
        *status_out = plugin_fail(plugin, VMM_E_INVAL, "\"%s\": is no file "
                                  "or device; give its absolute path", path);
        free(cwd);
        return false;
    }
    vmm__json_put_string(params, key, absolute);
    free(absolute);
    free(cwd);
    return true;
}

bool plugin_print_json(struct plugin *plugin,
                       const struct vmm__json_value *result, int *status_out)
{
    struct vmm__json_out *out = vmm__json_out_new(true);
    char *text;
    size_t len;

    vmm__json_put_value(out, NULL, result);
    if (vmm__json_out_finish(out, &text, &len)) {
        *status_out = plugin_fail(plugin, VMM_E_NOMEM, "out of memory");
        return false;
    }
    fputs(text, stdout);
    free(text);
    return true;
}

char *plugin_array(const struct vmm__json_value *result, bool pretty)
{
    struct vmm__json_out *out = vmm__json_out_new(pretty);
    bool is_array = vmm__json_type(result) == VMM__JSON_ARRAY;
    char *text = NULL;
    size_t len;

    if (!is_array) {
        vmm__json_put_array(out, NULL);
    }
    vmm__json_put_value(out, NULL, result);
    if (!is_array) {
        vmm__json_end_array(out);
    }
    return vmm__json_out_finish(out, &text, &len) ? NULL : text;
}

bool plugin_tiers(struct plugin *plugin, const struct vmm__json_value *result,
                  struct vmm_ctl_tier **tiers_out, uint32_t *nr_out,
                  int *status_out)
{
    bool is_array = vmm__json_type(result) == VMM__JSON_ARRAY;
    uint32_t i, nr = is_array ? vmm__json_nr(result) : 1;
    struct vmm_ctl_tier *tiers = calloc(nr ? nr : 1, sizeof(*tiers));

    if (!tiers) {
        *status_out = plugin_fail(plugin, VMM_E_NOMEM, "out of memory");
        return false;
    }
    for (i = 0; i < nr; i++) {
        if (vmm_ctl_get_tier(is_array ? vmm__json_at(result, i) : result,
                             &tiers[i])) {
            free(tiers);
            *status_out = plugin_fail(plugin, VMM_E_FORMAT, "vmmd's answer "
                                      "is not understood; install the same "
                                      "version of both");
            return false;
        }
    }
    *tiers_out = tiers;
    *nr_out = nr;
    return true;
}

/* Values. */

int plugin_parse_number(const char *text, uint64_t min, uint64_t max,
                        uint64_t *number_out)
{
    unsigned long long number;

    if (!*text || text[strspn(text, "0123456789")]) {
        return VMM_E_FORMAT;
    }
    errno = 0;
    number = strtoull(text, NULL, 10);
    if (errno || number < min || number > max) {
        return VMM_E_RANGE;
    }
    *number_out = number;
    return 0;
}

int plugin_parse_size(const char *text, uint64_t *bytes_out)
{
    static const char suffixes[] = "BKMGT";
    size_t len = strlen(text);
    unsigned int shift = 20;
    const char *suffix;
    uint64_t number;
    char digits[24];
    int rc;

    suffix = len ? strchr(suffixes, text[len - 1] & ~0x20) : NULL;
    if (suffix && *suffix) {
        shift = (unsigned int)(suffix - suffixes) * 10;
        len--;
    }
    if (len >= sizeof(digits)) {
        return text[strspn(text, "0123456789")] && !suffix ? VMM_E_FORMAT
                                                           : VMM_E_RANGE;
    }
    memcpy(digits, text, len);
    digits[len] = '\0';
    rc = plugin_parse_number(digits, 0, UINT64_MAX >> shift, &number);
    if (rc) {
        return rc;
    }
    *bytes_out = number << shift;
    return 0;
}

uint64_t plugin_mib(uint64_t pages)
{
    return (pages + 128) / 256;
}

/* Tables. */

struct plugin_table {
    struct libscols_table *table;
    struct libscols_line *line;
    size_t cell;
    bool failed;
};

struct plugin_table *plugin_table_new(const struct plugin_column *columns,
                                      unsigned int nr)
{
    struct plugin_table *table = calloc(1, sizeof(*table));
    unsigned int i;

    if (!table) {
        return NULL;
    }
    table->table = scols_new_table();
    if (!table->table) {
        free(table);
        return NULL;
    }
    for (i = 0; i < nr; i++) {
        if (!scols_table_new_column(table->table, columns[i].title, 0.01,
                                    columns[i].right ? SCOLS_FL_RIGHT : 0)) {
            table->failed = true;
        }
    }
    /* All of it, however narrow the terminal. */
    (void)scols_table_enable_nowrap(table->table, 1);
    (void)scols_table_set_termforce(table->table, SCOLS_TERMFORCE_NEVER);
    return table;
}

void plugin_table_row(struct plugin_table *table)
{
    if (!table) {
        return;
    }
    table->line = scols_table_new_line(table->table, NULL);
    table->cell = 0;
    if (!table->line) {
        table->failed = true;
    }
}

void plugin_table_text(struct plugin_table *table, const char *fmt, ...)
{
    char text[CELL_BYTES];
    va_list ap;

    if (!table || !table->line) {
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (scols_line_set_data(table->line, table->cell++, text)) {
        table->failed = true;
    }
}

void plugin_table_time(struct plugin_table *table, uint64_t time_ns)
{
    if (!time_ns) {
        plugin_table_text(table, "-");
    } else if (time_ns < 10000000) {
        plugin_table_text(table, "%lluus",
                          (unsigned long long)(time_ns + 500) / 1000);
    } else if (time_ns < 10000000000ull) {
        plugin_table_text(table, "%llums",
                          (unsigned long long)(time_ns + 500000) / 1000000);
    } else {
        plugin_table_text(table, "%llus",
                          (unsigned long long)(time_ns + 500000000) /
                          1000000000);
    }
}

/* Titles there are in any case: libsmartcols prints none above no lines. */
static char *titles_of(struct libscols_table *table)
{
    size_t i, nr = scols_table_get_ncols(table), bytes;
    char *text = NULL;
    FILE *file = open_memstream(&text, &bytes);

    if (!file) {
        return NULL;
    }
    for (i = 0; i < nr; i++) {
        struct libscols_column *column =
            scols_table_get_column(table, i);

        (void)fprintf(file, "%s%s", i ? " " : "",
                      scols_cell_get_data(scols_column_get_header(
                          column)));
    }
    if (fclose(file)) {
        free(text);
        return NULL;
    }
    return text;
}

char *plugin_table_finish(struct plugin_table *table)
{
    char *text = NULL, *lines = NULL;

    if (!table) {
        return NULL;
    }
    if (!table->failed) {
        if (!scols_table_get_nlines(table->table)) {
            text = titles_of(table->table);
        } else if (scols_print_table_to_string(table->table, &text)) {
            text = NULL;
        }
    }
    scols_unref_table(table->table);
    free(table);
    if (!text || asprintf(&lines, "%s\n", text) < 0) {
        lines = NULL;
    }
    free(text);
    return lines;
}

const void *plugin_called(const char *argv0, const void *commands,
                          size_t stride, size_t nr, int *status_out)
{
    const char *slash = strrchr(argv0, '/');
    const char *called = slash ? slash + 1 : argv0;
    size_t i;

    for (i = 0; i < nr; i++) {
        const void *command = (const char *)commands + i * stride;
        const struct plugin_spec *spec = command;

        if (!strncmp(called, "xl-", 3) && !strcmp(called + 3, spec->name)) {
            return command;
        }
    }
    fprintf(stderr, "%s: is to be called by the name of a command\n", called);
    *status_out = vmm_error_exit_status(VMM_E_INVAL);
    return NULL;
}

bool plugin_options(struct plugin *plugin, int argc, char **argv,
                    const struct option *options, const char *all_letters,
                    const char *letters,
                    void (*take)(void *user, int letter), void *user,
                    int *status_out)
{
    int opt;

    while ((opt = getopt_long(argc, argv, PLUGIN_SHORT_OPTIONS, options,
                              NULL)) != -1) {
        if (opt >= PLUGIN_OPTION_FIRST - 1 || !strchr(all_letters, opt)) {
            if (!plugin_option(plugin, opt, status_out)) {
                return false;
            }
        } else if (!strchr(letters, opt)) {
            *status_out = plugin_fail(plugin, VMM_E_INVAL, "there is no such "
                                      "option; --help has those that there "
                                      "are");
            return false;
        } else {
            take(user, opt);
        }
    }
    return true;
}
