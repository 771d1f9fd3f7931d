# hvm-hooks/vmm_access.c
s/&table\[gfn_x\(gfn\) & \(NR_ENTRIES - 1\)\]/\&table[0]/
