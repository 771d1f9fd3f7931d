SRCS-fuzz/fuzz_control := $(TOP)/dom0-daemon/loop.c $(LIBVMM)/ctl/ctl.c
LIBS-fuzz/fuzz_control := -levent
$(BUILD)/fuzz/fuzz_control: $(wildcard $(TOP)/dom0-daemon/*.[ch]) \
    $(LIBVMM)/ctl/ctl.c
