/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_conf.c: what vmmd.conf can say, what it cannot, and that the log says
 * where; each call that fails.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxlutil.h>

#include "dom0-daemon/log.h"

/* The calls of conf.c that allocate, of which the n-th may fail. */
static unsigned int fail_nth, nr_calls;
static int readdata_r;

static bool fails(void)
{
    return ++nr_calls == fail_nth;
}

static char *ut_strdup(const char *text)
{
    return fails() ? NULL : strdup(text);
}

static void *ut_malloc(size_t size)
{
    return fails() ? NULL : malloc(size);
}

static FILE *ut_open_memstream(char **text_out, size_t *len_out)
{
    return fails() ? NULL : open_memstream(text_out, len_out);
}

static XLU_Config *ut_cfg_init(FILE *report, const char *path)
{
    return fails() ? NULL : xlu_cfg_init(report, path);
}

static int ut_readdata(XLU_Config *config, const char *text, int len)
{
    return readdata_r ? readdata_r : xlu_cfg_readdata(config, text, len);
}

static void ut_log(enum vmm_log_level level, const char *component,
                   uint32_t domid, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#undef strdup
#define strdup ut_strdup
#define malloc ut_malloc
#define open_memstream ut_open_memstream
#define xlu_cfg_init ut_cfg_init
#define xlu_cfg_readdata ut_readdata
#define log_domain ut_log
#include "dom0-daemon/conf.c"
#undef strdup
#undef malloc
#undef open_memstream
#undef xlu_cfg_init
#undef xlu_cfg_readdata
#undef log_domain

#include "lib/ut.h"

static char path[64];
static unsigned int nr_logged[VMM_LOG_DEBUG + 1];
static char first_error[8192], last_error[8192];
static struct conf conf;
static bool have_conf;

static void ut_log(enum vmm_log_level level, const char *component,
                   uint32_t domid, const char *fmt, ...)
{
    va_list ap;

    CU_ASSERT_STRING_EQUAL(component, "conf");
    CU_ASSERT_EQUAL(domid, LOG_NO_DOMID);
    if (level == VMM_LOG_ERROR) {
        va_start(ap, fmt);
        (void)vsnprintf(last_error, sizeof(last_error), fmt, ap);
        va_end(ap);
        if (!nr_logged[level]) {
            strcpy(first_error, last_error);
        }
    }
    nr_logged[level]++;
}

static void begin(void)
{
    fail_nth = nr_calls = 0;
    readdata_r = 0;
    memset(nr_logged, 0, sizeof(nr_logged));
    have_conf = false;
    strcpy(path, "/tmp/ut-conf-XXXXXX");
    close(mkstemp(path));
}

static void forget(void)
{
    if (have_conf) {
        conf_dispose(&conf);
        have_conf = false;
    }
    memset(nr_logged, 0, sizeof(nr_logged));
}

static void end(void)
{
    forget();
    (void)unlink(path);
}

static int read_bytes(const char *text, size_t len)
{
    FILE *file = fopen(path, "w");
    int rc;

    forget();
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(text, 1, len, file), len);
    (void)fclose(file);
    memset(&conf, 0x5a, sizeof(conf));
    rc = conf_read(path, true, &conf);
    have_conf = !rc;
    return rc;
}

static int read_conf(const char *text)
{
    return read_bytes(text, strlen(text));
}

/* An error in that line, in those words. */
static void check_refused(const char *text, unsigned int line,
                          const char *words)
{
    struct conf copy;
    char where[96];

    memset(&copy, 0x5a, sizeof(copy));
    CU_ASSERT_EQUAL(read_conf(text), VMM_E_INVAL);
    CU_ASSERT_FALSE(memcmp(&conf, &copy, sizeof(conf)));
    CU_ASSERT_TRUE(nr_logged[VMM_LOG_ERROR] > 0);
    (void)snprintf(where, sizeof(where), "%s:%u: ", path, line);
    if (strncmp(last_error, where, strlen(where)) ||
        !strstr(last_error, words)) {
        printf("of \"%.100s\" it says: %s\n", text, last_error);
        CU_FAIL("it says something else");
    }
}

