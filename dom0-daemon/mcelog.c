/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mcelog.c: see mcelog.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/stream.h"
#include "format/mcerecord.h"
#include "log.h"
#include "mcelog.h"

/* Source: arch/x86/include/uapi/asm/mce.h of Linux. */
#define MCE_GET_RECORD_LEN _IOR('M', 1, int)
#define MCE_GET_LOG_LEN    _IOR('M', 2, int)

#define RECORD_BYTES_MAX 1024
#define RECORDS_MAX 4096

struct mcelog {
    loop_fn *arrived;
    void *user;
    char *socket_path;
    struct loop_event *records, *accepts;
    int device_fd, listen_fd, clients[MCELOG_CLIENTS_MAX];
    unsigned int nr_clients;
    size_t record_bytes, log_bytes;
    uint8_t *buf;               /* a read is of the whole log */
};

/* A client gets a whole line at once, or it is too slow. */
static void pass_on(struct mcelog *mcelog, const char *line, size_t len)
{
    unsigned int i = 0;

    while (i < mcelog->nr_clients) {
        if (send(mcelog->clients[i], line, len,
                 MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len) {
            i++;
            continue;
        }
        log_line(VMM_LOG_INFO, "mcelog", "a reader of records has gone, or "
                 "is too slow");
        (void)close(mcelog->clients[i]);
        mcelog->clients[i] = mcelog->clients[--mcelog->nr_clients];
    }
}

static void take(struct mcelog *mcelog, const uint8_t *data)
{
    char line[VMM__MCERECORD_TEXT_BYTES + 1];
    struct vmm__mcerecord record;
    size_t len;

    if (vmm__mcerecord_decode(data, mcelog->record_bytes, &record)) {
        return;
    }
    vmm__mcerecord_text(&record, line, VMM__MCERECORD_TEXT_BYTES);
    log_line(record.uncorrected ? VMM_LOG_WARN : VMM_LOG_INFO, "mcelog",
             "bank=%u status=0x%016llx addr=0x%llx cpu=%u: %s memory error",
             record.bank, (unsigned long long)record.status,
             (unsigned long long)record.addr, record.cpu,
             record.uncorrected ? "uncorrected" : "corrected");
    len = strlen(line);
    line[len++] = '\n';
    pass_on(mcelog, line, len);
}

static void on_records(void *user)
{
    struct mcelog *mcelog = user;
    size_t at;
    ssize_t r;

    r = read(mcelog->device_fd, mcelog->buf, mcelog->log_bytes);
    if (r <= 0) {
        if (r < 0 && errno != EAGAIN && errno != EINTR) {
            log_line(VMM_LOG_ERROR, "mcelog", "records cannot be read any "
                     "more: %s", strerror(errno));
            loop_remove(mcelog->records);
            mcelog->records = NULL;
        }
        return;
    }
    for (at = 0; at + mcelog->record_bytes <= (size_t)r;
         at += mcelog->record_bytes) {
        take(mcelog, mcelog->buf + at);
    }
    mcelog->arrived(mcelog->user);
}

static void on_accept(void *user)
{
    struct mcelog *mcelog = user;
    int fd = accept4(mcelog->listen_fd, NULL, NULL,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        return;
    }
    if (mcelog->nr_clients == MCELOG_CLIENTS_MAX) {
        (void)close(fd);
        return;
    }
    mcelog->clients[mcelog->nr_clients++] = fd;
}

static int open_device(struct mcelog *mcelog, struct loop *loop,
                       const char *path)
{
    int record_bytes, nr;

    mcelog->device_fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK |
                             O_CLOEXEC);
    if (mcelog->device_fd < 0) {
        log_line(errno == ENOENT ? VMM_LOG_INFO : VMM_LOG_WARN, "mcelog",
                 "%s: %s%s", path, strerror(errno), errno == EBUSY
                 ? ": another program reads it, and is told first" : "");
        return 0;
    }
    if (ioctl(mcelog->device_fd, MCE_GET_RECORD_LEN, &record_bytes) ||
        ioctl(mcelog->device_fd, MCE_GET_LOG_LEN, &nr) ||
        record_bytes <= 0 || record_bytes > RECORD_BYTES_MAX || nr <= 0 ||
        nr > RECORDS_MAX) {
        log_line(VMM_LOG_WARN, "mcelog", "%s: is no machine-check log", path);
        return 0;
    }
    mcelog->record_bytes = (size_t)record_bytes;
    mcelog->log_bytes = (size_t)record_bytes * (size_t)nr;
    mcelog->buf = malloc(mcelog->log_bytes);
    if (!mcelog->buf) {
        return VMM_E_NOMEM;
    }
    return loop_add_fd(loop, mcelog->device_fd, on_records, mcelog,
                       &mcelog->records);
}

int mcelog_open(struct loop *loop, const char *device_path,
                const char *socket_path, loop_fn *arrived, void *user,
                struct mcelog **mcelog_out)
{
    struct mcelog *mcelog = calloc(1, sizeof(*mcelog));
    int rc;

    if (!mcelog) {
        return VMM_E_NOMEM;
    }
    mcelog->arrived = arrived;
    mcelog->user = user;
    mcelog->device_fd = mcelog->listen_fd = -1;
    mcelog->socket_path = strdup(socket_path);
    rc = mcelog->socket_path ? vmm__listen(socket_path, &mcelog->listen_fd)
                             : VMM_E_NOMEM;
    if (rc == VMM_E_LOCAL) {
        log_line(VMM_LOG_ERROR, "mcelog", "%s: %s", socket_path,
                 strerror(errno));
    }
    rc = rc ? rc : loop_add_fd(loop, mcelog->listen_fd, on_accept, mcelog,
                               &mcelog->accepts);
    rc = rc ? rc : open_device(mcelog, loop, device_path);
    if (rc) {
        mcelog_close(mcelog);
        return rc;
    }
    *mcelog_out = mcelog;
    return 0;
}

void mcelog_close(struct mcelog *mcelog)
{
    if (!mcelog) {
        return;
    }
    loop_remove(mcelog->records);
    loop_remove(mcelog->accepts);
    while (mcelog->nr_clients) {
        (void)close(mcelog->clients[--mcelog->nr_clients]);
    }
    if (mcelog->listen_fd >= 0) {
        (void)close(mcelog->listen_fd);
        (void)unlink(mcelog->socket_path);
    }
    if (mcelog->device_fd >= 0) {
        (void)close(mcelog->device_fd);
    }
    free(mcelog->socket_path);
    free(mcelog->buf);
    free(mcelog);
}
