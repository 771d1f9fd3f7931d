/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_daemon.c: the whole of vmmd on a host that is made up: it starts, or
 * says why not; signals; what it leaves is what the next one takes up.
 */
#include <linux/magic.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "dom0-daemon/log.h"

static void ut_log(enum vmm_log_level level, const char *component,
                   uint32_t domid, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Where there is no tmpfs, it is said to be one. */
static long fs_type;
static int statfs_r;

static int ut_statfs(const char *path, struct statfs *st_out)
{
    (void)path;
    memset(st_out, 0, sizeof(*st_out));
    st_out->f_type = fs_type;
    return statfs_r;
}

#define statfs(path, st) ut_statfs(path, st)
#define log_domain ut_log
#include "dom0-daemon/daemon.c"
#undef statfs
#undef log_domain

#include <pthread.h>

#include "format/json.h"
#include "lib/fake_host.h"
#include "lib/ut.h"

#define DOMID 7u
#define TARGET_BYTES (64u << 20)
/* A test that hangs ends by this. */
#define PATIENCE_S 120

static char dir[64], paths[7][96];
static struct conf template;
static int conf_rc;
static unsigned int nr_conf_reads, nr_conf_changes;
static struct daemon_args args;
static struct fake_domain *domain;

static char notes[256];             /* each, with a comma */
static void (*on_notify)(const char *what);
static unsigned int nr_logged[VMM_LOG_DEBUG + 1];
static char last_error[512];

static void ut_log(enum vmm_log_level level, const char *component,
                   uint32_t domid, const char *fmt, ...)
{
    va_list ap;

    CU_ASSERT_STRING_EQUAL(component, "daemon");
    CU_ASSERT_EQUAL(domid, LOG_NO_DOMID);
    nr_logged[level]++;
    if (level == VMM_LOG_ERROR && nr_logged[level] == 1) {
        va_start(ap, fmt);
        (void)vsnprintf(last_error, sizeof(last_error), fmt, ap);
        va_end(ap);
    }
}

/* What conf.c would do, with a template for a file. */

void conf_init(struct conf *conf)
{
    memset(conf, 0, sizeof(*conf));
}

void conf_dispose(struct conf *conf)
{
    free(conf->socket_path);
    free(conf->lock_path);
    free(conf->state_dir);
    free(conf->store_dir);
    free(conf->index_dir);
    free(conf->log_level);
    free(conf->on_stop);
    free(conf->blocks_path);
    free(conf->mcelog_path);
    free(conf->smbios_path);
    free(conf->metrics_path);
    free(conf->mce_socket_path);
    free(conf->retire_list_path);
    conf_init(conf);
}

int conf_read(const char *path, bool must_exist, struct conf *conf_out)
{
    CU_ASSERT_STRING_EQUAL(path, "/a/vmmd.conf");
    CU_ASSERT_TRUE(must_exist);
    nr_conf_reads++;
    if (conf_rc) {
        return conf_rc;
    }
    *conf_out = template;
    conf_out->socket_path = strdup(template.socket_path);
    conf_out->blocks_path = strdup(template.blocks_path);
    conf_out->lock_path = strdup(template.lock_path);
    conf_out->state_dir = strdup(template.state_dir);
    conf_out->store_dir = strdup(template.store_dir);
    conf_out->index_dir = strdup(template.index_dir);
    conf_out->log_level = strdup(template.log_level);
    conf_out->on_stop = strdup(template.on_stop);
    conf_out->mcelog_path = strdup("/nowhere/mcelog");
    conf_out->smbios_path = strdup("/nowhere/smbios");
    conf_out->metrics_path = strdup("");
    conf_out->mce_socket_path = strdup(template.mce_socket_path);
    conf_out->retire_list_path = strdup("");
    return 0;
}

int conf_change(struct conf *conf, const struct conf *next)
{
    nr_conf_changes++;
    free(conf->log_level);
    free(conf->store_dir);
    conf->log_level = strdup(next->log_level);
    conf->store_dir = strdup(next->store_dir);
    return 0;
}

static void notified(const char *what)
{
    strncat(notes, what, sizeof(notes) - strlen(notes) - 2);
    strcat(notes, ",");
    if (on_notify) {
        on_notify(what);
    }
}

static int no_machine(const struct vmm_logger *logger,
                      vmm_machine **machine_out)
{
    (void)logger;
    (void)machine_out;
    return VMM_E_NOTSUP;
}

static const struct machine_ops no_machine_ops = { .open = no_machine };

static struct daemon_deps deps = {
    .toolstack_ops = &fake_toolstack_ops, .pager_ops = &fake_pager_ops,
    .machine_ops = &no_machine_ops,
    .notify = notified,
};

static void begin(void)
{
    static const char *const names[] = { "sock", "lock", "state", "store",
                                         "index", "blocks", "mce" };
    unsigned int i;

    (void)alarm(PATIENCE_S);
    fake_host_make_dir(dir);
    for (i = 0; i < 7; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "%s/%s", dir, names[i]);
    }
    template = (struct conf){
        .socket_path = paths[0], .lock_path = paths[1],
        .state_dir = paths[2], .store_dir = paths[3], .index_dir = paths[4],
        .blocks_path = paths[5], .mce_socket_path = paths[6],
        .log_level = (char *)(uintptr_t)"error",
        .on_stop = (char *)(uintptr_t)"keep",
        .harvest_interval_ms = 1000, .io_error_retries = 5,
        .max_sessions = 4, .max_clients = 4, .prefetch = 1,
    };
    fake_host_reset(paths[2]);
    domain = fake_host_add(DOMID, 1);
    args = (struct daemon_args){
        .conf_path = "/a/vmmd.conf", .conf_given = true,
    };
    fs_type = TMPFS_MAGIC;
    statfs_r = 0;
    conf_rc = 0;
    nr_conf_reads = nr_conf_changes = 0;
    on_notify = NULL;
    deps.watchdog_ms = 0;
    log_set_level(VMM_LOG_ERROR);
}

