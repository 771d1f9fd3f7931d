# All of vmmd's tests may have threads and a loop.
$(foreach t,$(DAEMON_UNITS),$(eval CFLAGS-$(t) := -pthread) \
                            $(eval LIBS-$(t) := -levent))
