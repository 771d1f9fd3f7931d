/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conf.c: the options, over libxlutil's parser; see conf.h. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <libxlutil.h>

#include "conf.h"
#include "log.h"

#define FILE_BYTES_MAX (1 << 20)

typedef bool valid_fn(const char *text);

static bool is_path(const char *text)
{
    return text[0] == '/' && strlen(text) < 4000;
}

static bool is_path_or_none(const char *text)
{
    return !*text || is_path(text);
}

static bool is_socket_path(const char *text)
{
    return text[0] == '/' &&
           strlen(text) < sizeof(((struct sockaddr_un *)0)->sun_path);
}

static bool is_level(const char *text)
{
    enum vmm_log_level level;

    return !log_level_of(text, &level);
}

static bool is_on_stop(const char *text)
{
    return !strcmp(text, "keep") || !strcmp(text, "drain");
}

struct option {
    const char *name;
    bool at_run_time;           /* may change while vmmd runs */
    size_t offset;
    /* A string, */
    const char *text;
    valid_fn *valid;
    const char *wanted;
    /* or, without text, a number. */
    long number, min, max;
};
#define TEXT(name, at_run_time, text, valid, wanted) \
    { #name, at_run_time, offsetof(struct conf, name), text, valid, wanted, \
      0, 0, 0 }
#define NUMBER(name, at_run_time, number, min, max) \
    { #name, at_run_time, offsetof(struct conf, name), NULL, NULL, NULL, \
      number, min, max }
#define ABSOLUTE "an absolute path"

static const struct option options[] = {
    TEXT(socket_path, false, "/run/xen/vmmd.sock", is_socket_path,
         "an absolute path of at most 107 bytes"),
    TEXT(blocks_path, false, "/run/xen/vmmd-blocks.sock", is_socket_path,
         "an absolute path of at most 107 bytes"),
    TEXT(lock_path, false, "/run/xen/vmmd.lock", is_path, ABSOLUTE),
    TEXT(state_dir, false, "/var/lib/xen/vmmd", is_path, ABSOLUTE),
    TEXT(store_dir, true, "/var/lib/xen/vmmd", is_path, ABSOLUTE),
    TEXT(index_dir, false, "/run/xen/vmmd", is_path, ABSOLUTE),
    TEXT(log_level, true, "info", is_level, "error, warn, info or debug"),
    TEXT(on_stop, true, "keep", is_on_stop, "keep or drain"),
    NUMBER(harvest_interval_ms, true, 1000, 10, 3600000),
    NUMBER(io_error_retries, true, 5, 0, 1000),
    NUMBER(max_sessions, true, 256, 1, 32768),
    NUMBER(max_clients, true, 32, 1, 1024),
    NUMBER(prefetch, true, 1, 0, 1),
    TEXT(mcelog_path, false, "/dev/mcelog", is_path, ABSOLUTE),
    TEXT(mce_socket_path, false, "/run/xen/vmmd-mce.sock", is_socket_path,
         "an absolute path of at most 107 bytes"),
    TEXT(retire_list_path, false, "/boot/xen-retired-pages.bin",
         is_path_or_none, "an absolute path, or empty"),
    TEXT(smbios_path, false, "/sys/firmware/dmi/tables/DMI", is_path,
         ABSOLUTE),
    TEXT(metrics_path, false, "/var/lib/prometheus/node-exporter/vmmd.prom",
         is_path_or_none, "an absolute path, or empty"),
    NUMBER(retire_efi_variable, false, 1, 0, 1),
    NUMBER(page_ce_threshold, true, 50, 0, 1000000),
    NUMBER(page_ce_refresh_cycle_s, true, 86400, 1, 10000000),
};
#define NR_OPTIONS (sizeof(options) / sizeof(options[0]))

static char **text_at(const struct conf *conf, const struct option *option)
{
    return (char **)((char *)(uintptr_t)conf + option->offset);
}

static long *number_at(const struct conf *conf, const struct option *option)
{
    return (long *)(void *)((char *)(uintptr_t)conf + option->offset);
}

void conf_init(struct conf *conf)
{
    memset(conf, 0, sizeof(*conf));
}

