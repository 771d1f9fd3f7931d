/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * snap.c: points: the running one, its snapshots, and what is left of those
 * that were deleted.
 *
 * A point owns the tables and arrays that were made while it ran.  Taking a
 * snapshot gives the running state a name and starts a new point that owns
 * nothing; one store to the word `running' is the whole of it.  A point that
 * neither runs nor has a name is condemned, also after a crash.
 *
 * Points make a tree.  What a point owns is seen by itself and by points made
 * from it, without a gap.  So, when a condemned point has one child left, the
 * heir, its entries are the heir's if the heir refers to them, and nobody's
 * if not; without a child they are nobody's.  Reaping goes over its own leaf
 * tables (which refer to all of its entries), then, with its root given up,
 * over its pages: those that the heir can reach are the heir's from there on.
 * Each step may be done again after a crash.
 */
#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "region/state.h"

/* Pages handed over or freed in one step; readers and writers wait. */
#define STEP_PAGES 32u

static void write_rec(struct vmm__region *r, uint32_t point)
{
    struct point *p = &r->points[point];
    struct vmm__point_rec *rec, new = {
        .seq = ++p->seq,
        .id = atomic_load(&p->id),
        .parent_id = p->parent_id,
        .created_s = p->created_s,
        .parent = p->parent,
    };

    memcpy(new.name, p->name, sizeof(new.name));
    vmm__point_seal(&new);
    rec = &r->recs[2 * point + new.seq % 2];
    *rec = new;
    vmm__media_flush(&r->media, rec, sizeof(*rec));
}

static uint32_t running(const struct vmm__region *r)
{
    return atomic_load_explicit(&r->running, memory_order_acquire);
}

static int state_of(const struct vmm__region *r, uint32_t point)
{
    return atomic_load_explicit(&r->points[point].state,
                                memory_order_acquire);
}

static void set_state(struct vmm__region *r, uint32_t point,
                      enum point_state state)
{
    atomic_store_explicit(&r->points[point].state, state,
                          memory_order_release);
}

static unsigned int nr_children(const struct vmm__region *r, uint32_t point,
                                uint32_t *last_out)
{
    unsigned int nr = 0;
    uint32_t i;

    for (i = 0; i < r->geo.nr_points; i++) {
        if (state_of(r, i) != POINT_FREE && r->points[i].parent == point) {
            *last_out = i;
            nr++;
        }
    }
    return nr;
}

static uint32_t find_name(const struct vmm__region *r, const char *name)
{
    uint32_t i;

    for (i = 0; i < r->geo.nr_points; i++) {
        if (state_of(r, i) == POINT_LIVE &&
            !strcmp(r->points[i].name, name)) {
            return i;
        }
    }
    return VMM__POINT_NONE;
}

static uint32_t find_id(const struct vmm__region *r, uint64_t id)
{
    uint32_t point = vmm__id_point(id);

    return point < r->geo.nr_points && state_of(r, point) == POINT_LIVE &&
           atomic_load(&r->points[point].id) == id && point != running(r)
           ? point : VMM__POINT_NONE;
}

/* What runs next has its entries elsewhere. */
static void forget_guesses(struct vmm__region *r)
{
    uint64_t blk;

    for (blk = 0; blk < r->geo.nr_blks; blk += VMM__PAGE_WORDS) {
        word_store(guess_at(r, blk),
                   guess_pblk(word_load(guess_at(r, blk))));
    }
}

/*
 * A point made from another one, which runs from here on.  `name', if not
 * NULL, is what the one that ran is called.
 */
