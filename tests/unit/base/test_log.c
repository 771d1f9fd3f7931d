/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_log.c: lines, long ones, and nobody who listens; checksums. */
#include "base/log.c"

#include "base/crc.h"
#include "lib/ut.h"

static char seen[2 * LINE_BYTES];
static enum vmm_log_level seen_level;
static void *seen_user;

static void keep(void *user, enum vmm_log_level level, const char *msg)
{
    seen_user = user;
    seen_level = level;
    (void)snprintf(seen, sizeof(seen), "%s", msg);
}

static void log__line(void)
{
    struct vmm_logger logger = { .log = keep, .user = seen };

    vmm__log(&logger, VMM_LOG_WARN, "domid=%u: %s", 7u, "full");
    CU_ASSERT_STRING_EQUAL(seen, "domid=7: full");
    CU_ASSERT_EQUAL(seen_level, VMM_LOG_WARN);
    CU_ASSERT_PTR_EQUAL(seen_user, seen);
}

static void log__long_line_is_cut(void)
{
    struct vmm_logger logger = { .log = keep };
    char text[2 * LINE_BYTES];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    vmm__log(&logger, VMM_LOG_ERROR, "%s", text);
    CU_ASSERT_EQUAL(strlen(seen), LINE_BYTES - 1);
}

static void log__no_logger(void)
{
    struct vmm_logger logger = { 0 };

    vmm__log(NULL, VMM_LOG_ERROR, "nobody");
    vmm__log(&logger, VMM_LOG_ERROR, "nobody");
}

/* RFC 3720, B.4, and the check value of the usual catalogues. */
static void crc32c__known_values(void)
{
    uint8_t buf[4096];
    unsigned int i;

    CU_ASSERT_EQUAL(vmm__crc32c("123456789", 9), 0xe3069283u);
    memset(buf, 0, sizeof(buf));
    CU_ASSERT_EQUAL(vmm__crc32c(buf, 32), 0x8a9136aau);
    memset(buf, 0xff, sizeof(buf));
    CU_ASSERT_EQUAL(vmm__crc32c(buf, 32), 0x62a8ab43u);
    for (i = 0; i < 32; i++) {
        buf[i] = (uint8_t)i;
    }
    CU_ASSERT_EQUAL(vmm__crc32c(buf, 32), 0x46dd794eu);
    CU_ASSERT_EQUAL(vmm__crc32c(buf, 0), 0);
}

static const struct ut_case cases[] = {
    UT_CASE(log__line),
    UT_CASE(log__long_line_is_cut),
    UT_CASE(log__no_logger),
    UT_CASE(crc32c__known_values),
};

UT_MAIN("base/log", cases)
