# io/engine.c
s/since_ns < queue->served_ns/false/
