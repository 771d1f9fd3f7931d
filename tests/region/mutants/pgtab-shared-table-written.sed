# region/pgtab.c
s/vmm__desc_owner\(word_load\(\&r->descs\[leaf\]\)\) == running\)/1)/
