/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * denied.c: a whole PVH guest that tries every operation of XENMEM_vmm_op.
 *
 * Linux itself keeps programs of an unprivileged guest from making
 * hypercalls, so this is a kernel: 32 bits, no paging.  It says what it found
 * on Xen's console, through the debug port, and powers off.
 */
#include <stdint.h>

#define MEMORY_OP 12
#define SCHED_OP 29
#define SCHEDOP_SHUTDOWN 2
#define VMM_OP 60
#define VMM_VERSION 1
#define NR_COMMANDS 10
#define DOMID_SELF 0x7ff0u
#define EPERM 1
#define ESRCH 3
#define EINVAL 22
#define ENOSYS 38
#define DEBUG_PORT 0xe9

/* As of xen/include/public/vmm_op.h. */
struct vmm_op {
    uint32_t interface_version;
    uint16_t cmd, domain;
    uint8_t u[120];
};

static uint8_t hypercall_page[4096] __attribute__((aligned(4096)));
static unsigned int nr_calls, nr_failures;

static void cpuid(uint32_t leaf, uint32_t *a, uint32_t *b)
{
    uint32_t c, d;

    __asm__ volatile ("cpuid" : "=a" (*a), "=b" (*b), "=c" (c), "=d" (d)
                      : "a" (leaf), "c" (0));
}

static int hypercall(unsigned int nr, uint32_t a1, uint32_t a2)
{
    void *entry = hypercall_page + nr * 32;
    int ret;

    __asm__ volatile ("call *%[entry]"
                      : "=a" (ret), "+b" (a1), "+c" (a2)
                      : [entry] "r" (entry) : "memory", "edx", "esi");
    return ret;
}

static void put(char c)
{
    __asm__ volatile ("outb %0, %1" :: "a" (c), "Nd" ((uint16_t)DEBUG_PORT));
}

static void say(const char *s)
{
    while (*s) {
        put(*s++);
    }
}

static void say_number(int value)
{
    char digits[12];
    unsigned int i = 0, v = value < 0 ? -value : value;

    if (value < 0) {
        put('-');
    }
    do {
        digits[i++] = '0' + v % 10;
    } while (v /= 10);
    while (i) {
        put(digits[--i]);
    }
}

static void try(unsigned int cmd, unsigned int domid)
{
    static struct vmm_op op;
    int ret;

    for (unsigned int i = 0; i < sizeof(op.u); i++) {
        op.u[i] = 0;
    }
    op.interface_version = VMM_VERSION;
    op.cmd = cmd;
    op.domain = domid;
    ret = hypercall(MEMORY_OP, VMM_OP, (uint32_t)&op);
    nr_calls++;

    /* No such domain, one that dies, or no right: never anything else. */
    if (ret != -EPERM && ret != -ESRCH && ret != -EINVAL) {
        nr_failures++;
        say("denied: command ");
        say_number(cmd);
        say(" on domain ");
        say_number(domid);
        say(" gave ");
        say_number(ret);
        say("\n");
    }
    /* Xen itself, which exists. */
    if (domid == 0 && ret != -EPERM) {
        nr_failures++;
    }
}

void start(void);
void start(void)
{
    static uint32_t reason = 0;
    uint32_t base, max, msr, pages, b;

    for (base = 0x40000000; base < 0x40010000; base += 0x100) {
        cpuid(base, &max, &b);
        if (b == 0x566e6558) {      /* "XenV" */
            break;
        }
    }
    cpuid(base + 2, &pages, &msr);
    __asm__ volatile ("wrmsr" :: "c" (msr), "a" ((uint32_t)hypercall_page),
                      "d" (0) : "memory");

    for (unsigned int cmd = 0; cmd <= NR_COMMANDS; cmd++) {
        for (unsigned int domid = 0; domid < 48; domid++) {
            try(cmd, domid);
        }
        try(cmd, DOMID_SELF);
        try(cmd, 0xffff);
    }

    say("denied: calls=");
    say_number(nr_calls);
    say(" failures=");
    say_number(nr_failures);
    say("\n");
    hypercall(SCHED_OP, SCHEDOP_SHUTDOWN, (uint32_t)&reason);
    for (;;) {
        __asm__ volatile ("hlt");
    }
}

__asm__ (
    ".section .note.Xen, \"a\", @note\n"
    ".long 4, 4, 18\n"              /* XEN_ELFNOTE_PHYS32_ENTRY */
    ".asciz \"Xen\"\n"
    ".long entry\n"
    ".text\n"
    ".globl entry\n"
    "entry:\n"
    "mov $stack_end, %esp\n"
    "call start\n"
    ".bss\n"
    ".align 16\n"
    ".skip 16384\n"
    "stack_end:\n"
    ".text\n"
);