static void check_defaults(const struct conf *c)
{
    CU_ASSERT_STRING_EQUAL(c->socket_path, "/run/xen/vmmd.sock");
    CU_ASSERT_STRING_EQUAL(c->lock_path, "/run/xen/vmmd.lock");
    CU_ASSERT_STRING_EQUAL(c->state_dir, "/var/lib/xen/vmmd");
    CU_ASSERT_STRING_EQUAL(c->store_dir, "/var/lib/xen/vmmd");
    CU_ASSERT_STRING_EQUAL(c->index_dir, "/run/xen/vmmd");
    CU_ASSERT_STRING_EQUAL(c->log_level, "info");
    CU_ASSERT_STRING_EQUAL(c->on_stop, "keep");
    CU_ASSERT_EQUAL(c->harvest_interval_ms, 1000);
    CU_ASSERT_EQUAL(c->io_error_retries, 5);
    CU_ASSERT_EQUAL(c->max_sessions, 256);
    CU_ASSERT_EQUAL(c->max_clients, 32);
    CU_ASSERT_EQUAL(c->prefetch, 1);
}

/* Cases. */

static void conf_read__no_file(void)
{
    begin();
    (void)unlink(path);
    CU_ASSERT_EQUAL(conf_read(path, false, &conf), 0);
    have_conf = true;
    check_defaults(&conf);
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_ERROR], 0);
    forget();
    CU_ASSERT_EQUAL(conf_read(path, true, &conf), VMM_E_NOENT);
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_ERROR], 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(last_error, path));
    /* That it is not a file is no reason to go on without. */
    CU_ASSERT_NOT_EQUAL(conf_read("/dev/null/x", false, &conf), 0);
    CU_ASSERT_NOT_EQUAL(conf_read("/tmp", false, &conf), 0);
    end();
}

static void conf_read__says_nothing(void)
{
    static const char *const texts[] = {
        "", "\n", "\n\n# a comment\n", "# a comment", "#", " \t ", ";;\n ;",
        "#prefetch = 0\n",
    };
    size_t i;

    begin();
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CU_ASSERT_EQUAL_FATAL(read_conf(texts[i]), 0);
        check_defaults(&conf);
    }
    end();
}

static void conf_read__each_option(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(read_conf(
        "socket_path = \"/a/sock\"\nlock_path='/a/lock'\n"
        "state_dir\t= \"/a/state\"; store_dir = \"/a/store\"\n"
        "index_dir = \"/a/index\"\n"
        "log_level = \"debug\" # loud\n"
        "on_stop = \"drain\"\n"
        "harvest_interval_ms = 250\nio_error_retries = 0\n"
        "max_sessions = 0x10\nmax_clients = \"7\"\nprefetch = 0"), 0);
    CU_ASSERT_STRING_EQUAL(conf.socket_path, "/a/sock");
    CU_ASSERT_STRING_EQUAL(conf.lock_path, "/a/lock");
    CU_ASSERT_STRING_EQUAL(conf.state_dir, "/a/state");
    CU_ASSERT_STRING_EQUAL(conf.store_dir, "/a/store");
    CU_ASSERT_STRING_EQUAL(conf.index_dir, "/a/index");
    CU_ASSERT_STRING_EQUAL(conf.log_level, "debug");
    CU_ASSERT_STRING_EQUAL(conf.on_stop, "drain");
    CU_ASSERT_EQUAL(conf.harvest_interval_ms, 250);
    CU_ASSERT_EQUAL(conf.io_error_retries, 0);
    CU_ASSERT_EQUAL(conf.max_sessions, 16);
    CU_ASSERT_EQUAL(conf.max_clients, 7);
    CU_ASSERT_EQUAL(conf.prefetch, 0);
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_ERROR], 0);
    end();
}

static void conf_read__bounds_of_numbers(void)
{
    char text[128];
    size_t i;

    begin();
    for (i = 0; i < NR_OPTIONS; i++) {
        const struct option *option = &options[i];
        const long good[] = { option->min, option->max };
        const long bad[] = { option->min - 1, option->max + 1 };
        unsigned int k;

        if (option->text) {
            continue;
        }
        CU_ASSERT_TRUE(option->min <= option->number &&
                       option->number <= option->max);
        for (k = 0; k < 2; k++) {
            (void)snprintf(text, sizeof(text), "%s = %ld\n", option->name,
                           good[k]);
            CU_ASSERT_EQUAL_FATAL(read_conf(text), 0);
            CU_ASSERT_EQUAL(*number_at(&conf, option), good[k]);
            (void)snprintf(text, sizeof(text), "\n%s = \"%ld\"\n",
                           option->name, bad[k]);
            check_refused(text, 2, option->name);
        }
        (void)snprintf(text, sizeof(text), "%s = 99999999999999999999\n",
                       option->name);
        check_refused(text, 1, "must be a number from ");
        (void)snprintf(text, sizeof(text), "%s = \"many\"\n", option->name);
        check_refused(text, 1, "must be a number from ");
        (void)snprintf(text, sizeof(text), "%s = \"\"\n", option->name);
        check_refused(text, 1, "must be a number from ");
        (void)snprintf(text, sizeof(text), "%s = [ 1 ]\n", option->name);
        check_refused(text, 1, "must be a number from ");
    }
    end();
}

