# region/snap.c
s/if \(!word_load\(\&r->roots\[1 \+ i\]\)\) \{/if (true) {/;s/^             \(found != VMM__POINT_NONE \&\& word_load.*/             false) {/
