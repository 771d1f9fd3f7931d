/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_ring.c: what the hypervisor may write, and what it may not. */
#include "format/ring.c"

#include <stdlib.h>

#include "lib/ut.h"

#define LEN (VMM__RING_FRAMES * VMM__RING_FRAME_BYTES)
#define NR_VCPUS 4u
#define MAX_GFN 999u

static struct vmm__ring_rec *rec;
static struct vmm__ring ring;

static void setup(uint32_t index)
{
    unsigned int i;

    rec = aligned_alloc(VMM__RING_FRAME_BYTES, LEN);
    CU_ASSERT_PTR_NOT_NULL_FATAL(rec);
    memset(rec, 0, LEN);
    rec->magic = VMM__RING_MAGIC;
    rec->version = VMM__RING_VERSION;
    rec->nr_slots = VMM__RING_SLOTS;
    rec->nr_classes = VMM__RING_NR_CLASSES;
    rec->slot_bytes = sizeof(struct vmm__ring_request_rec);
    rec->slots_offset_bytes = VMM__RING_FRAME_BYTES;
    for (i = 0; i < VMM__RING_NR_CLASSES; i++) {
        rec->index[i].prod = rec->index[i].cons = index;
    }
    CU_ASSERT_EQUAL(vmm__ring_init(&ring, rec, LEN, NR_VCPUS), 0);
}

static void post(enum vmm__ring_class where, enum vmm__ring_class reqclass,
                 uint64_t gfn, uint32_t vcpu)
{
    struct vmm__ring_request_rec *slots =
        (void *)((char *)rec + VMM__RING_FRAME_BYTES);
    struct vmm__ring_index_rec *index = &rec->index[where];
    struct vmm__ring_request_rec *slot =
        &slots[where * VMM__RING_SLOTS + index->prod % VMM__RING_SLOTS];

    slot->gfn = gfn;
    slot->vcpu = vcpu;
    slot->reqclass = (uint8_t)reqclass;
    slot->time_ns = gfn * 10;
    index->prod++;
}

static void ring_init__header(void)
{
    static const struct {
        size_t offset;
        int rc;
    } fields[] = {
        { offsetof(struct vmm__ring_rec, magic), VMM_E_FORMAT },
        { offsetof(struct vmm__ring_rec, version), VMM_E_VERSION },
        { offsetof(struct vmm__ring_rec, nr_slots), VMM_E_FORMAT },
        { offsetof(struct vmm__ring_rec, nr_classes), VMM_E_FORMAT },
        { offsetof(struct vmm__ring_rec, slot_bytes), VMM_E_FORMAT },
        { offsetof(struct vmm__ring_rec, slots_offset_bytes), VMM_E_FORMAT },
    };
    unsigned int i;

    setup(0);
    CU_ASSERT_EQUAL(vmm__ring_init(&ring, rec, LEN - 1, 1), VMM_E_INVAL);
    CU_ASSERT_EQUAL(vmm__ring_init(&ring, NULL, LEN, 1), VMM_E_INVAL);
    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        ((uint8_t *)rec)[fields[i].offset] ^= 1;
        CU_ASSERT_EQUAL(vmm__ring_init(&ring, rec, LEN, 1), fields[i].rc);
        ((uint8_t *)rec)[fields[i].offset] ^= 1;
    }
    free(rec);
}

static void ring_pop__each_class_and_wrap(void)
{
    struct vmm__ring_request_rec req;
    unsigned int c, i, round;

    setup(UINT32_MAX - 2000);
    for (round = 0; round < 5; round++) {
        for (c = 0; c < VMM__RING_NR_CLASSES; c++) {
            CU_ASSERT_FALSE(vmm__ring_pop(&ring, c, MAX_GFN, &req));
            for (i = 0; i < VMM__RING_SLOTS; i++) {
                post(c, c, i % MAX_GFN, i % NR_VCPUS);
            }
            for (i = 0; i < VMM__RING_SLOTS; i++) {
                CU_ASSERT_TRUE(vmm__ring_pop(&ring, c, MAX_GFN, &req));
                CU_ASSERT_EQUAL(req.gfn, i % MAX_GFN);
                CU_ASSERT_EQUAL(req.vcpu, i % NR_VCPUS);
                CU_ASSERT_EQUAL(req.reqclass, c);
            }
            CU_ASSERT_FALSE(vmm__ring_pop(&ring, c, MAX_GFN, &req));
            CU_ASSERT_EQUAL(rec->index[c].prod, rec->index[c].cons);
        }
    }
    CU_ASSERT_EQUAL(ring.nr_malformed + ring.nr_resynced, 0);
    free(rec);
}

static void ring_pop__malformed_is_skipped(void)
{
    struct vmm__ring_request_rec req;

    setup(0);
    post(VMM__RING_DEMAND, VMM__RING_DEMAND, MAX_GFN + 1, 0);
    post(VMM__RING_DEMAND, VMM__RING_DEMAND, UINT64_MAX, 0);
    post(VMM__RING_DEMAND, VMM__RING_DROP, 1, 0);
    post(VMM__RING_DEMAND, 255, 1, 0);
    post(VMM__RING_DEMAND, VMM__RING_DEMAND, 1, NR_VCPUS);
    post(VMM__RING_DEMAND, VMM__RING_DEMAND, MAX_GFN, NR_VCPUS - 1);
    CU_ASSERT_TRUE(vmm__ring_pop(&ring, VMM__RING_DEMAND, MAX_GFN, &req));
    CU_ASSERT_EQUAL(req.gfn, MAX_GFN);
    CU_ASSERT_EQUAL(ring.nr_malformed, 5);
    CU_ASSERT_FALSE(vmm__ring_pop(&ring, VMM__RING_DEMAND, MAX_GFN, &req));
    /* Only DEMAND has a vCPU. */
    post(VMM__RING_DROP, VMM__RING_DROP, 7, 12345);
    CU_ASSERT_TRUE(vmm__ring_pop(&ring, VMM__RING_DROP, MAX_GFN, &req));
    CU_ASSERT_EQUAL(req.gfn, 7);
    free(rec);
}

static void ring_pop__impossible_index(void)
{
    struct vmm__ring_request_rec req;

    setup(17);
    rec->index[VMM__RING_FOREIGN].prod = 17 + VMM__RING_SLOTS + 1;
    CU_ASSERT_FALSE(vmm__ring_pop(&ring, VMM__RING_FOREIGN, MAX_GFN, &req));
    CU_ASSERT_EQUAL(ring.nr_resynced, 1);
    rec->index[VMM__RING_FOREIGN].prod -= 1;
    CU_ASSERT_FALSE(vmm__ring_pop(&ring, VMM__RING_FOREIGN, MAX_GFN, &req));
    CU_ASSERT_EQUAL(ring.nr_resynced, 2);
    post(VMM__RING_FOREIGN, VMM__RING_FOREIGN, 3, 0);
    CU_ASSERT_TRUE(vmm__ring_pop(&ring, VMM__RING_FOREIGN, MAX_GFN, &req));
    CU_ASSERT_EQUAL(req.gfn, 3);
    free(rec);
}

static const struct ut_case cases[] = {
    UT_CASE(ring_init__header),
    UT_CASE(ring_pop__each_class_and_wrap),
    UT_CASE(ring_pop__malformed_is_skipped),
    UT_CASE(ring_pop__impossible_index),
};

UT_MAIN("format/ring", cases)
