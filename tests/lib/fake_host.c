/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fake_host.c: a host for vmmd; see fake_host.h. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dom0-daemon/loop.h"
#include "lib/fake_host.h"

struct vmm_pager {
    struct fake_domain *domain;
    uint32_t domid;
    char *index_path;
    bool draining;
};

/* The toolstack, once open: whom to tell of deaths, and how. */
struct toolstack {
    toolstack_died_fn *died;
    void *user;
    struct loop_event *event;
    int fd;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct fake_domain domains[FAKE_DOMAINS];
static char state_dir[256];
static struct toolstack toolstack = { .fd = -1 };
static uint32_t dead[FAKE_DOMAINS];
static unsigned int nr_dead;

unsigned int fake_host_nr_wrong;

void fake_host_lock(void)
{
    (void)pthread_mutex_lock(&mutex);
}

/* Whoever changed something may have let go somebody who waits. */
void fake_host_unlock(void)
{
    (void)pthread_cond_broadcast(&changed);
    (void)pthread_mutex_unlock(&mutex);
}

void fake_host_reset(const char *dir)
{
    fake_host_lock();
    memset(domains, 0, sizeof(domains));
    nr_dead = 0;
    fake_host_nr_wrong = 0;
    (void)snprintf(state_dir, sizeof(state_dir), "%s", dir ? dir : "");
    fake_host_unlock();
}

struct fake_domain *fake_host_add(uint32_t domid, uint8_t uuid)
{
    struct fake_domain *domain = domains;

    fake_host_lock();
    while (domain->there || domain->pager || domain->nr_watches) {
        domain++;
    }
    memset(domain, 0, sizeof(*domain));
    domain->there = true;
    domain->domain.domid = domid;
    domain->domain.uuid[0] = (uint8_t)domid;
    domain->domain.uuid[15] = uuid;
    (void)snprintf(domain->domain.name, sizeof(domain->domain.name), "dom%u",
                   domid);
    domain->domain.nr_pages = FAKE_NR_PAGES;
    domain->domain.can_be_paged = true;
    domain->fd = -1;
    fake_host_unlock();
    return domain;
}

static struct fake_domain *find(uint32_t domid)
{
    unsigned int i;

    for (i = 0; i < FAKE_DOMAINS; i++) {
        if (domains[i].there && domains[i].domain.domid == domid) {
            return &domains[i];
        }
    }
    return NULL;
}

struct fake_domain *fake_host_find(uint32_t domid)
{
    struct fake_domain *domain;

    fake_host_lock();
    domain = find(domid);
    fake_host_unlock();
    return domain;
}

static void poke(const struct fake_domain *domain)
{
    uint64_t one = 1;

    if (domain->pager) {
        (void)!write(domain->fd, &one, sizeof(one));
    }
}

void fake_host_poke(uint32_t domid)
{
    const struct fake_domain *domain;

    fake_host_lock();
    domain = find(domid);
    if (domain) {
        poke(domain);
    }
    fake_host_unlock();
}

void fake_host_kill(uint32_t domid, bool tell)
{
    struct fake_domain *domain;
    uint64_t one = 1;

    fake_host_lock();
    domain = find(domid);
    if (domain) {
        domain->there = false;
        domain->session = false;
        poke(domain);
        if (tell && toolstack.fd >= 0 && domain->nr_watches) {
            dead[nr_dead++] = domid;
            (void)!write(toolstack.fd, &one, sizeof(one));
        }
    }
    fake_host_unlock();
}

/* The toolstack. */

static void told(void *user)
{
    uint64_t count;
    uint32_t domid;

    (void)user;
    (void)!read(toolstack.fd, &count, sizeof(count));
    for (;;) {
        fake_host_lock();
        if (!nr_dead) {
            fake_host_unlock();
            return;
        }
        domid = dead[--nr_dead];
        fake_host_unlock();
        toolstack.died(toolstack.user, domid);
    }
}

static int toolstack_open(struct loop *loop, toolstack_died_fn *died,
                          void *user, void **self_out)
{
    toolstack.died = died;
    toolstack.user = user;
    toolstack.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (toolstack.fd < 0 ||
        loop_add_fd(loop, toolstack.fd, told, NULL, &toolstack.event)) {
        return VMM_E_LOCAL;
    }
    *self_out = &toolstack;
    return 0;
}

static void toolstack_close(void *self)
{
    (void)self;
    loop_remove(toolstack.event);
    toolstack.event = NULL;
    close(toolstack.fd);
    toolstack.fd = -1;
}

static int toolstack_find_name(void *self, const char *name,
                               uint32_t *domid_out)
{
    int rc = VMM_E_NOENT;
    unsigned int i;

    (void)self;
    fake_host_lock();
    for (i = 0; i < FAKE_DOMAINS; i++) {
        if (domains[i].there && !strcmp(domains[i].domain.name, name)) {
            *domid_out = domains[i].domain.domid;
            rc = 0;
        }
    }
    fake_host_unlock();
    return rc;
}

static int toolstack_info(void *self, uint32_t domid,
                          struct domain *domain_out)
{
    const struct fake_domain *domain;
    int rc;

