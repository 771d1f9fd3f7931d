/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test_retire_boot.c: the boot loader's list as Xen reads it, whole and
 * damaged, and which pages it keeps out of use.
 *
 * Lists are made by libvmm, whose reader is another one: what one takes the
 * other takes too.
 */
#include "hvm-hooks/vmm_retire_boot.c"

#include "format/retirelist.h"
#include "lib/ut.h"

static const struct vmm_retired pages[] = {
    { .mfn = 0x20, .nr_pages = 1, .cause = VMM_RETIRE_ADMIN },
    { .mfn = 305, .nr_pages = 1, .cause = VMM_RETIRE_ADMIN },
    { .mfn = 0x150, .nr_pages = 1, .cause = VMM_RETIRE_UNCORRECTED },
    { .mfn = 0x180, .nr_pages = 3, .cause = VMM_RETIRE_CORRECTED },
    { .mfn = HN_FRAMES - 10, .nr_pages = 1, .cause = VMM_RETIRE_ADMIN },
    { .mfn = 1ul << 30, .nr_pages = 1, .cause = VMM_RETIRE_ADMIN },
};
#define NR (sizeof(pages) / sizeof(pages[0]))
/* Of 2 MiB, as Xen thinks that the machine has. */
#define NR_CHUNKS 16u

static uint8_t kernel[64];
static module_t mods[3];
static unsigned long module_map;
static void *list;
static size_t list_size;
static unsigned int nr_in_table;

int vmm_retire_table_init(const struct xen_vmm_retire_entry *e,
                          unsigned int nr)
{
    CU_ASSERT_TRUE(!nr || e[0].mfn == pages[0].mfn);
    nr_in_table = nr;
    return 0;
}

static void claim(void)
{
    const multiboot_info_t mbi = { .mods_count = 3, .mods_addr = mods };

    module = NULL;
    entries = NULL;
    nr_entries = 0;
    memset(&vmm_retire_boot, 0, sizeof(vmm_retire_boot));
    hn_said[0] = '\0';
    module_map = 6;
    vmm_retire_boot_claim(&module_map, &mbi, NR_CHUNKS * 512);
}

/* With the list as the module at `index'. */
static void start(unsigned int index)
{
    unsigned int i;

    hn_init(1);
    opt_retire = true;
    e820_raw = (struct e820map){
        .nr_map = 2,
        .map = { { 0, 0x9fc00, E820_RAM }, { 1 << 20, 1ul << 31, E820_RAM } },
    };
    CU_ASSERT_EQUAL_FATAL(vmm__retirelist_encode(pages, NR, 5, 0, &list,
                                                 &list_size), 0);
    for (i = 0; i < 3; i++) {
        mods[i] = (module_t){ HN_MODULE_MFN + i, sizeof(kernel), kernel };
    }
    mods[index].data = hn_module_data = list;
    mods[index].mod_end = (uint32_t)list_size;
    claim();
}

static void finish(void)
{
    free(list);
    hn_fini();
}

static void claim__anywhere_but_the_kernel(void)
{
    unsigned int at;

    for (at = 1; at < 3; at++) {
        start(at);
        CU_ASSERT_EQUAL(vmm_retire_boot.list, XEN_VMM_LIST_TAKEN);
        CU_ASSERT_EQUAL(vmm_retire_boot.generation, 5);
        CU_ASSERT_EQUAL(nr_entries, NR);
        CU_ASSERT_EQUAL(module_map, 6 & ~(1ul << at));
        finish();
    }
    start(0);
    CU_ASSERT_EQUAL(vmm_retire_boot.list, XEN_VMM_LIST_NONE);
    CU_ASSERT_EQUAL(module_map, 6);
    finish();
}

