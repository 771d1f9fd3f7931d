/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fake_vmmd.c: a server that says what it is told to; see fake_vmmd.h. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "format/json.h"
#include "lib/capture.h"
#include "lib/fake_vmmd.h"

#define MAX_ARGS 24
#define HELLO "{\"vmmd\":\"1.0\",\"protocol\":1}\n"

/* False: it did not come, or not all of it. */
static int get_line(int fd, char *line, size_t bytes)
{
    size_t used = 0;

    while (used < bytes - 1 && recv(fd, line + used, 1, 0) == 1) {
        if (line[used++] == '\n') {
            line[used] = '\0';
            return 1;
        }
    }
    return 0;
}

static void *serve(void *user)
{
    struct fake_vmmd *vmmd = user;
    int fd;

    while ((fd = accept(vmmd->fd, NULL, NULL)) >= 0) {
        vmmd->nr_connections++;
        (void)!send(fd, HELLO, strlen(HELLO), MSG_NOSIGNAL);
        while (vmmd->nr_got < FAKE_VMMD_LINES &&
               get_line(fd, vmmd->got[vmmd->nr_got],
                        sizeof(vmmd->got[0]))) {
            const char *says = vmmd->says[vmmd->nr_got++];

            if (!says) {
                break;
            }
            (void)!send(fd, says, strlen(says), MSG_NOSIGNAL);
        }
        close(fd);
    }
    return NULL;
}

void fake_vmmd_start(struct fake_vmmd *vmmd)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd;

    vmmd->nr_connections = vmmd->nr_got = 0;
    memset(vmmd->got, 0, sizeof(vmmd->got));
    strcpy(vmmd->path, "/tmp/fake-vmmd-XXXXXX");
    fd = mkstemp(vmmd->path);
    close(fd);
    (void)unlink(vmmd->path);
    strcpy(addr.sun_path, vmmd->path);
    vmmd->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || vmmd->fd < 0 ||
        bind(vmmd->fd, (struct sockaddr *)&addr, sizeof(addr)) ||
        listen(vmmd->fd, 8) ||
        pthread_create(&vmmd->thread, NULL, serve, vmmd)) {
        perror("fake_vmmd");
        exit(2);
    }
}

void fake_vmmd_stop(struct fake_vmmd *vmmd)
{
    (void)shutdown(vmmd->fd, SHUT_RDWR);
    (void)pthread_join(vmmd->thread, NULL);
    close(vmmd->fd);
    (void)unlink(vmmd->path);
}

int fake_vmmd_call(struct fake_vmmd *vmmd, int (*command)(int, char **),
                   const char *const *args, char **out, char **err)
{
    struct capture out_capture, err_capture;
    char *argv[MAX_ARGS + 1] = { NULL };
    int argc = 0, status;

    fake_vmmd_start(vmmd);
    /* Each where nothing is before and after. */
    if (asprintf(&argv[argc++], "/x/xl-%s", *args++) < 0) {
        abort();
    }
    argv[argc++] = strdup("--socket");
    argv[argc++] = strdup(vmmd->path);
    for (; *args && argc < MAX_ARGS; args++) {
        argv[argc++] = strdup(*args);
    }
    capture_begin(&out_capture, STDOUT_FILENO);
    capture_begin(&err_capture, STDERR_FILENO);
    optind = 0;
    status = command(argc, argv);
    *err = capture_end(&err_capture);
    *out = capture_end(&out_capture);
    fake_vmmd_stop(vmmd);
    while (argc) {
        free(argv[--argc]);
    }
    return status;
}

char *fake_vmmd_result(uint64_t id, const struct vmm_ctl_tier *tiers,
                       unsigned int nr, int as_array)
{
    struct vmm__json_out *out = vmm__json_out_new(false);
    char *text, *line;
    unsigned int i;
    size_t len;

    vmm__json_put_object(out, NULL);
    vmm__json_put_u64(out, "id", id);
    if (as_array) {
        vmm__json_put_array(out, "result");
    }
    for (i = 0; i < nr; i++) {
        vmm__json_put_object(out, as_array ? NULL : "result");
        vmm_ctl_put_tier(out, &tiers[i]);
        vmm__json_end_object(out);
    }
    if (as_array) {
        vmm__json_end_array(out);
    }
    vmm__json_end_object(out);
    if (vmm__json_out_finish(out, &text, &len) ||
        !(line = malloc(len + 2))) {
        abort();
    }
    memcpy(line, text, len);
    strcpy(line + len, "\n");
    free(text);
    return line;
}
