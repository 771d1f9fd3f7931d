/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream.h: all of something over a stream socket that blocks. */
#ifndef VMM_BASE_STREAM_H
#define VMM_BASE_STREAM_H

#include <stdbool.h>
#include <stddef.h>

/* False, with errno, if the other end is gone. */
bool vmm__send_all(int fd, const void *data, size_t len_bytes);
/* False if it is gone (errno 0), or said nothing within SO_RCVTIMEO. */
bool vmm__recv_all(int fd, void *data, size_t len_bytes);
/*
 * A socket for root alone, that does not block, in place of what is at `path'.
 * VMM_E_LOCAL, with errno; VMM_E_RANGE: the path is too long for one.
 */
int vmm__listen(const char *path, int *fd_out);

#endif
