/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * replace.c: a file is written beside the old one, made durable, and takes its
 * name; then the folder is made durable.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/replace.h"
#include "include/vmm.h"

static int last_error(void)
{
    return errno == ENOSPC || errno == EDQUOT ? VMM_E_NOSPC : VMM_E_IO;
}

static int write_new(const char *path, const char *data, size_t size)
{
    int fd, rc = 0;
    ssize_t r;

    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
              0600);
    if (fd < 0) {
        return last_error();
    }
    while (size) {
        r = write(fd, data, size);
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r <= 0) {
            rc = last_error();
            break;
        }
        data += r;
        size -= (size_t)r;
    }
    if (!rc && fsync(fd)) {
        rc = last_error();
    }
    if (close(fd) && !rc) {
        rc = last_error();
    }
    return rc;
}

int vmm__sync_folder_of(const char *path)
{
    char *copy = strdup(path);
    int fd, rc = 0;

    if (!copy) {
        return VMM_E_NOMEM;
    }
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0) {
        return last_error();
    }
    if (fsync(fd)) {
        rc = last_error();
    }
    close(fd);
    return rc;
}

int vmm__replace_file(const char *path, const void *data, size_t size)
{
    char *aside;
    int err, rc;

    if (asprintf(&aside, "%s.new", path) < 0) {
        return VMM_E_NOMEM;
    }
    rc = write_new(aside, data, size);
    if (!rc && rename(aside, path)) {
        rc = last_error();
    }
    if (rc) {
        err = errno;
        (void)unlink(aside);
        errno = err;
    } else {
        rc = vmm__sync_folder_of(path);
    }
    free(aside);
    return rc;
}
