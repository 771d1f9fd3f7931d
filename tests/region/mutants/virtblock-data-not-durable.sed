# region/virtblock.c
/^int vmm__region_write/,/^}/s/vmm__media_drain\(\&r->media\);//
