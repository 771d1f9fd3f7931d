/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* regionfmt.c: what a region looks like on its media. */
#include <stddef.h>
#include <string.h>

#include "base/crc.h"
#include "format/regionfmt.h"

#define SUPER_MAGIC 0x4e47455248544e58ull       /* "XNTHREGN" */
#define SUPER_VERSION 1u

struct super_rec {
    uint64_t magic;
    uint32_t version;
    uint32_t rec_bytes;
    uint64_t features_incompat; /* unknown ones: hands off */
    uint64_t features_ro;       /* unknown ones: read only */
    uint64_t features_compat;   /* unknown ones: never mind */
    uint64_t seq;
    uint8_t uuid[16];
    uint64_t nr_pblks, nr_blks, nr_slots;
    uint32_t nr_points;
    uint32_t block_bytes;
    uint32_t clean;
    uint32_t _res1[5];
    uint32_t _res2;
    uint32_t crc32c;            /* of all before it */
};
_Static_assert(sizeof(struct super_rec) == 128, "superblock");

/* Words. */

static uint64_t check_of(enum vmm__word_kind kind, uint64_t index,
                         uint64_t value)
{
    const uint64_t what[2] = { value | (uint64_t)kind << 56, index };
    uint32_t crc = vmm__crc32c(what, sizeof(what));

    return (crc ^ crc >> 16) & 0xffff;
}

uint64_t vmm__word_make(enum vmm__word_kind kind, uint64_t index,
                        uint64_t value)
{
    return value | check_of(kind, index, value) << VMM__WORD_VALUE_BITS;
}

bool vmm__word_good(enum vmm__word_kind kind, uint64_t index, uint64_t word)
{
    return !word ||
           (vmm__word_value(word) &&
            word == vmm__word_make(kind, index, vmm__word_value(word)));
}

/* value: type from bit 46, level from 44, owner from 30, base from 0 */
uint64_t vmm__desc_make(uint64_t pblk, const struct vmm__desc *desc)
{
    return vmm__word_make(VMM__WORD_DESC, pblk,
                          (uint64_t)desc->type << 46 |
                          (uint64_t)desc->level << 44 |
                          (uint64_t)desc->owner << 30 |
                          desc->base >> VMM__PAGE_WORDS_SHIFT);
}

bool vmm__desc_of(uint64_t word, struct vmm__desc *desc_out)
{
    *desc_out = (struct vmm__desc){
        .type = word >> 46 & 3,
        .owner = vmm__desc_owner(word),
        .level = word >> 44 & 3,
        .base = (word & ((1ull << 30) - 1)) << VMM__PAGE_WORDS_SHIFT,
    };
    return desc_out->type == VMM__DESC_TABLE ||
           (desc_out->type == VMM__DESC_ARRAY &&
            (desc_out->level == VMM__ARRAY_PLACED ||
             (desc_out->level == VMM__ARRAY_PACKED && !desc_out->base)));
}

/* The superblock. */

static uint64_t blocks_for(uint64_t nr, uint64_t bytes)
{
    return (nr * bytes + VMM__BLOCK_BYTES - 1) / VMM__BLOCK_BYTES;
}

int vmm__region_geometry_check(struct vmm__region_geometry *geo,
                               const char **what_out)
{
    uint64_t span = VMM__PAGE_WORDS;

    if (!geo->nr_pblks || geo->nr_pblks > VMM__REGION_MAX_PBLKS) {
        *what_out = "size of the media";
        return VMM_E_RANGE;
    }
    if (!geo->nr_blks || geo->nr_blks > VMM__REGION_MAX_BLKS) {
        *what_out = "size of the region";
        return VMM_E_RANGE;
    }
    if (geo->nr_slots > VMM__REGION_MAX_SLOTS) {
        *what_out = "size of the storage";
        return VMM_E_RANGE;
    }
    if (geo->nr_points < 2 || geo->nr_points > VMM__REGION_MAX_POINTS) {
        *what_out = "number of snapshots";
        return VMM_E_RANGE;
    }

    geo->roots_pblk = 2;
    geo->points_pblk = geo->roots_pblk + blocks_for(geo->nr_points + 1, 8);
    geo->desc_pblk = geo->points_pblk +
        blocks_for(geo->nr_points, 2 * sizeof(struct vmm__point_rec));
    geo->sums_pblk = geo->desc_pblk + blocks_for(geo->nr_pblks, 8);
    geo->data_pblk = geo->sums_pblk + blocks_for(geo->nr_slots, 8);
    for (geo->levels = 1; span < geo->nr_blks; geo->levels++) {
        span <<= VMM__PAGE_WORDS_SHIFT;
    }
    /* A block of data needs an array page and a table of each level. */
    if (geo->data_pblk + geo->levels + 2 > geo->nr_pblks) {
        *what_out = "media too small for its metadata: size of the media";
        return VMM_E_RANGE;
    }
    return 0;
}

