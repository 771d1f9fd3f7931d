#!/bin/sh
# A region on an NVDIMM (device-dax), with an NVMe drive behind it: power cuts
# in the middle of writes, purges and snapshots; what was acknowledged is there.
# lab: --nvdimm 64M --nvme --nvme-size 512M --timeout 400
# files: progs/build/regionload
set -eu

cuts=${REGION_CUTS:-1}
media=/dev/dax0.0 storage=/dev/nvme0n1
lab-nvdimm

if [ "$LAB_BOOT" = 1 ]; then
    ndctl create-namespace -f -e namespace0.0 -m devdax --map=mem >/dev/null
    ./regionload create $media 0 $storage 0
    echo 0 >/root/acknowledged
fi
./regionload verify $media $storage "$(cat /root/acknowledged)"
if [ "$LAB_BOOT" -le "$cuts" ]; then
    ./regionload run $media $storage 1000 >progress &
    until [ -s progress ]; do
        kill -0 $!
        sleep 0.5
    done
    sleep $((4 + LAB_BOOT))
    kill -0 $!
    tail -n 1 progress >/root/acknowledged
    sync /root/acknowledged
    sleep 1
    kill -0 $!
    echo "cut, after $(cat /root/acknowledged) writes and more"
    lab-host power-cut
fi
