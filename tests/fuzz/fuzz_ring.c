/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_ring.c: any contents of the request rings.
 *
 * Input: max_gfn (8 bytes), nr_vcpus (4), then what is at the start of the
 * rings; the rest of them repeats it.  While requests are taken, the input
 * goes on being written over the indices, as a hypervisor could.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/ring.h"

#define LEN (VMM__RING_FRAMES * VMM__RING_FRAME_BYTES)
#define POPS (2 * VMM__RING_SLOTS)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(struct vmm__ring *ring, uint64_t max_gfn, uint32_t nr_vcpus,
                 const uint8_t *data, size_t size)
{
    struct vmm__ring_request_rec req;
    unsigned int c, i;
    uint32_t prod;

    for (c = 0; c < VMM__RING_NR_CLASSES; c++) {
        for (i = 0; i < POPS; i++) {
            if (i % 256 == 255 && size >= sizeof(prod)) {
                memcpy(&prod, data + i % (size - sizeof(prod) + 1),
                       sizeof(prod));
                ring->rec->index[c].prod = prod;
            }
            if (!vmm__ring_pop(ring, c, max_gfn, &req)) {
                assert(ring->rec->index[c].prod == ring->rec->index[c].cons);
                continue;
            }
            assert(req.reqclass == c);
            assert(req.gfn <= max_gfn);
            assert(c != VMM__RING_DEMAND || req.vcpu < nr_vcpus);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vmm__ring_rec *rec;
    struct vmm__ring ring;
    uint32_t nr_vcpus;
    uint64_t max_gfn;
    uint8_t *base;
    size_t at;

    if (size < sizeof(max_gfn) + sizeof(nr_vcpus) + 1) {
        return 0;
    }
    memcpy(&max_gfn, data, sizeof(max_gfn));
    memcpy(&nr_vcpus, data + sizeof(max_gfn), sizeof(nr_vcpus));
    data += sizeof(max_gfn) + sizeof(nr_vcpus);
    size -= sizeof(max_gfn) + sizeof(nr_vcpus);

    base = aligned_alloc(VMM__RING_FRAME_BYTES, LEN);
    if (!base) {
        return 0;
    }
    for (at = 0; at < LEN; at += size) {
        memcpy(base + at, data, size < LEN - at ? size : LEN - at);
    }
    if (!vmm__ring_init(&ring, base, LEN, nr_vcpus)) {
        take(&ring, max_gfn, nr_vcpus, data, size);
    }

    /* Again with a header that is right, so that the slots are looked at. */
    rec = (void *)base;
    rec->magic = VMM__RING_MAGIC;
    rec->version = VMM__RING_VERSION;
    rec->nr_slots = VMM__RING_SLOTS;
    rec->nr_classes = VMM__RING_NR_CLASSES;
    rec->slot_bytes = sizeof(struct vmm__ring_request_rec);
    rec->slots_offset_bytes = VMM__RING_FRAME_BYTES;
    if (vmm__ring_init(&ring, base, LEN, nr_vcpus)) {
        abort();
    }
    take(&ring, max_gfn, nr_vcpus, data, size);

    free(base);
    return 0;
}

/* Replays files; libFuzzer and AFL bring a main of their own. */
#ifndef FUZZ_NO_MAIN
int main(int argc, char **argv)
{
    static uint8_t data[1 << 20];
    int i;

    for (i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        size_t size;

        if (!f) {
            perror(argv[i]);
            return 2;
        }
        size = fread(data, 1, sizeof(data), f);
        (void)fclose(f);
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    return 0;
}
#endif
