# hvm-hooks/vmm_session.c
s/s->waiters\[i\]\.posted = false;/;/
