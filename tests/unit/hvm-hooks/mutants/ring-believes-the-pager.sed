# hvm-hooks/vmm_ring.c
s/reqclass, s->prod\[reqclass\]\)/reqclass, s->ring->index[reqclass].prod)/
