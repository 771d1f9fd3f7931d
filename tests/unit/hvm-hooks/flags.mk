# Hooks are compiled in user space: each Xen header that one includes is
# harness.h.  A test includes its hook; the other hooks are the real ones.
HOOKS := $(TOP)/hvm-hooks
HOOK_HARNESS := unit/hvm-hooks/harness
# vmm_retire.c and vmm_retire_boot.c are in their tests alone.  Of what happens
# at a machine check there is no model here; the lab has it.
HOOK_SRCS := $(filter-out vmm_retire.c vmm_retire_boot.c vmm_memerr.c,$(notdir \
               $(wildcard $(HOOKS)/*.c)))
HOOK_XEN := $(BUILD)/hooks-xen
HOOK_UNITS := $(filter unit/hvm-hooks/%,$(UNITS))
HOOK_CFLAGS := -std=gnu11 -Wno-unused-parameter -Wno-unused-but-set-variable \
               -iquote $(HOOKS) -iquote $(HOOK_HARNESS) -I $(HOOK_XEN)/include \
               -I $(HOOKS)/include
$(foreach t,$(HOOK_UNITS),$(eval CFLAGS-$(t) := $(HOOK_CFLAGS)))

$(HOOK_XEN)/made: $(wildcard $(HOOKS)/*.[ch]) unit/hvm-hooks/flags.mk
	$(Q)rm -rf $(@D)
	$(Q)cat $(filter %.c %.h,$^) | \
	sed -nE 's/^#include <((xen|asm|xsm).*)>/\1/p' | sort -u | \
	while read -r h; do \
	    mkdir -p "$(@D)/include/$${h%/*}"; \
	    echo '#include "harness.h"' > "$(@D)/include/$$h"; \
	done
	$(Q)echo '#include "hvm-hooks/vmm_hooks.h"' \
	    > $(@D)/include/xen/vmm_hooks.h
	$(Q)echo '#include "harness.h"' | \
	    tee $(@D)/include/xen.h > $(@D)/mm-locks.h
	$(Q)touch $@

define hooks_variant
$(BUILD)/$(1)/hooks/%.o: $(HOOKS)/%.c $(HOOK_XEN)/made
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(TEST_CFLAGS) $(2) $$(HOOK_CFLAGS) -c $$< -o $$@
$(BUILD)/$(1)/hooks/%.o: $(HOOK_HARNESS)/%.c $(HOOK_XEN)/made
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(TEST_CFLAGS) $(2) $$(HOOK_CFLAGS) -c $$< -o $$@
$(BUILD)/$(1)/hooks.a: $(patsubst %.c,$(BUILD)/$(1)/hooks/%.o,harness.c \
                                  $(HOOK_SRCS))
	$$(call say,AR,$(1)/hooks.a)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^
$(HOOK_UNITS:%=$(BUILD)/$(1)/%): $(BUILD)/$(1)/hooks.a
endef
