/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxlutil.h: of the real one what vmmd's configuration needs, for machines
 * without Xen's tools.
 *
 * The syntax is that of xl.cfg(5): KEY = VALUE, a value being a number, a
 * quoted string or a list, and statements ending at a newline or semicolon.
 * Only the first error is reported, and += is refused.
 */
#ifndef LIBXLUTIL_H
#define LIBXLUTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_XLU_SETTINGS 64

typedef struct XLU_Config {
    FILE *report;
    char *source;
    struct {
        char *name, *text;      /* no text: a list */
    } settings[FAKE_XLU_SETTINGS];
    unsigned int nr;
    const char *at, *end;
    unsigned int line;
} XLU_Config;

static inline XLU_Config *xlu_cfg_init(FILE *report, const char *source)
{
    XLU_Config *cfg = calloc(1, sizeof(*cfg));

    if (cfg) {
        cfg->report = report;
        cfg->source = strdup(source);
        if (!cfg->source) {
            free(cfg);
            cfg = NULL;
        }
    }
    return cfg;
}

static inline void xlu_cfg_destroy(XLU_Config *cfg)
{
    unsigned int i;

    for (i = 0; i < cfg->nr; i++) {
        free(cfg->settings[i].name);
        free(cfg->settings[i].text);
    }
    free(cfg->source);
    free(cfg);
}

static inline char fake_xlu_peek(const XLU_Config *cfg)
{
    return cfg->at < cfg->end ? *cfg->at : '\0';
}

/*
 * White space, with `newlines' also comments and newlines.  As in the real
 * one, a comment without a newline is none.
 */
static inline void fake_xlu_skip(XLU_Config *cfg, bool newlines)
{
    const char *end;

    for (; cfg->at < cfg->end; cfg->at++) {
        if (newlines && *cfg->at == '#') {
            end = memchr(cfg->at, '\n', (size_t)(cfg->end - cfg->at));
            if (!end) {
                return;
            }
            cfg->at = end;
        }
        if (newlines && *cfg->at == '\n') {
            cfg->line++;
        } else if (*cfg->at != ' ' && *cfg->at != '\t') {
            return;
        }
    }
}

static inline char *fake_xlu_word(XLU_Config *cfg, const char *chars)
{
    const char *from = cfg->at;

    while (cfg->at < cfg->end && *cfg->at && strchr(chars, *cfg->at)) {
        cfg->at++;
    }
    return cfg->at == from ? NULL : strndup(from, (size_t)(cfg->at - from));
}

/* NULL: it does not end on its line. */
static inline char *fake_xlu_quoted(XLU_Config *cfg)
{
    char quote = *cfg->at++, *text = malloc((size_t)(cfg->end - cfg->at) + 1);
    char *to = text;

    while (text && fake_xlu_peek(cfg) != quote) {
        if (fake_xlu_peek(cfg) == '\\') {
            cfg->at++;
        }
        if (cfg->at >= cfg->end || *cfg->at == '\n') {
            free(text);
            return NULL;
        }
        *to++ = *cfg->at++;
    }
    if (text) {
        *to = '\0';
        cfg->at++;
    }
    return text;
}

static inline bool fake_xlu_atom(XLU_Config *cfg, char **text_out)
{
    char c = fake_xlu_peek(cfg);

    *text_out = c == '\'' || c == '"' ? fake_xlu_quoted(cfg) :
                c >= '0' && c <= '9'
                ? fake_xlu_word(cfg, "0123456789abcdefx") : NULL;
    return *text_out != NULL;
}

static inline bool fake_xlu_list(XLU_Config *cfg)
{
    char *text;

    cfg->at++;
    for (;;) {
        fake_xlu_skip(cfg, true);
        if (fake_xlu_peek(cfg) == ']') {
            cfg->at++;
            return true;
        }
        if (fake_xlu_peek(cfg) == '[' ? !fake_xlu_list(cfg)
                                      : !fake_xlu_atom(cfg, &text)) {
            return false;
        }
        if (cfg->at[-1] != ']') {
            free(text);
        }
        fake_xlu_skip(cfg, true);
        if (fake_xlu_peek(cfg) == ',') {
            cfg->at++;
        } else if (fake_xlu_peek(cfg) != ']') {
            return false;
        }
    }
}

static inline bool fake_xlu_statement(XLU_Config *cfg)
{
    char *name, *text = NULL, c = fake_xlu_peek(cfg);
    bool ok;

    if (c < 'a' || c > 'z' || cfg->nr == FAKE_XLU_SETTINGS) {
        return false;
    }
    name = fake_xlu_word(cfg, "abcdefghijklmnopqrstuvwxyz._0123456789");
    cfg->settings[cfg->nr++].name = name;
    fake_xlu_skip(cfg, false);
    if (fake_xlu_peek(cfg) != '=') {
        return false;
    }
    cfg->at++;
    fake_xlu_skip(cfg, false);
    ok = fake_xlu_peek(cfg) == '[' ? fake_xlu_list(cfg)
                                   : fake_xlu_atom(cfg, &text);
    cfg->settings[cfg->nr - 1].text = text;
    fake_xlu_skip(cfg, false);
    c = fake_xlu_peek(cfg);
    return ok && (!c || c == '\n' || c == ';' || c == '#');
}

static inline int xlu_cfg_readdata(XLU_Config *cfg, const char *data,
                                   int length)
{
    cfg->at = data;
    cfg->end = data + length;
    cfg->line = 1;
    for (;;) {
        fake_xlu_skip(cfg, true);
        while (fake_xlu_peek(cfg) == ';') {
            cfg->at++;
            fake_xlu_skip(cfg, true);
        }
        if (cfg->at >= cfg->end) {
            return 0;
        }
        if (!fake_xlu_statement(cfg)) {
            fprintf(cfg->report, "%s:%u: config parsing error\n",
                    cfg->source, cfg->line);
            return EINVAL;
        }
    }
}

/* The last of that name. */
static inline int fake_xlu_find(const XLU_Config *cfg, const char *name,
                                const char **text_out)
{
    unsigned int i;

    for (i = cfg->nr; i-- > 0;) {
        if (!strcmp(cfg->settings[i].name, name)) {
            *text_out = cfg->settings[i].text;
            return *text_out ? 0 : EINVAL;
        }
    }
    return ESRCH;
}

static inline int xlu_cfg_get_string(const XLU_Config *cfg, const char *name,
                                     const char **text_out, int dont_warn)
{
    (void)dont_warn;
    return fake_xlu_find(cfg, name, text_out);
}

static inline int xlu_cfg_get_bounded_long(const XLU_Config *cfg,
                                           const char *name, long min,
                                           long max, long *number_out,
                                           int dont_warn)
{
    const char *text;
    char *end;
    long number;
    int r = fake_xlu_find(cfg, name, &text);

    (void)dont_warn;
    if (r) {
        return r;
    }
    errno = 0;
    number = strtol(text, &end, 0);
    if (errno) {
        return errno;
    }
    if (end == text || *end || number < min || number > max) {
        return EINVAL;
    }
    *number_out = number;
    return 0;
}

#endif
