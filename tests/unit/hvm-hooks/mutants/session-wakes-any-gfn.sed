# hvm-hooks/vmm_session.c
s/ \|\| !gfn_eq\(w->gfn, gfn\)//
