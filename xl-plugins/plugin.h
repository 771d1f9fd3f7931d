/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plugin.h: what all xl commands of ours do in the same way: options, what
 * they say and how they end, tables.
 *
 * A command puts its answer together and prints it at the end; when it fails
 * there is nothing on standard output, one line on standard error, and an
 * exit status from include/vmm_errors.def.
 */
#ifndef XL_PLUGIN_H
#define XL_PLUGIN_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "format/json.h"
#include "include/vmm_ctl.h"

#define PLUGIN_PAGE_BYTES 4096

struct plugin_spec {
    const char *name;           /* "tier-set" */
    const char *usage;          /* after it */
    const char *description;    /* a sentence without its full stop */
    const char *options;        /* text, a line each, besides the common */
};

struct plugin {
    const struct plugin_spec *spec;
    const char *socket_path;
    bool json;
    vmm_ctl *ctl;
};

/* For getopt_long(): the common ones. */
#define PLUGIN_SHORT_OPTIONS "hj"
#define PLUGIN_LONG_OPTIONS \
    { "help", no_argument, NULL, 'h' }, \
    { "json", no_argument, NULL, 'j' }, \
    { "socket", required_argument, NULL, 256 }, \
    { NULL, 0, NULL, 0 }
/* From here on a command's own long options without a letter. */
#define PLUGIN_OPTION_FIRST 257

/*
 * A program that is several commands, by the name that it is called by.  Their
 * specs are the first member of `nr' elements of `stride' bytes; returns which
 * it is.  NULL: of none, which was said; end with *status_out.
 */
const void *plugin_called(const char *argv0, const void *commands,
                          size_t stride, size_t nr, int *status_out);
/*
 * The options of such a command, of which it has `letters'; take() gets each,
 * with optarg.  False: end with *status_out.
 */
bool plugin_options(struct plugin *plugin, int argc, char **argv,
                    const struct option *options, const char *all_letters,
                    const char *letters,
                    void (*take)(void *user, int letter), void *user,
                    int *status_out);

void plugin_init(struct plugin *plugin, const struct plugin_spec *spec);
/*
 * Anything that getopt_long() returned and the command does not know.  True:
 * go on; false: end with *status_out.
 */
bool plugin_option(struct plugin *plugin, int opt, int *status_out);
/* Checks how many arguments are left, as plugin_option(). */
bool plugin_arguments(struct plugin *plugin, int nr, int min, int max,
                      int *status_out);
/* "xl-NAME: ..." on standard error; returns the exit status of `rc'. */
int plugin_fail(const struct plugin *plugin, int rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Close, make sure that everything was printed; returns the exit status. */
int plugin_end(struct plugin *plugin, int status);

/*
 * Connect if need be, and call a method; false with *status_out.  From two
 * seconds on, what `progress' makes of vmmd's notifications (false: nothing)
 * is shown on standard error, if that is a terminal.
 */
typedef bool plugin_progress_fn(const struct vmm__json_value *progress,
                                char *text, size_t text_bytes);
bool plugin_call(struct plugin *plugin, const char *method,
                 struct vmm__json_out *params, plugin_progress_fn *progress,
                 struct vmm__json **reply_out,
                 const struct vmm__json_value **result_out,
                 int *status_out);
void plugin_disconnect(struct plugin *plugin);
/* { key: value begun, value NULL: without; plugin_call() ends it. */
struct vmm__json_out *plugin_params(const char *key, const char *value);
/*
 * A member for what was given as a size, or as the path of a file here; false
 * with *status_out.  `or_else', "" if there is nothing, is what it may be
 * instead.
 */
bool plugin_put_size(struct plugin *plugin, struct vmm__json_out *params,
                     const char *key, const char *text, const char *or_else,
                     int *status_out);
bool plugin_put_path(struct plugin *plugin, struct vmm__json_out *params,
                     const char *key, const char *path, int *status_out);
/* All of an answer, on standard output; false with *status_out. */
bool plugin_print_json(struct plugin *plugin,
                       const struct vmm__json_value *result,
                       int *status_out);
/* A line that the next one, or the end, takes the place of. */
void plugin_show(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The tiers of an answer that is one or an array; false with *status_out. */
bool plugin_tiers(struct plugin *plugin, const struct vmm__json_value *result,
                  struct vmm_ctl_tier **tiers_out, uint32_t *nr_out,
                  int *status_out);
/* The answer in an array; the caller frees it; NULL: no memory. */
char *plugin_array(const struct vmm__json_value *result, bool pretty);

/*
 * A size: bytes with the suffix B, K, M, G or T, mebibytes without any, as
 * xl mem-set has it.  Errors: VMM_E_FORMAT, VMM_E_RANGE.
 */
int plugin_parse_size(const char *text, uint64_t *bytes_out);
/* A whole number in [min, max]. */
int plugin_parse_number(const char *text, uint64_t min, uint64_t max,
                        uint64_t *number_out);

/* Tables. */
struct plugin_column {
    const char *title;
    bool right;                 /* numbers */
};
struct plugin_table;
struct plugin_table *plugin_table_new(const struct plugin_column *columns,
                                      unsigned int nr);
/* Cells from the left.  A table takes NULL, and fails in the end. */
void plugin_table_row(struct plugin_table *table);
void plugin_table_text(struct plugin_table *table, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* As text, the caller's; frees the table.  NULL without memory. */
char *plugin_table_finish(struct plugin_table *table);

/* Pages as MiB; nanoseconds for people ("-" for none). */
uint64_t plugin_mib(uint64_t pages);
void plugin_table_time(struct plugin_table *table, uint64_t time_ns);

#endif
