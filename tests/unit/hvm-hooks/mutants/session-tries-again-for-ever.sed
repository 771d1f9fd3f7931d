# hvm-hooks/vmm_session.c
s/return w->served;/return true;/
