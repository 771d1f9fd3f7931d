/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_record.c: records there and back; every call that fails, a crash
 * before each, and files that are damaged at every byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The calls of statefile.c that change something, of which the n-th may fail,
 * or be the last: of a crash the disk keeps what was done until then.
 */
static unsigned int fail_nth, nr_calls;
static int fail_errno;
static bool crash, short_writes;

static int fails(void)
{
    if (++nr_calls == fail_nth || (crash && fail_nth && nr_calls > fail_nth)) {
        errno = fail_errno;
        return 1;
    }
    return 0;
}

static int ut_open(const char *path, int flags, ...)
{
    va_list ap;
    int mode;

    va_start(ap, flags);
    mode = flags & O_CREAT ? va_arg(ap, int) : 0;
    va_end(ap);
    return fails() ? -1 : open(path, flags, mode);
}

static ssize_t ut_write(int fd, const void *data, size_t len)
{
    static bool interrupt;

    if (short_writes) {
        interrupt = !interrupt;
        if (interrupt) {
            errno = EINTR;
            return -1;
        }
        return write(fd, data, len > 7 ? 7 : len);
    }
    if (fails()) {
        /* A device that gets full takes the first bytes. */
        (void)!write(fd, data, len / 2);
        return -1;
    }
    return write(fd, data, len);
}

static int ut_fsync(int fd)
{
    return fails() ? -1 : fsync(fd);
}

/* Closed it is in any case. */
static int ut_close(int fd)
{
    int r = close(fd);

    return fails() ? -1 : r;
}

static int ut_rename(const char *from, const char *to)
{
    return fails() ? -1 : rename(from, to);
}

static int ut_unlink(const char *path)
{
    return fails() ? -1 : unlink(path);
}

#define open ut_open
#define write ut_write
#define fsync ut_fsync
#define close ut_close
#define rename ut_rename
#define unlink ut_unlink
#include "base/replace.c"
#include "dom0-daemon/statefile.c"
#undef open
#undef write
#undef fsync
#undef close
#undef rename
#undef unlink
#include "dom0-daemon/record.c"

#include <sys/stat.h>

#include "lib/fake_host.h"
#include "lib/ut.h"

static char dir[64];

static void begin(void)
{
    log_set_level(VMM_LOG_ERROR);
    fake_host_make_dir(dir);
    fail_nth = nr_calls = 0;
    fail_errno = EIO;
    crash = short_writes = false;
}

static void end(void)
{
    fail_nth = 0;
    fake_host_remove_dir(dir);
}

static struct record sample(uint32_t domid)
{
    struct record record = {
        .boot_id = "b-o-o-t", .domid = domid, .state = RECORD_ACTIVE,
        .store_ours = true, .target_pages = UINT64_MAX, .floor_pages = 5,
        .no_prefetch = true,
    };
    unsigned int i;

    for (i = 0; i < DOMAIN_UUID_BYTES; i++) {
        record.uuid[i] = (uint8_t)(0xf0 + i);
    }
    record.store = strdup("/a \"quoted\"\n store/\xc3\xa9");
    return record;
}

struct found {
    unsigned int nr;
    struct record last;
};

static void found_one(void *user, struct record *record)
{
    struct found *found = user;

    record_dispose(&found->last);
    found->nr++;
    found->last = *record;
}

static struct found all(void)
{
    struct found found = { .nr = 0 };

    CU_ASSERT_EQUAL(record_each(dir, found_one, &found), 0);
    return found;
}

static bool same(const struct record *a, const struct record *b)
{
    return !strcmp(a->boot_id, b->boot_id) && a->domid == b->domid &&
           !memcmp(a->uuid, b->uuid, sizeof(a->uuid)) &&
           a->state == b->state && !strcmp(a->store, b->store) &&
           a->store_ours == b->store_ours &&
           a->target_pages == b->target_pages &&
           a->floor_pages == b->floor_pages && a->fifo == b->fifo &&
           a->no_prefetch == b->no_prefetch;
}

static void path_in(const char *name, char path_out[200])
{
    (void)snprintf(path_out, 200, "%s/%s", dir, name);
}

static void put(const char *name, const char *text, size_t len)
{
    char path[200];
    FILE *file;

    path_in(name, path);
    file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL_FATAL(fwrite(text, 1, len, file), len);
    (void)fclose(file);
}

