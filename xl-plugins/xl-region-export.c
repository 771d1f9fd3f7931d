/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-region-export.c: a region as a block device; see xl-region-export(1).
 *
 * nbdkit serves it, with our plugin, and nbd-client makes it a device of
 * dom0's kernel.  Beside nbdkit's pid is what is to be undone at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "plugin.h"

#ifndef RUN_DIR
#define RUN_DIR "/run/xen"
#endif
#define PATH_BYTES 256
#define ARGS_MAX 16
#define POLL_MS 100
#define STOP_MS 10000
#define NBD_TIMEOUT_S "90"      /* longer than the plugin waits for vmmd */

static const struct plugin_spec spec = {
    .name = "region-export",
    .usage = "[OPTION]... <Region>",
    .description = "Serve a region, or a snapshot of it, as a block device",
    .options =
    "    --snapshot=NAME  A snapshot, to be read only.\n"
    "    --nbd=DEVICE     Make it this device of dom0, such as /dev/nbd0.\n"
    "    --listen=PATH    Unix socket for NBD clients.\n"
    "-r, --read-only      Nobody may write.\n"
    "    --stop           No more, and give the device back.\n",
};

enum { SNAPSHOT = PLUGIN_OPTION_FIRST, NBD, LISTEN, STOP };

struct args {
    const char *region, *snapshot, *nbd, *listen;
    bool read_only, stop;
};

struct paths {
    char listen[PATH_BYTES], pid[PATH_BYTES], device[PATH_BYTES];
};

static void paths_of(const struct args *args, struct paths *paths)
{
    char base[160];

    (void)snprintf(base, sizeof(base), RUN_DIR "/vmmd-export-%.63s%s%.63s",
                   args->region, args->snapshot ? "@" : "",
                   args->snapshot ? args->snapshot : "");
    (void)snprintf(paths->listen, PATH_BYTES, "%s.sock", base);
    (void)snprintf(paths->pid, PATH_BYTES, "%s.pid", base);
    (void)snprintf(paths->device, PATH_BYTES, "%s.dev", base);
    if (args->listen) {
        (void)snprintf(paths->listen, PATH_BYTES, "%s", args->listen);
    }
}

/* Of the first line of a small file; false if there is none. */
static bool read_line(const char *path, char *line, size_t line_bytes)
{
    FILE *file = fopen(path, "re");
    bool ok = file && fgets(line, (int)line_bytes, file);

    if (file) {
        (void)fclose(file);
    }
    if (ok) {
        line[strcspn(line, "\n")] = '\0';
    }
    return ok;
}

/* Runs a program to its end; 0, or an exit status after it was said why. */
static int run_program(struct plugin *plugin, const char *const *argv)
{
    extern char **environ;
    pid_t pid;
    int r, how;

    r = posix_spawnp(&pid, argv[0], NULL, NULL,
                     (char *const *)(uintptr_t)argv, environ);
    if (r) {
        return plugin_fail(plugin, VMM_E_LOCAL, "%s cannot be run: %s; is it "
                           "installed?", argv[0], strerror(r));
    }
    do {
        r = waitpid(pid, &how, 0);
    } while (r < 0 && errno == EINTR);
    if (r < 0 || !WIFEXITED(how) || WEXITSTATUS(how)) {
        return plugin_fail(plugin, VMM_E_LOCAL, "%s failed; what it said is "
                           "above", argv[0]);
    }
    return 0;
}

/* The nbdkit that serves it; 0: there is none. */
static pid_t server_of(const struct paths *paths)
{
    char line[64], path[64];
    uint64_t pid;

    if (!read_line(paths->pid, line, sizeof(line)) ||
        plugin_parse_number(line, 2, INT32_MAX, &pid)) {
        return 0;
    }
    /* The number may be another's by now. */
    (void)snprintf(path, sizeof(path), "/proc/%u/comm", (unsigned int)pid);
    return read_line(path, line, sizeof(line)) && !strcmp(line, "nbdkit")
           ? (pid_t)pid : 0;
}

static int end_server(struct plugin *plugin, const struct paths *paths)
{
    const struct timespec interval = { .tv_nsec = POLL_MS * 1000000L };
    pid_t pid = server_of(paths);
    unsigned int ms;

    if (pid) {
        (void)kill(pid, SIGTERM);
    }
    for (ms = 0; server_of(paths); ms += POLL_MS) {
        if (ms >= STOP_MS) {
            return plugin_fail(plugin, VMM_E_BUSY, "nbdkit, process %d, does "
                               "not end: who has it open?", (int)pid);
        }
        (void)nanosleep(&interval, NULL);
    }
    (void)unlink(paths->pid);
    (void)unlink(paths->listen);
    return 0;
}

static int stop(struct plugin *plugin, const struct paths *paths)
{
    const char *argv[] = { "nbd-client", "-d", NULL, NULL };
    char device[PATH_BYTES];
    int status = 0;

    if (!server_of(paths) && access(paths->device, F_OK)) {
        return plugin_fail(plugin, VMM_E_NOENT, "it is not exported");
    }
    if (read_line(paths->device, device, sizeof(device))) {
        argv[2] = device;
        status = run_program(plugin, argv);
        if (!status) {
            (void)unlink(paths->device);
        }
    }
    return status ? status : end_server(plugin, paths);
}

