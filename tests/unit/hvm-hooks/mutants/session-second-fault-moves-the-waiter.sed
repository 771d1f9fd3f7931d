# hvm-hooks/vmm_session.c
/^static bool demand/,/^}/s/if \( w->how != VMM_WAIT_NONE \)/if ( 0 )/
