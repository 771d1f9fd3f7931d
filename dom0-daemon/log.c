/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log.c: one line for each event; see log.h. */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define TEXT_BYTES 1024

static const struct {
    const char *name;
    int priority;               /* syslog(3) */
} levels[] = {
    [VMM_LOG_ERROR] = { "error", 3 },
    [VMM_LOG_WARN] = { "warn", 4 },
    [VMM_LOG_INFO] = { "info", 6 },
    [VMM_LOG_DEBUG] = { "debug", 7 },
};

static atomic_int threshold = VMM_LOG_INFO;
static bool to_journal;

void log_init(void)
{
    to_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_level(enum vmm_log_level level)
{
    atomic_store(&threshold, (int)level);
}

enum vmm_log_level log_get_level(void)
{
    return (enum vmm_log_level)atomic_load(&threshold);
}

const char *log_level_name(enum vmm_log_level level)
{
    return levels[level].name;
}

int log_level_of(const char *name, enum vmm_log_level *level_out)
{
    size_t i;

    for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (!strcmp(levels[i].name, name)) {
            *level_out = (enum vmm_log_level)i;
            return 0;
        }
    }
    return VMM_E_INVAL;
}

/* In quotes it stays one line, whatever a guest put into its name. */
static size_t quote(char *at, const char *text)
{
    char *start = at;

    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            *at++ = '\\';
        }
        *at++ = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
    }
    return (size_t)(at - start);
}

void log_domain(enum vmm_log_level level, const char *component,
                uint32_t domid, const char *fmt, ...)
{
    char text[TEXT_BYTES], line[2 * TEXT_BYTES + 128];
    size_t len = 0;
    va_list ap;

    if ((int)level > atomic_load(&threshold)) {
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);

    if (to_journal) {
        len += (size_t)sprintf(line, "<%d>", levels[level].priority);
    } else {
        struct timespec now;
        struct tm tm;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        (void)gmtime_r(&now.tv_sec, &tm);
        len += strftime(line, 64, "time=%Y-%m-%dT%H:%M:%S", &tm);
        len += (size_t)sprintf(line + len, ".%03ldZ ",
                               now.tv_nsec / 1000000);
    }
    len += (size_t)sprintf(line + len, "level=%s component=%.32s ",
                           levels[level].name, component);
    if (domid != LOG_NO_DOMID) {
        len += (size_t)sprintf(line + len, "domid=%u ", domid);
    }
    len += (size_t)sprintf(line + len, "msg=\"");
    len += quote(line + len, text);
    line[len++] = '"';
    line[len++] = '\n';
    (void)!write(STDERR_FILENO, line, len);
}
