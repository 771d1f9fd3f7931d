/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbdkit-vmm-plugin.c: a region that vmmd has open, over NBD; see
 * nbdkit-vmm-plugin(1).
 *
 * Each NBD connection has one to vmmd's block socket.  vmmd may be started
 * again meanwhile: requests, which can all be repeated, wait for it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "include/vmm_blocks.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS
#define BUFFER_BYTES (2u << 20)
#define RETRY_NS 200000000

static const char *region_name, *snapshot = "";
static const char *socket_path = VMM_BLOCKS_SOCKET;
static unsigned int timeout_s = 60;

struct handle {
    vmm_blocks *blocks;
    uint64_t nr_blocks;
    bool read_only;
};

static int vmm_config(const char *key, const char *value)
{
    if (!strcmp(key, "region")) {
        region_name = value;
    } else if (!strcmp(key, "snapshot")) {
        snapshot = value;
    } else if (!strcmp(key, "socket")) {
        socket_path = value;
    } else if (!strcmp(key, "timeout")) {
        if (nbdkit_parse_unsigned(key, value, &timeout_s)) {
            return -1;
        }
    } else {
        nbdkit_error("unknown parameter '%s'", key);
        return -1;
    }
    return 0;
}

static int vmm_config_complete(void)
{
    if (!region_name) {
        nbdkit_error("region=NAME must be given");
        return -1;
    }
    return 0;
}

static int errno_of(int rc)
{
    switch (rc) {
    case VMM_E_NOSPC:
        return ENOSPC;
    case VMM_E_PERM:
        return EPERM;
    case VMM_E_NOMEM:
        return ENOMEM;
    case VMM_E_RANGE:
    case VMM_E_INVAL:
        return EINVAL;
    case VMM_E_PEER:
        return ESHUTDOWN;
    default:
        return EIO;
    }
}

static int failed(int rc, const char *what)
{
    nbdkit_error("region %s%s%s: %s: %s", region_name, *snapshot ? "@" : "",
                 snapshot, what, vmm_error_text(rc));
    nbdkit_set_error(errno_of(rc));
    return -1;
}

static int attach(struct handle *handle, char text[128])
{
    int rc;

    rc = vmm_blocks_open(socket_path, region_name, snapshot, BUFFER_BYTES,
                         &handle->blocks, text);
    if (rc) {
        handle->blocks = NULL;
        return rc;
    }
    if (handle->nr_blocks &&
        handle->nr_blocks != vmm_blocks_nr(handle->blocks)) {
        vmm_blocks_close(handle->blocks);
        handle->blocks = NULL;
        return VMM_E_FORMAT;    /* another region by now */
    }
    handle->nr_blocks = vmm_blocks_nr(handle->blocks);
    handle->read_only = vmm_blocks_read_only(handle->blocks);
    return 0;
}

/* What is said when nbdkit is started is better than when somebody comes. */
static int vmm_get_ready(void)
{
    struct handle handle = { .nr_blocks = 0 };
    char text[128];
    int rc;

    rc = attach(&handle, text);
    if (rc) {
        return failed(rc, *text ? text : "cannot be had");
    }
    vmm_blocks_close(handle.blocks);
    return 0;
}

static void *vmm_open(int readonly)
{
    struct handle *handle = calloc(1, sizeof(*handle));
    char text[128];
    int rc;

    (void)readonly;
    if (!handle) {
        nbdkit_error("out of memory");
        return NULL;
    }
    rc = attach(handle, text);
    if (rc) {
        (void)failed(rc, *text ? text : "cannot be had");
        free(handle);
        return NULL;
    }
    return handle;
}

static void vmm_close(void *arg)
{
    struct handle *handle = arg;

    vmm_blocks_close(handle->blocks);
    free(handle);
}

static int64_t vmm_get_size(void *arg)
{
    const struct handle *handle = arg;

    return (int64_t)(handle->nr_blocks * VMM_BLOCK_BYTES);
}

static int vmm_can_write(void *arg)
{
    const struct handle *handle = arg;

    return !handle->read_only;
}

static int vmm_yes(void *arg)
{
    (void)arg;
    return 1;
}

/* What was written is durable already. */
static int vmm_can_fua(void *arg)
{
    (void)arg;
    return NBDKIT_FUA_NATIVE;
}

static int vmm_flush(void *arg, uint32_t flags)
{
    (void)arg;
    (void)flags;
    return 0;
}

