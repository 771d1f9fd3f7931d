/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record.c: what is kept of a session on disk; see record.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "include/vmm_ctl.h"
#include "log.h"
#include "record.h"
#include "statefile.h"

#define VERSION 1
#define SUFFIX ".session"
#define NAME_BYTES 32
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static const char *const state_names[] = {
    [RECORD_OPENING] = "opening",
    [RECORD_ACTIVE] = "active",
    [RECORD_DRAINING] = "draining",
};
#define NR_STATES (sizeof(state_names) / sizeof(state_names[0]))

void record_dispose(struct record *record)
{
    free(record->store);
    memset(record, 0, sizeof(*record));
}

int record_boot_id(char boot_id_out[BOOT_ID_BYTES])
{
    FILE *file = fopen(BOOT_ID, "re");
    char *got = NULL;

    if (file) {
        got = fgets(boot_id_out, BOOT_ID_BYTES, file);
        (void)fclose(file);
    }
    if (!got) {
        log_line(VMM_LOG_ERROR, "record", "%s cannot be read", BOOT_ID);
        return VMM_E_LOCAL;
    }
    boot_id_out[strcspn(boot_id_out, "\n")] = '\0';
    return 0;
}

void record_uuid_text(const uint8_t uuid[DOMAIN_UUID_BYTES],
                      char text_out[UUID_TEXT_BYTES])
{
    unsigned int i;

    for (i = 0; i < DOMAIN_UUID_BYTES; i++) {
        text_out += sprintf(text_out, "%s%02x",
                            i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                            uuid[i]);
    }
}

static int uuid_of(const char *text, uint8_t uuid_out[DOMAIN_UUID_BYTES])
{
    char again[UUID_TEXT_BYTES];
    const char *start = text;
    unsigned int i, byte;

    for (i = 0; i < DOMAIN_UUID_BYTES; i++) {
        text += *text == '-';
        if (sscanf(text, "%2x", &byte) != 1) {
            return VMM_E_FORMAT;
        }
        uuid_out[i] = (uint8_t)byte;
        text += strnlen(text, 2);
    }
    record_uuid_text(uuid_out, again);
    return strcmp(start, again) ? VMM_E_FORMAT : 0;
}

static void name_of(uint32_t domid, char name_out[NAME_BYTES])
{
    (void)snprintf(name_out, NAME_BYTES, "dom%u" SUFFIX, domid);
}

int record_save(const char *dir, const struct record *record)
{
    struct vmm__json_out *out = vmm__json_out_new(false);
    char uuid[UUID_TEXT_BYTES], name[NAME_BYTES];

    record_uuid_text(record->uuid, uuid);
    vmm__json_put_object(out, NULL);
    vmm__json_put_u64(out, "version", VERSION);
    vmm__json_put_string(out, "boot_id", record->boot_id);
    vmm__json_put_u64(out, "domid", record->domid);
    vmm__json_put_string(out, "uuid", uuid);
    vmm__json_put_string(out, "state", state_names[record->state]);
    vmm__json_put_string(out, "store", record->store);
    vmm__json_put_bool(out, "store_ours", record->store_ours);
    vmm__json_put_u64(out, "target_pages", record->target_pages);
    vmm__json_put_u64(out, "floor_pages", record->floor_pages);
    vmm__json_put_bool(out, "fifo", record->fifo);
    vmm__json_put_bool(out, "no_prefetch", record->no_prefetch);
    vmm__json_end_object(out);
    name_of(record->domid, name);
    return statefile_save(dir, name, out);
}

int record_remove(const char *dir, uint32_t domid)
{
    char name[NAME_BYTES];

    name_of(domid, name);
    return statefile_remove(dir, name);
}

static int decode(const struct vmm__json_value *root, struct record *record)
{
    const char *boot_id, *uuid, *state, *store;
    uint64_t version, domid;
    unsigned int i;

    if (vmm__json_get_u64(root, "version", &version)) {
        return VMM_E_FORMAT;
    }
    if (version != VERSION) {
        return VMM_E_VERSION;
    }
    if (vmm__json_get_string(root, "boot_id", &boot_id) ||
        strlen(boot_id) >= BOOT_ID_BYTES ||
        vmm__json_get_u64(root, "domid", &domid) || domid >= UINT32_MAX ||
        vmm__json_get_string(root, "uuid", &uuid) ||
        uuid_of(uuid, record->uuid) ||
        vmm__json_get_string(root, "state", &state) ||
        vmm__json_get_string(root, "store", &store) ||
        (*store != '/' && strncmp(store, RECORD_REGION_PREFIX,
                                  strlen(RECORD_REGION_PREFIX))) ||
        vmm__json_get_bool(root, "store_ours", &record->store_ours) ||
        vmm__json_get_u64(root, "target_pages", &record->target_pages) ||
        vmm__json_get_u64(root, "floor_pages", &record->floor_pages) ||
        vmm__json_get_bool(root, "fifo", &record->fifo) ||
        vmm__json_get_bool(root, "no_prefetch", &record->no_prefetch)) {
        return VMM_E_FORMAT;
    }
    for (i = 0; i < NR_STATES && strcmp(state_names[i], state); i++) {
    }
    if (i == NR_STATES) {
        return VMM_E_FORMAT;
    }
    record->state = (enum record_state)i;
    record->domid = (uint32_t)domid;
    strcpy(record->boot_id, boot_id);
    record->store = strdup(store);
    return record->store ? 0 : VMM_E_NOMEM;
}

struct each {
    void (*fn)(void *user, struct record *record);
    void *user;
};

static int found(void *user, const char *name,
                 const struct vmm__json_value *root)
{
    const struct each *each = user;
    struct record record = { .store = NULL };
    char own[NAME_BYTES];
    int rc;

    rc = decode(root, &record);
    name_of(record.domid, own);
    if (!rc && strcmp(own, name)) {
        rc = VMM_E_FORMAT;
    }
    if (rc) {
        record_dispose(&record);
        return rc;
    }
    each->fn(each->user, &record);
    return 0;
}

int record_each(const char *dir, void (*fn)(void *user,
                                            struct record *record),
                void *user)
{
    struct each each = { .fn = fn, .user = user };

    return statefile_each(dir, SUFFIX, "its session, if there is one, is not "
                          "taken up: see vmmd(8), RECOVERY", found, &each);
}
