# region/virtblock.c
s/^        .. Who moves it will see.*/        vmm__pblk_retire(r, vmm__vb_payload(word));/
