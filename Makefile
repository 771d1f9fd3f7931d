# Xenolith.  `make help' says what there is.
MAKEFLAGS += --warn-undefined-variables --no-print-directory

include Config.mk
export CACHE XEN_VERSION

PARTS := $(patsubst %/Makefile,%,$(wildcard tools/libvmm/Makefile \
         dom0-daemon/Makefile xl-plugins/Makefile))

.PHONY: all help setup xen xen-check lab-image check test demo bench \
        bench-lab built lab-shell install uninstall clean

all: setup
	+@for p in $(PARTS); do $(MAKE) -C $$p all || exit; done

help:
	@echo 'make demo        run the main job in the lab, with what it needs'
	@echo 'make test        all tests, in the lab as well'
	@echo 'make check       tests that need no Xen'
	@echo 'make all         build; with Xen parts once "make xen" was run'
	@echo 'make install     [DESTDIR=] [PREFIX=/usr]; and uninstall'
	@echo 'make xen         the patched Xen  [XEN_VERSION=]'
	@echo 'make xen-check   that each patch applies and builds'
	@echo 'make bench       native benchmarks  [BENCH=name]'
	@echo 'make bench-lab   benchmarks in the lab  [BENCH=name]'
	@echo 'make lab-shell   a shell in dom0 of a lab host'

setup:
	@tools/setup/install-packages

xen: setup
	@xen-patches/build all

xen-check: setup
	@xen-patches/build check

lab-image: xen
	@tests/lab/image all

# Everything, against the Xen just built.
built: lab-image
	+@$(MAKE) all
	+@$(MAKE) -C tests/lab/progs all

check: setup
	+@$(MAKE) -C tests -j$(shell nproc) check

test: setup
	@tests/run-all

demo: built
	@tests/lab/demo

bench: setup
	+@$(MAKE) -C tests/bench run BENCH=$(BENCH)

bench-lab: built
	@tests/bench/run-lab $(BENCH)

lab-shell: built
	@tests/lab/lab shell

install:
	+@for p in $(PARTS); do $(MAKE) -C $$p install || exit; done

uninstall:
	+@for p in $(PARTS); do $(MAKE) -C $$p uninstall || exit; done

clean:
	+@for p in $(PARTS) tests tests/lab/progs; do $(MAKE) -C $$p clean || exit; done
