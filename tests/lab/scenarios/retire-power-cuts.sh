#!/bin/sh
# Power cuts at random instants while pages are retired and released: what was
# acknowledged is so at the next boot, from Xen's first allocation on, and no
# list is refused.
# lab: --grub bios --timeout 600
# files: progs/build/frames
set -eu

cuts=${RETIRE_CUTS:-1}

# What is kept: + page is retired, - released, ? one of both.
keep() { lab-host keep "$*"; }

check_kept() {
    xl page-list -j | jq -r '.[] | . as $p | range(.nr_pages) |
        "\($p.mfn + .) \($p.state) \($p.from_boot_list)"' >pages
    lab-host kept | awk '{ last[$2] = $1 }
        END { for (page in last) print last[page], page }' >kept
    awk 'NR == FNR { is[$1] = $2 " " $3; next }
         $1 == "+" { nr++ }
         $1 == "+" && is[$2] != "retired true" ||
         $1 == "-" && $2 in is { print $0, "is", is[$2]; bad = 1 }
         END { print nr + 0, "retired pages, as acknowledged"; exit bad }' \
        pages kept
    awk '$2 == "retired" { print $1 }' pages | ./frames
}

# What an AMD CPU reports of a load that cannot be corrected.
fails() {
    lab-host monitor "mce 0 2 0xbc00000000000135 0x5 $(($1 << 12)) 0x0"
    until grep -q "page=$(printf 0x%x "$1") .*recorded" /var/log/xen/vmmd.log
    do
        sleep 0.02
    done
}

lab-vmmd start
if [ "$LAB_BOOT" = 1 ]; then
    xl page-retire 0x110000
    keep + $((0x110000))
    xl page-retire 0x110002
    keep + $((0x110002))
else
    xl page-stat
    xl page-stat -j |
        jq -e '.boot_list == "taken" and (.module_damaged | not)'
    check_kept
fi
if [ "$LAB_BOOT" -gt "$cuts" ]; then
    exit 0
fi

# Four seconds are some ten operations.
lab-host power-cut-in $(($(od -An -N2 -tu2 /dev/urandom) % 4000))
n=0
while :; do
    page=$((0x120000 + LAB_BOOT * 1000 + n * 2))
    case $((n % 4)) in
    3)
        page=$((page - 2))
        keep "?" $page
        xl page-release $page
        keep - $page ;;
    1)
        fails $page
        keep + $page ;;
    *)
        xl page-retire $page
        keep + $page ;;
    esac
    n=$((n + 1))
done
