/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pagefile.c: where a domain's paged-out pages are.
 *
 * The index file:
 *
 *   0     struct pagefile_hdr_rec, in a page of its own
 *   4096  nr_gfns times struct pagefile_entry_rec, zeros to a whole page
 *
 * An entry is legal after each of its stores.  Its second word is written
 * while the first says that there is nothing; the store to the first is what
 * counts.
 *
 * The file is as sparse as the domain's address space.  A hole is not touched
 * through the map, not even to read: in a file system in memory that would
 * take a page, or, where there is none, kill the process.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/slotmap.h"
#include "consumer/pagefile.h"

#define HDR_MAGIC 0x58444e49304d4d56ull         /* "VMM0INDX" */
#define HDR_VERSION 1u
#define HDR_BYTES 4096u
#define PAGE_BYTES 4096u
#define MAX_GFNS (1ull << 40)

struct pagefile_hdr_rec {
    uint64_t magic;
    uint32_t version;
    uint32_t hdr_bytes;
    uint32_t entry_bytes;
    uint32_t _res1;
    uint64_t nr_gfns;
    uint8_t uuid[16];
    uint32_t _res2[3];
    uint32_t crc32c;            /* of all before it */
};
_Static_assert(sizeof(struct pagefile_hdr_rec) == 64, "header");

/* In the header's page as well, but it changes: outside the checksum. */
struct pagefile_state_rec {
    _Atomic uint64_t paused;
};
#define STATE_OFFSET_BYTES sizeof(struct pagefile_hdr_rec)

/*
 * place: bits 0 to 1 enum vmm__pagefile_where, 2 to 15 zero, 16 to 63 slot.
 * what: SLOT: the checksum, upper half zero; SAME: the value; NONE: anything.
 */
struct pagefile_entry_rec {
    _Atomic uint64_t place;
    _Atomic uint64_t what;
};
_Static_assert(sizeof(struct pagefile_entry_rec) == 16, "entry");

#define PLACE_WHERE_MASK 0x3ull
#define PLACE_RES_MASK   0xfffcull
#define PLACE_SLOT_SHIFT 16
#define MAX_SLOTS        (1ull << (64 - PLACE_SLOT_SHIFT))

#define GROUP_GFNS (PAGE_BYTES / sizeof(struct pagefile_entry_rec))

struct vmm__pagefile {
    uint8_t *map;
    size_t map_bytes;
    struct pagefile_entry_rec *entries;
    uint8_t *backed;            /* per GROUP_GFNS: a page, not a hole */
    uint64_t nr_gfns;
    int fd;

    /* Set while the index is a file beside its name: see open_new(). */
    char *aside_path, *index_path;

    struct vmm__slotmap slots;
};

/* Slots. */

uint32_t vmm__pagefile_alloc(struct vmm__pagefile *pf, uint32_t nr,
                             uint64_t *first_out)
{
    return vmm__slotmap_alloc(&pf->slots, nr, first_out);
}

void vmm__pagefile_free_slot(struct vmm__pagefile *pf, uint64_t slot)
{
    vmm__slotmap_give(&pf->slots, slot);
}

uint64_t vmm__pagefile_nr_used(const struct vmm__pagefile *pf)
{
    return pf->slots.nr_taken;
}

uint64_t vmm__pagefile_nr_slots(const struct vmm__pagefile *pf)
{
    return pf->slots.nr_slots;
}

/* Entries. */

static enum vmm__pagefile_where place_where(uint64_t place)
{
    return place & PLACE_WHERE_MASK;
}

static uint64_t load(const struct vmm__pagefile *pf, uint64_t gfn,
                     uint64_t *what_out)
{
    const struct pagefile_entry_rec *rec = &pf->entries[gfn];
    uint64_t place;

    assert(gfn < pf->nr_gfns);
    *what_out = 0;
    if (!pf->backed[gfn / GROUP_GFNS]) {
        return VMM__PAGEFILE_NONE;
    }
    place = atomic_load_explicit(&rec->place, memory_order_acquire);
    *what_out = atomic_load_explicit(&rec->what, memory_order_relaxed);
    return place;
}

void vmm__pagefile_get(const struct vmm__pagefile *pf, uint64_t gfn,
                       struct vmm__pagefile_entry *entry_out)
{
    uint64_t what, place = load(pf, gfn, &what);

