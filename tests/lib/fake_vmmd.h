/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake_vmmd.h: a server that greets, and says what it is told to say after
 * each line that it gets.  A thread; connections one after the other.
 */
#ifndef FAKE_VMMD_H
#define FAKE_VMMD_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "include/vmm_ctl.h"

#define FAKE_VMMD_LINES 8

struct fake_vmmd {
    /* Whole lines; over all connections; NULL: it hangs up. */
    const char *says[FAKE_VMMD_LINES];
    /* What it got, to be looked at when it was stopped. */
    unsigned int nr_connections, nr_got;
    char got[FAKE_VMMD_LINES][4096];
    char path[64];              /* its socket */

    int fd;
    pthread_t thread;
};

void fake_vmmd_start(struct fake_vmmd *vmmd);
void fake_vmmd_stop(struct fake_vmmd *vmmd);

/*
 * The command that xl calls args[0], with this server and the other args, up
 * to a NULL; its exit status.  What it printed is the caller's to free.
 */
int fake_vmmd_call(struct fake_vmmd *vmmd, int (*command)(int, char **),
                   const char *const *args, char **out, char **err);

/* { "id": id, "result": the tiers }, a line; the caller's to free. */
char *fake_vmmd_result(uint64_t id, const struct vmm_ctl_tier *tiers,
                       unsigned int nr, int as_array);

#endif
