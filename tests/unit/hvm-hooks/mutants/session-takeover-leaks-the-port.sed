# hvm-hooks/vmm_session.c
s/if \( old_port \)/if ( 0 )/
