/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm_region.h: blocks on memory that survives, with snapshots, and with mass
 * storage behind it for what is cold.
 *
 * A region is a file, or a device-dax, mapped; format: vmm-region(5).  Blocks
 * are of 4 KiB.  Any thread may call, several at once, but for open and close;
 * one process at a time.  Not across fork.
 *
 * What a function that changes the region did is durable when it returns, and
 * after a power cut at any time the region has all of what was acknowledged.
 */
#ifndef VMM_REGION_H
#define VMM_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct vmm_region vmm_region;

#define VMM_BLOCK_BYTES 4096u
#define VMM_SNAPSHOT_NAME_BYTES 64u     /* with its 0 */
#define VMM_REGION_RUNNING 0ull         /* in place of a snapshot's id */

struct vmm_region_create_opts {
    uint32_t size;              /* sizeof(struct vmm_region_create_opts) */
    uint32_t max_snapshots;     /* at most 16381 */
    const char *path;           /* a file, which is made, or a device-dax */
    uint64_t media_bytes;       /* of the file; of a device-dax: 0 */
    uint64_t region_bytes;      /* as its users see it */
    const char *storage_path;   /* file, made, or block device; NULL: none */
    uint64_t storage_bytes;     /* of a block device, 0: all */
};
void vmm_region_create_opts_init(struct vmm_region_create_opts *opts_out);
/*
 * Errors: VMM_E_EXISTS: the file, or the device holds something; VMM_E_RANGE;
 * VMM_E_NOSPC, VMM_E_PERM, VMM_E_BUSY, VMM_E_IO, VMM_E_NOTSUP; what was made
 * until then is removed again.
 */
int vmm_region_create(const struct vmm_region_create_opts *opts,
                      const struct vmm_logger *logger);

/*
 * Nothing of it can be read any more: files are removed; a device is not a
 * region, or a region's storage, any more.  Both must be: its own.
 * Errors: as of open().
 */
int vmm_region_destroy(const char *path, const char *storage_path,
                       const struct vmm_logger *logger);

/*
 * storage_path: NULL only if the region has no storage.
 * Errors: VMM_E_FORMAT: no region; VMM_E_VERSION: of a later version;
 * VMM_E_CHECKSUM: damaged, check it; VMM_E_EXISTS: the storage is another
 * one's; VMM_E_BUSY: open elsewhere; VMM_E_NOENT, VMM_E_PERM, VMM_E_IO,
 * VMM_E_INVAL, VMM_E_NOMEM, VMM_E_NOTSUP.  Nothing was changed.
 */
int vmm_region_open(const char *path, const char *storage_path,
                    const struct vmm_logger *logger,
                    vmm_region **region_out);
void vmm_region_close(vmm_region *region);

uint64_t vmm_region_nr_blocks(const vmm_region *region);

/*
 * `nr' blocks from `first' on, of the running state or a snapshot.  What is in
 * storage is fetched, and stays in NVM if there is room.
 * Errors: VMM_E_RANGE; VMM_E_NOENT: no such snapshot; VMM_E_LOST: a block that
 * cannot be read, of which *failed_out, if not NULL, is the number.  On
 * failure buf is undefined.
 */
int vmm_region_read(vmm_region *region, uint64_t id, uint64_t first,
                    uint64_t nr, void *buf, uint64_t *failed_out);
/*
 * Of the running state; block by block: after a failure those before
 * *failed_out, if not NULL, are written.  Where NVM is full, others are
 * purged.
 * Errors: VMM_E_RANGE; VMM_E_NOSPC: and storage as well; VMM_E_IO: storage.
 */
int vmm_region_write(vmm_region *region, uint64_t first, uint64_t nr,
                     const void *buf, uint64_t *failed_out);
/* They read zeros, and take no room.  VMM_E_RANGE. */
int vmm_region_discard(vmm_region *region, uint64_t first, uint64_t nr);

struct vmm_snapshot_info {
    uint64_t id;
    uint64_t parent_id;         /* 0: none */
    uint64_t created_s;         /* since 1970 */
    char name[VMM_SNAPSHOT_NAME_BYTES];
};
/* In the order of ids, from above `id' on; VMM_E_NOENT at the end. */
int vmm_region_next_snapshot(vmm_region *region, uint64_t id,
                             struct vmm_snapshot_info *info_out);
