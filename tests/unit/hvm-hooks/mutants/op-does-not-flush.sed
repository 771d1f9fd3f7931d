# hvm-hooks/vmm_op.c
s/^        vmm_access_flush\(d\);/        ;/
