# hvm-hooks/vmm_op.c
s/vmm_session_wake\(d, _gfn\(gfn\)\);/;/
