# Rules for every leaf Makefile, which sets TOP and includes this first.
MAKEFLAGS += --warn-undefined-variables --no-print-directory

include $(TOP)/Config.mk

ifeq ($(V),0)
Q := @
say = @printf '  %-7s %s\n' $(1) $(2)
else
Q :=
say = @:
endif

LIBVMM := $(TOP)/tools/libvmm

# Quoted includes are ours, with their layer in the path; angled ones are not.
BASE_CFLAGS := -std=c11 -D_GNU_SOURCE $(OPT) $(WARNINGS) -iquote . \
               -iquote $(LIBVMM) -fvisibility=hidden -MMD -MP
# Xen's own headers use GNU extensions.
XEN_CFLAGS = -std=gnu11 -isystem $(XEN_DIST)/usr/include
XEN_LDFLAGS = -L$(XEN_DIST)/usr/lib -Wl,-rpath-link,$(XEN_DIST)/usr/lib

BUILD := build

$(BUILD)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(BASE_CFLAGS) $(CFLAGS) $(EXTRA_CFLAGS) -c $< -o $@

$(BUILD)/%.1: %.1.pod
	$(call say,POD,$<)
	$(Q)mkdir -p $(@D)
	$(Q)pod2man --utf8 -s 1 -c Xenolith -r '' -n $(notdir $(basename $@)) $< $@
$(BUILD)/%.5: %.5.pod
	$(call say,POD,$<)
	$(Q)mkdir -p $(@D)
	$(Q)pod2man --utf8 -s 5 -c Xenolith -r '' -n $(notdir $(basename $@)) $< $@
$(BUILD)/%.8: %.8.pod
	$(call say,POD,$<)
	$(Q)mkdir -p $(@D)
	$(Q)pod2man --utf8 -s 8 -c Xenolith -r '' -n $(notdir $(basename $@)) $< $@

EXTRA_CFLAGS :=

.PHONY: all install uninstall clean
all:

clean:
	$(Q)rm -rf $(BUILD)
