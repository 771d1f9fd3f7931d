/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * toolstack.h: what vmmd asks of the toolstack, as a table: xlglue.c has it
 * on libxl, tests have one of their own.  The loop thread.
 */
#ifndef VMMD_TOOLSTACK_H
#define VMMD_TOOLSTACK_H

#include <stdbool.h>
#include <stdint.h>

#include "include/vmm.h"

#define DOMAIN_NAME_BYTES 256
#define DOMAIN_UUID_BYTES 16

struct loop;

struct domain {
    uint32_t domid;
    uint8_t uuid[DOMAIN_UUID_BYTES];
    char name[DOMAIN_NAME_BYTES];
    uint64_t nr_pages;          /* resident or paged */
    bool can_be_paged;          /* HVM or PVH */
};

typedef void toolstack_died_fn(void *user, uint32_t domid);

struct toolstack_ops {
    /* `died' is told of watched domains, from the loop.  VMM_E_LOCAL. */
    int (*open)(struct loop *loop, toolstack_died_fn *died, void *user,
                void **self_out);
    void (*close)(void *self);
    /* A domain that is not dying; VMM_E_NOENT, VMM_E_LOCAL. */
    int (*find_name)(void *self, const char *name, uint32_t *domid_out);
    int (*info)(void *self, uint32_t domid, struct domain *domain_out);
    int (*watch)(void *self, uint32_t domid, void **watch_out);
    void (*unwatch)(void *self, void *watch);
};

#endif
