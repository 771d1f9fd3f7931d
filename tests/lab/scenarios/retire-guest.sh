#!/bin/sh
# Memory errors in guests' pages: one that is lost is told to the program that
# touches it, and to nobody else, also in a domain that is migrated or paged; a
# guest without machine checks is stopped; one that has too many corrected
# errors is moved, unseen.
# lab: --nvme --nvme-size 256M --timeout 600 --allow domain_crash --allow crashed.on
# files: progs/build/mce progs/build/logdirty
set -eu

page() { xl page-list -j | jq -c ".[] | select(.owner_domid == $1)"; }
stat() { xl page-stat -j | jq ".$1"; }
until_more() {  # WHAT THAN COMMAND...: until `stat WHAT' is
    what=$1 than=$2 n=0
    shift 2
    until [ "$(stat "$what")" -gt "$than" ]; do
        "$@"
        n=$((n + 1))
        [ $n -lt 60 ] || { xl page-stat; xl page-list; exit 1; }
        sleep 1
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

echo 'page_ce_threshold = 2' >>/etc/xen/vmmd.conf
lab-vmmd start
socat -u UNIX-CONNECT:/run/xen/vmmd-mce.sock - >mce.log &
lab-guest create g vcpus=2
lab-guest create other memory=192
# Memory that is looked at again at the end.
for name in g other; do
    lab-guest run $name 'memcheck --size 48M --order random --seconds 100000 --report 1 >/tmp/out 2>&1 & until grep -q filled /tmp/out; do sleep 0.2; done; kill -STOP $(pidof memcheck)'
done
id=$(xl domid g)

# Corrected errors: nothing at first, then the page is another one.
gpa=$(start_lostpage g)
until_more nr_moved 0 ./mce "$id" "$gpa" corrected
xl page-list
xl page-list -j | jq -e 'length == 1 and .[0].state == "retired" and .[0].cause == "corrected"'
reads_again g | grep 'lost=0 other=0 wrong=0'

# An uncorrected one: told at the touch, and only then.
./mce "$id" "$gpa" uncorrected
page "$id" | jq -e '.state == "pending" and .broken and .cause == "uncorrected"'
[ "$(stat nr_touched)" = 0 ]
reads_again g | grep 'lost=1 other=0 wrong=0'
[ "$(stat nr_touched)" -ge 1 ]
reads_again g | grep 'lost=1 other=0 wrong=0'
# Met again by a scrubber: no news.
./mce "$id" "$gpa" uncorrected || true
jq -se 'any(.uncorrected) and any(.uncorrected | not)' mce.log
lab-guest run g 'kill $(pidof lostpage)'

# Migrated, in a way: the page stays lost whatever becomes of the others.  And
# found by a scrubber, before anybody has met it.
gpa=$(start_lostpage g)
./logdirty "$id" on
nr=$(stat nr_uncorrected)
./mce "$id" "$gpa" deferred
until_more nr_uncorrected "$nr" true
reads_again g | grep 'lost=1 other=0 wrong=0'
./logdirty "$id" off
reads_again g | grep 'lost=1 other=0 wrong=0'

# Paged: the pager leaves it alone.
xl tier-set g 64M --store /dev/nvme0n1
n=0
until xl tier-list -j g | jq -e '.[0].resident_pages < 68 * 256' >/dev/null; do
    n=$((n + 1))
    [ $n -lt 60 ] || { xl tier-list g; exit 1; }
    sleep 1
done
reads_again g | grep 'lost=1 other=0 wrong=0'
xl tier-off g
reads_again g | grep 'lost=1 other=0 wrong=0'

# One that cannot be told of it.
lab-guest create m memory=128 "cmdline='console=hvc0 loglevel=4 init_on_alloc=0 mce=off'"
gpa=$(start_lostpage m)
./mce "$(xl domid m)" "$gpa" uncorrected
lab-guest run m 'sleep 1'
LAB_TIMEOUT=5 lab-guest run m 'kill -USR1 $(pidof lostpage); sleep 1' || true
xl dmesg | grep 'touched gfn .*lost to an uncorrected memory error; it does not handle machine checks'
xl list m | grep -q -- '---[s-]c-'

# Nobody else noticed.
for name in g other; do
    lab-guest run $name 'kill -CONT $(pidof memcheck); sleep 4; tail -n 1 /tmp/out' | grep 'wrong=0'
done
for name in m g other; do
    lab-guest destroy $name
done
xl page-list
xl page-list -j | jq -e 'all(.[]; .state == "retired")'
