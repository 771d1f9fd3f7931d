/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* regions.c: the regions that vmmd has open; see regions.h. */
#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "record.h"
#include "regions.h"
#include "statefile.h"

#define VERSION 1
#define SUFFIX ".region"
#define TEXT_BYTES 256
#define TEXTS_MAX 100u
#define NAME_MAX_LEN (VMM_SNAPSHOT_NAME_BYTES - 1)

struct region {
    struct vmm__list_node node;         /* in order of name */
    struct regions *regions;
    /* What is on disk. */
    char *name, *nvm, *storage;         /* storage: "": none */
    uint64_t purge_bytes_per_s;
    uint32_t purge_low_percent, purge_high_percent;
    bool paging;                /* pages of a domain are in it; see lock */

    enum vmm_ctl_region_state state;
    int failed_rc;
    char uuid[UUID_TEXT_BYTES];
    bool has_domid;
    uint32_t domid;
    unsigned int nr_ops;
    bool clearing;
    /*
     * Changed under the lock of regions, as their list is, by the loop thread;
     * but for users, by any.
     */
    vmm_region *handle;
    struct vmm__list_node users;
};

enum op_verb {
    OP_CREATE = REGION_STAT + 1,
    OP_REAP,                    /* what an earlier vmmd left to do */
    OP_CLEAR,                   /* pages of a domain that is gone */
};

/* What is being done to a region. */
struct op {
    struct job job;
    struct vmm__list_node node;
    struct region *region;
    int verb;                   /* enum region_verb or op_verb */
    bool any, repair;
    uint32_t free_percent;
    char snapshot[VMM_SNAPSHOT_NAME_BYTES];
    struct vmm_region_create_opts create;
    vmm_region *handle;
    region_done_fn *done;
    void *user;
    int rc, open_rc;            /* open_rc: of opening it again */
    uint64_t nr_purged_before;
    struct region_result result;
    char text[TEXT_BYTES];
};

struct regions {
    const struct conf *conf;
    struct jobs *jobs;
    struct vmm__list_node list, ops;
    pthread_mutex_t lock;
};

/* Names and texts. */

static bool is_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:");

    return len && len <= NAME_MAX_LEN && !name[len] && *name != '-' &&
           *name != '.';
}

static int say(char *text, int rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int say(char *text, int rc, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, TEXT_BYTES, fmt, ap);
    va_end(ap);
    return rc;
}

/* What the library says is logged, and the last of it told. */
static void lib_log(void *user, enum vmm_log_level level, const char *msg)
{
    char *text = user;

    log_line(level, "region", "%s", msg);
    if (level == VMM_LOG_ERROR) {
        (void)snprintf(text, TEXT_BYTES, "%s", msg);
    }
}

/* Records. */

static char *file_of(const struct region *region)
{
    char *name;

    return asprintf(&name, "%s" SUFFIX, region->name) < 0 ? NULL : name;
}

static int save(const struct region *region)
{
    struct vmm__json_out *out = vmm__json_out_new(false);
    char *name = file_of(region);
    int rc;

    vmm__json_put_object(out, NULL);
    vmm__json_put_u64(out, "version", VERSION);
    vmm__json_put_string(out, "name", region->name);
    vmm__json_put_string(out, "nvm", region->nvm);
    vmm__json_put_string(out, "storage", region->storage);
    vmm__json_put_u64(out, "purge_bytes_per_s", region->purge_bytes_per_s);
    vmm__json_put_u64(out, "purge_low_percent", region->purge_low_percent);
    vmm__json_put_u64(out, "purge_high_percent", region->purge_high_percent);
    vmm__json_put_bool(out, "paging", region->paging);
    vmm__json_end_object(out);
    if (!name) {
        vmm__json_out_free(out);
        return VMM_E_NOMEM;
    }
    rc = statefile_save(region->regions->conf->state_dir, name, out);
    free(name);
    return rc;
}

static int forget(const struct region *region)
{
    char *name = file_of(region);
    int rc;

    rc = name ? statefile_remove(region->regions->conf->state_dir, name)
              : VMM_E_NOMEM;
    free(name);
    return rc;
}

/* Regions. */

static void region_free(struct region *region)
{
    if (!region) {
        return;
    }
    assert(!region->handle && vmm__list_empty(&region->users));
    pthread_mutex_lock(&region->regions->lock);
    vmm__list_del(&region->node);
    pthread_mutex_unlock(&region->regions->lock);
    free(region->name);
    free(region->nvm);
    free(region->storage);
    free(region);
}