static void conf_read__texts_that_are_none(void)
{
    static const char *const paths[] = {
        "socket_path", "lock_path", "state_dir", "store_dir", "index_dir",
    };
    char text[8192];
    size_t i, len;

    begin();
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        (void)snprintf(text, sizeof(text), "%s = \"a/b\"\n", paths[i]);
        check_refused(text, 1, "must be an absolute path");
        (void)snprintf(text, sizeof(text), "%s = \"\"\n", paths[i]);
        check_refused(text, 1, "must be an absolute path");
        (void)snprintf(text, sizeof(text), "%s = [ \"/a\", \"/b\" ]\n",
                       paths[i]);
        check_refused(text, 1, "must be an absolute path");
        len = (size_t)snprintf(text, sizeof(text), "%s = \"/", paths[i]);
        memset(text + len, 'x', 3999);
        strcpy(text + len + 3999, "\"\n");
        check_refused(text, 1, "must be an absolute path");
    }
    len = (size_t)sprintf(text, "lock_path = \"/");
    memset(text + len, 'x', 3998);
    strcpy(text + len + 3998, "\"\n");
    CU_ASSERT_EQUAL(read_conf(text), 0);

    /* What bind() can take, with its NUL. */
    len = (size_t)sprintf(text, "socket_path = \"/");
    memset(text + len, 'x', 106);
    strcpy(text + len + 106, "\"\n");
    CU_ASSERT_EQUAL(read_conf(text), 0);
    strcpy(text + len + 106, "x\"\n");
    check_refused(text, 1, "at most 107 bytes");

    check_refused("log_level = \"loud\"\n", 1,
                  "log_level must be error, warn, info or debug");
    check_refused("log_level = 3\n", 1, "log_level must be ");
    check_refused("\n\non_stop = \"Keep\"\n", 3,
                  "on_stop must be keep or drain");
    end();
}

static void conf_read__unknown_key(void)
{
    begin();
    check_refused("prefetsch = 1\n", 1, "unknown key \"prefetsch\"");
    check_refused("prefetch = 1; socket = \"/x\"\n", 1,
                  "unknown key \"socket\"");
    check_refused("# prefetch\n\nprefetch = 1 # x = 1\n\n  more = 1\n", 5,
                  "unknown key \"more\"");
    /* A prefix of one, and one with something behind. */
    check_refused("prefetc = 1\n", 1, "unknown key");
    check_refused("prefetch.x = 1\n", 1, "unknown key \"prefetch.x\"");
    /* What looks like the end of a statement, or another, and is none. */
    check_refused("state_dir = \"/a;b = 1#\" ; x = 1\n", 1,
                  "unknown key \"x\"");
    check_refused("state_dir = '/a\\'b;c'; x = 1\n", 1,
                  "unknown key \"x\"");
    check_refused("state_dir = '/\"'\nx = 1\n", 2, "unknown key \"x\"");
    check_refused("a = [ 1,\n 2, # ] ; b = 1\n [ '3]' ],\n 4 ]\n", 1,
                  "unknown key \"a\"");
    end();
}

static void conf_read__lines_are_counted_in_lists(void)
{
    begin();
    check_refused("state_dir = [ '/a',\n # one ]\n#\n '/b' ]\nx = 1\n", 5,
                  "unknown key \"x\"");
    end();
}

static void next_key__walks(void)
{
    static const struct {
        const char *key;
        unsigned int line;
    } rows[] = {
        { "a", 1 }, { "b.c_1", 3 }, { "d", 3 }, { "e", 6 }, { "f", 8 },
        { "g", 10 },
    };
    struct scan scan = {
        .line = 1,
        .at = "a=1\n\nb.c_1 = '#;\\';' ; d=[1,\n[2;3]#]\n]\n"
              "e = \"[\"#\n\n;\t;f = '\n' #[\n#\n",
    };
    char key[8];
    unsigned int line;
    size_t i;

    for (i = 0; i + 1 < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_TRUE_FATAL(next_key(&scan, key, sizeof(key), &line));
        CU_ASSERT_STRING_EQUAL(key, rows[i].key);
        CU_ASSERT_EQUAL(line, rows[i].line);
    }
    CU_ASSERT_FALSE(next_key(&scan, key, sizeof(key), &line));
    CU_ASSERT_FALSE(next_key(&scan, key, sizeof(key), &line));
    /* A long one is cut off, and is none of ours then. */
    scan.at = "abcdefghijkl = 1\n";
    CU_ASSERT_TRUE(next_key(&scan, key, sizeof(key), &line));
    CU_ASSERT_STRING_EQUAL(key, "abcdefg");
    CU_ASSERT_FALSE(next_key(&scan, key, sizeof(key), &line));
}

