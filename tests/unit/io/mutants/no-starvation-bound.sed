# io/engine.c
s/is_starved = starved_ns.*/is_starved = false;/
