/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_region.c: the commands for regions as they are called, what of it vmmd
 * gets, and what is printed of its answers.
 */
#include <stdbool.h>

int region_main(int argc, char **argv);

#define main region_main
#include "xl-plugins/xl-region.c"
#undef main

#include <unistd.h>

#include "xl-plugins/plugin.c"

#include "lib/fake_vmmd.h"
#include "lib/ut.h"

#define REGION "\"name\":\"r\",\"uuid\":\"u\",\"nvm\":\"/n\",\"storage\":" \
    "\"/s\",\"nr_exports\":0,\"purge_bytes_per_s\":1,\"purge_low_percent\":" \
    "10,\"purge_high_percent\":20"
#define STAT ",\"nr_snapshots\":2,\"region_bytes\":67108864,\"nvm_bytes\":" \
    "33554432,\"nvm_free_bytes\":1048576,\"storage_bytes\":134217728," \
    "\"storage_used_bytes\":2097152,\"nr_purged\":512,\"nr_recalled\":256," \
    "\"nr_lost\":0"
#define POINT(name, parent) "{\"name\":\"" name "\",\"parent\":\"" parent \
    "\",\"created_s\":0,\"nr_blocks\":1024,\"nr_nvm\":512,\"nr_storage\":" \
    "256,\"nr_same_filled\":128,\"nr_lost\":128,\"nr_exclusive\":256}"
#define RESULT(text) "{\"id\":1,\"result\":" text "}\n"

static struct fake_vmmd vmmd;
static char *out, *err;
static int status;

/* args[0]: the name of the command; NULL at the end. */
static void call(const char *answer, const char *const *args)
{
    free(out);
    free(err);
    memset(&vmmd, 0, sizeof(vmmd));
    vmmd.says[0] = answer;
    status = fake_vmmd_call(&vmmd, region_main, args, &out, &err);
}
#define CALL(answer, ...) \
    call(answer, (const char *const[]){ __VA_ARGS__, NULL })

static void end(void)
{
    free(out);
    free(err);
    out = err = NULL;
}

/* What vmmd was asked. */
static bool asked(const char *method, const char *params)
{
    char line[1000];
    bool ok;

    (void)snprintf(line, sizeof(line), "{\"id\":1,\"method\":\"%s\","
                   "\"params\":%s}", method, params);
    ok = vmmd.nr_got == 1 && !strncmp(vmmd.got[0], line, strlen(line));
    if (!ok) {
        printf("%s\n", vmmd.got[0]);
    }
    return ok;
}

static void create__params(void)
{
    CALL(RESULT("{" REGION ",\"state\":\"open\"}"), "region-create", "--nvm",
         "/a/b", "--nvm-size=64M", "--size", "2G", "--storage=/c",
         "--storage-size=1G", "--snapshots=9", "--purge-rate=5M",
         "--purge-low=1", "--purge-high=2", "r");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_STRING_EQUAL(out, "");
    CU_ASSERT_TRUE(asked("region-create", "{\"name\":\"r\",\"nvm\":\"/a/b\","
                         "\"nvm_bytes\":67108864,\"region_bytes\":2147483648,"
                         "\"storage\":\"/c\",\"storage_bytes\":1073741824,"
                         "\"max_snapshots\":9,\"purge_bytes_per_s\":5242880,"
                         "\"purge_low_percent\":1,\"purge_high_percent\":2}"));
    CALL(RESULT("{" REGION ",\"state\":\"open\"}"), "region-create", "-j",
         "--nvm=/dev/dax0.0", "--size=1T", "r");
    CU_ASSERT_TRUE(asked("region-create", "{\"name\":\"r\",\"nvm\":"
                         "\"/dev/dax0.0\",\"region_bytes\":1099511627776}"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"uuid\": \"u\""));
    end();
}

static void arguments__bad(void)
{
    static const char *const rows[][8] = {
        { "region-create", "r" },
        { "region-create", "--nvm=/a", "r" },
        { "region-create", "--size=1G", "r" },
        { "region-create", "--nvm=/a", "--size=much", "r" },
        { "region-create", "--nvm=/a", "--size=1G", "--storage-size=1G",
          "r" },
        { "region-create", "--nvm=/a", "--size=1G", "--purge-low=101", "r" },
        { "region-create", "--nvm=/a", "--size=1G", "--snapshots=x", "r" },
        { "region-create", "--nvm=/a", "--size=1G" },
        { "region-create", "--nvm=", "--size=1G", "r" },
        { "region-create", "--all", "r" },
        { "region-list", "a", "b" },
        { "region-stat" },
        { "region-snapshot", "r" },
        { "region-revert", "r" },
        { "region-revert", "--region", "r" },
        { "region-delete", "r" },
        { "region-delete", "--region", "r", "s" },
        { "region-purge", "--free=101", "r" },
        { "region-check", "--all", "r" },
        { "region-check", "--nonsense", "r" },
        { "region-nonsense", "r" },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        call(NULL, rows[i]);
        CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_INVAL));
        CU_ASSERT_STRING_EQUAL(out, "");
        CU_ASSERT_TRUE(strlen(err) > 10);
        CU_ASSERT_EQUAL(vmmd.nr_got, 0);
    }
    end();
}

