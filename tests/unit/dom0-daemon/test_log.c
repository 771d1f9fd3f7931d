/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_log.c: lines as log.h promises them, whatever is in them. */
#include <time.h>
#include <unistd.h>

static unsigned int nr_writes;
static time_t now_s = 1700000000;

static ssize_t ut_write(int fd, const void *text, size_t len)
{
    nr_writes++;
    return write(fd, text, len);
}

static int ut_clock_gettime(clockid_t clock, struct timespec *now_out)
{
    (void)clock;
    *now_out = (struct timespec){ .tv_sec = now_s, .tv_nsec = 7999999 };
    return 0;
}

#define write ut_write
#define clock_gettime ut_clock_gettime
#include "dom0-daemon/log.c"
#undef write
#undef clock_gettime

#include <fcntl.h>
#include <pthread.h>

#include "lib/capture.h"
#include "lib/ut.h"

#define TIME "time=2023-11-14T22:13:20.007Z "

static struct capture capture;

static void begin(void)
{
    (void)unsetenv("JOURNAL_STREAM");
    log_init();
    log_set_level(VMM_LOG_INFO);
    nr_writes = 0;
    capture_begin(&capture, STDERR_FILENO);
}

static void check(const char *expected)
{
    char *text = capture_end(&capture);

    CU_ASSERT_STRING_EQUAL(text, expected);
    free(text);
}

/* Cases. */

static void line__with_time_and_domid(void)
{
    begin();
    log_domain(VMM_LOG_INFO, "session", 7, "active: %u pages", 37376);
    log_line(VMM_LOG_WARN, "conf", "%s", "what");
    log_domain(VMM_LOG_ERROR, "x", 0, "zero is one as well");
    check(TIME "level=info component=session domid=7 "
          "msg=\"active: 37376 pages\"\n"
          TIME "level=warn component=conf msg=\"what\"\n"
          TIME "level=error component=x domid=0 "
          "msg=\"zero is one as well\"\n");
    CU_ASSERT_EQUAL(nr_writes, 3);
}

static void line__for_the_journal(void)
{
    begin();
    (void)setenv("JOURNAL_STREAM", "8:12345", 1);
    log_init();
    log_set_level(VMM_LOG_DEBUG);
    log_line(VMM_LOG_ERROR, "a", "m");
    log_line(VMM_LOG_WARN, "a", "m");
    log_line(VMM_LOG_INFO, "a", "m");
    log_domain(VMM_LOG_DEBUG, "a", 3, "m");
    check("<3>level=error component=a msg=\"m\"\n"
          "<4>level=warn component=a msg=\"m\"\n"
          "<6>level=info component=a msg=\"m\"\n"
          "<7>level=debug component=a domid=3 msg=\"m\"\n");
    (void)unsetenv("JOURNAL_STREAM");
    log_init();
}

/* A guest's name, for example; it cannot make lines of its own. */
static void line__stays_one(void)
{
    begin();
    log_line(VMM_LOG_INFO, "c", "%s", "a\"b\\c\nlevel=error\tx\r\x1b[0m\x7f");
    log_line(VMM_LOG_INFO, "c", "%s", "\xc3\xbc\xff");
    log_line(VMM_LOG_INFO, "c", "%s", "");
    check(TIME "level=info component=c "
          "msg=\"a\\\"b\\\\c?level=error?x??[0m?\"\n"
          TIME "level=info component=c msg=\"\xc3\xbc\xff\"\n"
          TIME "level=info component=c msg=\"\"\n");
}

static void line__long_ones_are_cut(void)
{
    char text[3 * TEXT_BYTES], component[100], *line;
    size_t i, nr_quotes = 0;

    /* Each takes two bytes in the line: the worst case. */
    memset(text, '"', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memset(component, 'c', sizeof(component) - 1);
    component[sizeof(component) - 1] = '\0';
    begin();
    log_domain(VMM_LOG_INFO, component, UINT32_MAX - 1, "%s", text);
    line = capture_end(&capture);
    for (i = 0; line[i]; i++) {
        nr_quotes += line[i] == '"';
    }
    CU_ASSERT_EQUAL(nr_writes, 1);
    CU_ASSERT_EQUAL_FATAL(nr_quotes, TEXT_BYTES - 1 + 2);
    CU_ASSERT_EQUAL(strncmp(line + strlen(line) - 4, "\\\"\"\n", 4), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "domid=4294967294 "));
    free(line);
}

