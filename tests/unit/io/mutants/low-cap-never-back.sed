# io/engine.c
s/engine->low_cap\+\+;/(void)0;/
