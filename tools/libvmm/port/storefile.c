/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storefile.c: opening the file or block device that is a store. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "port/storefile.h"

#define BLOCK_BYTES VMM__STOREFILE_BLOCK_BYTES
/* What a killed process had in flight is over by then; tests wait less. */
static int lock_wait_ms = 5000;
#define LOCK_STEP_MS 20

#define TRAILER_MAGIC 0x524f5453304d4d56ull     /* "VMM0STOR" */
#define TRAILER_VERSION 1u

/* The last block of a file of ours. */
struct trailer_rec {
    uint64_t magic;
    uint32_t version;
    uint32_t _res1;
    uint8_t _res2[BLOCK_BYTES - 16];
};
_Static_assert(sizeof(struct trailer_rec) == BLOCK_BYTES, "trailer");

int vmm__storefile_error(int err)
{
    switch (err) {
    case ENOENT:
        return VMM_E_NOENT;
    case EEXIST:
        return VMM_E_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return VMM_E_PERM;
    case EBUSY:
    case ETXTBSY:
    case EWOULDBLOCK:
        return VMM_E_BUSY;
    case ENOMEM:
        return VMM_E_NOMEM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return VMM_E_NOSPC;
    case EINVAL:
    case EISDIR:
    case ENOTDIR:
    case ELOOP:
    case ENXIO:
    case ENAMETOOLONG:
        return VMM_E_INVAL;
    case EIO:
        return VMM_E_IO;
    case ENOSYS:
    case EOPNOTSUPP:
        return VMM_E_NOTSUP;
    default:
        return VMM_E_LOCAL;
    }
}

static int fail(const struct vmm_logger *logger, const char *path,
                const char *what)
{
    int err = errno;

    vmm__log(logger, VMM_LOG_ERROR, "%s: %s: %s", path, what, strerror(err));
    return vmm__storefile_error(err);
}

/* True if it makes sense to try once more. */
static bool wait_step(int *waited_ms)
{
    if (*waited_ms >= lock_wait_ms) {
        return false;
    }
    (void)poll(NULL, 0, LOCK_STEP_MS);
    *waited_ms += LOCK_STEP_MS;
    return true;
}

static int open_fd(const char *path, int oflags, bool *direct_out)
{
    int fd = open(path, oflags | O_DIRECT, 0600);

    *direct_out = true;
    if (fd < 0 && errno == EINVAL) {
        /* The file system refuses; the file may have been made even so. */
        *direct_out = false;
        fd = open(path, oflags & O_CREAT ? oflags & ~O_EXCL : oflags, 0600);
    }
    return fd;
}

/*
 * Would a file made at PATH stand among the device nodes?  It would be in
 * memory, and its name is a device's, misspelt or not there yet.
 */
static bool among_devices(const char *path)
{
    char *copy = strdup(path);
    struct stat parent, dev;
    bool among;

    among = copy && !stat(dirname(copy), &parent) && !stat("/dev", &dev) &&
            parent.st_dev == dev.st_dev;
    free(copy);
    return among;
}

/*
 * Open what is there, or create it; `st' is of what was opened.  A name that
 * comes to mean something else meanwhile is found out.
 */
static int open_path(const char *path, unsigned int flags,
                     const struct vmm_logger *logger,
                     struct vmm__storefile *file, struct stat *st)
{
    int oflags = O_RDWR | O_CLOEXEC | O_NOFOLLOW, waited_ms = 0;
    bool created = false;
    struct stat before;

    if (stat(path, &before)) {
        if (errno != ENOENT || !(flags & VMM__BDEV_CREATE)) {
            return fail(logger, path, "cannot open");
        }
        if (among_devices(path)) {
            vmm__log(logger, VMM_LOG_ERROR, "%s: there is no such device",
                     path);
            return VMM_E_NOENT;
        }
        created = true;
        oflags |= O_CREAT | O_EXCL;
    } else if (S_ISBLK(before.st_mode)) {
        /*
         * Fail if it is mounted or claimed otherwise.  Links are as common
         * here as they are suspect for files.
         */
        oflags = (oflags & ~O_NOFOLLOW) | O_EXCL;
    } else if (!S_ISREG(before.st_mode)) {
        vmm__log(logger, VMM_LOG_ERROR,
                 "%s: neither a file nor a block device", path);
        return VMM_E_INVAL;
    }

