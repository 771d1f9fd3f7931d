/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_page.c: the commands for retired pages as they are called, what of it
 * vmmd gets, and what is printed of its answers.
 */
#include <stdbool.h>

int page_main(int argc, char **argv);

#define main page_main
#include "xl-plugins/xl-page.c"
#undef main

#include <unistd.h>

#include "xl-plugins/plugin.c"

#include "lib/fake_vmmd.h"
#include "lib/ut.h"

#define PAGE(mfn, nr, state, more) "{\"mfn\":" mfn ",\"nr_pages\":" nr "," \
    "\"nr_errors\":2,\"time_s\":0,\"cause\":\"uncorrected\",\"state\":\"" \
    state "\",\"broken\":false,\"from_boot_list\":true" more "}"
#define DIMM(slot, absent) "{\"slot\":\"" slot "\",\"maker\":\"\",\"part\":" \
    "\"\",\"serial\":\"S1\",\"size_bytes\":1073741824,\"shared\":false," \
    "\"absent\":" absent ",\"ranges\":[[0,262144]],\"nr_pages\":3," \
    "\"nr_errors\":4,\"nr_pending\":1,\"nr_past\":5}"
#define STAT "\"boot_list\":\"taken\",\"memory_map_changed\":false," \
    "\"from_efi_variable\":true,\"module_damaged\":true," \
    "\"efi_variable_damaged\":false,\"nr_recorded\":7,\"nr_past\":30," \
    "\"generation\":9,\"boot_entries\":6,\"boot_list_us\":10," \
    "\"boot_heap_us\":20,\"nr_uncorrected\":1,\"nr_corrected\":2," \
    "\"nr_moved\":3,\"nr_touched\":4,\"nr_unrecorded\":"
#define RESULT_OF(id, text) "{\"id\":" id ",\"result\":" text "}\n"
#define RESULT(text) RESULT_OF("1", text)

static struct fake_vmmd vmmd;
static char *out, *err;
static int status;

static void end(void)
{
    free(out);
    free(err);
    out = err = NULL;
    memset(&vmmd, 0, sizeof(vmmd));
}

/* What vmmd is to say comes before; it is said once. */
static void call(const char *const *args)
{
    free(out);
    free(err);
    status = fake_vmmd_call(&vmmd, page_main, args, &out, &err);
    memset(vmmd.says, 0, sizeof(vmmd.says));
}
#define CALL(...) call((const char *const[]){ __VA_ARGS__, NULL })

/* What vmmd was asked, by its nth line. */
static bool asked(unsigned int n, const char *method, const char *params)
{
    char line[1000];
    bool ok;

    (void)snprintf(line, sizeof(line), "{\"id\":%u,\"method\":\"%s\","
                   "\"params\":%s}", n + 1, method, params);
    ok = vmmd.nr_got > n && !strncmp(vmmd.got[n], line, strlen(line));
    if (!ok) {
        printf("%s\n", vmmd.got[n]);
    }
    return ok;
}

static void arguments__bad(void)
{
    static const char *const rows[][4] = {
        { "page-list", "all" },
        { "page-list", "--cause=admin" },
        { "page-retire" },
        { "page-retire", "" },
        { "page-retire", "-1" },
        { "page-retire", "x" },
        { "page-retire", "0x" },
        { "page-retire", "1-" },
        { "page-retire", "1-x" },
        { "page-retire", "1-2-3" },
        { "page-retire", "1 2" },
        { "page-retire", "2-1" },
        { "page-retire", "0x10000000000" },
        { "page-retire", "0xffffffffffffffffffff" },
        { "page-retire", "1", "2" },
        { "page-retire", "--badpage", "1" },
        { "page-release" },
        { "page-release", "--cause=admin", "1" },
        { "page-release", "2-1" },
        { "page-import" },
        { "page-import", "/nowhere/at/all" },
        { "page-export", "file" },
        { "page-stat", "1" },
        { "page-nonsense" },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        call(rows[i]);
        CU_ASSERT_NOT_EQUAL(status, 0);
        CU_ASSERT_STRING_EQUAL(out, "");
        CU_ASSERT_TRUE(strlen(err) > 10);
        CU_ASSERT_EQUAL(vmmd.nr_got, 0);
        if (!status || vmmd.nr_got) {
            printf("row %zu\n", i);
        }
    }
    end();
}

