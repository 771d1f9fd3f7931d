SRCS-fuzz/fuzz_region := $(wildcard $(LIBVMM)/region/*.c) \
    $(LIBVMM)/port/media_dram.c
LIBS-fuzz/fuzz_region := -lpthread
