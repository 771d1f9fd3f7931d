/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_mcelog.c: machine-check records are read, and passed on to whoever can
 * keep up.  The device is a pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/ioctl.h>

static int device[2], open_errno, record_len, log_len;
static bool ioctl_fails;

static int ut_open(const char *path, int flags, ...)
{
    (void)path;
    if (!(flags & O_EXCL) || open_errno) {
        errno = open_errno;
        return -1;
    }
    return fcntl(device[0], F_DUPFD_CLOEXEC, 0);
}

static int ut_ioctl(int fd, unsigned long request, ...)
{
    va_list ap;

    (void)fd;
    va_start(ap, request);
    *va_arg(ap, int *) = request == _IOR('M', 1, int) ? record_len : log_len;
    va_end(ap);
    return ioctl_fails ? -1 : 0;
}

#define open ut_open
#define ioctl ut_ioctl
#include "dom0-daemon/mcelog.c"
#undef open
#undef ioctl

#include <stdio.h>
#include <sys/un.h>

#include "lib/ut.h"

#define RECORD 128
#define FINISHED 67             /* offset in struct xen_mce */

static char path[64];
static struct loop *loop;
static struct mcelog *mcelog;
static unsigned int nr_arrived;

static void arrived(void *user)
{
    CU_ASSERT_PTR_EQUAL(user, &nr_arrived);
    nr_arrived++;
}

static int begin(void)
{
    (void)snprintf(path, sizeof(path), "/tmp/vmmd-mce-%d.sock", getpid());
    (void)unlink(path);
    CU_ASSERT_EQUAL_FATAL(pipe2(device, O_NONBLOCK | O_CLOEXEC), 0);
    CU_ASSERT_EQUAL_FATAL(loop_open(&loop), 0);
    nr_arrived = 0;
    mcelog = NULL;
    return mcelog_open(loop, "/dev/mcelog", path, arrived, &nr_arrived,
                       &mcelog);
}

static void finish(void)
{
    mcelog_close(mcelog);
    loop_close(loop);
    (void)close(device[0]);
    (void)close(device[1]);
    CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
    open_errno = 0;
    ioctl_fails = false;
    record_len = RECORD;
    log_len = 32;
}

static int connect_one(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
                          0);
    on_accept(mcelog);
    return fd;
}

static void put(uint64_t status, uint64_t addr, bool finished)
{
    uint8_t record[RECORD] = { 0 };

    memcpy(record, &status, sizeof(status));
    memcpy(record + 16, &addr, sizeof(addr));
    record[FINISHED] = finished;
    CU_ASSERT_EQUAL(write(device[1], record, sizeof(record)), RECORD);
}

static unsigned int lines_of(int fd, char *text, size_t size)
{
    ssize_t r = read(fd, text, size - 1), i;
    unsigned int nr = 0;

    text[r > 0 ? r : 0] = '\0';
    for (i = 0; i < r; i++) {
        nr += text[i] == '\n';
    }
    return nr;
}

static void records__to_everybody(void)
{
    char text[4096];
    int a, b;

    CU_ASSERT_EQUAL_FATAL(begin(), 0);
    a = connect_one();
    b = connect_one();
    put(1ull << 61 | 1ull << 58, 0x1234000, true);
    put(0, 0, false);
    put(0, 0x1234000, true);
    on_records(mcelog);
    CU_ASSERT_EQUAL(nr_arrived, 1);
    CU_ASSERT_EQUAL(lines_of(a, text, sizeof(text)), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"addr\":\"0x1234000\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"addr\":\"0x0\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"uncorrected\":true"));
    CU_ASSERT_EQUAL(lines_of(b, text, sizeof(text)), 2);
    /* Nothing, and then one that has gone. */
    on_records(mcelog);
    CU_ASSERT_EQUAL(nr_arrived, 1);
    (void)close(a);
    put(0, 0, true);
    on_records(mcelog);
    CU_ASSERT_EQUAL(mcelog->nr_clients, 1);
    CU_ASSERT_EQUAL(lines_of(b, text, sizeof(text)), 1);
    (void)close(b);
    finish();
}

/* It does not read: it is left behind, and the others are not. */
static void records__a_slow_client(void)
{
    char text[65536];
    unsigned int i, got = 0;
    int slow, quick;

    CU_ASSERT_EQUAL_FATAL(begin(), 0);
    slow = connect_one();
    quick = connect_one();
    for (i = 0; i < 10000 && mcelog->nr_clients == 2; i++) {
        put(0, i, true);
        on_records(mcelog);
        got += lines_of(quick, text, sizeof(text));
    }
    CU_ASSERT_EQUAL(mcelog->nr_clients, 1);
    CU_ASSERT_EQUAL(got, i);
    (void)close(slow);
    (void)close(quick);
    finish();
}

static void accept__as_many_as_there_may_be(void)
{
    int fds[MCELOG_CLIENTS_MAX + 3];
    unsigned int i;

    CU_ASSERT_EQUAL_FATAL(begin(), 0);
    for (i = 0; i < MCELOG_CLIENTS_MAX + 3; i++) {
        fds[i] = connect_one();
    }
    CU_ASSERT_EQUAL(mcelog->nr_clients, MCELOG_CLIENTS_MAX);
    for (i = 0; i < MCELOG_CLIENTS_MAX + 3; i++) {
        (void)close(fds[i]);
    }
    put(0, 0, true);
    on_records(mcelog);
    CU_ASSERT_EQUAL(mcelog->nr_clients, 0);
    on_accept(mcelog);
    finish();
}

/* Without a device, or with one that is none, vmmd goes on. */
static void open__no_device(void)
{
    static const int errnos[] = { ENOENT, EBUSY, EACCES };
    static const int lens[][2] = {
        { 0, 32 }, { -1, 32 }, { 4096, 32 }, { 128, 0 }, { 128, 100000 },
    };
    size_t i;

    for (i = 0; i < 3; i++) {
        open_errno = errnos[i];
        CU_ASSERT_EQUAL(begin(), 0);
        CU_ASSERT_PTR_NULL(mcelog->records);
        finish();
    }
    for (i = 0; i < 5; i++) {
        record_len = lens[i][0];
        log_len = lens[i][1];
        CU_ASSERT_EQUAL(begin(), 0);
        CU_ASSERT_PTR_NULL(mcelog->records);
        finish();
    }
    ioctl_fails = true;
    CU_ASSERT_EQUAL(begin(), 0);
    CU_ASSERT_PTR_NULL(mcelog->records);
    finish();
}

static void records__the_device_fails(void)
{
    CU_ASSERT_EQUAL_FATAL(begin(), 0);
    (void)close(mcelog->device_fd);
    mcelog->device_fd = fcntl(device[1], F_DUPFD_CLOEXEC, 0);
    on_records(mcelog);
    CU_ASSERT_PTR_NULL(mcelog->records);
    CU_ASSERT_EQUAL(nr_arrived, 0);
    finish();
}

static const struct ut_case cases[] = {
    UT_CASE(open__no_device),
    UT_CASE(records__to_everybody),
    UT_CASE(records__a_slow_client),
    UT_CASE(records__the_device_fails),
    UT_CASE(accept__as_many_as_there_may_be),
};

UT_MAIN("dom0-daemon/mcelog", cases)
