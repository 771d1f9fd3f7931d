# region/purge.c
s/^            atomic_fetch_add\(&r->nr_purged, 1\);/            vmm__slot_give(r, purge->slot);/
