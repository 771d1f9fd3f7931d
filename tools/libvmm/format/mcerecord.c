/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mcerecord.c: see mcerecord.h. */
#include <stdio.h>
#include <string.h>

#include "format/mcerecord.h"
#include "include/vmm.h"

/* MCi_STATUS, AMD64 APM 2, 9.3; SDM 3B, 16.3. */
#define STATUS_UC    (1ull << 61)
#define STATUS_ADDRV (1ull << 58)

struct wire {
    uint64_t status;
    uint64_t misc;
    uint64_t addr;
    uint64_t mcgstatus;
    uint64_t ip;
    uint64_t tsc;
    uint64_t time;
    uint8_t cpuvendor;
    uint8_t inject_flags;
    uint16_t pad;
    uint32_t cpuid;
    uint8_t cs;
    uint8_t bank;
    uint8_t cpu;
    uint8_t finished;
    uint32_t extcpu;
    uint32_t socketid;
    uint32_t apicid;
    uint64_t mcgcap;
};

int vmm__mcerecord_decode(const void *data, size_t size,
                          struct vmm__mcerecord *record_out)
{
    struct wire wire;

    if (size < sizeof(wire)) {
        return VMM_E_FORMAT;
    }
    memcpy(&wire, data, sizeof(wire));
    if (!wire.finished) {
        return VMM_E_FORMAT;
    }
    *record_out = (struct vmm__mcerecord){
        .status = wire.status, .misc = wire.misc, .addr = wire.addr,
        .mcgstatus = wire.mcgstatus, .time_s = wire.time,
        .mcgcap = wire.mcgcap, .cpu = wire.extcpu, .socket = wire.socketid,
        .apicid = wire.apicid, .bank = wire.bank,
        .has_addr = wire.status & STATUS_ADDRV,
        .uncorrected = wire.status & STATUS_UC,
    };
    return 0;
}

void vmm__mcerecord_text(const struct vmm__mcerecord *record, char *text,
                         size_t text_bytes)
{
    (void)snprintf(text, text_bytes, "{\"time_s\":%llu,\"cpu\":%u,"
                   "\"socket\":%u,\"apicid\":%u,\"bank\":%u,"
                   "\"status\":\"0x%016llx\",\"addr\":\"0x%llx\","
                   "\"misc\":\"0x%llx\",\"mcgstatus\":\"0x%llx\","
                   "\"uncorrected\":%s}",
                   (unsigned long long)record->time_s, record->cpu,
                   record->socket, record->apicid, record->bank,
                   (unsigned long long)record->status,
                   (unsigned long long)(record->has_addr ? record->addr : 0),
                   (unsigned long long)record->misc,
                   (unsigned long long)record->mcgstatus,
                   record->uncorrected ? "true" : "false");
}
