/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_storefile.c: which files are opened, how, and which are not. */
#include "port/storefile.c"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "lib/ut.h"

#define MIB (1ull << 20)

static char dir[64], path[96];
static struct vmm__storefile file;
static char last_log[512];

static void keep_log(void *user, enum vmm_log_level level, const char *msg)
{
    (void)user;
    (void)level;
    (void)snprintf(last_log, sizeof(last_log), "%s", msg);
}

static const struct vmm_logger logger = { .log = keep_log };

static void setup(void)
{
    lock_wait_ms = 100;
    file.fd = -1;
    last_log[0] = 0;
    (void)snprintf(dir, sizeof(dir), "/var/tmp/ut-storefile-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/store", dir);
}

static void teardown(void)
{
    vmm__storefile_close(&file);
    (void)unlink(path);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static int try(uint64_t size_bytes, unsigned int flags)
{
    vmm__storefile_close(&file);
    return vmm__storefile_open(path, size_bytes, flags, &logger, &file);
}

static void write_file(const char *text, off_t len)
{
    FILE *f = fopen(path, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    (void)fputs(text, f);
    (void)fclose(f);
    CU_ASSERT_EQUAL(truncate(path, len), 0);
}

static off_t length(void)
{
    struct stat st;

    CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
    return st.st_size;
}

static void open__creates(void)
{
    struct stat st;

    setup();
    CU_ASSERT_EQUAL(try(MIB, 0), VMM_E_NOENT);
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_EXISTING), VMM_E_NOENT);
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE), 0);
    CU_ASSERT_EQUAL(file.size_bytes, MIB);
    CU_ASSERT_EQUAL(fstat(file.fd, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    CU_ASSERT_EQUAL((uint64_t)st.st_size, MIB + BLOCK_BYTES);
    CU_ASSERT((uint64_t)st.st_blocks * 512 >= MIB);
    CU_ASSERT_EQUAL(fcntl(file.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CU_ASSERT_EQUAL(file.dev, st.st_dev);
    teardown();
}

static void open__ours_again(void)
{
    setup();
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE), 0);
    CU_ASSERT_EQUAL(try(MIB, 0), 0);
    /* It grows, and is ours at its new end. */
    CU_ASSERT_EQUAL(try(2 * MIB, VMM__BDEV_CREATE), 0);
    CU_ASSERT_EQUAL(file.size_bytes, 2 * MIB);
    CU_ASSERT_EQUAL((uint64_t)length(), 2 * MIB + BLOCK_BYTES);
    /* It does not shrink; less of it is used, or all. */
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE), 0);
    CU_ASSERT_EQUAL(file.size_bytes, MIB);
    CU_ASSERT_EQUAL((uint64_t)length(), 2 * MIB + BLOCK_BYTES);
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_EXISTING), 0);
    CU_ASSERT_EQUAL(file.size_bytes, 2 * MIB);
    teardown();
}

static void open__of_somebody_else(void)
{
    static const off_t lengths[] = { 5, 4096, 100000, 65536 };
    size_t i;

    setup();
    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char text[8] = { 0 };
        FILE *f;

        write_file("mine!", lengths[i]);
        CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE), VMM_E_EXISTS);
        CU_ASSERT_EQUAL(try(4096, 0), VMM_E_EXISTS);
        CU_ASSERT_EQUAL(length(), lengths[i]);
        CU_ASSERT_PTR_NOT_NULL(strstr(last_log, "something else"));
        f = fopen(path, "r");
        CU_ASSERT_PTR_NOT_NULL(fgets(text, sizeof(text), f));
        (void)fclose(f);
        CU_ASSERT_STRING_EQUAL(text, "mine!");
    }
    teardown();
}

/* A store that lost its end, or a file made by hand. */
static void open__existing(void)
{
    setup();
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE), 0);
    CU_ASSERT_EQUAL(truncate(path, MIB / 2), 0);
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE), VMM_E_EXISTS);
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_EXISTING), 0);
    CU_ASSERT_EQUAL(file.size_bytes, MIB);
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE), 0);

    write_file("", 3 * MIB + 100);
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_EXISTING), 0);
    CU_ASSERT_EQUAL(file.size_bytes, 3 * MIB);
    CU_ASSERT_EQUAL((uint64_t)length(), 3 * MIB + BLOCK_BYTES);
    CU_ASSERT_EQUAL(try(MIB, 0), 0);
    teardown();
}

static void open__other_version(void)
{
    uint32_t version = 2;
    int fd;

    setup();
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE), 0);
    fd = open(path, O_RDWR);
    CU_ASSERT_EQUAL(pwrite(fd, &version, 4, MIB + 8), 4);
    (void)close(fd);
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE | VMM__BDEV_EXISTING),
                    VMM_E_VERSION);
    teardown();
}

