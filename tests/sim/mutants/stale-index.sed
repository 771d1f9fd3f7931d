# consumer/pager.c
# SPDX-License-Identifier: LGPL-2.1-or-later
# A successor keeps the entries of pages that are resident.
/^static int reconcile_run\(/,/^\}/{
    /case VMM__HV_RESIDENT:/,/case VMM__HV_PAGING_IN:/s/clear_entry\(pager, gfn\);/;/
}
