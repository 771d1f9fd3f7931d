/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv_xen.c: table/hv.h over libxencall and XENMEM_vmm_op. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define __XEN_TOOLS__ 1
#include <xencall.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xen/xen.h>
#include <xen/vmm_op.h>

#include "base/log.h"
#include "format/ring.h"
#include "port/hv_xen.h"
#include "table/clock.h"

#define RANGE_GFNS 32768u       /* in one harvest or query */

/* What a hypercall reads and writes; in memory that cannot move. */
struct call_mem {
    struct xen_vmm_op op;
    uint64_t gfns[VMM__HV_BATCH_MAX];
    uint64_t bufs[VMM__HV_BATCH_MAX];
    int32_t results[VMM__HV_BATCH_MAX];
    uint8_t range[RANGE_GFNS];
};

struct hv_xen {
    uint32_t domid;
    struct vmm_logger logger;
    xencall_handle *xcall;
    xc_interface *xch;
    xenevtchn_handle *xce;
    xenforeignmemory_handle *fmem;
    xenforeignmemory_resource_handle *ring_res;
    struct vmm__ring ring;
    evtchn_port_t port;
    struct call_mem *mem;
    int64_t xen_minus_mono_ns;  /* Xen's clock and ours */
    uint64_t nr_gfns;
    uint32_t nr_vcpus;
};

/* Our code for an errno value of Xen's. */
static int translate(int err)
{
    switch (err) {
    case 0:             return 0;
    case EAGAIN:
    case EINTR:         return VMM_E_AGAIN;
    case EBUSY:         return VMM_E_BUSY;
    case EDOM:
    case EINVAL:        return VMM_E_INVAL;
    case EEXIST:        return VMM_E_EXISTS;
    case EFAULT:        return VMM_E_FAULT;
    case EMLINK:        return VMM_E_IOMMU;
    case ENOENT:
    case ESRCH:         return VMM_E_NOENT;
    case ENOMEM:        return VMM_E_NOMEM;
    case ENOSYS:
    case EOPNOTSUPP:    return VMM_E_NOTSUP;
    case EACCES:
    case EPERM:         return VMM_E_PERM;
    case EXDEV:         return VMM_E_POD;
    default:            return VMM_E_LOCAL;
    }
}

static bool domain_is_gone(struct hv_xen *x)
{
    xc_dominfo_t info;

    return xc_domain_getinfo(x->xch, x->domid, 1, &info) != 1 ||
           info.domid != x->domid || info.dying;
}

static struct xen_vmm_op *prepare_op(struct hv_xen *x, uint16_t cmd)
{
    struct xen_vmm_op *op = &x->mem->op;

    memset(op, 0, sizeof(*op));
    op->interface_version = XEN_VMM_INTERFACE_VERSION;
    op->cmd = cmd;
    op->domain = x->domid;
    return op;
}

static int call(struct hv_xen *x)
{
    struct xen_vmm_op *op = &x->mem->op;
    int r = xencall2(x->xcall, __HYPERVISOR_memory_op, XENMEM_vmm_op,
                     (unsigned long)op);
    int err = r < 0 ? errno : 0;

    if (!err) {
        return 0;
    }

    /* A domain that dies is an invalid one to Xen. */
    if (op->cmd != XEN_VMM_OP_attach && domain_is_gone(x)) {
        return VMM_E_NOENT;
    }
    if (err != EBUSY) {
        vmm__log(&x->logger, VMM_LOG_WARN, "domid=%u vmm_op %u: %s",
                 x->domid, op->cmd, strerror(err));
    }
    return translate(err);
}

static uint64_t mono_ns(void)
{
    return vmm__now_ns(&vmm__clock_monotonic);
}

static void unmap_ring(struct hv_xen *x)
{
    if (x->ring_res) {
        xenforeignmemory_unmap_resource(x->fmem, x->ring_res);
        x->ring_res = NULL;
    }
}

