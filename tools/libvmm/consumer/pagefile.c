/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pagefile.c: the index of a page file, and its free slots.
 *
 * The index is a header page and an array of two words per gfn, in a file
 * that is mapped: stores are kept by the kernel when the process dies.  The
 * second word of an entry is stored before the first, which makes it valid.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "consumer/pagefile.h"

#define HEADER_BYTES 4096u
#define MAGIC 0x31584449304d4d56ull     /* "VMM0IDX1" */
#define VERSION 1u
#define PAGE_WORDS 512u

/* First word: 2 bits of enum vmm__pagefile_where, the slot above them. */
#define WHERE_BITS 2
#define SLOT_MAX (UINT64_MAX >> WHERE_BITS)

struct header {
    uint64_t magic;
    uint32_t version;
    uint32_t entry_bytes;
    uint64_t nr_gfns;
    uint8_t uuid[16];
    uint32_t _res1;
    uint32_t crc32c;                    /* of all before it */
};

struct entry {
    _Atomic uint64_t where_slot;
    uint64_t crc_or_value;
};

_Static_assert(sizeof(struct header) == 48, "on-media size");
_Static_assert(sizeof(struct entry) == 16, "on-media size");

struct vmm__pagefile {
    int fd;
    uint8_t *map;
    size_t map_bytes;
    struct entry *entries;
    uint64_t nr_gfns;
    uint64_t nr_slots, nr_used, next;
    uint64_t *used;                     /* bitmap of slots */
};

static bool slot_used(const struct vmm__pagefile *pf, uint64_t slot)
{
    return pf->used[slot / 64] >> slot % 64 & 1;
}

static void slot_take(struct vmm__pagefile *pf, uint64_t slot)
{
    pf->used[slot / 64] |= 1ull << slot % 64;
    pf->nr_used++;
}

void vmm__pagefile_free_slot(struct vmm__pagefile *pf, uint64_t slot)
{
    pf->used[slot / 64] &= ~(1ull << slot % 64);
    pf->nr_used--;
}

/* The first free slot in [from, end), or end. */
static uint64_t find_free(const struct vmm__pagefile *pf, uint64_t from,
                          uint64_t end)
{
    while (from < end) {
        uint64_t free_bits = ~pf->used[from / 64] >> from % 64;

        if (free_bits) {
            from += __builtin_ctzll(free_bits);
            return from < end ? from : end;
        }
        from = (from / 64 + 1) * 64;
    }
    return end;
}

uint32_t vmm__pagefile_alloc(struct vmm__pagefile *pf, uint32_t nr,
                             uint64_t *first_out)
{
    uint64_t slot = find_free(pf, pf->next, pf->nr_slots);
    uint32_t got = 0;

    if (slot == pf->nr_slots) {
        slot = find_free(pf, 0, pf->nr_slots);
    }
    *first_out = slot;
    while (got < nr && slot < pf->nr_slots && !slot_used(pf, slot)) {
        slot_take(pf, slot++);
        got++;
    }
    pf->next = slot;
    return got;
}

void vmm__pagefile_get(const struct vmm__pagefile *pf, uint64_t gfn,
                       struct vmm__pagefile_entry *entry_out)
{
    const struct entry *e = &pf->entries[gfn];
    uint64_t word = atomic_load_explicit(&e->where_slot,
                                         memory_order_acquire);

    *entry_out = (struct vmm__pagefile_entry){
        .where = word & ((1u << WHERE_BITS) - 1),
        .slot = VMM__SLOT_NONE,
    };
    switch (entry_out->where) {
    case VMM__PAGEFILE_SLOT:
        entry_out->slot = word >> WHERE_BITS;
        entry_out->crc32c = (uint32_t)e->crc_or_value;
        break;
    case VMM__PAGEFILE_SAME:
        entry_out->value = e->crc_or_value;
        break;
    case VMM__PAGEFILE_NONE:
        break;
    }
}

void vmm__pagefile_set(struct vmm__pagefile *pf, uint64_t gfn,
                       const struct vmm__pagefile_entry *entry)
{
    struct entry *e = &pf->entries[gfn];
    bool in_slot = entry->where == VMM__PAGEFILE_SLOT;

    e->crc_or_value = in_slot ? entry->crc32c : entry->value;
    atomic_store_explicit(&e->where_slot,
                          (in_slot ? entry->slot << WHERE_BITS : 0) |
                          entry->where, memory_order_release);
}

void vmm__pagefile_clear(struct vmm__pagefile *pf, uint64_t gfn)
{
    struct vmm__pagefile_entry entry;

    vmm__pagefile_get(pf, gfn, &entry);
    atomic_store_explicit(&pf->entries[gfn].where_slot, VMM__PAGEFILE_NONE,
                          memory_order_release);
    if (entry.where == VMM__PAGEFILE_SLOT) {
        vmm__pagefile_free_slot(pf, entry.slot);
    }
}

uint64_t vmm__pagefile_nr_used(const struct vmm__pagefile *pf)
{
    return pf->nr_used;
}

uint64_t vmm__pagefile_nr_slots(const struct vmm__pagefile *pf)
{
    return pf->nr_slots;
}

static uint32_t header_crc(const struct header *header)
{
    return vmm__crc32c(header, offsetof(struct header, crc32c));
}

