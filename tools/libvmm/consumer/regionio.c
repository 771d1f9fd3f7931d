/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* regionio.c: a region and its storage, for callers that can wait. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "consumer/regionio.h"

#define ROOM_BLOCKS 32u             /* made for a write that has none */

struct vmm_region {
    struct vmm__regionio_deps deps;
};

int vmm__regionio_new(const struct vmm__regionio_deps *deps,
                      vmm_region **region_out)
{
    vmm_region *region = calloc(1, sizeof(*region));

    if (!region) {
        return VMM_E_NOMEM;
    }
    region->deps = *deps;
    *region_out = region;
    return 0;
}

void vmm__regionio_free(vmm_region *region)
{
    free(region);
}

void *vmm__regionio_owner(const vmm_region *region)
{
    return region->deps.owner;
}

const struct vmm__regionio_deps *
vmm__regionio_deps(const vmm_region *region)
{
    return &region->deps;
}

uint64_t vmm_region_nr_blocks(const vmm_region *region)
{
    return vmm__region_geometry(region->deps.region)->nr_blks;
}

/* For what the storage's thread does for us. */
struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool over;
    int rc;
};

static void waiting_init(struct waiting *waiting)
{
    *waiting = (struct waiting){ .over = false };
    (void)pthread_mutex_init(&waiting->lock, NULL);
    (void)pthread_cond_init(&waiting->cond, NULL);
}

static void waiting_over(struct waiting *waiting, int rc)
{
    pthread_mutex_lock(&waiting->lock);
    waiting->rc = rc;
    waiting->over = true;
    (void)pthread_cond_signal(&waiting->cond);
    pthread_mutex_unlock(&waiting->lock);
}

static int waiting_wait(struct waiting *waiting)
{
    int rc;

    pthread_mutex_lock(&waiting->lock);
    while (!waiting->over) {
        (void)pthread_cond_wait(&waiting->cond, &waiting->lock);
    }
    rc = waiting->rc;
    pthread_mutex_unlock(&waiting->lock);
    (void)pthread_cond_destroy(&waiting->cond);
    (void)pthread_mutex_destroy(&waiting->lock);
    return rc;
}

struct recall_wait {
    struct vmm__recall_io io;
    struct waiting waiting;
};

static void recall_done(struct vmm__recall_io *io, int rc)
{
    waiting_over(&vmm__container_of(io, struct recall_wait, io)->waiting, rc);
}

static int fetch(vmm_region *region, uint64_t slot, void *buf)
{
    _Alignas(VMM__BDEV_ALIGN_BYTES) uint8_t block[VMM_BLOCK_BYTES];
    struct recall_wait wait = {
        .io = {
            .slot = slot,
            .reqclass = VMM_REQ_FOREIGN,
            .buf = block,
            .done = recall_done,
        },
    };
    int rc;

    waiting_init(&wait.waiting);
    vmm__regiondrv_recall(region->deps.drv, &wait.io);
    rc = waiting_wait(&wait.waiting);
    if (!rc) {
        memcpy(buf, block, VMM_BLOCK_BYTES);
    }
    return rc;
}

static int read_one(vmm_region *region, uint64_t id, uint64_t blk, void *buf)
{
    struct vmm__recall recall;
    int rc;

    do {
        rc = vmm__region_read(region->deps.region, id, blk, buf, &recall);
        if (rc != VMM_E_AGAIN) {
            return rc;
        }
        rc = fetch(region, recall.slot, buf);
        rc = vmm__region_recalled(region->deps.region, &recall, buf, rc,
                                  true);
    } while (rc == VMM_E_AGAIN);
    return rc;
}

int vmm_region_read(vmm_region *region, uint64_t id, uint64_t first,
                    uint64_t nr, void *buf, uint64_t *failed_out)
{
    uint64_t i;
    int rc = 0;

    for (i = 0; !rc && i < nr; i++) {
        rc = read_one(region, id, first + i,
                      (uint8_t *)buf + i * VMM_BLOCK_BYTES);
    }
    if (rc && failed_out) {
        *failed_out = first + i - 1;
    }
    return rc;
}

struct purge_wait {
    struct vmm__purge_job job;
    struct waiting waiting;
};

static void purge_done(struct vmm__purge_job *job, int rc)
{
    waiting_over(&vmm__container_of(job, struct purge_wait, job)->waiting,
                 rc);
}

int vmm_region_purge(vmm_region *region, uint64_t nr_free, uint64_t max,
                     bool any, uint64_t *nr_out)
{
    struct purge_wait wait = {
        .job = {
            .nr_free = nr_free,
            .max = max,
            .any = any,
            .done = purge_done,
        },
    };
    int rc;

    *nr_out = 0;
    if (!region->deps.drv) {
        return VMM_E_NOTSUP;
    }
    waiting_init(&wait.waiting);
    vmm__regiondrv_purge(region->deps.drv, &wait.job);
    rc = waiting_wait(&wait.waiting);
    *nr_out = wait.job.nr_moved;
    return rc;
}

