/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * region.c: making regions, and opening them, whatever state they are in.
 *
 * Opening reads the descriptors and, through them, all arrays: what is in use
 * is what these say.  After a crash, the running point's tables are walked as
 * well: pages and entries of its own that these do not lead to were about to
 * be used, and are free.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "region/state.h"

static void lay_out(struct vmm__region *r)
{
    r->roots = pblk_at(r, r->geo.roots_pblk);
    r->recs = pblk_at(r, r->geo.points_pblk);
    r->descs = pblk_at(r, r->geo.desc_pblk);
    r->sums = pblk_at(r, r->geo.sums_pblk);
}

static void write_super(struct vmm__region *r, bool clean)
{
    const struct vmm__super super = {
        .geo = r->geo,
        .seq = ++r->super_seq,
        .clean = clean,
    };
    uint8_t *at = pblk_at(r, r->super_seq % 2);

    vmm__super_encode(&super, at);
    vmm__media_persist(&r->media, at, VMM__BLOCK_BYTES);
}

int vmm__region_create(const struct vmm__media *media,
                       struct vmm__region_geometry *geo, bool zeroed,
                       const struct vmm_logger *logger)
{
    struct vmm__region r = { .media = *media };
    struct vmm__point_rec first = {
        .seq = 1,
        .id = 1ull << 14,
        .parent = VMM__POINT_NONE,
    };
    const char *what;
    int rc;

    geo->nr_pblks = media->len_bytes / VMM__BLOCK_BYTES;
    rc = vmm__region_geometry_check(geo, &what);
    if (rc) {
        vmm__log(logger, VMM_LOG_ERROR, "cannot make a region: %s", what);
        return rc;
    }
    r.geo = *geo;
    lay_out(&r);

    /* No superblock, until all that it speaks of is there. */
    memset(media->base, 0, (zeroed ? 2 : geo->data_pblk) * VMM__BLOCK_BYTES);
    vmm__media_persist(media, media->base,
                       (zeroed ? 2 : geo->data_pblk) * VMM__BLOCK_BYTES);
    vmm__point_seal(&first);
    r.recs[1] = first;
    vmm__media_flush(media, &r.recs[1], sizeof(first));
    word_store(&r.roots[0], vmm__word_make(VMM__WORD_RUNNING, 0, 1));
    vmm__media_flush(media, (const void *)&r.roots[0], sizeof(r.roots[0]));
    vmm__media_drain(media);
    write_super(&r, true);
    return 0;
}

static int damaged(struct vmm__region *r, const char *what, uint64_t where)
{
    vmm__log(&r->logger, VMM_LOG_ERROR,
             "the region is damaged: %s %llu; check it", what,
             (unsigned long long)where);
    return VMM_E_CHECKSUM;
}

static int load_points(struct vmm__region *r)
{
    uint64_t word = word_load(&r->roots[0]);
    uint32_t i, run = (uint32_t)vmm__word_value(word) - 1;

    if (!word || !vmm__word_good(VMM__WORD_RUNNING, 0, word) ||
        run >= r->geo.nr_points) {
        return damaged(r, "running point", vmm__word_value(word));
    }
    atomic_store(&r->running, run);

    for (i = 0; i < r->geo.nr_points; i++) {
        const struct vmm__point_rec *pair = &r->recs[2 * i];
        bool good[2] = { vmm__point_good(&pair[0]),
                         vmm__point_good(&pair[1]) };
        const struct vmm__point_rec *rec =
            &pair[!good[0] || (good[1] && pair[1].seq > pair[0].seq)];
        struct point *p = &r->points[i];

        p->parent = VMM__POINT_NONE;
        if (!good[0] && !good[1]) {
            if (pair[0].seq && pair[1].seq) {
                return damaged(r, "point", i);
            }
            continue;
        }
        p->seq = rec->seq;
        if (!rec->id) {
            continue;
        }
        if (vmm__id_point(rec->id) != i ||
            (rec->parent != VMM__POINT_NONE &&
             rec->parent >= r->geo.nr_points) ||
            !vmm__word_good(VMM__WORD_ROOT, i, word_load(&r->roots[1 + i])) ||
            vmm__word_value(word_load(&r->roots[1 + i])) >=
                r->geo.nr_pblks) {
            return damaged(r, "point", i);
        }
        atomic_store(&p->id, rec->id);
        p->parent = rec->parent;
        p->parent_id = rec->parent_id;
        p->created_s = rec->created_s;
        memcpy(p->name, rec->name, sizeof(p->name));
        atomic_store(&p->state, i == run || p->name[0] ? POINT_LIVE
                                                       : POINT_CONDEMNED);
        if (r->next_id <= rec->id >> 14) {
            r->next_id = (rec->id >> 14) + 1;
        }
    }
    if (atomic_load(&r->points[run].state) != POINT_LIVE) {
        return damaged(r, "running point", run);
    }
    for (i = 0; i < r->geo.nr_points; i++) {
        const struct point *p = &r->points[i];

        /* Older than its children: so there is no circle. */
        if (p->parent != VMM__POINT_NONE &&
            (r->points[p->parent].id >= p->id || !r->points[p->parent].id)) {
            return damaged(r, "point", i);
        }
    }
    return 0;
}

