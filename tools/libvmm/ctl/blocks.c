/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* blocks.c: the client of vmmd's block socket; see vmm_blocks.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/stream.h"
#include "include/vmm_blocks.h"

struct vmm_blocks {
    int fd, memfd;
    uint8_t *buffer;
    uint32_t buffer_bytes;
    uint64_t nr_blocks;
    bool read_only;
};

/* The hello, and with its first byte the descriptor. */
static int send_hello(int fd, const struct vmm_blocks_hello *hello,
                      int passed_fd)
{
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { .buf = { 0 } };
    struct iovec iov = {
        .iov_base = (void *)(uintptr_t)hello, .iov_len = sizeof(*hello),
    };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.buf,
        .msg_controllen = sizeof(control.buf),
    };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    ssize_t r;

    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &passed_fd, sizeof(int));
    do {
        r = sendmsg(fd, &msg, MSG_NOSIGNAL);
    } while (r < 0 && errno == EINTR);
    return r > 0 && vmm__send_all(fd, (const char *)hello + r,
                                  sizeof(*hello) - (size_t)r)
           ? 0 : VMM_E_PEER;
}

static int make_buffer(vmm_blocks *blocks, uint32_t bytes)
{
    void *at;

    blocks->memfd = memfd_create("vmm-blocks", MFD_CLOEXEC |
                                               MFD_ALLOW_SEALING);
    if (blocks->memfd < 0 || ftruncate(blocks->memfd, bytes) ||
        fcntl(blocks->memfd, F_ADD_SEALS, F_SEAL_SHRINK)) {
        return VMM_E_NOMEM;
    }
    at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, blocks->memfd,
              0);
    if (at == MAP_FAILED) {
        return VMM_E_NOMEM;
    }
    blocks->buffer = at;
    blocks->buffer_bytes = bytes;
    return 0;
}

static int dial(const char *socket_path, vmm_blocks *blocks)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    if (strlen(socket_path) >= sizeof(addr.sun_path)) {
        return VMM_E_INVAL;
    }
    memcpy(addr.sun_path, socket_path, strlen(socket_path));
    blocks->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (blocks->fd < 0) {
        return VMM_E_LOCAL;
    }
    if (connect(blocks->fd, (struct sockaddr *)&addr, sizeof(addr))) {
        return errno == EACCES || errno == EPERM ? VMM_E_PERM : VMM_E_PEER;
    }
    return 0;
}

int vmm_blocks_open(const char *socket_path, const char *region,
                    const char *snapshot, uint32_t buffer_bytes,
                    vmm_blocks **blocks_out, char text_out[128])
{
    struct vmm_blocks_hello hello = {
        .magic = VMM_BLOCKS_MAGIC, .buffer_bytes = buffer_bytes,
    };
    struct vmm_blocks_welcome welcome;
    vmm_blocks *blocks;
    int rc;

    text_out[0] = '\0';
    snapshot = snapshot ? snapshot : "";
    if (strlen(region) >= sizeof(hello.region) ||
        strlen(snapshot) >= sizeof(hello.snapshot)) {
        return VMM_E_INVAL;
    }
    strcpy(hello.region, region);
    strcpy(hello.snapshot, snapshot);
    blocks = calloc(1, sizeof(*blocks));
    if (!blocks) {
        return VMM_E_NOMEM;
    }
    blocks->fd = blocks->memfd = -1;

    rc = make_buffer(blocks, buffer_bytes);
    rc = rc ? rc : dial(socket_path, blocks);
    if (rc == VMM_E_PEER) {
        (void)snprintf(text_out, 128, "%.90s: is vmmd running?",
                       socket_path);
    }
    rc = rc ? rc : send_hello(blocks->fd, &hello, blocks->memfd);
    if (!rc && !vmm__recv_all(blocks->fd, &welcome, sizeof(welcome))) {
        rc = VMM_E_PEER;
    }
    if (!rc && welcome.magic != VMM_BLOCKS_MAGIC) {
        rc = VMM_E_FORMAT;
    }
    if (!rc && welcome.rc) {
        (void)snprintf(text_out, 128, "%.*s", (int)sizeof(welcome.text) - 1,
                       welcome.text);
        rc = welcome.rc;
    }
    if (rc) {
        vmm_blocks_close(blocks);
        return rc;
    }
    blocks->nr_blocks = welcome.nr_blocks;
    blocks->read_only = welcome.read_only;
    *blocks_out = blocks;
    return 0;
}

void vmm_blocks_close(vmm_blocks *blocks)
{
    if (!blocks) {
        return;
    }
    if (blocks->fd >= 0) {
        (void)close(blocks->fd);
    }
    if (blocks->buffer) {
        (void)munmap(blocks->buffer, blocks->buffer_bytes);
    }
    if (blocks->memfd >= 0) {
        (void)close(blocks->memfd);
    }
    free(blocks);
}

uint64_t vmm_blocks_nr(const vmm_blocks *blocks)
{
    return blocks->nr_blocks;
}

bool vmm_blocks_read_only(const vmm_blocks *blocks)
{
    return blocks->read_only;
}

int vmm_blocks_transfer(vmm_blocks *blocks, enum vmm_blocks_op op,
                        uint64_t first, uint64_t nr, void *buf,
                        uint64_t *failed_out)
{
    struct vmm_blocks_request request = {
        .op = op, .first = first, .nr = nr,
    };
    struct vmm_blocks_reply reply;

    if (op != VMM_BLOCKS_DISCARD &&
        nr > blocks->buffer_bytes / VMM_BLOCK_BYTES) {
        return VMM_E_RANGE;
    }
    if (op == VMM_BLOCKS_WRITE) {
        memcpy(blocks->buffer, buf, nr * VMM_BLOCK_BYTES);
    }
    if (!vmm__send_all(blocks->fd, &request, sizeof(request)) ||
        !vmm__recv_all(blocks->fd, &reply, sizeof(reply))) {
        return VMM_E_PEER;
    }
    if (op == VMM_BLOCKS_READ && !reply.rc) {
        memcpy(buf, blocks->buffer, nr * VMM_BLOCK_BYTES);
    }
    if (failed_out) {
        *failed_out = reply.failed;
    }
    return reply.rc;
}