static int vmm_block_size(void *arg, uint32_t *minimum, uint32_t *preferred,
                          uint32_t *maximum)
{
    (void)arg;
    *minimum = VMM_BLOCK_BYTES;
    *preferred = VMM_BLOCK_BYTES;
    *maximum = BUFFER_BYTES;
    return 0;
}

/* Until vmmd is there again, or it has taken too long. */
static int transfer_once(struct handle *handle, enum vmm_blocks_op op,
                         uint64_t first, uint64_t nr, void *buf)
{
    const struct timespec pause = { .tv_nsec = RETRY_NS };
    time_t end_s = time(NULL) + timeout_s;
    uint64_t failed_block;
    char text[128];
    int rc;

    for (;;) {
        rc = handle->blocks ? vmm_blocks_transfer(handle->blocks, op, first,
                                                  nr, buf, &failed_block)
                            : VMM_E_PEER;
        if (rc != VMM_E_PEER) {
            return rc;
        }
        vmm_blocks_close(handle->blocks);
        handle->blocks = NULL;
        rc = attach(handle, text);
        if (rc && rc != VMM_E_PEER && rc != VMM_E_BUSY) {
            return rc;
        }
        if (rc) {
            if (time(NULL) >= end_s) {
                return rc;
            }
            (void)nanosleep(&pause, NULL);
        }
    }
}

static int transfer(void *arg, enum vmm_blocks_op op, void *buf,
                    uint64_t count, uint64_t offset, const char *what)
{
    struct handle *handle = arg;
    uint64_t first = offset / VMM_BLOCK_BYTES, nr = count / VMM_BLOCK_BYTES,
             most = BUFFER_BYTES / VMM_BLOCK_BYTES, n;
    uint8_t *at = buf;
    int rc;

    if (offset % VMM_BLOCK_BYTES || count % VMM_BLOCK_BYTES) {
        return failed(VMM_E_INVAL, "not in whole blocks of 4096 bytes; run "
                      "nbdkit with --filter=blocksize and minblock=4096");
    }
    for (; nr; nr -= n, first += n) {
        n = nr < most ? nr : most;
        rc = transfer_once(handle, op, first, n, at);
        if (rc) {
            return failed(rc, what);
        }
        at = at ? at + n * VMM_BLOCK_BYTES : NULL;
    }
    return 0;
}

static int vmm_pread(void *arg, void *buf, uint32_t count, uint64_t offset,
                     uint32_t flags)
{
    (void)flags;
    return transfer(arg, VMM_BLOCKS_READ, buf, count, offset, "read");
}

static int vmm_pwrite(void *arg, const void *buf, uint32_t count,
                      uint64_t offset, uint32_t flags)
{
    (void)flags;
    return transfer(arg, VMM_BLOCKS_WRITE, (void *)(uintptr_t)buf, count,
                    offset, "write");
}

static int vmm_discard(void *arg, uint32_t count, uint64_t offset,
                       uint32_t flags)
{
    (void)flags;
    return transfer(arg, VMM_BLOCKS_DISCARD, NULL, count, offset, "discard");
}

#define vmm_config_help \
    "region=<NAME>      (required) The region, as xl region-list has it.\n" \
    "snapshot=<NAME>    A snapshot of it, to be read only.\n" \
    "socket=<PATH>      Of vmmd; default: " VMM_BLOCKS_SOCKET ".\n" \
    "timeout=<SECONDS>  How long to wait for a vmmd that is gone; default: " \
    "60."

static struct nbdkit_plugin plugin = {
    .name = "vmm",
    .longname = "Xenolith region",
    .description = "A region that vmmd has open, or a snapshot of it",
    .config = vmm_config,
    .config_complete = vmm_config_complete,
    .config_help = vmm_config_help,
    .magic_config_key = "region",
    .get_ready = vmm_get_ready,
    .open = vmm_open,
    .close = vmm_close,
    .get_size = vmm_get_size,
    .block_size = vmm_block_size,
    .can_write = vmm_can_write,
    .can_flush = vmm_yes,
    .can_fua = vmm_can_fua,
    .can_trim = vmm_yes,
    .can_zero = vmm_yes,
    .can_multi_conn = vmm_yes,
    .pread = vmm_pread,
    .pwrite = vmm_pwrite,
    .flush = vmm_flush,
    .trim = vmm_discard,
    .zero = vmm_discard,
    .errno_is_preserved = 0,
};

NBDKIT_REGISTER_PLUGIN(plugin)
