#!/bin/sh
# What becomes of lost pages that are no ordinary memory of a guest with machine
# checks: of Xen's heap, of a PV domain, of memory populated on demand.
# lab: --timeout 500 --allow domain_crash --allow crashed.on
# files: progs/build/frames progs/build/pvframe
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

# A page of Xen's, which keeps it: not before the next boot can it be retired.
xl debug-keys q
mfn=$((0x$(xl dmesg | sed -n 's/.*XenPage 0*\([0-9a-f]*\):.*/\1/p' | tail -n 1)))
lab-vmmd start
fails $mfn
page $mfn | jq -e '.state == "pending" and .broken and .owner_domid >= 32752'

# A PV domain uses machine addresses: it is stopped.
lab-guest create pv type=pv memory=128
id=$(xl domid pv)
mfn=$(($(./pvframe "$id" 20000)))
fails $mfn
page $mfn | jq -e ".state == \"pending\" and .broken and .owner_domid == $id"
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
