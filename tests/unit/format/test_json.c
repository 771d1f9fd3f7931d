/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_json.c: texts of friends and others, and back. */
#include "format/json.c"

#include "lib/ut.h"

static int parse(const char *text)
{
    struct vmm__json *json;
    int rc;

    rc = vmm__json_parse(text, strlen(text), &json);
    if (!rc) {
        vmm__json_free(json);
    }
    return rc;
}

static void json_parse__what_is_no_text(void)
{
    static const char *const texts[] = {
        "", " ", "{", "}", "[1,", "{\"a\"}", "{\"a\":}", "{a:1}", "nul",
        "1 2", "{} {}", "[1]x", "\"a", "'a'", "[1,]", "{\"a\":1,}", "01",
        "+1", "0x1", "// x\n1", "/* x */ 1", "\"\\u0000\"",
        "{\"\\u0000\":1}", "\"\xff\"", "\"\xc0\x80\"", "{\"a\":1,\"a\":2}",
        "\"\n\"",
    };
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (parse(texts[i]) != VMM_E_FORMAT) {
            printf("taken: %s\n", texts[i]);
            CU_FAIL();
        }
    }
    CU_ASSERT_EQUAL(parse(" {\"a\" : [1, \"x\", null, true, {}]} \n"), 0);
}

static void json_parse__limits(void)
{
    char text[2 * VMM__JSON_DEPTH_MAX + 8];
    char *many;
    size_t i, at;

    memset(text, '[', VMM__JSON_DEPTH_MAX);
    memset(text + VMM__JSON_DEPTH_MAX, ']', VMM__JSON_DEPTH_MAX);
    text[2 * VMM__JSON_DEPTH_MAX] = '\0';
    CU_ASSERT_EQUAL(parse(text), 0);
    memset(text, '[', VMM__JSON_DEPTH_MAX + 1);
    memset(text + VMM__JSON_DEPTH_MAX + 1, ']', VMM__JSON_DEPTH_MAX + 1);
    text[2 * VMM__JSON_DEPTH_MAX + 2] = '\0';
    CU_ASSERT_EQUAL(parse(text), VMM_E_RANGE);

    many = malloc(2 * VMM__JSON_VALUES_MAX + 16);
    CU_ASSERT_PTR_NOT_NULL_FATAL(many);
    for (i = 0, at = 0; i < VMM__JSON_VALUES_MAX - 1; i++) {
        many[at++] = i ? ',' : '[';
        many[at++] = '1';
    }
    strcpy(many + at, "]");
    CU_ASSERT_EQUAL(parse(many), 0);
    strcpy(many + at, ",1]");
    CU_ASSERT_EQUAL(parse(many), VMM_E_RANGE);

    for (i = 0, at = 0; i < VMM__JSON_MEMBERS_MAX + 1; i++) {
        at += (size_t)sprintf(many + at, "%c\"k%zu\":1", i ? ',' : '{', i);
        if (i == VMM__JSON_MEMBERS_MAX - 1) {
            strcpy(many + at, "}");
            CU_ASSERT_EQUAL(parse(many), 0);
        }
    }
    strcpy(many + at, "}");
    CU_ASSERT_EQUAL(parse(many), VMM_E_RANGE);
    free(many);
}

static void json_get__kinds_and_ranges(void)
{
    static const char text[] =
        "{\"max\":18446744073709551615,\"over\":18446744073709551616,"
        "\"neg\":-1,\"min\":-9223372036854775808,\"frac\":1.5,\"exp\":1e3,"
        "\"str\":\"a\\u00e9\\n\",\"yes\":true,\"nil\":null,\"arr\":[1,2,3],"
        "\"obj\":{\"x\":7}}";
    const struct vmm__json_value *root, *value;
    struct vmm__json *json;
    const char *string;
    uint64_t number;
    int64_t integer;
    bool flag;

    CU_ASSERT_EQUAL_FATAL(vmm__json_parse(text, strlen(text), &json), 0);
    root = vmm__json_root(json);
    CU_ASSERT_EQUAL(vmm__json_get_u64(root, "max", &number), 0);
    CU_ASSERT_EQUAL(number, UINT64_MAX);
    CU_ASSERT_EQUAL(vmm__json_get_u64(root, "over", &number), VMM_E_RANGE);
    CU_ASSERT_EQUAL(vmm__json_get_u64(root, "neg", &number), VMM_E_RANGE);
    CU_ASSERT_EQUAL(vmm__json_get_u64(root, "frac", &number), VMM_E_FORMAT);
    CU_ASSERT_EQUAL(vmm__json_get_u64(root, "exp", &number), VMM_E_FORMAT);
    CU_ASSERT_EQUAL(vmm__json_get_u64(root, "str", &number), VMM_E_FORMAT);
    CU_ASSERT_EQUAL(vmm__json_get_u64(root, "none", &number), VMM_E_NOENT);
    CU_ASSERT_EQUAL(vmm__json_get_i64(root, "min", &integer), 0);
    CU_ASSERT_EQUAL(integer, INT64_MIN);
    CU_ASSERT_EQUAL(vmm__json_get_i64(root, "max", &integer), VMM_E_RANGE);
    CU_ASSERT_EQUAL(vmm__json_get_string(root, "str", &string), 0);
    CU_ASSERT_STRING_EQUAL(string, "a\xc3\xa9\n");
    CU_ASSERT_EQUAL(vmm__json_get_string(root, "yes", &string),
                    VMM_E_FORMAT);
    CU_ASSERT_EQUAL(vmm__json_get_bool(root, "yes", &flag), 0);
    CU_ASSERT_TRUE(flag);
    CU_ASSERT_EQUAL(vmm__json_get_bool(root, "nil", &flag), VMM_E_FORMAT);
    CU_ASSERT_EQUAL(vmm__json_get_bool(NULL, "yes", &flag), VMM_E_NOENT);
    value = vmm__json_member(root, "arr");
    CU_ASSERT_EQUAL(vmm__json_nr(value), 3);
    CU_ASSERT_EQUAL(vmm__json_as_u64(vmm__json_at(value, 2), &number), 0);
    CU_ASSERT_EQUAL(number, 3);
    CU_ASSERT_PTR_NULL(vmm__json_key_at(value, 0));
    CU_ASSERT_PTR_NULL(vmm__json_member(value, "x"));
    CU_ASSERT_EQUAL(vmm__json_get_u64(vmm__json_member(root, "obj"), "x",
                                      &number), 0);
    CU_ASSERT_EQUAL(number, 7);
    CU_ASSERT_STRING_EQUAL(vmm__json_key_at(root, 10), "obj");
    vmm__json_free(json);
}