    *entry_out = (struct vmm__pagefile_entry){
        .where = place_where(place),
        .slot = VMM__SLOT_NONE,
    };
    switch (entry_out->where) {
    case VMM__PAGEFILE_SLOT:
        entry_out->slot = place >> PLACE_SLOT_SHIFT;
        entry_out->crc32c = (uint32_t)what;
        break;
    case VMM__PAGEFILE_SAME:
        entry_out->value = what;
        break;
    case VMM__PAGEFILE_NONE:
        break;
    }
}

/* The index has something that matters: now it is the one to be adopted. */
static void publish(struct vmm__pagefile *pf)
{
    if (pf->aside_path && !rename(pf->aside_path, pf->index_path)) {
        free(pf->aside_path);
        pf->aside_path = NULL;
    }
}

void vmm__pagefile_clear(struct vmm__pagefile *pf, uint64_t gfn)
{
    uint64_t what, place = load(pf, gfn, &what);

    if (place_where(place) == VMM__PAGEFILE_NONE) {
        return;
    }
    atomic_store_explicit(&pf->entries[gfn].place, VMM__PAGEFILE_NONE,
                          memory_order_release);
    if (place_where(place) == VMM__PAGEFILE_SLOT) {
        vmm__slotmap_give(&pf->slots, place >> PLACE_SLOT_SHIFT);
    }
}

void vmm__pagefile_set(struct vmm__pagefile *pf, uint64_t gfn,
                       const struct vmm__pagefile_entry *entry)
{
    struct pagefile_entry_rec *rec = &pf->entries[gfn];
    uint64_t place = entry->where, what = 0;

    vmm__pagefile_clear(pf, gfn);
    switch (entry->where) {
    case VMM__PAGEFILE_NONE:
        return;
    case VMM__PAGEFILE_SLOT:
        assert(entry->slot < pf->slots.nr_slots &&
               vmm__slotmap_taken(&pf->slots, entry->slot));
        place |= entry->slot << PLACE_SLOT_SHIFT;
        what = entry->crc32c;
        break;
    case VMM__PAGEFILE_SAME:
        what = entry->value;
        break;
    }

    assert(pf->backed[gfn / GROUP_GFNS]);
    publish(pf);
    /* Not before it is known that there is nothing. */
    atomic_store_explicit(&rec->what, what, memory_order_release);
    atomic_store_explicit(&rec->place, place, memory_order_release);
}

/* Opening. */

static int error_of(int err)
{
    switch (err) {
    case ENOENT:
        return VMM_E_NOENT;
    case EACCES:
    case EPERM:
    case EROFS:
        return VMM_E_PERM;
    case EWOULDBLOCK:
        return VMM_E_BUSY;
    case ENOMEM:
        return VMM_E_NOMEM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return VMM_E_NOSPC;
    case EIO:
        return VMM_E_IO;
    default:
        return VMM_E_LOCAL;
    }
}

static uint64_t group_offset(uint64_t group)
{
    return HDR_BYTES + group * PAGE_BYTES;
}

static size_t index_bytes(uint64_t nr_gfns)
{
    return group_offset((nr_gfns + GROUP_GFNS - 1) / GROUP_GFNS);
}

static uint32_t hdr_crc(const struct pagefile_hdr_rec *hdr)
{
    return vmm__crc32c(hdr, offsetof(struct pagefile_hdr_rec, crc32c));
}

static int check_hdr(const struct pagefile_hdr_rec *hdr,
                     const uint8_t uuid[16], uint64_t nr_gfns)
{
    if (hdr->magic != HDR_MAGIC || hdr->crc32c != hdr_crc(hdr)) {
        return VMM_E_FORMAT;
    }
    if (hdr->version != HDR_VERSION) {
        return VMM_E_VERSION;
    }
    if (hdr->hdr_bytes != HDR_BYTES ||
        hdr->entry_bytes != sizeof(struct pagefile_entry_rec) ||
        hdr->_res1 || hdr->_res2[0] || hdr->_res2[1] || hdr->_res2[2] ||
        hdr->nr_gfns != nr_gfns || memcmp(hdr->uuid, uuid, 16)) {
        return VMM_E_FORMAT;
    }
    return 0;
}

static int back(const struct vmm__pagefile *pf, uint64_t offset_bytes,
                uint64_t len_bytes)
{
    int r;

    do {
        r = posix_fallocate(pf->fd, (off_t)offset_bytes, (off_t)len_bytes);
    } while (r == EINTR);
    return r ? error_of(r) : 0;
}