void conf_dispose(struct conf *conf)
{
    size_t i;

    for (i = 0; i < NR_OPTIONS; i++) {
        if (options[i].text) {
            free(*text_at(conf, &options[i]));
        }
    }
    conf_init(conf);
}

/*
 * libxlutil does not say which keys there are, nor where.  In a text that it
 * has parsed, a key is the first word of a statement; one ends at a newline
 * or semicolon that is neither quoted nor in a list.
 */
struct scan {
    const char *at;
    unsigned int line;
};

static void skip_statement(struct scan *scan)
{
    unsigned int depth = 0;
    char quote = '\0';

    for (; *scan->at; scan->at++) {
        char c = *scan->at;

        if (c == '\n') {
            scan->line++;
        }
        if (quote) {
            if (c == '\\' && scan->at[1]) {
                scan->at++;
            } else if (c == quote) {
                quote = '\0';
            }
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '#') {
            scan->at += strcspn(scan->at, "\n") - 1;
        } else if (c == '[') {
            depth++;
        } else if (c == ']' && depth) {
            depth--;
        } else if (!depth && (c == '\n' || c == ';')) {
            scan->at++;
            return;
        }
    }
}

/* The next key and its line; false at the end. */
static bool next_key(struct scan *scan, char *key, size_t key_bytes,
                     unsigned int *line_out)
{
    size_t len;

    for (;;) {
        scan->at += strspn(scan->at, " \t;");
        if (*scan->at == '#') {
            scan->at += strcspn(scan->at, "\n");
        }
        if (*scan->at != '\n') {
            break;
        }
        scan->line++;
        scan->at++;
    }
    if (!*scan->at) {
        return false;
    }
    len = strspn(scan->at, "abcdefghijklmnopqrstuvwxyz._0123456789");
    (void)snprintf(key, key_bytes, "%.*s", (int)len, scan->at);
    *line_out = scan->line;
    skip_statement(scan);
    return true;
}

static int take(const XLU_Config *config, const struct option *option,
                const char *path, unsigned int line, struct conf *conf)
{
    const char *text;
    char *copy;
    int r;

    if (!option->text) {
        r = xlu_cfg_get_bounded_long(config, option->name, option->min,
                                     option->max, number_at(conf, option), 1);
        if (r) {
            log_line(VMM_LOG_ERROR, "conf",
                     "%s:%u: %s must be a number from %ld to %ld", path,
                     line, option->name, option->min, option->max);
            return VMM_E_INVAL;
        }
        return 0;
    }

    r = xlu_cfg_get_string(config, option->name, &text, 1);
    if (r || !option->valid(text)) {
        log_line(VMM_LOG_ERROR, "conf", "%s:%u: %s must be %s", path, line,
                 option->name, option->wanted);
        return VMM_E_INVAL;
    }
    copy = strdup(text);
    if (!copy) {
        return VMM_E_NOMEM;
    }
    free(*text_at(conf, option));
    *text_at(conf, option) = copy;
    return 0;
}

