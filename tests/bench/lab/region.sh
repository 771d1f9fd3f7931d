#!/bin/sh
# A guest paged into a region whose NVM is a quarter of what is paged: how long
# a DEMAND takes while the region purges, and while it does not.
# lab: --nvdimm 32M --nvme --nvme-size 512M --nvme-bps 3M --nvme-plp --timeout 2400
set -eu

rounds=${REGION_ROUNDS:-3}
measured_s=10
lab-nvdimm
: >results

purged() { xl region-list -j r1 | jq '.[0].nr_purged'; }
tier() { xl tier-list -j g | jq ".[0].$1"; }

# Programs in the guest that read it all at random, as far as one is paged in.
measure() {
    p0=$(purged)
    lab-vmmd call tier-reset-latency '{"domain":"g"}' >/dev/null
    lab-guest run g 'kill -CONT $(pidof memcheck)'
    sleep $measured_s
    lab-guest run g 'kill -STOP $(pidof memcheck)'
    echo "$1 p99_us $(($(tier classes.demand.p99_ns) / 1000)) p50_us $(($(tier classes.demand.p50_ns) / 1000)) requests $(tier classes.demand.nr_requests) purged $(($(purged) - p0))" >>results
    tail -n 1 results
}

down() {
    xl tier-set g 48M --region r1
    n=0
    until [ "$(tier resident_pages)" -le $((54 * 256)) ]; do
        n=$((n + 1))
        [ $n -lt 240 ] || { xl tier-list g; xl region-list; exit 1; }
        sleep 1
    done
}

ndctl create-namespace -f -e namespace0.0 -m devdax --map=mem >/dev/null
lab-vmmd start
xl region-create r1 --nvm /dev/dax0.0 --size 1G --storage /dev/nvme0n1
lab-guest create g memory=220 vcpus=2
lab-guest run g 'memcheck --size 120M --order random --seconds 100000 --report 1 >/tmp/out 2>&1 & until grep -q filled /tmp/out; do sleep 0.2; done; kill -STOP $(pidof memcheck)'
r=0
while [ $r -lt "$rounds" ]; do
    r=$((r + 1))
    echo "-- round $r of $rounds"
    # With room for all of it nothing goes out: recalls alone, and beside a
    # purge of what NVM holds.
    down
    xl tier-set g 100%
    measure none
    xl region-purge --all r1 &
    measure purging
    wait $!
done
lab-guest run g 'tail -n 1 /tmp/out' | grep 'wrong=0'

python3 - <<'PY'
from statistics import median

rounds = {}
for line in open("results"):
    name, *words = line.split()
    rounds.setdefault(name, []).append(
        {words[i]: float(words[i + 1]) for i in range(0, len(words), 2)})

def figure(name, values, unit):
    print(f"figure {name} {median(values):.3f} {min(values):.3f} "
          f"{max(values):.3f} {unit}")

assert all(p["purged"] > 0 for p in rounds["purging"])
figure("region_demand_p99_purge_over_none",
       [p["p99_us"] / n["p99_us"]
        for p, n in zip(rounds["purging"], rounds["none"])], "ratio")
for mode in ("none", "purging"):
    for key in ("p50_us", "p99_us"):
        figure(f"region_demand_{key[:3]}_{mode}", [r[key] for r in rounds[mode]], "us")
    figure(f"region_purged_{mode}", [r["purged"] for r in rounds[mode]], "blocks")
PY
