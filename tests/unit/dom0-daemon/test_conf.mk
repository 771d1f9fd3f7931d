# The parser of Xen's tools where they are, else one that is made up.
ifeq ($(HAVE_XEN),y)
CFLAGS-unit/dom0-daemon/test_conf := -pthread $(XEN_CFLAGS)
LIBS-unit/dom0-daemon/test_conf := $(XEN_LDFLAGS) -lxlutil \
    -Wl,--disable-new-dtags -Wl,-rpath,$(XEN_DIST)/usr/lib
else
CFLAGS-unit/dom0-daemon/test_conf := -pthread -isystem lib/fake_xlu
endif
