# hvm-hooks/vmm_access.c
s/ && \(entry & f->usable\) == f->usable//