static void retire__says_what_is_left(void)
{
    vmmd.says[0] = RESULT("{\"nr_pending\":0,\"nr_refused\":0}");
    CALL("page-retire", "--cause=corrected", "0x1a0-0x1af");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_STRING_EQUAL(out, "");
    CU_ASSERT_TRUE(asked(0, "page-retire", "{\"mfn\":416,\"nr_pages\":16,"
                         "\"cause\":\"corrected\"}"));
    vmmd.says[0] = RESULT("{\"nr_pending\":1,\"nr_refused\":0}");
    CALL("page-retire", "17");
    CU_ASSERT_TRUE(asked(0, "page-retire", "{\"mfn\":17,\"nr_pages\":1}"));
    CU_ASSERT_STRING_EQUAL(out,
        "1 pages: 1 are in use, and will be retired when they are free; 0 are "
        "none of this machine's memory, or Xen's own\n");
    vmmd.says[0] = RESULT("{\"nr_pending\":0,\"nr_refused\":0}");
    CALL("page-retire", "-j", "17");
    CU_ASSERT_STRING_EQUAL(out, "{\"nr_pages\": 1, \"nr_pending\": 0, "
                           "\"nr_refused\": 0}\n");
    end();
}

/* More than vmmd takes at once; and what comes after a part that failed. */
static void retire__in_parts(void)
{
    vmmd.says[0] = RESULT("{\"nr_pending\":1,\"nr_refused\":2}");
    vmmd.says[1] = RESULT_OF("2", "{\"nr_pending\":3,\"nr_refused\":4}");
    CALL("page-retire", "-j", "1-5000");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_TRUE(asked(0, "page-retire", "{\"mfn\":1,\"nr_pages\":4096}"));
    CU_ASSERT_TRUE(asked(1, "page-retire",
                         "{\"mfn\":4097,\"nr_pages\":904}"));
    CU_ASSERT_STRING_EQUAL(out, "{\"nr_pages\": 5000, \"nr_pending\": 4, "
                           "\"nr_refused\": 6}\n");
    vmmd.says[0] = "{\"id\":1,\"error\":{\"name\":\"VMM_E_PERM\",\"class\":"
                   "\"caller\",\"message\":\"page 0x1: Xen's\"}}\n";
    CALL("page-retire", "1-5000");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_PERM));
    CU_ASSERT_STRING_EQUAL(err, "xl-page-retire: page 0x1: Xen's\n");
    CU_ASSERT_STRING_EQUAL(out, "");
    CU_ASSERT_EQUAL(vmmd.nr_got, 1);
    vmmd.says[0] = RESULT("{\"nr_pending\":1}");
    CALL("page-retire", "1");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_FORMAT));
    end();
}

static void release__says_what_is_left(void)
{
    vmmd.says[0] = RESULT("{\"nr_released\":2}");
    CALL("page-release", "1-2");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_TRUE(asked(0, "page-release", "{\"mfn\":1,\"nr_pages\":2}"));
    CU_ASSERT_STRING_EQUAL(out, "");
    vmmd.says[0] = RESULT("{\"nr_released\":1}");
    CALL("page-release", "1-2");
    CU_ASSERT_STRING_EQUAL(out, "1 of 2 pages: the others were not retired, "
                           "or their owner still has them\n");
    vmmd.says[0] = RESULT("{\"nr_released\":1}");
    CALL("page-release", "--json", "1-2");
    CU_ASSERT_STRING_EQUAL(out, "{\"nr_pages\": 2, \"nr_released\": 1}\n");
    end();
}

