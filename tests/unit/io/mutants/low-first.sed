# io/engine.c
s/best == VMM_NR_REQCLASSES \&\&/1 \&\&/
