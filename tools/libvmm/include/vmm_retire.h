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
    bool from_variable;         /* else from a boot module */
    bool module_damaged, variable_damaged;      /* bad ones were there */
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

/*
 * The machine's memory modules, as its firmware names them (SMBIOS, DSP0134).
 * A page is of each module that has a range with it: of several, if they are
 * interleaved, or if the firmware does not say whose a range is.
 */
#define VMM_DIMM_TEXT_BYTES 64u
#define VMM_DIMM_RANGES_MAX 4u
#define VMM_DIMMS_MAX 512u

struct vmm_dimm_range {
    uint64_t first_mfn, nr_pages;       /* nr_pages: at least 1 */
};

struct vmm_dimm {               /* texts are printable; "": not known */
    char locator[VMM_DIMM_TEXT_BYTES];  /* the slot's name */
    char maker[VMM_DIMM_TEXT_BYTES], part[VMM_DIMM_TEXT_BYTES];
    char serial[VMM_DIMM_TEXT_BYTES];   /* "": none that tells it apart */
    uint64_t size_bytes;
    uint32_t nr_ranges;                 /* 0: nobody knows where */
    bool shared;                        /* its ranges may be others' too */
    bool absent;                /* it was in the machine once */
    struct vmm_dimm_range ranges[VMM_DIMM_RANGES_MAX];  /* ascending */
};

/*
 * What a file of SMBIOS structures (Linux: /sys/firmware/dmi/tables/DMI) has
 * of modules.  *dimms_out is the caller's to free.  VMM_E_FORMAT: it is none,
 * or ends early; VMM_E_NOENT: it is not there, or has no modules; VMM_E_RANGE:
 * more than VMM_DIMMS_MAX; VMM_E_IO, VMM_E_PERM, VMM_E_NOMEM.
 */
int vmm_dimms_read(const char *path, struct vmm_dimm **dimms_out,
                   uint32_t *nr_out);
/* Both have serials, and are one module. */
bool vmm_dimm_same(const struct vmm_dimm *a, const struct vmm_dimm *b);
/* How many of these pages the module has. */
uint64_t vmm_dimm_pages(const struct vmm_dimm *dimm, uint64_t mfn,
                        uint64_t nr_pages);

/* The record. */

typedef struct vmm_record vmm_record;

/* What was in the record once. */
enum vmm_retire_reason {
    VMM_RETIRE_RELEASED,        /* somebody said so */
    VMM_RETIRE_REPLACED,        /* its module is not there any more */
    VMM_RETIRE_NR_REASONS
};
const char *vmm_retire_reason_name(enum vmm_retire_reason reason);

#define VMM_RETIRE_NO_DIMM UINT16_MAX
#define VMM_RETIRE_PAST_MAX 4096u       /* the oldest go */
struct vmm_retired_past {
    uint64_t mfn, time_s, released_s;
    uint32_t nr_pages, nr_errors;
    uint16_t dimm;              /* index; VMM_RETIRE_NO_DIMM: not known */
    enum vmm_retire_cause cause;
    enum vmm_retire_reason reason;
};

/*
 * The folder must be there.  list_path: the boot loader's; NULL: none.
 * with_variable: EFI's variable gets the list too, if there is EFI.  A record
 * of which no copy is good is an error, unless there is none at all.
 * Errors: VMM_E_IO, VMM_E_PERM; VMM_E_CHECKSUM, VMM_E_FORMAT, VMM_E_VERSION of
 * the copy that was newer; VMM_E_NOMEM.
 */
int vmm_record_open(const char *dir, const char *list_path,
                    bool with_variable, const struct vmm_logger *logger,
                    vmm_record **record_out);
void vmm_record_close(vmm_record *record);      /* NULL is fine */

/*
 * Take over what the hypervisor, or somebody, says of pages; *changed_out if
 * that is news.  In memory only: save() makes it last.  VMM_E_INVAL: no pages;
 * VMM_E_NOSPC: as many entries as a list can have.
 */
int vmm_record_add(vmm_record *record, const struct vmm_retired *entry,
                   bool *changed_out);
/*
 * The page is good; now_s: since 1970, for the history.  VMM_E_NOENT: it is
 * not in the record.
 */
int vmm_record_remove(vmm_record *record, uint64_t mfn, uint64_t now_s);

/*
 * What modules there are now; the pages follow them.
 *
 *   gone       all modules that a page may be of: it goes to the history
 *   elsewhere  its only module: it goes along
 *   back       what the history has of it is retired again
 *   doubtful   modules have other ranges, and nobody knows which page it is
 *              now: it stays as it is
 *
 * Modules are told apart by maker, part and serial; a page of one without a
 * serial, or of none that is known, stays as it is, and with a module that has
 * no serial in the machine none is taken to be gone.  Counts are of pages.  In
 * memory only.  VMM_E_NOSPC, VMM_E_NOMEM: nothing has changed.
 */
struct vmm_dimm_changes {
    uint64_t nr_gone, nr_elsewhere, nr_back, nr_doubtful;
    bool any;                   /* also if only the table is another one */
};
int vmm_record_set_dimms(vmm_record *record, const struct vmm_dimm *dimms,
                         uint32_t nr, uint64_t now_s,
                         struct vmm_dimm_changes *changes_out);

/*
 * When it returns, it survives a power cut: the boot loader's list, EFI's
 * variable, then the copy, which is written also if the list cannot be.  On an
 * error what was saved before is there still.
 * memory_map_hash: of the machine as it is.
 * Errors: VMM_E_NOSPC, VMM_E_IO, VMM_E_NOMEM.
 */
int vmm_record_save(vmm_record *record, uint64_t memory_map_hash);

/* In ascending order; index below nr().  state is VMM_RETIRE_ABSENT. */
uint32_t vmm_record_nr(const vmm_record *record);
void vmm_record_get(const vmm_record *record, uint32_t index,
                    struct vmm_retired *entry_out);
/* Whether the page is in it. */
bool vmm_record_has(const vmm_record *record, uint64_t mfn);
/* Of what was saved last; 0: nothing was. */
uint64_t vmm_record_generation(const vmm_record *record);
/* Modules, those in the history included; and the history, oldest first. */
uint32_t vmm_record_nr_dimms(const vmm_record *record);
const struct vmm_dimm *vmm_record_dimm(const vmm_record *record,
                                       uint32_t index);
uint32_t vmm_record_nr_past(const vmm_record *record);
const struct vmm_retired_past *vmm_record_past(const vmm_record *record,
                                               uint32_t index);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
