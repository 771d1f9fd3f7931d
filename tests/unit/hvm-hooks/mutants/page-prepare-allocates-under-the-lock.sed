# hvm-hooks/vmm_page.c
/Allocate and fill/,/alloc_domheap_page/s/gfn_unlock\(p2m, gfn, 0\);/;/
