# hvm-hooks/vmm_session.c
s/destroy_waitqueue_head\(&s->wq\);/;/
