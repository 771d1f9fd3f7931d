/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm.c: open and close; the one file that joins tables to ports. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "consumer/pagefile.h"
#include "consumer/pager.h"
#include "consumer/regionbdev.h"
#include "consumer/regionio.h"
#include "format/smbios.h"
#include "include/vmm_pager.h"
#include "port/bdev_uring.h"
#include "port/files.h"
#include "port/hv_xen.h"
#include "port/media_pmem2.h"
#include "port/store_file.h"
#include "port/timer.h"
#include "retire/record.h"

#define SETTLE_MS 100
#define SMBIOS_BYTES_MAX (1u << 20)

/* What a pager was built from. */
struct owner {
    struct vmm__pager_deps deps;
    vmm_region *region;         /* NULL: a file or device of its own */
    char *index_path;
    int epfd;
};

static void owner_free(struct owner *owner)
{
    if (!owner) {
        return;
    }
    vmm__pagefile_close(owner->deps.pf);
    if (owner->region) {
        vmm__regionbdev_close(&owner->deps.bdev);
    } else {
        vmm__bdev_uring_close(&owner->deps.bdev);
    }
    vmm__hv_xen_close(&owner->deps.hv);
    vmm__timer_close(&owner->deps.clock);
    if (owner->epfd >= 0) {
        close(owner->epfd);
    }
    free(owner->index_path);
    free(owner);
}

static int watch(struct owner *owner, int fd)
{
    struct epoll_event event = { .events = EPOLLIN };

    return epoll_ctl(owner->epfd, EPOLL_CTL_ADD, fd, &event)
           ? VMM_E_LOCAL : 0;
}

static int open_store_of(const struct vmm_pager_opts *opts,
                         uint64_t nr_pages, const struct vmm_logger *logger,
                         struct owner *owner, uint64_t *bytes_out)
{
    uint64_t nr_blocks;
    int rc;

    if (!opts->region) {
        return vmm__bdev_uring_open(opts->store_path, opts->store_max_bytes
                                    ? opts->store_max_bytes
                                    : nr_pages * VMM__PAGE_BYTES,
                                    VMM__BDEV_POLL | (opts->adopt
                                                      ? VMM__BDEV_EXISTING
                                                      : VMM__BDEV_CREATE),
                                    logger, &owner->deps.bdev, bytes_out);
    }
    nr_blocks = vmm_region_nr_blocks(opts->region);
    *bytes_out = nr_blocks * VMM_BLOCK_BYTES;
    owner->region = opts->region;
    rc = vmm__regionbdev_open(opts->region, &owner->deps.bdev);
    if (!rc && !opts->adopt) {
        /* Of a session of which nobody knows any more. */
        rc = vmm_region_discard(opts->region, 0, nr_blocks);
    }
    return rc;
}

int vmm_pager_open(const struct vmm_pager_opts *opts,
                   const struct vmm_logger *logger, vmm_pager **pager_out)
{
    struct vmm__hv_xen_info info;
    struct owner *owner;
    uint64_t store_bytes;
    int rc, timer_fd;

    if (opts->size != sizeof(*opts) || !opts->store_path == !opts->region ||
        !opts->index_path || !opts->harvest_ms) {
        return VMM_E_INVAL;
    }

    owner = calloc(1, sizeof(*owner));
    if (!owner) {
        return VMM_E_NOMEM;
    }
    owner->epfd = epoll_create1(EPOLL_CLOEXEC);
    owner->index_path = strdup(opts->index_path);
    if (owner->epfd < 0 || !owner->index_path) {
        rc = VMM_E_NOMEM;
        goto out;
    }

    rc = vmm__timer_open(&owner->deps.clock, &timer_fd);
    if (rc) {
        goto out;
    }
    rc = vmm__hv_xen_open(opts->domid, logger, &owner->deps.hv, &info);
    if (rc) {
        goto out;
    }
    owner->deps.nr_gfns = info.nr_gfns;
    owner->deps.nr_vcpus = info.nr_vcpus;

    rc = open_store_of(opts, info.nr_pages, logger, owner, &store_bytes);
    if (rc) {
        goto out;
    }
    rc = vmm__pagefile_open(opts->index_path, opts->adopt, opts->uuid,
                            info.nr_gfns, store_bytes / VMM__PAGE_BYTES,
                            &owner->deps.pf);
    if (rc) {
        goto out;
    }

    rc = watch(owner, timer_fd);
    rc = rc ? rc : watch(owner, owner->deps.hv.ops->fd(owner->deps.hv.self));
    rc = rc ? rc : watch(owner,
                         owner->deps.bdev.ops->fd(owner->deps.bdev.self));
    if (rc) {
        goto out;
    }

    rc = vmm__pager_new(&owner->deps, opts, logger, pager_out);
    if (rc) {
        goto out;
    }
    vmm__pager_set_owner(*pager_out, owner);
    owner = NULL;

 out:
    owner_free(owner);
    return rc;
}

