# region/purge.c
/^    if \(rc\) \{$/,/^}/s/vmm__media_drain\(\&r->media\);//
