# consumer/pager.c
# SPDX-License-Identifier: LGPL-2.1-or-later
# A page that the guest gave up once is forgotten, wherever it is now.
/^static void page_dropped\(/,/^\}/s/now == VMM__HV_PAGED \|\| now == VMM__HV_PAGING_IN/0/
