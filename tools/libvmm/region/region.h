/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * region.h: blocks on memory that survives, with snapshots; the only face
 * that other layers see.
 *
 * Page tables map blocks to virtblock entries, one for each block of data,
 * shared by all points (the running one and its snapshots) that see the same
 * data.  Moving data is one store to its entry.  Format: format/regionfmt.h.
 *
 * Mass storage is the caller's: what is there is named by slots, and who reads
 * or writes them uses read()/recalled() and purge_pick()/purged().
 *
 * Threads: any number may read, write, snapshot, revert, delete and purge at
 * once; readers never wait.  One reap() and one purge at a time: each has a
 * lock of its own.  create(), open() and close() have the region to
 * themselves.  Not across fork.
 *
 * Durable when the function returns: write(), discard(), snapshot(), revert(),
 * snapshot_delete().  A write is seen by readers shortly before.
 */
#ifndef VMM_REGION_REGION_H
#define VMM_REGION_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include "format/regionfmt.h"
#include "include/vmm.h"
#include "table/media.h"
#include "table/store.h"

struct vmm__region;

/*
 * Make a region on media; whatever was there is gone.  `zeroed': the media
 * reads zeros.  geo: nr_pblks is taken from the media, what is derived is
 * filled in.
 * Errors: VMM_E_RANGE, with a message.
 */
int vmm__region_create(const struct vmm__media *media,
                       struct vmm__region_geometry *geo, bool zeroed,
                       const struct vmm_logger *logger);

/* Is there one, in whatever state, or of another version? */
bool vmm__region_is(const struct vmm__media *media);
/* There is none any more. */
void vmm__region_wipe(const struct vmm__media *media);

/* The superblock of a region; errors: those of open() that it tells. */
int vmm__region_super(const struct vmm__media *media,
                      const struct vmm_logger *logger,
                      struct vmm__super *super_out);

/*
 * The media stays the caller's and outlives the region.  Bounded by the size
 * of the metadata, and by what the running point maps if it was not closed.
 * Errors: VMM_E_FORMAT, VMM_E_VERSION, VMM_E_CHECKSUM: no region of ours, or a
 * damaged one; the media was not written to.  VMM_E_NOMEM.
 */
int vmm__region_open(const struct vmm__media *media,
                     const struct vmm_logger *logger,
                     struct vmm__region **region_out);
/* Marked as clean.  NULL is fine. */
void vmm__region_close(struct vmm__region *region);

const struct vmm__region_geometry *
vmm__region_geometry(const struct vmm__region *region);

/* Points are named by ids, which are never used again. */
#define VMM__POINT_RUNNING 0ull

struct vmm__point_info {
    uint64_t id;
    uint64_t parent_id;         /* 0: none */
    uint64_t created_s;
    char name[VMM__POINT_NAME_BYTES];
};
/*
 * The snapshot of the lowest id above `id'; VMM_E_NOENT at the end.  Not those
 * that were deleted, even if their blocks are not free yet.
 */
int vmm__region_next_snapshot(struct vmm__region *region, uint64_t id,
                              struct vmm__point_info *info_out);
int vmm__region_find_snapshot(struct vmm__region *region, const char *name,
                              uint64_t *id_out);

/* VMM_E_INVAL: the name; VMM_E_EXISTS; VMM_E_NOSPC: no more points. */
int vmm__region_snapshot(struct vmm__region *region, const char *name,
                         uint64_t created_s);
/*
 * What runs is dropped, and goes on from the snapshot.  Later snapshots stay.
 * VMM_E_NOENT, VMM_E_NOSPC.
 */
int vmm__region_revert(struct vmm__region *region, uint64_t id,
                       uint64_t created_s);
/* Its blocks are free after reap().  VMM_E_NOENT. */
int vmm__region_snapshot_delete(struct vmm__region *region, uint64_t id);
/*
 * A bounded piece of what deletion and reverting left to do; true if there is
 * more.  A deleted point that two or more others were made from stays until
 * one of them is gone.
 */
bool vmm__region_reap(struct vmm__region *region);

/* Where a block is that must be read from mass storage. */
struct vmm__recall {
    uint64_t slot;
    uint64_t vb, word;          /* the region's own */
    uint32_t crc32c;
};

