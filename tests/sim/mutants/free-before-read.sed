# consumer/pager.c
# SPDX-License-Identifier: LGPL-2.1-or-later
# The slot of a page is free while it is still being read.
/^static void load_submit\(/,/^\}/s/load->io_pending = true;/&\
    clear_entry(pager, load->gfn);/
