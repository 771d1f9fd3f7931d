/* SPDX-License-Identifier: MIT */
/*
 * vmm_retire.h: pages of the machine's memory that are never to be used.
 *
 * This is the ABI between the hypervisor's hvm-hooks, the boot loader's module
 * and the tools.  The hypervisor keeps a table of the pages that are, or are
 * to be, retired: those of the boot module, those whose memory failed, those
 * that the control domain names.  Nothing of it outlives a boot by itself: the
 * control domain reads the table and writes the next boot's module.
 *
 * Calling convention:
 *     HYPERVISOR_memory_op(XENMEM_vmm_retire_op, struct xen_vmm_retire_op *op)
 * The caller is the control domain (XSM: xsm_vmm_retire, XSM_PRIV).  The
 * operand must be zeroed apart from the members that a command reads.
 * Commands over several items are preemptible: they keep their progress in
 * `done' and are continued by the hypervisor; the caller sets it to 0.
 */
#ifndef __XEN_PUBLIC_VMM_RETIRE_H__
#define __XEN_PUBLIC_VMM_RETIRE_H__

#include "xen.h"

/* Out of the way of the numbers that upstream takes one by one. */
#define XENMEM_vmm_retire_op            61

#define XEN_VMM_RETIRE_VERSION          1

/*
 * The list that a boot loader hands over, as a module of its own.
 *
 * All numbers are little-endian.  The entries follow the header, in ascending
 * order, and do not overlap.  size_bytes covers both; what a boot loader puts
 * after it (padding) is ignored.  The checksum is XXH64 with seed 0 of all of
 * size_bytes, with the checksum itself taken as 0.  A list with any other
 * contents is rejected as a whole: the hypervisor boots without it and says
 * so, on its console and to stat.
 *
 * The same list may be in a variable of EFI, for a boot loader that knows no
 * modules, or a disk that is lost: by XEN_VMM_RETIRE_VARIABLE and the GUID, of
 * at most XEN_VMM_RETIRE_VARIABLE_BYTES.  Of two that are good the one of the
 * higher generation is taken, the module if both have the same.
 *
 * memory_map_hash is that of stat at the time the list was written, or 0.  If
 * the machine's is another one the pages are reserved all the same, and stat
 * tells: what is written down may be that of another arrangement of memory.
 */
#define XEN_VMM_RETIRE_MAGIC            0x4552495445524d56ULL /* "VMRETIRE" */
#define XEN_VMM_RETIRE_ENTRIES_MAX      (1u << 17)
#define XEN_VMM_RETIRE_MFN_BITS         40
#define XEN_VMM_RETIRE_VARIABLE         "XenRetiredPages"
/* 7ae4de9a-1ef4-4f3e-ba9d-6a0c8e1f5c27, as EFI_GUID */
#define XEN_VMM_RETIRE_GUID \
    { 0x7ae4de9a, 0x1ef4, 0x4f3e, \
      { 0xba, 0x9d, 0x6a, 0x0c, 0x8e, 0x1f, 0x5c, 0x27 } }
#define XEN_VMM_RETIRE_VARIABLE_BYTES   32768

struct xen_vmm_retire_list {
    uint64_t magic;
    uint32_t version;                   /* XEN_VMM_RETIRE_VERSION */
    uint32_t nr_entries;                /* at most XEN_VMM_RETIRE_ENTRIES_MAX */
    uint64_t size_bytes;
    uint64_t generation;                /* the writer's; for the reader of stat */
    uint64_t memory_map_hash;
    uint64_t checksum;
};

struct xen_vmm_retire_entry {
    uint64_t mfn;
    uint32_t nr_pages;                  /* at least 1 */
    uint8_t cause;                      /* XEN_VMM_CAUSE_* */
    uint8_t _res1[3];                   /* 0 */
};

/* Why a page is retired. */
#define XEN_VMM_CAUSE_UNKNOWN           0
#define XEN_VMM_CAUSE_UNCORRECTED       1 /* an uncorrected error */
#define XEN_VMM_CAUSE_CORRECTED         2 /* too many corrected ones */
#define XEN_VMM_CAUSE_ADMIN             3 /* somebody said so */
#define XEN_VMM_CAUSE_IMPORTED          4 /* a memory test, or another list */
#define XEN_VMM_NR_CAUSES               5

/* Operands are for the hypervisor and its tools. */
#if defined(__XEN__) || defined(__XEN_TOOLS__)

/* Commands. */
#define XEN_VMM_RETIRE_list             1
#define XEN_VMM_RETIRE_change           2
#define XEN_VMM_RETIRE_config           3
#define XEN_VMM_RETIRE_stat             4

/* What has become of a page. */
#define XEN_VMM_PAGE_RETIRED            1 /* nobody has it, nobody will */
#define XEN_VMM_PAGE_PENDING            2 /* in use; retired once it is free */
#define XEN_VMM_PAGE_OVERLAPS           3 /* Xen, a boot module, or a crash
                                             kernel lies there */
#define XEN_VMM_PAGE_NOT_RAM            4 /* no RAM that Xen hands out */

/*
 * A page that is retired or to be, or several that are neighbours and alike.
 * time_s is that of the wall clock at the last error, or when somebody retired
 * it, 0 for entries of the boot list.  nr_errors: since boot.
 */
