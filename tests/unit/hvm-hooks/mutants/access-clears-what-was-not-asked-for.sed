# hvm-hooks/vmm_access.c
s/for \( i = 0; i < nr; i\+\+ \)/for ( i = 0; i < NR_ENTRIES; i++ )/
