#!/bin/sh
# The main job: a 256 MiB guest, of which it uses 96 MiB over and over, in
# 146 MiB, on a throttled NVMe drive.
set -eu

say() { printf '\n-- %s\n' "$*"; }

nr_passes() {
    lab-guest run g 'tail -n 1 /tmp/passes' | sed -n 's/^pass=\([0-9]*\) .*/\1/p'
}

# Seconds a pass, over the next 15: a single one is at the mercy of what else
# the machine does.
pass_time() {
    t0=$(date +%s.%N) n0=$(nr_passes)
    sleep 15
    t1=$(date +%s.%N) n1=$(nr_passes)
    awk "BEGIN { print ($t1 - $t0) / ($n1 - $n0) }"
}

# A pass resident, then the command, then a pass warm: a line of ratios.
ratios=/run/ratios
round() {
    resident=$(pass_time)
    echo "a pass, fully resident: $resident s"
    say 'xl tier-set g 146M'
    xl tier-set g 146M --store /dev/nvme0n1 --wait
    "$@"
    warm=$(pass_time)
    echo "a pass, warm, in 146 MiB: $warm s"
    awk "BEGIN { print $warm / $resident }" >>$ratios
}

say 'a guest of 256 MiB: 96 MiB in use, 60 MiB of cold data'
lab-guest create g memory=256 vcpus=1
lab-guest run g 'dd if=/dev/urandom of=/tmp/cold bs=1M count=60 2>/dev/null; md5sum /tmp/cold >/tmp/sum'
lab-guest run g 'memcheck --size 96M --passes 100000 --write-percent 10 >/tmp/passes 2>&1 &'
sleep 5
lab-vmmd start
round xl tier-top -b -d 2 -n 12
say 'twice more, for the ratio'
xl tier-off g
round sleep 20
xl tier-off g
round sleep 20

say 'the cold data comes back, page by page'
lab-guest run g 'md5sum -c /tmp/sum'
lab-guest run g 'grep -c "wrong=0" /tmp/passes; ! grep -q "^wrong page" /tmp/passes'

say 'summary'
xl tier-list
xl tier-list -j | jq -r '.[0] | "resident: \(.resident_pages * 4) KiB",
    "paged: \(.paged_pages * 4) KiB",
    "demand p50: \(.classes.demand.p50_ns / 1000) us",
    "demand p99: \(.classes.demand.p99_ns / 1000) us"'
wrong=$(lab-guest run g 'tail -n 1 /tmp/passes' | sed -n 's/.*wrong=//p')
echo "wrong pages: $wrong"
sort -n $ratios | awk '{ v[NR] = $1 }
    END { print "figure pager_warm_pass_ratio", v[2], v[1], v[3], "ratio" }'

say 'xl tier-off g: every page comes back'
xl tier-off g
lab-guest run g 'md5sum -c /tmp/sum'
[ "$wrong" = 0 ]