static size_t get(const char *name, char *text_out, size_t text_bytes)
{
    char path[200];
    size_t len;
    FILE *file;

    path_in(name, path);
    file = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    len = fread(text_out, 1, text_bytes - 1, file);
    (void)fclose(file);
    text_out[len] = '\0';
    return len;
}

static bool has(const char *name)
{
    char path[200];

    path_in(name, path);
    return !access(path, F_OK);
}

static void record_save__there_and_back(void)
{
    struct record record;
    struct found found;
    struct stat st;
    char path[200];
    unsigned int i;

    begin();
    for (i = 0; i < 2 * NR_STATES; i++) {
        record = sample(7);
        record.state = (enum record_state)(i % NR_STATES);
        record.fifo = i & 1;
        record.store_ours = !(i & 2);
        record.no_prefetch = i & 2;
        short_writes = i & 1;
        CU_ASSERT_EQUAL(record_save(dir, &record), 0);
        found = all();
        CU_ASSERT_EQUAL_FATAL(found.nr, 1);
        CU_ASSERT_TRUE(same(&record, &found.last));
        record_dispose(&found.last);
        record_dispose(&record);
    }
    CU_ASSERT_FALSE(has("dom7.session.new"));
    path_in("dom7.session", path);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);

    record = sample(UINT32_MAX - 1);
    CU_ASSERT_EQUAL(record_save(dir, &record), 0);
    record_dispose(&record);
    found = all();
    CU_ASSERT_EQUAL(found.nr, 2);
    record_dispose(&found.last);
    CU_ASSERT_EQUAL(record_remove(dir, 7), 0);
    CU_ASSERT_EQUAL(record_remove(dir, 7), 0);
    found = all();
    CU_ASSERT_EQUAL(found.nr, 1);
    record_dispose(&found.last);
    end();
}

