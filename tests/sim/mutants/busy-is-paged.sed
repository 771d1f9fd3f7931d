# consumer/pager.c
# SPDX-License-Identifier: LGPL-2.1-or-later
# A page that was touched in time is taken for evicted.
/^static void evict_pages\(/,/^\}/s/switch \(rc \? .* : hv_pages\[i\]\.rc\)/switch (hv_pages[i].rc * 0)/