static struct region *region_new(struct regions *regions, const char *name,
                                 const char *nvm, const char *storage)
{
    struct region *region = calloc(1, sizeof(*region));
    struct vmm__list_node *at;

    if (!region) {
        return NULL;
    }
    region->regions = regions;
    vmm__list_init(&region->node);
    vmm__list_init(&region->users);
    region->name = strdup(name);
    region->nvm = strdup(nvm);
    region->storage = strdup(storage);
    if (!region->name || !region->nvm || !region->storage) {
        region_free(region);
        return NULL;
    }
    for (at = regions->list.next; at != &regions->list; at = at->next) {
        if (strcmp(vmm__container_of(at, struct region, node)->name,
                   name) > 0) {
            break;
        }
    }
    pthread_mutex_lock(&regions->lock);
    vmm__list_add_tail(at, &region->node);
    pthread_mutex_unlock(&regions->lock);
    return region;
}

static void set_handle(struct region *region, vmm_region *handle)
{
    pthread_mutex_lock(&region->regions->lock);
    region->handle = handle;
    pthread_mutex_unlock(&region->regions->lock);
}

/* 0: and it is recorded. */
static int set_paging(struct region *region, bool paging)
{
    pthread_mutex_lock(&region->regions->lock);
    region->paging = paging;
    pthread_mutex_unlock(&region->regions->lock);
    return save(region);
}

static const char *storage_of(const struct region *region)
{
    return *region->storage ? region->storage : NULL;
}

/* May be called in a job: of the region only what does not change. */
static int open_it(const struct region *region, char *text,
                   vmm_region **handle_out)
{
    const struct vmm_region_purge_opts purge = {
        .size = sizeof(purge),
        .low_percent = region->purge_low_percent,
        .high_percent = region->purge_high_percent,
        .bytes_per_s = region->purge_bytes_per_s,
    };
    const struct vmm_logger logger = { lib_log, text };
    int rc;

    rc = vmm_region_open(region->nvm, storage_of(region), &logger,
                         handle_out);
    if (!rc) {
        rc = vmm_region_set_purge(*handle_out, &purge);
        if (rc) {
            vmm_region_close(*handle_out);
        }
    }
    return rc;
}

static void opened(struct region *region, int rc, const char *text,
                   vmm_region *handle)
{
    struct vmm_region_stat stat = { .size = sizeof(stat) };

    region->failed_rc = rc;
    if (rc) {
        region->state = VMM_CTL_REGION_FAILED;
        log_line(VMM_LOG_ERROR, "region", "%s: cannot be opened: %s (%s): "
                 "see xl region-check", region->name, vmm_error_text(rc),
                 text);
        return;
    }
    (void)vmm_region_stat(handle, &stat);
    record_uuid_text(stat.uuid, region->uuid);
    region->state = VMM_CTL_REGION_OPEN;
    set_handle(region, handle);
    log_line(VMM_LOG_INFO, "region", "%s: open", region->name);
}

/* Jobs. */

static void problem(void *user, const char *text)
{
    struct region_result *result = user;
    char **texts;

    if (result->nr_texts == TEXTS_MAX) {
        return;
    }
    texts = realloc(result->texts,
                    (result->nr_texts + 1) * sizeof(*texts));
    if (!texts) {
        return;
    }
    result->texts = texts;
    texts[result->nr_texts] = strdup(text);
    result->nr_texts += texts[result->nr_texts] != NULL;
}

static void result_dispose(struct region_result *result)
{
    unsigned int i;

    for (i = 0; i < result->nr_texts; i++) {
        free(result->texts[i]);
    }
    for (i = 0; i < result->nr_points; i++) {
        free((char *)(uintptr_t)result->points[i].name);
        free((char *)(uintptr_t)result->points[i].parent);
    }
    free(result->texts);
    free(result->points);
}

