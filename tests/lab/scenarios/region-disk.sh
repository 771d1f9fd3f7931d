#!/bin/sh
# A region as a guest's disk: fio and a file system over a power cut, a
# snapshot that is taken while the guest writes, vmmd killed beneath it.
# lab: --nvdimm 48M --nvme --nvme-size 512M --timeout 400
# files: progs/build/regionload
set -eu

export LAB_TIMEOUT=90
lab-nvdimm
for m in nbd loop; do
    modprobe $m
done

in_guest() { lab-guest run g "$@"; }

# What the guest has no room for in its initramfs: programs with libraries,
# and a file system's modules in the order to load them.
tools() {
    mkdir -p tools/m
    for p in fio mke2fs e2fsck; do
        path=$(command -v $p)
        # shellcheck disable=SC2046
        cp --parents "$path" $(ldd "$path" | grep -o '/[^ ]*') tools
    done
    modprobe --show-depends ext4 | sed -n 's/^insmod //p' | cat -n |
        while read -r i ko; do
            cp "$ko" "tools/m/0$i.ko"
        done
    tar c -C tools -f tools.tar .
    losetup /dev/loop0 tools.tar
}

guest() {
    xl region-export --nbd /dev/nbd0 disk
    lab-guest create g memory=256 "disk=['phy:/dev/nbd0,xvda,w','phy:/dev/loop0,xvdz,r']"
    # shellcheck disable=SC2016
    in_guest 'tar x -C / -f /dev/xvdz && ln -sf usr/lib64 /lib64; for m in /m/*; do insmod $m 2>/dev/null; done; mkdir -p /mnt; [ -b /dev/xvda ]'
}

fio='/usr/bin/fio --name=v --filename=/dev/xvda --offset=128M --size=8M --bs=8k --rw=randwrite --direct=1 --verify=crc32c --verify_fatal=1 --minimal'
counters=51200      # the block of 4 KiB from which on they are

# Write i goes to the block of i that 64 have in turn, one after the other.
# shellcheck disable=SC2016
count='i=0; while :; do i=$((i + 1)); printf "%08d" $i | dd of=/dev/xvda bs=4096 seek=$((51200 + i % 64)) conv=sync oflag=direct 2>/dev/null; echo $i >/tmp/j; mv /tmp/j /tmp/i; done'

# Those that there are must be the last 64 of a time.
check_counters() {  # DEVICE AT-LEAST
    dd if="$1" bs=4096 skip=$counters count=64 iflag=direct 2>/dev/null >blocks
    python3 - "$2" <<'PY'
import sys
data = open("blocks", "rb").read()
values = [int(data[b * 4096:b * 4096 + 8]) for b in range(64)]
last = max(values)
assert last >= int(sys.argv[1]), (last, sys.argv[1])
for b, value in enumerate(values):
    assert value % 64 == b and last - value < 64, (last, b, value)
print("counters up to", last)
PY
}

tools
if [ "$LAB_BOOT" = 1 ]; then
    ndctl create-namespace -f -e namespace0.0 -m devdax --map=mem >/dev/null
    lab-vmmd start
    xl region-create disk --nvm /dev/dax0.0 --size 256M --storage /dev/nvme0n1
    guest
    in_guest '/usr/sbin/mke2fs -q -t ext4 /dev/xvda 100M && mount -t ext4 /dev/xvda /mnt'
    in_guest 'head -c 6m /dev/urandom >/mnt/a && sync && [ -s /mnt/a ]'
    in_guest 'md5sum /mnt/a' | tail -n 1 >/root/sum
    in_guest "$fio --do_verify=0 --end_fsync=1" >/dev/null
    # shellcheck disable=SC2016
    in_guest "($count) >/dev/null 2>&1 & until [ \"\$(cat /tmp/i)\" -gt 70 ]; do sleep 0.1; done"
    xl region-snapshot disk s1
    seen=$(in_guest 'cat /tmp/i')
    xl region-export --snapshot s1 --nbd /dev/nbd1 disk
    check_counters /dev/nbd1 70 | tee first
    [ "$(sed 's/.* //' first)" -le "$seen" ]

    # Beneath it vmmd is killed; what is asked meanwhile waits.
    lab-vmmd kill
    lab-vmmd start
    in_guest 'i=$(cat /tmp/i); sleep 3; [ $(cat /tmp/i) -gt $i ]'
    xl region-purge --all disk
    check_counters /dev/nbd1 70 | cmp - first
    xl region-export --stop --snapshot s1 disk
    xl region-stat disk
    xl region-list -j disk | jq -e '.[0] | .nr_purged > 0 and .nr_exports == 1'
    in_guest 'cat /tmp/i' >/root/counted
    sync
    in_guest 'while :; do cp /mnt/a /mnt/b; done >/dev/null 2>&1 &'
    sleep 3
    lab-host power-cut
fi

./regionload check /dev/dax0.0 /dev/nvme0n1
lab-vmmd start
guest
check_counters /dev/nbd0 "$(cat /root/counted)"
in_guest "$fio --verify_only=1" >/dev/null
in_guest '/usr/sbin/e2fsck -p /dev/xvda; [ $? -le 1 ]'
in_guest '/usr/sbin/e2fsck -fn /dev/xvda && mount -t ext4 /dev/xvda /mnt'
in_guest 'md5sum /mnt/a' | tail -n 1 | cmp - /root/sum
xl region-export --snapshot s1 --nbd /dev/nbd1 disk
check_counters /dev/nbd1 70
xl region-export --stop --snapshot s1 disk
lab-guest destroy g
xl region-export --stop disk
xl region-revert disk s1
xl region-delete disk s1
xl region-check disk
