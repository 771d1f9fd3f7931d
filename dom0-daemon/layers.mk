# Who may include what.  tests/abi/check-layers enforces the ONLY_ lines.
# Of libvmm: include/vmm*.h, and format/ and base/ that are in libvmmctl.a.
LAYERS            :=
ONLY_event2/      := (loop|control|xlglue)\.c
ONLY_libxl.h      := xlglue.c
ONLY_libxl_event.h := xlglue.c
ONLY_libxl_utils.h := xlglue.c
ONLY_libxlutil.h  := conf.c
ONLY_pthread.h    := (worker|job|blocks|regions)\.[ch]