    (void)self;
    fake_host_lock();
    domain = find(domid);
    rc = domain ? domain->info_rc : VMM_E_NOENT;
    if (!rc) {
        *domain_out = domain->domain;
    }
    fake_host_unlock();
    return rc;
}

static int toolstack_watch(void *self, uint32_t domid, void **watch_out)
{
    struct fake_domain *domain;
    int rc;

    (void)self;
    fake_host_lock();
    domain = find(domid);
    rc = domain ? domain->watch_rc : VMM_E_NOENT;
    if (!rc) {
        domain->nr_watches++;
        *watch_out = domain;
    }
    fake_host_unlock();
    return rc;
}

static void toolstack_unwatch(void *self, void *watch)
{
    struct fake_domain *domain = watch;

    (void)self;
    fake_host_lock();
    domain->nr_watches--;
    fake_host_unlock();
}

const struct toolstack_ops fake_toolstack_ops = {
    .open = toolstack_open,
    .close = toolstack_close,
    .find_name = toolstack_find_name,
    .info = toolstack_info,
    .watch = toolstack_watch,
    .unwatch = toolstack_unwatch,
};

/* The pager, and the sessions of the hypervisor. */

static void check_recorded(uint32_t domid)
{
    char path[300];

    if (!state_dir[0]) {
        return;
    }
    (void)snprintf(path, sizeof(path), "%s/dom%u.session", state_dir, domid);
    if (access(path, F_OK)) {
        fake_host_nr_wrong++;
    }
}

static int touch(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        return VMM_E_IO;
    }
    close(fd);
    return 0;
}

static int try_open(struct fake_domain *domain,
                    const struct vmm_pager_opts *opts)
{
    if (domain->open_rc) {
        return domain->open_rc;
    }
    if (!domain->there) {
        return VMM_E_NOENT;
    }
    if (domain->session != opts->adopt) {
        return domain->session ? VMM_E_SESSION : VMM_E_NOENT;
    }
    if (opts->adopt && (access(opts->index_path, F_OK) ||
                        (!opts->region &&
                         access(opts->store_path, F_OK)))) {
        return VMM_E_NOENT;
    }
    check_recorded(opts->domid);
    if (touch(opts->index_path) ||
        (!opts->region && touch(opts->store_path))) {
        return VMM_E_IO;
    }
    domain->session = true;
    return 0;
}

static int pager_open(const struct vmm_pager_opts *opts,
                      const struct vmm_logger *logger, vmm_pager **pager_out)
{
    struct fake_domain *domain;
    vmm_pager *pager;
    int rc;

    fake_host_lock();
    domain = find(opts->domid);
    if (!domain) {
        fake_host_unlock();
        return VMM_E_NOENT;
    }
    domain->nr_opens++;
    domain->opts = *opts;
    while (domain->hold_open && domain->there) {
        (void)pthread_cond_wait(&changed, &mutex);
    }
    rc = try_open(domain, opts);
    if (rc) {
        const char *error = domain->error;

        fake_host_unlock();
        if (error) {
            logger->log(logger->user, VMM_LOG_ERROR, error);
        }
        return rc;
    }

    pager = calloc(1, sizeof(*pager));
    pager->domain = domain;
    pager->domid = opts->domid;
    pager->index_path = strdup(opts->index_path);
    domain->pager = true;
    domain->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    domain->target_pages = opts->target_pages;
    domain->floor_pages = opts->floor_pages;
    fake_host_unlock();
    *pager_out = pager;
    return 0;
}

