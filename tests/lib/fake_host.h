/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake_host.h: a host for vmmd: its domains, a toolstack that tells of them,
 * a hypervisor that keeps paging sessions, and pagers that do nothing but as
 * they are told.
 *
 * pager_ops has no `self', so there is one host in a program.  Any thread,
 * since workers call; a test reads and changes a domain under
 * fake_host_lock().
 */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "dom0-daemon/toolstack.h"
#include "dom0-daemon/worker.h"

#define FAKE_DOMAINS 8
#define FAKE_NR_PAGES 65536u

/* What a call of the pager answers, 0 being what it would by itself. */
struct fake_domain {
    struct domain domain;
    bool there;
    bool session;               /* the hypervisor has one */

    /* Orders. */
    int open_rc, info_rc, watch_rc, set_target_rc, dispatch_rc;
    const char *error;          /* logged by an open that fails */
    bool hold_open, hold_drain; /* until they are false again */
    bool keep_session;          /* the one that is drained stays */

    /* What came. */
    struct vmm_pager_opts opts; /* its strings are not to be used */
    unsigned int nr_opens, nr_closes, nr_retries, nr_drains, nr_resets;
    unsigned int nr_watches;    /* at the moment */
    uint64_t target_pages, floor_pages;
    bool pager;                 /* there is one */
    int fd;                     /* its */
};

extern const struct toolstack_ops fake_toolstack_ops;
extern const struct pager_ops fake_pager_ops;
/* How often something was done in an order that loses a session. */
extern unsigned int fake_host_nr_wrong;

/*
 * No domains; `dir' is "state_dir" of vmmd, in which there must be a record
 * whenever a session begins to be, and until it has ended.  NULL: unchecked.
 */
void fake_host_reset(const char *dir);
void fake_host_lock(void);
void fake_host_unlock(void);

/* A domain of FAKE_NR_PAGES named "domN"; its uuid is of N and `uuid'. */
struct fake_domain *fake_host_add(uint32_t domid, uint8_t uuid);
struct fake_domain *fake_host_find(uint32_t domid);
/* Let its pager look about itself. */
void fake_host_poke(uint32_t domid);
/* It is gone; with `tell', so is the toolstack's loop, in a turn of its. */
void fake_host_kill(uint32_t domid, bool tell);

/* Of a test; in memory, so that a sync costs nothing. */
void fake_host_make_dir(char path_out[64]);
/* With what is in it, a level deep. */
void fake_host_remove_dir(const char *path);

#endif
