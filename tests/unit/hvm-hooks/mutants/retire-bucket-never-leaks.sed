# hvm-hooks/vmm_retire.c
s/b->level > leaked \? b->level - leaked : 0/b->level/
