/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_blocks.c: the block socket and its client, in threads; clients that do
 * not keep to the protocol; a vmmd that goes away.
 */
#include "dom0-daemon/blocks.c"

#include <event2/event.h>
#include <sys/un.h>

#include "dom0-daemon/log.h"
#include "lib/fake_host.h"
#include "lib/ut.h"

#define NR_BLOCKS 4096u
#define BUFFER_BYTES 65536u

static char dir[64], path[96];
static struct conf conf;
static struct loop *loop;
static struct regions *regions;
static struct blocks *blocks;
static pthread_t thread;
static _Atomic bool stop;
static char text[128];

static void *turns(void *arg)
{
    (void)arg;
    while (!stop) {
        (void)event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
        (void)usleep(200);
    }
    return NULL;
}

static void open_all(void)
{
    CU_ASSERT_EQUAL_FATAL(loop_open(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(regions_open(loop, &conf, &regions), 0);
    CU_ASSERT_EQUAL_FATAL(blocks_open(loop, path, regions, &blocks), 0);
}

static void run_loop(void)
{
    stop = false;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, turns, NULL), 0);
}

static void close_all(void)
{
    stop = true;
    (void)pthread_join(thread, NULL);
    blocks_close(blocks);
    regions_close(regions);
    loop_close(loop);
}

static void created(void *user, int rc, const char *why,
                    const struct region *region,
                    const struct region_result *result)
{
    (void)why;
    (void)region;
    (void)result;
    CU_ASSERT_EQUAL(rc, 0);
    *(bool *)user = true;
}

static void make_region(void)
{
    char nvm[96];
    struct region_new params = {
        .name = "r", .nvm = nvm, .nvm_bytes = 16 << 20,
        .region_bytes = (uint64_t)NR_BLOCKS * VMM_BLOCK_BYTES,
    };
    bool done = false;

    (void)snprintf(nvm, sizeof(nvm), "%s/r.nvm", dir);
    regions_create(regions, &params, created, &done);
    while (!done) {
        (void)event_base_loop(loop_base(loop), EVLOOP_ONCE);
    }
}

static void snapshot(const char *name)
{
    struct region_do what = { .verb = REGION_SNAPSHOT, .snapshot = name };
    bool done = false;

    region_do(regions_find(regions, "r"), &what, created, &done);
    while (!done) {
        (void)event_base_loop(loop_base(loop), EVLOOP_ONCE);
    }
}

static void begin(void)
{
    log_set_level(VMM_LOG_ERROR);
    fake_host_make_dir(dir);
    (void)snprintf(path, sizeof(path), "%s/blocks", dir);
    conf = (struct conf){ .state_dir = dir };
    open_all();
    make_region();
}

static void end(void)
{
    close_all();
    fake_host_remove_dir(dir);
}

