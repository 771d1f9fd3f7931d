/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* epoch.c: when is nobody looking at what was taken away? */
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/epoch.h"

/*
 * A thread has the same place in every epoch, for as long as it lives; those
 * for which there is none left take one of the last, each time.
 */
#define NR_PLACES (VMM__EPOCH_READERS - 16)
#define NO_PLACE UINT32_MAX

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static _Atomic bool place_taken[NR_PLACES];
static _Thread_local uint32_t my_place;         /* + 1 */

static void leave_place(void *place)
{
    atomic_store_explicit(&place_taken[(uintptr_t)place - 1], false,
                          memory_order_release);
}

static void make_key(void)
{
    (void)pthread_key_create(&key, leave_place);
}

static uint32_t find_place(void)
{
    uint32_t i;

    (void)pthread_once(&once, make_key);
    for (i = 0; i < NR_PLACES; i++) {
        if (!atomic_exchange_explicit(&place_taken[i], true,
                                      memory_order_acquire)) {
            if (pthread_setspecific(key, (void *)(uintptr_t)(i + 1))) {
                leave_place((void *)(uintptr_t)(i + 1));
                break;
            }
            return my_place = i + 1;
        }
    }
    return my_place = NO_PLACE;
}

void vmm__epoch_init(struct vmm__epoch *epoch)
{
    unsigned int i;

    atomic_init(&epoch->now, 1);
    epoch->barrier = syscall(__NR_membarrier,
        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0;
    for (i = 0; i < VMM__EPOCH_READERS; i++) {
        atomic_init(&epoch->readers[i].since, 0);
    }
}

static struct vmm__epoch_reader *enter_anywhere(struct vmm__epoch *epoch)
{
    unsigned int i;

    for (;;) {
        for (i = NR_PLACES; i < VMM__EPOCH_READERS; i++) {
            uint64_t nobody = 0;

            if (atomic_compare_exchange_strong(&epoch->readers[i].since,
                                               &nobody,
                                               atomic_load(&epoch->now))) {
                return &epoch->readers[i];
            }
        }
        (void)sched_yield();
    }
}

struct vmm__epoch_reader *vmm__epoch_enter(struct vmm__epoch *epoch)
{
    uint32_t place = my_place ? my_place : find_place();
    struct vmm__epoch_reader *reader;
    uint64_t now;

    if (place == NO_PLACE) {
        return enter_anywhere(epoch);
    }
    reader = &epoch->readers[place - 1];
    now = atomic_load_explicit(&epoch->now, memory_order_relaxed);
    /* What is read inside must not be read before this is seen. */
    if (epoch->barrier) {
        (void)atomic_exchange(&reader->since, now);
    } else {
        atomic_store_explicit(&reader->since, now, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
    }
    return reader;
}

uint64_t vmm__epoch_ticket(struct vmm__epoch *epoch)
{
    return atomic_fetch_add(&epoch->now, 1);
}

uint64_t vmm__epoch_over(struct vmm__epoch *epoch)
{
    uint64_t over = atomic_load(&epoch->now), since;
    unsigned int i;

    /* From here on, who is inside is seen, or sees what was unlinked. */
    if (!epoch->barrier) {
        (void)syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0,
                      0);
    }
    for (i = 0; i < VMM__EPOCH_READERS; i++) {
        since = atomic_load_explicit(&epoch->readers[i].since,
                                     memory_order_acquire);
        if (since && since < over) {
            over = since;
        }
    }
    return over;
}
