/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm_blocks.h: how a process uses a region that vmmd has open, as a block
 * device: the protocol, both ends, and the client.  In libvmmctl.a.
 *
 * A stream socket.  The client sends a vmm_blocks_hello and, with it by
 * SCM_RIGHTS, a memfd sealed against shrinking, through which the data go; the
 * answer is a vmm_blocks_welcome.  Then each vmm_blocks_request is answered by
 * a vmm_blocks_reply, in order.  All is in the host's byte order.  Who speaks
 * on the socket is root, and not trusted.
 *
 * What was written is durable when the reply comes.
 */
#ifndef VMM_BLOCKS_H
#define VMM_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm.h"
#include "vmm_region.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define VMM_BLOCKS_SOCKET "/run/xen/vmmd-blocks.sock"
#define VMM_BLOCKS_MAGIC 0x314b4c4248544e58ull      /* "XNTHBLK1" */
#define VMM_BLOCKS_BUFFER_MAX (64u << 20)

struct vmm_blocks_hello {
    uint64_t magic;
    uint32_t flags;             /* 0 */
    uint32_t buffer_bytes;      /* of the memfd; a multiple of 4 KiB */
    char region[VMM_SNAPSHOT_NAME_BYTES];
    char snapshot[VMM_SNAPSHOT_NAME_BYTES];     /* "": what runs */
};

struct vmm_blocks_welcome {
    uint64_t magic;
    int32_t rc;                 /* 0 or VMM_E_*, after which it hangs up */
    uint32_t read_only;
    uint64_t nr_blocks;
    char text[128];             /* why not */
};

enum vmm_blocks_op {
    VMM_BLOCKS_READ = 1,
    VMM_BLOCKS_WRITE,
    VMM_BLOCKS_DISCARD,         /* they read zeros */
};

/* Data begin at the start of the memfd. */
struct vmm_blocks_request {
    uint32_t op;                /* enum vmm_blocks_op */
    uint32_t _res1;             /* 0 */
    uint64_t first, nr;         /* blocks */
};

struct vmm_blocks_reply {
    int32_t rc;
    uint32_t _res1;
    uint64_t failed;            /* the block */
};

/* The client.  One thread per object; not across fork. */

typedef struct vmm_blocks vmm_blocks;

/*
 * snapshot: NULL or "": what runs.  buffer_bytes: of the largest transfer.
 * `text_out', of 128 bytes, says more of a failure.
 * Errors: VMM_E_PEER: vmmd is not there; VMM_E_PERM; VMM_E_NOENT,
 * VMM_E_BUSY, VMM_E_INVAL of vmmd; VMM_E_NOMEM; VMM_E_LOCAL.
 */
int vmm_blocks_open(const char *socket_path, const char *region,
                    const char *snapshot, uint32_t buffer_bytes,
                    vmm_blocks **blocks_out, char text_out[128]);
void vmm_blocks_close(vmm_blocks *blocks);      /* NULL is fine */

uint64_t vmm_blocks_nr(const vmm_blocks *blocks);
bool vmm_blocks_read_only(const vmm_blocks *blocks);
/*
 * READ fills buf, WRITE takes it, DISCARD ignores it; at most what the buffer
 * holds, but for DISCARD.
 * Errors: VMM_E_PEER: vmmd is gone, and nothing is known; VMM_E_LOST,
 * VMM_E_NOSPC, VMM_E_RANGE, VMM_E_IO: *failed_out, if not NULL, is the block.
 */
int vmm_blocks_transfer(vmm_blocks *blocks, enum vmm_blocks_op op,
                        uint64_t first, uint64_t nr, void *buf,
                        uint64_t *failed_out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* VMM_BLOCKS_H */