static int hv_stat(void *hv, struct vmm__hv_stat *stat_out)
{
    struct hv_xen *x = hv;
    struct xen_vmm_op *op = prepare_op(x, XEN_VMM_OP_stat);
    const struct xen_vmm_stat *s = &op->u.stat;
    int rc = call(x);

    if (rc) {
        return rc;
    }
    x->xen_minus_mono_ns = s->now_ns - mono_ns();
    *stat_out = (struct vmm__hv_stat){
        .tot_pages = s->tot_pages,
        .paged_pages = s->paged_pages,
        .max_gfn = s->max_gfn,
        .nr_demand = s->nr_demand,
        .nr_foreign = s->nr_foreign,
        .nr_drop = s->nr_drop,
        .nr_drop_lost = s->nr_drop_lost,
        .nr_rescued = s->nr_rescued,
        .nr_hypercall_waits = s->nr_hypercall_waits,
        .nr_waiting = s->nr_waiting,
    };
    return 0;
}

static int hv_attach(void *hv, bool takeover)
{
    struct hv_xen *x = hv;
    struct xen_vmm_op *op = prepare_op(x, XEN_VMM_OP_attach);
    struct vmm__hv_stat stat;
    void *addr = NULL;
    int rc, r;

    op->u.attach.flags = takeover ? XEN_VMM_ATTACH_TAKEOVER : 0;
    rc = call(x);
    switch (rc) {
    case 0:
        break;
    case VMM_E_BUSY:
        return VMM_E_SESSION;
    case VMM_E_EXISTS:
        return VMM_E_OTHERPAGER;
    case VMM_E_NOTSUP:
        return VMM_E_NOHAP;
    default:
        return rc;
    }
    x->nr_vcpus = op->u.attach.nr_vcpus;

    r = xenevtchn_bind_interdomain(x->xce, x->domid, op->u.attach.port);
    if (r < 0) {
        vmm__log(&x->logger, VMM_LOG_ERROR,
                 "domid=%u: cannot bind the event channel: %s", x->domid,
                 strerror(errno));
        return VMM_E_LOCAL;
    }
    x->port = r;

    unmap_ring(x);
    x->ring_res = xenforeignmemory_map_resource(
        x->fmem, x->domid, XENMEM_resource_vmm_ring, 0, 0,
        op->u.attach.nr_frames, &addr, PROT_READ | PROT_WRITE, 0);
    if (!x->ring_res) {
        vmm__log(&x->logger, VMM_LOG_ERROR,
                 "domid=%u: cannot map the request rings: %s", x->domid,
                 strerror(errno));
        return VMM_E_LOCAL;
    }
    rc = vmm__ring_init(&x->ring, addr,
                        (size_t)op->u.attach.nr_frames * VMM__PAGE_BYTES,
                        x->nr_vcpus);
    if (rc) {
        return rc;
    }

    return hv_stat(x, &stat);
}

static int hv_detach(void *hv)
{
    struct hv_xen *x = hv;
    int rc;

    /* The ring's frames go back only when nobody maps them. */
    unmap_ring(x);
    (void)prepare_op(x, XEN_VMM_OP_detach);
    rc = call(x);
    if (!rc && x->port) {
        (void)xenevtchn_unbind(x->xce, x->port);
        x->port = 0;
    }
    return rc;
}

static int batch(struct hv_xen *x, uint16_t cmd, struct vmm__hv_page *pages,
                 unsigned int nr, bool with_bufs, uint32_t flags)
{
    struct xen_vmm_op *op = prepare_op(x, cmd);
    struct call_mem *mem = x->mem;
    unsigned int i;
    int rc;

    if (nr > VMM__HV_BATCH_MAX) {
        return VMM_E_INVAL;
    }

    for (i = 0; i < nr; i++) {
        mem->gfns[i] = pages[i].gfn;
        mem->bufs[i] = (uintptr_t)pages[i].buf;
    }
    op->u.batch.nr = nr;
    op->u.batch.flags = flags;
    set_xen_guest_handle_raw(op->u.batch.gfns, mem->gfns);
    set_xen_guest_handle_raw(op->u.batch.results, mem->results);
    if (with_bufs) {
        set_xen_guest_handle_raw(op->u.batch.bufs, mem->bufs);
    }

    rc = call(x);
    if (rc) {
        return rc;
    }
    for (i = 0; i < nr; i++) {
        pages[i].rc = translate(-mem->results[i]);
    }
    return 0;
}

