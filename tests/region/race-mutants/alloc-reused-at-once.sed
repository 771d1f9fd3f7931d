# region/alloc.c
s/r->limbo\[r->limbo_first\].ticket < over\)/true)/;s/r->limbo_nr >= LIMBO_SOME \|\|/true ||/
