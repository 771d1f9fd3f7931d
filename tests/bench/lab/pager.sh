#!/bin/sh
# The same guest on the same device, with more in use than fits, under
# xenpaging, our pager as one FIFO, our pager, and swap inside the guest.
# lab: --nvme --nvme-bps 3M --timeout 3000
set -eu

rounds=${PAGER_ROUNDS:-2}
warm_s=15 measured_s=25
target_mib=110
LAB_TIMEOUT=180
export LAB_TIMEOUT

printf ',300M\n,300M\n,300M,S\n' | sfdisk -q /dev/nvme0n1
store=/dev/nvme0n1p1 pagefile=/dev/nvme0n1p2 swap=/dev/nvme0n1p3
mkdir -p results
: >results/all

# What a guest that starves cannot be asked, it tells by its console.
reports() {
    lab-guest console g | tr -d '\r' | grep -o 'report name=.*'
}

accesses() {
    reports | awk -F'[= ]' '{ last[$3] = $5 } END { print last["a"] + last["b"] }'
}

# Working set over the target, zipf; and a scan of more than fits, for which
# prefetch is, and which evictions must keep up with.
start_load() {
    lab-guest run g 'memcheck --size 120M --order zipf --theta 0.9 --write-percent 30 --seconds 100000 --report 1 --name a >/dev/hvc0 2>&1 &'
    lab-guest run g 'memcheck --size 120M --order sequential --passes 100000 --report 1 --name b >/dev/hvc0 2>&1 &'
    until reports | grep -q 'name=a' && reports | grep -q 'name=b'; do
        sleep 0.2
    done
}

# What is not at its target yet has more memory than the others; not for ever,
# since xenpaging may not get there.
at_target() {
    n=0
    until [ "$(xl list g | awk 'NR == 2 { print $3 }')" -le $((target_mib + 8)) ]; do
        n=$((n + 1))
        [ $n -lt 90 ] || break
        sleep 1
    done
    echo "resident: $(xl list g | awk 'NR == 2 { print $3 }') MiB"
}

# Accesses of both in a second, as the guest counts them.
throughput() {
    sleep $warm_s
    t0=$(date +%s.%N) n0=$(accesses)
    [ "$1" = none ] || lab-vmmd call tier-reset-latency '{"domain":"g"}' >/dev/null
    sleep $measured_s
    t1=$(date +%s.%N) n1=$(accesses)
    awk "BEGIN { print ($n1 - $n0) / ($t1 - $t0) }"
}

check_and_destroy() {
    if reports | grep -v 'wrong=0$'; then
        exit 1
    fi
    lab-guest destroy g
}

p_ns() { xl tier-list -j g | jq -r ".[0].classes.demand.$1"; }

# DEMAND with nothing else under way: pages that are out, read once.
idle() {
    lab-guest create g memory=320 vcpus=2
    lab-guest run g 'memcheck --size 120M --order random --seconds 100000 --report 1 >/tmp/a 2>&1 & echo $! >/tmp/pid; until grep -q filled /tmp/a; do sleep 0.2; done; kill -STOP $(cat /tmp/pid)'
    xl tier-set g ${target_mib}M --store $store --wait
    sleep 2
    xl tier-set g 100%
    lab-vmmd call tier-reset-latency '{"domain":"g"}' >/dev/null
    lab-guest run g 'kill -CONT $(cat /tmp/pid); sleep 10; kill -STOP $(cat /tmp/pid)'
    echo "idle p99_us $(($(p_ns p99_ns) / 1000)) p50_us $(($(p_ns p50_ns) / 1000)) requests $(p_ns nr_requests)" >>results/all
    xl tier-off g
    lab-guest destroy g
}