/* vmmd gives it in two parts. */
static void list_in_two(void)
{
    vmmd.says[0] = RESULT(
        "{\"pages\":[" PAGE("16", "2", "retired", ",\"slot\":\"A1\"") ","
        PAGE("32", "1", "pending", ",\"owner_domid\":3") "],"
        "\"next_mfn\":33}");
    vmmd.says[1] = RESULT_OF("2",
        "{\"pages\":[" PAGE("48", "1", "pending", ",\"owner_domid\":32754")
        "]}");
}

static void list__table(void)
{
    list_in_two();
    CALL("page-list");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_TRUE(asked(0, "page-list", "{\"first_mfn\":0}"));
    CU_ASSERT_TRUE(asked(1, "page-list", "{\"first_mfn\":33}"));
    CU_ASSERT_STRING_EQUAL(out,
        "PAGE PAGES STATE   CAUSE       ERRORS LAST USED-BY  SLOT\n"
        "0x10     2 retired uncorrected      2 -    -        A1\n"
        "0x20     1 pending uncorrected      2 -    domain 3 -\n"
        "0x30     1 pending uncorrected      2 -    Xen      -\n");
    list_in_two();
    CALL("page-list", "-j");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_EQUAL(out[0], '[');
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"slot\": \"A1\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"mfn\": 48"));
    end();
}

/* Nothing is printed of a list that vmmd did not give to its end. */
static void list__fails(void)
{
    static const char *const options[] = { NULL, "-j" };
    size_t i;

    for (i = 0; i < 2; i++) {
        list_in_two();
        vmmd.says[1] = NULL;
        CALL("page-list", options[i]);
        CU_ASSERT_NOT_EQUAL(status, 0);
        CU_ASSERT_STRING_EQUAL(out, "");
        CU_ASSERT_TRUE(strlen(err) > 10);
    }
    vmmd.says[0] = RESULT("{\"pages\":[{\"mfn\":1}]}");
    CALL("page-list");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_FORMAT));
    CU_ASSERT_STRING_EQUAL(out, "");
    end();
}

static void export__as_an_option(void)
{
    list_in_two();
    CALL("page-export", "--badpage");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_STRING_EQUAL(out, "badpage=0x10-0x11,0x20,0x30\n");
    vmmd.says[0] = RESULT("{\"pages\":[]}");
    CALL("page-export", "--badpage");
    CU_ASSERT_STRING_EQUAL(out, "");
    end();
}

/* From a file with the text. */
static void import_text(const char *option, const char *text)
{
    char path[] = "/tmp/test-page-XXXXXX";
    int fd = mkstemp(path);

    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    if (option) {
        CALL("page-import", option, path);
    } else {
        CALL("page-import", path);
    }
    (void)unlink(path);
}

static void import__what_export_wrote(void)
{
    char *text;

    list_in_two();
    CALL("page-export");
    text = strdup(out);
    vmmd.says[0] = RESULT("{\"nr_pending\":1,\"nr_refused\":1}");
    import_text(NULL, text);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_TRUE(asked(0, "page-import", "{\"cause\":\"uncorrected\","
                         "\"pages\":[[16,2],[32,1],[48,1]]}"));
    CU_ASSERT_STRING_EQUAL(out,
        "4 pages: 1 are in use, and will be retired when they are free; 1 are "
        "none of this machine's memory, or Xen's own\n");
    free(text);
    end();
}

/* A call has pages of one cause, and no more of them than vmmd takes. */
static void import__in_parts(void)
{
    vmmd.says[0] = RESULT("{\"nr_pending\":0,\"nr_refused\":0}");
    vmmd.says[1] = RESULT_OF("2", "{\"nr_pending\":0,\"nr_refused\":0}");
    import_text(NULL, "[{\"mfn\":1,\"nr_pages\":1,\"cause\":\"corrected\"},"
           "{\"mfn\":9,\"nr_pages\":5000,\"cause\":\"admin\"}]");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_TRUE(asked(0, "page-import", "{\"cause\":\"corrected\","
                         "\"pages\":[[1,1]]}"));
    CU_ASSERT_TRUE(asked(1, "page-import", "{\"cause\":\"admin\","
                         "\"pages\":[[9,4096],[4105,904]]}"));
    vmmd.says[0] = RESULT("{\"nr_pending\":0,\"nr_refused\":0}");
    import_text("--cause=corrected",
           "[{\"mfn\":1,\"nr_pages\":1,\"cause\":\"corrected\"},"
           "{\"mfn\":9,\"nr_pages\":2,\"cause\":\"admin\"}]");
    CU_ASSERT_TRUE(asked(0, "page-import", "{\"cause\":\"corrected\","
                         "\"pages\":[[1,1],[9,2]]}"));
    end();
}

