# consumer/pager.c
# SPDX-License-Identifier: LGPL-2.1-or-later
# The index learns of a page after it was evicted.
/^static void evict_pages\(/i\
static void put_entry(struct vmm_pager *pager, const struct evict_page *page,\
                      uint64_t value);
/^static void evict_pages\(/,/^\}/s/^ *set_state\(pager, gfn, PAGE_PAGED\);/\
            if (pages[i].gfn == gfn \&\& pages[i].slot != VMM__SLOT_NONE) {\
                put_entry(pager, \&pages[i], 0);\
            }\
&/
/^static void write_done\(/,/^\}/s/put_entry\(pager, page, 0\);/;/
