CFLAGS-unit/ctl/test_ctl := -pthread
