/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* media_pmem2.c: a file, or a device-dax, as media, by libpmem2. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <libpmem2.h>

#include "base/log.h"
#include "port/media_pmem2.h"
#include "port/storefile.h"

struct pmem2 {
    int fd;
    struct pmem2_config *config;
    struct pmem2_source *source;
    struct pmem2_map *map;
    pmem2_flush_fn flush;
    pmem2_drain_fn drain;
    pmem2_memcpy_fn copy;
    enum vmm__pmem2_granularity granularity;
};

static void media_flush(void *self, const void *at, size_t len_bytes)
{
    const struct pmem2 *p = self;

    p->flush(at, len_bytes);
}

static void media_drain(void *self)
{
    const struct pmem2 *p = self;

    p->drain();
}

static void media_copy(void *self, void *to, const void *from,
                       size_t len_bytes)
{
    const struct pmem2 *p = self;

    (void)p->copy(to, from, len_bytes, PMEM2_F_MEM_NODRAIN);
}

static const struct vmm__media_ops pmem2_ops = {
    .flush = media_flush,
    .drain = media_drain,
    .copy = media_copy,
};

static int failed(const struct vmm_logger *logger, const char *path,
                  const char *what, int err)
{
    vmm__log(logger, VMM_LOG_ERROR, "%s: %s: %s", path, what, strerror(err));
    return vmm__storefile_error(err);
}

/* r: of libpmem2, whose own errors have no errno. */
static int pmem2_failed(const struct vmm_logger *logger, const char *path,
                        const char *what, int r)
{
    vmm__log(logger, VMM_LOG_ERROR, "%s: %s: %s", path, what,
             pmem2_errormsg());
    switch (r) {
    case PMEM2_E_INVALID_FILE_TYPE:
    case PMEM2_E_GRANULARITY_NOT_SUPPORTED:
    case PMEM2_E_NOSUPP:
        return VMM_E_NOTSUP;
    default:
        return r > -1000 ? vmm__storefile_error(-r) : VMM_E_IO;
    }
}

static int open_file(const char *path, uint64_t create_bytes,
                     const struct vmm_logger *logger, struct pmem2 *p)
{
    int r;

    p->fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY |
                       (create_bytes ? O_CREAT | O_EXCL : 0), 0600);
    if (p->fd < 0) {
        return failed(logger, path, create_bytes ? "cannot make it"
                                                 : "cannot open it", errno);
    }
    if (flock(p->fd, LOCK_EX | LOCK_NB)) {
        return failed(logger, path, "in use by another", errno);
    }
    if (create_bytes) {
        /* A store to a hole ends the process where there is no room. */
        r = posix_fallocate(p->fd, 0, (off_t)create_bytes);
        if (r) {
            (void)unlink(path);
            return failed(logger, path, "no room", r);
        }
    }
    return 0;
}

static int map_file(const char *path, const struct vmm_logger *logger,
                    struct pmem2 *p)
{
    static const enum vmm__pmem2_granularity ours[] = {
        [PMEM2_GRANULARITY_BYTE] = VMM__PMEM2_BYTE,
        [PMEM2_GRANULARITY_CACHE_LINE] = VMM__PMEM2_CACHE_LINE,
        [PMEM2_GRANULARITY_PAGE] = VMM__PMEM2_PAGE,
    };
    int r;

    r = pmem2_config_new(&p->config);
    r = r ? r : pmem2_config_set_required_store_granularity(
                    p->config, PMEM2_GRANULARITY_PAGE);
    r = r ? r : pmem2_source_from_fd(&p->source, p->fd);
    r = r ? r : pmem2_map_new(&p->map, p->config, p->source);
    if (r) {
        return pmem2_failed(logger, path, "cannot map it", r);
    }
    p->flush = pmem2_get_flush_fn(p->map);
    p->drain = pmem2_get_drain_fn(p->map);
    p->copy = pmem2_get_memcpy_fn(p->map);
    p->granularity = ours[pmem2_map_get_store_granularity(p->map)];
    return 0;
}

static void dispose(struct pmem2 *p)
{
    if (p->map) {
        (void)pmem2_map_delete(&p->map);
    }
    if (p->source) {
        (void)pmem2_source_delete(&p->source);
    }
    if (p->config) {
        (void)pmem2_config_delete(&p->config);
    }
    if (p->fd >= 0) {
        (void)close(p->fd);
    }
    free(p);
}

int vmm__media_pmem2_open(const char *path, uint64_t create_bytes,
                          const struct vmm_logger *logger,
                          struct vmm__media *media_out)
{
    struct pmem2 *p = calloc(1, sizeof(*p));
    int rc;

    if (!p) {
        return VMM_E_NOMEM;
    }
    p->fd = -1;
    rc = open_file(path, create_bytes, logger, p);
    rc = rc ? rc : map_file(path, logger, p);
    if (rc) {
        dispose(p);
        return rc;
    }
    *media_out = (struct vmm__media){
        .ops = &pmem2_ops,
        .self = p,
        .base = pmem2_map_get_address(p->map),
        .len_bytes = pmem2_map_get_size(p->map),
    };
    return 0;
}

void vmm__media_pmem2_close(struct vmm__media *media)
{
    if (media->self) {
        dispose(media->self);
    }
    media->self = NULL;
}

enum vmm__pmem2_granularity
vmm__media_pmem2_granularity(const struct vmm__media *media)
{
    const struct pmem2 *p = media->self;

    return p->granularity;
}
