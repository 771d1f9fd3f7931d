/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmmop.c: XENMEM_vmm_op by hand, for tests.
 *
 *   vmmop abuse DOMID [SEED [RANDOM_CALLS]]
 *       In the control domain, on a paused domain without a session: feeds
 *       every operation bad domids, gfns, counts, pointers and states, and
 *       checks that each is refused, with the errno that vmm_op.h says where
 *       it says one; then that the domain's memory is as it was.
 *   vmmop denied DOMID
 *       In a domain without privilege: every operation is refused.
 *
 * Static, and over the kernel's privcmd alone, so that it runs in any domain.
 * Prints one line a failure, then `calls=N failures=N'.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/memory.h>
#include <xen/vmm_op.h>

/* Linux, include/uapi/xen/privcmd.h. */
struct privcmd_hypercall {
    uint64_t op;
    uint64_t arg[5];
};
#define IOCTL_PRIVCMD_HYPERCALL \
    _IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))

#define PAGE_BYTES 4096u
#define ANY_ERROR (-1)

static int privcmd_fd;
static unsigned int nr_calls, nr_failures;

/* One page each, locked: what operations read and write. */
static struct xen_vmm_op *op;
static uint64_t *gfns, *bufs;
static int32_t *results;
static uint8_t *bytes;

static void *locked_pages(unsigned int nr)
{
    void *p = mmap(NULL, nr * PAGE_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE,
                   -1, 0);

    if (p == MAP_FAILED) {
        perror("vmmop: mmap");
        exit(2);
    }
    memset(p, 0, nr * PAGE_BYTES);
    return p;
}

/* 0, or errno. */
static int hypercall(void *arg)
{
    struct privcmd_hypercall call = {
        .op = __HYPERVISOR_memory_op,
        .arg = { XENMEM_vmm_op, (uintptr_t)arg },
    };

    nr_calls++;
    return ioctl(privcmd_fd, IOCTL_PRIVCMD_HYPERCALL, &call) < 0 ? errno : 0;
}

static struct xen_vmm_op *fresh(uint16_t cmd, unsigned int domid)
{
    memset(op, 0, sizeof(*op));
    op->interface_version = XEN_VMM_INTERFACE_VERSION;
    op->cmd = cmd;
    op->domain = domid;
    return op;
}

static struct xen_vmm_batch *fresh_batch(uint16_t cmd, unsigned int domid,
                                         uint32_t nr)
{
    struct xen_vmm_batch *batch = &fresh(cmd, domid)->u.batch;

    batch->nr = nr;
    set_xen_guest_handle_raw(batch->gfns, gfns);
    set_xen_guest_handle_raw(batch->bufs, bufs);
    set_xen_guest_handle_raw(batch->results, results);
    return batch;
}

static void fail(const char *what, int got, int want)
{
    nr_failures++;
    printf("failed: %s: got %d, want %d\n", what, got, want);
}

static void check(const char *what, int got, int want)
{
    if (want == ANY_ERROR ? !got : got != want) {
        fail(what, got, want);
    }
}

static void expect(const char *what, int want)
{
    check(what, hypercall(op), want);
}

/* One page through a batch operation; its result, or -1000 if it failed. */
static int one(uint16_t cmd, unsigned int domid, uint64_t gfn, void *buf)
{
    gfns[0] = gfn;
    bufs[0] = (uintptr_t)buf;
    results[0] = 12345;
    fresh_batch(cmd, domid, 1);
    return hypercall(op) ? -1000 : results[0];
}

static uint8_t state_of(unsigned int domid, uint64_t gfn)
{
    struct xen_vmm_query *query = &fresh(XEN_VMM_OP_query, domid)->u.query;

    query->first = gfn;
    query->nr = 1;
    set_xen_guest_handle_raw(query->states, bytes);
    return hypercall(op) ? 0xff : bytes[0];
}

static void bad_headers(unsigned int domid)
{
    static const unsigned int domids[] = {
        0, 12345, 0x7ff0, 0x7ff1, 0x7ff2, 0x7ff3, 0x7ff4, 0x7fff, 0xffff,
    };
    static const uint32_t versions[] = { 0, 2, 0x80000000u, ~0u };
    static const uint16_t cmds[] = { 0, 10, 11, 100, 0x7fff, 0xffff };
    static const uintptr_t pointers[] = {
        0, 1, 0xfff, 0x7ffffffff000, 0x800000000000, 0xffff800000000000,
        0xffff82d080000000, 0xffffffff80000000, ~0ul, ~0ul - 127,
    };
    unsigned int i, cmd;

    for (cmd = 1; cmd <= XEN_VMM_OP_stat; cmd++) {
        for (i = 0; i < sizeof(domids) / sizeof(domids[0]); i++) {
            fresh(cmd, domids[i]);
            expect("bad domid", ANY_ERROR);
        }
        for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
            fresh(cmd, domid)->interface_version = versions[i];
            expect("bad version", EINVAL);
        }
    }
    for (i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
        fresh(cmds[i], domid);
        expect("bad command", ENOSYS);
    }
    for (i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
        check("bad operand", hypercall((void *)pointers[i]), EFAULT);
    }
}

static void bad_batches(unsigned int domid)
{
    static const uint16_t cmds[] = {
        XEN_VMM_OP_nominate, XEN_VMM_OP_evict, XEN_VMM_OP_prepare,
        XEN_VMM_OP_resume,
    };
    static const uint32_t counts[] = { 513, 1024, 0x10000, 0x7fffffff, ~0u };
    static const uint64_t bad_gfns[] = {
        1ull << 36, 1ull << 40, 1ull << 52, 1ull << 63, ~0ull, ~0ull - 1,
    };
    static void *const pointers[] = {
        (void *)0x800000000000, (void *)0xffff82d080000000,
        (void *)0xffffffff80000000, (void *)~0ul,
    };
    unsigned int c, i;

    for (c = 0; c < 4; c++) {
        struct xen_vmm_batch *batch;

        for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            fresh_batch(cmds[c], domid, counts[i]);
            expect("bad count", EINVAL);
        }
        batch = fresh_batch(cmds[c], domid, 1);
        batch->done = 2;
        expect("done beyond the end", EINVAL);
        for (i = 1; i < 32; i++) {
            fresh_batch(cmds[c], domid, 1)->flags = 1u << i;
            expect("unknown flag", EINVAL);
        }
        if (cmds[c] != XEN_VMM_OP_prepare) {
            fresh_batch(cmds[c], domid, 1)->flags = XEN_VMM_PREPARE_COLD;
            expect("flag of another operation", EINVAL);
        }
        fresh_batch(cmds[c], domid, 1)->_res1 = 1;
        expect("reserved member", EINVAL);
        for (i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
            batch = fresh_batch(cmds[c], domid, 1);
            set_xen_guest_handle_raw(batch->gfns, pointers[i]);
            expect("bad gfns pointer", EFAULT);
            batch = fresh_batch(cmds[c], domid, 1);
            set_xen_guest_handle_raw(batch->bufs, pointers[i]);
            expect("bad bufs pointer", EFAULT);
            /* Only a page that nothing is done to: there is no result. */
            gfns[0] = ~0ull;
            batch = fresh_batch(cmds[c], domid, 1);
            set_xen_guest_handle_raw(batch->results, pointers[i]);
            expect("bad results pointer", EFAULT);
        }
        for (i = 0; i < sizeof(bad_gfns) / sizeof(bad_gfns[0]); i++) {
            check("bad gfn", one(cmds[c], domid, bad_gfns[i], bytes),
                  -EINVAL);
        }
    }
}

static void bad_ranges(unsigned int domid)
{
    static void *const pointers[] = {
        (void *)0x800000000000, (void *)0xffff82d080000000, (void *)~0ul,
    };
    static const uint32_t counts[] = {
        XEN_VMM_RANGE_MAX + 1, 0x7fffffff, ~0u
    };
    static const uint64_t firsts[] = { 1ull << 52, 1ull << 63, ~0ull << 9 };
    struct xen_vmm_harvest *harvest;
    struct xen_vmm_query *query;
    unsigned int i;

    for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        fresh(XEN_VMM_OP_harvest, domid)->u.harvest.nr = counts[i];
        expect("harvest: bad count", EINVAL);
        fresh(XEN_VMM_OP_query, domid)->u.query.nr = counts[i];
        expect("query: bad count", EINVAL);
    }
    for (i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
        fresh(XEN_VMM_OP_harvest, domid)->u.harvest.first = firsts[i];
        expect("harvest: bad first", EINVAL);
        fresh(XEN_VMM_OP_query, domid)->u.query.first = firsts[i];
        expect("query: bad first", EINVAL);
    }
    for (i = 0; i < 9; i++) {
        fresh(XEN_VMM_OP_harvest, domid)->u.harvest.first = 1u << i;
        expect("harvest: unaligned first", EINVAL);
        harvest = &fresh(XEN_VMM_OP_harvest, domid)->u.harvest;
        harvest->nr = 1024;
        harvest->done = 1u << i;
        expect("harvest: unaligned done", EINVAL);
    }
    for (i = 1; i < 32; i++) {
        fresh(XEN_VMM_OP_harvest, domid)->u.harvest.flags = 1u << i;
        expect("harvest: unknown flag", EINVAL);
        fresh(XEN_VMM_OP_attach, domid)->u.attach.flags = 1u << i;
        expect("attach: unknown flag", EINVAL);
    }
    for (i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
        harvest = &fresh(XEN_VMM_OP_harvest, domid)->u.harvest;
        harvest->nr = 512;
        set_xen_guest_handle_raw(harvest->bitmap, pointers[i]);
        expect("harvest: bad bitmap", EFAULT);
        query = &fresh(XEN_VMM_OP_query, domid)->u.query;
        query->nr = 512;
        set_xen_guest_handle_raw(query->states, pointers[i]);
        expect("query: bad states", EFAULT);
    }
    harvest = &fresh(XEN_VMM_OP_harvest, domid)->u.harvest;
    harvest->nr = 512;
    harvest->done = 1024;
    expect("harvest: done beyond the end", EINVAL);
}

/* Operations on pages in the wrong state, on a page that is RAM. */
static void bad_states(unsigned int domid, uint64_t gfn, uint64_t hole)
{
    uint8_t *page = locked_pages(1), *before = locked_pages(1);
    void *bad = (void *)0xffff82d080000000;

    check("evict a resident page",
          one(XEN_VMM_OP_evict, domid, gfn, NULL), -EBUSY);
    check("resume a resident page",
          one(XEN_VMM_OP_resume, domid, gfn, NULL), -EEXIST);
    check("prepare a resident page",
          one(XEN_VMM_OP_prepare, domid, gfn, page), -EEXIST);
    check("nominate a hole", one(XEN_VMM_OP_nominate, domid, hole, page),
          -EBUSY);
    check("evict a hole", one(XEN_VMM_OP_evict, domid, hole, NULL), -ENOENT);
    check("prepare a hole", one(XEN_VMM_OP_prepare, domid, hole, page),
          -ENOENT);
    check("resume a hole", one(XEN_VMM_OP_resume, domid, hole, NULL),
          -ENOENT);

    check("nominate to a bad buffer",
          one(XEN_VMM_OP_nominate, domid, gfn, bad), -EFAULT);
    check("... leaves it resident", state_of(domid, gfn),
          XEN_VMM_STATE_RESIDENT);

    check("nominate", one(XEN_VMM_OP_nominate, domid, gfn, before), 0);
    check("nominate again", one(XEN_VMM_OP_nominate, domid, gfn, page),
          -EBUSY);
    check("prepare a nominated page",
          one(XEN_VMM_OP_prepare, domid, gfn, NULL), 0);
    check("... makes it resident", state_of(domid, gfn),
          XEN_VMM_STATE_RESIDENT);

    check("nominate", one(XEN_VMM_OP_nominate, domid, gfn, before), 0);
    check("evict", one(XEN_VMM_OP_evict, domid, gfn, NULL), 0);
    check("is paged", state_of(domid, gfn), XEN_VMM_STATE_PAGED);
    check("evict again", one(XEN_VMM_OP_evict, domid, gfn, NULL), -ENOENT);
    check("nominate a paged page",
          one(XEN_VMM_OP_nominate, domid, gfn, page), -EBUSY);
    check("resume a paged page", one(XEN_VMM_OP_resume, domid, gfn, NULL),
          -ENOENT);
    fresh(XEN_VMM_OP_detach, domid);
    expect("detach with a page out", EBUSY);
    check("prepare without a buffer",
          one(XEN_VMM_OP_prepare, domid, gfn, NULL), -EINVAL);
    check("prepare from a bad buffer",
          one(XEN_VMM_OP_prepare, domid, gfn, bad), -EFAULT);
    check("... leaves it paged", state_of(domid, gfn), XEN_VMM_STATE_PAGED);
    check("prepare", one(XEN_VMM_OP_prepare, domid, gfn, before), 0);

    check("nominate", one(XEN_VMM_OP_nominate, domid, gfn, page), 0);
    check("contents came back", memcmp(page, before, PAGE_BYTES), 0);
    check("resume", one(XEN_VMM_OP_resume, domid, gfn, NULL), 0);
}

static uint64_t rng_state;

static uint64_t rng(void)
{
    /* Marsaglia, "Xorshift RNGs", 2003. */
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state;
}

/*
 * Random operands.  Some of them are right by chance, so nothing is expected
 * but that the hypervisor survives and that no page stays away.
 */
static void random_calls(unsigned int domid, unsigned int nr,
                         uint64_t nr_gfns)
{
    unsigned int i, j;

    for (i = 0; i < nr; i++) {
        struct xen_vmm_batch *batch =
            fresh_batch(XEN_VMM_OP_nominate + rng() % 4, domid, rng() % 16);

        for (j = 0; j < 16; j++) {
            gfns[j] = rng() % 4 ? rng() % nr_gfns : rng();
            bufs[j] = rng() % 4 ? (uintptr_t)bytes : rng();
        }
        /* A page that is gone could not come back with what it had. */
        if (op->cmd == XEN_VMM_OP_evict) {
            op->cmd = XEN_VMM_OP_resume;
        }
        if (!(rng() % 4)) {
            batch->flags = rng() % 2;
        }
        if (!(rng() % 8)) {
            batch->done = rng();
        }
        if (!(rng() % 8)) {
            set_xen_guest_handle_raw(batch->gfns, (uint64_t *)rng());
        }
        (void)hypercall(op);
    }
    for (i = 0; i < nr_gfns; i++) {
        if (state_of(domid, i) == XEN_VMM_STATE_NOMINATED) {
            check("resume after random calls",
                  one(XEN_VMM_OP_resume, domid, i, NULL), 0);
        }
    }
}

static int abuse(unsigned int domid, uint64_t seed, unsigned int nr_random)
{
    uint64_t gfn;
    unsigned int cmd;

    rng_state = seed | 1;

    for (cmd = XEN_VMM_OP_detach; cmd <= XEN_VMM_OP_stat; cmd++) {
        fresh(cmd, domid);
        expect("no session", ENOENT);
    }
    fresh(XEN_VMM_OP_attach, domid)->u.attach.flags = XEN_VMM_ATTACH_TAKEOVER;
    expect("take over nothing", ENOENT);

    fresh(XEN_VMM_OP_attach, domid);
    expect("attach", 0);
    fresh(XEN_VMM_OP_attach, domid);
    expect("attach twice", EBUSY);

    bad_headers(domid);
    bad_batches(domid);
    bad_ranges(domid);

    /* Some page of the guest's in the middle of its memory. */
    for (gfn = 0x4000; gfn < 0x5000; gfn++) {
        uint8_t state = state_of(domid, gfn);

        if (state == XEN_VMM_STATE_RESIDENT &&
            !one(XEN_VMM_OP_nominate, domid, gfn, bytes)) {
            check("resume", one(XEN_VMM_OP_resume, domid, gfn, NULL), 0);
            break;
        }
    }
    bad_states(domid, gfn, 0x80000);
    random_calls(domid, nr_random, 0x8000);

    fresh(XEN_VMM_OP_detach, domid);
    expect("detach", 0);
    fresh(XEN_VMM_OP_detach, domid);
    expect("detach twice", ENOENT);

    return 0;
}

static int denied(unsigned int domid)
{
    unsigned int cmd, d;

    for (cmd = 0; cmd <= 12; cmd++) {
        fresh(cmd, domid);
        expect("own domain", EPERM);
        fresh(cmd, 0);
        expect("the control domain", EPERM);
        for (d = 0; d < 32; d++) {
            fresh(cmd, d);
            expect("any domain", ANY_ERROR);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    unsigned int domid;

    if (argc < 3 || (strcmp(argv[1], "abuse") && strcmp(argv[1], "denied"))) {
        fprintf(stderr, "usage: vmmop abuse|denied DOMID [SEED [CALLS]]\n");
        return 2;
    }
    privcmd_fd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    if (privcmd_fd < 0) {
        perror("vmmop: /dev/xen/privcmd");
        return 2;
    }
    op = locked_pages(1);
    gfns = locked_pages(1);
    bufs = locked_pages(1);
    results = locked_pages(1);
    bytes = locked_pages(1);

    domid = strtoul(argv[2], NULL, 0);
    if (!strcmp(argv[1], "abuse")) {
        abuse(domid, argc > 3 ? strtoull(argv[3], NULL, 0) : 1,
              argc > 4 ? strtoul(argv[4], NULL, 0) : 2000);
    } else {
        denied(domid);
    }

    printf("calls=%u failures=%u\n", nr_calls, nr_failures);
    return nr_failures ? 1 : 0;
}
