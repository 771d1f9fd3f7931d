/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_region_export.c: xl region-export as it is called: which programs are
 * run, what is undone when one fails, and the end.
 */
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

int export_main(int argc, char **argv);

static char ran[1000];          /* the programs, a line each */
static unsigned int nr_run, fail_run;   /* the nth ends with 1 */
static unsigned int refuse_run;         /* the nth is not there */
static char pid_path[200];
static bool runs;               /* nbdkit does */
static char killed[100];

static int ut_spawn(pid_t *pid_out, const char *file, const void *actions,
                    const void *attr, char *const argv[], char *const env[])
{
    FILE *pid_file;
    unsigned int i;

    (void)actions;
    (void)attr;
    (void)env;
    nr_run++;
    for (i = 0; argv[i]; i++) {
        strcat(ran, i ? " " : "");
        strcat(ran, argv[i]);
    }
    strcat(ran, "\n");
    if (nr_run == refuse_run) {
        return 2;
    }
    if (!strcmp(file, "nbdkit") && nr_run != fail_run) {
        pid_file = fopen(pid_path, "w");
        fputs("4242\n", pid_file);
        (void)fclose(pid_file);
        runs = true;
    }
    *pid_out = 99;
    return 0;
}

static pid_t ut_waitpid(pid_t pid, int *how_out, int options)
{
    (void)options;
    *how_out = nr_run == fail_run ? 1 << 8 : 0;
    return pid;
}

static int ut_kill(pid_t pid, int signo)
{
    (void)snprintf(killed, sizeof(killed), "%d %d", (int)pid, signo);
    runs = false;
    return 0;
}

static FILE *ut_fopen(const char *path, const char *mode)
{
    if (!strncmp(path, "/proc/", 6)) {
        return fopen(runs && !strcmp(path, "/proc/4242/comm")
                     ? "/dev/shm/vmm-ut-comm" : "/nonexistent", mode);
    }
    return fopen(path, mode);
}

#define main export_main
#define posix_spawnp ut_spawn
#define waitpid ut_waitpid
#define kill ut_kill
#define fopen ut_fopen
#define RUN_DIR "/dev/shm"
#include "xl-plugins/xl-region-export.c"
#undef main
#undef posix_spawnp
#undef waitpid
#undef kill
#undef fopen

#include "xl-plugins/plugin.c"

#include "lib/capture.h"
#include "lib/fake_vmmd.h"
#include "lib/ut.h"

#define MAX_ARGS 16
#define ANSWER "{\"id\":1,\"result\":{\"socket\":\"/v.sock\"}}\n"
#define BASE "/dev/shm/vmmd-export-ut"

static struct fake_vmmd vmmd;
static char *out, *err;
static int status;

static void call(const char *const *args)
{
    struct capture out_capture, err_capture;
    char *argv[MAX_ARGS + 1] = { NULL };
    int argc = 0;

    free(out);
    free(err);
    ran[0] = killed[0] = '\0';
    nr_run = 0;
    memset(&vmmd, 0, sizeof(vmmd));
    vmmd.says[0] = ANSWER;
    fake_vmmd_start(&vmmd);
    argv[argc++] = strdup("xl-region-export");
    argv[argc++] = strdup("--socket");
    argv[argc++] = strdup(vmmd.path);
    for (; *args; args++) {
        argv[argc++] = strdup(*args);
    }
    capture_begin(&out_capture, STDOUT_FILENO);
    capture_begin(&err_capture, STDERR_FILENO);
    optind = 0;
    status = export_main(argc, argv);
    err = capture_end(&err_capture);
    out = capture_end(&out_capture);
    fake_vmmd_stop(&vmmd);
    while (argc) {
        free(argv[--argc]);
    }
}
#define CALL(...) call((const char *const[]){ __VA_ARGS__, NULL })

static void begin(void)
{
    FILE *comm = fopen("/dev/shm/vmm-ut-comm", "w");

    fputs("nbdkit\n", comm);
    (void)fclose(comm);
    strcpy(pid_path, BASE ".pid");
    fail_run = refuse_run = 0;
    runs = false;
}

static void end(void)
{
    free(out);
    free(err);
    out = err = NULL;
    (void)unlink("/dev/shm/vmm-ut-comm");
    CU_ASSERT_NOT_EQUAL(access(BASE ".pid", F_OK), 0);
    CU_ASSERT_NOT_EQUAL(access(BASE ".dev", F_OK), 0);
}

static void export__and_stop(void)
{
    begin();
    CALL("ut");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_STRING_EQUAL(out, BASE ".sock\n");
    CU_ASSERT_STRING_EQUAL(ran, "nbdkit -U " BASE ".sock -P " BASE ".pid "
                           "--filter=blocksize vmm region=ut "
                           "socket=/v.sock minblock=4096\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(vmmd.got[0], "{\"name\":\"ut\"}"));
    CALL("ut");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_EXISTS));
    CU_ASSERT_EQUAL(nr_run, 0);
    CALL("--stop", "ut");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_STRING_EQUAL(killed, "4242 15");
    CU_ASSERT_STRING_EQUAL(ran, "");
    CALL("--stop", "ut");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_NOENT));
    end();
}

static void export__as_device(void)
{
    begin();
    CALL("-j", "--nbd", "/dev/nbd0", "ut");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(ran, "nbd-client -unix " BASE ".sock "
                                  "/dev/nbd0 -block-size 4096 -timeout 90\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"device\": \"/dev/nbd0\""));
    CALL("--stop", "ut");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_STRING_EQUAL(ran, "nbd-client -d /dev/nbd0\n");
    CU_ASSERT_STRING_EQUAL(killed, "4242 15");
    end();
}

static void export__snapshot_is_read_only(void)
{
    begin();
    strcpy(pid_path, "/dev/shm/vmmd-export-ut@s.pid");
    CALL("--snapshot=s", "--nbd=/dev/nbd1", "ut");
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(ran, "minblock=4096 snapshot=s -r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ran, "-timeout 90 -readonly\n"));
    CALL("--stop", "--snapshot=s", "ut");
    CU_ASSERT_EQUAL(status, 0);
    end();
}

static void export__a_program_fails(void)
{
    begin();
    fail_run = 1;
    CALL("--nbd=/dev/nbd0", "ut");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_LOCAL));
    CU_ASSERT_EQUAL(nr_run, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err, "nbdkit failed"));
    fail_run = 2;
    CALL("--nbd=/dev/nbd0", "ut");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_LOCAL));
    CU_ASSERT_STRING_EQUAL(killed, "4242 15");
    CU_ASSERT_STRING_EQUAL(out, "");
    fail_run = 0;
    refuse_run = 1;
    CALL("ut");
    CU_ASSERT_PTR_NOT_NULL(strstr(err, "is it installed?"));
    end();
}

static void export__bad_arguments(void)
{
    begin();
    CALL("a/b");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_INVAL));
    CALL("--snapshot=../x", "ut");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_INVAL));
    CALL("ut", "more");
    CU_ASSERT_EQUAL(status, vmm_error_exit_status(VMM_E_INVAL));
    CU_ASSERT_EQUAL(nr_run, 0);
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(export__and_stop),
    UT_CASE(export__as_device),
    UT_CASE(export__snapshot_is_read_only),
    UT_CASE(export__a_program_fails),
    UT_CASE(export__bad_arguments),
};

UT_MAIN("xl-plugins/region_export", cases)
