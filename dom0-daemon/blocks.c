/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* blocks.c: the block socket; see blocks.h. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/list.h"
#include "base/stream.h"
#include "blocks.h"
#include "include/vmm_blocks.h"
#include "log.h"
#include "regions.h"

#define CLIENTS_MAX 64
#define HELLO_S 5               /* what is said first is said at once */

struct client {
    struct vmm__list_node node;
    struct blocks *blocks;
    int fd;
    pthread_t thread;
    bool over;                  /* the thread is at its end */
};

struct blocks {
    struct loop_event *event, *tick;
    struct regions *regions;
    char *path;
    int fd;
    unsigned int nr_clients;
    pthread_mutex_t lock;       /* of fd and over of clients */
    struct vmm__list_node clients;
};

/* The hello and the descriptor that comes with it, which is to be closed. */
static bool recv_hello(int fd, struct vmm_blocks_hello *hello, int *memfd_out)
{
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = { .iov_base = hello, .iov_len = sizeof(*hello) };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.buf,
        .msg_controllen = sizeof(control.buf),
    };
    struct cmsghdr *cmsg;
    ssize_t r;

    *memfd_out = -1;
    do {
        r = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    } while (r < 0 && errno == EINTR);
    if (r <= 0) {
        return false;
    }
    cmsg = CMSG_FIRSTHDR(&msg);
    if (cmsg && cmsg->cmsg_level == SOL_SOCKET &&
        cmsg->cmsg_type == SCM_RIGHTS &&
        cmsg->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(memfd_out, CMSG_DATA(cmsg), sizeof(int));
    }
    return vmm__recv_all(fd, (char *)hello + r,
                         sizeof(*hello) - (size_t)r);
}

/* A file that may shrink would end us when it does. */
static int map_buffer(int memfd, uint32_t bytes, uint8_t **buffer_out)
{
    struct stat st;
    void *at;
    int seals;

    if (!bytes || bytes > VMM_BLOCKS_BUFFER_MAX ||
        bytes % VMM_BLOCK_BYTES || memfd < 0) {
        return VMM_E_INVAL;
    }
    seals = fcntl(memfd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(memfd, &st) ||
        st.st_size < (off_t)bytes) {
        return VMM_E_INVAL;
    }
    at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
    if (at == MAP_FAILED) {
        return VMM_E_NOMEM;
    }
    *buffer_out = at;
    return 0;
}

static void serve(int fd, const struct region_user *user, uint8_t *buffer,
                  uint64_t buffer_blocks)
{
    struct vmm_blocks_request request;

    while (vmm__recv_all(fd, &request, sizeof(request))) {
        struct vmm_blocks_reply reply = { .rc = VMM_E_INVAL };

        if (request.op != VMM_BLOCKS_DISCARD && request.nr > buffer_blocks) {
            reply.rc = VMM_E_RANGE;
        } else if (request.op == VMM_BLOCKS_READ) {
            reply.rc = vmm_region_read(user->handle, user->id, request.first,
                                       request.nr, buffer, &reply.failed);
        } else if (user->id != VMM_REGION_RUNNING) {
            reply.rc = VMM_E_PERM;
        } else if (request.op == VMM_BLOCKS_WRITE) {
            reply.rc = vmm_region_write(user->handle, request.first,
                                        request.nr, buffer, &reply.failed);
        } else if (request.op == VMM_BLOCKS_DISCARD) {
            reply.rc = vmm_region_discard(user->handle, request.first,
                                          request.nr);
        }
        if (!vmm__send_all(fd, &reply, sizeof(reply))) {
            return;
        }
    }
}

static void greet_and_serve(const struct client *client)
{
    const struct timeval soon = { .tv_sec = HELLO_S }, never = { 0 };
    struct vmm_blocks_welcome welcome = { .magic = VMM_BLOCKS_MAGIC };
    struct region_user user = { .region = NULL };
    struct vmm_blocks_hello hello;
    uint8_t *buffer = NULL;
    int memfd, rc = 0;

    (void)setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &soon,
                     sizeof(soon));
    if (!recv_hello(client->fd, &hello, &memfd)) {
        goto out;
    }
    if (hello.magic != VMM_BLOCKS_MAGIC || hello.flags ||
        !memchr(hello.region, '\0', sizeof(hello.region)) ||
        !memchr(hello.snapshot, '\0', sizeof(hello.snapshot))) {
        rc = VMM_E_INVAL;
    }
    rc = rc ? rc : map_buffer(memfd, hello.buffer_bytes, &buffer);
    if (rc) {
        (void)snprintf(welcome.text, sizeof(welcome.text),
                       "the client does not keep to the protocol");
    } else {
        rc = regions_export(client->blocks->regions, hello.region,
                            hello.snapshot, &user, welcome.text,
                            sizeof(welcome.text));
    }
    welcome.rc = rc;
    if (!rc) {
        welcome.read_only = user.id != VMM_REGION_RUNNING;
        welcome.nr_blocks = vmm_region_nr_blocks(user.handle);
    }
    (void)setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &never,
                     sizeof(never));
    if (vmm__send_all(client->fd, &welcome, sizeof(welcome)) && !rc) {
        serve(client->fd, &user, buffer,
              hello.buffer_bytes / VMM_BLOCK_BYTES);
    }

 out:
    if (user.region) {
        regions_unexport(client->blocks->regions, &user);
    }
    if (buffer) {
        (void)munmap(buffer, hello.buffer_bytes);
    }
    if (memfd >= 0) {
        (void)close(memfd);
    }
}

