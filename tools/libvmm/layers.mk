# Who may include whom.  tests/abi/check-layers enforces it.
LAYERS        := base format table io region retire consumer ctl port
USES_base     := base/
USES_format   := base/
USES_table    := base/
USES_io       := base/ table/
USES_region   := base/ format/ table/
USES_retire   := base/ format/ table/
USES_consumer := base/ format/ table/ io/engine.h region/region.h
USES_ctl      := base/ format/
USES_port     := base/ format/ table/
# A foreign header, and the one file (a pattern) that may include it.
ONLY_xencall.h           := port/(hv|machine)_xen\.c
ONLY_xenevtchn.h         := port/hv_xen.c
ONLY_xenforeignmemory.h  := port/hv_xen.c
ONLY_xenctrl.h           := port/hv_xen.c
ONLY_liburing.h          := port/bdev_uring.c
ONLY_libpmem2.h          := port/media_pmem2.c
ONLY_yajl/               := format/json.c
ONLY_xxhash.h           := base/hash.c
ONLY_efivar/             := port/efivar.c
ONLY_isa-l/              := base/crc.c
ONLY_time.h              := port/clock.c
ONLY_event2/             := (no file)
