/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm_ctl.h: the control protocol of vmmd, both ends.  In libvmmctl.a, which
 * needs no Xen and no device.
 *
 * A stream socket carries JSON objects, one a line:
 *
 *     vmmd:    {"vmmd":"1.0","protocol":1}                     first of all
 *     client:  {"id":7,"method":"tier-off","params":{"domain":"mail"}}
 *     vmmd:    {"id":7,"progress":{...}}                       perhaps, often
 *     vmmd:    {"id":7,"result":{...}}                         or
 *     vmmd:    {"id":7,"error":{"name":"VMM_E_NOENT","class":"caller",
 *                               "message":"..."}}
 *
 * `id' is a number or a string of the client's and comes back as it was; it
 * is null in the answer to a line in which none was found.  Answers come in
 * any order.  A line to vmmd is at most VMM_CTL_LINE_MAX bytes with its
 * newline.  What a result says is durable.  Clients skip members that they do
 * not know; vmmd refuses them.  The methods are in vmmd(8).
 *
 * Functions are for one thread per object.  Not across fork.
 */
#ifndef VMM_CTL_H
#define VMM_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm.h"
#include "vmm_pager.h"
#include "vmm_region.h"
#include "vmm_retire.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define VMM_CTL_PROTOCOL 1
#define VMM_CTL_SOCKET "/run/xen/vmmd.sock"
#define VMM_CTL_LINE_MAX 65536u
/* A line from vmmd. */
#define VMM_CTL_REPLY_MAX (16u << 20)

/* JSON texts, read and written: format/json.h. */
struct vmm__json;
struct vmm__json_value;
struct vmm__json_out;

/* A session, as vmmd tells of it. */
enum vmm_ctl_session_state {
    VMM_CTL_SESSION_OPENING = 0,
    VMM_CTL_SESSION_ACTIVE,
    VMM_CTL_SESSION_DRAINING,
    VMM_CTL_SESSION_CLOSING,
    VMM_CTL_SESSION_FAILED,     /* left by a predecessor, not taken up */
    VMM_CTL_NR_SESSION_STATES
};
const char *vmm_ctl_session_state_name(enum vmm_ctl_session_state state);

struct vmm_ctl_tier {
    uint32_t domid;
    const char *name;           /* of the domain; "" if it has none */
    const char *uuid;
    const char *store;
    enum vmm_ctl_session_state state;
    int failed_rc;              /* why, of VMM_CTL_SESSION_FAILED */
    bool has_stat;              /* stat below is filled in */
    struct vmm_pager_stat stat;
};

/* For people: "active", or what is the matter. */
const char *vmm_ctl_tier_state(const struct vmm_ctl_tier *tier);

/* As members of an object that is open in `out'. */
void vmm_ctl_put_tier(struct vmm__json_out *out,
                      const struct vmm_ctl_tier *tier);
/* Strings stay in the document.  Errors: VMM_E_FORMAT. */
int vmm_ctl_get_tier(const struct vmm__json_value *value,
                     struct vmm_ctl_tier *tier_out);

/* A region, as vmmd tells of it. */
enum vmm_ctl_region_state {
    VMM_CTL_REGION_OPENING = 0,
    VMM_CTL_REGION_OPEN,
    VMM_CTL_REGION_CHECKING,    /* nobody can use it meanwhile */
    VMM_CTL_REGION_FAILED,      /* it cannot be opened */
    VMM_CTL_NR_REGION_STATES
};
const char *vmm_ctl_region_state_name(enum vmm_ctl_region_state state);

struct vmm_ctl_region {
    const char *name;
    const char *uuid;           /* "" while it is not known */
    const char *nvm;            /* path of the file, or device-dax */
    const char *storage;        /* path; "" if it has none */
    enum vmm_ctl_region_state state;
    int failed_rc;              /* why, of VMM_CTL_REGION_FAILED */
    bool has_domid;             /* a domain is paged into it: */
    uint32_t domid;
    uint32_t nr_exports;        /* clients that have it as a block device */
    uint64_t purge_bytes_per_s; /* at most; 0: no limit */
    uint32_t purge_low_percent; /* of NVM free: purging begins below */
    uint32_t purge_high_percent;    /* ... and ends above */
    bool has_stat;              /* stat below is filled in */
    struct vmm_region_stat stat;
};
void vmm_ctl_put_region(struct vmm__json_out *out,
                        const struct vmm_ctl_region *region);
/* Strings stay in the document.  Errors: VMM_E_FORMAT. */
int vmm_ctl_get_region(const struct vmm__json_value *value,
                       struct vmm_ctl_region *region_out);

/*
 * The running state, or a snapshot; region-stat has them in the member
 * "points" of a region, the running state first.
 */