static int take(struct vmm__region *r, struct vmm__slotmap *map, uint64_t at,
                const char *what)
{
    if (at >= map->nr_slots || vmm__slotmap_taken(map, at)) {
        return damaged(r, what, at);
    }
    vmm__slotmap_take(map, at);
    return 0;
}

static int load_array(struct vmm__region *r, const struct vmm__desc *desc,
                      uint64_t pblk, struct vmm__u64vec *in_transit)
{
    struct point *owner = &r->points[desc->owner];
    _Atomic uint64_t *words = page_at(r, pblk);
    unsigned int i;
    int rc = 0;

    for (i = VMM__PAGE_WORDS; !rc && i-- > 0;) {
        uint64_t word = word_load(&words[i]), at = vmm__vb_payload(word);
        uint64_t vb = pblk << VMM__PAGE_WORDS_SHIFT | i;

        if (!vmm__word_good(VMM__WORD_VB, i, word)) {
            return damaged(r, "virtblock", vb);
        }
        switch (vmm__vb_loc(word)) {
        case VMM__LOC_NONE:
            rc = desc->level == VMM__ARRAY_PLACED ||
                 vmm__u64vec_push(&owner->free_vbs, vb) ? 0 : VMM_E_NOMEM;
            break;
        case VMM__LOC_TRANSIT:
            if (!vmm__u64vec_push(in_transit, vb)) {
                return VMM_E_NOMEM;
            }
            /* fallthrough */
        case VMM__LOC_NVM:
            rc = take(r, &r->pblks, at, "block of a virtblock:");
            break;
        case VMM__LOC_SLOT:
            at = vmm__vb_slot(word);
            rc = take(r, &r->slots, at, "slot of a virtblock:");
            if (!rc && (!word_load(&r->sums[at]) ||
                        !vmm__word_good(VMM__WORD_SUM, at,
                                        word_load(&r->sums[at])))) {
                rc = damaged(r, "checksum of slot", at);
            }
            break;
        case VMM__LOC_LOST:
            at = vmm__vb_slot(word);
            rc = at == VMM__SLOT_NOWHERE ? 0 :
                 take(r, &r->slots, at, "slot of a virtblock:");
            break;
        case VMM__LOC_SAME:
            rc = at > UINT32_MAX ? damaged(r, "virtblock", vb) : 0;
            break;
        default:
            return damaged(r, "virtblock", vb);
        }
    }
    return rc;
}

