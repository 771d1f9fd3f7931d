# hvm-hooks/vmm_page.c
/^int vmm_page_nominate/,/^}/s/if \( pg \)$/if ( pg \&\& !rc )/
