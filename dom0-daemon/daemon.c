/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* daemon.c: everything opened, run and closed in reverse; see daemon.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "blocks.h"
#include "conf.h"
#include "control.h"
#include "daemon.h"
#include "log.h"
#include "loop.h"
#include "mcelog.h"
#include "methods.h"

enum { ON_TERM, ON_INT, ON_HUP, NR_SIGNALS };

struct daemon {
    const struct daemon_args *args;
    const struct daemon_deps *deps;
    struct conf conf;
    int lock_fd;
    struct loop *loop;
    struct loop_event *signals[NR_SIGNALS], *watchdog;
    void *toolstack;
    struct retire *retire;
    struct mcelog *mcelog;
    struct regions *regions;
    struct blocks *blocks;
    struct sessions *sessions;
    struct control *control;
    struct methods methods;
};

static int make_dir(const char *path)
{
    if (mkdir(path, 0700) && errno != EEXIST) {
        log_line(VMM_LOG_ERROR, "daemon", "%s: %s", path, strerror(errno));
        return VMM_E_LOCAL;
    }
    return 0;
}

static int make_dirs(const struct conf *conf)
{
    struct statfs st;
    int rc;

    rc = make_dir(conf->state_dir);
    rc = rc ? rc : make_dir(conf->store_dir);
    rc = rc ? rc : make_dir(conf->index_dir);
    if (rc) {
        return rc;
    }
    /* A page fault on the index must not wait for a device. */
    if (statfs(conf->index_dir, &st)) {
        log_line(VMM_LOG_ERROR, "daemon", "%s: %s", conf->index_dir,
                 strerror(errno));
        return VMM_E_LOCAL;
    }
    if (st.f_type != TMPFS_MAGIC && st.f_type != RAMFS_MAGIC) {
        log_line(VMM_LOG_ERROR, "daemon", "index_dir must be in memory, and "
                 "%s is not on a tmpfs", conf->index_dir);
        return VMM_E_INVAL;
    }
    return 0;
}

/* One on a host: two would fight for the same domains. */
static int lock(struct daemon *daemon)
{
    const char *path = daemon->conf.lock_path;

    daemon->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                           0600);
    if (daemon->lock_fd < 0) {
        log_line(VMM_LOG_ERROR, "daemon", "%s: %s", path, strerror(errno));
        return VMM_E_LOCAL;
    }
    if (flock(daemon->lock_fd, LOCK_EX | LOCK_NB)) {
        log_line(VMM_LOG_ERROR, "daemon", "%s is locked: another vmmd is "
                 "running", path);
        return VMM_E_BUSY;
    }
    return 0;
}

static void ready(void *user)
{
    struct daemon *daemon = user;

    if (daemon->methods.state == METHODS_STARTING) {
        daemon->methods.state = METHODS_RUNNING;
    }
    log_line(VMM_LOG_INFO, "daemon", "ready; %u sessions",
             sessions_nr(daemon->sessions));
    daemon->deps->notify("READY=1");
}

static void stopped(void *user)
{
    struct daemon *daemon = user;

    loop_stop(daemon->loop);
}

static void died(void *user, uint32_t domid)
{
    struct daemon *daemon = user;

    sessions_domain_died(daemon->sessions, domid);
}

static void on_term(void *user)
{
    struct daemon *daemon = user;
    bool again = daemon->methods.state == METHODS_STOPPING;
    bool drain = !again && (daemon->args->drain ||
                            !strcmp(daemon->conf.on_stop, "drain"));

    log_line(VMM_LOG_INFO, "daemon", drain
             ? "stopping when every page is back; once more to stop at once"
             : "stopping; sessions stay in the hypervisor, and vCPUs that "
               "touch a page that is out wait for the next start");
    daemon->deps->notify("STOPPING=1");
    daemon->methods.state = METHODS_STOPPING;
    sessions_stop(daemon->sessions, drain, stopped, daemon);
}

static void on_hup(void *user)
{
    struct daemon *daemon = user;
    struct conf next;
    enum vmm_log_level level;

    daemon->deps->notify("RELOADING=1");
    if (conf_read(daemon->args->conf_path, daemon->args->conf_given, &next)) {
        log_line(VMM_LOG_ERROR, "daemon", "the configuration stays as it "
                 "was");
    } else {
        if (conf_change(&daemon->conf, &next)) {
            log_line(VMM_LOG_ERROR, "daemon", "out of memory");
        }
        if (!log_level_of(daemon->conf.log_level, &level)) {
            log_set_level(level);
        }
        if (make_dir(daemon->conf.store_dir)) {
            log_line(VMM_LOG_ERROR, "daemon", "new sessions will fail");
        }
        if (retire_configure(daemon->retire, &daemon->conf)) {
            log_line(VMM_LOG_ERROR, "daemon", "the threshold of corrected "
                     "errors stays as it was");
        }
        conf_dispose(&next);
        log_line(VMM_LOG_INFO, "daemon", "configuration read again");
    }
    daemon->deps->notify("READY=1");
}

static void on_machine_check(void *user)
{
    struct daemon *daemon = user;

    retire_look(daemon->retire);
}

static void on_watchdog(void *user)
{
    struct daemon *daemon = user;

    daemon->deps->notify("WATCHDOG=1");
}

