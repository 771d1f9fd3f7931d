/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * crash.c: the power fails, at every point of a run, in several ways.
 *
 *   crash [--seed N] [--runs N] [--verbose]
 *
 * A run is a region on simulated media and storage, and random operations
 * from a seed.  Whenever the region waits for its stores to be durable, the
 * media is taken as a crash just before would leave it: of what was stored
 * since, each line is there, is not, or is torn at 8 bytes.  That image is
 * opened, and must have every acknowledged write and snapshot, of the one
 * under way all or nothing, and no leak (vmm__region_check).  Now and then the
 * power fails again while it is opened.
 * Prints how many points that were; exit status 1 and the seed if one is bad.
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "region/region.h"

#define NR_PBLKS 160u
#define NR_SLOTS 64u
#define NR_POINTS 6u
#define NR_BLKS 24u             /* that are used, of very many */
#define IMAGE_BYTES ((size_t)NR_PBLKS * VMM__BLOCK_BYTES)
#define LINE_BYTES 64u
#define NR_LINES (IMAGE_BYTES / LINE_BYTES)
#define VARIANTS 3u

static uint64_t rng;

static uint64_t rnd(uint64_t n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (rng >> 11) % n;
}

/* Media. */

struct sim {
    uint8_t *work, *durable, *flushed;
    uint32_t pending[NR_LINES];         /* flushed, not drained */
    uint32_t nr_pending;
    uint8_t is_pending[NR_LINES];
    void (*on_drain)(struct sim *sim);
    uint64_t nr_drains, crash_at;       /* nested: where it fails again */
};

static void sim_flush(void *self, const void *at, size_t len)
{
    struct sim *sim = self;
    size_t from = (size_t)((const uint8_t *)at - sim->work) / LINE_BYTES;
    size_t to = ((size_t)((const uint8_t *)at - sim->work) + len - 1) /
                LINE_BYTES;

    for (; from <= to; from++) {
        memcpy(sim->flushed + from * LINE_BYTES,
               sim->work + from * LINE_BYTES, LINE_BYTES);
        if (!sim->is_pending[from]) {
            sim->is_pending[from] = 1;
            sim->pending[sim->nr_pending++] = (uint32_t)from;
        }
    }
}

static void sim_drain(void *self)
{
    struct sim *sim = self;

    if (sim->on_drain) {
        sim->on_drain(sim);
    }
    while (sim->nr_pending) {
        uint32_t line = sim->pending[--sim->nr_pending];

        memcpy(sim->durable + (size_t)line * LINE_BYTES,
               sim->flushed + (size_t)line * LINE_BYTES, LINE_BYTES);
        sim->is_pending[line] = 0;
    }
}

static void sim_copy(void *self, void *to, const void *from, size_t len)
{
    memcpy(to, from, len);
    sim_flush(self, to, len);
}

static const struct vmm__media_ops sim_ops = { sim_flush, sim_drain,
                                               sim_copy };

static struct vmm__media sim_media(struct sim *sim)
{
    return (struct vmm__media){ &sim_ops, sim, sim->work, IMAGE_BYTES };
}

static void *buffer(size_t bytes)
{
    void *p = aligned_alloc(VMM__BLOCK_BYTES, bytes);

    if (!p) {
        abort();
    }
    memset(p, 0, bytes);
    return p;
}

static void sim_init(struct sim *sim)
{
    memset(sim, 0, sizeof(*sim));
    sim->work = buffer(IMAGE_BYTES);
    sim->durable = buffer(IMAGE_BYTES);
    sim->flushed = buffer(IMAGE_BYTES);
}

/* All of it is durable, and nothing is under way. */
static void sim_set(struct sim *sim, const uint8_t *image)
{
    memcpy(sim->work, image, IMAGE_BYTES);
    memcpy(sim->durable, image, IMAGE_BYTES);
    memset(sim->is_pending, 0, sizeof(sim->is_pending));
    sim->nr_pending = 0;
    sim->nr_drains = 0;
    sim->crash_at = 0;
    sim->on_drain = NULL;
}