static void json_put__comes_back(void)
{
    struct vmm__json_out *out = vmm__json_out_new(false), *again;
    struct vmm__json *json;
    char *text, *copy;
    size_t len;

    vmm__json_put_object(out, NULL);
    vmm__json_put_u64(out, "u", UINT64_MAX);
    vmm__json_put_i64(out, "i", INT64_MIN);
    vmm__json_put_bool(out, "b", false);
    vmm__json_put_null(out, "n");
    vmm__json_put_string(out, "s", "\"\\\n\x01/");
    vmm__json_put_array(out, "a");
    vmm__json_put_u64(out, NULL, 1);
    vmm__json_put_object(out, NULL);
    vmm__json_end_object(out);
    vmm__json_end_array(out);
    vmm__json_end_object(out);
    CU_ASSERT_EQUAL_FATAL(vmm__json_out_finish(out, &text, &len), 0);
    CU_ASSERT_EQUAL(len, strlen(text));
    CU_ASSERT_PTR_NULL(strchr(text, '\n'));

    CU_ASSERT_EQUAL_FATAL(vmm__json_parse(text, len, &json), 0);
    again = vmm__json_out_new(false);
    vmm__json_put_value(again, NULL, vmm__json_root(json));
    CU_ASSERT_EQUAL_FATAL(vmm__json_out_finish(again, &copy, &len), 0);
    CU_ASSERT_STRING_EQUAL(copy, text);
    vmm__json_free(json);
    free(text);
    free(copy);
}

static void json_put__bad_utf8_is_seen(void)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "plain", "\"plain\"" },
        { "\xc3\xa9", "\"\xc3\xa9\"" },
        { "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"" },
        { "\xff" "a", "\"?a\"" },
        { "\xc3", "\"?\"" },
        { "\xc0\x80", "\"??\"" },
        { "\xed\xa0\x80", "\"???\"" },
        { "\xe0\x80\x80", "\"???\"" },
        { "\xf4\x90\x80\x80", "\"????\"" },
        { "\xe2\x82", "\"??\"" },
    };
    struct vmm__json_out *out;
    char *text;
    size_t i, len;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        out = vmm__json_out_new(false);
        vmm__json_put_string(out, NULL, rows[i].in);
        CU_ASSERT_EQUAL_FATAL(vmm__json_out_finish(out, &text, &len), 0);
        CU_ASSERT_STRING_EQUAL(text, rows[i].out);
        CU_ASSERT_EQUAL(parse(text), 0);
        free(text);
    }
}

static void json_out__misuse(void)
{
    struct vmm__json_out *out = vmm__json_out_new(false);
    char *text;
    size_t len;

    CU_ASSERT_EQUAL(vmm__json_out_finish(out, &text, &len), VMM_E_INVAL);
    out = vmm__json_out_new(false);
    vmm__json_put_object(out, NULL);
    vmm__json_put_u64(out, NULL, 1);    /* no key */
    CU_ASSERT_EQUAL(vmm__json_out_finish(out, &text, &len), VMM_E_INVAL);
    CU_ASSERT_EQUAL(vmm__json_out_finish(NULL, &text, &len), VMM_E_NOMEM);
    vmm__json_put_u64(NULL, "a", 1);
    vmm__json_end_object(NULL);
    vmm__json_out_free(NULL);
    vmm__json_free(NULL);
}

static const struct ut_case cases[] = {
    UT_CASE(json_parse__what_is_no_text),
    UT_CASE(json_parse__limits),
    UT_CASE(json_get__kinds_and_ranges),
    UT_CASE(json_put__comes_back),
    UT_CASE(json_put__bad_utf8_is_seen),
    UT_CASE(json_out__misuse),
};
UT_MAIN("format/json", cases)