static int add_point(struct op *op, const struct vmm_snapshot_info *info)
{
    struct region_result *result = &op->result;
    struct vmm_ctl_region_point *points, *point;
    unsigned int i;

    points = realloc(result->points,
                     (result->nr_points + 1) * sizeof(*points));
    if (!points) {
        return VMM_E_NOMEM;
    }
    result->points = points;
    point = &points[result->nr_points];
    *point = (struct vmm_ctl_region_point){
        .created_s = info->created_s,
        .usage = { .size = sizeof(point->usage) },
    };
    if (vmm_region_usage(op->handle, info->id, &point->usage)) {
        return 0;               /* it was deleted meanwhile */
    }
    point->name = strdup(info->name);
    /* Those before it may be its parent. */
    for (i = 0; i < result->nr_points && info->parent_id; i++) {
        struct vmm_snapshot_info parent;

        if (!vmm_region_next_snapshot(op->handle, info->parent_id - 1,
                                      &parent) &&
            parent.id == info->parent_id &&
            !strcmp(points[i].name, parent.name)) {
            point->parent = strdup(parent.name);
            break;
        }
    }
    point->parent = point->parent ? point->parent : strdup("");
    if (!point->name || !point->parent) {
        free((char *)(uintptr_t)point->name);
        free((char *)(uintptr_t)point->parent);
        return VMM_E_NOMEM;
    }
    result->nr_points++;
    return 0;
}

static int tell_points(struct op *op)
{
    struct vmm_snapshot_info info = { .id = VMM_REGION_RUNNING };
    int rc;

    rc = add_point(op, &info);
    while (!rc && !vmm_region_next_snapshot(op->handle, info.id, &info)) {
        rc = add_point(op, &info);
    }
    return rc;
}

static void reap(struct op *op)
{
    while (vmm_region_reap(op->handle)) {
        continue;
    }
}

static int with_snapshot(struct op *op)
{
    uint64_t id;
    int rc;

    if (op->verb == REGION_SNAPSHOT) {
        rc = vmm_region_snapshot(op->handle, op->snapshot);
        return !rc ? 0 : say(op->text, rc, rc == VMM_E_EXISTS
            ? "there is a snapshot \"%s\" already" : rc == VMM_E_NOSPC
            ? "\"%s\": there are as many snapshots as there may be"
            : "\"%s\" cannot be made", op->snapshot);
    }
    rc = vmm_region_find_snapshot(op->handle, op->snapshot, &id);
    if (rc) {
        return say(op->text, rc, "there is no snapshot \"%s\"; xl "
                   "region-stat has those that there are", op->snapshot);
    }
    rc = op->verb == REGION_REVERT
         ? vmm_region_revert(op->handle, id)
         : vmm_region_delete_snapshot(op->handle, id);
    if (!rc) {
        reap(op);
    }
    return rc;
}

static int purge(struct op *op)
{
    struct vmm_region_stat stat = { .size = sizeof(stat) };
    uint64_t nr_free;
    int rc;

    (void)vmm_region_stat(op->handle, &stat);
    nr_free = op->free_percent < 100
              ? stat.nvm_bytes / VMM_BLOCK_BYTES * op->free_percent / 100
              : UINT64_MAX;
    rc = vmm_region_purge(op->handle, nr_free, UINT64_MAX, op->any,
                          &op->result.nr_moved);
    return !rc ? 0 : say(op->text, rc, rc == VMM_E_NOTSUP
        ? "the region has no storage" : rc == VMM_E_NOSPC
        ? "the storage is full" : "the storage cannot be written to");
}

static int check(struct op *op)
{
    const struct region *region = op->region;
    const struct vmm_logger logger = { lib_log, op->text };
    int rc;

    vmm_region_close(op->handle);
    op->handle = NULL;
    rc = op->repair
         ? vmm_region_repair(region->nvm, storage_of(region), problem,
                             &op->result, &logger, &op->result.nr_problems,
                             &op->result.nr_repaired)
         : vmm_region_check(region->nvm, storage_of(region), problem,
                            &op->result, &logger, &op->result.nr_problems);
    op->open_rc = open_it(region, op->text, &op->handle);
    return rc;
}

static int delete(struct op *op)
{
    const struct region *region = op->region;
    const struct vmm_logger logger = { lib_log, op->text };
    int rc;

    vmm_region_close(op->handle);
    op->handle = NULL;
    rc = vmm_region_destroy(region->nvm, storage_of(region), &logger);
    /* What is no region is nothing of ours. */
    return rc == VMM_E_NOENT || rc == VMM_E_FORMAT || rc == VMM_E_VERSION ||
           rc == VMM_E_CHECKSUM ? 0 : rc;
}

