# hvm-hooks/vmm_access.c
s/gfn_x\(first\) > p2m->max_mapped_pfn/0/