ours() {    # NAME [OPTION]
    name=$1
    shift
    lab-guest create g memory=320 vcpus=2
    start_load
    xl tier-set g ${target_mib}M --store $store "$@"
    at_target
    rate=$(throughput ours)
    xl tier-list -j g | jq -c '.[0] | [.nr_evicted, .nr_prefetch_hits, .nr_prefetch_misses, .nr_rescued]'
    echo "$name rate $rate p99_us $(($(p_ns p99_ns) / 1000)) p50_us $(($(p_ns p50_ns) / 1000))" >>results/all
    check_and_destroy
}

xenpaging_() {
    lab-guest create g memory=320 vcpus=2
    start_load
    domid=$(xl domid g)
    xenstore-write "/local/domain/$domid/memory/target-tot_pages" $((target_mib * 1024))
    cat >xenpaging.sh <<SH
echo \$\$ >/sys/fs/cgroup/xenpaging/cgroup.procs
exec /usr/libexec/xen/bin/xenpaging -d $domid -f $pagefile
SH
    sh xenpaging.sh >/var/log/xen/xenpaging.log 2>&1 &
    pid=$!
    at_target
    rate=$(throughput none)
    xl list g | tail -n 1
    # One that has all of its memory tells nothing.
    if [ "$(xl list g | awk 'NR == 2 { print $3 }')" -le $((target_mib * 3 / 2)) ]; then
        echo "xenpaging rate $rate" >>results/all
    else
        echo "xenpaging: not at its target after 90 s: not counted"
    fi
    lab-guest destroy g
    kill $pid 2>/dev/null || true
    wait $pid || true
}

swap_() {
    lab-guest create g memory=$target_mib vcpus=2 "disk=['phy:$swap,xvda,w']"
    lab-guest run g 'mkswap /dev/xvda >/dev/null && swapon /dev/xvda'
    start_load
    rate=$(throughput none)
    echo "swap rate $rate" >>results/all
    check_and_destroy
}

# xenpaging reads and writes through the page cache: with room for all of it
# there, the drive would not be what is measured.
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/xenpaging
echo 24M >/sys/fs/cgroup/xenpaging/memory.max

lab-vmmd start
r=0
while [ $r -lt "$rounds" ]; do
    r=$((r + 1))
    for what in swap_ xenpaging_ idle ours fifo; do
        printf -- '-- round %d of %d: %s\n' $r "$rounds" ${what%_}
        case $what in
        fifo) ours fifo --fifo ;;
        ours) ours prioritized ;;
        *) $what ;;
        esac
        tail -n 1 results/all
    done
done

python3 - <<'PY'
from statistics import median

rounds = {}
for line in open("results/all"):
    name, *words = line.split()
    rounds.setdefault(name, []).append(
        {words[i]: float(words[i + 1]) for i in range(0, len(words), 2)})

def figure(name, values, unit):
    if not values:
        print(f"{name}: not measured")
        return
    print(f"figure {name} {median(values):.3f} {min(values):.3f} "
          f"{max(values):.3f} {unit}")

def ratio(name, over, under, key):
    figure(name, [o[key] / max(u[key], 1e-3)
                  for o, u in zip(rounds[over], rounds.get(under, []))], "ratio")

ratio("pager_demand_p99_loaded_over_idle", "prioritized", "idle", "p99_us")
ratio("pager_demand_p99_fifo_over_prioritized", "fifo", "prioritized", "p99_us")
ratio("pager_throughput_over_xenpaging", "prioritized", "xenpaging", "rate")
ratio("pager_throughput_over_guest_swap", "prioritized", "swap", "rate")
ratio("pager_throughput_over_fifo", "prioritized", "fifo", "rate")
for mode in ("idle", "prioritized", "fifo"):
    for p in ("p50_us", "p99_us"):
        figure(f"pager_demand_{p[:3]}_{mode}", [r[p] for r in rounds[mode]], "us")
for mode in ("prioritized", "fifo", "swap", "xenpaging"):
    figure(f"pager_rate_{mode}", [r["rate"] for r in rounds.get(mode, [])], "accesses/s")
PY