static int add_signals(struct daemon *daemon)
{
    static const struct {
        int signo;
        loop_fn *fn;
    } rows[NR_SIGNALS] = {
        [ON_TERM] = { SIGTERM, on_term },
        [ON_INT] = { SIGINT, on_term },
        [ON_HUP] = { SIGHUP, on_hup },
    };
    unsigned int i;
    int rc;

    /* A client that has gone is an error of its connection. */
    (void)signal(SIGPIPE, SIG_IGN);
    for (i = 0; i < NR_SIGNALS; i++) {
        rc = loop_add_signal(daemon->loop, rows[i].signo, rows[i].fn, daemon,
                             &daemon->signals[i]);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int open_all(struct daemon *daemon)
{
    const struct daemon_deps *deps = daemon->deps;
    enum vmm_log_level level;
    int rc;

    rc = conf_read(daemon->args->conf_path, daemon->args->conf_given,
                   &daemon->conf);
    if (rc) {
        return rc;
    }
    if (!log_level_of(daemon->conf.log_level, &level)) {
        log_set_level(level);
    }
    rc = make_dirs(&daemon->conf);
    if (rc) {
        return rc;
    }
    rc = lock(daemon);
    if (rc) {
        return rc;
    }
    rc = loop_open(&daemon->loop);
    if (rc) {
        return rc;
    }
    rc = deps->toolstack_ops->open(daemon->loop, died, daemon,
                                   &daemon->toolstack);
    if (rc) {
        return rc;
    }
    /* First of all: what is known to be bad is to be out of use. */
    rc = retire_open(daemon->loop, &daemon->conf, deps->machine_ops,
                     &daemon->retire);
    if (rc) {
        return rc;
    }
    rc = mcelog_open(daemon->loop, daemon->conf.mcelog_path,
                     daemon->conf.mce_socket_path, on_machine_check, daemon,
                     &daemon->mcelog);
    if (rc) {
        return rc;
    }
    rc = regions_open(daemon->loop, &daemon->conf, &daemon->regions);
    if (rc) {
        return rc;
    }
    rc = blocks_open(daemon->loop, daemon->conf.blocks_path, daemon->regions,
                     &daemon->blocks);
    if (rc) {
        return rc;
    }
    rc = sessions_open(daemon->loop, &daemon->conf, deps->toolstack_ops,
                       daemon->toolstack, deps->pager_ops, daemon->regions,
                       ready, daemon, &daemon->sessions);
    if (rc) {
        return rc;
    }
    daemon->methods = (struct methods){
        .state = METHODS_STARTING,
        .version = DAEMON_VERSION,
        .sessions = daemon->sessions,
        .regions = daemon->regions,
        .retire = daemon->retire,
        .blocks_path = daemon->conf.blocks_path,
        .toolstack_ops = deps->toolstack_ops,
        .toolstack = daemon->toolstack,
    };
    rc = control_open(daemon->loop, &daemon->conf, DAEMON_VERSION,
                      methods_request, methods_progress, &daemon->methods,
                      &daemon->control);
    if (rc) {
        return rc;
    }
    rc = add_signals(daemon);
    if (rc) {
        return rc;
    }
    if (deps->watchdog_ms) {
        rc = loop_add_timer(daemon->loop, deps->watchdog_ms, on_watchdog,
                            daemon, &daemon->watchdog);
        if (rc) {
            return rc;
        }
    }
    /* The order of a turn: what was done is durable, then it is told. */
    loop_add_hook(daemon->loop, sessions_store, daemon->sessions);
    loop_add_hook(daemon->loop, control_flush, daemon->control);
    return 0;
}

static void close_all(struct daemon *daemon)
{
    unsigned int i;

    loop_remove(daemon->watchdog);
    for (i = 0; i < NR_SIGNALS; i++) {
        loop_remove(daemon->signals[i]);
    }
    control_close(daemon->control);
    sessions_close(daemon->sessions);
    blocks_close(daemon->blocks);
    regions_close(daemon->regions);
    mcelog_close(daemon->mcelog);
    retire_close(daemon->retire);
    if (daemon->toolstack) {
        daemon->deps->toolstack_ops->close(daemon->toolstack);
    }
    loop_close(daemon->loop);
    if (daemon->lock_fd >= 0) {
        close(daemon->lock_fd);
    }
    conf_dispose(&daemon->conf);
}

int daemon_run(const struct daemon_args *args,
               const struct daemon_deps *deps)
{
    struct daemon daemon = { .args = args, .deps = deps, .lock_fd = -1 };
    int rc;

    conf_init(&daemon.conf);
    rc = open_all(&daemon);
    if (rc) {
        goto out;
    }
    log_line(VMM_LOG_INFO, "daemon", "vmmd %s starts", DAEMON_VERSION);
    rc = sessions_adopt(daemon.sessions);
    if (rc) {
        goto out;
    }
    regions_settle(daemon.regions);
    rc = loop_run(daemon.loop);

 out:
    close_all(&daemon);
    if (rc) {
        log_line(VMM_LOG_ERROR, "daemon", "ends: %s", vmm_error_text(rc));
    }
    return rc;
}
