#!/bin/sh
# A guest that is paged into a region: NVDIMM first, a quarter of what is paged
# fits there, NVMe behind it; the power fails while it is purged.
# lab: --nvdimm 32M --nvme --nvme-size 512M --timeout 500
# files: progs/build/regionload
set -eu

cuts=${REGION_CUTS:-1}
lab-nvdimm

figure() { xl region-list -j r1 | jq ".[0].$1"; }
tier() { xl tier-list -j g | jq ".[0].$1"; }

if [ "$LAB_BOOT" = 1 ]; then
    ndctl create-namespace -f -e namespace0.0 -m devdax --map=mem >/dev/null
    lab-vmmd start
    xl region-create r1 --nvm /dev/dax0.0 --size 1G --storage /dev/nvme0n1
else
    # As it was when the power failed; then as vmmd finds it.
    ./regionload check /dev/dax0.0 /dev/nvme0n1
    lab-vmmd start
    # Once vmmd has dropped what the domain that is gone had.
    status=3
    while [ $status = 3 ]; do
        status=0
        xl region-check r1 || status=$?
    done
    [ $status = 0 ]
fi
xl region-list

lab-guest create g memory=220 vcpus=2
lab-guest run g 'memcheck --size 120M --order random --seconds 100000 --report 1 >/tmp/out 2>&1 & until grep -q filled /tmp/out; do sleep 0.2; done'
xl tier-set g 48M --region r1
n=0
until [ "$(tier resident_pages)" -le $((54 * 256)) ]; do
    n=$((n + 1))
    [ $n -lt 120 ] || { xl tier-list g; xl region-list; exit 1; }
    sleep 1
done
xl tier-list g
xl region-list
paged=$(tier paged_pages) nvm=$(figure nvm_bytes)
[ $((nvm * 4 / 4096)) -le $((paged + paged / 10)) ]
[ "$(figure nr_purged)" -gt $((paged / 2)) ]

if [ "$LAB_BOOT" -le "$cuts" ]; then
    before=$(figure nr_purged) n=0
    until [ "$(figure nr_purged)" -gt $((before + 100)) ]; do
        n=$((n + 1))
        [ $n -lt 600 ] || exit 1
        sleep 0.1
    done
    echo "cut, after $(figure nr_purged) blocks were purged"
    lab-host power-cut
fi

# Wrong pages, and a vmmd that is killed and comes back to the same region.
sleep 5
lab-vmmd kill
lab-vmmd start
n=0
until [ "$(tier state)" = '"active"' ]; do
    n=$((n + 1))
    [ $n -lt 40 ] || exit 1
    sleep 0.5
done
sleep 5
lab-guest run g 'tail -n 1 /tmp/out' | tee report
grep -q 'wrong=0' report
lab-guest run g 'kill $(pidof memcheck); sleep 1; memcheck --size 64M --passes 1 --order sequential --all'
xl tier-off g
[ "$(figure nvm_bytes)" -gt 0 ]
xl region-stat -j r1 | jq -e '.points[0].nr_blocks == 0'
xl region-check r1
lab-guest destroy g
