/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * prefetch.c: which pages come next.
 *
 * Source: Maruf and Chowdhury, "Effectively Prefetching Remote Memory with
 * Leap", USENIX ATC 2020, section 3.2 (majority trend, growing windows) and
 * 3.3 (depth by hits).  Differences: what was prefetched does not fault, so
 * a fault within or just past what was asked for along the trend counts as
 * one step of the trend; and depth halves with each miss.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "consumer/prefetch.h"
#include "include/vmm.h"

#define WINDOW_MIN  4u
#define DEPTH_PROBE 2u
#define DEPTH_START 4u

struct stream {
    bool started;
    uint64_t last;              /* gfn of the last fault */
    int64_t stride;             /* of the trend; 0: none now */
    unsigned int asked;         /* steps beyond `last' that were asked for */
    unsigned int depth;
    unsigned int hits;          /* since depth was changed */
    unsigned int nr, next;      /* of deltas: how many, where the next goes */
    int64_t *deltas;
};

struct vmm__prefetch {
    struct vmm__prefetch_cfg cfg;
    unsigned int nr_streams;
    uint64_t nr_hits, nr_misses;
    struct stream *streams;
    int64_t *deltas;            /* of all streams */
};

void vmm__prefetch_cfg_default(struct vmm__prefetch_cfg *cfg_out)
{
    cfg_out->history = 32;
    cfg_out->max_depth = 32;
}

int vmm__prefetch_new(const struct vmm__prefetch_cfg *cfg,
                      unsigned int nr_streams,
                      struct vmm__prefetch **prefetch_out)
{
    struct vmm__prefetch *prefetch;
    unsigned int i;

    if (!cfg || !nr_streams || !prefetch_out || cfg->history < WINDOW_MIN ||
        !cfg->max_depth) {
        return VMM_E_INVAL;
    }
    prefetch = calloc(1, sizeof(*prefetch));
    if (!prefetch) {
        return VMM_E_NOMEM;
    }
    prefetch->cfg = *cfg;
    prefetch->nr_streams = nr_streams;
    prefetch->streams = calloc(nr_streams, sizeof(*prefetch->streams));
    prefetch->deltas = calloc((size_t)nr_streams * cfg->history,
                              sizeof(*prefetch->deltas));
    if (!prefetch->streams || !prefetch->deltas) {
        vmm__prefetch_free(prefetch);
        return VMM_E_NOMEM;
    }
    for (i = 0; i < nr_streams; i++) {
        struct stream *s = &prefetch->streams[i];

        s->deltas = prefetch->deltas + (size_t)i * cfg->history;
        s->depth = DEPTH_START < cfg->max_depth ? DEPTH_START
                                                : cfg->max_depth;
    }
    *prefetch_out = prefetch;
    return 0;
}

void vmm__prefetch_free(struct vmm__prefetch *prefetch)
{
    if (!prefetch) {
        return;
    }
    free(prefetch->deltas);
    free(prefetch->streams);
    free(prefetch);
}

/* The i-th newest delta. */
static int64_t delta_at(const struct stream *s, unsigned int history,
                        unsigned int i)
{
    return s->deltas[(s->next + history - 1 - i) % history];
}

/*
 * The delta that more than half of the newest w have, for the smallest
 * window that has one; 0 if none has.
 */
static int64_t trend(const struct stream *s, unsigned int history)
{
    unsigned int w, i;

    for (w = WINDOW_MIN; w <= s->nr; w *= 2) {
        int64_t candidate = 0;
        unsigned int votes = 0, count = 0;

        for (i = 0; i < w; i++) {
            int64_t d = delta_at(s, history, i);

            if (!votes) {
                candidate = d;
                votes = 1;
            } else if (d == candidate) {
                votes++;
            } else {
                votes--;
            }
        }
        for (i = 0; i < w; i++) {
            if (delta_at(s, history, i) == candidate) {
                count++;
            }
        }
        if (count > w / 2) {
            return candidate;
        }
    }
    return 0;
}

/* Steps along the trend from the last fault to this one; 0 if off it. */
static unsigned int steps_on_trend(const struct stream *s, int64_t delta)
{
    int64_t steps;

    if (!s->stride || delta % s->stride) {
        return 0;
    }
    steps = delta / s->stride;
    if (steps < 1 || steps > (int64_t)s->asked + 1) {
        return 0;
    }
    return (unsigned int)steps;
}

unsigned int vmm__prefetch_fault(struct vmm__prefetch *prefetch,
                                 unsigned int stream, uint64_t gfn,
                                 uint64_t nr_gfns, unsigned int max,
                                 uint64_t *gfns_out)
{
    unsigned int history = prefetch->cfg.history, n, steps;
    struct stream *s;
    int64_t delta, stride;

    if (stream >= prefetch->nr_streams || gfn >= nr_gfns) {
        return 0;
    }
    s = &prefetch->streams[stream];
    if (!s->started) {
        s->started = true;
        s->last = gfn;
        return 0;
    }
    delta = (int64_t)(gfn - s->last);
    if (!delta) {
        return 0;
    }
    steps = steps_on_trend(s, delta);
    s->deltas[s->next] = steps ? s->stride : delta;
    s->next = (s->next + 1) % history;
    if (s->nr < history) {
        s->nr++;
    }
    s->last = gfn;

    stride = trend(s, history);
    if (stride != s->stride) {
        s->stride = stride;
        s->hits = 0;
    }
    if (max > s->depth) {
        max = s->depth;
    }
    for (n = 0; stride && n < max; n++) {
        if (stride > 0 ? (uint64_t)stride >= nr_gfns - gfn
                       : (uint64_t)-stride > gfn) {
            break;
        }
        gfn += (uint64_t)stride;
        gfns_out[n] = gfn;
    }
    s->asked = n;
    return n;
}

void vmm__prefetch_hit(struct vmm__prefetch *prefetch, unsigned int stream)
{
    struct stream *s;

    if (stream >= prefetch->nr_streams) {
        return;
    }
    s = &prefetch->streams[stream];
    prefetch->nr_hits++;
    if (++s->hits < s->depth / 2) {
        return;
    }
    s->hits = 0;
    s->depth = s->depth * 2 < prefetch->cfg.max_depth
               ? s->depth * 2 : prefetch->cfg.max_depth;
}

void vmm__prefetch_miss(struct vmm__prefetch *prefetch, unsigned int stream)
{
    unsigned int probe = DEPTH_PROBE;
    struct stream *s;

    if (stream >= prefetch->nr_streams) {
        return;
    }
    if (probe > prefetch->cfg.max_depth) {
        probe = prefetch->cfg.max_depth;
    }
    s = &prefetch->streams[stream];
    prefetch->nr_misses++;
    s->hits = 0;
    s->depth = s->depth / 2 > probe ? s->depth / 2 : probe;
}

void vmm__prefetch_stat(const struct vmm__prefetch *prefetch,
                        struct vmm__prefetch_stat *stat_out)
{
    unsigned int i;

    memset(stat_out, 0, sizeof(*stat_out));
    stat_out->nr_hits = prefetch->nr_hits;
    stat_out->nr_misses = prefetch->nr_misses;
    for (i = 0; i < prefetch->nr_streams; i++) {
        if (stat_out->depth < prefetch->streams[i].depth) {
            stat_out->depth = prefetch->streams[i].depth;
        }
    }
}