static int run_daemon(void)
{
    notes[0] = last_error[0] = '\0';
    memset(nr_logged, 0, sizeof(nr_logged));
    return daemon_run(&args, &deps);
}

static void end(void)
{
    CU_ASSERT_EQUAL(fake_host_nr_wrong, 0);
    fake_host_remove_dir(dir);
    (void)alarm(0);
}

static void term_when_ready(const char *what)
{
    if (!strcmp(what, "READY=1")) {
        (void)raise(SIGTERM);
    }
}

static void int_when_ready(const char *what)
{
    if (!strcmp(what, "READY=1")) {
        (void)raise(SIGINT);
    }
}

/* Cases. */

static void run__till_it_is_told_to_stop(void)
{
    struct stat st;

    begin();
    on_notify = term_when_ready;
    CU_ASSERT_EQUAL(run_daemon(), 0);
    CU_ASSERT_STRING_EQUAL(notes, "READY=1,STOPPING=1,");
    CU_ASSERT_EQUAL(nr_logged[VMM_LOG_ERROR], 0);
    CU_ASSERT_EQUAL(nr_conf_reads, 1);
    /* Folders are made, for root alone. */
    CU_ASSERT_EQUAL(stat(paths[2], &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0700);
    CU_ASSERT_EQUAL(stat(paths[3], &st), 0);
    CU_ASSERT_EQUAL(stat(paths[4], &st), 0);
    /* They are there at the next time. */
    on_notify = int_when_ready;
    CU_ASSERT_EQUAL(run_daemon(), 0);
    CU_ASSERT_STRING_EQUAL(notes, "READY=1,STOPPING=1,");
    end();
}

static void run__no_configuration(void)
{
    begin();
    conf_rc = VMM_E_INVAL;
    CU_ASSERT_EQUAL(run_daemon(), VMM_E_INVAL);
    CU_ASSERT_STRING_EQUAL(notes, "");
    CU_ASSERT_EQUAL(access(paths[1], F_OK), -1);
    end();
}

static void run__folder_cannot_be_made(void)
{
    char *where[] = { paths[2], paths[3], paths[4] };
    unsigned int i;

    begin();
    for (i = 0; i < 3; i++) {
        char saved[96];

        strcpy(saved, where[i]);
        strcpy(where[i], "/proc/nonexistent/x");
        CU_ASSERT_EQUAL(run_daemon(), VMM_E_LOCAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(last_error, "/proc/nonexistent/x"));
        CU_ASSERT_STRING_EQUAL(notes, "");
        strcpy(where[i], saved);
    }
    end();
}

static void run__index_is_not_in_memory(void)
{
    begin();
    fs_type = EXT4_SUPER_MAGIC;
    CU_ASSERT_EQUAL(run_daemon(), VMM_E_INVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(last_error, paths[4]));
    statfs_r = -1;
    CU_ASSERT_EQUAL(run_daemon(), VMM_E_LOCAL);
    statfs_r = 0;
    fs_type = RAMFS_MAGIC;
    on_notify = term_when_ready;
    CU_ASSERT_EQUAL(run_daemon(), 0);
    end();
}

static void run__another_one_is_running(void)
{
    int fd;

    begin();
    fd = open(paths[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_EQUAL_FATAL(flock(fd, LOCK_EX), 0);
    CU_ASSERT_EQUAL(run_daemon(), VMM_E_BUSY);
    CU_ASSERT_STRING_EQUAL(notes, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(last_error, "another vmmd"));
    close(fd);
    on_notify = term_when_ready;
    CU_ASSERT_EQUAL(run_daemon(), 0);

    /* A link may lead anywhere. */
    (void)unlink(paths[1]);
    CU_ASSERT_EQUAL(symlink("/dev/null", paths[1]), 0);
    CU_ASSERT_EQUAL(run_daemon(), VMM_E_LOCAL);
    end();
}

static void run__socket_cannot_be_made(void)
{
    begin();
    strcpy(paths[0], "/proc/nonexistent/sock");
    CU_ASSERT_NOT_EQUAL(run_daemon(), 0);
    CU_ASSERT_STRING_EQUAL(notes, "");
    end();
}

static unsigned int nr_watchdog;

static void term_after_watchdogs(const char *what)
{
    if (!strcmp(what, "WATCHDOG=1") && ++nr_watchdog == 3) {
        (void)raise(SIGTERM);
    }
}

static void run__is_alive(void)
{
    begin();
    nr_watchdog = 0;
    deps.watchdog_ms = 5;
    on_notify = term_after_watchdogs;
    CU_ASSERT_EQUAL(run_daemon(), 0);
    CU_ASSERT_EQUAL(strncmp(notes, "READY=1,WATCHDOG=1,WATCHDOG=1,", 30), 0);
    end();
}

static unsigned int nr_ready;

static void hup_when_ready(const char *what)
{
    if (strcmp(what, "READY=1")) {
        return;
    }
    switch (nr_ready++) {
    case 0:
        template.log_level = (char *)(uintptr_t)"debug";
        strcpy(paths[3] + strlen(paths[3]) - 5, "other");
        (void)raise(SIGHUP);
        break;
    case 1:
        CU_ASSERT_EQUAL(log_get_level(), VMM_LOG_DEBUG);
        CU_ASSERT_EQUAL(access(paths[3], F_OK), 0);
        CU_ASSERT_EQUAL(nr_logged[VMM_LOG_ERROR], 0);
        conf_rc = VMM_E_INVAL;
        (void)raise(SIGHUP);
        break;
    case 2:
        CU_ASSERT_PTR_NOT_NULL(strstr(last_error, "stays as it was"));
        conf_rc = 0;
        strcpy(paths[3], "/proc/nonexistent/x");
        (void)raise(SIGHUP);
        break;
    default:
        CU_ASSERT_EQUAL(nr_logged[VMM_LOG_ERROR], 3);
        (void)raise(SIGTERM);
        break;
    }
}

static void hup__reads_the_configuration_again(void)
{
    begin();
    nr_ready = 0;
    on_notify = hup_when_ready;
    CU_ASSERT_EQUAL(run_daemon(), 0);
    CU_ASSERT_STRING_EQUAL(notes, "READY=1,RELOADING=1,READY=1,RELOADING=1,"
                           "READY=1,RELOADING=1,READY=1,STOPPING=1,");
    CU_ASSERT_EQUAL(nr_conf_reads, 4);
    CU_ASSERT_EQUAL(nr_conf_changes, 2);
    end();
}

/* A client, which lets a domain be paged, and ends the daemon then. */
static int client_rc;

static void *tier_set(void *user)
{
    struct vmm__json_out *params = vmm__json_out_new(false);
    const struct vmm__json_value *result;
    struct vmm__json *reply = NULL;
    vmm_ctl *ctl = NULL;

    (void)user;
    vmm__json_put_object(params, NULL);
    vmm__json_put_string(params, "domain", "dom7");
    vmm__json_put_u64(params, "target", TARGET_BYTES);
    vmm__json_end_object(params);
    client_rc = vmm_ctl_open(paths[0], &ctl);
    if (client_rc) {
        vmm__json_out_free(params);
    } else {
        client_rc = vmm_ctl_call(ctl, "tier-set", params, NULL, NULL, &reply,
                                 &result);
    }
    vmm__json_free(reply);
    vmm_ctl_close(ctl);
    (void)kill(getpid(), SIGTERM);
    return NULL;
}

static pthread_t client;

static void client_when_ready(const char *what)
{
    if (!strcmp(what, "READY=1")) {
        CU_ASSERT_EQUAL_FATAL(pthread_create(&client, NULL, tier_set, NULL),
                              0);
    }
}

/* One ran, and left a session. */
static void begin_left(void)
{
    begin();
    on_notify = client_when_ready;
    CU_ASSERT_EQUAL(run_daemon(), 0);
    (void)pthread_join(client, NULL);
    CU_ASSERT_EQUAL(client_rc, 0);
    CU_ASSERT_TRUE_FATAL(domain->session);
    CU_ASSERT_FALSE(domain->opts.adopt);
    CU_ASSERT_EQUAL(domain->nr_opens, 1);
    CU_ASSERT_EQUAL(domain->nr_closes, 1);
    CU_ASSERT_EQUAL(domain->nr_drains, 0);
    CU_ASSERT_EQUAL(domain->target_pages, TARGET_BYTES / 4096);
}

static void term__keeps_sessions(void)
{
    begin_left();
    on_notify = term_when_ready;
    CU_ASSERT_EQUAL(run_daemon(), 0);
    /* It is ready when what it found is settled. */
    CU_ASSERT_EQUAL(domain->nr_opens, 2);
    CU_ASSERT_TRUE(domain->opts.adopt);
    CU_ASSERT_EQUAL(domain->target_pages, TARGET_BYTES / 4096);
    CU_ASSERT_TRUE(domain->session);
    CU_ASSERT_EQUAL(domain->nr_drains, 0);
    CU_ASSERT_EQUAL(domain->nr_watches, 0);
    end();
}

static void term__drains_as_configured(void)
{
    begin_left();
    template.on_stop = (char *)(uintptr_t)"drain";
    on_notify = term_when_ready;
    CU_ASSERT_EQUAL(run_daemon(), 0);
    CU_ASSERT_EQUAL(domain->nr_drains, 1);
    CU_ASSERT_FALSE(domain->session);
    end();
}

static void term__drains_as_called(void)
{
    begin_left();
    args.drain = true;
    on_notify = term_when_ready;
    CU_ASSERT_EQUAL(run_daemon(), 0);
    CU_ASSERT_EQUAL(domain->nr_drains, 1);
    CU_ASSERT_FALSE(domain->session);
    end();
}

static void term_again(const char *what)
{
    if (!strcmp(what, "READY=1") || !strcmp(notes, "READY=1,STOPPING=1,")) {
        (void)raise(SIGTERM);
    }
}

/* Whoever cannot wait says it once more. */
static void term__twice(void)
{
    begin_left();
    args.drain = true;
    domain->hold_drain = true;
    on_notify = term_again;
    CU_ASSERT_EQUAL(run_daemon(), 0);
    CU_ASSERT_STRING_EQUAL(notes, "READY=1,STOPPING=1,STOPPING=1,");
    CU_ASSERT_TRUE(domain->session);
    end();
}

static void kill_when_ready(const char *what)
{
    if (!strcmp(what, "READY=1")) {
        fake_host_kill(DOMID, true);
    }
    term_after_watchdogs(what);
}

/* Of a session without a pager nobody tells but the toolstack. */
static void died__is_not_left_to_the_next(void)
{
    char record[128];

    begin_left();
    (void)snprintf(record, sizeof(record), "%s/dom7.session", paths[2]);
    CU_ASSERT_EQUAL(access(record, F_OK), 0);
    domain->open_rc = VMM_E_IO;
    domain->error = "it cannot be taken up";
    deps.watchdog_ms = 5;
    nr_watchdog = 0;
    on_notify = kill_when_ready;
    CU_ASSERT_EQUAL(run_daemon(), 0);
    CU_ASSERT_EQUAL(access(record, F_OK), -1);
    CU_ASSERT_EQUAL(domain->nr_watches, 0);
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(run__till_it_is_told_to_stop),
    UT_CASE(run__no_configuration),
    UT_CASE(run__folder_cannot_be_made),
    UT_CASE(run__index_is_not_in_memory),
    UT_CASE(run__another_one_is_running),
    UT_CASE(run__socket_cannot_be_made),
    UT_CASE(run__is_alive),
    UT_CASE(hup__reads_the_configuration_again),
    UT_CASE(term__keeps_sessions),
    UT_CASE(term__drains_as_configured),
    UT_CASE(term__drains_as_called),
    UT_CASE(term__twice),
    UT_CASE(died__is_not_left_to_the_next),
};

UT_MAIN("dom0-daemon/daemon", cases)
