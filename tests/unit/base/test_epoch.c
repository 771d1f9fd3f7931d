/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_epoch.c: readers, places, and when a ticket is over. */
#include "base/epoch.c"

#include "tests/lib/ut.h"

#define MANY (VMM__EPOCH_READERS + 20)

static struct vmm__epoch epoch;

static void over__waits_for_readers(void)
{
    struct vmm__epoch_reader *reader;
    uint64_t before, inside;

    vmm__epoch_init(&epoch);
    before = vmm__epoch_ticket(&epoch);
    CU_ASSERT_TRUE(before < vmm__epoch_over(&epoch));
    reader = vmm__epoch_enter(&epoch);
    CU_ASSERT_TRUE(before < vmm__epoch_over(&epoch));
    inside = vmm__epoch_ticket(&epoch);
    CU_ASSERT_TRUE(inside > before);
    CU_ASSERT_FALSE(inside < vmm__epoch_over(&epoch));
    vmm__epoch_exit(reader);
    CU_ASSERT_TRUE(inside < vmm__epoch_over(&epoch));
}

static void over__without_membarrier(void)
{
    struct vmm__epoch_reader *reader;
    uint64_t ticket;

    vmm__epoch_init(&epoch);
    epoch.barrier = true;
    reader = vmm__epoch_enter(&epoch);
    ticket = vmm__epoch_ticket(&epoch);
    CU_ASSERT_FALSE(ticket < vmm__epoch_over(&epoch));
    vmm__epoch_exit(reader);
    CU_ASSERT_TRUE(ticket < vmm__epoch_over(&epoch));
}

static pthread_barrier_t meeting;

static void *stay(void *arg)
{
    struct vmm__epoch_reader *reader = vmm__epoch_enter(&epoch);

    (void)arg;
    vmm__epoch_exit(reader);
    (void)pthread_barrier_wait(&meeting);
    /* All have a place now, or have seen that there is none. */
    vmm__epoch_exit(vmm__epoch_enter(&epoch));
    return my_place == NO_PLACE ? &epoch : NULL;
}

/* More threads than places: the last share some. */
static void enter__more_threads_than_places(void)
{
    pthread_t threads[MANY];
    unsigned int i, round, nr_without;
    void *without;

    vmm__epoch_init(&epoch);
    /* Places of threads that ended are there for others. */
    for (round = 0; round < 2; round++) {
        nr_without = 0;
        (void)pthread_barrier_init(&meeting, NULL, MANY);
        for (i = 0; i < MANY; i++) {
            CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, stay,
                                                 NULL), 0);
        }
        for (i = 0; i < MANY; i++) {
            (void)pthread_join(threads[i], &without);
            nr_without += without != NULL;
        }
        (void)pthread_barrier_destroy(&meeting);
        CU_ASSERT_TRUE(nr_without >= MANY - NR_PLACES);
        CU_ASSERT_TRUE(nr_without <= MANY - NR_PLACES + 1);
    }
    CU_ASSERT_TRUE(vmm__epoch_ticket(&epoch) < vmm__epoch_over(&epoch));
}

static const struct ut_case cases[] = {
    UT_CASE(over__waits_for_readers),
    UT_CASE(over__without_membarrier),
    UT_CASE(enter__more_threads_than_places),
};

UT_MAIN("base/epoch", cases)
