# hvm-hooks/vmm_retire.c
s/item->result = unbreak_page/(void)unbreak_page/