/* What is there after a crash now.  variant 0: nothing more; 1: everything. */
static void crash_image(const struct sim *sim, unsigned int variant,
                        uint8_t *image)
{
    size_t line;
    unsigned int i;

    if (variant == 1) {
        memcpy(image, sim->work, IMAGE_BYTES);
        return;
    }
    memcpy(image, sim->durable, IMAGE_BYTES);
    if (!variant) {
        return;
    }
    for (line = 0; line < NR_LINES; line++) {
        const uint8_t *work = sim->work + line * LINE_BYTES;
        uint8_t *to = image + line * LINE_BYTES;
        unsigned int what;

        if (!memcmp(work, to, LINE_BYTES) && !sim->is_pending[line]) {
            continue;
        }
        what = (unsigned int)rnd(4);
        for (i = 0; i < LINE_BYTES; i += 8) {
            bool keep = what == 0 || (what > 1 && rnd(2));
            const uint8_t *from = what == 3 && sim->is_pending[line] && rnd(2)
                ? sim->flushed + line * LINE_BYTES : work;

            if (keep) {
                memcpy(to + i, from + i, 8);
            }
        }
    }
}

/* Storage. */

static uint8_t *storage, *storage_durable;
static uint8_t slot_pending[NR_SLOTS];

static void storage_write(uint64_t slot, const void *data)
{
    memcpy(storage + slot * VMM__BLOCK_BYTES, data, VMM__BLOCK_BYTES);
    slot_pending[slot] = 1;
}

static void storage_sync(void)
{
    unsigned int i;

    for (i = 0; i < NR_SLOTS; i++) {
        if (slot_pending[i]) {
            memcpy(storage_durable + i * VMM__BLOCK_BYTES,
                   storage + i * VMM__BLOCK_BYTES, VMM__BLOCK_BYTES);
            slot_pending[i] = 0;
        }
    }
}

/* What should be there. */

static const uint64_t blks[NR_BLKS] = {
    0, 1, 2, 3, 4, 5, 6, 7, 510, 511, 512, 513, 1024, 5000, 262143, 262144,
    262145, 262656, 300000, 400000, 500000, 524285, 524286, 524287,
};

struct content {
    uint32_t of[NR_BLKS];       /* 0: zeros; else what was written */
};

struct snapshot {
    bool there;
    char name[16];
    uint64_t id;
    struct content content;
};

enum op { OP_NONE, OP_WRITE, OP_SNAPSHOT, OP_DELETE, OP_REVERT };

static struct model {
    struct content now;
    struct snapshot snaps[NR_POINTS];
    enum op op;                 /* under way, not acknowledged */
    unsigned int which;         /* blk or snapshot */
    uint32_t value;
    struct content other;       /* now, if a revert is done */
    uint32_t nr_writes, nr_names;
} model;

static void fill(uint32_t value, uint8_t *buf)
{
    uint32_t *words = (void *)buf;
    uint32_t i;

    if (value % 5 == 0) {
        vmm__block_fill(buf, value);
        return;
    }
    for (i = 0; i < VMM__BLOCK_BYTES / 4; i++) {
        words[i] = value * 2654435761u + i;
    }
}

static uint64_t run_seed, nr_points_tried;
static bool verbose;

