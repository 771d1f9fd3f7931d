/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * regiondrv.h: the thread that owns a region's storage: an engine in front of
 * the device, and the purger.
 *
 * Everybody who wants something from the storage asks it, so that the classes
 * of all are in one place.  Any thread may ask; done() is called in ours.
 */
#ifndef VMM_CONSUMER_REGIONDRV_H
#define VMM_CONSUMER_REGIONDRV_H

#include "consumer/purger.h"
#include "table/bdev.h"

struct vmm__regiondrv;

/* A block that is read from the storage; the caller's until done(). */
struct vmm__recall_io {
    uint64_t slot;
    enum vmm_reqclass reqclass;
    void *buf;                  /* aligned to VMM__BDEV_ALIGN_BYTES */
    void (*done)(struct vmm__recall_io *io, int rc);    /* VMM_E_IO */

    /* The thread's own. */
    struct vmm__engine_io eio;
    struct vmm__list_node node;
    struct vmm__regiondrv *drv;
    bool listed;                /* it has not seen this yet */
    bool submitted, over;
    enum vmm_reqclass promote;
};

/*
 * Starts the thread.  The region, and the bdev, stay the caller's and outlive
 * it.  VMM_E_NOMEM, VMM_E_LOCAL.
 */
int vmm__regiondrv_new(struct vmm__region *region,
                       const struct vmm__bdev *bdev,
                       const struct vmm__clock *clock,
                       struct vmm__regiondrv **drv_out);
/* Purge jobs end with VMM_E_CANCELED; nobody reads.  NULL is fine. */
void vmm__regiondrv_free(struct vmm__regiondrv *drv);

void vmm__regiondrv_recall(struct vmm__regiondrv *drv,
                           struct vmm__recall_io *io);
/* Somebody more urgent waits for it; does nothing after done(). */
void vmm__regiondrv_promote(struct vmm__regiondrv *drv,
                            struct vmm__recall_io *io,
                            enum vmm_reqclass reqclass);

void vmm__regiondrv_purge(struct vmm__regiondrv *drv,
                          struct vmm__purge_job *job);
void vmm__regiondrv_set(struct vmm__regiondrv *drv,
                        const struct vmm__purger_cfg *cfg);
void vmm__regiondrv_get(struct vmm__regiondrv *drv,
                        struct vmm__purger_cfg *cfg_out);

/*
 * Be told, from the thread, each time that blocks became free or that this
 * cannot be; at most VMM__REGIONDRV_LISTENERS, VMM_E_BUSY.
 */
#define VMM__REGIONDRV_LISTENERS 8u
int vmm__regiondrv_listen(struct vmm__regiondrv *drv,
                          void (*fn)(void *user), void *user);
/* Not called any more when this returns. */
void vmm__regiondrv_unlisten(struct vmm__regiondrv *drv, void *user);

/* As vmm__purger_stuck(), when it looked last; makes it look again. */
int vmm__regiondrv_stuck(struct vmm__regiondrv *drv);

#endif