/* Nothing of a list that is not understood to its end. */
static void import__bad(void)
{
    static const char *const rows[] = {
        "what", "badpage=1,2,x", "[{\"mfn\":1,\"nr_pages\":1}", "[1]",
        "badram=0x1000", "badpage=0x10000000000",
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        import_text(NULL, rows[i]);
        CU_ASSERT_NOT_EQUAL(status, 0);
        CU_ASSERT_EQUAL(vmmd.nr_got, 0);
        CU_ASSERT_STRING_EQUAL(out, "");
        CU_ASSERT_PTR_NOT_NULL(strstr(err, "/tmp/test-page-"));
    }
    /* vmmd refuses the first of two parts. */
    vmmd.says[0] = "{\"id\":1,\"error\":{\"name\":\"VMM_E_NOSPC\",\"class\":"
                   "\"retry\",\"message\":\"no room\"}}\n";
    import_text(NULL, "[{\"mfn\":1,\"nr_pages\":1,\"cause\":\"corrected\"},"
           "{\"mfn\":9,\"nr_pages\":2,\"cause\":\"admin\"}]");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_NOSPC));
    CU_ASSERT_EQUAL(vmmd.nr_got, 1);
    CU_ASSERT_STRING_EQUAL(out, "");
    end();
}

static void stat__table(void)
{
    vmmd.says[0] = RESULT(
        "{" STAT "0,\"dimms\":[" DIMM("A1", "false") "," DIMM("A2", "true")
        "],\"past\":[{\"mfn\":16,\"nr_pages\":2,\"nr_errors\":1,"
        "\"time_s\":0,\"released_s\":0,\"cause\":\"corrected\",\"reason\":"
        "\"replaced\",\"dimm\":0}]}");
    CALL("page-stat");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_TRUE(asked(0, "page-stat", "{}"));
    CU_ASSERT_STRING_EQUAL(out,
        "recorded: 7 entries, list 9\n"
        "boot list: taken from EFI's variable, 6 entries; that of the boot "
        "module is damaged\n"
        "boot time: 10 us for the list, 20 us to build the heap\n"
        "since boot: 1 uncorrected errors, 2 corrected; 3 pages moved, 4 "
        "accesses to lost pages told\n"
        "SLOT      SERIAL PART  MIB PAGES PENDING ERRORS PAST\n"
        "A1        S1     -    1024     3       1      4    5\n"
        "A2 (gone) S1     -    1024     3       1      4    5\n"
        "history: 30 entries, the newest are\n"
        "PAGE PAGES CAUSE     RELEASED REASON\n"
        "0x10     2 corrected -        replaced\n");
    vmmd.says[0] = RESULT("{" STAT "5,\"dimms\":[],\"past\":[]}");
    CALL("page-stat");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "5 errors found the hypervisor's table "
                                       "full\nmemory modules: not known\n"));
    vmmd.says[0] = RESULT("{" STAT "0,\"dimms\":[{}],\"past\":[]}");
    CALL("page-stat");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_FORMAT));
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(arguments__bad),
    UT_CASE(retire__says_what_is_left),
    UT_CASE(retire__in_parts),
    UT_CASE(release__says_what_is_left),
    UT_CASE(list__table),
    UT_CASE(list__fails),
    UT_CASE(export__as_an_option),
    UT_CASE(import__what_export_wrote),
    UT_CASE(import__in_parts),
    UT_CASE(import__bad),
    UT_CASE(stat__table),
};

UT_MAIN("xl-plugins/page", cases)
