/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* epoch.c: when is nobody looking at what was taken away? */
#include <sched.h>

#include "base/epoch.h"

void vmm__epoch_init(struct vmm__epoch *epoch)
{
    unsigned int i;

    atomic_init(&epoch->now, 1);
    for (i = 0; i < VMM__EPOCH_READERS; i++) {
        atomic_init(&epoch->readers[i].since, 0);
    }
}

struct vmm__epoch_reader *vmm__epoch_enter(struct vmm__epoch *epoch)
{
    static _Atomic unsigned int nr_threads;
    static _Thread_local unsigned int mine;     /* 1 and more */
    unsigned int i, n;

    if (!mine) {
        mine = 1 + atomic_fetch_add_explicit(&nr_threads, 1,
                                             memory_order_relaxed);
    }
    for (i = mine, n = 0;; i++, n++) {
        struct vmm__epoch_reader *reader =
            &epoch->readers[i % VMM__EPOCH_READERS];
        uint64_t nobody = 0;

        /* Orders what is read inside after it: all are seq_cst. */
        if (atomic_compare_exchange_strong(&reader->since, &nobody,
                                           atomic_load(&epoch->now))) {
            mine = i ? i : 1;
            return reader;
        }
        if (n % VMM__EPOCH_READERS == VMM__EPOCH_READERS - 1) {
            (void)sched_yield();
        }
    }
}

uint64_t vmm__epoch_ticket(struct vmm__epoch *epoch)
{
    return atomic_fetch_add(&epoch->now, 1);
}

uint64_t vmm__epoch_over(struct vmm__epoch *epoch)
{
    uint64_t over = atomic_load(&epoch->now), since;
    unsigned int i;

    for (i = 0; i < VMM__EPOCH_READERS; i++) {
        since = atomic_load(&epoch->readers[i].since);
        if (since && since < over) {
            over = since;
        }
    }
    return over;
}
