/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream.c: send and receive until all is done; see stream.h. */
#include <errno.h>
#include <sys/socket.h>

#include "base/stream.h"

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