static int start_point(struct vmm__region *r, uint32_t from, const char *name,
                       uint64_t created_s)
{
    uint32_t was = running(r), new;
    struct point *p;

    for (new = 0; new < r->geo.nr_points; new++) {
        if (state_of(r, new) == POINT_FREE) {
            break;
        }
    }
    if (new == r->geo.nr_points) {
        return VMM_E_NOSPC;
    }

    p = &r->points[new];
    p->parent = from;
    p->parent_id = atomic_load(&r->points[from].id);
    p->created_s = created_s;
    p->name[0] = '\0';
    atomic_store(&p->id, r->next_id++ << 14 | new);
    write_rec(r, new);
    word_store(&r->roots[1 + new],
               word_load(&r->roots[1 + from])
               ? vmm__word_make(VMM__WORD_ROOT, new, vmm__word_value(
                                    word_load(&r->roots[1 + from])))
               : 0);
    vmm__media_flush(&r->media, (const void *)&r->roots[1 + new],
                     sizeof(r->roots[0]));
    if (name) {
        memcpy(r->points[was].name, name, strlen(name) + 1);
        r->points[was].created_s = created_s;
        write_rec(r, was);
    }
    vmm__media_drain(&r->media);

    if (from != was) {
        forget_guesses(r);
    }
    word_persist(r, &r->roots[0],
                 vmm__word_make(VMM__WORD_RUNNING, 0, new + 1));
    set_state(r, new, POINT_LIVE);
    atomic_store_explicit(&r->running, new, memory_order_release);
    if (!name) {
        set_state(r, was, POINT_CONDEMNED);
    }
    return 0;
}

int vmm__region_snapshot(struct vmm__region *r, const char *name,
                         uint64_t created_s)
{
    int rc;

    if (!vmm__point_name_ok(name)) {
        return VMM_E_INVAL;
    }
    pthread_rwlock_wrlock(&r->points_lock);
    rc = find_name(r, name) != VMM__POINT_NONE
         ? VMM_E_EXISTS : start_point(r, running(r), name, created_s);
    pthread_rwlock_unlock(&r->points_lock);
    return rc;
}

int vmm__region_revert(struct vmm__region *r, uint64_t id,
                       uint64_t created_s)
{
    uint32_t from;
    int rc;

    pthread_rwlock_wrlock(&r->points_lock);
    from = find_id(r, id);
    rc = from == VMM__POINT_NONE ? VMM_E_NOENT
                                 : start_point(r, from, NULL, created_s);
    pthread_rwlock_unlock(&r->points_lock);
    return rc;
}

int vmm__region_snapshot_delete(struct vmm__region *r, uint64_t id)
{
    uint32_t point;

    pthread_rwlock_wrlock(&r->points_lock);
    point = find_id(r, id);
    if (point != VMM__POINT_NONE) {
        r->points[point].name[0] = '\0';
        write_rec(r, point);
        vmm__media_drain(&r->media);
        set_state(r, point, POINT_CONDEMNED);
    }
    pthread_rwlock_unlock(&r->points_lock);
    return point == VMM__POINT_NONE ? VMM_E_NOENT : 0;
}

int vmm__region_next_snapshot(struct vmm__region *r, uint64_t id,
                              struct vmm__point_info *info_out)
{
    const struct point *best = NULL;
    uint32_t i;

    pthread_rwlock_rdlock(&r->points_lock);
    for (i = 0; i < r->geo.nr_points; i++) {
        const struct point *p = &r->points[i];

        if (find_id(r, p->id) != VMM__POINT_NONE && p->id > id &&
            (!best || p->id < best->id)) {
            best = p;
        }
    }
    if (best) {
        info_out->id = best->id;
        info_out->parent_id = best->parent_id;
        info_out->created_s = best->created_s;
        memcpy(info_out->name, best->name, sizeof(info_out->name));
    }
    pthread_rwlock_unlock(&r->points_lock);
    return best ? 0 : VMM_E_NOENT;
}

int vmm__region_find_snapshot(struct vmm__region *r, const char *name,
                              uint64_t *id_out)
{
    uint32_t point;

    pthread_rwlock_rdlock(&r->points_lock);
    point = name[0] ? find_name(r, name) : VMM__POINT_NONE;
    if (point != VMM__POINT_NONE) {
        *id_out = r->points[point].id;
    }
    pthread_rwlock_unlock(&r->points_lock);
    return point == VMM__POINT_NONE ? VMM_E_NOENT : 0;
}

/* Reaping. */

static bool leaf_done(const struct vmm__region *r, uint64_t leaf)
{
    return r->reaping.done[leaf / 8] >> leaf % 8 & 1;
}

