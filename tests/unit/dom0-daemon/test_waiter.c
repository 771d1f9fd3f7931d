/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_waiter.c: who waits for what, and is told once. */
#include <stdlib.h>
#include <string.h>

static unsigned int fail_nth, nr_allocs;

static void *ut_calloc(size_t nr, size_t size)
{
    return ++nr_allocs == fail_nth ? NULL : calloc(nr, size);
}

#define calloc ut_calloc
#include "dom0-daemon/waiter.c"
#undef calloc

#include "lib/ut.h"

/* Sessions are told apart by where they are. */
static char places[2];
#define MAIL ((struct session *)(void *)&places[0])
#define WEB ((struct session *)(void *)&places[1])

struct told {
    unsigned int nr;
    int rc;
    char text[600];
    bool has_text;
    const struct session *session;
};

static struct vmm__list_node waiters;

static void tell(void *user, int rc, const char *text,
                 const struct session *session)
{
    struct told *told = user;

    told->nr++;
    told->rc = rc;
    told->has_text = text != NULL;
    (void)snprintf(told->text, sizeof(told->text), "%s", text ? text : "");
    told->session = session;
}

static void begin(void)
{
    fail_nth = nr_allocs = 0;
    vmm__list_init(&waiters);
}

static struct waiter *new_one(enum waiter_kind kind, struct session *session,
                              struct told *told)
{
    struct waiter *waiter;

    memset(told, 0, sizeof(*told));
    waiter = waiter_new(&waiters, kind, session, tell, told);
    CU_ASSERT_PTR_NOT_NULL_FATAL(waiter);
    return waiter;
}

static void end(void)
{
    struct vmm__list_node *at = waiters.next;
    struct waiter *waiter;

    while ((waiter = waiter_next(&waiters, NULL, &at)) != NULL) {
        waiter_done(waiter, NULL);
    }
    CU_ASSERT_TRUE(vmm__list_empty(&waiters));
}

/* Cases. */

static void new__waits(void)
{
    struct waiter *waiter;
    struct told told;

    begin();
    waiter = new_one(WAIT_OFF, MAIL, &told);
    CU_ASSERT_EQUAL(waiter->kind, WAIT_OFF);
    CU_ASSERT_PTR_EQUAL(waiter->session, MAIL);
    CU_ASSERT_FALSE(waiter->ready);
    CU_ASSERT_EQUAL(waiter->nr_left, 0);
    CU_ASSERT_EQUAL(told.nr, 0);
    CU_ASSERT_PTR_EQUAL(waiters.next, &waiter->node);
    end();
    CU_ASSERT_EQUAL(told.nr, 1);
}

static void new__no_memory(void)
{
    struct told told = { .nr = 0 };

    begin();
    fail_nth = 1;
    CU_ASSERT_PTR_NULL(waiter_new(&waiters, WAIT_SET, MAIL, tell, &told));
    CU_ASSERT_TRUE(vmm__list_empty(&waiters));
    CU_ASSERT_EQUAL(told.nr, 1);
    CU_ASSERT_EQUAL(told.rc, VMM_E_NOMEM);
    CU_ASSERT_FALSE(told.has_text);
    CU_ASSERT_PTR_NULL(told.session);
    end();
}

static void ready__is_told_later(void)
{
    struct waiter *waiter;
    struct told told;

    begin();
    waiter = new_one(WAIT_SET, MAIL, &told);
    waiter_ready(waiter, VMM_E_NOSPC, "%s: %u", "no room", 5);
    CU_ASSERT_TRUE(waiter->ready);
    CU_ASSERT_EQUAL(told.nr, 0);
    waiter_done(waiter, WEB);
    CU_ASSERT_EQUAL(told.nr, 1);
    CU_ASSERT_EQUAL(told.rc, VMM_E_NOSPC);
    CU_ASSERT_STRING_EQUAL(told.text, "no room: 5");
    CU_ASSERT_PTR_EQUAL(told.session, WEB);
    CU_ASSERT_TRUE(vmm__list_empty(&waiters));
    end();
}

static void ready__without_a_text(void)
{
    struct waiter *waiter;
    struct told told;

    begin();
    waiter = new_one(WAIT_SET, MAIL, &told);
    waiter_ready(waiter, 0, "%s", "");
    waiter_done(waiter, NULL);
    CU_ASSERT_EQUAL(told.rc, 0);
    CU_ASSERT_FALSE(told.has_text);
    end();
}