static void bad(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void bad(const char *fmt, ...)
{
    va_list args;

    printf("seed %llu, point %llu, operation %d (%u): ",
           (unsigned long long)run_seed, (unsigned long long)nr_points_tried,
           model.op, model.which);
    va_start(args, fmt);
    (void)vprintf(fmt, args);
    va_end(args);
    puts("");
    exit(1);
}

static void log_it(void *user, enum vmm_log_level level, const char *msg)
{
    (void)user;
    (void)level;
    if (verbose) {
        printf("  %s\n", msg);
    }
}

static const struct vmm_logger logger = { log_it, NULL };

static const uint8_t *read_block(struct vmm__region *r, uint64_t id,
                                 unsigned int i)
{
    static _Alignas(8) uint8_t buf[VMM__BLOCK_BYTES];
    struct vmm__recall recall;
    int rc;

    rc = vmm__region_read(r, id, blks[i], buf, &recall);
    if (rc == VMM_E_AGAIN) {
        memcpy(buf, storage_durable + recall.slot * VMM__BLOCK_BYTES,
               sizeof(buf));
        rc = vmm__region_recalled(r, &recall, buf, 0, false);
    }
    if (rc) {
        bad("block %llu of %llu: %s", (unsigned long long)blks[i],
            (unsigned long long)id, vmm_error_name(rc));
    }
    return buf;
}

static bool is_content(const uint8_t *got, uint32_t value)
{
    static _Alignas(8) uint8_t want[VMM__BLOCK_BYTES];

    fill(value, want);
    return !memcmp(got, want, sizeof(want));
}

static void expect(struct vmm__region *r, uint64_t id,
                   const struct content *content, const char *whose)
{
    unsigned int i;

    for (i = 0; i < NR_BLKS; i++) {
        const uint8_t *got = read_block(r, id, i);
        bool may_be_new = model.op == OP_WRITE && !id && model.which == i;

        if (!is_content(got, content->of[i]) &&
            !(may_be_new && is_content(got, model.value))) {
            bad("%s: block %llu is not what was written", whose,
                (unsigned long long)blks[i]);
        }
    }
}

static void told(void *user, const char *text)
{
    (void)user;
    printf("  check: %s\n", text);
}

static void check_image(const struct vmm__media *media, const char *when)
{
    uint64_t nr;

    if (vmm__region_check(media, NULL, told, NULL, &nr) || nr) {
        bad("%s: %llu problems", when, (unsigned long long)nr);
    }
}

/* All that was acknowledged is there. */
static void verify(struct vmm__region *r)
{
    const struct content *now = &model.now;
    unsigned int i, nr = 0, nr_want = 0;
    struct vmm__point_info info = { 0 };
    uint64_t id;

    if (model.op == OP_REVERT) {
        const uint8_t *got;

        /* All of the one or all of the other: see which. */
        for (i = 0; i < NR_BLKS && now == &model.now; i++) {
            got = read_block(r, VMM__POINT_RUNNING, i);
            now = is_content(got, model.now.of[i]) ? now : &model.other;
        }
    }
    expect(r, VMM__POINT_RUNNING, now, "running");

    for (i = 0; i < NR_POINTS; i++) {
        const struct snapshot *s = &model.snaps[i];
        bool open = (model.op == OP_SNAPSHOT || model.op == OP_DELETE) &&
                    model.which == i;
        bool found = (s->there || open) &&
                     !vmm__region_find_snapshot(r, s->name, &id);

        if (s->there && !open && !found) {
            bad("snapshot %s is gone", s->name);
        }
        nr_want += found;
        if (found) {
            expect(r, id, &s->content, s->name);
        }
    }
    for (id = 0; !vmm__region_next_snapshot(r, id, &info); id = info.id) {
        nr++;
    }
    if (nr != nr_want) {
        bad("%u snapshots, not %u", nr, nr_want);
    }
}

static struct sim sim, again, third;
static uint8_t *image;

static void reap_all(struct vmm__region *r)
{
    unsigned int n = 0;

    while (vmm__region_reap(r)) {
        if (n++ > 10000) {
            bad("reaping does not end");
        }
    }
}

/* A crash left this: open it, and see. */
static void survive(struct sim *s, bool nested)
{
    struct vmm__media media = sim_media(s);
    struct vmm__region *r;
    int rc;

    check_image(&media, "after the crash");
    rc = vmm__region_open(&media, &logger, &r);
    if (rc) {
        bad("does not open: %s", vmm_error_name(rc));
    }
    verify(r);
    reap_all(r);
    verify(r);
    if (!nested && rnd(4) == 0) {
        /* It works, too; what is written now is in no model. */
        static _Alignas(8) uint8_t buf[VMM__BLOCK_BYTES];

        s->on_drain = NULL;
        fill(1, buf);
        rc = vmm__region_write(r, blks[rnd(NR_BLKS)], buf);
        if (rc && rc != VMM_E_NOSPC) {
            bad("cannot write: %s", vmm_error_name(rc));
        }
    }
    vmm__region_close(r);
    check_image(&media, "after repair");
}

static void fail_again(struct sim *s)
{
    if (++s->nr_drains != s->crash_at) {
        return;
    }
    nr_points_tried++;
    crash_image(s, (unsigned int)rnd(VARIANTS), image);
    sim_set(&third, image);
    survive(&third, true);
}

static void fail_here(struct sim *s)
{
    unsigned int variant;

    for (variant = 0; variant < VARIANTS; variant++) {
        nr_points_tried++;
        crash_image(s, variant, image);
        sim_set(&again, image);
        if (rnd(4) == 0) {
            again.crash_at = 1 + rnd(12);
            again.on_drain = fail_again;
        }
        survive(&again, false);
    }
}

/* Operations. */

static void do_write(struct vmm__region *r)
{
    static _Alignas(8) uint8_t buf[VMM__BLOCK_BYTES];
    unsigned int i = (unsigned int)rnd(NR_BLKS);
    int rc;

    model.op = OP_WRITE;
    model.which = i;
    model.value = rnd(8) ? ++model.nr_writes : 0;
    fill(model.value, buf);
    rc = model.value ? vmm__region_write(r, blks[i], buf)
                     : vmm__region_discard(r, blks[i]);
    if (!rc) {
        model.now.of[i] = model.value;
    } else if (rc != VMM_E_NOSPC) {
        bad("write: %s", vmm_error_name(rc));
    }
    model.op = OP_NONE;
}

static void do_snapshot(struct vmm__region *r)
{
    struct snapshot *s;
    unsigned int i;
    int rc;

    for (i = 0; i < NR_POINTS && model.snaps[i].there; i++) {
        continue;
    }
    if (i == NR_POINTS) {
        return;
    }
    s = &model.snaps[i];
    (void)snprintf(s->name, sizeof(s->name), "s%u", model.nr_names++);
    s->content = model.now;
    model.op = OP_SNAPSHOT;
    model.which = i;
    rc = vmm__region_snapshot(r, s->name, 1);
    model.op = OP_NONE;
    if (!rc && vmm__region_find_snapshot(r, s->name, &s->id)) {
        bad("the snapshot is not there");
    }
    if (rc && rc != VMM_E_NOSPC) {
        bad("snapshot: %s", vmm_error_name(rc));
    }
    s->there = !rc;
}

static struct snapshot *any_snapshot(unsigned int *i_out)
{
    *i_out = (unsigned int)rnd(NR_POINTS);
    return model.snaps[*i_out].there ? &model.snaps[*i_out] : NULL;
}

static void do_delete(struct vmm__region *r)
{
    unsigned int i;
    struct snapshot *s = any_snapshot(&i);

    if (!s) {
        return;
    }
    model.op = OP_DELETE;
    model.which = i;
    if (vmm__region_snapshot_delete(r, s->id)) {
        bad("delete");
    }
    s->there = false;
    model.op = OP_NONE;
}

static void do_revert(struct vmm__region *r)
{
    unsigned int i;
    struct snapshot *s = any_snapshot(&i);
    int rc;

    if (!s) {
        return;
    }
    model.op = OP_REVERT;
    model.other = s->content;
    rc = vmm__region_revert(r, s->id, 1);
    if (!rc) {
        model.now = s->content;
    } else if (rc != VMM_E_NOSPC) {
        bad("revert: %s", vmm_error_name(rc));
    }
    model.op = OP_NONE;
}

static void do_purge(struct vmm__region *r)
{
    struct vmm__purge purges[8];
    unsigned int nr, i;
    bool end;
    int rc = rnd(10) ? 0 : VMM_E_IO;

    nr = vmm__region_purge_pick(r, (enum vmm__purge_what)rnd(3),
                                1 + (unsigned int)rnd(8), purges, &end);
    for (i = 0; i < nr; i++) {
        storage_write(purges[i].slot, purges[i].data);
    }
    if (rnd(3) == 0) {
        do_write(r);            /* meanwhile */
    }
    storage_sync();
    vmm__region_purged(r, purges, nr, rc);
}

static void do_recall(struct vmm__region *r)
{
    static _Alignas(8) uint8_t buf[VMM__BLOCK_BYTES];
    struct vmm__recall recall;
    unsigned int i = (unsigned int)rnd(NR_BLKS);

    if (vmm__region_read(r, VMM__POINT_RUNNING, blks[i], buf, &recall) !=
            VMM_E_AGAIN) {
        return;
    }
    memcpy(buf, storage_durable + recall.slot * VMM__BLOCK_BYTES,
           sizeof(buf));
    if (rnd(4) == 0) {
        do_write(r);
    }
    (void)vmm__region_recalled(r, &recall, buf, 0, true);
}

static struct vmm__region *reopen(struct vmm__region *r)
{
    struct vmm__media media = sim_media(&sim);

    vmm__region_close(r);
    check_image(&media, "after a close");
    if (vmm__region_open(&media, &logger, &r)) {
        bad("does not open again");
    }
    return r;
}

static void run(uint64_t seed, unsigned int nr_ops)
{
    struct vmm__region_geometry geo = {
        .nr_blks = 1 << 19, .nr_slots = NR_SLOTS, .nr_points = NR_POINTS + 1,
    };
    struct vmm__media media = sim_media(&sim);
    struct vmm__region *r;
    unsigned int n;

    run_seed = seed;
    rng = seed * 0x9e3779b97f4a7c15ull + 1;
    memset(&model, 0, sizeof(model));
    memset(slot_pending, 0, sizeof(slot_pending));
    memset(sim.work, 0, IMAGE_BYTES);
    sim_set(&sim, sim.work);
    if (vmm__region_create(&media, &geo, false, &logger) ||
        vmm__region_open(&media, &logger, &r)) {
        bad("cannot make a region");
    }
    sim.on_drain = fail_here;
    for (n = 0; n < nr_ops; n++) {
        switch (rnd(20)) {
        case 0:
            do_snapshot(r);
            break;
        case 1:
            do_delete(r);
            break;
        case 2:
            if (rnd(2)) {
                do_revert(r);
            }
            break;
        case 3:
        case 4:
            do_purge(r);
            break;
        case 5:
        case 6:
            do_recall(r);
            break;
        case 7:
        case 8:
        case 9:
            (void)vmm__region_reap(r);
            break;
        case 10:
            if (rnd(4) == 0) {
                r = reopen(r);
            }
            break;
        default:
            do_write(r);
            break;
        }
    }
    verify(r);
    sim.on_drain = NULL;
    reap_all(r);
    r = reopen(r);
    verify(r);
    vmm__region_close(r);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "seed", required_argument, NULL, 's' },
        { "runs", required_argument, NULL, 'r' },
        { "verbose", no_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 },
    };
    uint64_t seed = 1, nr_runs = 100, n;
    int opt;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (opt) {
        case 's':
            seed = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            nr_runs = strtoull(optarg, NULL, 10);
            break;
        case 'v':
            verbose = true;
            break;
        default:
            return 2;
        }
    }

    sim_init(&sim);
    sim_init(&again);
    sim_init(&third);
    image = buffer(IMAGE_BYTES);
    storage = buffer((size_t)NR_SLOTS * VMM__BLOCK_BYTES);
    storage_durable = buffer((size_t)NR_SLOTS * VMM__BLOCK_BYTES);
    for (n = 0; n < nr_runs; n++) {
        run(seed + n, 200);
    }
    printf("%llu crash points, all legal\n",
           (unsigned long long)nr_points_tried);
    puts("crash: 1 passed, 0 failed");
    return 0;
}
