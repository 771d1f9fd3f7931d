/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ring.h: the request rings of a paging session, as the pager reads them.
 *
 * The layout is that of struct xen_vmm_ring in xen/include/public/vmm_op.h,
 * which cannot be included here since it needs Xen's own headers.  What is
 * in the rings comes from the hypervisor, but is treated as hostile: a slot is
 * copied once and then checked, and an index that cannot be right makes the
 * class start afresh.
 * One thread.
 */
#ifndef VMM_FORMAT_RING_H
#define VMM_FORMAT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMM__RING_MAGIC         0x474e4952304d4d56ull   /* "VMM0RING" */
#define VMM__RING_VERSION       1u
#define VMM__RING_SLOTS         1024u
#define VMM__RING_FRAME_BYTES   4096u

/* The values of XEN_VMM_CLASS_*. */
enum vmm__ring_class {
    VMM__RING_DEMAND, VMM__RING_FOREIGN, VMM__RING_DROP, VMM__RING_NR_CLASSES
};

struct vmm__ring_request_rec {
    uint64_t gfn;
    uint64_t time_ns;
    uint32_t vcpu;
    uint8_t reqclass;
    uint8_t access;
    uint16_t _res1;
    uint64_t seq;
};

struct vmm__ring_index_rec {
    uint32_t prod;
    uint32_t _res1[15];
    uint32_t cons;
    uint32_t _res2[15];
};

struct vmm__ring_rec {
    uint64_t magic;
    uint32_t version;
    uint32_t nr_slots;
    uint32_t nr_classes;
    uint32_t slot_bytes;
    uint32_t slots_offset_bytes;
    uint32_t _res1[9];
    struct vmm__ring_index_rec index[VMM__RING_NR_CLASSES];
};

#define VMM__RING_FRAMES \
    (1u + VMM__RING_NR_CLASSES * VMM__RING_SLOTS * \
     sizeof(struct vmm__ring_request_rec) / VMM__RING_FRAME_BYTES)

struct vmm__ring {
    struct vmm__ring_rec *rec;
    const struct vmm__ring_request_rec *slots;
    uint64_t nr_malformed;      /* requests that were skipped */
    uint64_t nr_resynced;       /* indices that could not be right */
    uint32_t nr_vcpus;
};

/*
 * Look at `base', page-aligned and mapped for reading and writing, and stay
 * there.
 * Errors: VMM_E_FORMAT, VMM_E_VERSION; VMM_E_INVAL: too small for a ring.
 */
int vmm__ring_init(struct vmm__ring *ring, void *base, size_t len_bytes,
                   uint32_t nr_vcpus);

/*
 * The next request of a class: its slot is free from here on.  Requests of
 * another class, above max_gfn or (DEMAND) of a vCPU that is not there are
 * skipped and counted.  False: none, or the indices were beyond repair and
 * what was in the ring is lost; then the caller learns of it by nr_resynced.
 */
bool vmm__ring_pop(struct vmm__ring *ring, enum vmm__ring_class reqclass,
                   uint64_t max_gfn, struct vmm__ring_request_rec *req_out);

#endif