static void conf_read__key_set_twice(void)
{
    begin();
    check_refused("prefetch = 1\nmax_clients = 5\n\nprefetch = 1\n", 4,
                  "prefetch was set in line 1 already");
    /* Whatever its second value is. */
    check_refused("max_clients = 5\nmax_clients = 0\n", 2,
                  "max_clients was set in line 1 already");
    check_refused("on_stop = 'keep'; on_stop = 'keep'\n", 1,
                  "on_stop was set in line 1 already");
    end();
}

static void conf_read__no_syntax(void)
{
    static const char *const texts[] = {
        "prefetch\n", "prefetch = \n", "prefetch = yes\n", "= 1\n",
        "prefetch 1\n", "prefetch = 1 2\n", "state_dir = \"/a\n",
        "state_dir = [ 1\n", "Prefetch = 1\n", "state_dir = /a\n",
        "prefetch = -1\n", "\x80\n",
    };
    size_t i;

    begin();
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CU_ASSERT_EQUAL(read_conf(texts[i]), VMM_E_INVAL);
        /* What the parser has to say is in the log, with the file's name. */
        CU_ASSERT_TRUE(nr_logged[VMM_LOG_ERROR] > 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(first_error, path));
        CU_ASSERT_PTR_NULL(strchr(first_error, '\n'));
    }
    end();
}

static void conf_read__no_text(void)
{
    char *big = calloc(1, FILE_BYTES_MAX + 2);

    CU_ASSERT_PTR_NOT_NULL_FATAL(big);
    begin();
    CU_ASSERT_EQUAL(read_bytes("prefetch = 0\n\0x = 1\n", 20), VMM_E_INVAL);
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_ERROR], 1);
    memset(big, ' ', FILE_BYTES_MAX + 1);
    CU_ASSERT_EQUAL(read_bytes(big, FILE_BYTES_MAX), 0);
    check_defaults(&conf);
    CU_ASSERT_EQUAL(read_bytes(big, FILE_BYTES_MAX + 1), VMM_E_INVAL);
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_ERROR], 1);
    free(big);
    end();
}

static void conf_read__nth_call_fails(void)
{
    unsigned int nth;
    int rc = -1;

    begin();
    CU_ASSERT_EQUAL(read_conf("on_stop = 'drain'\nprefetch = 0\n"), 0);
    forget();
    for (nth = 1; rc; nth++) {
        nr_calls = 0;
        fail_nth = nth;
        rc = conf_read(path, true, &conf);
        fail_nth = 0;
        CU_ASSERT_TRUE(!rc || rc == VMM_E_NOMEM);
        CU_ASSERT_TRUE_FATAL(nth < 50);
    }
    have_conf = true;
    CU_ASSERT_STRING_EQUAL(conf.on_stop, "drain");
    /* Thirteen texts, and one again, the file, the report and the parser. */
    CU_ASSERT_EQUAL(nth - 2, 17);
    forget();

    readdata_r = ENOMEM;
    CU_ASSERT_EQUAL(conf_read(path, true, &conf), VMM_E_NOMEM);
    end();
}

/* What is commented out in the one that is installed is the default. */
static void conf_read__the_one_that_is_installed(void)
{
    FILE *file = fopen("../dom0-daemon/vmmd.conf", "r");
    char line[256], text[8192] = "";
    unsigned int nr = 0;

    begin();
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    while (fgets(line, sizeof(line), file)) {
        bool key = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z';

        nr += key;
        strcat(text, line + key);
    }
    (void)fclose(file);
    CU_ASSERT_EQUAL(nr, NR_OPTIONS);
    CU_ASSERT_EQUAL_FATAL(read_conf(text), 0);
    check_defaults(&conf);
    end();
}

