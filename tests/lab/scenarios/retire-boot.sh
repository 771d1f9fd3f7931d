#!/bin/sh
# An error in a page that nobody has: the power fails as soon as it is
# recorded, and no later boot uses the page, until its DIMM is another one.
# Through a disk and GRUB.
# lab: --grub bios --timeout 600
# files: progs/build/frames
set -eu

page() {
    xl page-list -j |
        jq -c ".[] | select(.mfn <= $(($1)) and $(($1)) < .mfn + .nr_pages)"
}

# What an AMD CPU reports of a load that cannot be corrected.
inject() {
    lab-host monitor "mce 0 2 0xbc00000000000135 0x5 ${1}000 0x0"
}

lab-vmmd start
xl page-stat
xl page-list
case $LAB_BOOT in
1)
    xl page-stat -j | jq -e '.boot_list == "none"'
    xl page-stat -j | jq -e '.dimms | length == 1 and .[0].serial == "LAB1"'
    xl page-retire 0x150000-0x15000f
    inject 0x160000
    n=0
    until grep -q 'page=0x160000 .*recorded' /var/log/xen/vmmd.log; do
        n=$((n + 1))
        [ $n -lt 200 ] || { xl page-list; exit 1; }
        sleep 0.02
    done
    lab-host power-cut ;;
2)
    xl page-stat -j | jq -e '.boot_list == "taken" and .boot_entries == 2'
    page 0x160000 |
        jq -e '.state == "retired" and .broken and .cause == "uncorrected"'
    page 0x150003 | jq -e '.state == "retired" and .cause == "admin"'
    # All that is left, to a domain; and then whose is which page.
    lab-guest create filler memory=$(($(xl info free_memory) - 40))
    printf '%s\n' 0x160000 '0x150000 16' | ./frames
    # Of memory at large most is somebody's.
    if echo 0x160000 0x4000 | ./frames; then exit 1; fi
    lab-guest destroy filler
    xl page-release 0x150000-0x15000f
    [ -z "$(page 0x150003)" ]
    lab-host dimm-serial OTHER
    lab-host reboot ;;
3)
    # Of the DIMM that is gone: used again, and remembered.
    xl page-stat -j | jq -e '.boot_list == "taken" and .boot_entries == 1'
    [ "$(xl page-list -j | jq length)" = 0 ]
    xl page-stat -j | jq -e --argjson mfn $((0x160000)) '.nr_recorded == 0 and
        any(.past[]; .mfn == $mfn and .reason == "replaced")'
    lab-host dimm-serial LAB1
    lab-host reboot ;;
esac

# It is back, and what was known of it.
xl page-stat -j | jq -e '.boot_list == "taken" and .boot_entries == 0'
page 0x160000 | jq -e '(.state == "retired" or .state == "pending") and .cause == "uncorrected"'
xl page-release 0x160000
[ "$(xl page-list -j | jq length)" = 0 ]