struct xen_vmm_retired {
    uint64_aligned_t mfn;
    uint64_aligned_t time_s;
    uint32_t nr_pages;
    uint32_t nr_errors;
    uint8_t cause;                      /* XEN_VMM_CAUSE_* */
    uint8_t state;                      /* XEN_VMM_PAGE_* */
    uint16_t owner;                     /* PENDING: domid, or DOMID_XEN,
                                           DOMID_INVALID if there is none */
#define XEN_VMM_RETIRED_BROKEN          (1u << 0) /* touching it is fatal */
#define XEN_VMM_RETIRED_BOOT            (1u << 1) /* of the boot list */
    uint32_t flags;
};
typedef struct xen_vmm_retired xen_vmm_retired_t;
DEFINE_XEN_GUEST_HANDLE(xen_vmm_retired_t);

/*
 * list: entries from page `first_mfn' on, in ascending order.
 *
 * sequence changes with every change of the table or of an entry's errors; the
 * caller that was preempted, or comes back for more, sees by it whether what
 * it has is of one moment.
 */
struct xen_vmm_retire_list_op {
    uint64_aligned_t first_mfn;         /* IN; OUT: where to go on */
    uint64_aligned_t sequence;          /* OUT */
    uint32_t nr;                        /* IN: room in entries */
    uint32_t done;                      /* IN: 0; OUT: entries written */
    uint32_t more;                      /* OUT: there are more from first_mfn */
    uint32_t _res1;
    XEN_GUEST_HANDLE_64(xen_vmm_retired_t) entries; /* OUT */
};

/*
 * change: retire pages, or let them be used again.
 *
 * Each item has its own result: 0 or a negative errno value, and with 0 the
 * state.
 *
 *   RETIRE   page by page: a free one is taken off the heap; the contents of
 *            one that an HVM or PVH domain owns are moved to another page; any
 *            other stays PENDING.  Repeating it tries to move it again.
 *            -EINVAL: no RAM; -EPERM: Xen's own; -ENOSPC: the table is full
 *   RELEASE  -ENOENT: not in the table; -EBUSY: PENDING and broken, so that
 *            its owner still has it
 */
#define XEN_VMM_CHANGE_RETIRE           1
#define XEN_VMM_CHANGE_RELEASE          2
#define XEN_VMM_CHANGE_NR_MAX           1024
struct xen_vmm_change {
    uint64_aligned_t mfn;               /* IN */
    uint8_t action;                     /* IN: XEN_VMM_CHANGE_* */
    uint8_t cause;                      /* IN: RETIRE */
    uint8_t state;                      /* OUT: XEN_VMM_PAGE_*, 0: released */
    uint8_t _res1;                      /* IN: 0 */
    int32_t result;                     /* OUT */
};
typedef struct xen_vmm_change xen_vmm_change_t;
DEFINE_XEN_GUEST_HANDLE(xen_vmm_change_t);

struct xen_vmm_change_op {
    uint32_t nr;                        /* IN: at most XEN_VMM_CHANGE_NR_MAX */
    uint32_t done;                      /* IN: 0; OUT: items handled */
    XEN_GUEST_HANDLE_64(xen_vmm_change_t) items; /* IN, OUT */
};

/*
 * config: when a page with corrected errors is retired.
 *
 * A leaky bucket per page: each error adds one, window_s lets threshold leak
 * away.  0 as the threshold: never.
 */
struct xen_vmm_config_op {
#define XEN_VMM_CONFIG_SET              (1u << 0)
    uint32_t flags;                     /* IN */
    uint32_t ce_threshold;              /* IN with SET; OUT */
    uint32_t ce_window_s;               /* IN with SET: 1 to 10^7; OUT */
    uint32_t _res1;
};

/* stat: of the boot, and since. */
#define XEN_VMM_LIST_NONE               0 /* no list was handed over */
#define XEN_VMM_LIST_TAKEN              1
#define XEN_VMM_LIST_DAMAGED            2 /* magic, but not what follows */
#define XEN_VMM_LIST_IGNORED            3 /* retire=no */
#define XEN_VMM_LIST_TOO_MUCH           4 /* most areas of 2 MiB have one */
struct xen_vmm_retire_stat {
    uint64_aligned_t generation;        /* of the list that was taken */
    uint64_aligned_t memory_map_hash;   /* of this boot; never 0 */
    uint64_aligned_t sequence;
    uint64_aligned_t boot_list_us;      /* time that the list cost the boot */
    uint64_aligned_t boot_heap_us;      /* and the building of the heap */
    uint64_aligned_t nr_uncorrected;    /* errors since boot, by what they */
    uint64_aligned_t nr_corrected;      /* were ... */
    uint64_aligned_t nr_moved;          /* pages whose contents were moved */
    uint64_aligned_t nr_touched;        /* accesses to lost pages told guests */
    uint64_aligned_t nr_unrecorded;     /* errors that found the table full */
    uint32_t boot_entries;              /* in the list that was taken */
    uint8_t list;                       /* XEN_VMM_LIST_* */
    uint8_t map_changed;                /* the list is of another memory map */
#define XEN_VMM_SOURCE_MODULE           0
#define XEN_VMM_SOURCE_VARIABLE         1
    uint8_t source;                     /* of the list that was taken */
    uint8_t damaged;                    /* bits: sources that had a bad one */
};

struct xen_vmm_retire_op {
    uint32_t interface_version;         /* IN: XEN_VMM_RETIRE_VERSION */
    uint32_t cmd;                       /* IN: XEN_VMM_RETIRE_* */
    union {
        struct xen_vmm_retire_list_op list;
        struct xen_vmm_change_op change;
        struct xen_vmm_config_op config;
        struct xen_vmm_retire_stat stat;
        uint8_t pad[120];
    } u;
};
typedef struct xen_vmm_retire_op xen_vmm_retire_op_t;
DEFINE_XEN_GUEST_HANDLE(xen_vmm_retire_op_t);

#endif /* __XEN__ || __XEN_TOOLS__ */

#endif /* __XEN_PUBLIC_VMM_RETIRE_H__ */