static void conf_dispose__twice(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(read_conf(""), 0);
    conf_dispose(&conf);
    CU_ASSERT_PTR_NULL(conf.socket_path);
    conf_dispose(&conf);
    have_conf = false;
    end();
}

static void conf_change__what_may_change(void)
{
    struct conf next;

    begin();
    CU_ASSERT_EQUAL_FATAL(read_conf(
        "socket_path = '/n/sock'; lock_path = '/n/lock'\n"
        "state_dir = '/n/state'; store_dir = '/n/store'\n"
        "index_dir = '/n/index'; log_level = 'warn'; on_stop = 'drain'\n"
        "harvest_interval_ms = 11; io_error_retries = 12\n"
        "max_sessions = 13; max_clients = 14; prefetch = 0\n"), 0);
    next = conf;
    CU_ASSERT_EQUAL_FATAL(conf_read("/nonexistent", false, &conf), 0);
    memset(nr_logged, 0, sizeof(nr_logged));
    CU_ASSERT_EQUAL(conf_change(&conf, &next), 0);

    CU_ASSERT_STRING_EQUAL(conf.socket_path, "/run/xen/vmmd.sock");
    CU_ASSERT_STRING_EQUAL(conf.lock_path, "/run/xen/vmmd.lock");
    CU_ASSERT_STRING_EQUAL(conf.state_dir, "/var/lib/xen/vmmd");
    CU_ASSERT_STRING_EQUAL(conf.index_dir, "/run/xen/vmmd");
    CU_ASSERT_STRING_EQUAL(conf.store_dir, "/n/store");
    CU_ASSERT_STRING_EQUAL(conf.log_level, "warn");
    CU_ASSERT_STRING_EQUAL(conf.on_stop, "drain");
    CU_ASSERT_EQUAL(conf.harvest_interval_ms, 11);
    CU_ASSERT_EQUAL(conf.io_error_retries, 12);
    CU_ASSERT_EQUAL(conf.max_sessions, 13);
    CU_ASSERT_EQUAL(conf.max_clients, 14);
    CU_ASSERT_EQUAL(conf.prefetch, 0);
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_WARN], 4);
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_INFO], 8);
    /* A copy: the other is the caller's. */
    CU_ASSERT_PTR_NOT_EQUAL(conf.store_dir, next.store_dir);

    /* Again, there is nothing but what cannot change. */
    memset(nr_logged, 0, sizeof(nr_logged));
    CU_ASSERT_EQUAL(conf_change(&conf, &next), 0);
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_WARN], 4);
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_INFO], 0);
    conf_dispose(&next);
    have_conf = true;
    end();
}

static void conf_change__nothing(void)
{
    struct conf next;

    begin();
    CU_ASSERT_EQUAL_FATAL(conf_read("/nonexistent", false, &next), 0);
    CU_ASSERT_EQUAL_FATAL(read_conf(""), 0);
    CU_ASSERT_EQUAL(conf_change(&conf, &next), 0);
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_WARN] + nr_logged[VMM_LOG_INFO], 0);
    conf_dispose(&next);
    end();
}

static void conf_change__no_memory(void)
{
    struct conf next;

    begin();
    CU_ASSERT_EQUAL_FATAL(read_conf("on_stop = 'drain'\n"), 0);
    next = conf;
    CU_ASSERT_EQUAL_FATAL(conf_read("/nonexistent", false, &conf), 0);
    have_conf = true;
    nr_calls = 0;
    fail_nth = 1;
    CU_ASSERT_EQUAL(conf_change(&conf, &next), VMM_E_NOMEM);
    CU_ASSERT_STRING_EQUAL(conf.on_stop, "keep");
    conf_dispose(&next);
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(conf_read__no_file),
    UT_CASE(conf_read__says_nothing),
    UT_CASE(conf_read__each_option),
    UT_CASE(conf_read__bounds_of_numbers),
    UT_CASE(conf_read__texts_that_are_none),
    UT_CASE(conf_read__unknown_key),
    UT_CASE(conf_read__lines_are_counted_in_lists),
    UT_CASE(next_key__walks),
    UT_CASE(conf_read__key_set_twice),
    UT_CASE(conf_read__no_syntax),
    UT_CASE(conf_read__no_text),
    UT_CASE(conf_read__nth_call_fails),
    UT_CASE(conf_read__the_one_that_is_installed),
    UT_CASE(conf_dispose__twice),
    UT_CASE(conf_change__what_may_change),
    UT_CASE(conf_change__nothing),
    UT_CASE(conf_change__no_memory),
};

UT_MAIN("dom0-daemon/conf", cases)
