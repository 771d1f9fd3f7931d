# hvm-hooks/vmm_session.c
s/ && !w->posted//