static void ready__long_text_is_cut(void)
{
    struct waiter *waiter;
    struct told told;
    char text[2000];

    begin();
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    waiter = new_one(WAIT_SET, MAIL, &told);
    waiter_ready(waiter, 0, "%s", text);
    CU_ASSERT_EQUAL(strlen(waiter->text), sizeof(waiter->text) - 1);
    end();
}

static void next__of_a_session_or_all(void)
{
    struct vmm__list_node *at;
    struct waiter *waiter[4];
    struct told told[4];

    begin();
    at = waiters.next;
    CU_ASSERT_PTR_NULL(waiter_next(&waiters, NULL, &at));
    waiter[0] = new_one(WAIT_SET, MAIL, &told[0]);
    waiter[1] = new_one(WAIT_SET, WEB, &told[1]);
    waiter[2] = new_one(WAIT_OFF, MAIL, &told[2]);
    waiter[3] = new_one(WAIT_REFRESH, NULL, &told[3]);

    at = waiters.next;
    CU_ASSERT_PTR_EQUAL(waiter_next(&waiters, NULL, &at), waiter[0]);
    CU_ASSERT_PTR_EQUAL(waiter_next(&waiters, NULL, &at), waiter[1]);
    CU_ASSERT_PTR_EQUAL(waiter_next(&waiters, NULL, &at), waiter[2]);
    CU_ASSERT_PTR_EQUAL(waiter_next(&waiters, NULL, &at), waiter[3]);
    CU_ASSERT_PTR_NULL(waiter_next(&waiters, NULL, &at));
    CU_ASSERT_PTR_NULL(waiter_next(&waiters, NULL, &at));

    at = waiters.next;
    CU_ASSERT_PTR_EQUAL(waiter_next(&waiters, MAIL, &at), waiter[0]);
    /* The one that was returned may be freed. */
    waiter_done(waiter[0], NULL);
    CU_ASSERT_PTR_EQUAL(waiter_next(&waiters, MAIL, &at), waiter[2]);
    waiter_done(waiter[2], NULL);
    CU_ASSERT_PTR_NULL(waiter_next(&waiters, MAIL, &at));

    at = waiters.next;
    CU_ASSERT_PTR_EQUAL(waiter_next(&waiters, WEB, &at), waiter[1]);
    CU_ASSERT_PTR_NULL(waiter_next(&waiters, WEB, &at));
    end();
}

static void waiters_ready__those_that_wait_for_that(void)
{
    struct told told[6];
    struct waiter *mail_set, *web_set, *mail_off, *busy, *over;

    begin();
    mail_set = new_one(WAIT_SET, MAIL, &told[0]);
    web_set = new_one(WAIT_SET, WEB, &told[1]);
    mail_off = new_one(WAIT_OFF, MAIL, &told[2]);
    busy = new_one(WAIT_SET, MAIL, &told[3]);
    busy->nr_left = 1;
    over = new_one(WAIT_SET, MAIL, &told[4]);
    waiter_ready(over, VMM_E_IO, "before");

    waiters_ready(&waiters, MAIL, WAIT_SET, VMM_E_CANCELED, "100%s");
    CU_ASSERT_TRUE(mail_set->ready);
    CU_ASSERT_EQUAL(mail_set->rc, VMM_E_CANCELED);
    /* It is a text, not a format. */
    CU_ASSERT_STRING_EQUAL(mail_set->text, "100%s");
    CU_ASSERT_FALSE(web_set->ready);
    CU_ASSERT_FALSE(mail_off->ready);
    CU_ASSERT_FALSE(busy->ready);
    CU_ASSERT_EQUAL(over->rc, VMM_E_IO);
    CU_ASSERT_STRING_EQUAL(over->text, "before");

    waiters_ready(&waiters, NULL, WAIT_SET, 0, "");
    CU_ASSERT_TRUE(web_set->ready);
    CU_ASSERT_EQUAL(mail_set->rc, VMM_E_CANCELED);
    CU_ASSERT_FALSE(mail_off->ready);
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(new__waits),
    UT_CASE(new__no_memory),
    UT_CASE(ready__is_told_later),
    UT_CASE(ready__without_a_text),
    UT_CASE(ready__long_text_is_cut),
    UT_CASE(next__of_a_session_or_all),
    UT_CASE(waiters_ready__those_that_wait_for_that),
};

UT_MAIN("dom0-daemon/waiter", cases)