int vmm_pager_fd(const vmm_pager *pager)
{
    const struct owner *owner = vmm__pager_owner(pager);

    return owner->epfd;
}

void vmm_pager_close(vmm_pager *pager)
{
    struct owner *owner;
    bool ended;

    if (!pager) {
        return;
    }
    owner = vmm__pager_owner(pager);
    while (!vmm__pager_settle(pager)) {
        struct pollfd pfd = {
            .fd = owner->deps.bdev.ops->fd(owner->deps.bdev.self),
            .events = POLLIN,
        };

        (void)poll(&pfd, 1, SETTLE_MS);
    }
    vmm__pager_free(pager, &ended);
    if (ended && owner->region) {
        (void)vmm_region_discard(owner->region, 0,
                                 vmm_region_nr_blocks(owner->region));
    }
    if (ended) {
        (void)unlink(owner->index_path);
    }
    owner_free(owner);
}

/* Regions. */

#define MIN_MEDIA_BYTES (16ull << 20)

struct region_owner {
    struct vmm__media media;
    struct vmm__store store;        /* for who checks it */
    struct vmm__bdev bdev;          /* for who uses it */
    struct vmm__region *region;
    struct vmm__regiondrv *drv;
};

static void region_owner_free(struct region_owner *owner)
{
    if (!owner) {
        return;
    }
    vmm__regiondrv_free(owner->drv);
    vmm__bdev_uring_close(&owner->bdev);
    vmm__region_close(owner->region);
    vmm__store_file_close(&owner->store);
    vmm__media_pmem2_close(&owner->media);
    free(owner);
}

void vmm_region_create_opts_init(struct vmm_region_create_opts *opts_out)
{
    memset(opts_out, 0, sizeof(*opts_out));
    opts_out->size = sizeof(*opts_out);
    opts_out->max_snapshots = 1000;
}

/* Storage first: its size is written into the region. */
static int make_region(const struct vmm_region_create_opts *opts,
                       const struct vmm_logger *logger,
                       struct region_owner *owner)
{
    struct vmm__region_geometry geo = {
        .nr_blks = opts->region_bytes / VMM_BLOCK_BYTES,
        /* The running one, and one that a revert starts. */
        .nr_points = opts->max_snapshots + 2,
    };
    int rc;

    if (getrandom(geo.uuid, sizeof(geo.uuid), 0) != sizeof(geo.uuid)) {
        return VMM_E_LOCAL;
    }
    if (opts->storage_path) {
        rc = vmm__store_file_open(opts->storage_path, opts->storage_bytes,
                                  true, geo.uuid, logger, &owner->store);
        if (rc) {
            return rc;
        }
        geo.nr_slots = owner->store.nr_slots;
    }
    return vmm__region_create(&owner->media, &geo, opts->media_bytes != 0,
                              logger);
}

