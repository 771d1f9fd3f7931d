/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json.h: JSON texts, read and written.
 *
 * Reading takes a text from anybody: nesting and the number of values are
 * limited, strings are UTF-8 without NUL, a key occurs once in an object,
 * integers keep all 64 bits.  Values live as long as their document.
 * Writing never fails half-way: an error is kept, and told at the end.
 * One thread for each object.
 *
 * Source: RFC 8259.
 */
#ifndef VMM_FORMAT_JSON_H
#define VMM_FORMAT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMM__JSON_DEPTH_MAX 64
#define VMM__JSON_VALUES_MAX 65536
#define VMM__JSON_MEMBERS_MAX 256        /* of one object */

enum vmm__json_type {
    VMM__JSON_NULL = 0,
    VMM__JSON_BOOL,
    VMM__JSON_NUMBER,
    VMM__JSON_STRING,
    VMM__JSON_ARRAY,
    VMM__JSON_OBJECT,
};

struct vmm__json;               /* a document */
struct vmm__json_value;         /* something in it */

/*
 * One text, with white space around it.  Errors: VMM_E_FORMAT, VMM_E_RANGE
 * (nested too deep, too many values), VMM_E_NOMEM.
 */
int vmm__json_parse(const char *text, size_t len_bytes,
                    struct vmm__json **json_out);
void vmm__json_free(struct vmm__json *json);    /* NULL is fine */
const struct vmm__json_value *vmm__json_root(const struct vmm__json *json);

/* A member that is not there (NULL) is one that is null, and has nothing. */
enum vmm__json_type vmm__json_type(const struct vmm__json_value *value);
/* Members of an object, elements of an array; else 0. */
uint32_t vmm__json_nr(const struct vmm__json_value *value);
/* index below vmm__json_nr().  The key is NULL in an array. */
const struct vmm__json_value *vmm__json_at(const struct vmm__json_value *value,
                                           uint32_t index);
const char *vmm__json_key_at(const struct vmm__json_value *value,
                             uint32_t index);
/* NULL if there is no such member, or `value' is not an object, or NULL. */
const struct vmm__json_value *
vmm__json_member(const struct vmm__json_value *value, const char *key);

/*
 * What a value is, or what a member is.  Errors: VMM_E_NOENT, no such member;
 * VMM_E_FORMAT, of another type, or a number that is not an integer;
 * VMM_E_RANGE, an integer that does not fit.
 */
int vmm__json_as_u64(const struct vmm__json_value *value, uint64_t *out);
int vmm__json_get_u64(const struct vmm__json_value *object, const char *key,
                      uint64_t *out);
int vmm__json_get_i64(const struct vmm__json_value *object, const char *key,
                      int64_t *out);
int vmm__json_get_bool(const struct vmm__json_value *object, const char *key,
                       bool *out);
int vmm__json_get_string(const struct vmm__json_value *object,
                         const char *key, const char **out);

struct vmm__json_out;

/* NULL without memory, and all functions below take NULL. */
struct vmm__json_out *vmm__json_out_new(bool pretty);
void vmm__json_out_free(struct vmm__json_out *out);

/*
 * `key' is NULL in an array and at the top.  A string is checked to be UTF-8;
 * one that is not (it came from outside) is written with its bad bytes as
 * question marks.
 */
void vmm__json_put_object(struct vmm__json_out *out, const char *key);
void vmm__json_end_object(struct vmm__json_out *out);
void vmm__json_put_array(struct vmm__json_out *out, const char *key);
void vmm__json_end_array(struct vmm__json_out *out);
void vmm__json_put_u64(struct vmm__json_out *out, const char *key,
                       uint64_t number);
void vmm__json_put_i64(struct vmm__json_out *out, const char *key,
                       int64_t number);
void vmm__json_put_bool(struct vmm__json_out *out, const char *key, bool flag);
void vmm__json_put_null(struct vmm__json_out *out, const char *key);
void vmm__json_put_string(struct vmm__json_out *out, const char *key,
                          const char *string);
/* A copy of something that was read. */
void vmm__json_put_value(struct vmm__json_out *out, const char *key,
                         const struct vmm__json_value *value);

/*
 * Frees `out'.  The text is the caller's, ends in NUL, and is one line unless
 * `pretty'.  VMM_E_NOMEM; VMM_E_INVAL if it was not put together properly.
 */
int vmm__json_out_finish(struct vmm__json_out *out, char **text_out,
                         size_t *len_bytes_out);

#endif
