# consumer/pager.c
# SPDX-License-Identifier: LGPL-2.1-or-later
# The event is acknowledged after the rings were looked at.
/^int vmm_pager_dispatch\(/,/^\}/{
    /hv\.ops->ack\(/d
    s/^ *\(void\)vmm__engine_dispatch\(.*/&\
    pager->hv.ops->ack(pager->hv.self);/
}