/*
 * By name: letters, digits and any of . _ - : and no leading -.
 * Errors: VMM_E_INVAL: the name; VMM_E_EXISTS, VMM_E_NOENT; VMM_E_NOSPC: as
 * many as there may be.
 */
int vmm_region_snapshot(vmm_region *region, const char *name);
int vmm_region_find_snapshot(vmm_region *region, const char *name,
                             uint64_t *id_out);
/* What runs is given up for what the snapshot has; later ones stay. */
int vmm_region_revert(vmm_region *region, uint64_t id);
int vmm_region_delete_snapshot(vmm_region *region, uint64_t id);
/*
 * A piece of what deleting and reverting left to do; true if there is more.
 * Room that it frees is there when all is done.
 */
bool vmm_region_reap(vmm_region *region);

/*
 * Move blocks to storage: those of snapshots alone first, then cold ones, and,
 * with `any', others as well; until `nr_free' blocks of NVM are free, but not
 * more than `max'.  *nr_out is how many were moved.
 * Errors: VMM_E_NOTSUP: there is no storage; VMM_E_NOSPC: it is full;
 * VMM_E_IO.
 */
int vmm_region_purge(vmm_region *region, uint64_t nr_free, uint64_t max,
                     bool any, uint64_t *nr_out);

/* What is purged by itself; as long as it is open. */
struct vmm_region_purge_opts {
    uint32_t size;              /* sizeof(struct vmm_region_purge_opts) */
    /* Of NVM free: below the one it begins, at the other it ends. */
    uint32_t low_percent, high_percent;
    uint32_t _res1;
    uint64_t bytes_per_s;       /* of any purge, at most; 0: no limit */
};
/* Without, nothing is purged by itself.  VMM_E_INVAL. */
int vmm_region_set_purge(vmm_region *region,
                         const struct vmm_region_purge_opts *opts);

struct vmm_region_stat {
    uint32_t size;              /* sizeof, set by the caller */
    uint32_t nr_snapshots;
    uint8_t uuid[16];
    uint64_t region_bytes;
    uint64_t nvm_bytes, nvm_free_bytes;         /* for data and tables */
    uint64_t storage_bytes, storage_used_bytes;
    uint64_t nr_purged, nr_recalled, nr_lost;   /* blocks, since open */
};
int vmm_region_stat(vmm_region *region, struct vmm_region_stat *stat);

struct vmm_region_usage {
    uint32_t size;              /* sizeof, set by the caller */
    uint32_t _res1;
    uint64_t nr_blocks;         /* but zeros; the sum of these: */
    uint64_t nr_nvm, nr_storage, nr_same_filled, nr_lost;
    uint64_t nr_exclusive;      /* of all: nobody else refers to them */
};
int vmm_region_usage(vmm_region *region, uint64_t id,
                     struct vmm_region_usage *usage);

/*
 * Check every invariant of a region that nobody has open, and, if
 * storage_path is not NULL, that each block there is as it was written.
 * Nothing is changed.  `problem' is called for each; *nr_out is how many.
 * Errors: VMM_E_NOENT, VMM_E_BUSY, VMM_E_PERM, VMM_E_IO, VMM_E_NOMEM.
 */
int vmm_region_check(const char *path, const char *storage_path,
                     void (*problem)(void *user, const char *text),
                     void *user, const struct vmm_logger *logger,
                     uint64_t *nr_out);

/*
 * The same, and put right what can be: blocks that cannot be had are lost,
 * and say so (VMM_E_LOST) until they are written.  *nr_repaired_out is *nr_out
 * if all is well now, else 0: see vmm-region(5) for what can be repaired.
 * Errors: besides those above, VMM_E_NOSPC: no block of NVM is free.
 */
int vmm_region_repair(const char *path, const char *storage_path,
                      void (*problem)(void *user, const char *text),
                      void *user, const struct vmm_logger *logger,
                      uint64_t *nr_out, uint64_t *nr_repaired_out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* VMM_REGION_H */
