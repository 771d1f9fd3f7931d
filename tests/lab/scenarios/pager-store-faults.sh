#!/bin/sh
# What a store can do to a paged domain: errors, no room, less than there was.
# lab: --nvme --nvme-size 512M --timeout 400
set -eu

state() { xl tier-list -j g | jq -r '.[0].state'; }
field() { xl tier-list -j g | jq -r ".[0].$1"; }
until_is() {    # WHAT WANTED SECONDS
    n=0
    until [ "$($1)" = "$2" ]; do
        n=$((n + 1))
        [ $n -lt "$3" ] || { echo "$1: $($1), not $2, after $3 s"; xl tier-list; exit 1; }
        sleep 1
    done
}
nr_sessions() { xl tier-list -j | jq length; }
is_paused() { xl list g | awk 'NR == 2 { print $5 ~ /p/ ? "paused" : "runs" }'; }
say() { printf '\n-- %s\n' "$*"; }
wrong() { lab-guest run g 'cat /tmp/a' | grep -v 'wrong=0$' | grep wrong; }
accesses() {
    lab-guest run g "tail -n 1 /tmp/a" | sed -n 's/.*accesses=\([0-9]*\) .*/\1/p'
}

lab-guest create g memory=168 vcpus=2
lab-guest run g 'memcheck --size 80M --order random --write-percent 30 --seconds 100000 --report 1 >/tmp/a 2>&1 &'
lab-vmmd start

say 'EIO: the page is tried again, then the domain is paused, with a name for it'
sectors=$(blockdev --getsz /dev/nvme0n1)
echo "0 $sectors linear /dev/nvme0n1 0" | dmsetup --noudevsync create store
xl tier-set g 64M --store /dev/dm-0 --wait
dmsetup --noudevsync suspend --nolockfs store
echo "0 $sectors error" | dmsetup reload store
dmsetup --noudevsync resume store
until_is state failed 60
until_is is_paused paused 10
xl tier-list g
[ "$(field error)" = VMM_E_IO ]
[ "$(field nr_io_retries)" -gt 0 ]
grep 'VMM_E_IO\|input/output' /var/log/xen/vmmd.log | tail -n 2

say 'a restart of vmmd changes nothing of that'
lab-vmmd kill
lab-vmmd start
until_is state failed 60
until_is is_paused paused 10

say 'bringing every page back is refused while they cannot be read'
if timeout 20 xl tier-off g; then echo 'tier-off succeeded'; exit 1; fi
until_is is_paused paused 10

say 'the store is repaired, and told so'
dmsetup --noudevsync suspend --nolockfs store
echo "0 $sectors linear /dev/nvme0n1 0" | dmsetup reload store
dmsetup --noudevsync resume store
xl tier-set g 64M
until_is is_paused runs 20
until_is state active 20
before=$(accesses)
sleep 3
[ "$(accesses)" -gt "$before" ]
if wrong; then exit 1; fi
xl tier-off g
dmsetup --noudevsync remove store

say 'a device without room: eviction stops and says so'
printf ',24M\n,24M\n,,\n' | sfdisk -q /dev/nvme0n1
xl tier-set g 64M --store /dev/nvme0n1p1
until_is state store-full 40
xl tier-list g
[ "$(field error)" = VMM_E_NOSPC ]
[ "$(is_paused)" = runs ]
if timeout 20 xl tier-set g 64M --wait; then exit 1; else [ $? = 9 ]; fi
say '... and goes on when there is'
xl tier-set g 152M
until_is state active 40
if wrong; then exit 1; fi
xl tier-off g

say 'ENOSPC from a file system'
mkfs.ext4 -q /dev/nvme0n1p2
mkdir -p /mnt
mount /dev/nvme0n1p2 /mnt
fallocate -l 8M /mnt/ballast
xl tier-set g 64M --store /mnt/pages
until_is state store-full 40
df -k /mnt | tail -n 1
[ "$(field error)" = VMM_E_NOSPC ]
used=$(field store_used_bytes)
rm /mnt/ballast
n=0
until [ "$(field store_used_bytes)" -gt "$used" ]; do
    n=$((n + 1))
    [ $n -lt 30 ] || { xl tier-list; exit 1; }
    sleep 1
done
if wrong; then exit 1; fi
xl tier-off g
[ ! -e /mnt/pages ] || { echo 'the store was left behind'; exit 1; }
umount /mnt

say 'a store that was cut while vmmd was away: it is not taken up'
mkfs.ext4 -q /dev/nvme0n1p3
mount /dev/nvme0n1p3 /mnt
xl tier-set g 64M --store /mnt/pages --wait
lab-vmmd stop
cp --sparse=always /mnt/pages /mnt/copy
truncate -s 1M /mnt/pages
lab-vmmd start
until_is state failed 30
xl tier-list g
grep -i 'taken up' /var/log/xen/vmmd.log | tail -n 1
say '... until its contents are back'
dd if=/mnt/copy of=/mnt/pages conv=notrunc bs=1M status=none
xl tier-set g 64M
until_is state active 20
before=$(accesses)
sleep 3
[ "$(accesses)" -gt "$before" ]
if wrong; then exit 1; fi
lab-guest run g 'killall memcheck; while pidof memcheck; do sleep 1; done; tail -n 1 /tmp/a'
lab-guest run g 'grep "max_us.*wrong=0$" /tmp/a'

say 'a store that is cut under load: the domain is paused; nothing becomes zeros'
lab-guest run g 'memcheck --size 80M --order random --write-percent 30 --seconds 100000 --report 1 --name cut >/dev/hvc0 2>&1 &'
reported() { lab-guest console g | grep -c 'report name=cut' | sed 's/^[1-9].*/some/'; }
until_is reported some 60
truncate -s 1M /mnt/pages
until_is state failed 60
until_is is_paused paused 10
xl tier-list g
case $(field error) in
VMM_E_IO|VMM_E_CHECKSUM) ;;
*) echo "the error is $(field error)"; exit 1 ;;
esac
lab-guest console g | tr -d '\r' >console
grep -q 'report name=cut .*wrong=0$' console
if grep wrong console | grep -v 'wrong=0$'; then exit 1; fi
xl destroy g
until_is nr_sessions 0 10
[ ! -e /mnt/pages ] || { echo 'the store was left behind'; exit 1; }
