#!/bin/sh
# Lists of 4,096 and of 65,536 pages, none beside another, and twelve pages of
# Xen's option badpage=: all are out of use, also when guests have all memory;
# the boot takes so much longer.  By UEFI; and a list that is damaged.
# lab: --grub uefi --timeout 500 --xen-args badpage=0x140001,0x140013,0x140225,0x140437,0x140649,0x14085b,0x140a6d,0x140c7f,0x140e91,0x1410a3,0x1412b5,0x1414c7
# files: progs/build/recordpages progs/build/frames
set -eu

list=/boot/xen-retired-pages.bin
state=/var/lib/xen/vmmd

record() {  # NR
    rm -f $state/retired.* $list
    ./recordpages $state $list "$1" 0x110000 2
}

# What the list, and the heap with it, cost; and that all is as it says.
took() {    # NR
    lab-vmmd start
    xl page-stat
    xl page-stat -j | jq -e ".boot_list == \"taken\" and .boot_entries == $1"
    xl page-list -j >pages
    jq -e "length == $1 and all(.[]; .state == \"retired\")" pages
    xl page-stat -j | jq '.boot_list_us + .boot_heap_us' >"/root/us-$1"
}

case $LAB_BOOT in
1)  lab-vmmd start
    xl page-stat
    xl page-stat -j | jq .boot_heap_us >/root/us-0
    lab-vmmd stop
    record 4096
    lab-host reboot ;;
2)  took 4096
    lab-vmmd stop
    record 65536
    lab-host reboot ;;
3)  took 65536
    for nr in 4096 65536; do
        us=$(($(cat /root/us-$nr) - $(cat /root/us-0)))
        echo "figure retire_boot_us_$nr $us $us $us us"
    done
    # All that is left, to a domain; and then whose is which page.
    free=$(xl info free_memory)
    lab-guest create filler memory=$((free - 40))
    jq -r '.[] | "\(.mfn) \(.nr_pages)"' pages >listed
    xl info xen_commandline | sed 's/.*badpage=\([^ ]*\).*/\1/' |
        tr , '\n' >options
    [ "$(wc -l <options)" = 12 ]
    ./frames <listed
    ./frames <options
    ! echo 0x140001 16 | ./frames
    lab-vmmd stop
    record 16
    # One bit of an entry.
    printf '\001' | dd of=$list bs=1 seek=60 conv=notrunc 2>/dev/null
    sync
    lab-host reboot ;;
esac

# vmmd knows, does it as far as it can, and mends it for the next boot.
[ -s $list ]
lab-vmmd start
xl page-stat -j | jq -e '.boot_list == "damaged" and .nr_recorded == 16'
grep 'Xen did not take the list of retired pages: damaged' /var/log/xen/vmmd.log
xl page-list -j | jq -e 'length == 16 and all(.[]; .state == "retired" or .state == "pending")'
