/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conf.h: what vmmd.conf(5) can say.
 *
 * The options are a table in conf.c.  A file is taken as a whole or not at
 * all: an unknown key, a value out of range, a key set twice are errors that
 * name the line.
 */
#ifndef VMMD_CONF_H
#define VMMD_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "include/vmm.h"

#define CONF_PATH "/etc/xen/vmmd.conf"

struct conf {
    char *socket_path, *blocks_path, *lock_path;
    char *state_dir;            /* what is paged, for the next start */
    char *store_dir;            /* page files, unless tier-set names one */
    char *index_dir;            /* in memory */
    char *log_level;
    char *on_stop;              /* "keep" or "drain" */
    long harvest_interval_ms, io_error_retries;
    long max_sessions, max_clients;
    long prefetch;
    char *mcelog_path, *mce_socket_path;
    char *retire_list_path;     /* the boot loader's; "": none */
    char *metrics_path;         /* a textfile of node-exporter; "": none */
    long retire_efi_variable;   /* whether EFI's variable has that list too */
    char *smbios_path;          /* the firmware's table of memory modules */
    long page_ce_threshold, page_ce_refresh_cycle_s;
};

void conf_init(struct conf *conf);
void conf_dispose(struct conf *conf);

/*
 * Defaults and then the file; no file is fine unless `must_exist'.  The log
 * says what is wrong.  Errors: VMM_E_NOENT, VMM_E_INVAL, VMM_E_NOMEM.
 */
int conf_read(const char *path, bool must_exist, struct conf *conf_out);

/*
 * Take over from `next' what may change while vmmd runs, and warn of the
 * rest.
 */
int conf_change(struct conf *conf, const struct conf *next);

#endif
