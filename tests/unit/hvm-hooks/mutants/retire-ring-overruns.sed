# hvm-hooks/vmm_retire.c
s/if \( ce_prod - ce_cons < CE_RING \)/if ( 1 )/
