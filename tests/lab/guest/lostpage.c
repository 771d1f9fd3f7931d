/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lostpage.c: a program of which one page is lost.
 *
 *   lostpage NR_PAGES INDEX
 *
 * Says at which guest-physical address page INDEX of its memory is; reads all
 * of it once more at each SIGUSR1, and says what it met: SIGBUS, and pages
 * with other contents.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096ul
#define PFN_MASK ((1ull << 55) - 1)     /* Documentation, pagemap.rst */

static sigjmp_buf back;
static volatile uintptr_t lost;
static volatile int code;

static void on_bus(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    (void)context;
    lost = (uintptr_t)info->si_addr;
    code = info->si_code;
    siglongjmp(back, 1);
}

static uint64_t gpa_of(const void *at)
{
    int fd = open("/proc/self/pagemap", O_RDONLY);
    uint64_t entry = 0;

    if (fd < 0 || pread(fd, &entry, sizeof(entry),
                        (off_t)((uintptr_t)at / PAGE_BYTES *
                                sizeof(entry))) != sizeof(entry)) {
        perror("lostpage: pagemap");
        exit(1);
    }
    close(fd);
    return (entry & PFN_MASK) * PAGE_BYTES;
}

int main(int argc, char **argv)
{
    const struct sigaction action = {
        .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_NODEFER,
    };
    unsigned long nr, index;
    uint64_t *mem;
    sigset_t set;

    if (argc != 3) {
        fputs("usage: lostpage NR_PAGES INDEX\n", stderr);
        return 2;
    }
    nr = strtoul(argv[1], NULL, 0);
    index = strtoul(argv[2], NULL, 0);
    mem = mmap(NULL, nr * PAGE_BYTES, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (index >= nr || mem == MAP_FAILED || mlock(mem, nr * PAGE_BYTES)) {
        perror("lostpage");
        return 1;
    }
    for (size_t i = 0; i < nr * PAGE_BYTES / sizeof(*mem); i++) {
        mem[i] = i * 0x9e3779b97f4a7c15ull;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigaction(SIGBUS, &action, NULL);
    printf("gpa=0x%llx\n",
           (unsigned long long)gpa_of((char *)mem + index * PAGE_BYTES));
    fflush(stdout);

    for (;;) {
        volatile unsigned long page = 0, nr_lost = 0, nr_wrong = 0, other = 0;
        int signo;

        if (sigwait(&set, &signo)) {
            return 1;
        }
        for (page = 0; page < nr; page++) {
            const uint64_t *at = mem + page * PAGE_BYTES / sizeof(*mem);

            if (sigsetjmp(back, 1)) {
                nr_lost++;
                other += page != index || code != BUS_MCEERR_AR ||
                         lost / PAGE_BYTES != (uintptr_t)at / PAGE_BYTES;
                continue;
            }
            for (size_t i = 0; i < PAGE_BYTES / sizeof(*mem); i++) {
                size_t n = page * PAGE_BYTES / sizeof(*mem) + i;

                if (at[i] != n * 0x9e3779b97f4a7c15ull) {
                    nr_wrong++;
                    break;
                }
            }
        }
        printf("lost=%lu other=%lu wrong=%lu\n", nr_lost, other, nr_wrong);
        fflush(stdout);
    }
}
