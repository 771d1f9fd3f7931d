/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_json.c: any text; what is taken is within the limits, and written and
 * read again it is the same.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "include/vmm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint32_t nr_values;
};

static void check(const struct vmm__json_value *value, unsigned int depth,
                  struct seen *seen)
{
    enum vmm__json_type type = vmm__json_type(value);
    uint32_t i, nr = vmm__json_nr(value);
    uint64_t number;
    int rc;

    assert(++seen->nr_values <= VMM__JSON_VALUES_MAX);
    rc = vmm__json_as_u64(value, &number);
    assert(type == VMM__JSON_NUMBER || rc == VMM_E_FORMAT);
    if (type != VMM__JSON_ARRAY && type != VMM__JSON_OBJECT) {
        assert(!nr);
        return;
    }
    assert(depth < VMM__JSON_DEPTH_MAX);
    assert(type == VMM__JSON_ARRAY || nr <= VMM__JSON_MEMBERS_MAX);
    for (i = 0; i < nr; i++) {
        const char *key = vmm__json_key_at(value, i), *string;
        const struct vmm__json_value *at = vmm__json_at(value, i);

        assert((type == VMM__JSON_OBJECT) == (key != NULL));
        if (key) {
            /* A key that is there twice would be found once. */
            assert(vmm__json_member(value, key) == at);
            rc = vmm__json_get_string(value, key, &string);
            assert(!rc == (vmm__json_type(at) == VMM__JSON_STRING));
        }
        check(at, depth + 1, seen);
    }
}

static char *text_of(const struct vmm__json *json, bool pretty,
                     size_t *len_out)
{
    struct vmm__json_out *out = vmm__json_out_new(pretty);
    char *text;

    vmm__json_put_value(out, NULL, vmm__json_root(json));
    if (vmm__json_out_finish(out, &text, len_out)) {
        abort();
    }
    assert(!text[*len_out] && strlen(text) == *len_out);
    assert(pretty || !memchr(text, '\n', *len_out));
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vmm__json *json, *again;
    struct seen seen = { 0 };
    char *text, *pretty, *same;
    size_t len, pretty_len, same_len;
    int rc;

    rc = vmm__json_parse((const char *)data, size, &json);
    if (rc) {
        assert(rc == VMM_E_FORMAT || rc == VMM_E_RANGE);
        return 0;
    }
    check(vmm__json_root(json), 0, &seen);
    text = text_of(json, false, &len);
    pretty = text_of(json, true, &pretty_len);
    vmm__json_free(json);
    rc = vmm__json_parse(pretty, pretty_len, &again);
    assert(!rc);
    same = text_of(again, false, &same_len);
    assert(len == same_len && !memcmp(text, same, len));
    vmm__json_free(again);
    free(text);
    free(pretty);
    free(same);
    return 0;
}

/* Replays files; libFuzzer and AFL bring a main of their own. */
#ifndef FUZZ_NO_MAIN
int main(int argc, char **argv)
{
    static uint8_t data[1 << 20];
    int i;

    for (i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        size_t size;

        if (!f) {
            perror(argv[i]);
            return 2;
        }
        size = fread(data, 1, sizeof(data), f);
        (void)fclose(f);
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    return 0;
}
#endif
