# io/engine.c
s/^    vmm__list_del\(\&io->node\);/    if (engine->dispatching) vmm__list_del(\&io->node);/
