/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json.c: JSON texts, read and written; see json.h. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

#include "format/json.h"
#include "include/vmm.h"

/* Reading: values in an array, tied together by index; strings in a heap. */

#define NONE UINT32_MAX

struct vmm__json_value {
    struct vmm__json *json;
    enum vmm__json_type type;
    bool flag;
    uint32_t text, key;         /* offsets into json->heap, or NONE */
    uint32_t first, last, next; /* indices into json->values, or NONE */
    uint32_t nr;
};

struct vmm__json {
    struct vmm__json_value *values;
    uint32_t nr_values, max_values;
    char *heap;
    size_t heap_used, heap_bytes;
    /* While parsing. */
    uint32_t open[VMM__JSON_DEPTH_MAX];
    uint32_t depth;
    uint32_t key;
    int rc;
};

/* Bytes of the UTF-8 sequence at `s', 0 if it is none.  RFC 3629. */
static size_t utf8_len(const unsigned char *s)
{
    size_t len, i;

    if (s[0] < 0x80) {
        return 1;
    }
    len = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3
          : s[0] < 0xf5 ? 4 : 0;
    for (i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    /* Overlong, surrogates, and past the last code point. */
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) {
        return 0;
    }
    return len;
}

/* yajl lets overlong sequences and surrogates through. */
static bool is_text(const char *text, size_t len)
{
    const char *end = text + len;
    size_t step;

    /* A sequence that is cut short runs into the NUL at `end'. */
    for (; text < end && *text; text += step) {
        step = utf8_len((const unsigned char *)text);
        if (!step) {
            return false;
        }
    }
    return text == end;
}

static int stop(struct vmm__json *json, int rc)
{
    json->rc = rc;
    return 0;
}

static uint32_t heap_add(struct vmm__json *json, const void *text, size_t len)
{
    size_t need = json->heap_used + len + 1;
    uint32_t at;

    if (need > json->heap_bytes) {
        size_t bytes = json->heap_bytes ? json->heap_bytes * 2 : 1024;
        char *heap;

        if (bytes < need) {
            bytes = need;
        }
        heap = bytes < NONE ? realloc(json->heap, bytes) : NULL;
        if (!heap) {
            json->rc = VMM_E_NOMEM;
            return NONE;
        }
        json->heap = heap;
        json->heap_bytes = bytes;
    }
    at = (uint32_t)json->heap_used;
    memcpy(json->heap + at, text, len);
    json->heap[at + len] = '\0';
    json->heap_used = need;
    return at;
}

/* NULL: json->rc says why. */
static struct vmm__json_value *add(struct vmm__json *json,
                                   enum vmm__json_type type)
{
    struct vmm__json_value *value;
    uint32_t index = json->nr_values;

    if (index == json->max_values) {
        uint32_t max = json->max_values ? json->max_values * 2 : 32;

        if (index == VMM__JSON_VALUES_MAX) {
            json->rc = VMM_E_RANGE;
            return NULL;
        }
        if (max > VMM__JSON_VALUES_MAX) {
            max = VMM__JSON_VALUES_MAX;
        }
        value = realloc(json->values, max * sizeof(*value));
        if (!value) {
            json->rc = VMM_E_NOMEM;
            return NULL;
        }
        json->values = value;
        json->max_values = max;
    }

    value = &json->values[index];
    *value = (struct vmm__json_value){
        .json = json, .type = type, .text = NONE, .key = json->key,
        .first = NONE, .last = NONE, .next = NONE,
    };
    json->nr_values++;
    json->key = NONE;

    if (json->depth) {
        struct vmm__json_value *parent =
            &json->values[json->open[json->depth - 1]];

        if (parent->first == NONE) {
            parent->first = index;
        } else {
            json->values[parent->last].next = index;
        }
        parent->last = index;
        parent->nr++;
    }
    return value;
}

static int on_null(void *ctx)
{
    return add(ctx, VMM__JSON_NULL) != NULL;
}

static int on_bool(void *ctx, int flag)
{
    struct vmm__json_value *value = add(ctx, VMM__JSON_BOOL);

    if (!value) {
        return 0;
    }
    value->flag = flag;
    return 1;
}