/* EFI's variable: alone, beside a module that is older, as old, or bad. */
static void claim__variable(void)
{
    struct xen_vmm_retire_list *head;
    uint64_t generation;

    for (generation = 4; generation <= 6; generation++) {
        void *data = NULL;
        size_t size;

        start(1);
        head = list;
        CU_ASSERT_EQUAL_FATAL(vmm__retirelist_encode(pages, 1, generation, 0,
                                                     &data, &size), 0);
        memcpy(vmm_retire_boot_variable, data, size);
        vmm_retire_boot_variable_bytes = size;
        free(data);

        claim();
        CU_ASSERT_EQUAL(vmm_retire_boot.list, XEN_VMM_LIST_TAKEN);
        CU_ASSERT_EQUAL(vmm_retire_boot.damaged, 0);
        CU_ASSERT_EQUAL(vmm_retire_boot.source, generation > 5
                        ? XEN_VMM_SOURCE_VARIABLE : XEN_VMM_SOURCE_MODULE);
        CU_ASSERT_EQUAL(nr_entries, generation > 5 ? 1 : NR);
        CU_ASSERT_EQUAL(module_map, 4);
        vmm_retire_boot_reserve();
        CU_ASSERT_EQUAL(entries[0].mfn, pages[0].mfn);

        head->version++;
        claim();
        CU_ASSERT_EQUAL(vmm_retire_boot.list, XEN_VMM_LIST_TAKEN);
        CU_ASSERT_EQUAL(vmm_retire_boot.source, XEN_VMM_SOURCE_VARIABLE);
        CU_ASSERT_EQUAL(vmm_retire_boot.damaged,
                        1u << XEN_VMM_SOURCE_MODULE);
        CU_ASSERT_EQUAL(nr_entries, 1);
        head->version--;

        vmm_retire_boot_variable[9]++;
        claim();
        CU_ASSERT_EQUAL(vmm_retire_boot.list, XEN_VMM_LIST_TAKEN);
        CU_ASSERT_EQUAL(vmm_retire_boot.damaged,
                        1u << XEN_VMM_SOURCE_VARIABLE);
        CU_ASSERT_EQUAL(nr_entries, NR);

        vmm_retire_boot_variable_bytes = 7;
        mods[1].mod_end = 0;
        claim();
        CU_ASSERT_EQUAL(vmm_retire_boot.list, XEN_VMM_LIST_DAMAGED);
        CU_ASSERT_EQUAL(nr_entries, 0);
        vmm_retire_boot_variable_bytes = 0;
        finish();
    }
}

