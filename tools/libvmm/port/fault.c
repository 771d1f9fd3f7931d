/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fault.c: a bdev that fails, delays, tears and reorders, on purpose. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "port/fault.h"

#define MAX_POINTS 16u
#define MAX_IOS 512u
#define DEFAULT_FOR 8u

enum what { FAIL, NOSPC, AGAIN, SHORT, TORN, DELAY, REORDER, NR_WHATS };

static const char *const whats[NR_WHATS] = {
    [FAIL] = "fail", [NOSPC] = "nospc", [AGAIN] = "again", [SHORT] = "short",
    [TORN] = "torn", [DELAY] = "delay", [REORDER] = "reorder",
};

struct point {
    bool reads, writes, once;
    enum what what;
    uint64_t after, every, held_for;
    uint64_t nr_seen;
};

struct fault_io {
    struct vmm__bdev_io bio;        /* what the inner one sees */
    struct vmm__bdev_io *orig;
    struct fault *fault;
    struct vmm__list_node node;     /* held, or free */
    const struct point *point;      /* NULL: nothing is done to it */
    uint64_t due;                   /* held: at this reap() */
    int rc;
};

struct fault {
    struct vmm__bdev inner;
    struct point points[MAX_POINTS];
    unsigned int nr_points;
    struct fault_io ios[MAX_IOS];
    struct vmm__list_node free, held;
    uint32_t nr_held;
    uint64_t nr_reaps;
    unsigned int nr_done;
};

static struct fault_io *io_of(struct vmm__list_node *node)
{
    return vmm__container_of(node, struct fault_io, node);
}

/* Which point applies; each that could is counted. */
static const struct point *hit(struct fault *fault, bool write)
{
    const struct point *found = NULL;
    unsigned int i;

    for (i = 0; i < fault->nr_points && !found; i++) {
        struct point *point = &fault->points[i];
        uint64_t n;

        if (write ? !point->writes : !point->reads) {
            continue;
        }
        n = point->nr_seen++;
        if (n < point->after || (point->once && n > point->after) ||
            (n - point->after) % point->every) {
            continue;
        }
        found = point;
    }
    return found;
}

static void report(struct fault_io *io)
{
    struct vmm__bdev_io *orig = io->orig;
    int rc = io->rc;

    io->fault->nr_done++;
    vmm__list_add_tail(&io->fault->free, &io->node);
    orig->done(orig, rc);
}

static void hold(struct fault_io *io, uint64_t due)
{
    io->due = due;
    io->fault->nr_held++;
    vmm__list_add_tail(&io->fault->held, &io->node);
}

static void inner_done(struct vmm__bdev_io *bio, int rc)
{
    struct fault_io *io = vmm__container_of(bio, struct fault_io, bio);

    io->rc = rc;
    if (!io->point) {
        report(io);
        return;
    }
    switch (io->point->what) {
    case SHORT:
        io->rc = rc ? rc : VMM_E_IO;
        report(io);
        break;
    case DELAY:
        hold(io, io->fault->nr_reaps + io->point->held_for);
        break;
    case REORDER:
        hold(io, (io->fault->nr_reaps / io->point->held_for + 1) *
                 io->point->held_for);
        break;
    default:
        report(io);
        break;
    }
}

static int fault_submit(void *self, struct vmm__bdev_io *orig)
{
    struct fault *fault = self;
    const struct point *point = hit(fault, orig->write);
    struct fault_io *io;
    uint32_t half = orig->len_bytes / 2 / VMM__BDEV_ALIGN_BYTES *
                    VMM__BDEV_ALIGN_BYTES;
    int rc;

    if ((point && point->what == AGAIN) || vmm__list_empty(&fault->free)) {
        return VMM_E_AGAIN;
    }

    io = io_of(fault->free.next);
    io->orig = orig;
    io->point = point;
    io->bio = *orig;
    io->bio.done = inner_done;
    if (point && (point->what == SHORT || point->what == TORN)) {
        io->bio.len_bytes = half;
    }
    if (point && (point->what == FAIL || point->what == NOSPC ||
                  !io->bio.len_bytes)) {
        io->rc = point->what == NOSPC ? VMM_E_NOSPC :
                 point->what == TORN ? 0 : VMM_E_IO;
        vmm__list_del(&io->node);
        hold(io, fault->nr_reaps);
        return 0;
    }

    rc = fault->inner.ops->submit(fault->inner.self, &io->bio);
    if (!rc) {
        vmm__list_del(&io->node);
    }
    return rc;
}