static void level__what_is_above_is_left_out(void)
{
    static const char *const expected[] = {
        [VMM_LOG_ERROR] = "e", [VMM_LOG_WARN] = "ew", [VMM_LOG_INFO] = "ewi",
        [VMM_LOG_DEBUG] = "ewid",
    };
    unsigned int level;

    for (level = VMM_LOG_ERROR; level <= VMM_LOG_DEBUG; level++) {
        begin();
        log_set_level((enum vmm_log_level)level);
        CU_ASSERT_EQUAL(log_get_level(), level);
        log_line(VMM_LOG_ERROR, "c", "e");
        log_line(VMM_LOG_WARN, "c", "w");
        log_line(VMM_LOG_INFO, "c", "i");
        log_line(VMM_LOG_DEBUG, "c", "d");
        free(capture_end(&capture));
        CU_ASSERT_EQUAL(nr_writes, strlen(expected[level]));
    }
}

static void level__names(void)
{
    static const char *const none[] = { "", "Error", "warning", "info ",
                                        "0" };
    enum vmm_log_level level;
    unsigned int i;

    for (i = VMM_LOG_ERROR; i <= VMM_LOG_DEBUG; i++) {
        level = (enum vmm_log_level)99;
        CU_ASSERT_EQUAL(log_level_of(log_level_name((enum vmm_log_level)i),
                                     &level), 0);
        CU_ASSERT_EQUAL(level, i);
    }
    CU_ASSERT_STRING_EQUAL(log_level_name(VMM_LOG_WARN), "warn");
    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        level = (enum vmm_log_level)99;
        CU_ASSERT_EQUAL(log_level_of(none[i], &level), VMM_E_INVAL);
        CU_ASSERT_EQUAL(level, 99);
    }
}

#define NR_THREADS 4
#define NR_LINES 200

static void *say(void *user)
{
    unsigned int i;

    for (i = 0; i < NR_LINES; i++) {
        log_domain(VMM_LOG_INFO, "thread", *(const uint32_t *)user, "%u", i);
    }
    return NULL;
}

/* Lines of threads do not run into each other. */
static void line__any_thread(void)
{
    static const uint32_t domids[NR_THREADS] = { 0, 1, 2, 3 };
    pthread_t threads[NR_THREADS];
    unsigned int i, nr = 0, next[NR_THREADS] = { 0 };
    char *text, *line, *save = NULL;

    begin();
    /* One after the other in the file, as in a pipe. */
    (void)fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
    for (i = 0; i < NR_THREADS; i++) {
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, say,
                                             (void *)(uintptr_t)&domids[i]),
                              0);
    }
    for (i = 0; i < NR_THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    text = capture_end(&capture);
    for (line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        unsigned int domid, number;

        CU_ASSERT_EQUAL_FATAL(sscanf(line, TIME "level=info component=thread "
                                     "domid=%u msg=\"%u\"", &domid, &number),
                              2);
        CU_ASSERT_TRUE_FATAL(domid < NR_THREADS);
        CU_ASSERT_EQUAL(number, next[domid]++);
        nr++;
    }
    CU_ASSERT_EQUAL(nr, NR_THREADS * NR_LINES);
    free(text);
}

static const struct ut_case cases[] = {
    UT_CASE(line__with_time_and_domid),
    UT_CASE(line__for_the_journal),
    UT_CASE(line__stays_one),
    UT_CASE(line__long_ones_are_cut),
    UT_CASE(line__any_thread),
    UT_CASE(level__what_is_above_is_left_out),
    UT_CASE(level__names),
};

UT_MAIN("dom0-daemon/log", cases)
