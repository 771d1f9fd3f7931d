/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* slotmap.c: which of many equal places are taken, a bit each. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/slotmap.h"

#define WORD_BITS 64u
/* Words that a search may look at once it has found something. */
#define SEARCH_WORDS 4096u

bool vmm__slotmap_init(struct vmm__slotmap *map, uint64_t nr_slots)
{
    memset(map, 0, sizeof(*map));
    map->nr_slots = nr_slots;
    map->taken = calloc((nr_slots + WORD_BITS - 1) / WORD_BITS + 1,
                        sizeof(*map->taken));
    return map->taken;
}

void vmm__slotmap_dispose(struct vmm__slotmap *map)
{
    free(map->taken);
    map->taken = NULL;
}

bool vmm__slotmap_taken(const struct vmm__slotmap *map, uint64_t slot)
{
    return map->taken[slot / WORD_BITS] >> (slot % WORD_BITS) & 1;
}

void vmm__slotmap_take(struct vmm__slotmap *map, uint64_t slot)
{
    assert(slot < map->nr_slots && !vmm__slotmap_taken(map, slot));
    map->taken[slot / WORD_BITS] |= 1ull << (slot % WORD_BITS);
    map->nr_taken++;
}

void vmm__slotmap_give(struct vmm__slotmap *map, uint64_t slot)
{
    assert(slot < map->nr_slots && vmm__slotmap_taken(map, slot));
    map->taken[slot / WORD_BITS] &= ~(1ull << (slot % WORD_BITS));
    map->nr_taken--;
}

/* The first slot from `slot' on, below `end', that is taken or not; or end. */
static uint64_t find_slot(const struct vmm__slotmap *map, uint64_t slot,
                          uint64_t end, bool taken)
{
    while (slot < end) {
        uint64_t word = map->taken[slot / WORD_BITS];

        word = (taken ? word : ~word) >> (slot % WORD_BITS);
        if (word) {
            slot += (unsigned int)__builtin_ctzll(word);
            return slot < end ? slot : end;
        }
        slot += WORD_BITS - slot % WORD_BITS;
    }
    return end;
}

uint32_t vmm__slotmap_alloc(struct vmm__slotmap *map, uint32_t nr,
                            uint64_t *first_out)
{
    uint64_t best = 0, from = map->next, end = map->nr_slots, looked_at = 0;
    uint32_t best_nr = 0, i;
    bool wrapped = false;

    if (!nr || map->nr_taken == map->nr_slots) {
        return 0;
    }

    for (;;) {
        uint64_t first = find_slot(map, from, end, false), last;

        if (first < end) {
            last = find_slot(map, first,
                             end - first > nr ? first + nr : end, true);
            if (last - first > best_nr) {
                best = first;
                best_nr = (uint32_t)(last - first);
            }
        } else {
            last = end;
        }
        looked_at += last - from;
        if (best_nr == nr ||
            (best_nr && looked_at >= SEARCH_WORDS * WORD_BITS)) {
            break;
        }
        from = last;
        if (from == end) {
            if (wrapped) {
                break;
            }
            wrapped = true;
            from = 0;
            end = map->next;
        }
    }

    for (i = 0; i < best_nr; i++) {
        vmm__slotmap_take(map, best + i);
    }
    map->next = best + best_nr < map->nr_slots ? best + best_nr : 0;
    *first_out = best;
    return best_nr;
}
