# region/snap.c
s/heir->parent = p->parent;//