int vmm_region_create(const struct vmm_region_create_opts *opts,
                      const struct vmm_logger *logger)
{
    struct region_owner *owner;
    bool had_storage;
    int rc;

    if (opts->size != sizeof(*opts) || !opts->path ||
        opts->max_snapshots > VMM__REGION_MAX_POINTS - 2 ||
        !opts->region_bytes || opts->region_bytes % VMM_BLOCK_BYTES ||
        (opts->media_bytes && opts->media_bytes < MIN_MEDIA_BYTES) ||
        opts->media_bytes % VMM_BLOCK_BYTES) {
        return VMM_E_INVAL;
    }
    owner = calloc(1, sizeof(*owner));
    if (!owner) {
        return VMM_E_NOMEM;
    }
    had_storage = opts->storage_path && !access(opts->storage_path, F_OK);
    rc = vmm__media_pmem2_open(opts->path, opts->media_bytes, logger,
                               &owner->media);
    if (!rc && !opts->media_bytes && vmm__region_is(&owner->media)) {
        vmm__log(logger, VMM_LOG_ERROR, "%s: is a region already; destroy it "
                 "first", opts->path);
        rc = VMM_E_EXISTS;
    }
    if (!rc) {
        rc = make_region(opts, logger, owner);
        if (rc && opts->media_bytes) {
            (void)unlink(opts->path);
        }
        if (rc && opts->storage_path && !had_storage) {
            (void)unlink(opts->storage_path);
        }
    }
    region_owner_free(owner);
    return rc;
}

static int open_store(const struct vmm__region_geometry *geo,
                      const char *storage_path,
                      const struct vmm_logger *logger,
                      struct vmm__store *store_out)
{
    int rc;

    if (!geo->nr_slots || !storage_path) {
        vmm__log(logger, VMM_LOG_ERROR, geo->nr_slots
                 ? "the region has storage: which is it?"
                 : "the region has no storage");
        return VMM_E_INVAL;
    }
    rc = vmm__store_file_open(storage_path,
                              (geo->nr_slots + 1) * VMM_BLOCK_BYTES, false,
                              geo->uuid, logger, store_out);
    if (!rc && store_out->nr_slots < geo->nr_slots) {
        vmm__log(logger, VMM_LOG_ERROR, "%s: is smaller than it was",
                 storage_path);
        rc = VMM_E_FORMAT;
    }
    return rc;
}

/* Whose it is is seen first; then it is locked by who reads and writes. */
static int open_device(const struct vmm__region_geometry *geo,
                       const char *storage_path,
                       const struct vmm_logger *logger,
                       struct vmm__bdev *bdev_out)
{
    struct vmm__store store = { .ops = NULL };
    uint64_t bytes = (geo->nr_slots + 1) * VMM_BLOCK_BYTES;
    int rc;

    rc = open_store(geo, storage_path, logger, &store);
    vmm__store_file_close(&store);
    return rc ? rc : vmm__bdev_uring_open(storage_path, bytes,
                                          VMM__BDEV_POLL, logger, bdev_out,
                                          &bytes);
}

int vmm_region_open(const char *path, const char *storage_path,
                    const struct vmm_logger *logger,
                    vmm_region **region_out)
{
    struct region_owner *owner = calloc(1, sizeof(*owner));
    struct vmm__regionio_deps deps;
    struct vmm__super super;
    int rc;

    if (!owner) {
        return VMM_E_NOMEM;
    }
    rc = vmm__media_pmem2_open(path, 0, logger, &owner->media);
    rc = rc ? rc : vmm__region_super(&owner->media, logger, &super);
    if (!rc && (super.geo.nr_slots || storage_path)) {
        rc = open_device(&super.geo, storage_path, logger, &owner->bdev);
    }
    rc = rc ? rc : vmm__region_open(&owner->media, logger, &owner->region);
    if (!rc && super.geo.nr_slots) {
        rc = vmm__regiondrv_new(owner->region, &owner->bdev,
                                &vmm__clock_monotonic, &owner->drv);
    }
    if (rc) {
        goto out;
    }
    deps = (struct vmm__regionio_deps){
        .region = owner->region,
        .drv = owner->drv,
        .wall_s = vmm__clock_wall_s,
        .owner = owner,
    };
    rc = vmm__regionio_new(&deps, region_out);
    if (!rc) {
        owner = NULL;
    }

 out:
    region_owner_free(owner);
    return rc;
}