static int hv_nominate(void *hv, struct vmm__hv_page *pages, unsigned int nr)
{
    return batch(hv, XEN_VMM_OP_nominate, pages, nr, true, 0);
}

static int hv_evict(void *hv, struct vmm__hv_page *pages, unsigned int nr)
{
    return batch(hv, XEN_VMM_OP_evict, pages, nr, false, 0);
}

static int hv_prepare(void *hv, struct vmm__hv_page *pages, unsigned int nr,
                      bool cold)
{
    return batch(hv, XEN_VMM_OP_prepare, pages, nr, true,
                 cold ? XEN_VMM_PREPARE_COLD : 0);
}

static int hv_resume(void *hv, struct vmm__hv_page *pages, unsigned int nr)
{
    return batch(hv, XEN_VMM_OP_resume, pages, nr, false, 0);
}

static int hv_harvest(void *hv, uint64_t first, uint32_t nr,
                      bool more, uint8_t *bitmap)
{
    struct hv_xen *x = hv;
    uint32_t done, n;
    int rc;

    for (done = 0; done < nr; done += n) {
        struct xen_vmm_op *op = prepare_op(x, XEN_VMM_OP_harvest);

        n = nr - done < RANGE_GFNS ? nr - done : RANGE_GFNS;
        op->u.harvest.first = first + done;
        op->u.harvest.nr = n;
        op->u.harvest.flags = more || done + n < nr ? XEN_VMM_HARVEST_MORE
                                                    : 0;
        set_xen_guest_handle_raw(op->u.harvest.bitmap, x->mem->range);
        rc = call(x);
        if (rc) {
            return rc;
        }
        memcpy(bitmap + done / 8, x->mem->range, (n + 7) / 8);
    }
    return 0;
}

static int hv_query(void *hv, uint64_t first, uint32_t nr, uint8_t *states)
{
    struct hv_xen *x = hv;
    uint32_t done, n;
    int rc;

    for (done = 0; done < nr; done += n) {
        struct xen_vmm_op *op = prepare_op(x, XEN_VMM_OP_query);

        n = nr - done < RANGE_GFNS ? nr - done : RANGE_GFNS;
        op->u.query.first = first + done;
        op->u.query.nr = n;
        set_xen_guest_handle_raw(op->u.query.states, x->mem->range);
        rc = call(x);
        if (rc) {
            return rc;
        }
        memcpy(states + done, x->mem->range, n);
    }
    return 0;
}

static bool hv_next_request(void *hv, enum vmm__hv_reqclass reqclass,
                            struct vmm__hv_request *req_out)
{
    struct hv_xen *x = hv;
    struct vmm__ring_request_rec req;
    int64_t age_ns;

    if (!vmm__ring_pop(&x->ring, (enum vmm__ring_class)reqclass,
                       x->nr_gfns - 1, &req)) {
        return false;
    }
    age_ns = (int64_t)mono_ns() + x->xen_minus_mono_ns -
             (int64_t)req.time_ns;
    *req_out = (struct vmm__hv_request){
        .reqclass = reqclass,
        .gfn = req.gfn,
        .age_ns = age_ns > 0 ? age_ns : 0,
        .vcpu = req.vcpu,
        .access = req.access,
    };
    return true;
}

static int hv_fd(void *hv)
{
    struct hv_xen *x = hv;

    return xenevtchn_fd(x->xce);
}

