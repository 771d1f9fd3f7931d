#!/bin/sh
# A paged domain is saved, restored, migrated, dumped, ballooned and shut
# down: no page is lost, none becomes zeros.
# lab: --nvme --nvme-size 512M --timeout 400
set -eu

say() { printf '\n-- %s: %s\n' "$(date +%T)" "$*"; }
paged() { xl tier-list -j | jq -r --arg n "$1" '[.[] | select(.name == $n) | .paged_pages] | add // 0'; }
nr_sessions_is() {
    n=0
    until [ "$(xl tier-list -j | jq length)" = "$1" ]; do
        n=$((n + 1))
        [ $n -lt 50 ] || { xl tier-list; exit 1; }
        sleep 0.2
    done
}
# All of what was written, also what was paged out, is as it was.
verify() {
    lab-guest run g 'md5sum -c /tmp/sum'
    lab-guest run g 'kill -CONT $(cat /tmp/pid); sleep 1; kill -INT $(cat /tmp/pid); while kill -0 $(cat /tmp/pid) 2>/dev/null; do sleep 0.2; done; tail -n 1 /tmp/a; tail -n 1 /tmp/a | grep -q "max_us.*wrong=0$"'
}
fill() {
    lab-guest run g 'memcheck --size 20M --order random --write-percent 30 --seconds 100000 --all >/tmp/a 2>&1 & echo $! >/tmp/pid'
    lab-guest run g 'until grep -q filled /tmp/a; do sleep 0.2; done; kill -STOP $(cat /tmp/pid)'
}

lab-guest create g memory=112 vcpus=2
lab-guest run g 'dd if=/dev/urandom of=/tmp/cold bs=1M count=12 2>/dev/null; md5sum /tmp/cold >/tmp/sum'
fill
lab-vmmd start
xl tier-set g 52M --store /dev/nvme0n1 --wait

say "dump-core, with $(paged g) pages out"
[ "$(paged g)" -gt 6000 ]
xl dump-core g /root/core
ls -l /root/core
# What is out is not missing, and what has contents is not zeros.
python3 - <<'PY'
import mmap, os
with open("/root/core", "rb") as f:
    data = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
    pages = len(data) // 4096
    zeros = sum(data[i * 4096:(i + 1) * 4096].count(0) == 4096 for i in range(pages))
print(f"core: {pages} pages, {zeros} of zeros")
assert pages >= 28600 and pages - zeros > 32 * 256
PY
rm /root/core

say "save, with $(paged g) pages out"
xl tier-set g 52M --wait
xl save g /root/save
nr_sessions_is 0
say 'restore'
xl restore /root/save
rm /root/save
verify
fill
xl tier-set g 52M --store /dev/nvme0n1 --wait

say "migrate to the same host, with $(paged g) pages out"
xl migrate -s '' g 'xl migrate-receive' 2>&1 | tail -n 3
verify
nr_sessions_is 0

say 'ballooning'
xl tier-set g 80M --store /dev/nvme0n1 --wait
lab-guest run g 'cat /sys/devices/system/xen_memory/xen_memory0/info/current_kb'
xl mem-set g 98
n=0
until [ "$(lab-guest run g 'cat /sys/devices/system/xen_memory/xen_memory0/info/current_kb')" -le 100352 ]; do
    n=$((n + 1)); [ $n -lt 30 ] || exit 1; sleep 1
done
xl tier-list g
xl mem-set g 112
sleep 5
xl tier-list g
lab-guest run g 'md5sum -c /tmp/sum'

say "shutdown, with $(paged g) pages out"
LAB_TIMEOUT=3 lab-guest run g 'poweroff -f' || true
n=0
while xl domid g >/dev/null 2>&1; do
    n=$((n + 1)); [ $n -lt 100 ] || { xl list; exit 1; }; sleep 0.2
done
nr_sessions_is 0
lab-guest create g memory=96
