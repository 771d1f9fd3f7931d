# hvm-hooks/vmm_page.c
s/ram_type\(d\), a/p2m_ram_rw, a/
