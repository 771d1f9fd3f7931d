# io/engine.c
s/io->issued_ns >= engine->low_cut_ns/true/
