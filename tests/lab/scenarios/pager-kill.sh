#!/bin/sh
# vmmd is killed 20 times at random points under load: no page is lost, no
# vCPU is stuck.
# lab: --nvme --nvme-iops 4000 --timeout 420
set -eu

lab-guest create g memory=192 vcpus=2
lab-guest run g 'memcheck --size 80M --order zipf --write-percent 30 --same-filled 10 --seconds 100000 --report 1 --all >/tmp/a 2>&1 &'
lab-guest run g 'memcheck --size 24M --order random --write-percent 30 --seed 7 --seconds 100000 --report 1 --all >/tmp/b 2>&1 &'
accesses() {
    lab-guest run g "tail -n 1 /tmp/$1" | sed -n 's/.*accesses=\([0-9]*\) .*/\1/p'
}
lab-vmmd start
xl tier-set g 72M --store /dev/nvme0n1
sleep 5

# Also while it adopts: from a few milliseconds to seconds after its start.
n=0
while [ $n -lt 20 ]; do
    lab-vmmd kill
    lab-vmmd spawn
    sleep "$(awk -v seed="$n$LAB_BOOT" 'BEGIN { srand(seed); print rand() * rand() * 6 }')"
    n=$((n + 1))
done
lab-vmmd kill
lab-vmmd start
echo "killed $((n + 1)) times"

for f in a b; do
    before=$(accesses $f)
    t=0
    until after=$(accesses $f); [ "$after" -gt "$before" ]; do
        t=$((t + 1))
        [ $t -lt 30 ] || { echo "memcheck $f is stuck at $after"; exit 1; }
        sleep 1
    done
done
xl tier-list g
xl tier-list -j g | jq -e '.[0] | .state == "active" and .paged_pages > 0 and
    .classes.demand.nr_requests > 0'
lab-guest run g 'cat /tmp/a /tmp/b' | tail -n 4
if lab-guest run g 'cat /tmp/a /tmp/b' | grep -v 'wrong=0$' | grep wrong; then exit 1; fi

# And every page, once it is back.
xl tier-off g
xl tier-list -j | jq -e 'length == 0'
lab-guest run g 'killall -INT memcheck; n=0; while pidof memcheck; do sleep 1; n=$((n + 1)); [ $n -lt 60 ] || exit 1; done; tail -n 1 /tmp/a; tail -n 1 /tmp/b'
lab-guest run g 'tail -n 1 /tmp/a | grep -q "max_us.*wrong=0$" && tail -n 1 /tmp/b | grep -q "max_us.*wrong=0$"'
lab-guest run g 'tail -qn 1 /tmp/a /tmp/b' |
    sed -n 's/.* wrong=\([0-9]*\)$/\1/p' | sort -n |
    awk '{ n[NR] = $1 } END { print "figure pager_kill_wrong_pages", n[2], n[1], n[2], "pages" }'
