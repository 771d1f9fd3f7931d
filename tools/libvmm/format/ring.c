/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ring.c: the request rings of a paging session. */
#include <assert.h>
#include <string.h>

#include "format/ring.h"
#include "include/vmm.h"

static_assert(sizeof(struct vmm__ring_request_rec) == 32, "slot");
static_assert(offsetof(struct vmm__ring_request_rec, vcpu) == 16, "vcpu");
static_assert(offsetof(struct vmm__ring_request_rec, reqclass) == 20,
              "reqclass");
static_assert(offsetof(struct vmm__ring_request_rec, seq) == 24, "seq");
static_assert(sizeof(struct vmm__ring_index_rec) == 128, "index");
static_assert(offsetof(struct vmm__ring_index_rec, cons) == 64, "cons");
static_assert(offsetof(struct vmm__ring_rec, slots_offset_bytes) == 24,
              "slots_offset_bytes");
static_assert(offsetof(struct vmm__ring_rec, index) == 64, "indices");
static_assert(sizeof(struct vmm__ring_rec) == 64 + 3 * 128, "header");
static_assert(VMM__RING_FRAMES == 25, "frames");

int vmm__ring_init(struct vmm__ring *ring, void *base, size_t len_bytes,
                   uint32_t nr_vcpus)
{
    struct vmm__ring_rec rec;

    if (!base || len_bytes < VMM__RING_FRAMES * VMM__RING_FRAME_BYTES) {
        return VMM_E_INVAL;
    }
    /* Once: what is checked is what is used. */
    memcpy(&rec, base, sizeof(rec));
    if (rec.magic != VMM__RING_MAGIC) {
        return VMM_E_FORMAT;
    }
    if (rec.version != VMM__RING_VERSION) {
        return VMM_E_VERSION;
    }
    if (rec.nr_slots != VMM__RING_SLOTS ||
        rec.nr_classes != VMM__RING_NR_CLASSES ||
        rec.slot_bytes != sizeof(struct vmm__ring_request_rec) ||
        rec.slots_offset_bytes != VMM__RING_FRAME_BYTES) {
        return VMM_E_FORMAT;
    }
    memset(ring, 0, sizeof(*ring));
    ring->rec = base;
    ring->slots = (const void *)((const char *)base + VMM__RING_FRAME_BYTES);
    ring->nr_vcpus = nr_vcpus;
    return 0;
}

bool vmm__ring_pop(struct vmm__ring *ring, enum vmm__ring_class reqclass,
                   uint64_t max_gfn, struct vmm__ring_request_rec *req_out)
{
    struct vmm__ring_index_rec *index = &ring->rec->index[reqclass];
    const volatile struct vmm__ring_request_rec *slot;
    struct vmm__ring_request_rec req;
    uint32_t prod, cons;

    /* Slots that this prod covers were written before it was. */
    prod = __atomic_load_n(&index->prod, __ATOMIC_ACQUIRE);
    cons = __atomic_load_n(&index->cons, __ATOMIC_RELAXED);
    if (prod - cons > VMM__RING_SLOTS) {
        ring->nr_resynced++;
        __atomic_store_n(&index->cons, prod, __ATOMIC_RELEASE);
        return false;
    }
    for (; cons != prod; cons++) {
        bool ok;

        slot = &ring->slots[reqclass * VMM__RING_SLOTS +
                            cons % VMM__RING_SLOTS];
        req.gfn = slot->gfn;
        req.time_ns = slot->time_ns;
        req.vcpu = slot->vcpu;
        req.reqclass = slot->reqclass;
        req.access = slot->access;
        req._res1 = 0;
        req.seq = slot->seq;
        /* The hypervisor may write the slot again after this. */
        __atomic_store_n(&index->cons, cons + 1, __ATOMIC_RELEASE);

        ok = req.reqclass == reqclass && req.gfn <= max_gfn &&
             (reqclass != VMM__RING_DEMAND || req.vcpu < ring->nr_vcpus);
        if (ok) {
            *req_out = req;
            return true;
        }
        ring->nr_malformed++;
    }
    return false;
}
