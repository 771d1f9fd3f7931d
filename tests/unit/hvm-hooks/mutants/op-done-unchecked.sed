# hvm-hooks/vmm_op.c
s/ \|\| op->done > op->nr//
