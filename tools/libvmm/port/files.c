/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* files.c: see files.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/replace.h"
#include "port/efivar.h"
#include "port/files.h"
#include "port/storefile.h"

/* Linux 5.14, fs/ext4/ext4.h; not in a header for programs. */
#ifndef EXT4_IOC_CHECKPOINT
#define EXT4_IOC_CHECKPOINT _IOW('f', 43, uint32_t)
#endif

static int last_error(void)
{
    return vmm__storefile_error(errno);
}

static int read_fd(int fd, size_t max_bytes, void **data_out, size_t *size_out)
{
    struct stat st;
    size_t done = 0;
    ssize_t r = 1;
    char *data;

    if (fstat(fd, &st)) {
        return last_error();
    }
    if (!S_ISREG(st.st_mode)) {
        return VMM_E_FORMAT;
    }
    if ((uint64_t)st.st_size > max_bytes) {
        return VMM_E_RANGE;
    }
    data = malloc((size_t)st.st_size + 1);
    if (!data) {
        return VMM_E_NOMEM;
    }
    while (r && done < (size_t)st.st_size) {
        r = read(fd, data + done, (size_t)st.st_size - done);
        if (r < 0 && errno != EINTR) {
            free(data);
            return last_error();
        }
        done += r > 0 ? (size_t)r : 0;
    }
    *data_out = data;
    *size_out = done;
    return 0;
}

static int files_read(void *self, const char *path, size_t max_bytes,
                      void **data_out, size_t *size_out)
{
    int fd, rc;

    (void)self;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT ? VMM_E_NOENT : last_error();
    }
    rc = read_fd(fd, max_bytes, data_out, size_out);
    (void)close(fd);
    return rc;
}

static int files_replace(void *self, const char *path, const void *data,
                         size_t size)
{
    (void)self;
    return vmm__replace_file(path, data, size);
}

/* Frozen, a file system has its journal empty; nothing may come between. */
static int freeze_and_thaw(int fd)
{
    sigset_t all, before;
    int rc = 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (ioctl(fd, FIFREEZE, 0)) {
        rc = errno == EIO ? VMM_E_IO : VMM_E_NOTSUP;
    } else if (ioctl(fd, FITHAW, 0)) {
        rc = last_error();
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static int files_settle(void *self, const char *path)
{
    struct statfs st;
    uint32_t flags = 0;
    int fd, rc = 0;

    (void)self;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return last_error();
    }
    if (fstatfs(fd, &st)) {
        rc = last_error();
    } else if (st.f_type == MSDOS_SUPER_MAGIC) {
        rc = 0;     /* no journal, and what was synced is where it belongs */
    } else if (ioctl(fd, EXT4_IOC_CHECKPOINT, &flags)) {
        rc = errno == EIO ? VMM_E_IO : freeze_and_thaw(fd);
    }
    (void)close(fd);
    return rc;
}

static int files_set_variable(void *self, const void *data, size_t size)
{
    (void)self;
    return vmm__efivar_set(data, size);
}

const struct vmm__files_ops vmm__files_posix = {
    .read = files_read,
    .replace = files_replace,
    .settle = files_settle,
    .set_variable = files_set_variable,
};
