# hvm-hooks/vmm_page.c
s/pg && only_guest_uses\(pg, 2\)/pg/
