# The n-th allocation of all that vmm__pager_new() makes can fail.
LIBS-unit/consumer/test_pager := -Wl,--wrap=calloc -Wl,--wrap=mmap \
                                 -Wl,--wrap=munmap