    do {
        file->fd = open_fd(path, oflags, &file->direct);
    } while (file->fd < 0 && errno == EBUSY && wait_step(&waited_ms));
    if (file->fd < 0) {
        return fail(logger, path, errno == EBUSY ? "mounted or in use" :
                    errno == ELOOP ? "is a link" : "cannot open");
    }
    if (!file->direct) {
        vmm__log(logger, VMM_LOG_WARN, "%s: its file system refuses "
                 "O_DIRECT; the page cache will hold copies", path);
    }

    if (fstat(file->fd, st)) {
        return fail(logger, path, "cannot stat");
    }
    if (created ? !S_ISREG(st->st_mode)
                : st->st_ino != before.st_ino || st->st_dev != before.st_dev) {
        vmm__log(logger, VMM_LOG_ERROR, "%s: changed while it was opened",
                 path);
        return VMM_E_INVAL;
    }
    return 0;
}

static int lock(const struct vmm__storefile *file, const char *path,
                const struct vmm_logger *logger)
{
    int waited_ms = 0;

    while (flock(file->fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return fail(logger, path, "cannot lock");
        }
        if (!wait_step(&waited_ms)) {
            vmm__log(logger, VMM_LOG_ERROR, "%s: in use by another process",
                     path);
            return VMM_E_BUSY;
        }
    }
    return 0;
}

static int transfer(const struct vmm__storefile *file, uint64_t offset_bytes,
                    struct trailer_rec *rec, bool write)
{
    ssize_t r;

    do {
        r = write ? pwrite(file->fd, rec, sizeof(*rec), (off_t)offset_bytes)
                  : pread(file->fd, rec, sizeof(*rec), (off_t)offset_bytes);
    } while (r < 0 && errno == EINTR);
    if (r >= 0 && r != (ssize_t)sizeof(*rec)) {
        errno = write ? ENOSPC : EIO;
    }
    return r == (ssize_t)sizeof(*rec) ? 0 : vmm__storefile_error(errno);
}

/* Set room aside for everything, where that can be had. */
static int reserve(const struct vmm__storefile *file, const char *path,
                   const struct vmm_logger *logger, uint64_t had_bytes,
                   uint64_t file_bytes)
{
    uint64_t from = (had_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    int r;

    do {
        r = fallocate(file->fd, 0, 0, (off_t)file_bytes);
    } while (r && errno == EINTR);
    if (!r || errno == EOPNOTSUPP) {
        return 0;
    }
    if (errno != ENOSPC && errno != EDQUOT) {
        return fail(logger, path, "cannot extend");
    }

    vmm__log(logger, VMM_LOG_WARN,
             "%s: no room for %llu MiB; going on until it is full", path,
             (unsigned long long)(file_bytes >> 20));
    /* It may have taken all that there was. */
    if (from < file_bytes - BLOCK_BYTES) {
        (void)fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        (off_t)from, (off_t)(file_bytes - BLOCK_BYTES - from));
    }
    return 0;
}

static int has_trailer(const struct vmm__storefile *file, const char *path,
                       const struct vmm_logger *logger, uint64_t had_bytes,
                       struct trailer_rec *rec, bool *ours_out)
{
    int rc;

    *ours_out = false;
    if (had_bytes < BLOCK_BYTES || had_bytes % BLOCK_BYTES) {
        return 0;
    }
    rc = transfer(file, had_bytes - BLOCK_BYTES, rec, false);
    if (rc) {
        return fail(logger, path, "cannot read");
    }
    if (rec->magic != TRAILER_MAGIC) {
        return 0;
    }
    if (rec->version != TRAILER_VERSION) {
        vmm__log(logger, VMM_LOG_ERROR, "%s: of version %u, not %u", path,
                 rec->version, TRAILER_VERSION);
        return VMM_E_VERSION;
    }
    *ours_out = true;
    return 0;
}

