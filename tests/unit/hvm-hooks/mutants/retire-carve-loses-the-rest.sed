# hvm-hooks/vmm_retire.c
s/if \( before \&\& rest.nr_pages \)/if ( 0 )/
