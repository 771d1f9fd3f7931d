# hvm-hooks/vmm_page.c
/^int vmm_page_evict/,/^}/s/atomic_inc/put_page(pg); pg = NULL; atomic_inc/
