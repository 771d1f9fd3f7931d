/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capture.h: what is written to standard output or error in the meantime. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct capture {
    int fd, saved_fd;
    FILE *file;
};

static inline void capture_begin(struct capture *capture, int fd)
{
    (void)fflush(NULL);
    capture->fd = fd;
    capture->saved_fd = dup(fd);
    capture->file = tmpfile();
    if (capture->saved_fd < 0 || !capture->file ||
        dup2(fileno(capture->file), fd) < 0) {
        abort();
    }
}

/* The caller's to free. */
static inline char *capture_end(struct capture *capture)
{
    char *text;
    size_t len;

    (void)fflush(NULL);
    if (dup2(capture->saved_fd, capture->fd) < 0 ||
        fseek(capture->file, 0, SEEK_END)) {
        abort();
    }
    len = (size_t)ftell(capture->file);
    text = calloc(1, len + 1);
    rewind(capture->file);
    if (!text || fread(text, 1, len, capture->file) != len) {
        abort();
    }
    (void)fclose(capture->file);
    close(capture->saved_fd);
    return text;
}

#endif
