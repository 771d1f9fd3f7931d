/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream.c: send and receive until all is done; see stream.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/stream.h"
#include "include/vmm.h"

bool vmm__send_all(int fd, const void *data, size_t len_bytes)
{
    const char *at = data;
    ssize_t r;

    while (len_bytes) {
        r = send(fd, at, len_bytes, MSG_NOSIGNAL);
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r < 0) {
            return false;
        }
        at += r;
        len_bytes -= (size_t)r;
    }
    return true;
}

bool vmm__recv_all(int fd, void *data, size_t len_bytes)
{
    char *at = data;
    ssize_t r;

    while (len_bytes) {
        r = recv(fd, at, len_bytes, MSG_WAITALL);
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r <= 0) {
            errno = r ? errno : 0;
            return false;
        }
        at += r;
        len_bytes -= (size_t)r;
    }
    return true;
}

#define BACKLOG 16

int vmm__listen(const char *path, int *fd_out)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    size_t len = strlen(path);
    mode_t mask;
    int fd, r, err;

    if (len >= sizeof(addr.sun_path)) {
        return VMM_E_RANGE;
    }
    memcpy(addr.sun_path, path, len);
    (void)unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return VMM_E_LOCAL;
    }
    mask = umask(0177);
    r = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
    (void)umask(mask);
    if (r || listen(fd, BACKLOG)) {
        err = errno;
        (void)close(fd);
        errno = err;
        return VMM_E_LOCAL;
    }
    *fd_out = fd;
    return 0;
}