void vmm_region_close(vmm_region *region)
{
    struct region_owner *owner;

    if (!region) {
        return;
    }
    owner = vmm__regionio_owner(region);
    vmm__regionio_free(region);
    region_owner_free(owner);
}

static void remove_file(const char *path)
{
    struct stat st;

    if (path && !lstat(path, &st) && S_ISREG(st.st_mode)) {
        (void)unlink(path);
    }
}

int vmm_region_destroy(const char *path, const char *storage_path,
                       const struct vmm_logger *logger)
{
    struct region_owner *owner = calloc(1, sizeof(*owner));
    struct vmm__super super;
    int rc;

    if (!owner) {
        return VMM_E_NOMEM;
    }
    rc = vmm__media_pmem2_open(path, 0, logger, &owner->media);
    rc = rc ? rc : vmm__region_super(&owner->media, logger, &super);
    if (!rc && (super.geo.nr_slots || storage_path)) {
        rc = open_store(&super.geo, storage_path, logger, &owner->store);
    }
    /* The region first: storage that nobody points to is found to be so. */
    if (!rc) {
        vmm__region_wipe(&owner->media);
        rc = owner->store.self ? vmm__store_file_disown(&owner->store) : 0;
        remove_file(path);
        remove_file(storage_path);
    }
    region_owner_free(owner);
    return rc;
}

static int open_to_check(const char *path, const char *storage_path,
                         const struct vmm_logger *logger,
                         struct region_owner **owner_out)
{
    struct region_owner *owner = calloc(1, sizeof(*owner));
    struct vmm__super super;
    int rc;

    if (!owner) {
        return VMM_E_NOMEM;
    }
    rc = vmm__media_pmem2_open(path, 0, logger, &owner->media);
    /* Without a superblock nobody knows whose the storage is. */
    if (!rc && storage_path &&
        !vmm__region_super(&owner->media, logger, &super)) {
        rc = open_store(&super.geo, storage_path, logger, &owner->store);
    }
    *owner_out = owner;
    return rc;
}

static const struct vmm__store *store_of(const struct region_owner *owner)
{
    return owner->store.ops ? &owner->store : NULL;
}

int vmm_region_check(const char *path, const char *storage_path,
                     void (*problem)(void *user, const char *text),
                     void *user, const struct vmm_logger *logger,
                     uint64_t *nr_out)
{
    struct region_owner *owner = NULL;
    int rc;

    rc = open_to_check(path, storage_path, logger, &owner);
    rc = rc ? rc : vmm__region_check(&owner->media, store_of(owner), problem,
                                     user, nr_out);
    region_owner_free(owner);
    return rc;
}

int vmm_region_repair(const char *path, const char *storage_path,
                      void (*problem)(void *user, const char *text),
                      void *user, const struct vmm_logger *logger,
                      uint64_t *nr_out, uint64_t *nr_repaired_out)
{
    struct region_owner *owner = NULL;
    int rc;

    rc = open_to_check(path, storage_path, logger, &owner);
    rc = rc ? rc : vmm__region_repair(&owner->media, store_of(owner), problem,
                                      user, nr_out, nr_repaired_out);
    region_owner_free(owner);
    return rc;
}

/* Retired pages: memory modules, and the record. */

int vmm_dimms_read(const char *path, struct vmm_dimm **dimms_out,
                   uint32_t *nr_out)
{
    size_t size;
    void *data;
    int rc;

    rc = vmm__files_posix.read(NULL, path, SMBIOS_BYTES_MAX, &data, &size);
    if (!rc) {
        rc = vmm__smbios_decode(data, size, dimms_out, nr_out);
        free(data);
    }
    return rc;
}

int vmm_record_open(const char *dir, const char *list_path,
                    bool with_variable, const struct vmm_logger *logger,
                    vmm_record **record_out)
{
    const struct vmm__files files = { .ops = &vmm__files_posix };

    return vmm__record_open(&files, dir, list_path, with_variable, logger,
                            record_out);
}
