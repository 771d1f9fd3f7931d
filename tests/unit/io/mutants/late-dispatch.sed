# io/engine.c
s/^    if \(engine->fresh\) \{/    if (false) {/