static int map_index(struct vmm__pagefile *pf)
{
    void *map;

    pf->map_bytes = index_bytes(pf->nr_gfns);
    map = mmap(NULL, pf->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
               pf->fd, 0);
    if (map == MAP_FAILED) {
        return error_of(errno);
    }
    pf->map = map;
    pf->entries = (void *)(pf->map + HDR_BYTES);
    return 0;
}

static uint64_t nr_groups(const struct vmm__pagefile *pf)
{
    return (pf->nr_gfns + GROUP_GFNS - 1) / GROUP_GFNS;
}

/* Which groups are not holes. */
static void find_backed(struct vmm__pagefile *pf)
{
    uint64_t nr = nr_groups(pf), group = 0;
    off_t data, hole;

    while (group < nr) {
        data = lseek(pf->fd, (off_t)group_offset(group), SEEK_DATA);
        if (data < 0 && errno == ENXIO) {
            return;
        }
        hole = data < 0 ? -1 : lseek(pf->fd, data, SEEK_HOLE);
        if (hole <= data) {
            /* Who cannot say has no holes. */
            memset(pf->backed + group, 1, nr - group);
            return;
        }
        group = ((uint64_t)data - HDR_BYTES) / PAGE_BYTES;
        while (group < nr && group_offset(group) < (uint64_t)hole) {
            pf->backed[group++] = 1;
        }
    }
}

/* Open what is there, and see that nobody else has it. */
static int open_old(struct vmm__pagefile *pf, const char *path,
                    const uint8_t uuid[16])
{
    struct stat st;
    int rc;

    pf->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (pf->fd < 0) {
        return error_of(errno);
    }
    if (flock(pf->fd, LOCK_EX | LOCK_NB) || fstat(pf->fd, &st)) {
        return error_of(errno);
    }
    if (!S_ISREG(st.st_mode) || st.st_size < 0 ||
        (uint64_t)st.st_size != index_bytes(pf->nr_gfns)) {
        return VMM_E_FORMAT;
    }
    rc = map_index(pf);
    if (rc) {
        return rc;
    }
    find_backed(pf);
    return check_hdr((const void *)pf->map, uuid, pf->nr_gfns);
}

/* Slots in use are those that the index names. */
static int adopt_entries(struct vmm__pagefile *pf)
{
    uint64_t gfn;

    for (gfn = 0; gfn < pf->nr_gfns; gfn++) {
        uint64_t what, place = load(pf, gfn, &what);
        uint64_t slot = place >> PLACE_SLOT_SHIFT;

        switch (place & (PLACE_WHERE_MASK | PLACE_RES_MASK)) {
        case VMM__PAGEFILE_NONE:
        case VMM__PAGEFILE_SAME:
            if (slot) {
                return VMM_E_FORMAT;
            }
            break;
        case VMM__PAGEFILE_SLOT:
            if (slot >= pf->slots.nr_slots ||
                vmm__slotmap_taken(&pf->slots, slot) ||
                what > UINT32_MAX) {
                return VMM_E_FORMAT;
            }
            vmm__slotmap_take(&pf->slots, slot);
            break;
        default:
            return VMM_E_FORMAT;
        }
    }
    return 0;
}

static bool has_entries(const struct vmm__pagefile *pf)
{
    uint64_t gfn, what;

    for (gfn = 0; gfn < pf->nr_gfns; gfn++) {
        if (load(pf, gfn, &what)) {
            return true;
        }
    }
    return false;
}

static void index_close(struct vmm__pagefile *pf)
{
    if (pf->map) {
        (void)munmap(pf->map, pf->map_bytes);
        pf->map = NULL;
    }
    if (pf->fd >= 0) {
        (void)close(pf->fd);
        pf->fd = -1;
    }
}

/*
 * A new index goes beside its name and takes that when it is whole.  If the
 * name holds pages of a domain that may still need them (its owner tries
 * whether there is a session after this, not before), it waits for the first
 * page to be evicted, when that is settled.
 */
