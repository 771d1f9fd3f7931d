# hvm-hooks/vmm_op.c
s/s->must_flush \|= nr_accessed/s->must_flush = nr_accessed/
