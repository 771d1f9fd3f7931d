#!/bin/sh
# By UEFI: a boot whose module is damaged has the list from EFI's variable;
# lists of 4,096 and of 65,536 pages, none beside another, and twelve pages of
# Xen's option badpage=: all are out of use, also when guests have all memory,
# and the boot takes so much longer.
# lab: --grub uefi --timeout 600 --xen-args badpage=0x140001,0x140013,0x140225,0x140437,0x140649,0x14085b,0x140a6d,0x140c7f,0x140e91,0x1410a3,0x1412b5,0x1414c7
# files: progs/build/recordpages progs/build/frames
set -eu

list=/boot/xen-retired-pages.bin

# As vmmd would have it after years.
record() {  # NR
    lab-vmmd stop
    ./recordpages /var/lib/xen/vmmd $list "$1" 0x110000 2
}

# What the list cost; and that all is as it says.  The heap takes some 50 ms to
# build, and differs by more from one emulated boot to the next than the list
# can make of it, so its times are a figure of their own: 0 is without a list.
heap() {    # NR
    us=$(xl page-stat -j | jq .boot_heap_us)
    echo "figure retire_boot_heap_us_$1 $us $us $us us"
}
took() {    # NR
    xl page-stat -j | jq -e ".boot_list == \"taken\" and .boot_entries == $1
        and (.from_efi_variable or .module_damaged | not)"
    xl page-list -j >pages
    jq -e "length == $1 and all(.[]; .state == \"retired\")" pages
    us=$(xl page-stat -j | jq .boot_list_us)
    echo "figure retire_boot_us_$1 $us $us $us us"
    heap "$1"
}

lab-vmmd start
xl page-stat
case $LAB_BOOT in
1)  heap 0
    xl page-retire 0x110000-0x11000f
    # One bit of an entry, and none to write the list once more.
    lab-vmmd stop
    printf '\001' | dd of=$list bs=1 seek=60 conv=notrunc 2>/dev/null
    sync
    lab-host reboot ;;
2)  # vmmd knows, and has mended it for the next boot.
    xl page-stat -j | jq -e '.boot_list == "taken" and .boot_entries == 1
        and .from_efi_variable and .module_damaged'
    grep 'a list of retired pages that Xen was booted with is damaged' \
        /var/log/xen/vmmd.log
    xl page-list -j |
        jq -e 'length == 1 and .[0].nr_pages == 16 and .[0].state == "retired"'
    heap 1
    xl page-release 0x110000-0x11000f
    record 4096
    lab-host reboot ;;
3)  took 4096
    record 65536
    lab-host reboot ;;
esac

took 65536
# All that is left, to a domain; and then whose is which page.
lab-guest create filler memory=$(($(xl info free_memory) - 40))
jq -r '.[] | "\(.mfn) \(.nr_pages)"' pages >listed
xl info xen_commandline | sed 's/.*badpage=\([^ ]*\).*/\1/' | tr , '\n' >options
[ "$(wc -l <options)" = 12 ]
./frames <listed
./frames <options
# Of memory at large most is somebody's.
if echo 0x140000 0x4000 | ./frames; then exit 1; fi
