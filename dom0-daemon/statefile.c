/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* statefile.c: files of one line that are replaced as a whole. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/replace.h"
#include "include/vmm.h"
#include "log.h"
#include "statefile.h"

/* A path's 4000 bytes may be six times as many in JSON. */
#define FILE_BYTES_MAX 65536

static int error_of(const char *path, const char *what)
{
    int err = errno;

    log_line(VMM_LOG_ERROR, "state", "%s: cannot %s: %s", path, what,
             strerror(err));
    return err == ENOSPC || err == EDQUOT ? VMM_E_NOSPC : VMM_E_IO;
}

static char *path_of(const char *dir, const char *name)
{
    char *path;

    return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

int statefile_save(const char *dir, const char *name,
                   struct vmm__json_out *out)
{
    char *text = NULL, *path = path_of(dir, name);
    size_t len;
    int rc;

    rc = vmm__json_out_finish(out, &text, &len);
    rc = rc || path ? rc : VMM_E_NOMEM;
    if (!rc) {
        text[len++] = '\n';     /* in place of the NUL */
        rc = vmm__replace_file(path, text, len);
        if (rc && rc != VMM_E_NOMEM) {
            (void)error_of(path, "replace");
        }
    }
    free(text);
    free(path);
    return rc;
}

int statefile_remove(const char *dir, const char *name)
{
    char *path = path_of(dir, name);
    int rc;

    if (!path) {
        return VMM_E_NOMEM;
    }
    if (unlink(path) && errno != ENOENT) {
        rc = error_of(path, "remove");
    } else {
        rc = vmm__sync_folder_of(path);
        if (rc && rc != VMM_E_NOMEM) {
            (void)error_of(dir, "sync");
        }
    }
    free(path);
    return rc;
}

static int load(const char *path, struct vmm__json **json_out)
{
    char *text = malloc(FILE_BYTES_MAX);
    ssize_t r;
    int fd, rc;

    if (!text) {
        return VMM_E_NOMEM;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        rc = error_of(path, "open");
        free(text);
        return rc;
    }
    r = read(fd, text, FILE_BYTES_MAX);
    rc = r < 0 ? error_of(path, "read")
               : vmm__json_parse(text, (size_t)r, json_out);
    free(text);
    close(fd);
    return rc;
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t len = strlen(name), suffix_len = strlen(suffix);

    return len > suffix_len && !strcmp(name + len - suffix_len, suffix);
}

int statefile_each(const char *dir, const char *suffix, const char *or_else,
                   int (*fn)(void *user, const char *name,
                             const struct vmm__json_value *root),
                   void *user)
{
    DIR *stream = opendir(dir);
    char aside[64];
    struct dirent *entry;
    int rc = 0;

    if (!stream) {
        return error_of(dir, "open");
    }
    (void)snprintf(aside, sizeof(aside), "%s.new", suffix);
    while ((entry = readdir(stream)) != NULL) {
        struct vmm__json *json = NULL;
        char *path;

        if (!ends_in(entry->d_name, suffix) &&
            !ends_in(entry->d_name, aside)) {
            continue;
        }
        path = path_of(dir, entry->d_name);
        if (!path) {
            rc = VMM_E_NOMEM;
            break;
        }
        if (ends_in(entry->d_name, aside)) {
            (void)unlink(path);
            free(path);
            continue;
        }

        rc = load(path, &json);
        rc = rc ? rc : fn(user, entry->d_name, vmm__json_root(json));
        if (rc) {
            log_line(VMM_LOG_ERROR, "state", "%s: %s; %s", path,
                     vmm_error_text(rc), or_else);
            rc = 0;
        }
        vmm__json_free(json);
        free(path);
    }
    (void)closedir(stream);
    return rc;
}