struct vmm_ctl_region_point {
    const char *name;           /* "": what runs */
    const char *parent;         /* "": it has none that is still there */
    uint64_t created_s;         /* since 1970; 0 of what runs */
    struct vmm_region_usage usage;
};
void vmm_ctl_put_region_point(struct vmm__json_out *out,
                              const struct vmm_ctl_region_point *point);
int vmm_ctl_get_region_point(const struct vmm__json_value *value,
                             struct vmm_ctl_region_point *point_out);

/* Retired pages; page-list has them in the member "pages". */
void vmm_ctl_put_page(struct vmm__json_out *out,
                      const struct vmm_retired *page);
int vmm_ctl_get_page(const struct vmm__json_value *value,
                     struct vmm_retired *page_out);

/*
 * Memory modules and what is known of their pages; page-stat has them in
 * "dimms".  A page that may be of several counts for each.
 */
struct vmm_ctl_dimm {
    struct vmm_dimm dimm;
    uint64_t nr_pages, nr_errors;       /* as recorded */
    uint64_t nr_pending;                /* of nr_pages: still in use */
    uint64_t nr_past;                   /* pages of the history */
};
void vmm_ctl_put_dimm(struct vmm__json_out *out,
                      const struct vmm_ctl_dimm *dimm);
int vmm_ctl_get_dimm(const struct vmm__json_value *value,
                     struct vmm_ctl_dimm *dimm_out);

/* The history; page-stat has the newest part of it in "past". */
#define VMM_CTL_PAST_MAX 1000u
void vmm_ctl_put_past(struct vmm__json_out *out,
                      const struct vmm_retired_past *past);
int vmm_ctl_get_past(const struct vmm__json_value *value,
                     struct vmm_retired_past *past_out);

/* What page-stat answers; sequence and hash stay with vmmd. */
struct vmm_ctl_page_stat {
    struct vmm_machine_stat machine;
    uint64_t generation;        /* of the record */
    uint32_t nr_recorded, nr_past;      /* entries in it, and once */
};
void vmm_ctl_put_page_stat(struct vmm__json_out *out,
                           const struct vmm_ctl_page_stat *stat);
int vmm_ctl_get_page_stat(const struct vmm__json_value *value,
                          struct vmm_ctl_page_stat *stat_out);

/* "retry", and back from "VMM_E_IO"; VMM_E_LOCAL for a name not known. */
const char *vmm_ctl_class_name(enum vmm_error_class error_class);
int vmm_ctl_error_of(const char *name);

/* vmmd's end. */

struct vmm_ctl_request {
    struct vmm__json *json;             /* owns the rest */
    const struct vmm__json_value *id;   /* NULL: there is none */
    const char *method;
    const struct vmm__json_value *params;   /* an object, or NULL */
};

/*
 * Read a line, without its newline.  On failure too, `request_out' holds the
 * id if there was one, and is to be disposed of; `why_out' is a static text.
 * Errors: VMM_E_FORMAT, VMM_E_RANGE, VMM_E_NOMEM.
 */
int vmm_ctl_request_parse(const char *line, size_t len_bytes,
                          struct vmm_ctl_request *request_out,
                          const char **why_out);
void vmm_ctl_request_dispose(struct vmm_ctl_request *request);

/* The client's end. */

typedef struct vmm_ctl vmm_ctl;

/*
 * Connect and read the greeting.  vmm_ctl_message() says more of a failure,
 * as `ctl_out' is written in any case but that of VMM_E_NOMEM.
 * Errors: VMM_E_PEER     nobody there, or not answering
 *         VMM_E_PERM     not for this user
 *         VMM_E_VERSION  it speaks another protocol
 *         VMM_E_FORMAT   it is something else
 */
int vmm_ctl_open(const char *socket_path, vmm_ctl **ctl_out);
void vmm_ctl_close(vmm_ctl *ctl);       /* NULL is fine */

/* What went wrong in the last call; in words, without a newline. */
const char *vmm_ctl_message(const vmm_ctl *ctl);

typedef void vmm_ctl_progress_fn(void *user,
                                 const struct vmm__json_value *progress);

/*
 * Call a method and wait for its end.
 *
 *   params      what was put together so far must be one object; consumed.
 *               NULL: out of memory
 *   progress    called for each notification; may be NULL
 *   reply_out   the document, the caller's to free
 *   result_out  in it
 *
 * Errors: VMM_E_PEER, VMM_E_FORMAT, VMM_E_NOMEM, and what vmmd answers.
 */
int vmm_ctl_call(vmm_ctl *ctl, const char *method,
                 struct vmm__json_out *params,
                 vmm_ctl_progress_fn *progress, void *user,
                 struct vmm__json **reply_out,
                 const struct vmm__json_value **result_out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* VMM_CTL_H */