static int open_new(struct vmm__pagefile *pf, const char *path,
                    const uint8_t uuid[16])
{
    struct pagefile_hdr_rec hdr = {
        .magic = HDR_MAGIC,
        .version = HDR_VERSION,
        .hdr_bytes = HDR_BYTES,
        .entry_bytes = sizeof(struct pagefile_entry_rec),
        .nr_gfns = pf->nr_gfns,
    };
    size_t size = strlen(path) + sizeof(".new");
    bool in_use;
    int rc;

    rc = open_old(pf, path, uuid);
    in_use = !rc && has_entries(pf);
    index_close(pf);
    memset(pf->backed, 0, nr_groups(pf));
    if (rc == VMM_E_BUSY) {
        return rc;
    }

    pf->aside_path = malloc(size);
    pf->index_path = strdup(path);
    if (!pf->aside_path || !pf->index_path) {
        return VMM_E_NOMEM;
    }
    (void)snprintf(pf->aside_path, size, "%s.new", path);

    (void)unlink(pf->aside_path);
    pf->fd = open(pf->aside_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC |
                  O_NOFOLLOW, 0600);
    if (pf->fd < 0) {
        return error_of(errno);
    }
    if (flock(pf->fd, LOCK_EX | LOCK_NB)) {
        return error_of(errno);
    }
    if (ftruncate(pf->fd, (off_t)index_bytes(pf->nr_gfns))) {
        return error_of(errno);
    }
    rc = back(pf, 0, HDR_BYTES);
    if (rc) {
        return rc;
    }
    rc = map_index(pf);
    if (rc) {
        return rc;
    }
    memcpy(hdr.uuid, uuid, sizeof(hdr.uuid));
    hdr.crc32c = hdr_crc(&hdr);
    memcpy(pf->map, &hdr, sizeof(hdr));

    if (!in_use) {
        publish(pf);
        return pf->aside_path ? VMM_E_LOCAL : 0;
    }
    return 0;
}

int vmm__pagefile_open(const char *index_path, bool adopt,
                       const uint8_t uuid[16], uint64_t nr_gfns,
                       uint64_t nr_slots, struct vmm__pagefile **pf_out)
{
    struct vmm__pagefile *pf;
    int rc;

    if (!nr_gfns || nr_gfns > MAX_GFNS || !nr_slots || nr_slots > MAX_SLOTS) {
        return VMM_E_INVAL;
    }

    pf = calloc(1, sizeof(*pf));
    if (!pf) {
        return VMM_E_NOMEM;
    }
    pf->fd = -1;
    pf->nr_gfns = nr_gfns;
    pf->backed = calloc(nr_groups(pf), 1);
    if (!vmm__slotmap_init(&pf->slots, nr_slots) || !pf->backed) {
        rc = VMM_E_NOMEM;
        goto out;
    }

    if (adopt) {
        rc = open_old(pf, index_path, uuid);
        rc = rc ? rc : adopt_entries(pf);
    } else {
        rc = open_new(pf, index_path, uuid);
    }
    if (rc) {
        goto out;
    }

    *pf_out = pf;
    pf = NULL;

 out:
    vmm__pagefile_close(pf);
    return rc;
}

void vmm__pagefile_close(struct vmm__pagefile *pf)
{
    if (!pf) {
        return;
    }
    if (pf->aside_path && pf->fd >= 0) {
        (void)unlink(pf->aside_path);
    }
    index_close(pf);
    free(pf->aside_path);
    free(pf->index_path);
    vmm__slotmap_dispose(&pf->slots);
    free(pf->backed);
    free(pf);
}

int vmm__pagefile_reserve(struct vmm__pagefile *pf, uint64_t first,
                          uint64_t nr)
{
    uint64_t group, last;
    int rc;

    if (first >= pf->nr_gfns) {
        return VMM_E_RANGE;
    }
    if (nr > pf->nr_gfns - first) {
        nr = pf->nr_gfns - first;
    }
    if (!nr) {
        return 0;
    }

    group = first / GROUP_GFNS;
    last = (first + nr - 1) / GROUP_GFNS;
    rc = back(pf, group_offset(group), (last - group + 1) * PAGE_BYTES);
    if (rc) {
        return rc;
    }
    memset(pf->backed + group, 1, last - group + 1);
    return 0;
}

void vmm__pagefile_set_paused(struct vmm__pagefile *pf, bool paused)
{
    struct pagefile_state_rec *state = (void *)(pf->map + STATE_OFFSET_BYTES);

    atomic_store_explicit(&state->paused, paused, memory_order_release);
}

bool vmm__pagefile_paused(const struct vmm__pagefile *pf)
{
    const struct pagefile_state_rec *state =
        (const void *)(pf->map + STATE_OFFSET_BYTES);

    return atomic_load_explicit(&state->paused, memory_order_acquire);
}

bool vmm__page_is_same(const void *page, uint64_t *value_out)
{
    const uint8_t *bytes = page;

    /* Each word is like the one before it. */
    if (memcmp(bytes, bytes + sizeof(*value_out),
               PAGE_BYTES - sizeof(*value_out))) {
        return false;
    }
    memcpy(value_out, bytes, sizeof(*value_out));
    return true;
}
