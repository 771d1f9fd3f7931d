# hvm-hooks/vmm_page.c
/p2m_ram_paged, a\);/,/goto out/s/vmm_page_resume\(d, gfn\);/;/
