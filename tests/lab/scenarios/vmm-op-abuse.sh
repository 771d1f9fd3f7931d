#!/bin/sh
# The stack is up: Xen, dom0, a guest that answers and whose memory is right.
# XENMEM_vmm_op refuses what is wrong: bad domids, gfns, counts, pointers and
# states from the control domain; everything from a domain without privilege.
# lab: --timeout 240
# files: progs/build/vmmop progs/build/denied
set -eux

xl info | grep -q 'xen_version.*4.17'
lab-guest create g
if lab-guest run g 'exit 3'; then exit 1; fi
lab-guest run g 'memcheck --size 64M --passes 2 --order random --write-percent 20 --all'
xl pause g
./vmmop abuse "$(xl domid g)" 1 3000 >abuse.log || { cat abuse.log; exit 1; }
cat abuse.log
calls=$(sed -n 's/^calls=\([0-9]*\) .*/\1/p' abuse.log)
[ "$calls" -ge 500 ]
xl unpause g
lab-guest run g 'memcheck --size 64M --passes 1 --all'

# The guest stays beside it, as a domain that it must not touch either.
cat >denied.cfg <<EOF
type='pvh'
name='denied'
kernel='/lab/denied'
memory=16
vcpus=1
on_crash='preserve'
on_reboot='destroy'
EOF
xl create -q denied.cfg
n=0
until xl dmesg | grep -q 'denied: calls='; do
    n=$((n + 1))
    [ $n -lt 60 ] || { xl dmesg | tail -20; exit 1; }
    sleep 0.5
done
xl dmesg | grep 'denied: '
xl dmesg | grep -q 'denied: calls=550 failures=0'

xl save g /tmp/save 2>/dev/null
xl restore /tmp/save
xl list g
lab-guest destroy g
