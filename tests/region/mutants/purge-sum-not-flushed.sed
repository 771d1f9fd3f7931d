# region/purge.c
s/vmm__media_flush\(\&r->media, \(const void \*\)sum, sizeof\(\*sum\)\);//
