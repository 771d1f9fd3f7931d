/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * logdirty.c: what a migration does to a domain's memory: from now on it is
 * noted which pages are written; and no more.
 *
 *   logdirty DOMID on|off
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>

int main(int argc, char **argv)
{
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);

    if (argc != 3 || !xch) {
        fputs("usage: logdirty DOMID on|off\n", stderr);
        return 2;
    }
    if (xc_shadow_control(xch, (uint32_t)strtoul(argv[1], NULL, 0),
                          strcmp(argv[2], "on")
                          ? XEN_DOMCTL_SHADOW_OP_OFF
                          : XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY,
                          NULL, 0) < 0) {
        perror("logdirty");
        return 1;
    }
    xc_interface_close(xch);
    return 0;
}
