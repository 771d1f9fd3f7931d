# region/pgtab.c
/^int vmm__page_new/,/^}/s/vmm__media_persist\(.*\);//