static int prepare_file(struct vmm__storefile *file, const char *path,
                        uint64_t size_bytes, unsigned int flags,
                        const struct vmm_logger *logger, uint64_t had_bytes,
                        struct trailer_rec *rec)
{
    uint64_t all_bytes, file_bytes;
    bool ours;
    int rc;

    rc = has_trailer(file, path, logger, had_bytes, rec, &ours);
    if (rc) {
        return rc;
    }
    if (had_bytes && !ours && !(flags & VMM__BDEV_EXISTING)) {
        vmm__log(logger, VMM_LOG_ERROR,
                 "%s: holds something else; remove it or use another name",
                 path);
        return VMM_E_EXISTS;
    }

    all_bytes = (had_bytes - (ours ? BLOCK_BYTES : 0)) / BLOCK_BYTES *
                BLOCK_BYTES;
    if ((flags & VMM__BDEV_EXISTING) && all_bytes > size_bytes) {
        size_bytes = all_bytes;
    }
    file->size_bytes = size_bytes;
    if (!size_bytes || (ours && all_bytes >= size_bytes)) {
        return 0;
    }

    /* First it is ours, then it takes up space. */
    file_bytes = (size_bytes > all_bytes ? size_bytes : all_bytes) +
                 BLOCK_BYTES;
    memset(rec, 0, sizeof(*rec));
    rec->magic = TRAILER_MAGIC;
    rec->version = TRAILER_VERSION;
    rc = transfer(file, file_bytes - BLOCK_BYTES, rec, true);
    if (rc) {
        return fail(logger, path, "cannot write");
    }
    if (had_bytes > file_bytes && ftruncate(file->fd, (off_t)file_bytes)) {
        return fail(logger, path, "cannot cut");
    }
    return reserve(file, path, logger, had_bytes, file_bytes);
}

static int prepare_block(struct vmm__storefile *file, const char *path,
                         uint64_t size_bytes,
                         const struct vmm_logger *logger)
{
    uint64_t all_bytes;

    if (ioctl(file->fd, BLKGETSIZE64, &all_bytes)) {
        return fail(logger, path, "has no size");
    }
    file->size_bytes = size_bytes && size_bytes < all_bytes ? size_bytes
                                                            : all_bytes;
    file->size_bytes -= file->size_bytes % BLOCK_BYTES;
    return 0;
}

int vmm__storefile_open(const char *path, uint64_t size_bytes,
                        unsigned int flags, const struct vmm_logger *logger,
                        struct vmm__storefile *file_out)
{
    struct vmm__storefile file = { .fd = -1 };
    struct trailer_rec *rec = NULL;
    struct stat st;
    int rc;

    if (size_bytes % BLOCK_BYTES || size_bytes > INT64_MAX - 2 * BLOCK_BYTES) {
        return VMM_E_RANGE;
    }

    rc = open_path(path, flags, logger, &file, &st);
    if (rc) {
        goto out;
    }
    rc = lock(&file, path, logger);
    if (rc) {
        goto out;
    }

    if (S_ISBLK(st.st_mode)) {
        file.dev = st.st_rdev;
        rc = prepare_block(&file, path, size_bytes, logger);
    } else {
        file.dev = st.st_dev;
        rec = aligned_alloc(BLOCK_BYTES, sizeof(*rec));
        if (!rec) {
            rc = VMM_E_NOMEM;
            goto out;
        }
        /* Who had it locked may have extended it. */
        if (fstat(file.fd, &st)) {
            rc = fail(logger, path, "cannot stat");
            goto out;
        }
        rc = prepare_file(&file, path, size_bytes, flags, logger,
                          (uint64_t)st.st_size, rec);
    }
    if (!rc && !file.size_bytes) {
        vmm__log(logger, VMM_LOG_ERROR, "%s: no room for a page", path);
        rc = VMM_E_RANGE;
    }
    if (rc) {
        goto out;
    }

    *file_out = file;
    file.fd = -1;

 out:
    free(rec);
    vmm__storefile_close(&file);
    return rc;
}

void vmm__storefile_close(struct vmm__storefile *file)
{
    if (file->fd >= 0) {
        (void)close(file->fd);
        file->fd = -1;
    }
}