static int on_text(struct vmm__json *json, enum vmm__json_type type,
                   const void *text, size_t len)
{
    struct vmm__json_value *value;
    uint32_t at;

    at = heap_add(json, text, len);
    if (at == NONE) {
        return 0;
    }
    if (!is_text(json->heap + at, len)) {
        return stop(json, VMM_E_FORMAT);
    }
    value = add(json, type);
    if (!value) {
        return 0;
    }
    value->text = at;
    return 1;
}

static int on_number(void *ctx, const char *text, size_t len)
{
    return on_text(ctx, VMM__JSON_NUMBER, text, len);
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
    return on_text(ctx, VMM__JSON_STRING, text, len);
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
    struct vmm__json *json = ctx;
    const struct vmm__json_value *parent =
        &json->values[json->open[json->depth - 1]];
    uint32_t i;

    json->key = heap_add(json, text, len);
    if (json->key == NONE) {
        return 0;
    }
    if (!is_text(json->heap + json->key, len)) {
        return stop(json, VMM_E_FORMAT);
    }
    /* Objects of ours are small, and the rest is refused soon. */
    if (parent->nr >= VMM__JSON_MEMBERS_MAX) {
        return stop(json, VMM_E_RANGE);
    }
    for (i = parent->first; i != NONE; i = json->values[i].next) {
        if (!strcmp(json->heap + json->values[i].key,
                    json->heap + json->key)) {
            return stop(json, VMM_E_FORMAT);
        }
    }
    return 1;
}

static int on_open(struct vmm__json *json, enum vmm__json_type type)
{
    uint32_t index = json->nr_values;

    if (json->depth == VMM__JSON_DEPTH_MAX) {
        return stop(json, VMM_E_RANGE);
    }
    if (!add(json, type)) {
        return 0;
    }
    json->open[json->depth++] = index;
    return 1;
}

static int on_object(void *ctx)
{
    return on_open(ctx, VMM__JSON_OBJECT);
}

static int on_array(void *ctx)
{
    return on_open(ctx, VMM__JSON_ARRAY);
}

static int on_close(void *ctx)
{
    struct vmm__json *json = ctx;

    json->depth--;
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_bool,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_object,
    .yajl_map_key = on_key,
    .yajl_end_map = on_close,
    .yajl_start_array = on_array,
    .yajl_end_array = on_close,
};

int vmm__json_parse(const char *text, size_t len_bytes,
                    struct vmm__json **json_out)
{
    struct vmm__json *json;
    yajl_handle parser = NULL;
    yajl_status r;
    int rc;

    json = calloc(1, sizeof(*json));
    if (!json) {
        return VMM_E_NOMEM;
    }
    json->key = NONE;
    parser = yajl_alloc(&callbacks, NULL, json);
    if (!parser) {
        rc = VMM_E_NOMEM;
        goto out;
    }

    r = yajl_parse(parser, (const unsigned char *)text, len_bytes);
    if (r == yajl_status_ok) {
        r = yajl_complete_parse(parser);
    }
    if (json->rc) {
        rc = json->rc;
        goto out;
    }
    if (r != yajl_status_ok || !json->nr_values || json->depth) {
        rc = VMM_E_FORMAT;
        goto out;
    }

    *json_out = json;
    json = NULL;
    rc = 0;

 out:
    if (parser) {
        yajl_free(parser);
    }
    vmm__json_free(json);
    return rc;
}

void vmm__json_free(struct vmm__json *json)
{
    if (!json) {
        return;
    }
    free(json->values);
    free(json->heap);
    free(json);
}

const struct vmm__json_value *vmm__json_root(const struct vmm__json *json)
{
    return &json->values[0];
}

enum vmm__json_type vmm__json_type(const struct vmm__json_value *value)
{
    return value ? value->type : VMM__JSON_NULL;
}

uint32_t vmm__json_nr(const struct vmm__json_value *value)
{
    return value ? value->nr : 0;
}

const struct vmm__json_value *vmm__json_at(const struct vmm__json_value *value,
                                           uint32_t index)
{
    uint32_t i = value->first;

    assert(index < value->nr);
    while (index--) {
        i = value->json->values[i].next;
    }
    return &value->json->values[i];
}

const char *vmm__json_key_at(const struct vmm__json_value *value,
                             uint32_t index)
{
    const struct vmm__json_value *member = vmm__json_at(value, index);

    return member->key == NONE ? NULL : value->json->heap + member->key;
}