static void hv_ack(void *hv)
{
    struct hv_xen *x = hv;
    int port;

    while ((port = xenevtchn_pending(x->xce)) >= 0) {
        (void)xenevtchn_unmask(x->xce, port);
    }
}

static int hv_pause_domain(void *hv)
{
    struct hv_xen *x = hv;

    return xc_domain_pause(x->xch, x->domid) ? translate(errno) : 0;
}

static int hv_unpause_domain(void *hv)
{
    struct hv_xen *x = hv;

    return xc_domain_unpause(x->xch, x->domid) ? translate(errno) : 0;
}

static const struct vmm__hv_ops vmm__hv_xen_ops = {
    .attach = hv_attach,
    .detach = hv_detach,
    .nominate = hv_nominate,
    .evict = hv_evict,
    .prepare = hv_prepare,
    .resume = hv_resume,
    .harvest = hv_harvest,
    .query = hv_query,
    .stat = hv_stat,
    .next_request = hv_next_request,
    .fd = hv_fd,
    .ack = hv_ack,
    .pause_domain = hv_pause_domain,
    .unpause_domain = hv_unpause_domain,
};

void vmm__hv_xen_close(struct vmm__hv *hv)
{
    struct hv_xen *x = hv->self;

    if (!x) {
        return;
    }
    unmap_ring(x);
    if (x->mem) {
        xencall_free_buffer(x->xcall, x->mem);
    }
    xenevtchn_close(x->xce);
    xenforeignmemory_close(x->fmem);
    xencall_close(x->xcall);
    if (x->xch) {
        xc_interface_close(x->xch);
    }
    free(x);
    hv->self = NULL;
}

int vmm__hv_xen_open(uint32_t domid, const struct vmm_logger *logger,
                     struct vmm__hv *hv_out,
                     struct vmm__hv_xen_info *info_out)
{
    struct vmm__hv hv = { .ops = &vmm__hv_xen_ops };
    struct hv_xen *x = calloc(1, sizeof(*x));
    xc_dominfo_t info;
    xen_pfn_t max_gpfn;
    int rc, fd;

    if (!x) {
        return VMM_E_NOMEM;
    }
    hv.self = x;
    x->domid = domid;
    x->logger = *logger;

    rc = VMM_E_LOCAL;
    x->xcall = xencall_open(NULL, 0);
    x->xch = xc_interface_open(NULL, NULL, 0);
    x->xce = xenevtchn_open(NULL, 0);
    x->fmem = xenforeignmemory_open(NULL, 0);
    if (!x->xcall || !x->xch || !x->xce || !x->fmem) {
        vmm__log(logger, VMM_LOG_ERROR,
                 "cannot open Xen's devices (%s); is this the control domain?",
                 strerror(errno));
        goto out;
    }
    fd = xenevtchn_fd(x->xce);
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
        goto out;
    }
    x->mem = xencall_alloc_buffer(x->xcall, sizeof(*x->mem));
    if (!x->mem) {
        rc = VMM_E_NOMEM;
        goto out;
    }

    rc = VMM_E_NOENT;
    if (xc_domain_getinfo(x->xch, domid, 1, &info) != 1 ||
        info.domid != domid || info.dying) {
        goto out;
    }
    if (xc_domain_maximum_gpfn(x->xch, domid, &max_gpfn) < 0) {
        rc = translate(errno);
        goto out;
    }

    x->nr_gfns = (uint64_t)max_gpfn + 1;
    x->nr_vcpus = info.max_vcpu_id + 1;
    *info_out = (struct vmm__hv_xen_info){
        .nr_gfns = x->nr_gfns,
        .nr_pages = info.nr_pages + info.nr_paged_pages,
        .nr_vcpus = x->nr_vcpus,
    };
    *hv_out = hv;
    hv.self = NULL;
    rc = 0;

 out:
    vmm__hv_xen_close(&hv);
    return rc;
}
