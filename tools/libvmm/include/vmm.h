/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm.h: what all of libvmm's public headers share: errors, classes of
 * requests, the logger.
 *
 * Every fallible function returns 0 or a negative VMM_E_*, from -20001 down.
 * The library never prints, never exits, and takes no locks of its own but
 * where a header says so: each names the thread that may call.
 */
#ifndef VMM_H
#define VMM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum vmm_error {
    VMM_OK = 0,
#define VMM_ERROR(name, value, class, exit_status, text) VMM_E_##name = value,
#include "vmm_errors.def"
#undef VMM_ERROR
};

enum vmm_error_class {
    VMM_ECLASS_NONE = 0,
    VMM_ECLASS_RETRY,
    VMM_ECLASS_PEER,
    VMM_ECLASS_MEDIA,
    VMM_ECLASS_LOCAL,
    VMM_ECLASS_CALLER,
    VMM_ECLASS_NOTSUP,
};

/* Static strings; "unknown error" for what is not a VMM_E_*.  Any thread. */
const char *vmm_error_name(int rc);         /* "VMM_E_IO" */
const char *vmm_error_text(int rc);
enum vmm_error_class vmm_error_class_of(int rc);
const char *vmm_error_class_name(enum vmm_error_class eclass);  /* "media" */
int vmm_error_exit_status(int rc);          /* 0 for 0, 1 for unknown */

/*
 * How urgent a request is, most urgent first.  A request never waits behind
 * one of a higher number longer than the starvation bound demands.
 */
enum vmm_reqclass {
    VMM_REQ_DEMAND = 0,     /* a vCPU waits */
    VMM_REQ_FOREIGN,        /* dom0, a backend or the toolstack waits */
    VMM_REQ_PREFETCH,
    VMM_REQ_EVICT,
    VMM_REQ_PURGE,          /* from NVM to mass storage */
    VMM_NR_REQCLASSES
};
const char *vmm_reqclass_name(enum vmm_reqclass reqclass);  /* "demand" */

enum vmm_log_level {
    VMM_LOG_ERROR, VMM_LOG_WARN, VMM_LOG_INFO, VMM_LOG_DEBUG
};

/*
 * The caller's logger; copied by whoever takes it.  `msg' is one line without
 * a newline, and only valid during the call.  May be called from the thread
 * that called the library.
 */
struct vmm_logger {
    void (*log)(void *user, enum vmm_log_level level, const char *msg);
    void *user;
};

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* VMM_H */