static void *run(void *arg)
{
    struct client *client = arg;

    greet_and_serve(client);
    pthread_mutex_lock(&client->blocks->lock);
    (void)close(client->fd);
    client->fd = -1;
    client->over = true;
    pthread_mutex_unlock(&client->blocks->lock);
    return NULL;
}

/* Join those that are at their end. */
static void collect(void *arg)
{
    struct blocks *blocks = arg;
    struct vmm__list_node *node, *next;

    for (node = blocks->clients.next; node != &blocks->clients; node = next) {
        struct client *client = vmm__container_of(node, struct client, node);
        bool over;

        next = node->next;
        pthread_mutex_lock(&blocks->lock);
        over = client->over;
        pthread_mutex_unlock(&blocks->lock);
        if (over) {
            (void)pthread_join(client->thread, NULL);
            vmm__list_del(&client->node);
            blocks->nr_clients--;
            free(client);
        }
    }
}

static void on_accept(void *arg)
{
    struct blocks *blocks = arg;
    struct client *client;
    int fd;

    fd = accept4(blocks->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    collect(blocks);
    client = blocks->nr_clients < CLIENTS_MAX ? calloc(1, sizeof(*client))
                                              : NULL;
    if (client) {
        client->blocks = blocks;
        client->fd = fd;
        if (!pthread_create(&client->thread, NULL, run, client)) {
            vmm__list_add_tail(&blocks->clients, &client->node);
            blocks->nr_clients++;
            return;
        }
    }
    log_line(VMM_LOG_WARN, "blocks", "too many clients; one was sent away");
    free(client);
    (void)close(fd);
}

int blocks_open(struct loop *loop, const char *path, struct regions *regions,
                struct blocks **blocks_out)
{
    struct blocks *blocks = calloc(1, sizeof(*blocks));
    int rc;

    if (!blocks) {
        return VMM_E_NOMEM;
    }
    blocks->fd = -1;
    blocks->regions = regions;
    vmm__list_init(&blocks->clients);
    (void)pthread_mutex_init(&blocks->lock, NULL);
    blocks->path = strdup(path);
    rc = blocks->path ? vmm__listen(path, &blocks->fd) : VMM_E_NOMEM;
    if (rc == VMM_E_LOCAL) {
        log_line(VMM_LOG_ERROR, "blocks", "%s: %s", path, strerror(errno));
    }
    rc = rc ? rc : loop_add_fd(loop, blocks->fd, on_accept, blocks,
                               &blocks->event);
    rc = rc ? rc : loop_add_timer(loop, 1000, collect, blocks,
                                  &blocks->tick);
    if (rc) {
        blocks_close(blocks);
        return rc;
    }
    *blocks_out = blocks;
    return 0;
}

void blocks_close(struct blocks *blocks)
{
    struct vmm__list_node *node;

    if (!blocks) {
        return;
    }
    loop_remove(blocks->event);
    loop_remove(blocks->tick);
    if (blocks->fd >= 0) {
        (void)close(blocks->fd);
        (void)unlink(blocks->path);
    }
    pthread_mutex_lock(&blocks->lock);
    for (node = blocks->clients.next; node != &blocks->clients;
         node = node->next) {
        const struct client *client =
            vmm__container_of(node, const struct client, node);

        if (!client->over) {
            (void)shutdown(client->fd, SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&blocks->lock);
    while (!vmm__list_empty(&blocks->clients)) {
        struct client *client = vmm__container_of(blocks->clients.next,
                                                  struct client, node);

        (void)pthread_join(client->thread, NULL);
        vmm__list_del(&client->node);
        free(client);
    }
    (void)pthread_mutex_destroy(&blocks->lock);
    free(blocks->path);
    free(blocks);
}
