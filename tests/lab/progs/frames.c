/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * frames.c: which domain's page is each frame of the machine?  Asked of the
 * table of them that Xen keeps for its guests, which knows nothing of pages
 * that are retired.  The frames on standard input are to be nobody's.
 *
 *   frames <LINES           a line: FIRST [NR]
 *
 * Exit status 1 if one of them is somebody's.
 */
#include <inttypes.h>
#include <stdio.h>

#include <sys/mman.h>

#include <xenctrl.h>
#include <xenguest.h>

/* What Xen puts where there is none is all beyond. */
#define GFN_BITS 40
#define SHOWN 5

int main(void)
{
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);
    unsigned long max_mfn, mfn, first, nr, listed = 0, bad = 0;
    xen_pfn_t *m2p;
    char line[80];

    if (!xch || xc_maximum_ram_page(xch, &max_mfn)) {
        perror("frames: the machine's memory");
        return 2;
    }
    m2p = xc_map_m2p(xch, max_mfn, PROT_READ, NULL);
    if (!m2p) {
        perror("frames: the table of frames");
        return 2;
    }
    while (fgets(line, sizeof(line), stdin)) {
        nr = 1;
        if (sscanf(line, "%li %li", &first, &nr) < 1) {
            fprintf(stderr, "frames: what is %s", line);
            return 2;
        }
        for (mfn = first; mfn < first + nr && mfn < max_mfn; mfn++) {
            listed++;
            if (m2p[mfn] >> GFN_BITS) {
                continue;
            }
            if (bad++ < SHOWN) {
                printf("frame 0x%lx is gfn 0x%" PRIx64 " of somebody\n", mfn,
                       (uint64_t)m2p[mfn]);
            }
        }
    }
    printf("listed=%lu owned=%lu\n", listed, bad);
    xc_interface_close(xch);
    return bad != 0;
}
