# hvm-hooks/vmm_ring.c
s/put_page_and_type\(pg\)/put_page(pg)/