static int pager_fd(const vmm_pager *pager)
{
    return pager->domain->fd;
}

static int pager_dispatch(vmm_pager *pager)
{
    uint64_t count;
    int rc;

    fake_host_lock();
    (void)!read(pager->domain->fd, &count, sizeof(count));
    rc = pager->domain->there ? pager->domain->dispatch_rc : VMM_E_NOENT;
    fake_host_unlock();
    return rc;
}

static int pager_set_target(vmm_pager *pager, uint64_t target_pages,
                            uint64_t floor_pages)
{
    int rc;

    fake_host_lock();
    rc = pager->domain->set_target_rc;
    if (!rc) {
        pager->domain->target_pages = target_pages;
        pager->domain->floor_pages = floor_pages;
    }
    fake_host_unlock();
    return rc;
}

static void pager_drain(vmm_pager *pager)
{
    fake_host_lock();
    pager->draining = true;
    pager->domain->nr_drains++;
    poke(pager->domain);
    fake_host_unlock();
}

static bool pager_drained(const vmm_pager *pager)
{
    bool drained;

    fake_host_lock();
    drained = pager->draining && !pager->domain->hold_drain &&
              !pager->domain->dispatch_rc;
    fake_host_unlock();
    return drained;
}

static void pager_retry(vmm_pager *pager)
{
    fake_host_lock();
    pager->domain->nr_retries++;
    fake_host_unlock();
}

static void pager_close(vmm_pager *pager)
{
    struct fake_domain *domain = pager->domain;

    fake_host_lock();
    domain->nr_closes++;
    domain->pager = false;
    close(domain->fd);
    domain->fd = -1;
    if (!domain->there ||
        (pager->draining && !domain->hold_drain && !domain->dispatch_rc &&
         !domain->keep_session)) {
        check_recorded(pager->domid);
        domain->session = false;
        (void)unlink(pager->index_path);
    }
    fake_host_unlock();
    free(pager->index_path);
    free(pager);
}

static int pager_stat(const vmm_pager *pager, struct vmm_pager_stat *stat)
{
    const struct fake_domain *domain = pager->domain;

    if (stat->size != sizeof(*stat)) {
        return VMM_E_INVAL;
    }
    fake_host_lock();
    memset(stat, 0, sizeof(*stat));
    stat->size = sizeof(*stat);
    stat->domid = pager->domid;
    stat->state = pager->draining ? VMM_PAGER_DRAINING : VMM_PAGER_ACTIVE;
    stat->total_pages = domain->domain.nr_pages;
    stat->target_pages = domain->target_pages;
    stat->floor_pages = domain->floor_pages;
    stat->resident_pages = domain->target_pages;
    stat->paged_pages = stat->total_pages - stat->resident_pages;
    fake_host_unlock();
    return 0;
}

static void pager_reset_latency(vmm_pager *pager)
{
    fake_host_lock();
    pager->domain->nr_resets++;
    fake_host_unlock();
}

const struct pager_ops fake_pager_ops = {
    .open = pager_open,
    .fd = pager_fd,
    .dispatch = pager_dispatch,
    .set_target = pager_set_target,
    .drain = pager_drain,
    .drained = pager_drained,
    .retry = pager_retry,
    .close = pager_close,
    .stat = pager_stat,
    .reset_latency = pager_reset_latency,
};

/* Directories. */

void fake_host_make_dir(char path_out[64])
{
    strcpy(path_out, "/dev/shm/vmmd-test-XXXXXX");
    if (!mkdtemp(path_out)) {
        strcpy(path_out, "/tmp/vmmd-test-XXXXXX");
        if (!mkdtemp(path_out)) {
            perror("mkdtemp");
            exit(2);
        }
    }
}

void fake_host_remove_dir(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL) {
        char name[600];

        (void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && unlink(name)) {
            fake_host_remove_dir(name);
        }
    }
    if (dir) {
        (void)closedir(dir);
    }
    (void)rmdir(path);
}