static void client__reads_and_writes(void)
{
    static char out[BUFFER_BYTES], in[BUFFER_BYTES];
    uint64_t failed = 0, nr = BUFFER_BYTES / VMM_BLOCK_BYTES;
    vmm_blocks *a, *b;
    size_t i;

    begin();
    snapshot("s");
    run_loop();
    CU_ASSERT_EQUAL_FATAL(vmm_blocks_open(path, "r", NULL, BUFFER_BYTES, &a,
                                          text), 0);
    CU_ASSERT_EQUAL(vmm_blocks_nr(a), NR_BLOCKS);
    CU_ASSERT_FALSE(vmm_blocks_read_only(a));
    for (i = 0; i < sizeof(out); i++) {
        out[i] = (char)(i * 7 + i / 4096);
    }
    CU_ASSERT_EQUAL(vmm_blocks_transfer(a, VMM_BLOCKS_WRITE, 5, nr, out,
                                        &failed), 0);
    CU_ASSERT_EQUAL(vmm_blocks_transfer(a, VMM_BLOCKS_READ, 5, nr, in,
                                        &failed), 0);
    CU_ASSERT_EQUAL(memcmp(in, out, sizeof(in)), 0);
    CU_ASSERT_EQUAL(vmm_blocks_transfer(a, VMM_BLOCKS_DISCARD, 6, 1, NULL,
                                        &failed), 0);
    CU_ASSERT_EQUAL(vmm_blocks_transfer(a, VMM_BLOCKS_READ, 5, 3, in,
                                        &failed), 0);
    CU_ASSERT_EQUAL(memcmp(in, out, 4096), 0);
    CU_ASSERT_EQUAL(in[4096], 0);
    CU_ASSERT_EQUAL(memcmp(in + 8192, out + 8192, 4096), 0);

    /* Past the end, more than the buffer, and after all of that. */
    CU_ASSERT_EQUAL(vmm_blocks_transfer(a, VMM_BLOCKS_WRITE, NR_BLOCKS - 1, 2,
                                        out, &failed), VMM_E_RANGE);
    CU_ASSERT_EQUAL(failed, NR_BLOCKS);
    CU_ASSERT_EQUAL(vmm_blocks_transfer(a, VMM_BLOCKS_READ, 0, nr + 1, in,
                                        &failed), VMM_E_RANGE);
    CU_ASSERT_EQUAL(vmm_blocks_transfer(a, VMM_BLOCKS_DISCARD, UINT64_MAX,
                                        UINT64_MAX, NULL, &failed),
                    VMM_E_RANGE);

    CU_ASSERT_EQUAL_FATAL(vmm_blocks_open(path, "r", "s", 4096, &b, text), 0);
    CU_ASSERT_TRUE(vmm_blocks_read_only(b));
    CU_ASSERT_EQUAL(vmm_blocks_transfer(b, VMM_BLOCKS_READ, 5, 1, in,
                                        &failed), 0);
    CU_ASSERT_EQUAL(in[1], 0);
    CU_ASSERT_EQUAL(vmm_blocks_transfer(b, VMM_BLOCKS_WRITE, 5, 1, out,
                                        &failed), VMM_E_PERM);
    CU_ASSERT_EQUAL(vmm_blocks_transfer(b, VMM_BLOCKS_DISCARD, 5, 1, NULL,
                                        &failed), VMM_E_PERM);
    vmm_blocks_close(b);
    vmm_blocks_close(a);
    end();
}

static void client__is_refused(void)
{
    vmm_blocks *a = NULL;

    begin();
    run_loop();
    CU_ASSERT_EQUAL(vmm_blocks_open(path, "x", NULL, 4096, &a, text),
                    VMM_E_NOENT);
    CU_ASSERT_STRING_EQUAL(text, "there is no such region");
    CU_ASSERT_EQUAL(vmm_blocks_open(path, "r", "x", 4096, &a, text),
                    VMM_E_NOENT);
    CU_ASSERT_EQUAL(vmm_blocks_open(path, "r", NULL, 4095, &a, text),
                    VMM_E_INVAL);
    CU_ASSERT_EQUAL(vmm_blocks_open(path, "r", NULL,
                                    VMM_BLOCKS_BUFFER_MAX + 4096, &a, text),
                    VMM_E_INVAL);
    CU_ASSERT_EQUAL(vmm_blocks_open("/nowhere/at/all", "r", NULL, 4096, &a,
                                    text), VMM_E_PEER);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "is vmmd running?"));
    end();
    CU_ASSERT_EQUAL(vmm_blocks_open(path, "r", NULL, 4096, &a, text),
                    VMM_E_PEER);
}

/* By hand: with a descriptor, or none, and bytes of a hello. */
static int say_hello(int passed_fd, const struct vmm_blocks_hello *hello,
                     size_t len)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { .buf = { 0 } };
    struct iovec iov = {
        .iov_base = (void *)(uintptr_t)hello, .iov_len = len,
    };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct vmm_blocks_welcome welcome = { .rc = 1 };
    struct cmsghdr *cmsg;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(addr.sun_path, path);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&addr,
                                  sizeof(addr)), 0);
    if (passed_fd >= 0) {
        msg.msg_control = control.buf;
        msg.msg_controllen = sizeof(control.buf);
        cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &passed_fd, sizeof(int));
    }
    CU_ASSERT_TRUE(sendmsg(fd, &msg, MSG_NOSIGNAL) > 0);
    if (len < sizeof(*hello)) {
        (void)shutdown(fd, SHUT_WR);
    }
    (void)vmm__recv_all(fd, &welcome, sizeof(welcome));
    (void)close(fd);
    return welcome.rc;
}

