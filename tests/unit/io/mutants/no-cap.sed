# io/engine.c
s/(is_low\(i\) \&\& engine->nr_low_inflight >= cap \&\&)/0 \&\& \1/
s/\(!is_low\(i\) \|\| engine->nr_low_inflight < cap\)/1/
