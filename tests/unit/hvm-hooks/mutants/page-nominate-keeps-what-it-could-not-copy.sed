# hvm-hooks/vmm_page.c
/^int vmm_page_nominate/,/^}/s/vmm_page_resume\(d, gfn\);/;/