static int memfd(off_t bytes, int seals)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    CU_ASSERT_EQUAL(ftruncate(fd, bytes), 0);
    CU_ASSERT_EQUAL(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void hello__hostile(void)
{
    struct vmm_blocks_hello good = {
        .magic = VMM_BLOCKS_MAGIC, .buffer_bytes = 8192, .region = "r",
    }, hello;
    int fds[] = {
        memfd(8192, F_SEAL_SHRINK), memfd(4096, F_SEAL_SHRINK),
        memfd(8192, F_SEAL_GROW), open("/dev/null", O_RDWR | O_CLOEXEC),
    };
    unsigned int i;

    begin();
    run_loop();
    CU_ASSERT_EQUAL(say_hello(fds[0], &good, sizeof(good)), 0);
    CU_ASSERT_EQUAL(say_hello(-1, &good, sizeof(good)), VMM_E_INVAL);
    for (i = 1; i < 4; i++) {
        CU_ASSERT_EQUAL(say_hello(fds[i], &good, sizeof(good)), VMM_E_INVAL);
    }
    CU_ASSERT_EQUAL(say_hello(fds[0], &good, 20), 1);
    hello = good;
    hello.magic++;
    CU_ASSERT_EQUAL(say_hello(fds[0], &hello, sizeof(hello)), VMM_E_INVAL);
    hello = good;
    hello.flags = 1;
    CU_ASSERT_EQUAL(say_hello(fds[0], &hello, sizeof(hello)), VMM_E_INVAL);
    hello = good;
    memset(hello.region, 'r', sizeof(hello.region));
    CU_ASSERT_EQUAL(say_hello(fds[0], &hello, sizeof(hello)), VMM_E_INVAL);
    hello = good;
    memset(hello.snapshot, 's', sizeof(hello.snapshot));
    CU_ASSERT_EQUAL(say_hello(fds[0], &hello, sizeof(hello)), VMM_E_INVAL);
    CU_ASSERT_EQUAL(say_hello(fds[0], &good, sizeof(good)), 0);
    for (i = 0; i < 4; i++) {
        (void)close(fds[i]);
    }
    end();
}

static void request__hostile(void)
{
    static char page[4096];
    uint64_t failed;
    vmm_blocks *a;

    begin();
    run_loop();
    CU_ASSERT_EQUAL_FATAL(vmm_blocks_open(path, "r", NULL, 4096, &a, text),
                          0);
    CU_ASSERT_EQUAL(vmm_blocks_transfer(a, (enum vmm_blocks_op)99, 0, 1, page,
                                        &failed), VMM_E_INVAL);
    CU_ASSERT_EQUAL(vmm_blocks_transfer(a, (enum vmm_blocks_op)0, 0, 1, page,
                                        &failed), VMM_E_INVAL);
    CU_ASSERT_EQUAL(vmm_blocks_transfer(a, VMM_BLOCKS_READ, UINT64_MAX, 1,
                                        page, &failed), VMM_E_RANGE);
    vmm_blocks_close(a);
    end();
}

/* What was acknowledged is there when vmmd has been started again. */
static void vmmd__goes_and_comes(void)
{
    static char page[4096] = "kept", in[4096];
    uint64_t failed;
    vmm_blocks *a;

    begin();
    run_loop();
    CU_ASSERT_EQUAL_FATAL(vmm_blocks_open(path, "r", NULL, 4096, &a, text),
                          0);
    CU_ASSERT_EQUAL(vmm_blocks_transfer(a, VMM_BLOCKS_WRITE, 9, 1, page,
                                        &failed), 0);
    close_all();
    CU_ASSERT_EQUAL(vmm_blocks_transfer(a, VMM_BLOCKS_READ, 9, 1, in,
                                        &failed), VMM_E_PEER);
    vmm_blocks_close(a);
    open_all();
    run_loop();
    CU_ASSERT_EQUAL_FATAL(vmm_blocks_open(path, "r", NULL, 4096, &a, text),
                          0);
    CU_ASSERT_EQUAL(vmm_blocks_transfer(a, VMM_BLOCKS_READ, 9, 1, in,
                                        &failed), 0);
    CU_ASSERT_STRING_EQUAL(in, "kept");
    vmm_blocks_close(a);
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(client__reads_and_writes),
    UT_CASE(client__is_refused),
    UT_CASE(hello__hostile),
    UT_CASE(request__hostile),
    UT_CASE(vmmd__goes_and_comes),
};

UT_MAIN("dom0-daemon/blocks", cases)