/* With the points lock shared, and the stripe of blk. */
bool vmm__reap_left(struct vmm__region *r, uint64_t vb, uint64_t blk)
{
    const struct reaping *reaping = &r->reaping;
    uint64_t root, leaf;

    if (!reaping->active || reaping->heir != running(r) ||
        vb_owner(r, vb) != reaping->point) {
        return false;
    }
    root = word_load(&r->roots[1 + reaping->point]);
    if (!root) {
        return true;
    }
    /* Its leaf table there is its own, else this would not be its entry. */
    leaf = vmm__pgtab_table(r, root, 0, blk);
    return leaf_done(r, leaf);
}

/* One of its leaf tables: what the heir does not refer to is nobody's. */
static void reap_leaf(struct vmm__region *r, uint64_t pblk)
{
    struct reaping *reaping = &r->reaping;
    uint32_t heir = reaping->heir;
    const _Atomic uint64_t *mine = page_at(r, pblk), *heirs = NULL;
    struct vmm__desc desc;
    uint64_t vb, leaf = 0;
    unsigned int i;

    (void)vmm__desc_of(word_load(&r->descs[pblk]), &desc);
    if (desc.level) {
        return;
    }
    if (heir != VMM__POINT_NONE) {
        leaf = vmm__pgtab_table(r, word_load(&r->roots[1 + heir]), 0,
                                desc.base);
        heirs = leaf ? page_at(r, leaf) : NULL;
    }
    for (i = 0; leaf != pblk && i < VMM__PAGE_WORDS; i++) {
        vb = vmm__word_value(word_load(&mine[i]));
        if (vb && vb_owner(r, vb) == reaping->point &&
            !(heirs && vmm__word_value(word_load(&heirs[i])) == vb)) {
            vmm__vb_free(r, vb);
        }
    }
    reaping->done[pblk / 8] |= (uint8_t)(1u << pblk % 8);
}

/* The last of its pages: the heir's, or nobody's. */
static void reap_page(struct vmm__region *r, struct vmm__u64vec *mine,
                      struct vmm__u64vec *heirs)
{
    uint64_t pblk = mine->v[mine->nr - 1];
    uint32_t heir = r->reaping.heir;
    struct vmm__desc desc;
    bool wanted;

    (void)vmm__desc_of(word_load(&r->descs[pblk]), &desc);
    wanted = heirs && (desc.type == VMM__DESC_TABLE
             ? vmm__pgtab_table(r, word_load(&r->roots[1 + heir]),
                                desc.level, desc.base) == pblk
             : !vmm__page_empty(page_at(r, pblk)));
    if (wanted) {
        desc.owner = heir;
        word_persist(r, &r->descs[pblk], vmm__desc_make(pblk, &desc));
        pthread_mutex_lock(&r->alloc_lock);
        (void)vmm__u64vec_push(heirs, pblk);
        pthread_mutex_unlock(&r->alloc_lock);
    } else {
        vmm__page_free(r, pblk);
    }
    mine->nr--;
}

/* Empty places in arrays that are the heir's now. */
static void inherit_vbs(struct vmm__region *r, struct point *p,
                        struct point *heir)
{
    size_t i;

    pthread_mutex_lock(&r->alloc_lock);
    for (i = 0; i < p->free_vbs.nr; i++) {
        uint64_t vb = p->free_vbs.v[i];

        /* Not of pages that were empty, and are gone. */
        if (heir && word_load(&r->descs[vb >> VMM__PAGE_WORDS_SHIFT]) &&
            vb_owner(r, vb) == r->reaping.heir) {
            (void)vmm__u64vec_push(&heir->free_vbs, vb);
        }
    }
    pthread_mutex_unlock(&r->alloc_lock);
}

static void reap_end(struct vmm__region *r)
{
    struct reaping *reaping = &r->reaping;
    struct point *p = &r->points[reaping->point];
    struct point *heir = reaping->heir == VMM__POINT_NONE
                         ? NULL : &r->points[reaping->heir];

    inherit_vbs(r, p, heir);
    if (heir) {
        heir->parent = p->parent;
        write_rec(r, reaping->heir);
        vmm__media_drain(&r->media);
    }
    atomic_store(&p->id, 0);
    p->parent = VMM__POINT_NONE;
    write_rec(r, reaping->point);
    vmm__media_drain(&r->media);

    vmm__u64vec_dispose(&p->tables);
    vmm__u64vec_dispose(&p->arrays);
    vmm__u64vec_dispose(&p->free_vbs);
    set_state(r, reaping->point, POINT_FREE);
    free(reaping->done);
    reaping->done = NULL;
    reaping->active = false;
}

