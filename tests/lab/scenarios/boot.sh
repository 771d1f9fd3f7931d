#!/bin/sh
# The stack is up: Xen, dom0, a guest that answers and whose memory is right.
# lab: --timeout 240
set -eux
xl info | grep -q 'xen_version.*4.17'
lab-guest create g vcpus=2
lab-guest run g 'cat /proc/meminfo | head -1'
lab-guest run g 'memcheck --size 64M --passes 2 --order random --write-percent 20 --all'
if lab-guest run g 'exit 3'; then exit 1; fi
xl save g /tmp/save 2>/dev/null
xl restore /tmp/save
xl list g
xl destroy g