void vmm__super_encode(const struct vmm__super *super, uint8_t *block_out)
{
    const struct vmm__region_geometry *geo = &super->geo;
    struct super_rec rec = {
        .magic = SUPER_MAGIC,
        .version = SUPER_VERSION,
        .rec_bytes = sizeof(rec),
        .seq = super->seq,
        .nr_pblks = geo->nr_pblks,
        .nr_blks = geo->nr_blks,
        .nr_slots = geo->nr_slots,
        .nr_points = geo->nr_points,
        .block_bytes = VMM__BLOCK_BYTES,
        .clean = super->clean,
    };

    memcpy(rec.uuid, geo->uuid, sizeof(rec.uuid));
    rec.crc32c = vmm__crc32c(&rec, offsetof(struct super_rec, crc32c));
    memset(block_out, 0, VMM__BLOCK_BYTES);
    memcpy(block_out, &rec, sizeof(rec));
}

int vmm__super_decode(const uint8_t *block, struct vmm__super *super_out)
{
    struct vmm__super super = { .clean = false };
    struct super_rec rec;
    const char *what;
    size_t i;

    memcpy(&rec, block, sizeof(rec));
    if (rec.magic != SUPER_MAGIC) {
        return VMM_E_FORMAT;
    }
    if (rec.crc32c != vmm__crc32c(&rec, offsetof(struct super_rec, crc32c))) {
        return VMM_E_CHECKSUM;
    }
    if (rec.version != SUPER_VERSION || rec.rec_bytes != sizeof(rec) ||
        rec.features_incompat || rec.features_ro ||
        rec.block_bytes != VMM__BLOCK_BYTES) {
        return VMM_E_VERSION;
    }
    if (rec.clean > 1 || rec._res2) {
        return VMM_E_FORMAT;
    }
    for (i = 0; i < sizeof(rec._res1) / sizeof(rec._res1[0]); i++) {
        if (rec._res1[i]) {
            return VMM_E_FORMAT;
        }
    }

    super.seq = rec.seq;
    super.clean = rec.clean;
    memcpy(super.geo.uuid, rec.uuid, sizeof(rec.uuid));
    super.geo.nr_pblks = rec.nr_pblks;
    super.geo.nr_blks = rec.nr_blks;
    super.geo.nr_slots = rec.nr_slots;
    super.geo.nr_points = rec.nr_points;
    if (vmm__region_geometry_check(&super.geo, &what)) {
        return VMM_E_FORMAT;
    }
    *super_out = super;
    return 0;
}

/* Points. */

static uint32_t point_sum(const struct vmm__point_rec *rec)
{
    return vmm__crc32c(rec, offsetof(struct vmm__point_rec, crc32c));
}

void vmm__point_seal(struct vmm__point_rec *rec)
{
    rec->crc32c = point_sum(rec);
}

bool vmm__point_good(const struct vmm__point_rec *rec)
{
    return rec->seq && rec->crc32c == point_sum(rec) &&
           !rec->name[VMM__POINT_NAME_BYTES - 1] &&
           (!rec->name[0] || vmm__point_name_ok(rec->name));
}

bool vmm__point_name_ok(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:";
    size_t len = strnlen(name, VMM__POINT_NAME_BYTES);

    return len && len < VMM__POINT_NAME_BYTES && name[0] != '-' &&
           strspn(name, allowed) == len;
}

/* Blocks. */

bool vmm__block_is_same(const void *block, uint32_t *value_out)
{
    uint32_t value;

    memcpy(&value, block, sizeof(value));
    if (memcmp(block, (const uint8_t *)block + sizeof(value),
               VMM__BLOCK_BYTES - sizeof(value))) {
        return false;
    }
    *value_out = value;
    return true;
}

void vmm__block_fill(void *block, uint32_t value)
{
    uint32_t *words = block;
    unsigned int i;

    for (i = 0; i < VMM__BLOCK_BYTES / sizeof(value); i++) {
        words[i] = value;
    }
}
