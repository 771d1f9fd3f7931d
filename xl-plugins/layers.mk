# Who may include what.  tests/abi/check-layers enforces the ONLY_ lines.
# Of libvmm: include/vmm_ctl.h, and format/json.h; both are in libvmmctl.a.
LAYERS            :=
ONLY_libsmartcols/ := plugin.c
ONLY_getopt.h     := (plugin|xl-tier-(set|off|list|top))\.[ch]