static int take_all(const XLU_Config *config, const char *text,
                    const char *path, struct conf *conf)
{
    struct scan scan = { .at = text, .line = 1 };
    unsigned int lines[NR_OPTIONS] = { 0 };
    unsigned int line;
    char key[64];
    size_t i;
    int rc;

    while (next_key(&scan, key, sizeof(key), &line)) {
        for (i = 0; i < NR_OPTIONS; i++) {
            if (!strcmp(options[i].name, key)) {
                break;
            }
        }
        if (i == NR_OPTIONS) {
            log_line(VMM_LOG_ERROR, "conf", "%s:%u: unknown key \"%s\"; "
                     "vmmd.conf(5) has those that there are", path, line,
                     key);
            return VMM_E_INVAL;
        }
        if (lines[i]) {
            log_line(VMM_LOG_ERROR, "conf", "%s:%u: %s was set in line %u "
                     "already", path, line, key, lines[i]);
            return VMM_E_INVAL;
        }
        lines[i] = line;
    }

    /* libxlutil knows the last of a key only: not before each is the only. */
    for (i = 0; i < NR_OPTIONS; i++) {
        if (!lines[i]) {
            continue;
        }
        rc = take(config, &options[i], path, lines[i], conf);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int set_defaults(struct conf *conf)
{
    size_t i;

    for (i = 0; i < NR_OPTIONS; i++) {
        if (!options[i].text) {
            *number_at(conf, &options[i]) = options[i].number;
            continue;
        }
        *text_at(conf, &options[i]) = strdup(options[i].text);
        if (!*text_at(conf, &options[i])) {
            return VMM_E_NOMEM;
        }
    }
    return 0;
}

/* With a newline at the end, without which libxlutil sees no comment. */
static int read_text(const char *path, bool must_exist, char **text_out)
{
    char *text = NULL;
    FILE *file;
    size_t len;
    int rc;

    *text_out = NULL;
    file = fopen(path, "re");
    if (!file) {
        if (errno == ENOENT && !must_exist) {
            return 0;
        }
        log_line(VMM_LOG_ERROR, "conf", "%s: %s", path, strerror(errno));
        return VMM_E_NOENT;
    }
    text = malloc(FILE_BYTES_MAX + 2);
    if (!text) {
        rc = VMM_E_NOMEM;
        goto out;
    }
    len = fread(text, 1, FILE_BYTES_MAX + 1, file);
    if (ferror(file) || len > FILE_BYTES_MAX || memchr(text, '\0', len)) {
        log_line(VMM_LOG_ERROR, "conf",
                 "%s: cannot be read, or is no text of up to %u bytes", path,
                 FILE_BYTES_MAX);
        rc = VMM_E_INVAL;
        goto out;
    }
    text[len] = '\n';
    text[len + 1] = '\0';
    *text_out = text;
    text = NULL;
    rc = 0;

 out:
    free(text);
    (void)fclose(file);
    return rc;
}

static void log_report(char *report)
{
    char *line, *save = NULL;

    for (line = strtok_r(report, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        log_line(VMM_LOG_ERROR, "conf", "%s", line);
    }
}

int conf_read(const char *path, bool must_exist, struct conf *conf_out)
{
    XLU_Config *config = NULL;
    char *text = NULL, *report = NULL;
    FILE *report_file = NULL;
    size_t report_bytes;
    struct conf conf;
    int rc, r;

    conf_init(&conf);
    rc = set_defaults(&conf);
    if (rc) {
        goto out;
    }
    rc = read_text(path, must_exist, &text);
    if (rc) {
        goto out;
    }
    if (text) {
        report_file = open_memstream(&report, &report_bytes);
        config = report_file ? xlu_cfg_init(report_file, path) : NULL;
        if (!config) {
            rc = VMM_E_NOMEM;
            goto out;
        }
        r = xlu_cfg_readdata(config, text, (int)strlen(text));
        if (r) {
            rc = r == ENOMEM ? VMM_E_NOMEM : VMM_E_INVAL;
            goto out;
        }
        rc = take_all(config, text, path, &conf);
        if (rc) {
            goto out;
        }
    }
    *conf_out = conf;
    conf_init(&conf);
    rc = 0;

 out:
    if (config) {
        xlu_cfg_destroy(config);
    }
    if (report_file) {
        (void)fclose(report_file);
        log_report(report);
        free(report);
    }
    free(text);
    conf_dispose(&conf);
    return rc;
}

int conf_change(struct conf *conf, const struct conf *next)
{
    size_t i;

    for (i = 0; i < NR_OPTIONS; i++) {
        const struct option *option = &options[i];
        bool same = option->text
                    ? !strcmp(*text_at(conf, option), *text_at(next, option))
                    : *number_at(conf, option) == *number_at(next, option);
        char *copy;

        if (same) {
            continue;
        }
        if (!option->at_run_time) {
            log_line(VMM_LOG_WARN, "conf",
                     "%s will change when vmmd is started again",
                     option->name);
            continue;
        }
        if (!option->text) {
            *number_at(conf, option) = *number_at(next, option);
        } else {
            copy = strdup(*text_at(next, option));
            if (!copy) {
                return VMM_E_NOMEM;
            }
            free(*text_at(conf, option));
            *text_at(conf, option) = copy;
        }
        log_line(VMM_LOG_INFO, "conf", "%s changed", option->name);
    }
    return 0;
}
