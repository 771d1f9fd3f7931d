# io/engine.c
s/ \|\| now_ns < engine->hold_until_ns;/;/
