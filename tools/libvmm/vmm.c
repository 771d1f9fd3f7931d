/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm.c: open and close; the one file that joins tables to ports. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "consumer/pagefile.h"
#include "consumer/pager.h"
#include "include/vmm_pager.h"
#include "port/bdev_uring.h"
#include "port/hv_xen.h"
#include "port/timer.h"

#define SETTLE_MS 100

/* What a pager was built from. */
struct owner {
    struct vmm__pager_deps deps;
    char *index_path;
    int epfd;
};

static void owner_free(struct owner *owner)
{
    if (!owner) {
        return;
    }
    vmm__pagefile_close(owner->deps.pf);
    vmm__bdev_uring_close(&owner->deps.bdev);
    vmm__hv_xen_close(&owner->deps.hv);
    vmm__timer_close(&owner->deps.clock);
    if (owner->epfd >= 0) {
        close(owner->epfd);
    }
    free(owner->index_path);
    free(owner);
}

static int watch(struct owner *owner, int fd)
{
    struct epoll_event event = { .events = EPOLLIN };

    return epoll_ctl(owner->epfd, EPOLL_CTL_ADD, fd, &event)
           ? VMM_E_LOCAL : 0;
}

int vmm_pager_open(const struct vmm_pager_opts *opts,
                   const struct vmm_logger *logger, vmm_pager **pager_out)
{
    struct vmm__hv_xen_info info;
    struct owner *owner;
    uint64_t store_bytes;
    int rc, timer_fd;

    if (opts->size != sizeof(*opts) || !opts->store_path ||
        !opts->index_path || !opts->harvest_ms) {
        return VMM_E_INVAL;
    }

    owner = calloc(1, sizeof(*owner));
    if (!owner) {
        return VMM_E_NOMEM;
    }
    owner->epfd = epoll_create1(EPOLL_CLOEXEC);
    owner->index_path = strdup(opts->index_path);
    if (owner->epfd < 0 || !owner->index_path) {
        rc = VMM_E_NOMEM;
        goto out;
    }

    rc = vmm__timer_open(&owner->deps.clock, &timer_fd);
    if (rc) {
        goto out;
    }
    rc = vmm__hv_xen_open(opts->domid, logger, &owner->deps.hv, &info);
    if (rc) {
        goto out;
    }
    owner->deps.nr_gfns = info.nr_gfns;
    owner->deps.nr_vcpus = info.nr_vcpus;

    store_bytes = opts->store_max_bytes ? opts->store_max_bytes
                                        : info.nr_pages * VMM__PAGE_BYTES;
    rc = vmm__bdev_uring_open(opts->store_path, store_bytes,
                              VMM__BDEV_POLL | (opts->adopt
                                                ? VMM__BDEV_EXISTING
                                                : VMM__BDEV_CREATE), logger,
                              &owner->deps.bdev, &store_bytes);
    if (rc) {
        goto out;
    }
    rc = vmm__pagefile_open(opts->index_path, opts->adopt, opts->uuid,
                            info.nr_gfns, store_bytes / VMM__PAGE_BYTES,
                            &owner->deps.pf);
    if (rc) {
        goto out;
    }

    rc = watch(owner, timer_fd);
    rc = rc ? rc : watch(owner, owner->deps.hv.ops->fd(owner->deps.hv.self));
    rc = rc ? rc : watch(owner,
                         owner->deps.bdev.ops->fd(owner->deps.bdev.self));
    if (rc) {
        goto out;
    }

    rc = vmm__pager_new(&owner->deps, opts, logger, pager_out);
    if (rc) {
        goto out;
    }
    vmm__pager_set_owner(*pager_out, owner);
    owner = NULL;

 out:
    owner_free(owner);
    return rc;
}

int vmm_pager_fd(const vmm_pager *pager)
{
    const struct owner *owner = vmm__pager_owner(pager);

    return owner->epfd;
}

void vmm_pager_close(vmm_pager *pager)
{
    struct owner *owner;
    bool ended;

    if (!pager) {
        return;
    }
    owner = vmm__pager_owner(pager);
    while (!vmm__pager_settle(pager)) {
        struct pollfd pfd = {
            .fd = owner->deps.bdev.ops->fd(owner->deps.bdev.self),
            .events = POLLIN,
        };

        (void)poll(&pfd, 1, SETTLE_MS);
    }
    vmm__pager_free(pager, &ended);
    if (ended) {
        (void)unlink(owner->index_path);
    }
    owner_free(owner);
}
