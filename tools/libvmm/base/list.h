/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list.h: a doubly linked list whose nodes live in their objects. */
#ifndef VMM_BASE_LIST_H
#define VMM_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct vmm__list_node {
    struct vmm__list_node *prev, *next;
};

#define vmm__container_of(ptr, type, member) \
    ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* A head is a node that is not in an object. */
static inline void vmm__list_init(struct vmm__list_node *head)
{
    head->prev = head->next = head;
}

static inline bool vmm__list_empty(const struct vmm__list_node *head)
{
    return head->next == head;
}

static inline void vmm__list_add_tail(struct vmm__list_node *head,
                                      struct vmm__list_node *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void vmm__list_del(struct vmm__list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = node;
}

#endif