static int create(struct op *op)
{
    const struct vmm_logger logger = { lib_log, op->text };
    int rc;

    op->create.path = op->region->nvm;
    op->create.storage_path = storage_of(op->region);
    rc = vmm_region_create(&op->create, &logger);
    op->open_rc = rc ? rc : open_it(op->region, op->text, &op->handle);
    return op->open_rc;
}

static void run(struct job *job)
{
    struct op *op = vmm__container_of(job, struct op, job);

    switch (op->verb) {
    case REGION_PURGE:
        op->rc = purge(op);
        break;
    case REGION_STAT:
        op->rc = tell_points(op);
        break;
    case REGION_CHECK:
        op->rc = check(op);
        break;
    case REGION_DELETE:
        op->rc = delete(op);
        break;
    case OP_CREATE:
        op->rc = create(op);
        break;
    case OP_REAP:
        reap(op);
        break;
    case OP_CLEAR:
        op->rc = vmm_region_discard(op->handle, 0,
                                    vmm_region_nr_blocks(op->handle));
        break;
    default:
        op->rc = with_snapshot(op);
        break;
    }
}

static void op_over(struct op *op, struct region *region)
{
    if (op->rc && !op->text[0]) {
        (void)say(op->text, op->rc, "%s", vmm_error_text(op->rc));
    }
    if (op->done) {
        op->done(op->user, op->rc, op->text, region, &op->result);
    }
    result_dispose(&op->result);
    vmm__list_del(&op->node);
    free(op);
}

/* With all that it has: after its creation failed, or it was deleted. */
static void drop(struct op *op)
{
    struct region *region = op->region;
    int rc = forget(region);

    if (rc && !op->rc) {
        op->rc = say(op->text, rc, "the region's record cannot be removed; "
                     "see vmmd's log");
    }
    op_over(op, NULL);
    region_free(region);
}

static void done(struct job *job)
{
    struct op *op = vmm__container_of(job, struct op, job);
    struct region *region = op->region;

    region->nr_ops--;
    if ((op->verb == OP_CREATE && op->rc) ||
        (op->verb == REGION_DELETE && !op->rc)) {
        drop(op);
        return;
    }
    switch (op->verb) {
    case OP_CREATE:
    case REGION_CHECK:
        opened(region, op->open_rc, op->text, op->handle);
        break;
    case REGION_DELETE:
        opened(region, op->rc, op->text, NULL);
        break;
    case OP_CLEAR:
        region->clearing = false;
        if (!op->rc) {
            set_paging(region, false);
        }
        break;
    default:
        break;
    }
    op_over(op, region);
}

/* NULL: no memory, and `done' was told. */
static struct op *op_new(struct region *region, int verb,
                         region_done_fn *done_fn, void *user)
{
    struct op *op = calloc(1, sizeof(*op));

    if (!op) {
        if (done_fn) {
            done_fn(user, VMM_E_NOMEM, "out of memory", region, NULL);
        }
        return NULL;
    }
    op->job.run = run;
    op->job.done = done;
    op->region = region;
    op->verb = verb;
    op->done = done_fn;
    op->user = user;
    op->handle = region->handle;
    vmm__list_add_tail(&region->regions->ops, &op->node);
    return op;
}

static void op_start(struct op *op)
{
    struct region *region = op->region;
    int rc;

    /* Once it runs the op is the thread's. */
    region->nr_ops++;
    rc = job_start(region->regions->jobs, &op->job);
    if (rc) {
        op->rc = op->open_rc = rc;
        done(&op->job);
    }
}

/* What is asked for. */

static void refuse(region_done_fn *done_fn, void *user, int rc,
                   const char *text)
{
    done_fn(user, rc, text, NULL, NULL);
}

