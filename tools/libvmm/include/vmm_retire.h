/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm_retire.h: pages of the machine's memory that are never to be used: the
 * hypervisor's table of them, and the record that outlives it.
 *
 * The hypervisor forgets at each boot.  The record is kept in a folder, in two
 * copies of which the newer good one counts, and as a list that the boot
 * loader hands to the next hypervisor: vmm-retired(5).
 *
 * One thread for each object.  Not across fork.
 */
#ifndef VMM_RETIRE_H
#define VMM_RETIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* The values of XEN_VMM_CAUSE_* (xen/include/public/vmm_retire.h). */
enum vmm_retire_cause {
    VMM_RETIRE_UNKNOWN, VMM_RETIRE_UNCORRECTED, VMM_RETIRE_CORRECTED,
    VMM_RETIRE_ADMIN, VMM_RETIRE_IMPORTED, VMM_RETIRE_NR_CAUSES
};
/* "uncorrected"; "unknown" for what is none. */
const char *vmm_retire_cause_name(enum vmm_retire_cause cause);
/* And back; false, and *cause_out as it was, for a name of none. */
bool vmm_retire_cause_of(const char *name, enum vmm_retire_cause *cause_out);

/* The values of XEN_VMM_PAGE_*. */
enum vmm_retire_state {
    VMM_RETIRE_ABSENT,          /* the hypervisor does not know of it */
    VMM_RETIRE_RETIRED, VMM_RETIRE_PENDING, VMM_RETIRE_OVERLAPS,
    VMM_RETIRE_NOT_RAM, VMM_RETIRE_NR_STATES
};
const char *vmm_retire_state_name(enum vmm_retire_state state);

#define VMM_RETIRE_MFN_BITS 40u
#define VMM_RETIRE_PAGES_MAX (1u << 17)     /* entries of one list */
#define VMM_RETIRE_FIRST_RESERVED 0x7ff0u   /* from here on no domain */
#define VMM_RETIRE_NO_OWNER 0x7ff4u         /* DOMID_INVALID */

struct vmm_retired {
    uint64_t mfn;
    uint64_t time_s;            /* of the last error, since 1970; 0: unknown */
    uint32_t nr_pages;          /* from mfn on, all alike */
    uint32_t nr_errors;
    uint16_t owner_domid;       /* while pending */
    bool broken;                /* its memory failed: not to be touched */
    bool from_boot_list;
    enum vmm_retire_cause cause;
    enum vmm_retire_state state;
};

/* The hypervisor's table. */

typedef struct vmm_machine vmm_machine;

enum vmm_machine_list {         /* the values of XEN_VMM_LIST_* */
    VMM_MACHINE_LIST_NONE, VMM_MACHINE_LIST_TAKEN, VMM_MACHINE_LIST_DAMAGED,
    VMM_MACHINE_LIST_IGNORED, VMM_MACHINE_LIST_TOO_MUCH,
    VMM_MACHINE_NR_LISTS
};
const char *vmm_machine_list_name(enum vmm_machine_list list);

struct vmm_machine_stat {
    uint64_t generation;        /* of the list that this boot was given */
    uint64_t memory_map_hash;
    uint64_t sequence;          /* changes with the table */
    uint64_t boot_list_us, boot_heap_us;
    uint64_t nr_uncorrected, nr_corrected, nr_moved, nr_touched;
    uint64_t nr_unrecorded;
    uint32_t boot_entries;
    enum vmm_machine_list list;
    bool map_changed;
};

struct vmm_machine_change {
    uint64_t mfn;
    bool release;               /* else retire, for `cause' */
    enum vmm_retire_cause cause;
    enum vmm_retire_state state;        /* OUT */
    int rc;                             /* OUT: 0 or VMM_E_* */
};
#define VMM_MACHINE_CHANGES_MAX 1024u

/* VMM_E_NOTSUP: no Xen, or one without page retirement. */
int vmm_machine_open(const struct vmm_logger *logger,
                     vmm_machine **machine_out);
void vmm_machine_close(vmm_machine *machine);   /* NULL is fine */
/*
 * Entries in ascending order, up to nr of them, from page *next_mfn on, which
 * is moved.  *more_out: there are more.
 */
int vmm_machine_list(vmm_machine *machine, uint64_t *next_mfn,
                     struct vmm_retired *entries, uint32_t nr,
                     uint32_t *nr_out, bool *more_out);
/* Each of nr, at most VMM_MACHINE_CHANGES_MAX, has a result of its own. */
int vmm_machine_change(vmm_machine *machine,
                       struct vmm_machine_change *changes, uint32_t nr);
/* Corrected errors of a page within window_s that retire it; 0: never. */
int vmm_machine_set_threshold(vmm_machine *machine, uint32_t threshold,
                              uint32_t window_s);
int vmm_machine_stat(vmm_machine *machine,
                     struct vmm_machine_stat *stat_out);

/* The record. */

typedef struct vmm_record vmm_record;

/*
 * The folder must be there.  list_path: the boot loader's; NULL: none.  A
 * record of which no copy is good is an error, unless there is none at all.
 * Errors: VMM_E_IO, VMM_E_PERM; VMM_E_CHECKSUM, VMM_E_FORMAT, VMM_E_VERSION of
 * the copy that was newer; VMM_E_NOMEM.
 */
int vmm_record_open(const char *dir, const char *list_path,
                    const struct vmm_logger *logger, vmm_record **record_out);
void vmm_record_close(vmm_record *record);      /* NULL is fine */

/*
 * Take over what the hypervisor, or somebody, says of pages; *changed_out if
 * that is news.  In memory only: save() makes it last.  VMM_E_INVAL: no pages;
 * VMM_E_NOSPC: as many entries as a list can have.
 */
int vmm_record_add(vmm_record *record, const struct vmm_retired *entry,
                   bool *changed_out);
/* The page is good.  VMM_E_NOENT: it is not in the record. */
int vmm_record_remove(vmm_record *record, uint64_t mfn);

/*
 * When it returns, it survives a power cut: the copy, then the boot loader's
 * list.  On an error what was saved before is there still.
 * memory_map_hash: of the machine as it is.
 * Errors: VMM_E_NOSPC, VMM_E_IO, VMM_E_NOMEM.
 */
int vmm_record_save(vmm_record *record, uint64_t memory_map_hash);

/* In ascending order; index below nr().  state is VMM_RETIRE_ABSENT. */
uint32_t vmm_record_nr(const vmm_record *record);
void vmm_record_get(const vmm_record *record, uint32_t index,
                    struct vmm_retired *entry_out);
/* Of what was saved last; 0: nothing was. */
uint64_t vmm_record_generation(const vmm_record *record);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
