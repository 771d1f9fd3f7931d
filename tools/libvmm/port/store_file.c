/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store_file.c: a file or block device as the mass storage of a region. */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/log.h"
#include "port/store_file.h"
#include "port/storefile.h"

#define BLOCK_BYTES VMM__STOREFILE_BLOCK_BYTES
#define MAGIC 0x524f545348544e58ull             /* "XNTHSTOR" */
#define VERSION 1u

/* The first block. */
struct owner_rec {
    uint64_t magic;
    uint32_t version;
    uint32_t _res1;
    uint8_t uuid[16];           /* of the region */
    uint8_t _res2[BLOCK_BYTES - 36];
    uint32_t crc32c;            /* of all before it */
};
_Static_assert(sizeof(struct owner_rec) == BLOCK_BYTES, "first block");

static off_t offset_of(uint64_t slot)
{
    return (off_t)((slot + 1) * BLOCK_BYTES);
}

static int read_at(const struct vmm__storefile *file, off_t at, void *buf)
{
    ssize_t r;

    do {
        r = pread(file->fd, buf, BLOCK_BYTES, at);
    } while (r < 0 && errno == EINTR);
    return r == BLOCK_BYTES ? 0 : r < 0 ? vmm__storefile_error(errno)
                                        : VMM_E_IO;
}

static int store_read(void *self, uint64_t slot, void *buf)
{
    const struct vmm__storefile *file = self;
    _Alignas(BLOCK_BYTES) uint8_t block[BLOCK_BYTES];
    int rc;

    rc = read_at(file, offset_of(slot), block);
    if (!rc) {
        memcpy(buf, block, BLOCK_BYTES);
    }
    return rc;
}

static int store_write(void *self, uint64_t first_slot,
                       const void *const *blocks, unsigned int nr)
{
    const struct vmm__storefile *file = self;
    struct iovec iov[IOV_MAX];
    unsigned int i, n;
    ssize_t r;

    while (nr) {
        n = nr < IOV_MAX ? nr : IOV_MAX;
        for (i = 0; i < n; i++) {
            iov[i].iov_base = (void *)(uintptr_t)blocks[i];
            iov[i].iov_len = BLOCK_BYTES;
        }
        do {
            r = pwritev(file->fd, iov, (int)n, offset_of(first_slot));
        } while (r < 0 && errno == EINTR);
        if (r < 0) {
            return vmm__storefile_error(errno);
        }
        /* What is short of a block is written again, or fails. */
        n = (unsigned int)(r / BLOCK_BYTES);
        if (!n) {
            return VMM_E_NOSPC;
        }
        first_slot += n;
        blocks += n;
        nr -= n;
    }
    return 0;
}

static int store_sync(void *self)
{
    const struct vmm__storefile *file = self;

    return fdatasync(file->fd) ? vmm__storefile_error(errno) : 0;
}

static const struct vmm__store_ops file_ops = {
    .read = store_read,
    .write = store_write,
    .sync = store_sync,
};

static uint32_t sum_of(const struct owner_rec *rec)
{
    return vmm__crc32c(rec, offsetof(struct owner_rec, crc32c));
}

static int check_owner(const struct vmm__storefile *file, const char *path,
                       bool create, const uint8_t uuid[16],
                       const struct vmm_logger *logger)
{
    static const uint8_t nobody[16];
    _Alignas(BLOCK_BYTES) struct owner_rec rec;
    const void *block = &rec;
    int rc;

    rc = read_at(file, 0, &rec);
    if (rc) {
        vmm__log(logger, VMM_LOG_ERROR, "%s: cannot read: %s", path,
                 vmm_error_text(rc));
        return rc;
    }
    if (rec.magic == MAGIC && rec.crc32c != sum_of(&rec)) {
        vmm__log(logger, VMM_LOG_ERROR, "%s: its first block is damaged",
                 path);
        return VMM_E_CHECKSUM;
    }
    if (rec.magic == MAGIC && rec.version != VERSION) {
        vmm__log(logger, VMM_LOG_ERROR, "%s: of version %u, not %u", path,
                 rec.version, VERSION);
        return VMM_E_VERSION;
    }
    if (create) {
        if (rec.magic == MAGIC && memcmp(rec.uuid, nobody, sizeof(nobody))) {
            vmm__log(logger, VMM_LOG_ERROR, "%s: is the storage of a region "
                     "already; wipe it, if that is gone", path);
            return VMM_E_EXISTS;
        }
        memset(&rec, 0, sizeof(rec));
        rec.magic = MAGIC;
        rec.version = VERSION;
        memcpy(rec.uuid, uuid, sizeof(rec.uuid));
        rec.crc32c = sum_of(&rec);
        if (pwrite(file->fd, block, BLOCK_BYTES, 0) != BLOCK_BYTES ||
            fdatasync(file->fd)) {
            rc = vmm__storefile_error(errno);
            vmm__log(logger, VMM_LOG_ERROR, "%s: cannot write: %s", path,
                     vmm_error_text(rc));
        }
        return rc;
    }
    if (rec.magic != MAGIC || memcmp(rec.uuid, uuid, sizeof(rec.uuid))) {
        vmm__log(logger, VMM_LOG_ERROR,
                 "%s: is not the storage of this region", path);
        return VMM_E_EXISTS;
    }
    return 0;
}

int vmm__store_file_open(const char *path, uint64_t size_bytes, bool create,
                         const uint8_t uuid[16],
                         const struct vmm_logger *logger,
                         struct vmm__store *store_out)
{
    struct vmm__storefile *file = calloc(1, sizeof(*file));
    int rc;

    if (!file) {
        return VMM_E_NOMEM;
    }
    file->fd = -1;
    rc = vmm__storefile_open(path, size_bytes,
                             create ? VMM__BDEV_CREATE : 0,
                             logger, file);
    if (!rc && file->size_bytes < 2 * BLOCK_BYTES) {
        vmm__log(logger, VMM_LOG_ERROR, "%s: too small", path);
        rc = VMM_E_RANGE;
    }
    rc = rc ? rc : check_owner(file, path, create, uuid, logger);
    if (rc) {
        vmm__storefile_close(file);
        free(file);
        return rc;
    }
    *store_out = (struct vmm__store){
        .ops = &file_ops,
        .self = file,
        .nr_slots = file->size_bytes / BLOCK_BYTES - 1,
    };
    return 0;
}

int vmm__store_file_disown(const struct vmm__store *store)
{
    static const _Alignas(BLOCK_BYTES) uint8_t zeros[BLOCK_BYTES];
    const struct vmm__storefile *file = store->self;

    if (pwrite(file->fd, zeros, BLOCK_BYTES, 0) != BLOCK_BYTES ||
        fdatasync(file->fd)) {
        return vmm__storefile_error(errno);
    }
    return 0;
}

void vmm__store_file_close(struct vmm__store *store)
{
    if (store->self) {
        vmm__storefile_close(store->self);
        free(store->self);
    }
    store->self = NULL;
}
