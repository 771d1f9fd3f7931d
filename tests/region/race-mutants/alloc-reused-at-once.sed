# region/alloc.c
s/r->limbo\[r->limbo_first\].ticket < over\)/true)/;s/r->limbo_nr > r->limbo_max \/ 2 \|\|/true ||/
