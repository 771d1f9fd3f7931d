# consumer/pager.c
# SPDX-License-Identifier: LGPL-2.1-or-later
# The index forgets a page before it is resident again.
/^static int finish_loads\(/,/^\}/s/pages\[i\]\.gfn = loads\[i\]->gfn;/&\
        clear_entry(pager, loads[i]->gfn);/
