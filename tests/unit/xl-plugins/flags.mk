# A command and the server that it calls.
$(foreach t,$(filter unit/xl-plugins/%,$(UNITS)),\
    $(eval CFLAGS-$(t) := -pthread) $(eval LIBS-$(t) := -lsmartcols))
