# hvm-hooks/vmm_op.c
s/s->must_flush && rc != -ERESTART/rc != -ERESTART/
