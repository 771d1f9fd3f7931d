# region/virtblock.c
/old = atomic_exchange/,/vmm__vb_released/s/vmm__media_persist\(\&r->media, \(const void \*\)vb_at\(r, old_vb\),/(void)sizeof(*vb_at(r, old_vb) +/