const struct vmm__json_value *
vmm__json_member(const struct vmm__json_value *value, const char *key)
{
    uint32_t i;

    if (!value || value->type != VMM__JSON_OBJECT) {
        return NULL;
    }
    for (i = value->first; i != NONE; i = value->json->values[i].next) {
        const struct vmm__json_value *member = &value->json->values[i];

        if (!strcmp(value->json->heap + member->key, key)) {
            return member;
        }
    }
    return NULL;
}

static const char *text_of(const struct vmm__json_value *value)
{
    return value->json->heap + value->text;
}

/* Only digits, and perhaps a sign before them. */
static bool is_integer(const char *text)
{
    text += *text == '-';
    return *text && !text[strspn(text, "0123456789")];
}

int vmm__json_as_u64(const struct vmm__json_value *value, uint64_t *out)
{
    unsigned long long number;

    if (value->type != VMM__JSON_NUMBER || !is_integer(text_of(value))) {
        return VMM_E_FORMAT;
    }
    if (*text_of(value) == '-') {
        return VMM_E_RANGE;
    }
    errno = 0;
    number = strtoull(text_of(value), NULL, 10);
    if (errno) {
        return VMM_E_RANGE;
    }
    *out = number;
    return 0;
}

int vmm__json_get_u64(const struct vmm__json_value *object, const char *key,
                      uint64_t *out)
{
    const struct vmm__json_value *value = vmm__json_member(object, key);

    return value ? vmm__json_as_u64(value, out) : VMM_E_NOENT;
}

int vmm__json_get_i64(const struct vmm__json_value *object, const char *key,
                      int64_t *out)
{
    const struct vmm__json_value *value = vmm__json_member(object, key);
    long long number;

    if (!value) {
        return VMM_E_NOENT;
    }
    if (value->type != VMM__JSON_NUMBER || !is_integer(text_of(value))) {
        return VMM_E_FORMAT;
    }
    errno = 0;
    number = strtoll(text_of(value), NULL, 10);
    if (errno) {
        return VMM_E_RANGE;
    }
    *out = number;
    return 0;
}

int vmm__json_get_bool(const struct vmm__json_value *object, const char *key,
                       bool *out)
{
    const struct vmm__json_value *value = vmm__json_member(object, key);

    if (!value) {
        return VMM_E_NOENT;
    }
    if (value->type != VMM__JSON_BOOL) {
        return VMM_E_FORMAT;
    }
    *out = value->flag;
    return 0;
}

int vmm__json_get_string(const struct vmm__json_value *object,
                         const char *key, const char **out)
{
    const struct vmm__json_value *value = vmm__json_member(object, key);

    if (!value) {
        return VMM_E_NOENT;
    }
    if (value->type != VMM__JSON_STRING) {
        return VMM_E_FORMAT;
    }
    *out = text_of(value);
    return 0;
}

/* Writing. */

struct vmm__json_out {
    yajl_gen gen;
    int rc;
};

struct vmm__json_out *vmm__json_out_new(bool pretty)
{
    struct vmm__json_out *out = calloc(1, sizeof(*out));

    if (!out) {
        return NULL;
    }
    out->gen = yajl_gen_alloc(NULL);
    if (!out->gen) {
        free(out);
        return NULL;
    }
    (void)yajl_gen_config(out->gen, yajl_gen_beautify, (int)pretty);
    (void)yajl_gen_config(out->gen, yajl_gen_indent_string, "    ");
    return out;
}

void vmm__json_out_free(struct vmm__json_out *out)
{
    if (!out) {
        return;
    }
    yajl_gen_free(out->gen);
    free(out);
}

static void note(struct vmm__json_out *out, yajl_gen_status r)
{
    if (r != yajl_gen_status_ok && !out->rc) {
        out->rc = VMM_E_INVAL;
    }
}

static void put_text(struct vmm__json_out *out, const char *string)
{
    size_t len = strlen(string), i, step;
    unsigned char *copy = malloc(len + 1);

    if (!copy) {
        out->rc = VMM_E_NOMEM;
        return;
    }
    memcpy(copy, string, len + 1);
    for (i = 0; i < len; i += step) {
        step = utf8_len(copy + i);
        if (!step) {
            copy[i] = '?';
            step = 1;
        }
    }
    note(out, yajl_gen_string(out->gen, copy, len));
    free(copy);
}

