# hvm-hooks/vmm_retire.c
s/op->first_mfn = mfn \+ out.nr_pages;/op->first_mfn = r.mfn + r.nr_pages;/
