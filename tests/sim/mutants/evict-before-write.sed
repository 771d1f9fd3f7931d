# consumer/pager.c
# SPDX-License-Identifier: LGPL-2.1-or-later
# Pages are evicted when their write is submitted, not when it is complete.
/^static void batch_finish\(/,/^\}/s/evict_pages\(.*;/(void)pager;/
/^static void write_done\(/,/^\}/s/put_entry\(pager, page, 0\);/;/
/^static void batch_write\(/,/^\}/{
    s/batch->nr_ios = nr_ios;/&\
    for (i = 0; i < batch->nr_pages; i++) {\
        put_entry(pager, \&batch->pages[i], 0);\
    }\
    evict_pages(pager, batch->pages, batch->nr_pages);/
}
