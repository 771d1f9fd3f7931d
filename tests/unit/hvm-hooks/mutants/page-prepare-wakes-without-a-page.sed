# hvm-hooks/vmm_page.c
s/ && rc != -ENOMEM \)/ )/