/*
 * One block: 0, with its contents; VMM_E_AGAIN: read recall_out->slot, then
 * call recalled(); VMM_E_LOST: it cannot be read; VMM_E_NOENT: no such point
 * (any more); VMM_E_RANGE.
 */
int vmm__region_read(struct vmm__region *region, uint64_t id, uint64_t blk,
                     void *buf, struct vmm__recall *recall_out);
/*
 * What was read from the slot, or rc if it could not be.  `promote': keep it
 * in NVM, if there is room.  0: buf is the block; VMM_E_AGAIN: it moved
 * meanwhile, read() again; VMM_E_LOST: it was marked so, for ever, because rc
 * is not 0 or the checksum does not fit.
 */
int vmm__region_recalled(struct vmm__region *region,
                         const struct vmm__recall *recall, const void *buf,
                         int rc, bool promote);

/* Of the running point.  VMM_E_RANGE; VMM_E_NOSPC: purge, then try again. */
int vmm__region_write(struct vmm__region *region, uint64_t blk,
                      const void *buf);
/* Reads zeros from here on, and takes no room. */
int vmm__region_discard(struct vmm__region *region, uint64_t blk);

/* A block on its way to mass storage. */
struct vmm__purge {
    const void *data;           /* in NVM; does not change */
    uint64_t slot;
    uint64_t vb, word, to;      /* the region's own */
};
enum vmm__purge_what {
    VMM__PURGE_SNAPSHOT_ONLY,   /* what the running point does not refer to */
    VMM__PURGE_COLD,            /* and what nobody read since last time */
    VMM__PURGE_ANY,             /* what is cold first */
};
/*
 * Up to `max' blocks, the slots of which follow each other: fewer if storage
 * is fragmented, or not so many are to be had.  Write them, make them durable,
 * and call purged(), whatever came of it.  One at a time: no picks of two
 * threads.  Returns how many; looks at a bounded piece of the region, so none
 * means that there are none, or no slots, only if *end_out; then it begins
 * again.
 */
unsigned int vmm__region_purge_pick(struct vmm__region *region,
                                    enum vmm__purge_what what,
                                    unsigned int max,
                                    struct vmm__purge *purges_out,
                                    bool *end_out);
void vmm__region_purged(struct vmm__region *region,
                        const struct vmm__purge *purges, unsigned int nr,
                        int rc);

struct vmm__region_stat {
    uint64_t nr_pblks_data;     /* that there are */
    uint64_t nr_pblks_free;     /* for data */
    uint64_t nr_slots_used;
    uint64_t nr_purged, nr_recalled, nr_lost;   /* since open */
};
void vmm__region_stat(struct vmm__region *region,
                      struct vmm__region_stat *stat_out);

/* In blocks. */
struct vmm__region_usage {
    uint64_t nr_blks;           /* but zeros; the sum of these: */
    uint64_t nr_nvm, nr_storage, nr_same, nr_lost;
    uint64_t nr_exclusive;      /* of all: nobody else refers to them */
};
/* As of some time during the call, block by block.  VMM_E_NOENT. */
int vmm__region_usage(struct vmm__region *region, uint64_t id,
                      struct vmm__region_usage *usage_out);

/*
 * Check every invariant of a region that nobody has open, without writing to
 * it, and, if store is not NULL, that each block there is as it was written.
 * Each problem is told to `problem', if that is not NULL; *nr_out is how many.
 * 0, or VMM_E_NOMEM.
 */
int vmm__region_check(const struct vmm__media *media,
                      const struct vmm__store *store,
                      void (*problem)(void *user, const char *text),
                      void *user, uint64_t *nr_out);

/*
 * The same, and put all of it right that can be: what cannot be had is lost,
 * and says so when it is read.  *nr_repaired_out: *nr_out, or 0: one of the
 * problems cannot be put right, and in general nothing was written.
 * 0; VMM_E_NOMEM; VMM_E_NOSPC: no block is free, it is to be tried again.
 */
int vmm__region_repair(const struct vmm__media *media,
                       const struct vmm__store *store,
                       void (*problem)(void *user, const char *text),
                       void *user, uint64_t *nr_out,
                       uint64_t *nr_repaired_out);

#endif
