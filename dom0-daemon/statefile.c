/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* statefile.c: files of one line that are replaced as a whole. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static char *path_of(const char *dir, const char *name, const char *suffix)
{
    char *path;

    return asprintf(&path, "%s/%s%s", dir, name, suffix) < 0 ? NULL : path;
}

int statefile_save(const char *dir, const char *name,
                   struct vmm__json_out *out)
{
    char *text = NULL, *path = NULL, *aside = NULL;
    size_t len;
    int rc;

    rc = vmm__json_out_finish(out, &text, &len);
    if (rc) {
        goto out;
    }
    text[len++] = '\n';     /* in place of the NUL */
    path = path_of(dir, name, "");
    aside = path_of(dir, name, ".new");
    if (!path || !aside) {
        rc = VMM_E_NOMEM;
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

int statefile_remove(const char *dir, const char *name)
{
    char *path = path_of(dir, name, "");
    int rc;

    if (!path) {
        return VMM_E_NOMEM;
    }
    if (unlink(path) && errno != ENOENT) {
        rc = error_of(path, "remove");
    } else {
        rc = sync_dir(dir);
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
        path = path_of(dir, entry->d_name, "");
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