void regions_create(struct regions *regions, const struct region_new *params,
                    region_done_fn *done_fn, void *user)
{
    struct region *region;
    struct op *op;
    int rc;

    if (!is_name(params->name)) {
        refuse(done_fn, user, VMM_E_INVAL, "a region's name has letters, "
               "digits and any of . _ - : and begins with none of - and .");
        return;
    }
    if (regions_find(regions, params->name)) {
        refuse(done_fn, user, VMM_E_EXISTS,
               "there is a region of this name already");
        return;
    }
    region = region_new(regions, params->name, params->nvm,
                        params->storage ? params->storage : "");
    op = region ? op_new(region, OP_CREATE, done_fn, user) : NULL;
    if (!op) {
        if (!region) {
            refuse(done_fn, user, VMM_E_NOMEM, "out of memory");
        }
        region_free(region);
        return;
    }
    region->purge_bytes_per_s = params->purge_bytes_per_s;
    region->purge_low_percent = params->purge_low_percent;
    region->purge_high_percent = params->purge_high_percent;
    vmm_region_create_opts_init(&op->create);
    op->create.media_bytes = params->nvm_bytes;
    op->create.region_bytes = params->region_bytes;
    op->create.storage_bytes = params->storage_bytes;
    if (params->max_snapshots) {
        op->create.max_snapshots = params->max_snapshots;
    }
    /* First the record: so nobody loses sight of what was made. */
    rc = save(region);
    if (rc) {
        op->rc = say(op->text, rc, "the region cannot be recorded; see "
                     "vmmd's log");
        drop(op);
        return;
    }
    op_start(op);
}

static bool snapshot_in_use(const struct region *region, const char *name)
{
    const struct vmm__list_node *at;
    bool in_use = false;
    uint64_t id;

    if (vmm_region_find_snapshot(region->handle, name, &id)) {
        return false;
    }
    pthread_mutex_lock(&region->regions->lock);
    for (at = region->users.next; at != &region->users; at = at->next) {
        in_use |= vmm__container_of(at, const struct region_user,
                                    node)->id == id;
    }
    pthread_mutex_unlock(&region->regions->lock);
    return in_use;
}

static bool is_exported(const struct region *region)
{
    bool exported;

    pthread_mutex_lock(&region->regions->lock);
    exported = !vmm__list_empty(&region->users);
    pthread_mutex_unlock(&region->regions->lock);
    return exported;
}

/* NULL: it may be done. */
static const char *why_not(const struct region *region,
                           const struct region_do *what)
{
    if (region->state == VMM_CTL_REGION_OPENING ||
        region->state == VMM_CTL_REGION_CHECKING) {
        return "the region is being opened, checked or deleted; try again";
    }
    if (region->state == VMM_CTL_REGION_FAILED &&
        what->verb != REGION_CHECK && what->verb != REGION_DELETE) {
        return "the region cannot be opened; see xl region-check";
    }
    if (what->verb == REGION_DELETE_SNAPSHOT &&
        snapshot_in_use(region, what->snapshot)) {
        return "the snapshot is a block device; xl region-export --stop it";
    }
    if (what->verb != REGION_REVERT && what->verb != REGION_CHECK &&
        what->verb != REGION_DELETE) {
        return NULL;
    }
    if (region->has_domid) {
        return "a domain is paged into the region; xl tier-off it first";
    }
    if (is_exported(region)) {
        return "the region is a block device; xl region-export --stop it "
               "first";
    }
    return region->nr_ops && what->verb != REGION_REVERT
           ? "something else is being done to the region; try again" : NULL;
}

void region_do(struct region *region, const struct region_do *what,
               region_done_fn *done_fn, void *user)
{
    const char *why = why_not(region, what);
    struct op *op;

    if (why) {
        refuse(done_fn, user, VMM_E_BUSY, why);
        return;
    }
    if (what->snapshot && !is_name(what->snapshot)) {
        refuse(done_fn, user, VMM_E_INVAL, "a snapshot's name has letters, "
               "digits and any of . _ - : and begins with none of - and .");
        return;
    }
    op = op_new(region, (int)what->verb, done_fn, user);
    if (!op) {
        return;
    }
    op->any = what->any;
    op->free_percent = what->free_percent;
    op->repair = what->repair;
    if (what->snapshot) {
        strcpy(op->snapshot, what->snapshot);
    }
    if (what->verb == REGION_CHECK || what->verb == REGION_DELETE) {
        region->state = VMM_CTL_REGION_CHECKING;
        set_handle(region, NULL);
    }
    if (what->verb == REGION_PURGE) {
        struct vmm_region_stat stat = { .size = sizeof(stat) };

        (void)vmm_region_stat(region->handle, &stat);
        op->nr_purged_before = stat.nr_purged;
    }
    op_start(op);
}

