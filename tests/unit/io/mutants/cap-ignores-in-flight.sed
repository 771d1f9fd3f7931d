# io/engine.c
s/engine->nr_urgent \+= !is_low\(io->reqclass\);$/(void)0;/