/* Never a list that is not as it was written; and both readers agree. */
static void claim__every_bit_and_length(void)
{
    struct vmm__retirelist_head head;
    struct vmm_retired *read;
    size_t bit, len;
    uint8_t *bytes;

    start(1);
    bytes = list;
    for (bit = 0; bit < list_size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        claim();
        CU_ASSERT_EQUAL(nr_entries, 0);
        CU_ASSERT_EQUAL(vmm_retire_boot.list, bit < 64
                        ? XEN_VMM_LIST_NONE : XEN_VMM_LIST_DAMAGED);
        CU_ASSERT_NOT_EQUAL(vmm__retirelist_decode(list, list_size, &head,
                                                   &read), 0);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (len = 0; len < list_size; len++) {
        void *part = malloc(len ? len : 1);

        CU_ASSERT_PTR_NOT_NULL_FATAL(part);
        memcpy(part, list, len);
        mods[1].data = part;
        mods[1].mod_end = (uint32_t)len;
        claim();
        CU_ASSERT_EQUAL(nr_entries, 0);
        free(part);
    }
    finish();
}

/* Bad entries under a good checksum. */
static void claim__bad_entries(void)
{
    unsigned int i;

    for (i = 0; i < 6; i++) {
        struct xen_vmm_retire_list *head;
        struct xen_vmm_retire_entry *e;

        start(1);
        head = list;
        e = (struct xen_vmm_retire_entry *)(head + 1);
        switch (i) {
        case 0: e[0].nr_pages = 0; break;
        case 1: e[1].mfn = e[0].mfn; break;
        case 2: e[5].mfn = 1ull << 40; break;
        case 3: e[5].mfn = ~0ull; break;
        case 4: e[2].cause = XEN_VMM_NR_CAUSES; break;
        case 5: e[2]._res1[2] = 1; break;
        }
        head->checksum = 0;
        head->checksum = xxh64(list, list_size, 0);
        claim();
        CU_ASSERT_EQUAL(vmm_retire_boot.list, XEN_VMM_LIST_DAMAGED);
        CU_ASSERT_EQUAL(nr_entries, 0);
        finish();
    }
}

static void claim__not_wanted(void)
{
    struct vmm_retired most[NR_CHUNKS];
    unsigned int i, nr;

    start(1);
    opt_retire = false;
    claim();
    CU_ASSERT_EQUAL(vmm_retire_boot.list, XEN_VMM_LIST_IGNORED);
    CU_ASSERT_EQUAL(module_map, 4);
    opt_retire = true;
    /* A page in each of half of the chunks, the first ones' in two; more. */
    for (i = 0; i < NR_CHUNKS; i++) {
        most[i] = (struct vmm_retired){ .mfn = 512 * i + 7, .nr_pages = 1 };
    }
    most[0].mfn = 511;
    most[0].nr_pages = 2;
    for (nr = NR_CHUNKS / 2; nr <= NR_CHUNKS / 2 + 1; nr++) {
        free(list);
        CU_ASSERT_EQUAL_FATAL(vmm__retirelist_encode(most, nr, 5, 0, &list,
                                                     &list_size), 0);
        mods[1].data = list;
        mods[1].mod_end = (uint32_t)list_size;
        claim();
        CU_ASSERT_EQUAL(vmm_retire_boot.list, nr == NR_CHUNKS / 2
                        ? XEN_VMM_LIST_TAKEN : XEN_VMM_LIST_TOO_MUCH);
    }
    finish();
}

static void claim__memory_map(void)
{
    uint64_t hash;

    start(1);
    hash = vmm_retire_boot.memory_map_hash;
    CU_ASSERT_NOT_EQUAL(hash, 0);
    CU_ASSERT_FALSE(vmm_retire_boot.map_changed);
    ((struct xen_vmm_retire_list *)list)->memory_map_hash = hash;
    ((struct xen_vmm_retire_list *)list)->checksum = 0;
    ((struct xen_vmm_retire_list *)list)->checksum =
        xxh64(list, list_size, 0);
    /* What firmware takes here and there is no other machine. */
    e820_raw.map[1].size -= 1 << 20;
    claim();
    CU_ASSERT_EQUAL(vmm_retire_boot.memory_map_hash, hash);
    CU_ASSERT_FALSE(vmm_retire_boot.map_changed);
    /* Half of the memory is. */
    e820_raw.map[1].size /= 2;
    claim();
    CU_ASSERT_EQUAL(vmm_retire_boot.list, XEN_VMM_LIST_TAKEN);
    CU_ASSERT_TRUE(vmm_retire_boot.map_changed);
    finish();
}

static void first__in_a_range(void)
{
    start(2);
    CU_ASSERT_EQUAL(vmm_retire_boot_first(0, 0x20), 0x20);
    CU_ASSERT_EQUAL(vmm_retire_boot_first(0, 0x21), 0x20);
    CU_ASSERT_EQUAL(vmm_retire_boot_first(0x21, 0x150), 305);
    CU_ASSERT_EQUAL(vmm_retire_boot_first(306, 0x150), 0x150);
    CU_ASSERT_EQUAL(vmm_retire_boot_first(0x181, 0x190), 0x181);
    CU_ASSERT_EQUAL(vmm_retire_boot_first(0x183, 0x190), 0x190);
    CU_ASSERT_EQUAL(vmm_retire_boot_first(1ul << 31, 1ul << 32), 1ul << 32);
    finish();
}

/* Those that can be, and no others. */
static void reserve__what_the_heap_would_get(void)
{
    unsigned long mfn;

    start(1);
    vmm_retire_boot_reserve();
    vmm_retire_boot_heap_done();
    for (mfn = 1; mfn < HN_FRAMES; mfn++) {
        bool listed = mfn == 0x150 || (mfn >= 0x180 && mfn < 0x183);

        CU_ASSERT_EQUAL(mfn_to_page(_mfn(mfn))->count_info,
                        !listed ? 0 : PGC_state_offlining |
                        (mfn == 0x150 ? PGC_broken : 0));
        mfn_to_page(_mfn(mfn))->count_info = 0;
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(hn_said, "4 are none"));
    CU_ASSERT_EQUAL(hn_initcall_take_into_table(), 0);
    CU_ASSERT_EQUAL(nr_in_table, NR);
    finish();
}

static const struct ut_case cases[] = {
    UT_CASE(claim__anywhere_but_the_kernel),
    UT_CASE(claim__variable),
    UT_CASE(claim__every_bit_and_length),
    UT_CASE(claim__bad_entries),
    UT_CASE(claim__not_wanted),
    UT_CASE(claim__memory_map),
    UT_CASE(first__in_a_range),
    UT_CASE(reserve__what_the_heap_would_get),
};

UT_MAIN("hvm-hooks/retire_boot", cases)