/* Whatever tier-set takes as a store can be read again. */
static void record_save__longest_store(void)
{
    struct record record;
    struct found found;

    begin();
    record = sample(1);
    free(record.store);
    record.store = malloc(4000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(record.store);
    memset(record.store, 1, 3999);
    record.store[0] = '/';
    record.store[3999] = '\0';
    CU_ASSERT_EQUAL(record_save(dir, &record), 0);
    found = all();
    CU_ASSERT_EQUAL_FATAL(found.nr, 1);
    CU_ASSERT_TRUE(same(&record, &found.last));
    record_dispose(&found.last);
    record_dispose(&record);
    end();
}

/*
 * Each call fails once, or everything from it on, as in a crash: afterwards
 * there is the record of before or the new one, and a success is the new one.
 */
static void record_save__nth_call_fails(void)
{
    struct record before, after;
    struct found found;
    unsigned int nth, pass;
    int rc;

    for (pass = 0; pass < 3; pass++) {
        for (nth = 1; nth < 100; nth++) {
            begin();
            before = sample(3);
            after = sample(3);
            after.state = RECORD_DRAINING;
            CU_ASSERT_EQUAL(record_save(dir, &before), 0);
            crash = pass == 1;
            fail_errno = pass == 2 ? ENOSPC : EIO;
            nr_calls = 0;
            fail_nth = nth;
            rc = record_save(dir, &after);
            fail_nth = 0;

            found = all();
            CU_ASSERT_EQUAL_FATAL(found.nr, 1);
            CU_ASSERT_TRUE(same(&found.last, &before) ||
                           same(&found.last, &after));
            CU_ASSERT_FALSE(has("dom3.session.new"));
            if (rc) {
                CU_ASSERT_EQUAL(rc, pass == 2 ? VMM_E_NOSPC : VMM_E_IO);
            } else {
                CU_ASSERT_TRUE(same(&found.last, &after));
            }
            record_dispose(&found.last);
            record_dispose(&before);
            record_dispose(&after);
            end();
            if (nr_calls < nth) {
                break;
            }
        }
        CU_ASSERT_TRUE(nth > 5 && nth < 100);
    }
}

/* Nothing is durable before it was synced, and the name not before that. */
static void record_save__syncs(void)
{
    struct record record = sample(3);
    unsigned int nth, nr_failed = 0;

    for (nth = 1; nth < 20; nth++) {
        begin();
        nr_calls = 0;
        fail_nth = nth;
        nr_failed += record_save(dir, &record) != 0;
        end();
        if (nr_calls < nth) {
            break;
        }
    }
    /* open, write, sync, close, rename; open and sync of the directory. */
    CU_ASSERT_TRUE(nr_failed >= 7);
    record_dispose(&record);
}

static void record_remove__fails(void)
{
    begin();
    put("dom1.session", "x", 1);
    nr_calls = 0;
    fail_nth = 1;
    CU_ASSERT_EQUAL(record_remove(dir, 1), VMM_E_IO);
    CU_ASSERT_TRUE(has("dom1.session"));
    nr_calls = 0;
    fail_nth = 3;       /* the sync of the directory */
    CU_ASSERT_EQUAL(record_remove(dir, 1), VMM_E_IO);
    fail_nth = 0;
    CU_ASSERT_EQUAL(record_remove(dir, 1), 0);
    CU_ASSERT_FALSE(has("dom1.session"));
    CU_ASSERT_EQUAL(record_remove("/nowhere", 1), VMM_E_IO);
    end();
}

/* Cut off anywhere, it is no record; the file stays for somebody to see. */
static void record_each__truncated(void)
{
    char text[2000];
    struct record record;
    struct found found;
    size_t len, at;

    begin();
    log_set_level(VMM_LOG_ERROR);
    record = sample(4);
    CU_ASSERT_EQUAL(record_save(dir, &record), 0);
    len = get("dom4.session", text, sizeof(text));
    CU_ASSERT_EQUAL(text[len - 1], '\n');
    for (at = 0; at < len - 1; at++) {
        put("dom4.session", text, at);
        found = all();
        CU_ASSERT_EQUAL(found.nr, 0);
        CU_ASSERT_TRUE(has("dom4.session"));
    }
    record_dispose(&record);
    end();
}

/*
 * Each byte is another one: it is refused, or it is a record that is well
 * formed and of that domain.
 */
static void record_each__damaged_byte(void)
{
    static const char other[] = { 0, 1, '0', '9', '"', '/', '\n', 'z', ' ',
                                  '}', '\x80', '\xff' };
    char text[2000], bad[2000];
    struct record record;
    struct found found;
    unsigned int i, nr_taken = 0;
    size_t len, at;

    begin();
    record = sample(4);
    CU_ASSERT_EQUAL(record_save(dir, &record), 0);
    len = get("dom4.session", text, sizeof(text));
    for (at = 0; at < len; at++) {
        for (i = 0; i < sizeof(other); i++) {
            if (text[at] == other[i]) {
                continue;
            }
            memcpy(bad, text, len);
            bad[at] = other[i];
            put("dom4.session", bad, len);
            found = all();
            CU_ASSERT_TRUE(has("dom4.session"));
            CU_ASSERT_TRUE(found.nr <= 1);
            if (found.nr) {
                nr_taken++;
                CU_ASSERT_EQUAL(found.last.domid, 4);
                CU_ASSERT_EQUAL(found.last.store[0], '/');
                CU_ASSERT_TRUE(found.last.state < NR_STATES);
                CU_ASSERT_TRUE(strlen(found.last.boot_id) < BOOT_ID_BYTES);
            }
            record_dispose(&found.last);
        }
    }
    /* Digits, and letters of the path. */
    CU_ASSERT_TRUE(nr_taken > 10);
    record_dispose(&record);
    end();
}

static void record_each__bad_ones(void)
{
    static const struct {
        const char *from, *to;
    } rows[] = {
        { "\"version\":1", "\"version\":2" },
        { "\"version\":1,", "" },
        { "\"version\":1", "\"version\":\"1\"" },
        { "\"boot_id\":\"b-o-o-t\"", "\"boot_id\":7" },
        { "b-o-o-t", "0123456789012345678901234567890123456789" },
        { "\"domid\":4", "\"domid\":5" },
        { "\"domid\":4", "\"domid\":-4" },
        { "\"domid\":4", "\"domid\":4294967300" },
        { "\"domid\":4", "\"domid\":4.5" },
        { "f0f1f2f3-", "f0f1f2f3" },
        { "f0f1f2f3-", "f0f1f2f3--" },
        { "f0f1f2f3-", "F0f1f2f3-" },
        { "f0f1f2f3-", " 0f1f2f3-" },
        { "f0f1f2f3-", "-0f1f2f3-" },
        { "fcfdfeff", "fcfdfe" },
        { "fcfdfeff", "fcfdfeff0" },
        { "\"active\"", "\"asleep\"" },
        { "\"active\"", "null" },
        { "\"store\":\"/", "\"store\":\"" },
        { "\"store\":\"/", "\"store\":7,\"s\":\"" },
        { "\"store_ours\":true", "\"store_ours\":1" },
        { "\"target_pages\":18446744073709551615",
          "\"target_pages\":18446744073709551616" },
        { "\"floor_pages\":5,", "" },
        { "\"fifo\":false", "\"fifo\":\"false\"" },
        { "\"no_prefetch\":true", "\"no_prefetch\":{}" },
        { "{", "[" },
    };
    char text[2000], bad[2100];
    struct record record;
    struct found found;
    const char *at;
    size_t i;

    begin();
    log_set_level(VMM_LOG_ERROR);
    record = sample(4);
    CU_ASSERT_EQUAL(record_save(dir, &record), 0);
    (void)get("dom4.session", text, sizeof(text));
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        at = strstr(text, rows[i].from);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        (void)snprintf(bad, sizeof(bad), "%.*s%s%s", (int)(at - text), text,
                       rows[i].to, at + strlen(rows[i].from));
        put("dom4.session", bad, strlen(bad));
        found = all();
        if (found.nr) {
            printf("taken: %s\n", bad);
        }
        CU_ASSERT_EQUAL(found.nr, 0);
        CU_ASSERT_TRUE(has("dom4.session"));
        record_dispose(&found.last);
    }
    record_dispose(&record);
    end();
}

