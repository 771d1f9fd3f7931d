# hvm-hooks/vmm_access.c
s/^        flush\(p2m\);/        ;/
