# hvm-hooks/vmm_page.c
/p2m->get_entry\(p2m, gfn, &t, &a, 0, NULL, NULL\);/,/p2m_set_entry/s/if \( t == p2m_ram_paged \|\|.*\)/if ( 1 )/