static void record_each__other_files(void)
{
    struct record record;
    struct found found;
    char path[200], text[2000], *big;
    size_t len;

    begin();
    record = sample(4);
    CU_ASSERT_EQUAL(record_save(dir, &record), 0);
    len = get("dom4.session", text, sizeof(text));
    /* Left by a save that did not end. */
    put("dom4.session.new", text, len / 2);
    put("dom5.session.new", text, len);
    /* Of another name than what it says. */
    put("dom04.session", text, len);
    put("x.session", text, len);
    put(".session", text, len);
    put("dom4.session.bak", text, len);
    put("dom4.pages", text, len);
    path_in("dir.session", path);
    CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
    path_in("dom6.session", path);
    CU_ASSERT_EQUAL(symlink("dom4.session", path), 0);
    big = malloc(FILE_BYTES_MAX + 1000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(big);
    memset(big, ' ', FILE_BYTES_MAX + 1000);
    memcpy(big + FILE_BYTES_MAX + 1000 - len, text, len);
    put("dom7.session", big, FILE_BYTES_MAX + 1000);
    free(big);

    found = all();
    CU_ASSERT_EQUAL_FATAL(found.nr, 1);
    CU_ASSERT_TRUE(same(&record, &found.last));
    CU_ASSERT_FALSE(has("dom4.session.new") || has("dom5.session.new"));
    CU_ASSERT_TRUE(has("dom04.session") && has("dom4.pages"));
    record_dispose(&found.last);
    record_dispose(&record);
    CU_ASSERT_EQUAL(record_each("/nowhere", found_one, &found), VMM_E_IO);
    end();
}

static void record_boot_id__is_one_line(void)
{
    char one[BOOT_ID_BYTES], two[BOOT_ID_BYTES];

    CU_ASSERT_EQUAL(record_boot_id(one), 0);
    CU_ASSERT_EQUAL(record_boot_id(two), 0);
    CU_ASSERT_STRING_EQUAL(one, two);
    CU_ASSERT_EQUAL(strlen(one), 36);
}

static const struct ut_case cases[] = {
    UT_CASE(record_save__there_and_back),
    UT_CASE(record_save__longest_store),
    UT_CASE(record_save__nth_call_fails),
    UT_CASE(record_save__syncs),
    UT_CASE(record_remove__fails),
    UT_CASE(record_each__truncated),
    UT_CASE(record_each__damaged_byte),
    UT_CASE(record_each__bad_ones),
    UT_CASE(record_each__other_files),
    UT_CASE(record_boot_id__is_one_line),
};
UT_MAIN("dom0-daemon/record", cases)
