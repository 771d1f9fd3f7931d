/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record.h: what is kept of a session on disk, so that a later vmmd takes it
 * up again: one file each, a line of JSON, replaced as a whole.
 */
#ifndef VMMD_RECORD_H
#define VMMD_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "include/vmm.h"
#include "toolstack.h"

#define BOOT_ID_BYTES 40

enum record_state {
    RECORD_OPENING = 0,         /* nobody was told that there is a session */
    RECORD_ACTIVE,
    RECORD_DRAINING,
};

#define RECORD_REGION_PREFIX "region:"

struct record {
    char boot_id[BOOT_ID_BYTES];    /* of the host; domids are of one boot */
    uint32_t domid;
    uint8_t uuid[DOMAIN_UUID_BYTES];
    enum record_state state;
    char *store;                /* a path, or the prefix and a region's name */
    bool store_ours;            /* goes with the session */
    uint64_t target_pages, floor_pages;
    bool fifo, no_prefetch;
};

void record_dispose(struct record *record);

/* Errors: VMM_E_LOCAL. */
int record_boot_id(char boot_id_out[BOOT_ID_BYTES]);

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" and its NUL. */
#define UUID_TEXT_BYTES 37
void record_uuid_text(const uint8_t uuid[DOMAIN_UUID_BYTES],
                      char text_out[UUID_TEXT_BYTES]);

/* Durable when it returns.  Errors: VMM_E_NOSPC, VMM_E_IO, VMM_E_NOMEM. */
int record_save(const char *dir, const struct record *record);
int record_remove(const char *dir, uint32_t domid);

/*
 * Call `fn' for each record; what cannot be read is logged, and stays.
 * `record' is fn's to dispose of.  Left-overs of a save are removed.
 */
int record_each(const char *dir, void (*fn)(void *user,
                                            struct record *record),
                void *user);

#endif
