/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fault.h: a bdev that fails, delays, tears and reorders, on purpose.  For
 * tests; not in the library.
 *
 * A spec is a list of points, with commas:
 *
 *     bdev.<read|write|any>.<what>[.once][:after=N][:every=N][:for=N]
 *
 *     fail     the transfer is not made and is VMM_E_IO
 *     nospc    ... VMM_E_NOSPC
 *     again    submit() says VMM_E_AGAIN
 *     short    the first half of it is made, then VMM_E_IO
 *     torn     the first half of it is made, and called a success
 *     delay    made, and reported `for' calls of reap() later (8)
 *     reorder  made; those complete within `for' calls of reap() (8) are
 *              reported together, the last first
 *
 * after: that many go well first (0); every: then each Nth (1); once: one
 * alone.  The first point that applies to an io is what happens to it.
 * For example "bdev.read.fail.once:after=10,bdev.write.nospc:every=3".
 */
#ifndef VMM_PORT_FAULT_H
#define VMM_PORT_FAULT_H

#include "table/bdev.h"

/* `inner' stays the caller's.  VMM_E_FORMAT: spec; VMM_E_NOMEM. */
int vmm__fault_open(const struct vmm__bdev *inner, const char *spec,
                    struct vmm__bdev *bdev_out);
/* Nothing may be in flight. */
void vmm__fault_close(struct vmm__bdev *bdev);

#endif
