/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * regions.h: the regions that vmmd has open, by name.
 *
 * Each has a record on disk, which says where it is, so that a later vmmd
 * opens it again.  What takes time is done by jobs.  The loop thread, but for
 * regions_export() and regions_unexport().
 */
#ifndef VMMD_REGIONS_H
#define VMMD_REGIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "conf.h"
#include "include/vmm_ctl.h"
#include "job.h"

struct regions;
struct region;

/* Opens all of which there is a record; those that cannot be stay failed. */
int regions_open(struct loop *loop, const struct conf *conf,
                 struct regions **regions_out);
/*
 * Blocks until jobs are over.  Nobody may use any.  NULL is fine.
 */
void regions_close(struct regions *regions);

/* In order of name; NULL to begin, NULL at the end. */
struct region *regions_next(const struct regions *regions,
                            const struct region *after);
struct region *regions_find(const struct regions *regions, const char *name);
/* The strings are the region's. */
void region_tell(const struct region *region,
                 struct vmm_ctl_region *region_out);

/* What there is to say, besides how it ended. */
struct region_result {
    uint64_t nr_moved;          /* blocks purged; also while it goes on */
    uint64_t nr_problems, nr_repaired;
    char **texts;               /* the first problems */
    unsigned int nr_texts;
    struct vmm_ctl_region_point *points;
    unsigned int nr_points;
};

/*
 * How a request ended: 0 or VMM_E_*, with a text that says more.  `region' is
 * NULL if there is none (any more).  What it says is durable.
 */
typedef void region_done_fn(void *user, int rc, const char *text,
                            const struct region *region,
                            const struct region_result *result);

struct region_new {
    const char *name, *nvm, *storage;   /* storage: NULL: none */
    uint64_t nvm_bytes;         /* 0: a device-dax */
    uint64_t region_bytes, storage_bytes;
    uint32_t max_snapshots;     /* 0: as many as is usual */
    uint64_t purge_bytes_per_s;
    uint32_t purge_low_percent, purge_high_percent;
};
/* `done' is called once in any case, perhaps at once. */
void regions_create(struct regions *regions, const struct region_new *params,
                    region_done_fn *done, void *user);

enum region_verb {
    REGION_SNAPSHOT,
    REGION_REVERT,
    REGION_DELETE_SNAPSHOT,
    REGION_DELETE,              /* all of it */
    REGION_PURGE,
    REGION_CHECK,
    REGION_STAT,                /* with points */
};
struct region_do {
    enum region_verb verb;
    const char *snapshot;       /* of the first three */
    bool any;                   /* of PURGE */
    uint32_t free_percent;
    bool repair;                /* of CHECK */
};
/* As above. */
void region_do(struct region *region, const struct region_do *what,
               region_done_fn *done, void *user);
/* Blocks that a purge for `user' has moved; false if there is none. */
bool regions_progress(const struct regions *regions, const void *user,
                      uint64_t *nr_moved_out);

/*
 * For the pages of a domain, until regions_release(); what was in it is gone,
 * unless it is used by this domain already.
 * Errors, with a static text: VMM_E_NOENT: no such region; VMM_E_BUSY: in use,
 * or not open; VMM_E_EXISTS: there is something else in it; VMM_E_NOSPC,
 * VMM_E_IO: it cannot be recorded.
 */
int regions_use(struct regions *regions, const char *name, uint32_t domid,
                bool again, vmm_region **handle_out, const char **text_out);
/* `over': nothing of the domain is in it any more. */
void regions_release(struct regions *regions, const char *name,
                     uint32_t domid, bool over);

/* When sessions have been taken up: what is nobody's any more goes. */
void regions_settle(struct regions *regions);

/* For a block device; any thread. */
struct region_user {
    struct region *region;
    vmm_region *handle;
    uint64_t id;
    struct vmm__list_node node;
};
int regions_export(struct regions *regions, const char *name,
                   const char *snapshot, struct region_user *user_out,
                   char *text, size_t text_bytes);
void regions_unexport(struct regions *regions, struct region_user *user);

#endif
