/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c: arguments, and what vmmd really stands on: libxl, libvmm, and
 * whoever started it.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf.h"
#include "daemon.h"
#include "include/vmm_pager.h"
#include "log.h"
#include "xlglue.h"

static const struct machine_ops machine_ops = {
    .open = vmm_machine_open,
    .close = vmm_machine_close,
    .list = vmm_machine_list,
    .change = vmm_machine_change,
    .set_threshold = vmm_machine_set_threshold,
    .stat = vmm_machine_stat,
};

static const struct pager_ops pager_ops = {
    .open = vmm_pager_open,
    .fd = vmm_pager_fd,
    .dispatch = vmm_pager_dispatch,
    .set_target = vmm_pager_set_target,
    .drain = vmm_pager_drain,
    .drained = vmm_pager_drained,
    .retry = vmm_pager_retry,
    .close = vmm_pager_close,
    .stat = vmm_pager_stat,
    .reset_latency = vmm_pager_reset_latency,
};

/*
 * One datagram to $NOTIFY_SOCKET; without one there is nobody to be told.
 * The protocol is small and stable, so no library is needed for it.
 *
 * Source: sd_notify(3), "Standalone Implementations".
 */
static void notify(const char *what)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    size_t len = path ? strlen(path) : 0;
    int fd;

    if (!len || len >= sizeof(addr.sun_path) ||
        (path[0] != '/' && path[0] != '@')) {
        return;
    }
    memcpy(addr.sun_path, path, len);
    if (path[0] == '@') {
        addr.sun_path[0] = '\0';
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    (void)sendto(fd, what, strlen(what), MSG_NOSIGNAL,
                 (struct sockaddr *)&addr,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}

/* Half of the time that sd_watchdog_enabled(3) speaks of. */
static uint32_t watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    unsigned long long number;

    if (!usec || (pid && strtoull(pid, NULL, 10) !=
                         (unsigned long long)getpid())) {
        return 0;
    }
    number = strtoull(usec, NULL, 10) / 2000;
    return number > 3600000 ? 3600000 : (uint32_t)number;
}

static void usage(FILE *file)
{
    fputs("Usage: vmmd [OPTION]...\n"
          "Pages domains' cold memory to files and devices, in the\n"
          "foreground.\n"
          "\n"
          "  -f, --config FILE   instead of " CONF_PATH "\n"
          "      --check-config  read it, say what is wrong, and end\n"
          "      --drain         at the end, bring every page back first\n"
          "  -h, --help\n"
          "      --version\n"
          "\n"
          "See vmmd(8) and vmmd.conf(5).\n", file);
}

int main(int argc, char **argv)
{
    enum { CHECK_CONFIG = 256, DRAIN, VERSION };
    static const struct option options[] = {
        { "config", required_argument, NULL, 'f' },
        { "check-config", no_argument, NULL, CHECK_CONFIG },
        { "drain", no_argument, NULL, DRAIN },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, VERSION },
        { NULL, 0, NULL, 0 },
    };
    struct daemon_args args = { .conf_path = CONF_PATH };
    struct daemon_deps deps = {
        .toolstack_ops = &xlglue_ops,
        .pager_ops = &pager_ops,
        .machine_ops = &machine_ops,
        .notify = notify,
        .watchdog_ms = watchdog_ms(),
    };
    bool check_config = false;
    struct conf conf;
    int opt, rc;

    log_init();
    while ((opt = getopt_long(argc, argv, "f:h", options, NULL)) != -1) {
        switch (opt) {
        case 'f':
            args.conf_path = optarg;
            args.conf_given = true;
            break;
        case CHECK_CONFIG:
            check_config = true;
            break;
        case DRAIN:
            args.drain = true;
            break;
        case 'h':
            usage(stdout);
            return 0;
        case VERSION:
            printf("vmmd %s\n", DAEMON_VERSION);
            return 0;
        default:
            fputs("vmmd: --help says what there is\n", stderr);
            return vmm_error_exit_status(VMM_E_INVAL);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "vmmd: %s: no arguments are expected; see --help\n",
                argv[optind]);
        return vmm_error_exit_status(VMM_E_INVAL);
    }

    if (check_config) {
        rc = conf_read(args.conf_path, args.conf_given, &conf);
        if (!rc) {
            conf_dispose(&conf);
        }
    } else {
        rc = daemon_run(&args, &deps);
    }
    return vmm_error_exit_status(rc);
}