bool regions_progress(const struct regions *regions, const void *user,
                      uint64_t *nr_moved_out)
{
    struct vmm_region_stat stat = { .size = sizeof(stat) };
    const struct vmm__list_node *at;

    for (at = regions->ops.next; at != &regions->ops; at = at->next) {
        const struct op *op = vmm__container_of(at, const struct op, node);

        if (op->user == user && op->verb == REGION_PURGE) {
            (void)vmm_region_stat(op->handle, &stat);
            *nr_moved_out = stat.nr_purged - op->nr_purged_before;
            return true;
        }
    }
    return false;
}

/* Users. */

int regions_use(struct regions *regions, const char *name, uint32_t domid,
                bool again, vmm_region **handle_out, const char **text_out)
{
    struct vmm_region_usage usage = { .size = sizeof(usage) };
    struct region *region = regions_find(regions, name);
    bool exported;
    int rc;

    if (!region) {
        *text_out = "there is no such region; xl region-list has those that "
                    "there are";
        return VMM_E_NOENT;
    }
    exported = is_exported(region);
    if (!region->handle || exported || region->clearing ||
        (region->has_domid && region->domid != domid)) {
        *text_out = !region->handle ? "the region is not open; see xl "
                                      "region-list"
                  : region->clearing ? "the region is being cleared; try again"
                  : exported ? "the region is a block device"
                             : "another domain is paged into the region";
        return VMM_E_BUSY;
    }
    if (!region->paging && !again) {
        rc = vmm_region_usage(region->handle, VMM_REGION_RUNNING, &usage);
        if (!rc && usage.nr_blocks) {
            *text_out = "there is something in the region; delete it, and "
                        "make it again";
            return VMM_E_EXISTS;
        }
    }
    if (!region->paging) {
        rc = set_paging(region, true);
        if (rc) {
            (void)set_paging(region, false);
            *text_out = "the region cannot be recorded; see vmmd's log";
            return rc;
        }
    }
    region->has_domid = true;
    region->domid = domid;
    *handle_out = region->handle;
    return 0;
}

void regions_release(struct regions *regions, const char *name,
                     uint32_t domid, bool over)
{
    struct region *region = regions_find(regions, name);

    if (!region || !region->has_domid || region->domid != domid) {
        return;
    }
    region->has_domid = false;
    if (over) {
        (void)set_paging(region, false);
    }
}

void regions_settle(struct regions *regions)
{
    struct region *region = NULL;
    struct op *op;

    while ((region = regions_next(regions, region)) != NULL) {
        if (!region->paging || region->has_domid || !region->handle) {
            continue;
        }
        op = op_new(region, OP_CLEAR, NULL, NULL);
        if (op) {
            log_line(VMM_LOG_INFO, "region", "%s: pages of a domain that is "
                     "gone are dropped", region->name);
            region->clearing = true;
            op_start(op);
        }
    }
}

int regions_export(struct regions *regions, const char *name,
                   const char *snapshot, struct region_user *user_out,
                   char *text, size_t text_bytes)
{
    struct region *region;
    const char *why = NULL;
    int rc = 0;

    pthread_mutex_lock(&regions->lock);
    region = regions_find(regions, name);
    if (!region) {
        rc = VMM_E_NOENT;
        why = "there is no such region";
    } else if (!region->handle) {
        rc = VMM_E_BUSY;
        why = "the region is not open";
    } else if (region->paging) {
        rc = VMM_E_BUSY;
        why = "pages of a domain are in the region";
    } else if (*snapshot && vmm_region_find_snapshot(region->handle, snapshot,
                                                     &user_out->id)) {
        rc = VMM_E_NOENT;
        why = "there is no such snapshot";
    } else {
        if (!*snapshot) {
            user_out->id = VMM_REGION_RUNNING;
        }
        user_out->region = region;
        user_out->handle = region->handle;
        vmm__list_add_tail(&region->users, &user_out->node);
    }
    pthread_mutex_unlock(&regions->lock);
    if (why) {
        (void)snprintf(text, text_bytes, "%s", why);
    }
    return rc;
}

void regions_unexport(struct regions *regions, struct region_user *user)
{
    pthread_mutex_lock(&regions->lock);
    vmm__list_del(&user->node);
    pthread_mutex_unlock(&regions->lock);
}

/* All of them. */

struct region *regions_next(const struct regions *regions,
                            const struct region *after)
{
    struct vmm__list_node *next = after ? after->node.next
                                        : regions->list.next;

    return next == &regions->list
           ? NULL : vmm__container_of(next, struct region, node);
}

