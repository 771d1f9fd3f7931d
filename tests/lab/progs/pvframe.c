/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvframe.c: the machine's frame of a page of a PV domain.
 *
 *   pvframe DOMID PFN
 */
#include <stdio.h>
#include <stdlib.h>

#include <xenctrl.h>
#include <xenguest.h>

int main(int argc, char **argv)
{
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);
    struct xc_domain_meminfo info = { 0 };
    unsigned long pfn;

    if (argc != 3 || !xch) {
        fputs("usage: pvframe DOMID PFN\n", stderr);
        return 2;
    }
    pfn = strtoul(argv[2], NULL, 0);
    if (xc_map_domain_meminfo(xch, (uint32_t)strtoul(argv[1], NULL, 0),
                              &info) || pfn >= info.p2m_size) {
        fputs("pvframe: no such domain, or page\n", stderr);
        return 1;
    }
    printf("0x%lx\n", (unsigned long)((xen_pfn_t *)info.p2m_table)[pfn]);
    xc_unmap_domain_meminfo(xch, &info);
    xc_interface_close(xch);
    return 0;
}
