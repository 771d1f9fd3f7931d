#!/bin/sh
# What becomes of lost pages of each kind: of Xen's heap, of a PV domain, of
# memory that is populated on demand, of a domain that is migrated, or paged.
# lab: --nvme --nvme-size 512M --timeout 500 --allow domain_crash --allow crashed.on
# files: progs/build/mce progs/build/logdirty progs/build/frames
set -eu

page() {    # MFN, of which xl page-list has one entry
    xl page-list -j |
        jq -c ".[] | select(.mfn <= $(($1)) and $(($1)) < .mfn + .nr_pages)"
}

# What an AMD CPU reports of a load that cannot be corrected.
fails() {   # MFN, until vmmd has recorded it
    lab-host monitor "mce 0 2 0xbc00000000000135 0x5 $(($1 << 12)) 0x0"
    until grep -q "page=$(printf 0x%x "$1") .*recorded" /var/log/xen/vmmd.log
    do
        sleep 0.1
    done
}

# A program with one page that is to be lost; at which address it is.
start_lostpage() {
    lab-guest run "$1" 'lostpage 64 17 >/tmp/lost 2>&1 & until grep -q gpa /tmp/lost; do sleep 0.1; done; cat /tmp/lost' |
        sed -n 's/^gpa=//p'
}

reads_again() {
    lab-guest run "$1" 'n=$(wc -l </tmp/lost); kill -USR1 $(pidof lostpage); until [ $(wc -l </tmp/lost) -gt $n ]; do sleep 0.1; done; tail -n 1 /tmp/lost'
}

# A page of Xen's, which keeps it: not before the next boot can it be retired.
xl debug-keys q
mfn=$((0x$(xl dmesg | sed -n 's/.*XenPage 0*\([0-9a-f]*\):.*/\1/p' | tail -n 1)))
lab-vmmd start
fails $mfn
page $mfn | jq -e '.state == "pending" and .broken and .owner_domid >= 32752'

# Migrated, in a way: the page stays lost whatever becomes of the others.
lab-guest create g vcpus=2
lab-guest run g 'memcheck --size 48M --order random --seconds 100000 --report 1 >/tmp/out 2>&1 & until grep -q filled /tmp/out; do sleep 0.2; done'
id=$(xl domid g)
gpa=$(start_lostpage g)
./logdirty "$id" on
./mce "$id" "$gpa" uncorrected
reads_again g | grep 'lost=1 other=0 wrong=0'
./logdirty "$id" off
reads_again g | grep 'lost=1 other=0 wrong=0'
lab-guest run g 'kill $(pidof lostpage)'

# Found by a scrubber before anybody met it.
gpa=$(start_lostpage g)
nr=$(xl page-stat -j | jq .nr_uncorrected)
./mce "$id" "$gpa" deferred
n=0
until [ "$(xl page-stat -j | jq .nr_uncorrected)" -gt "$nr" ]; do
    n=$((n + 1))
    [ $n -lt 30 ] || { xl page-stat; exit 1; }
    sleep 1
done
reads_again g | grep 'lost=1 other=0 wrong=0'

# Paged: the pager finds it, and leaves it alone.
xl tier-set g 64M --store /dev/nvme0n1
sleep 5
reads_again g | grep 'lost=1 other=0 wrong=0'
xl tier-list -j g | jq -e '.[0].paged_pages > 0'
lab-guest run g 'sleep 2; tail -n 1 /tmp/out' | grep 'wrong=0'
xl tier-off g
reads_again g | grep 'lost=1 other=0 wrong=0'
lab-guest destroy g

# A PV domain uses machine addresses: it is stopped.
lab-guest create pv type=pv memory=512
id=$(xl domid pv)
mfn=$((0x120000))
until [ "$(page $mfn | jq .owner_domid)" = "$id" ]; do
    mfn=$((mfn + 977))
    xl page-retire $mfn >/dev/null
done
fails $mfn || true
xl dmesg | grep "d$id: uncorrected memory error in its page $(printf 0x%x $mfn), which cannot be taken from a PV domain: it is stopped"
lab-guest destroy pv

# Populated on demand: what was not given to the guest yet is replaced.  There
# is little else than its cache that is nobody's.
free=$(($(xl info free_memory) - 40))
sed -e "s/^memory=.*/memory=$free/" /lab/guest.cfg >pod.cfg
printf "name='pod'\nmaxmem=%d\n" $((free * 2)) >>pod.cfg
xl create -q -p pod.cfg
n=0 mfn=$((0x130000))
while [ $n -lt 5 ]; do
    mfn=$((mfn + 1531))
    [ -z "$(page $mfn)" ] && echo $mfn | ./frames || continue
    fails $mfn
    page $mfn | jq -e '.state == "retired" and .broken'
    n=$((n + 1))
done
xl debug-keys q
xl dmesg | tail -n 200 | grep 'PoD entries'
xl unpause pod
lab-guest wait pod
lab-guest run pod 'memcheck --size 200M --seconds 5 --report 1 | tail -n 1' | grep 'wrong=0'
lab-guest destroy pod
