# hvm-hooks/vmm_session.c
s/write_atomic\(&w->how, VMM_WAIT_NONE\);/;/