int vmm_region_set_purge(vmm_region *region,
                         const struct vmm_region_purge_opts *opts)
{
    uint64_t nr_blocks;
    struct vmm__region_stat stat;
    struct vmm__purger_cfg cfg;

    if (opts->size != sizeof(*opts) || opts->high_percent > 100 ||
        opts->low_percent > opts->high_percent) {
        return VMM_E_INVAL;
    }
    if (!region->deps.drv) {
        return 0;
    }
    vmm__region_stat(region->deps.region, &stat);
    nr_blocks = stat.nr_pblks_data / 100;
    cfg = (struct vmm__purger_cfg){
        .low_blocks = nr_blocks * opts->low_percent,
        .high_blocks = nr_blocks * opts->high_percent,
        .bytes_per_s = opts->bytes_per_s,
    };
    vmm__regiondrv_set(region->deps.drv, &cfg);
    return 0;
}

static uint64_t nr_free(vmm_region *region)
{
    struct vmm__region_stat stat;

    vmm__region_stat(region->deps.region, &stat);
    return stat.nr_pblks_free;
}

static int write_one(vmm_region *region, uint64_t blk, const void *buf)
{
    uint64_t before, nr;
    int rc;

    for (;;) {
        before = nr_free(region);
        rc = vmm__region_write(region->deps.region, blk, buf);
        if (rc != VMM_E_NOSPC) {
            return rc;
        }
        rc = vmm_region_purge(region, before + ROOM_BLOCKS, ROOM_BLOCKS,
                              true, &nr);
        /* Room that another purge made meanwhile is as good. */
        if (!nr && nr_free(region) <= before) {
            return rc && rc != VMM_E_NOTSUP ? rc : VMM_E_NOSPC;
        }
    }
}

int vmm_region_write(vmm_region *region, uint64_t first, uint64_t nr,
                     const void *buf, uint64_t *failed_out)
{
    uint64_t i;
    int rc = 0;

    for (i = 0; !rc && i < nr; i++) {
        rc = write_one(region, first + i,
                       (const uint8_t *)buf + i * VMM_BLOCK_BYTES);
    }
    if (rc && failed_out) {
        *failed_out = first + i - 1;
    }
    return rc;
}

int vmm_region_discard(vmm_region *region, uint64_t first, uint64_t nr)
{
    uint64_t i;
    int rc = 0;

    for (i = 0; !rc && i < nr; i++) {
        rc = vmm__region_discard(region->deps.region, first + i);
    }
    return rc;
}

int vmm_region_next_snapshot(vmm_region *region, uint64_t id,
                             struct vmm_snapshot_info *info_out)
{
    struct vmm__point_info info;
    int rc;

    rc = vmm__region_next_snapshot(region->deps.region, id, &info);
    if (rc) {
        return rc;
    }
    info_out->id = info.id;
    info_out->parent_id = info.parent_id;
    info_out->created_s = info.created_s;
    memcpy(info_out->name, info.name, sizeof(info_out->name));
    return 0;
}

int vmm_region_snapshot(vmm_region *region, const char *name)
{
    return vmm__region_snapshot(region->deps.region, name,
                                region->deps.wall_s());
}

int vmm_region_find_snapshot(vmm_region *region, const char *name,
                             uint64_t *id_out)
{
    return vmm__region_find_snapshot(region->deps.region, name, id_out);
}

int vmm_region_revert(vmm_region *region, uint64_t id)
{
    return vmm__region_revert(region->deps.region, id,
                              region->deps.wall_s());
}

int vmm_region_delete_snapshot(vmm_region *region, uint64_t id)
{
    return vmm__region_snapshot_delete(region->deps.region, id);
}

bool vmm_region_reap(vmm_region *region)
{
    return vmm__region_reap(region->deps.region);
}

int vmm_region_stat(vmm_region *region, struct vmm_region_stat *stat)
{
    const struct vmm__region_geometry *geo =
        vmm__region_geometry(region->deps.region);
    struct vmm__point_info info = { 0 };
    struct vmm__region_stat core;

    if (stat->size != sizeof(*stat)) {
        return VMM_E_INVAL;
    }
    vmm__region_stat(region->deps.region, &core);
    memset(stat, 0, sizeof(*stat));
    stat->size = sizeof(*stat);
    while (!vmm__region_next_snapshot(region->deps.region, info.id, &info)) {
        stat->nr_snapshots++;
    }
    memcpy(stat->uuid, geo->uuid, sizeof(stat->uuid));
    stat->region_bytes = geo->nr_blks * VMM_BLOCK_BYTES;
    stat->nvm_bytes = core.nr_pblks_data * VMM_BLOCK_BYTES;
    stat->nvm_free_bytes = core.nr_pblks_free * VMM_BLOCK_BYTES;
    stat->storage_bytes = geo->nr_slots * VMM_BLOCK_BYTES;
    stat->storage_used_bytes = core.nr_slots_used * VMM_BLOCK_BYTES;
    stat->nr_purged = core.nr_purged;
    stat->nr_recalled = core.nr_recalled;
    stat->nr_lost = core.nr_lost;
    return 0;
}

int vmm_region_usage(vmm_region *region, uint64_t id,
                     struct vmm_region_usage *usage)
{
    struct vmm__region_usage core;
    int rc;

    if (usage->size != sizeof(*usage)) {
        return VMM_E_INVAL;
    }
    rc = vmm__region_usage(region->deps.region, id, &core);
    if (rc) {
        return rc;
    }
    *usage = (struct vmm_region_usage){
        .size = sizeof(*usage),
        .nr_blocks = core.nr_blks,
        .nr_nvm = core.nr_nvm,
        .nr_storage = core.nr_storage,
        .nr_same_filled = core.nr_same,
        .nr_lost = core.nr_lost,
        .nr_exclusive = core.nr_exclusive,
    };
    return 0;
}
