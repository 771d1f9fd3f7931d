/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* regionio.c: a region and its storage, for callers that can wait. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "consumer/regionio.h"

#define BATCH_BLOCKS 32u            /* purged together */
#define NS_PER_S 1000000000ull

struct vmm_region {
    struct vmm__regionio_deps deps;
    pthread_mutex_t purge_lock;
};

int vmm__regionio_new(const struct vmm__regionio_deps *deps,
                      vmm_region **region_out)
{
    vmm_region *region = calloc(1, sizeof(*region));

    if (!region) {
        return VMM_E_NOMEM;
    }
    region->deps = *deps;
    (void)pthread_mutex_init(&region->purge_lock, NULL);
    *region_out = region;
    return 0;
}

void vmm__regionio_free(vmm_region *region)
{
    if (region) {
        (void)pthread_mutex_destroy(&region->purge_lock);
        free(region);
    }
}

void *vmm__regionio_owner(const vmm_region *region)
{
    return region->deps.owner;
}

uint64_t vmm_region_nr_blocks(const vmm_region *region)
{
    return vmm__region_geometry(region->deps.region)->nr_blks;
}

static int read_one(vmm_region *region, uint64_t id, uint64_t blk, void *buf)
{
    const struct vmm__store *store = &region->deps.store;
    struct vmm__recall recall;
    int rc;

    do {
        rc = vmm__region_read(region->deps.region, id, blk, buf, &recall);
        if (rc != VMM_E_AGAIN) {
            return rc;
        }
        rc = store->ops->read(store->self, recall.slot, buf);
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

/* One batch of one kind; *nr_out 0: there is none, or no slot. */
static int purge_batch(vmm_region *region, enum vmm__purge_what what,
                       uint64_t max, unsigned int *nr_out)
{
    const struct vmm__store *store = &region->deps.store;
    struct vmm__purge purges[BATCH_BLOCKS];
    const void *blocks[BATCH_BLOCKS];
    unsigned int nr, i;
    int rc;

    nr = vmm__region_purge_pick(region->deps.region, what,
                                max < BATCH_BLOCKS ? (unsigned int)max
                                                   : BATCH_BLOCKS, purges);
    *nr_out = nr;
    if (!nr) {
        return 0;
    }
    for (i = 0; i < nr; i++) {
        blocks[i] = purges[i].data;
    }
    rc = store->ops->write(store->self, purges[0].slot, blocks, nr);
    rc = rc ? rc : store->ops->sync(store->self);
    vmm__region_purged(region->deps.region, purges, nr, rc);
    return rc;
}

static bool storage_full(vmm_region *region)
{
    struct vmm__region_stat stat;

    vmm__region_stat(region->deps.region, &stat);
    return stat.nr_slots_used ==
           vmm__region_geometry(region->deps.region)->nr_slots;
}

static uint64_t nr_free(vmm_region *region)
{
    struct vmm__region_stat stat;

    vmm__region_stat(region->deps.region, &stat);
    return stat.nr_pblks_free;
}

int vmm_region_purge(vmm_region *region, uint64_t nr_free_wanted,
                     uint64_t max, uint64_t max_per_s, bool any,
                     uint64_t *nr_out)
{
    enum vmm__purge_what what = VMM__PURGE_SNAPSHOT_ONLY;
    uint64_t start_ns = vmm__now_ns(&region->deps.clock), due_ns, now_ns;
    unsigned int nr;
    int rc = 0;

    *nr_out = 0;
    if (!region->deps.store.ops) {
        return VMM_E_NOTSUP;
    }

    pthread_mutex_lock(&region->purge_lock);
    while (!rc && *nr_out < max && nr_free(region) < nr_free_wanted) {
        rc = purge_batch(region, what, max - *nr_out, &nr);
        if (rc) {
            break;
        }
        if (!nr) {
            if (storage_full(region)) {
                rc = VMM_E_NOSPC;
            } else if (what == VMM__PURGE_ANY ||
                       (what == VMM__PURGE_COLD && !any)) {
                break;
            } else {
                what++;
            }
            continue;
        }
        *nr_out += nr;
        if (max_per_s) {
            due_ns = start_ns + *nr_out * NS_PER_S / max_per_s;
            now_ns = vmm__now_ns(&region->deps.clock);
            if (due_ns > now_ns) {
                region->deps.sleep_ns(due_ns - now_ns);
            }
        }
    }
    pthread_mutex_unlock(&region->purge_lock);
    return rc;
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
        rc = vmm_region_purge(region, before + BATCH_BLOCKS, BATCH_BLOCKS, 0,
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
