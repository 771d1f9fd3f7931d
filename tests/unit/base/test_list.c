/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_list.c: nodes that come, go and come again. */
#include "base/list.h"

#include "lib/ut.h"

struct thing {
    int before;
    struct vmm__list_node node;
    int number;
};

static struct vmm__list_node head;
static struct thing things[4];

static void begin(void)
{
    int i;

    vmm__list_init(&head);
    for (i = 0; i < 4; i++) {
        things[i].number = i;
    }
}

/* The numbers in it, from either end. */
static void check(const char *expected)
{
    char forth[8] = "", back[8] = "";
    const struct vmm__list_node *node;
    size_t len = 0, n = strlen(expected);

    for (node = head.next; node != &head && len < 7; node = node->next) {
        forth[len++] = (char)('0' + vmm__container_of(
            node, const struct thing, node)->number);
    }
    for (node = head.prev; node != &head && n > 0; node = node->prev) {
        back[--n] = (char)('0' + vmm__container_of(
            node, const struct thing, node)->number);
    }
    CU_ASSERT_STRING_EQUAL(forth, expected);
    CU_ASSERT_STRING_EQUAL(back, expected);
    CU_ASSERT_EQUAL(vmm__list_empty(&head), !*expected);
}

static void init__is_empty(void)
{
    begin();
    check("");
    CU_ASSERT_PTR_EQUAL(head.next, &head);
    CU_ASSERT_PTR_EQUAL(head.prev, &head);
}

static void add_tail__in_order(void)
{
    int i;

    begin();
    for (i = 0; i < 4; i++) {
        vmm__list_add_tail(&head, &things[i].node);
        CU_ASSERT_FALSE(vmm__list_empty(&head));
    }
    check("0123");
}

/* In front of any node that is not a head. */
static void add_tail__before_another(void)
{
    begin();
    vmm__list_add_tail(&head, &things[0].node);
    vmm__list_add_tail(&head, &things[1].node);
    vmm__list_add_tail(&things[1].node, &things[2].node);
    check("021");
    vmm__list_add_tail(head.next, &things[3].node);
    check("3021");
}

static void del__from_anywhere(void)
{
    int i;

    begin();
    for (i = 0; i < 4; i++) {
        vmm__list_add_tail(&head, &things[i].node);
    }
    vmm__list_del(&things[1].node);
    check("023");
    vmm__list_del(&things[0].node);
    check("23");
    vmm__list_del(&things[3].node);
    check("2");
    vmm__list_del(&things[2].node);
    check("");
}

/* It is in no list then: that can be asked, and done once more. */
static void del__twice_and_back(void)
{
    begin();
    vmm__list_add_tail(&head, &things[0].node);
    vmm__list_add_tail(&head, &things[1].node);
    vmm__list_del(&things[0].node);
    CU_ASSERT_TRUE(vmm__list_empty(&things[0].node));
    vmm__list_del(&things[0].node);
    check("1");
    vmm__list_add_tail(&head, &things[0].node);
    check("10");
}

static void container_of__of_each_member(void)
{
    begin();
    CU_ASSERT_PTR_EQUAL(vmm__container_of(&things[2].node, struct thing,
                                          node), &things[2]);
    CU_ASSERT_PTR_EQUAL(vmm__container_of(&things[2].number, struct thing,
                                          number), &things[2]);
    CU_ASSERT_PTR_EQUAL(vmm__container_of(&things[2].before, struct thing,
                                          before), &things[2]);
}

static const struct ut_case cases[] = {
    UT_CASE(init__is_empty),
    UT_CASE(add_tail__in_order),
    UT_CASE(add_tail__before_another),
    UT_CASE(del__from_anywhere),
    UT_CASE(del__twice_and_back),
    UT_CASE(container_of__of_each_member),
};

UT_MAIN("base/list", cases)