static void fault_kick(void *self)
{
    struct fault *fault = self;

    fault->inner.ops->kick(fault->inner.self);
}

/* Of those that are due, the last first. */
static void reap_held(struct fault *fault)
{
    struct vmm__list_node *node, *prev;
    uint32_t nr = fault->nr_held;

    for (node = fault->held.prev; nr-- > 0; node = prev) {
        struct fault_io *io = io_of(node);

        prev = node->prev;
        if (io->due > fault->nr_reaps) {
            continue;
        }
        vmm__list_del(node);
        fault->nr_held--;
        /* What it submits goes to the end of the list, if anywhere there. */
        report(io);
    }
}

static unsigned int fault_reap(void *self)
{
    struct fault *fault = self;

    fault->nr_done = 0;
    (void)fault->inner.ops->reap(fault->inner.self);
    reap_held(fault);
    fault->nr_reaps++;
    return fault->nr_done;
}

static int fault_fd(void *self)
{
    struct fault *fault = self;

    return fault->inner.ops->fd(fault->inner.self);
}

static bool fault_must_poll(void *self)
{
    struct fault *fault = self;

    return fault->nr_held || fault->inner.ops->must_poll(fault->inner.self);
}

static int fault_register_mem(void *self, void *base, uint64_t len_bytes)
{
    struct fault *fault = self;

    return fault->inner.ops->register_mem(fault->inner.self, base, len_bytes);
}

static const struct vmm__bdev_ops fault_ops = {
    .submit = fault_submit,
    .kick = fault_kick,
    .reap = fault_reap,
    .fd = fault_fd,
    .must_poll = fault_must_poll,
    .register_mem = fault_register_mem,
};

/* Spec. */

static bool word(const char **at, const char *expected)
{
    size_t len = strlen(expected);

    if (strncmp(*at, expected, len)) {
        return false;
    }
    *at += len;
    return true;
}

static bool number(const char **at, const char *key, uint64_t *value_out)
{
    const char *from = *at;
    char *end;

    if (!word(&from, key)) {
        return false;
    }
    *value_out = strtoull(from, &end, 10);
    if (end == from) {
        return false;
    }
    *at = end;
    return true;
}

static bool parse_point(const char **at, struct point *point)
{
    unsigned int what;

    *point = (struct point){ .every = 1, .held_for = DEFAULT_FOR };
    if (word(at, "bdev.read.")) {
        point->reads = true;
    } else if (word(at, "bdev.write.")) {
        point->writes = true;
    } else if (word(at, "bdev.any.")) {
        point->reads = point->writes = true;
    } else {
        return false;
    }
    for (what = 0; what < NR_WHATS && !word(at, whats[what]); what++) {
    }
    if (what == NR_WHATS) {
        return false;
    }
    point->what = what;
    point->once = word(at, ".once");
    while (number(at, ":after=", &point->after) ||
           number(at, ":every=", &point->every) ||
           number(at, ":for=", &point->held_for)) {
    }
    return point->every && point->held_for && (!**at || **at == ',');
}

int vmm__fault_open(const struct vmm__bdev *inner, const char *spec,
                    struct vmm__bdev *bdev_out)
{
    struct fault *fault = calloc(1, sizeof(*fault));
    unsigned int i;

    if (!fault) {
        return VMM_E_NOMEM;
    }
    fault->inner = *inner;
    vmm__list_init(&fault->free);
    vmm__list_init(&fault->held);
    for (i = 0; i < MAX_IOS; i++) {
        fault->ios[i].fault = fault;
        vmm__list_add_tail(&fault->free, &fault->ios[i].node);
    }
    while (*spec) {
        if (fault->nr_points == MAX_POINTS ||
            !parse_point(&spec, &fault->points[fault->nr_points++]) ||
            (*spec == ',' && !*++spec)) {
            free(fault);
            return VMM_E_FORMAT;
        }
    }

    *bdev_out = (struct vmm__bdev){ .ops = &fault_ops, .self = fault };
    return 0;
}

void vmm__fault_close(struct vmm__bdev *bdev)
{
    struct fault *fault = bdev->self;

    assert(!fault || !fault->nr_held);
    free(fault);
    bdev->self = NULL;
}
