# region/virtblock.c
/^int vmm__region_recalled/,/^}/s/vmm__media_drain\(\&r->media\);//