static void open__empty_file(void)
{
    setup();
    write_file("", 0);
    CU_ASSERT_EQUAL(try(MIB, 0), 0);
    CU_ASSERT_EQUAL(file.size_bytes, MIB);
    teardown();
}

static void open__bad_sizes(void)
{
    setup();
    CU_ASSERT_EQUAL(try(100, VMM__BDEV_CREATE), VMM_E_RANGE);
    CU_ASSERT_EQUAL(try(UINT64_MAX / 4096 * 4096, VMM__BDEV_CREATE),
                    VMM_E_RANGE);
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
    CU_ASSERT_EQUAL(try(0, VMM__BDEV_CREATE), VMM_E_RANGE);
    teardown();
}

static void open__not_a_file(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    char other[128];
    int fd;

    setup();
    CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE), VMM_E_INVAL);
    (void)rmdir(path);
    CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE), VMM_E_INVAL);
    (void)unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE), VMM_E_INVAL);
    (void)close(fd);
    (void)unlink(path);
    CU_ASSERT_EQUAL(vmm__storefile_open("/dev/null", MIB, VMM__BDEV_CREATE,
                                        &logger, &file), VMM_E_INVAL);

    /* A link, to a file or to nothing. */
    (void)snprintf(other, sizeof(other), "%s.other", path);
    CU_ASSERT_EQUAL(symlink(other, path), 0);
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE), VMM_E_EXISTS);
    fd = open(other, O_CREAT | O_RDWR, 0600);
    (void)close(fd);
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE), VMM_E_INVAL);
    (void)unlink(other);
    teardown();
}

/* A name in /dev that is misspelt must not become a file in memory. */
static void open__no_such_device(void)
{
    struct stat st;

    CU_ASSERT_EQUAL(vmm__storefile_open("/dev/ut-no-such-device", MIB,
                                        VMM__BDEV_CREATE, &logger, &file),
                    VMM_E_NOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(last_log, "no such device"));
    CU_ASSERT_NOT_EQUAL(stat("/dev/ut-no-such-device", &st), 0);
}

static void open__in_use(void)
{
    struct vmm__storefile other;

    setup();
    CU_ASSERT_EQUAL(try(MIB, VMM__BDEV_CREATE), 0);
    CU_ASSERT_EQUAL(vmm__storefile_open(path, MIB, 0, &logger, &other),
                    VMM_E_BUSY);
    teardown();
}

/* A successor waits until a process that was killed is really gone. */
static void open__waits_for_the_dying(void)
{
    int status, pipes[2];
    char byte;
    pid_t pid;

    setup();
    lock_wait_ms = 5000;
    CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
    pid = fork();
    if (!pid) {
        int rc = try(MIB, VMM__BDEV_CREATE);

        (void)!write(pipes[1], "x", 1);
        (void)poll(NULL, 0, 200);
        _exit(rc != 0);
    }
    CU_ASSERT_EQUAL(read(pipes[0], &byte, 1), 1);
    CU_ASSERT_EQUAL(try(MIB, 0), 0);
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(status, 0);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    teardown();
}

/* What cannot be set aside is taken when it is written. */
static void open__no_room(void)
{
    struct rlimit old, limit;

    setup();
    (void)signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = MIB;
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CU_ASSERT_EQUAL(try(4 * MIB, VMM__BDEV_CREATE), VMM_E_NOSPC);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &old), 0);
    teardown();
}

static void error__each_is_ours(void)
{
    int err;

    for (err = 1; err < 134; err++) {
        CU_ASSERT(vmm_error_class_of(vmm__storefile_error(err)) !=
                  VMM_ECLASS_NONE);
    }
    CU_ASSERT_EQUAL(vmm__storefile_error(ENOSPC), VMM_E_NOSPC);
    CU_ASSERT_EQUAL(vmm__storefile_error(EIO), VMM_E_IO);
}

static const struct ut_case cases[] = {
    UT_CASE(open__creates),
    UT_CASE(open__ours_again),
    UT_CASE(open__of_somebody_else),
    UT_CASE(open__existing),
    UT_CASE(open__other_version),
    UT_CASE(open__empty_file),
    UT_CASE(open__bad_sizes),
    UT_CASE(open__not_a_file),
    UT_CASE(open__no_such_device),
    UT_CASE(open__in_use),
    UT_CASE(open__waits_for_the_dying),
    UT_CASE(open__no_room),
    UT_CASE(error__each_is_ours),
};

UT_MAIN("port/storefile", cases)
