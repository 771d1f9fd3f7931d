SRCS-fuzz/fuzz_control := $(TOP)/dom0-daemon/loop.c \
    $(wildcard $(LIBVMM)/ctl/*.c $(LIBVMM)/retire/*.c)
LIBS-fuzz/fuzz_control := -levent
$(BUILD)/fuzz/fuzz_control: $(wildcard $(TOP)/dom0-daemon/*.[ch]) \
    $(wildcard $(LIBVMM)/ctl/*.c)
