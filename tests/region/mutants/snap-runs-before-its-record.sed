# region/snap.c
/^static int start_point/,/^}/s/vmm__media_drain\(\&r->media\);//
