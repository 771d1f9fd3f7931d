# hvm-hooks/vmm_session.c
s/own && w->how == VMM_WAIT_NONE/own/
