# Variables only.  Each can be set on make's command line.

# Xen's source: the version in Debian 12's main archive that the patches are
# made for.  Another 4.17 that the archive has can be named.
XEN_VERSION ?= 4.17.5+72-g01140da4e8-1

# What is slow to build is kept here, by the content of what went in.
ifndef CACHE
ifdef XDG_CACHE_HOME
CACHE := $(XDG_CACHE_HOME)/xenolith
else
CACHE := $(HOME)/.cache/xenolith
endif
endif

# The tree that Xen's tools were installed into, with their headers and
# libraries; without it everything that needs Xen is left out.
ifndef XEN_DIST
XEN_DIST := $(wildcard $(CACHE)/current/tools)
endif
HAVE_XEN := $(if $(XEN_DIST),y,n)

DESTDIR ?=
PREFIX ?= /usr
LIBDIR ?= $(PREFIX)/lib/x86_64-linux-gnu
INCLUDEDIR ?= $(PREFIX)/include
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
# Compiled into xl as well: xen-patches/xl-run-external-commands.patch.
XL_PLUGIN_DIR ?= $(PREFIX)/libexec/xen/xl-plugins
# Where nbdkit looks for plugins that are named, not given as a path.
NBDKIT_PLUGIN_DIR ?= $(PREFIX)/lib/x86_64-linux-gnu/nbdkit/plugins

ifeq ($(origin CC),default)
CC := gcc
endif
OPT ?= -O2 -g
WARNINGS := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes \
            -Wvla
CFLAGS ?=
LDFLAGS ?=
V ?= 0
BENCH ?=
