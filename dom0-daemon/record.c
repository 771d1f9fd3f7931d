/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record.c: what is kept of a session on disk; see record.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/json.h"
#include "include/vmm_ctl.h"
#include "log.h"
#include "record.h"

#define VERSION 1
/* A store's 4000 bytes may be six times as many in JSON. */
#define FILE_BYTES_MAX 32768
#define SUFFIX ".session"
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

static int path_of(const char *dir, uint32_t domid, const char *suffix,
                   char **path_out)
{
    return asprintf(path_out, "%s/dom%u%s", dir, domid, suffix) < 0
           ? VMM_E_NOMEM : 0;
}

static int error_of(const char *path, const char *what)
{
    int err = errno;

    log_line(VMM_LOG_ERROR, "record", "%s: cannot %s: %s", path, what,
             strerror(err));
    return err == ENOSPC || err == EDQUOT ? VMM_E_NOSPC : VMM_E_IO;
}

static int sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0) {
        return error_of(dir, "open");
    }
    if (fsync(fd)) {
        rc = error_of(dir, "sync");
    }
    close(fd);
    return rc;
}

static int write_file(const char *path, const char *text, size_t len)
{
    int fd, rc = 0;
    ssize_t r;

    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
              0600);
    if (fd < 0) {
        return error_of(path, "create");
    }
    while (len) {
        r = write(fd, text, len);
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r <= 0) {
            rc = error_of(path, "write");
            break;
        }
        text += r;
        len -= (size_t)r;
    }
    if (!rc && fsync(fd)) {
        rc = error_of(path, "sync");
    }
    if (close(fd) && !rc) {
        rc = error_of(path, "close");
    }
    return rc;
}

static int encode(const struct record *record, char **text_out,
                  size_t *len_out)
{
    struct vmm__json_out *out = vmm__json_out_new(false);
    char uuid[UUID_TEXT_BYTES];
    int rc;

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
    rc = vmm__json_out_finish(out, text_out, len_out);
    if (!rc) {
        (*text_out)[(*len_out)++] = '\n';   /* in place of the NUL */
    }
    return rc;
}

int record_save(const char *dir, const struct record *record)
{
    char *text = NULL, *path = NULL, *aside = NULL;
    size_t len;
    int rc;

    rc = encode(record, &text, &len);
    if (rc) {
        goto out;
    }
    rc = path_of(dir, record->domid, SUFFIX, &path);
    if (rc) {
        path = NULL;
        goto out;
    }
    rc = path_of(dir, record->domid, SUFFIX ".new", &aside);
    if (rc) {
        aside = NULL;
        goto out;
    }
    rc = write_file(aside, text, len);
    if (rc) {
        (void)unlink(aside);
        goto out;
    }
    if (rename(aside, path)) {
        rc = error_of(path, "replace");
        goto out;
    }
    rc = sync_dir(dir);

 out:
    free(text);
    free(path);
    free(aside);
    return rc;
}

int record_remove(const char *dir, uint32_t domid)
{
    char *path;
    int rc;

    rc = path_of(dir, domid, SUFFIX, &path);
    if (rc) {
        return rc;
    }
    if (unlink(path) && errno != ENOENT) {
        rc = error_of(path, "remove");
    } else {
        rc = sync_dir(dir);
    }
    free(path);
    return rc;
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
        vmm__json_get_string(root, "store", &store) || *store != '/' ||
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

static int load(const char *path, struct record *record)
{
    struct vmm__json *json = NULL;
    char text[FILE_BYTES_MAX];
    ssize_t r;
    int fd, rc;

    memset(record, 0, sizeof(*record));
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return error_of(path, "open");
    }
    r = read(fd, text, sizeof(text));
    if (r < 0) {
        rc = error_of(path, "read");
        goto out;
    }
    rc = vmm__json_parse(text, (size_t)r, &json);
    if (rc) {
        goto out;
    }
    rc = decode(vmm__json_root(json), record);

 out:
    vmm__json_free(json);
    close(fd);
    return rc;
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t len = strlen(name), suffix_len = strlen(suffix);

    return len > suffix_len && !strcmp(name + len - suffix_len, suffix);
}

int record_each(const char *dir, void (*fn)(void *user,
                                            struct record *record),
                void *user)
{
    DIR *stream = opendir(dir);
    struct dirent *entry;
    int rc = 0;

    if (!stream) {
        return error_of(dir, "open");
    }
    while ((entry = readdir(stream)) != NULL) {
        struct record record;
        char *path, *own;

        if (!ends_in(entry->d_name, SUFFIX) &&
            !ends_in(entry->d_name, SUFFIX ".new")) {
            continue;
        }
        if (asprintf(&path, "%s/%s", dir, entry->d_name) < 0) {
            rc = VMM_E_NOMEM;
            break;
        }
        if (ends_in(entry->d_name, ".new")) {
            (void)unlink(path);
            free(path);
            continue;
        }

        rc = load(path, &record);
        if (!rc) {
            rc = path_of(dir, record.domid, SUFFIX, &own);
            if (!rc) {
                rc = strcmp(own, path) ? VMM_E_FORMAT : 0;
                free(own);
            }
        }
        if (rc) {
            log_line(VMM_LOG_ERROR, "record", "%s: %s; its session, if there "
                     "is one, is not taken up: see vmmd(8), RECOVERY", path,
                     vmm_error_text(rc));
            record_dispose(&record);
            rc = 0;
        } else {
            fn(user, &record);
        }
        free(path);
    }
    (void)closedir(stream);
    return rc;
}