/* What is in use, and whose it is. */
static int load_pages(struct vmm__region *r, struct vmm__u64vec *in_transit)
{
    uint64_t pblk, word;
    struct vmm__desc desc;
    int rc;

    for (pblk = 0; pblk < r->geo.nr_pblks; pblk++) {
        word = word_load(&r->descs[pblk]);
        if (pblk < r->geo.data_pblk) {
            if (word) {
                return damaged(r, "descriptor of block", pblk);
            }
            vmm__slotmap_take(&r->pblks, pblk);
            continue;
        }
        if (!word) {
            continue;
        }
        if (!vmm__word_good(VMM__WORD_DESC, pblk, word) ||
            !vmm__desc_of(word, &desc) || desc.owner >= r->geo.nr_points ||
            atomic_load(&r->points[desc.owner].state) == POINT_FREE ||
            (desc.type == VMM__DESC_TABLE && desc.level >= r->geo.levels) ||
            desc.base >= r->geo.nr_blks) {
            return damaged(r, "descriptor of block", pblk);
        }
        vmm__slotmap_take(&r->pblks, pblk);
        if (!vmm__u64vec_push(desc.type == VMM__DESC_TABLE
                              ? &r->points[desc.owner].tables
                              : &r->points[desc.owner].arrays, pblk)) {
            return VMM_E_NOMEM;
        }
    }
    for (pblk = r->geo.data_pblk; pblk < r->geo.nr_pblks; pblk++) {
        if (!vmm__desc_of(word_load(&r->descs[pblk]), &desc) ||
            desc.type != VMM__DESC_ARRAY) {
            continue;
        }
        rc = load_array(r, &desc, pblk, in_transit);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* Each word of a table: good, and of a page that can be below it. */
static int check_table(struct vmm__region *r, uint64_t pblk)
{
    const _Atomic uint64_t *words = page_at(r, pblk);
    struct vmm__desc desc, below;
    unsigned int i;

    (void)vmm__desc_of(word_load(&r->descs[pblk]), &desc);
    for (i = 0; i < VMM__PAGE_WORDS; i++) {
        uint64_t word = word_load(&words[i]), at = vmm__word_value(word);
        uint64_t page = desc.level ? at : at >> VMM__PAGE_WORDS_SHIFT;

        if (!word) {
            continue;
        }
        if (!vmm__word_good(desc.level ? VMM__WORD_TABLE : VMM__WORD_LEAF, i,
                            word) ||
            page >= r->geo.nr_pblks ||
            !vmm__desc_of(word_load(&r->descs[page]), &below) ||
            (desc.level ? below.type != VMM__DESC_TABLE ||
                          below.level != desc.level - 1 ||
                          below.base != desc.base +
                              ((uint64_t)i << desc.level *
                                              VMM__PAGE_WORDS_SHIFT)
                        : below.type != VMM__DESC_ARRAY)) {
            return damaged(r, "table", pblk);
        }
    }
    return 0;
}

static int check_tables(struct vmm__region *r)
{
    struct vmm__desc desc;
    uint64_t root;
    uint32_t i;
    size_t n;
    int rc;

    for (i = 0; i < r->geo.nr_points; i++) {
        const struct point *p = &r->points[i];

        if (atomic_load(&p->state) == POINT_FREE) {
            continue;
        }
        root = vmm__word_value(word_load(&r->roots[1 + i]));
        if (root && (!vmm__desc_of(word_load(&r->descs[root]), &desc) ||
                     desc.type != VMM__DESC_TABLE ||
                     desc.level != r->geo.levels - 1)) {
            return damaged(r, "root of point", i);
        }
        /* What hangs below a point that is given up does not matter. */
        for (n = 0; n < p->tables.nr &&
             (root || atomic_load(&p->state) == POINT_LIVE); n++) {
            rc = check_table(r, p->tables.v[n]);
            if (rc) {
                return rc;
            }
        }
    }
    return 0;
}


/* Where the running point has its entries. */
static void load_guesses(struct vmm__region *r)
{
    uint64_t root = word_load(&r->roots[1 + atomic_load(&r->running)]);
    uint64_t blk, leaf, array, word;
    struct vmm__desc desc;
    unsigned int i;
    bool sure;

    for (blk = 0; blk < r->geo.nr_blks; blk += VMM__PAGE_WORDS) {
        leaf = vmm__pgtab_table(r, root, 0, blk);
        array = 0;
        sure = true;
        for (i = 0; leaf && i < VMM__PAGE_WORDS; i++) {
            word = vmm__word_value(word_load(page_at(r, leaf) + i)) >>
                   VMM__PAGE_WORDS_SHIFT;
            if (!word || word == array) {
                continue;
            }
            (void)vmm__desc_of(word_load(&r->descs[word]), &desc);
            sure = sure && !array && desc.level == VMM__ARRAY_PLACED;
            if (desc.level == VMM__ARRAY_PLACED) {
                array = word;
            }
        }
        if (array) {
            word_store(guess_at(r, blk), array | (sure ? GUESS_SURE : 0));
        }
    }
}

/* After a crash: what the running point owns and does not use. */

static bool is_reached(struct vmm__region *r, uint64_t pblk,
                       struct vmm__desc *desc_out)
{
    uint64_t root = word_load(&r->roots[1 + atomic_load(&r->running)]);

    (void)vmm__desc_of(word_load(&r->descs[pblk]), desc_out);
    return vmm__pgtab_table(r, root, desc_out->level,
                            desc_out->base) == pblk;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The bit of an entry in one of these arrays, which are in order. */
static bool find_bit(const struct vmm__u64vec *arrays, uint64_t vb,
                     uint64_t *bit_out)
{
    uint64_t pblk = vb >> VMM__PAGE_WORDS_SHIFT;
    const uint64_t *at = arrays->nr
        ? bsearch(&pblk, arrays->v, arrays->nr, sizeof(pblk), compare_u64)
        : NULL;

    if (!at) {
        return false;
    }
    *bit_out = (uint64_t)(at - arrays->v) << VMM__PAGE_WORDS_SHIFT |
               vb % VMM__PAGE_WORDS;
    return true;
}

static void mark_leaf(const struct vmm__region *r,
                      const struct vmm__u64vec *arrays, uint64_t leaf,
                      uint8_t *marks)
{
    const _Atomic uint64_t *words = page_at(r, leaf);
    unsigned int i;
    uint64_t bit;

    for (i = 0; i < VMM__PAGE_WORDS; i++) {
        if (find_bit(arrays, vmm__word_value(word_load(&words[i])), &bit)) {
            marks[bit / 8] |= (uint8_t)(1u << bit % 8);
        }
    }
}

static int drop_orphans(struct vmm__region *r)
{
    struct point *p = &r->points[atomic_load(&r->running)];
    struct vmm__desc desc;
    size_t n, nr = 0;
    uint8_t *marks;
    unsigned int i;

    /* Inherited ones were added at the end. */
    if (p->arrays.nr) {
        qsort(p->arrays.v, p->arrays.nr, sizeof(p->arrays.v[0]),
              compare_u64);
    }
    marks = calloc(p->arrays.nr + 1, VMM__PAGE_WORDS / 8);
    if (!marks) {
        return VMM_E_NOMEM;
    }

    for (n = 0; n < p->tables.nr; n++) {
        uint64_t pblk = p->tables.v[n];

        if (!is_reached(r, pblk, &desc)) {
            vmm__page_free(r, pblk);
            continue;
        }
        if (!desc.level) {
            mark_leaf(r, &p->arrays, pblk, marks);
        }
        p->tables.v[nr++] = pblk;
    }
    p->tables.nr = nr;

    for (n = 0; n < p->arrays.nr; n++) {
        for (i = 0; i < VMM__PAGE_WORDS; i++) {
            uint64_t vb = p->arrays.v[n] << VMM__PAGE_WORDS_SHIFT | i;
            uint64_t bit = n << VMM__PAGE_WORDS_SHIFT | i;

            if (word_load(vb_at(r, vb)) && !(marks[bit / 8] >> bit % 8 & 1)) {
                vmm__vb_free(r, vb);
            }
        }
    }
    free(marks);
    return 0;
}

static void init_locks(struct vmm__region *r)
{
    pthread_rwlockattr_t attr;
    unsigned int i;

    (void)pthread_rwlockattr_init(&attr);
    /* Else a snapshot may wait for writers for ever. */
    (void)pthread_rwlockattr_setkind_np(
        &attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)pthread_rwlock_init(&r->points_lock, &attr);
    (void)pthread_rwlockattr_destroy(&attr);
    for (i = 0; i < NR_STRIPES; i++) {
        (void)pthread_mutex_init(&r->stripes[i], NULL);
    }
    (void)pthread_mutex_init(&r->tables_lock, NULL);
    (void)pthread_mutex_init(&r->alloc_lock, NULL);
    (void)pthread_mutex_init(&r->reap_lock, NULL);
    (void)pthread_mutex_init(&r->purge_lock, NULL);
}

static void dispose(struct vmm__region *r)
{
    uint32_t i;

    for (i = 0; r->points && i < r->geo.nr_points; i++) {
        vmm__u64vec_dispose(&r->points[i].tables);
        vmm__u64vec_dispose(&r->points[i].arrays);
        vmm__u64vec_dispose(&r->points[i].free_vbs);
    }
    free(r->points);
    vmm__slotmap_dispose(&r->pblks);
    vmm__slotmap_dispose(&r->slots);
    free(r->limbo);
    free(r->recent);
    free((void *)r->guesses);
    free((void *)r->heat);
    free(r->reaping.done);
    free(r);
}

static int make_state(struct vmm__region *r)
{
    uint64_t nr_data = r->geo.nr_pblks - r->geo.data_pblk;

    lay_out(r);
    init_locks(r);
    vmm__epoch_init(&r->epoch);
    r->next_id = 1;
    /* Tables of every level and an array for each of some writes at once. */
    r->reserve = nr_data / 64 < 8 ? 8 : nr_data / 64 > 1024 ? 1024
                                                            : nr_data / 64;
    r->points = calloc(r->geo.nr_points, sizeof(*r->points));
    r->limbo = calloc(LIMBO_MAX, sizeof(*r->limbo));
    r->recent = calloc(RECENT_MAX, sizeof(*r->recent));
    r->guesses = calloc((r->geo.nr_blks >> VMM__PAGE_WORDS_SHIFT) + 1,
                        sizeof(*r->guesses));
    r->heat = calloc(r->geo.nr_pblks, sizeof(*r->heat));
    return r->points && r->limbo && r->recent && r->guesses && r->heat &&
           vmm__slotmap_init(&r->pblks, r->geo.nr_pblks) &&
           vmm__slotmap_init(&r->slots, r->geo.nr_slots) ? 0 : VMM_E_NOMEM;
}

/* What a purge had in hand is where it was. */
static void settle(struct vmm__region *r, const struct vmm__u64vec *in_transit)
{
    size_t i;

    for (i = 0; i < in_transit->nr; i++) {
        uint64_t vb = in_transit->v[i];

        word_persist(r, vb_at(r, vb),
                     vb_word(vb, VMM__LOC_NVM,
                             vmm__vb_payload(word_load(vb_at(r, vb)))));
    }
}

int vmm__region_open(const struct vmm__media *media,
                     const struct vmm_logger *logger,
                     struct vmm__region **region_out)
{
    struct vmm__u64vec in_transit = { NULL, 0, 0 };
    struct vmm__super super;
    struct vmm__region *r;
    int rc;

    rc = vmm__region_super(media, logger, &super);
    if (rc) {
        return rc;
    }
    r = aligned_alloc(_Alignof(struct vmm__region), sizeof(*r));
    if (!r) {
        return VMM_E_NOMEM;
    }
    memset(r, 0, sizeof(*r));
    r->media = *media;
    r->logger = *logger;
    r->geo = super.geo;
    r->super_seq = super.seq;
    rc = make_state(r);
    rc = rc ? rc : load_points(r);
    rc = rc ? rc : load_pages(r, &in_transit);
    rc = rc ? rc : check_tables(r);
    if (rc) {
        goto out;
    }

    /* Nothing was written until here. */
    write_super(r, false);
    settle(r, &in_transit);
    vmm__points_recover(r);
    rc = super.clean ? 0 : drop_orphans(r);
    if (rc) {
        goto out;
    }
    load_guesses(r);
    *region_out = r;
    r = NULL;

 out:
    vmm__u64vec_dispose(&in_transit);
    if (r) {
        dispose(r);
    }
    return rc;
}

void vmm__region_close(struct vmm__region *r)
{
    if (!r) {
        return;
    }
    write_super(r, true);
    dispose(r);
}

const struct vmm__region_geometry *
vmm__region_geometry(const struct vmm__region *r)
{
    return &r->geo;
}

void vmm__region_stat(struct vmm__region *r, struct vmm__region_stat *stat_out)
{
    uint64_t free;

    pthread_mutex_lock(&r->alloc_lock);
    free = vmm__pblks_free(r) + r->limbo_nr;
    *stat_out = (struct vmm__region_stat){
        .nr_pblks_data = r->geo.nr_pblks - r->geo.data_pblk,
        .nr_pblks_free = free > r->reserve ? free - r->reserve : 0,
        .nr_slots_used = r->slots.nr_taken,
        .nr_purged = atomic_load(&r->nr_purged),
        .nr_recalled = atomic_load(&r->nr_recalled),
        .nr_lost = atomic_load(&r->nr_lost),
    };
    pthread_mutex_unlock(&r->alloc_lock);
}
