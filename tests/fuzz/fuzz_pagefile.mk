SRCS-fuzz/fuzz_pagefile := $(LIBVMM)/consumer/pagefile.c
