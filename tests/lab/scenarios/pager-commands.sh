#!/bin/sh
# The commands as a user meets them: help, exit statuses, JSON, refusals; a
# paged guest that balloons.
# lab: --nvme --nvme-size 512M --timeout 300
set -eu

xenpaging=/usr/libexec/xen/bin/xenpaging

fails() {   # STATUS TEXT COMMAND...: ends with STATUS and says TEXT
    want=$1 text=$2
    shift 2
    status=0
    "$@" >out 2>&1 || status=$?
    if [ $status -ne "$want" ] || ! grep -q -i -- "$text" out; then
        echo "'$*': status $status, not $want, or no '$text' in:"
        cat out
        exit 1
    fi
    echo "'$*': $(head -n 1 out)"
}

xl help | grep 'tier-set'
xl help | grep 'tier-top'
xl tier-set --help | grep -q -- '--store'
man_pages=$(ls /usr/share/man/man1/xl-tier-* /usr/share/man/man8/vmmd.8 /usr/share/man/man5/vmmd.conf.5 | wc -l)
[ "$man_pages" -eq 6 ]
fails 1 'not implemented' xl tier-sett g 50%

lab-guest create g memory=256 vcpus=2
fails 10 'vmmd' xl tier-list
lab-vmmd start
[ "$(stat -c %a /run/xen/vmmd.sock)" = 600 ]
xl tier-list
xl tier-list -j | jq -e '. == []'
fails 2 'usage\|argument' xl tier-set
fails 5 'no domain' xl tier-set nosuch 50%
fails 5 'no such domain\|no domain' xl tier-set 4711 50%
fails 2 'target' xl tier-set g 0
fails 2 'target' xl tier-set g 101%
fails 2 'memory' xl tier-set g 1T
fails 2 'mebibytes' xl tier-set g much
fails 2 'floor' xl tier-set g 100M --floor 200M
fails 5 'not paged' xl tier-off g
fails 5 'not paged' xl tier-list g
echo data >/root/something
fails 4 'something else' xl tier-set g 50% --store /root/something
grep -q data /root/something
fails 6 '' xl tier-set Domain-0 50%

# What cannot be paged, and another pager.
lab-guest create pod memory=96 maxmem=192
fails 6 'populated on demand' xl tier-set pod 50%
lab-guest destroy pod
sed 's/g$/&/; /^memory/d' /lab/guest.cfg >nohap.cfg
printf "name='nohap'\nhap=0\nmemory=96\n" >>nohap.cfg
xl create -q -p nohap.cfg
fails 6 'hardware assisted paging' xl tier-set nohap 50%
xl destroy nohap
$xenpaging -d "$(xl domid g)" -f /root/xenpaging >/dev/null 2>&1 &
sleep 2
fails 4 'another pager' xl tier-set g 50%
kill $!
wait $! || true

xl tier-set g 100M --store /dev/nvme0n1 --floor 60M --wait
# 40% of 256 MiB and of the few special pages.
forty='.target_pages >= 26214 and .target_pages <= 26240'
xl tier-set g 40% -j | jq -e "$forty"
fails 4 'another store' xl tier-set g 50% --store /root/other
xl tier-list
xl tier-list -j g | jq -e '.[0] | .name == "g" and .state == "active" and
    .total_pages >= 65536 and .floor_pages == 15360 and
    .resident_pages + .paged_pages <= .total_pages and
    .classes.demand.p99_ns >= .classes.demand.p50_ns and
    .classes.evict.nr_requests > 0'
xl tier-top -b -d 1 -n 2 | tee top
grep -q '^ *1 \|g ' top
[ "$(grep -c 'g  *1 \|  g' top)" -ge 1 ]
fails 1 'error\|failed' timeout 20 $xenpaging -d "$(xl domid g)" -f /root/xenpaging
# A second daemon, and bad requests, change nothing.
fails 3 '' vmmd
if lab-vmmd call no-such-method; then exit 1; fi
if lab-vmmd call tier-set '{"domain":"g","target":-1}'; then exit 1; fi
xl tier-list -j g | jq -e ".[0] | $forty"
lab-guest run g 'memcheck --size 64M --passes 2 --order random --write-percent 20 --all'

# SIGHUP, and a stop that keeps, then one that brings all back.
kill -HUP "$(lab-vmmd pid)"
lab-vmmd stop
fails 10 'vmmd' xl tier-list
lab-vmmd start
n=0
until xl tier-list -j g | jq -e '.[0].state == "active"'; do
    n=$((n + 1))
    [ $n -lt 40 ] || exit 1
    sleep 0.5
done
xl tier-off g
xl tier-list -j | jq -e '. == []'
lab-guest run g 'memcheck --size 64M --passes 1 --all'
lab-guest destroy g
