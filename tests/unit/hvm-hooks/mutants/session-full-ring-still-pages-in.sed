# hvm-hooks/vmm_session.c
/\(\(own && w->how/,/FOREIGN\)\) &&/d
