# io/engine.c
s/> engine->cfg.low_time_ns\)/> UINT64_MAX - 1)/