/*
 * The next one that can be reaped; false if there is none.  One that has given
 * up its root is first: what it has is its heir's, and none can inherit from
 * others before that is so.
 */
static bool reap_begin(struct vmm__region *r)
{
    struct reaping *reaping = &r->reaping;
    uint32_t i, heir, found = VMM__POINT_NONE, found_heir = VMM__POINT_NONE;

    for (i = 0; i < r->geo.nr_points; i++) {
        if (state_of(r, i) != POINT_CONDEMNED ||
            (found != VMM__POINT_NONE && word_load(&r->roots[1 + i]))) {
            continue;
        }
        heir = VMM__POINT_NONE;
        if (nr_children(r, i, &heir) <= 1) {
            found = i;
            found_heir = heir;
            if (!word_load(&r->roots[1 + i])) {
                break;
            }
        }
    }
    if (found == VMM__POINT_NONE) {
        return false;
    }

    reaping->done = calloc(r->geo.nr_pblks / 8 + 1, 1);
    if (!reaping->done) {
        return false;
    }
    reaping->point = found;
    reaping->heir = found_heir;
    reaping->next = 0;
    reaping->active = true;
    return true;
}

/* Room for all that it may inherit; false: later. */
static bool reserve_heir(struct vmm__region *r, const struct point *p,
                         struct point *heir)
{
    bool ok;

    pthread_mutex_lock(&r->alloc_lock);
    ok = vmm__u64vec_reserve(&heir->tables, p->tables.nr) &&
         vmm__u64vec_reserve(&heir->arrays, p->arrays.nr);
    pthread_mutex_unlock(&r->alloc_lock);
    return ok;
}

/* With the points lock alone. */
static bool reap_step(struct vmm__region *r)
{
    struct reaping *reaping = &r->reaping;
    struct point *p, *heir;
    _Atomic uint64_t *root;
    unsigned int n;

    if (!reaping->active && !reap_begin(r)) {
        return false;
    }
    p = &r->points[reaping->point];
    heir = reaping->heir == VMM__POINT_NONE ? NULL
                                            : &r->points[reaping->heir];
    root = &r->roots[1 + reaping->point];

    if (word_load(root)) {
        if (reaping->next < p->tables.nr) {
            reap_leaf(r, p->tables.v[reaping->next++]);
        } else {
            /* No crash leads back to the tables from here. */
            word_persist(r, root, 0);
        }
        return true;
    }

    if (heir && !reserve_heir(r, p, heir)) {
        return false;
    }
    for (n = 0; n < STEP_PAGES; n++) {
        if (p->tables.nr) {
            reap_page(r, &p->tables, heir ? &heir->tables : NULL);
        } else if (p->arrays.nr) {
            reap_page(r, &p->arrays, heir ? &heir->arrays : NULL);
        } else {
            reap_end(r);
            break;
        }
    }
    return true;
}

bool vmm__region_reap(struct vmm__region *r)
{
    bool more;

    pthread_mutex_lock(&r->reap_lock);
    pthread_rwlock_wrlock(&r->points_lock);
    more = reap_step(r);
    pthread_rwlock_unlock(&r->points_lock);
    pthread_mutex_unlock(&r->reap_lock);
    return more;
}

void vmm__points_recover(struct vmm__region *r)
{
    uint32_t i, run = running(r);

    /* A snapshot was about to be: it was not acknowledged. */
    if (r->points[run].name[0]) {
        r->points[run].name[0] = '\0';
        write_rec(r, run);
        vmm__media_drain(&r->media);
    }
    for (i = 0; i < r->geo.nr_points; i++) {
        /* Its tables are given up: the heir must have what is left of it. */
        while (state_of(r, i) == POINT_CONDEMNED &&
               !word_load(&r->roots[1 + i]) && vmm__region_reap(r)) {
            continue;
        }
    }
}