static int serve(struct plugin *plugin, const struct args *args,
                 const struct paths *paths, const char *socket)
{
    char region[96], snapshot[96], from[PATH_BYTES + 8];
    const char *argv[ARGS_MAX] = {
        "nbdkit", "-U", paths->listen, "-P", paths->pid,
        "--filter=blocksize", "vmm", region, from, "minblock=4096",
    };
    unsigned int nr = 10;

    (void)snprintf(region, sizeof(region), "region=%s", args->region);
    (void)snprintf(from, sizeof(from), "socket=%s", socket);
    if (args->snapshot) {
        (void)snprintf(snapshot, sizeof(snapshot), "snapshot=%s",
                       args->snapshot);
        argv[nr++] = snapshot;
    }
    if (args->read_only || args->snapshot) {
        argv[nr] = "-r";
    }
    (void)unlink(paths->listen);
    return run_program(plugin, argv);
}

static int attach(struct plugin *plugin, const struct args *args,
                  const struct paths *paths)
{
    const char *argv[ARGS_MAX] = {
        "nbd-client", "-unix", paths->listen, args->nbd, "-block-size",
        "4096", "-timeout", NBD_TIMEOUT_S,
    };
    FILE *file = fopen(paths->device, "we");
    int status;

    if (args->read_only || args->snapshot) {
        argv[8] = "-readonly";
    }
    if (!file || fprintf(file, "%s\n", args->nbd) < 0 || fclose(file)) {
        return plugin_fail(plugin, VMM_E_LOCAL, "%s: %s", paths->device,
                           strerror(errno));
    }
    status = run_program(plugin, argv);
    if (status) {
        (void)unlink(paths->device);
    }
    return status;
}

static void print(struct plugin *plugin, const struct args *args,
                  const struct paths *paths, int *status)
{
    struct vmm__json_out *out;
    char *text;
    size_t len;

    if (!plugin->json) {
        puts(args->nbd ? args->nbd : paths->listen);
        return;
    }
    out = vmm__json_out_new(true);
    vmm__json_put_object(out, NULL);
    vmm__json_put_string(out, "socket", paths->listen);
    if (args->nbd) {
        vmm__json_put_string(out, "device", args->nbd);
    }
    vmm__json_end_object(out);
    if (vmm__json_out_finish(out, &text, &len)) {
        *status = plugin_fail(plugin, VMM_E_NOMEM, "out of memory");
        return;
    }
    fputs(text, stdout);
    free(text);
}

static int start(struct plugin *plugin, const struct args *args,
                 const struct paths *paths)
{
    struct vmm__json_out *params = plugin_params("name", args->region);
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    const char *socket;
    int status = 0;

    if (server_of(paths)) {
        vmm__json_out_free(params);
        return plugin_fail(plugin, VMM_E_EXISTS, "it is exported already; "
                           "--stop ends that");
    }
    if (args->snapshot) {
        vmm__json_put_string(params, "snapshot", args->snapshot);
    }
    if (!plugin_call(plugin, "region-export", params, NULL, &reply, &result,
                     &status)) {
        goto out;
    }
    if (vmm__json_get_string(result, "socket", &socket)) {
        status = plugin_fail(plugin, VMM_E_FORMAT, "vmmd's answer is not "
                             "understood; install the same version of both");
        goto out;
    }
    status = serve(plugin, args, paths, socket);
    if (!status && args->nbd) {
        status = attach(plugin, args, paths);
        if (status) {
            (void)end_server(plugin, paths);
        }
    }
    if (!status) {
        print(plugin, args, paths, &status);
    }

 out:
    vmm__json_free(reply);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "snapshot", required_argument, NULL, SNAPSHOT },
        { "nbd", required_argument, NULL, NBD },
        { "listen", required_argument, NULL, LISTEN },
        { "read-only", no_argument, NULL, 'r' },
        { "stop", no_argument, NULL, STOP },
        PLUGIN_LONG_OPTIONS
    };
    struct args args = { .region = NULL };
    struct plugin plugin;
    struct paths paths;
    int opt, status;

    plugin_init(&plugin, &spec);
    while ((opt = getopt_long(argc, argv, PLUGIN_SHORT_OPTIONS "r", options,
                              NULL)) != -1) {
        switch (opt) {
        case SNAPSHOT:
            args.snapshot = optarg;
            break;
        case NBD:
            args.nbd = optarg;
            break;
        case LISTEN:
            args.listen = optarg;
            break;
        case 'r':
            args.read_only = true;
            break;
        case STOP:
            args.stop = true;
            break;
        default:
            if (!plugin_option(&plugin, opt, &status)) {
                return status;
            }
        }
    }
    if (!plugin_arguments(&plugin, argc - optind, 1, 1, &status)) {
        return status;
    }
    args.region = argv[optind];
    if (strchr(args.region, '/') ||
        (args.snapshot && strchr(args.snapshot, '/'))) {
        return plugin_fail(&plugin, VMM_E_INVAL, "there is no / in a name");
    }
    paths_of(&args, &paths);
    return plugin_end(&plugin, args.stop ? stop(&plugin, &paths)
                                         : start(&plugin, &args, &paths));
}
