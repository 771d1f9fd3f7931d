# hvm-hooks/vmm_op.c
s/if \( d->is_dying/if ( 0/