static void list__table(void)
{
    CALL(RESULT("[{" REGION ",\"state\":\"open\",\"domid\":3" STAT "},"
                "{" REGION ",\"state\":\"failed\",\"error\":"
                "\"VMM_E_CHECKSUM\"}]"), "region-list");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_TRUE(asked("region-list", "{}"));
    CU_ASSERT_STRING_EQUAL(out,
        "NAME STATE  SIZE NVM FREE STORAGE USED SNAPS USED-BY\n"
        "r    open     64  32    1     128    2     2 domain 3\n"
        "r    failed    -   -    -       -    -     - -\n"
        "r: cannot be opened: contents do not match their checksum: see "
        "vmmd's log, and xl region-check r\n");
    CALL(RESULT("[]"), "region-list", "r");
    CU_ASSERT_TRUE(asked("region-list", "{\"name\":\"r\"}"));
    CALL(RESULT("[{}]"), "region-list");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_FORMAT));
    CU_ASSERT_STRING_EQUAL(out, "");
    CALL(RESULT("[{" REGION ",\"state\":\"open\"" STAT "}]"), "region-list",
         "-j");
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"nvm_free_bytes\": 1048576"));
    end();
}

static void stat__table(void)
{
    CALL(RESULT("{" REGION ",\"state\":\"open\"" STAT ",\"points\":["
                POINT("", "s1") "," POINT("s1", "") "]}"), "region-stat",
         "r");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_STRING_EQUAL(out,
        "r: 64 MiB; NVM /n: 1.0 of 32.0 MiB free; storage /s: 2.0 of 128.0 "
        "MiB used\n"
        "since it was opened: 2.0 MiB purged, 1.0 recalled, 0.0 lost\n"
        "SNAPSHOT  CREATED PARENT SIZE EXCLUSIVE SHARED NVM STORAGE SAME "
        "LOST\n"
        "(running) -       s1      4.0       1.0    3.0 2.0     1.0  0.5  "
        "0.5\n"
        "s1        -       -       4.0       1.0    3.0 2.0     1.0  0.5  "
        "0.5\n");
    CALL(RESULT("{" REGION ",\"state\":\"open\"" STAT ",\"points\":[{}]}"),
         "region-stat", "r");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_FORMAT));
    CALL("{\"id\":1,\"error\":{\"name\":\"VMM_E_NOENT\",\"class\":\"caller\","
         "\"message\":\"there is none\"}}\n", "region-stat", "r");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_NOENT));
    CU_ASSERT_STRING_EQUAL(err, "xl-region-stat: there is none\n");
    end();
}

static void snapshots__params(void)
{
    static const char *const names[] = {
        "region-snapshot", "region-revert", "region-delete",
    };
    size_t i;

    for (i = 0; i < 3; i++) {
        CALL(RESULT("{}"), names[i], "r", "s");
        CU_ASSERT_EQUAL(status, 0);
        CU_ASSERT_TRUE(asked(names[i],
                             "{\"name\":\"r\",\"snapshot\":\"s\"}"));
        CU_ASSERT_STRING_EQUAL(out, "");
    }
    CALL(RESULT("{}"), "region-delete", "--region", "r");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_TRUE(asked("region-delete", "{\"name\":\"r\",\"region\":true}"));
    end();
}

static void purge__says_how_much(void)
{
    CALL("{\"id\":1,\"progress\":{\"purged_blocks\":1}}\n"
         RESULT("{\"purged_blocks\":384}"), "region-purge", "--all",
         "--free=50", "r");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_TRUE(asked("region-purge", "{\"name\":\"r\",\"all\":true,"
                         "\"free_percent\":50}"));
    CU_ASSERT_STRING_EQUAL(out, "1.5 MiB moved to storage\n");
    CALL(RESULT("{}"), "region-purge", "r");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_FORMAT));
    end();
}

static void check__problems(void)
{
    CALL(RESULT("{\"nr_problems\":0,\"nr_repaired\":0,\"problems\":[]}"),
         "region-check", "r");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_STRING_EQUAL(out, "0 problems\n");
    CALL(RESULT("{\"nr_problems\":2,\"nr_repaired\":0,\"problems\":"
                "[\"a is bad\",\"b\\nis\"]}"), "region-check", "r");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_CHECKSUM));
    CU_ASSERT_STRING_EQUAL(out, "\"a is bad\"\n\"b\\nis\"\n2 problems\n");
    CALL(RESULT("{\"nr_problems\":2,\"nr_repaired\":2,\"problems\":"
                "[\"a is bad\"]}"), "region-check", "--repair", "r");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_TRUE(asked("region-check", "{\"name\":\"r\",\"repair\":true}"));
    CU_ASSERT_STRING_EQUAL(out, "\"a is bad\"\n2 problems, 2 repaired\n");
    CALL(RESULT("{\"nr_problems\":2,\"nr_repaired\":1,\"problems\":[]}"),
         "region-check", "-j", "r");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_CHECKSUM));
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(create__params),
    UT_CASE(arguments__bad),
    UT_CASE(list__table),
    UT_CASE(stat__table),
    UT_CASE(snapshots__params),
    UT_CASE(purge__says_how_much),
    UT_CASE(check__problems),
};

UT_MAIN("xl-plugins/region", cases)