struct region *regions_find(const struct regions *regions, const char *name)
{
    struct region *region = NULL;

    while ((region = regions_next(regions, region)) != NULL) {
        if (!strcmp(region->name, name)) {
            break;
        }
    }
    return region;
}

void region_tell(const struct region *region,
                 struct vmm_ctl_region *region_out)
{
    const struct vmm__list_node *at;

    *region_out = (struct vmm_ctl_region){
        .name = region->name,
        .uuid = region->uuid,
        .nvm = region->nvm,
        .storage = region->storage,
        .state = region->state,
        .failed_rc = region->failed_rc,
        .has_domid = region->has_domid,
        .domid = region->domid,
        .purge_bytes_per_s = region->purge_bytes_per_s,
        .purge_low_percent = region->purge_low_percent,
        .purge_high_percent = region->purge_high_percent,
        .has_stat = region->handle != NULL,
        .stat = { .size = sizeof(region_out->stat) },
    };
    pthread_mutex_lock(&region->regions->lock);
    for (at = region->users.next; at != &region->users; at = at->next) {
        region_out->nr_exports++;
    }
    pthread_mutex_unlock(&region->regions->lock);
    if (region->handle) {
        (void)vmm_region_stat(region->handle, &region_out->stat);
    }
}

static int found(void *user, const char *file,
                 const struct vmm__json_value *root)
{
    const char *name, *nvm, *storage;
    struct regions *regions = user;
    struct region *region;
    uint64_t version, rate, low, high;
    vmm_region *handle = NULL;
    char text[TEXT_BYTES] = "";
    bool paging;
    size_t len;
    struct op *op;
    int rc;

    if (vmm__json_get_u64(root, "version", &version)) {
        return VMM_E_FORMAT;
    }
    if (version != VERSION) {
        return VMM_E_VERSION;
    }
    if (vmm__json_get_string(root, "name", &name) || !is_name(name) ||
        vmm__json_get_string(root, "nvm", &nvm) || *nvm != '/' ||
        vmm__json_get_string(root, "storage", &storage) ||
        vmm__json_get_u64(root, "purge_bytes_per_s", &rate) ||
        vmm__json_get_u64(root, "purge_low_percent", &low) ||
        vmm__json_get_u64(root, "purge_high_percent", &high) ||
        low > high || high > 100 ||
        vmm__json_get_bool(root, "paging", &paging)) {
        return VMM_E_FORMAT;
    }
    len = strlen(name);
    if (strncmp(file, name, len) || strcmp(file + len, SUFFIX)) {
        return VMM_E_FORMAT;
    }
    region = region_new(regions, name, nvm, storage);
    if (!region) {
        return VMM_E_NOMEM;
    }
    region->purge_bytes_per_s = rate;
    region->purge_low_percent = (uint32_t)low;
    region->purge_high_percent = (uint32_t)high;
    region->paging = paging;
    rc = open_it(region, text, &handle);
    opened(region, rc, text, handle);
    op = rc ? NULL : op_new(region, OP_REAP, NULL, NULL);
    if (op) {
        op_start(op);
    }
    return 0;
}

int regions_open(struct loop *loop, const struct conf *conf,
                 struct regions **regions_out)
{
    struct regions *regions = calloc(1, sizeof(*regions));
    int rc;

    if (!regions) {
        return VMM_E_NOMEM;
    }
    regions->conf = conf;
    vmm__list_init(&regions->list);
    vmm__list_init(&regions->ops);
    (void)pthread_mutex_init(&regions->lock, NULL);
    rc = jobs_open(loop, &regions->jobs);
    rc = rc ? rc : statefile_each(conf->state_dir, SUFFIX, "the region is "
                                  "not opened: see vmmd(8), RECOVERY", found,
                                  regions);
    if (rc) {
        regions_close(regions);
        return rc;
    }
    *regions_out = regions;
    return 0;
}

void regions_close(struct regions *regions)
{
    struct region *region;

    if (!regions) {
        return;
    }
    jobs_close(regions->jobs);
    while ((region = regions_next(regions, NULL)) != NULL) {
        vmm_region_close(region->handle);
        region->handle = NULL;
        region_free(region);
    }
    (void)pthread_mutex_destroy(&regions->lock);
    free(regions);
}
