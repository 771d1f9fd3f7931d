/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* method.h: what the tables of methods are made of; for methods*.c alone. */
#ifndef VMMD_METHOD_H
#define VMMD_METHOD_H

#include "methods.h"

#define METHOD_PARAMS_MAX 10
#define METHODS_ANY (METHODS_STARTING | METHODS_RUNNING | METHODS_STOPPING)

struct method {
    const char *name;           /* NULL: the end of a table */
    void (*fn)(struct methods *methods, struct control_request *request);
    int states;
    const char *params[METHOD_PARAMS_MAX];
};

/* methods_page.c, methods_region.c */
extern const struct method methods_page[];
extern const struct method methods_region[];

/* True, with the request failed, if a parameter is there, and is not fine. */
bool method_bad_param(struct control_request *request, int rc,
                      const char *key);
/*
 * A number of at most `max'; *number_out stays what it is if there is none.
 * False, with the request failed, if it is bad.
 */
bool method_number(struct control_request *request, const char *key,
                   uint64_t max, uint64_t *number_out);

#endif
