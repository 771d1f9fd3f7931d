# hvm-hooks/vmm_ring.c
s/ - cons < XEN_VMM_RING_SLOTS/ - cons <= XEN_VMM_RING_SLOTS/
