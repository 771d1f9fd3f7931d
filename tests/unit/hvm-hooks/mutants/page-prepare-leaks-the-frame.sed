# hvm-hooks/vmm_page.c
/^ drop:/,/put_page/s/if \( rc \)/if ( rc == -EFAULT )/