/* False: nothing to be written to. */
static bool put_key(struct vmm__json_out *out, const char *key)
{
    if (!out) {
        return false;
    }
    if (key) {
        put_text(out, key);
    }
    return true;
}

void vmm__json_put_object(struct vmm__json_out *out, const char *key)
{
    if (put_key(out, key)) {
        note(out, yajl_gen_map_open(out->gen));
    }
}

void vmm__json_end_object(struct vmm__json_out *out)
{
    if (out) {
        note(out, yajl_gen_map_close(out->gen));
    }
}

void vmm__json_put_array(struct vmm__json_out *out, const char *key)
{
    if (put_key(out, key)) {
        note(out, yajl_gen_array_open(out->gen));
    }
}

void vmm__json_end_array(struct vmm__json_out *out)
{
    if (out) {
        note(out, yajl_gen_array_close(out->gen));
    }
}

static void put_number(struct vmm__json_out *out, const char *text)
{
    note(out, yajl_gen_number(out->gen, text, strlen(text)));
}

void vmm__json_put_u64(struct vmm__json_out *out, const char *key,
                       uint64_t number)
{
    char text[24];

    if (put_key(out, key)) {
        (void)snprintf(text, sizeof(text), "%llu",
                       (unsigned long long)number);
        put_number(out, text);
    }
}

void vmm__json_put_i64(struct vmm__json_out *out, const char *key,
                       int64_t number)
{
    char text[24];

    if (put_key(out, key)) {
        (void)snprintf(text, sizeof(text), "%lld", (long long)number);
        put_number(out, text);
    }
}

void vmm__json_put_bool(struct vmm__json_out *out, const char *key, bool flag)
{
    if (put_key(out, key)) {
        note(out, yajl_gen_bool(out->gen, flag));
    }
}

void vmm__json_put_null(struct vmm__json_out *out, const char *key)
{
    if (put_key(out, key)) {
        note(out, yajl_gen_null(out->gen));
    }
}

void vmm__json_put_string(struct vmm__json_out *out, const char *key,
                          const char *string)
{
    if (put_key(out, key)) {
        put_text(out, string);
    }
}

/* Nesting is that of what was read. */
void vmm__json_put_value(struct vmm__json_out *out, const char *key,
                         const struct vmm__json_value *value)
{
    const struct vmm__json *json = value->json;
    bool is_object = value->type == VMM__JSON_OBJECT;
    uint32_t i;

    switch (value->type) {
    case VMM__JSON_BOOL:
        vmm__json_put_bool(out, key, value->flag);
        return;
    case VMM__JSON_STRING:
        vmm__json_put_string(out, key, text_of(value));
        return;
    case VMM__JSON_NUMBER:
        if (put_key(out, key)) {
            put_number(out, text_of(value));
        }
        return;
    case VMM__JSON_ARRAY:
        vmm__json_put_array(out, key);
        break;
    case VMM__JSON_OBJECT:
        vmm__json_put_object(out, key);
        break;
    case VMM__JSON_NULL:
        vmm__json_put_null(out, key);
        return;
    }

    for (i = value->first; i != NONE; i = json->values[i].next) {
        vmm__json_put_value(out, is_object
                            ? json->heap + json->values[i].key : NULL,
                            &json->values[i]);
    }
    if (is_object) {
        vmm__json_end_object(out);
    } else {
        vmm__json_end_array(out);
    }
}

int vmm__json_out_finish(struct vmm__json_out *out, char **text_out,
                         size_t *len_bytes_out)
{
    const unsigned char *text;
    size_t len;
    char *copy;
    int rc;

    if (!out) {
        return VMM_E_NOMEM;
    }
    rc = out->rc;
    if (rc) {
        goto out;
    }
    if (yajl_gen_get_buf(out->gen, &text, &len) != yajl_gen_status_ok ||
        !len) {
        rc = VMM_E_INVAL;
        goto out;
    }
    copy = malloc(len + 1);
    if (!copy) {
        rc = VMM_E_NOMEM;
        goto out;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    *text_out = copy;
    *len_bytes_out = len;

 out:
    vmm__json_out_free(out);
    return rc;
}
