# hvm-hooks/vmm_ring.c
s/return s->prod\[reqclass\] - cons/return (int32_t)(s->prod[reqclass] - cons)/
