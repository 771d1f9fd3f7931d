# hvm-hooks/vmm_session.c
/^bool vmm_session_dropped/,/^}/s/vmm_session_wake\(d, gfn\);/;/
