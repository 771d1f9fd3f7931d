/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sim_alloc.c: what a process owns. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sim_alloc.h"

#define MAX_MAPS 64
#define MAX_FDS  64

/* In front of each piece of memory. */
struct head {
    struct head *prev, *next;
    void *base;
    size_t size;
};

static struct head heads = { .prev = &heads, .next = &heads };
static unsigned long nr_heads, nr_maps, nr_fds;
static struct { void *addr; size_t len; bool anonymous; } maps[MAX_MAPS];
static int fds[MAX_FDS];
/* The last anonymous mapping that was given back: new ones are slow. */
static void *spare;
static size_t spare_len;

void *sim_aligned_alloc(size_t align, size_t size);
void *sim_malloc(size_t size);
void *sim_calloc(size_t nr, size_t size);
void *sim_realloc(void *p, size_t size);
void sim_free(void *p);
int sim_posix_memalign(void **out, size_t align, size_t size);
char *sim_strdup(const char *s);
void *sim_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int sim_munmap(void *addr, size_t len);
int sim_open(const char *path, int flags, ...);
int sim_close(int fd);

void *sim_aligned_alloc(size_t align, size_t size)
{
    size_t room;
    struct head *h;
    char *base;

    if (align < sizeof(void *)) {
        align = sizeof(void *);
    }
    room = (sizeof(*h) + align - 1) / align * align;
    if (posix_memalign((void **)&base, align > 16 ? align : 16, room + size)) {
        return NULL;
    }
    h = (struct head *)(void *)(base + room - sizeof(*h));
    h->base = base;
    h->size = size;
    h->prev = heads.prev;
    h->next = &heads;
    heads.prev->next = h;
    heads.prev = h;
    nr_heads++;
    return h + 1;
}

void *sim_malloc(size_t size)
{
    void *p = sim_aligned_alloc(16, size);

    /* Not zero, as memory is. */
    if (p) {
        memset(p, 0xa5, size < 4096 ? size : 4096);
    }
    return p;
}

void *sim_calloc(size_t nr, size_t size)
{
    void *p;

    if (size && nr > SIZE_MAX / size) {
        return NULL;
    }
    p = sim_aligned_alloc(16, nr * size);
    if (p) {
        memset(p, 0, nr * size);
    }
    return p;
}

void sim_free(void *p)
{
    struct head *h;

    if (!p) {
        return;
    }
    h = (struct head *)p - 1;
    h->prev->next = h->next;
    h->next->prev = h->prev;
    nr_heads--;
    free(h->base);
}

void *sim_realloc(void *p, size_t size)
{
    void *q = sim_malloc(size);

    if (q && p) {
        struct head *h = (struct head *)p - 1;

        memcpy(q, p, h->size < size ? h->size : size);
        sim_free(p);
    }
    return q;
}

int sim_posix_memalign(void **out, size_t align, size_t size)
{
    void *p = sim_aligned_alloc(align, size);

    if (!p) {
        return ENOMEM;
    }
    *out = p;
    return 0;
}

char *sim_strdup(const char *s)
{
    size_t len = strlen(s) + 1;
    char *p = sim_malloc(len);

    return p ? memcpy(p, s, len) : NULL;
}

void *sim_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
    void *p;

    if (nr_maps == MAX_MAPS) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    if (flags & MAP_ANONYMOUS && spare_len == len) {
        p = memset(spare, 0, len);
        spare_len = 0;
    } else {
        p = mmap(addr, len, prot, flags, fd, off);
    }
    if (p != MAP_FAILED) {
        maps[nr_maps].addr = p;
        maps[nr_maps].anonymous = flags & MAP_ANONYMOUS;
        maps[nr_maps++].len = len;
    }
    return p;
}

static void unmap(unsigned long i)
{
    if (maps[i].anonymous) {
        if (spare_len) {
            munmap(spare, spare_len);
        }
        spare = maps[i].addr;
        spare_len = maps[i].len;
    } else {
        munmap(maps[i].addr, maps[i].len);
    }
    maps[i] = maps[--nr_maps];
}

int sim_munmap(void *addr, size_t len)
{
    unsigned long i;

    for (i = 0; i < nr_maps; i++) {
        if (maps[i].addr == addr && maps[i].len == len) {
            unmap(i);
            return 0;
        }
    }
    abort();
}

int sim_open(const char *path, int flags, ...)
{
    unsigned int mode = 0;
    va_list ap;
    int fd;

    if (nr_fds == MAX_FDS) {
        errno = EMFILE;
        return -1;
    }
    if (flags & O_CREAT) {
        va_start(ap, flags);
        mode = va_arg(ap, unsigned int);
        va_end(ap);
    }
    fd = open(path, flags, mode);
    if (fd >= 0) {
        fds[nr_fds++] = fd;
    }
    return fd;
}

int sim_close(int fd)
{
    unsigned long i;

    for (i = 0; i < nr_fds; i++) {
        if (fds[i] == fd) {
            fds[i] = fds[--nr_fds];
            return close(fd);
        }
    }
    abort();
}

unsigned long sim_alloc_live(void)
{
    return nr_heads + nr_maps + nr_fds;
}

void sim_alloc_abandon(void)
{
    while (heads.next != &heads) {
        sim_free(heads.next + 1);
    }
    while (nr_maps) {
        unmap(nr_maps - 1);
    }
    while (nr_fds) {
        close(fds[--nr_fds]);
    }
}
