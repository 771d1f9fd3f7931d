# hvm-hooks/vmm_session.c
s/ \|\| s->nr_waiting \)/ )/