static void make_header(struct vmm__pagefile *pf, const uint8_t uuid[16])
{
    struct header header = {
        .magic = MAGIC,
        .version = VERSION,
        .entry_bytes = sizeof(struct entry),
        .nr_gfns = pf->nr_gfns,
    };

    memcpy(header.uuid, uuid, sizeof(header.uuid));
    header.crc32c = header_crc(&header);
    memcpy(pf->map, &header, sizeof(header));
}

/* The header of a predecessor, and each of its entries, must make sense. */
static int check_index(struct vmm__pagefile *pf, const uint8_t uuid[16])
{
    struct vmm__pagefile_entry entry;
    struct header header;
    uint64_t gfn;

    memcpy(&header, pf->map, sizeof(header));
    if (header.magic != MAGIC || header.crc32c != header_crc(&header)) {
        return VMM_E_FORMAT;
    }
    if (header.version != VERSION) {
        return VMM_E_VERSION;
    }
    if (header.entry_bytes != sizeof(struct entry) || header._res1 ||
        header.nr_gfns != pf->nr_gfns ||
        memcmp(header.uuid, uuid, sizeof(header.uuid))) {
        return VMM_E_FORMAT;
    }

    for (gfn = 0; gfn < pf->nr_gfns; gfn++) {
        vmm__pagefile_get(pf, gfn, &entry);
        switch (entry.where) {
        case VMM__PAGEFILE_NONE:
        case VMM__PAGEFILE_SAME:
            break;
        case VMM__PAGEFILE_SLOT:
            if (entry.slot >= pf->nr_slots || slot_used(pf, entry.slot)) {
                return VMM_E_FORMAT;
            }
            slot_take(pf, entry.slot);
            break;
        default:
            return VMM_E_FORMAT;
        }
    }
    return 0;
}

void vmm__pagefile_close(struct vmm__pagefile *pf)
{
    if (!pf) {
        return;
    }
    if (pf->map) {
        munmap(pf->map, pf->map_bytes);
    }
    if (pf->fd >= 0) {
        close(pf->fd);
    }
    free(pf->used);
    free(pf);
}

int vmm__pagefile_open(const char *index_path, bool adopt,
                       const uint8_t uuid[16], uint64_t nr_gfns,
                       uint64_t nr_slots, struct vmm__pagefile **pf_out)
{
    struct vmm__pagefile *pf = NULL;
    struct stat st;
    void *map;
    int rc;

    if (!nr_slots || nr_slots > SLOT_MAX || !nr_gfns ||
        nr_gfns > (SIZE_MAX - HEADER_BYTES) / sizeof(struct entry)) {
        return VMM_E_INVAL;
    }

    pf = calloc(1, sizeof(*pf));
    if (!pf) {
        return VMM_E_NOMEM;
    }
    pf->fd = -1;
    pf->nr_gfns = nr_gfns;
    pf->nr_slots = nr_slots;
    pf->map_bytes = HEADER_BYTES + nr_gfns * sizeof(struct entry);
    pf->used = calloc((nr_slots + 63) / 64, sizeof(pf->used[0]));
    if (!pf->used) {
        rc = VMM_E_NOMEM;
        goto out;
    }

    pf->fd = open(index_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW |
                  (adopt ? 0 : O_CREAT | O_TRUNC), 0600);
    if (pf->fd < 0 || fstat(pf->fd, &st)) {
        rc = errno == ENOENT ? VMM_E_NOENT : VMM_E_IO;
        goto out;
    }
    if (adopt && (uint64_t)st.st_size != pf->map_bytes) {
        rc = VMM_E_FORMAT;
        goto out;
    }
    if (!adopt && (ftruncate(pf->fd, pf->map_bytes) ||
                   fallocate(pf->fd, 0, 0, HEADER_BYTES))) {
        rc = errno == ENOSPC ? VMM_E_NOSPC : VMM_E_IO;
        goto out;
    }
    map = mmap(NULL, pf->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
               pf->fd, 0);
    if (map == MAP_FAILED) {
        rc = VMM_E_NOMEM;
        goto out;
    }
    pf->map = map;
    pf->entries = (struct entry *)(void *)(pf->map + HEADER_BYTES);

    if (adopt) {
        rc = check_index(pf, uuid);
        if (rc) {
            goto out;
        }
    } else {
        make_header(pf, uuid);
    }

    *pf_out = pf;
    pf = NULL;
    rc = 0;

 out:
    vmm__pagefile_close(pf);
    return rc;
}

int vmm__pagefile_reserve(struct vmm__pagefile *pf, uint64_t first,
                          uint64_t nr)
{
    if (first >= pf->nr_gfns) {
        return VMM_E_RANGE;
    }
    if (nr > pf->nr_gfns - first) {
        nr = pf->nr_gfns - first;
    }
    if (fallocate(pf->fd, 0, HEADER_BYTES + first * sizeof(struct entry),
                  nr * sizeof(struct entry))) {
        return errno == ENOSPC ? VMM_E_NOSPC : VMM_E_IO;
    }
    return 0;
}

bool vmm__page_is_same(const void *page, uint64_t *value_out)
{
    const uint64_t *words = page;
    unsigned int i;

    for (i = 1; i < PAGE_WORDS; i++) {
        if (words[i] != words[0]) {
            return false;
        }
    }
    *value_out = words[0];
    return true;
}
