/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_pagefile.c: any index that a predecessor may seem to have left.
 *
 * Input: the file.  It is adopted as it is, and once more with a header that
 * is right, so that its entries are looked at; then all that is in it is used.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc.h"
#include "consumer/pagefile.h"

#define NR_GFNS 600u
#define NR_SLOTS 64u
#define HDR_BYTES 4096u
#define FILE_BYTES (HDR_BYTES + 3 * 4096u)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t uuid[16] = { 1, 2, 3 };
static char path[64];
static uint8_t good_hdr[64];

static void need(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void put_file(const void *bytes, size_t size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    need(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    (void)close(fd);
}

static void use(struct vmm__pagefile *pf)
{
    struct vmm__pagefile_entry entry;
    uint64_t gfn, first, nr_used = 0, nr;
    bool seen[NR_SLOTS] = { false };

    for (gfn = 0; gfn < NR_GFNS; gfn++) {
        vmm__pagefile_get(pf, gfn, &entry);
        need(entry.where <= VMM__PAGEFILE_SAME);
        if (entry.where == VMM__PAGEFILE_SLOT) {
            need(entry.slot < NR_SLOTS && !seen[entry.slot]);
            seen[entry.slot] = true;
            nr_used++;
        }
    }
    need(vmm__pagefile_nr_used(pf) == nr_used);

    /* The rest can be had, and nothing else. */
    while ((nr = vmm__pagefile_alloc(pf, 5, &first)) != 0) {
        for (; nr > 0; nr--, first++) {
            need(first < NR_SLOTS && !seen[first]);
            seen[first] = true;
            nr_used++;
        }
    }
    need(nr_used == NR_SLOTS);
    need(!vmm__pagefile_reserve(pf, 0, NR_GFNS));
    for (gfn = 0; gfn < NR_GFNS; gfn++) {
        vmm__pagefile_clear(pf, gfn);
    }
    vmm__pagefile_close(pf);
}

static void setup(void)
{
    struct vmm__pagefile *pf = NULL;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/fuzz-pagefile-%ld",
                   access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
                   (long)getpid());
    need(!vmm__pagefile_open(path, false, uuid, NR_GFNS, NR_SLOTS, &pf));
    vmm__pagefile_close(pf);
    fd = open(path, O_RDONLY);
    need(read(fd, good_hdr, sizeof(good_hdr)) == sizeof(good_hdr));
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[FILE_BYTES];
    struct vmm__pagefile *pf;

    if (!path[0]) {
        setup();
    }
    size = size < FILE_BYTES ? size : FILE_BYTES;
    put_file(data, size);
    if (!vmm__pagefile_open(path, true, uuid, NR_GFNS, NR_SLOTS, &pf)) {
        use(pf);
    }

    memset(file, 0, sizeof(file));
    memcpy(file, good_hdr, sizeof(good_hdr));
    memcpy(file + HDR_BYTES, data, size < FILE_BYTES - HDR_BYTES
                                   ? size : FILE_BYTES - HDR_BYTES);
    put_file(file, sizeof(file));
    if (!vmm__pagefile_open(path, true, uuid, NR_GFNS, NR_SLOTS, &pf)) {
        use(pf);
    }

    (void)unlink(path);
    return 0;
}

/* Replays files; libFuzzer and AFL bring a main of their own. */
#ifndef FUZZ_NO_MAIN
int main(int argc, char **argv)
{
    static uint8_t data[FILE_BYTES];
    int i;

    for (i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        size_t size;

        if (!f) {
            perror(argv[i]);
            return 2;
        }
        size = fread(data, 1, sizeof(data), f);
        (void)fclose(f);
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    return 0;
}
#endif
