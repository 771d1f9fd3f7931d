/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mce.c: a memory error at a guest-physical address of a domain, as the CPU
 * would report it: its registers are interposed by Xen, and an uncorrected one
 * comes with a machine check.
 *
 *   mce DOMID ADDRESS corrected|deferred|uncorrected
 *
 * Deferred: lost, found by a scrubber, and met by nobody yet.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>

#define BANK 2
#define MCG_STATUS 0x17a
#define BANK_STATUS (0x401 + 4 * BANK)
#define RESTARTABLE 5ull        /* RIPV, MCIP */
/* Valid, enabled, with an address and more; a load from memory. */
#define CORRECTED 0x9c00000000000135ull
#define DEFERRED 0x9c00100000000135ull
#define UNCORRECTED 0xbc00000000000135ull

static const struct {
    const char *name;
    uint64_t status;
} kinds[] = {
    { "corrected", CORRECTED }, { "deferred", DEFERRED },
    { "uncorrected", UNCORRECTED },
};
#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void add(struct xen_mc_msrinject *msrs, uint64_t reg, uint64_t value)
{
    msrs->mcinj_msr[msrs->mcinj_count].reg = reg;
    msrs->mcinj_msr[msrs->mcinj_count].value = value;
    msrs->mcinj_count++;
}

int main(int argc, char **argv)
{
    struct xen_mc mc = { .cmd = XEN_MC_msrinject,
                         .interface_version = XEN_MCA_INTERFACE_VERSION };
    struct xen_mc_msrinject *msrs = &mc.u.mc_msrinject;
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);
    unsigned int kind = 0;
    int met;

    while (argc == 4 && kind < NR_KINDS && strcmp(argv[3], kinds[kind].name)) {
        kind++;
    }
    if (argc != 4 || kind == NR_KINDS || !xch) {
        fputs("usage: mce DOMID ADDRESS corrected|deferred|uncorrected\n",
              stderr);
        return 2;
    }
    met = kinds[kind].status == UNCORRECTED;

    /* The address alone is one of the domain. */
    msrs->mcinj_flags = MC_MSRINJ_F_INTERPOSE | MC_MSRINJ_F_GPADDR;
    msrs->mcinj_domid = (domid_t)strtoul(argv[1], NULL, 0);
    add(msrs, BANK_STATUS + 1, strtoull(argv[2], NULL, 0));
    if (xc_mca_op(xch, &mc)) {
        perror("mce: address");
        return 1;
    }
    memset(msrs, 0, sizeof(*msrs));
    msrs->mcinj_flags = MC_MSRINJ_F_INTERPOSE;
    add(msrs, BANK_STATUS + 2, 0);
    add(msrs, BANK_STATUS, kinds[kind].status);
    if (met) {
        add(msrs, MCG_STATUS, RESTARTABLE);
    }
    if (xc_mca_op(xch, &mc)) {
        perror("mce: registers");
        return 1;
    }
    if (met) {
        memset(&mc.u, 0, sizeof(mc.u));
        mc.cmd = XEN_MC_mceinject;
        if (xc_mca_op(xch, &mc)) {
            perror("mce: machine check");
            return 1;
        }
    }
    xc_interface_close(xch);
    return 0;
}
