/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * epoch.h: when is nobody looking at what was taken away?
 *
 * Readers enter and exit, without waiting for anybody; who has unlinked
 * something asks for a ticket, and may reuse it when the ticket is over: all
 * readers that were inside when it was given have left.  A thread is inside
 * one epoch at a time.
 * Source: Fraser, "Practical lock-freedom", 2004, section 5.2.3; readers need
 * no barrier of their own where membarrier(2) gives them one.
 * Any thread.  Not across fork while a reader is inside.
 */
#ifndef VMM_BASE_EPOCH_H
#define VMM_BASE_EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define VMM__EPOCH_READERS 256u

struct vmm__epoch {
    _Atomic uint64_t now;
    bool barrier;               /* readers have to pay for one */
    struct vmm__epoch_reader {
        _Alignas(64) _Atomic uint64_t since;    /* 0: nobody */
    } readers[VMM__EPOCH_READERS];
};

void vmm__epoch_init(struct vmm__epoch *epoch);

struct vmm__epoch_reader *vmm__epoch_enter(struct vmm__epoch *epoch);

static inline void vmm__epoch_exit(struct vmm__epoch_reader *reader)
{
    atomic_store_explicit(&reader->since, 0, memory_order_release);
}

/* After unlinking; tickets grow. */
uint64_t vmm__epoch_ticket(struct vmm__epoch *epoch);
/* Tickets below this are over. */
uint64_t vmm__epoch_over(struct vmm__epoch *epoch);

#endif
