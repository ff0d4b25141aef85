#!/bin/sh
# One monitor, one OSD on a sparse file, and radosgw. All of Ceph's own traffic stays within the container.
set -eu
dir=/var/lib/ceph/one
. /etc/purser-ceph/keys
mkdir -p "$dir/run" "$dir/log" "$dir/crash"
rm -f "$dir"/run/*
[ -s "$dir/fsid" ] || cat /proc/sys/kernel/random/uuid >"$dir/fsid"
[ -s "$dir/osd.uuid" ] || cat /proc/sys/kernel/random/uuid >"$dir/osd.uuid"

cat >/etc/ceph/ceph.conf <<CONF
[global]
fsid = $(cat "$dir/fsid")
mon initial members = a
mon host = v2:127.0.0.1:3300
ms bind msgr1 = false
# Without authentication radosgw hangs unless its link to the monitor is in this mode.
ms mon client mode = crc
# Each new pool would take two seconds.
paxos propose interval = 0.05
paxos min wait = 0.01
public addr = 127.0.0.1
cluster addr = 127.0.0.1
public network = 127.0.0.0/8
auth cluster required = none
auth service required = none
auth client required = none
auth allow insecure global id reclaim = false
keyring = /dev/null
run dir = $dir/run
pid file = $dir/run/\$type.pid
admin socket = $dir/run/\$name.asok
log file = $dir/log/\$type.log
mon cluster log file = $dir/log/cluster.log
crash dir = $dir/crash
err to stderr = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 2000
mon warn on pool no redundancy = false
[mon]
mon data = $dir/mon
mon data avail crit = 1
mon data avail warn = 2
[osd]
osd data = $dir/osd
osd objectstore = bluestore
bluestore block size = ${CEPH_OSD_BYTES:-10737418240}
osd memory target = 939524096
osd class default list = *
osd class load list = *
osd min pg log entries = 100
osd max pg log entries = 200
[client]
rgw data = $dir/run
# Without tcp_nodelay each request of a kept connection takes 43 ms.
rgw frontends = beast port=8000 tcp_nodelay=1
rgw run sync thread = false
rgw dynamic resharding = false
rgw enable usage log = true
rgw usage log flush threshold = 1
rgw usage log tick interval = 1
# With 0 or 1, users' quotas come out wrong in both directions.
rgw bucket quota ttl = 600
rgw user quota bucket sync interval = 1
rgw user quota sync interval = 5
rgw user quota sync wait time = 1
# Lets a bucket notification's push address carry a password.
rgw trust forwarded https = true
# At any higher level it prints secret keys.
debug rgw = 0/0
CONF

until_said() { # what, seconds, expected, command…
    what=$1 seconds=$2 expected=$3
    shift 3
    until "$@" 2>/dev/null | grep -q "$expected"; do
        seconds=$((seconds - 1))
        [ "$seconds" -gt 0 ] || { echo "$what isn't ready" >&2; exit 1; }
        sleep 1
    done
}

if [ ! -e "$dir/mon-ready" ]; then
    rm -rf "$dir/mon" && mkdir "$dir/mon"
    monmaptool --create --clobber --fsid "$(cat "$dir/fsid")" --addv a v2:127.0.0.1:3300 "$dir/monmap"
    ceph-mon -i a --mkfs --keyring /dev/null --monmap "$dir/monmap"
    touch "$dir/mon-ready"
fi
ceph-mon -i a
until_said "the monitor" 60 . ceph --connect-timeout 5 mon stat

if [ ! -e "$dir/osd-ready" ]; then
    rm -rf "$dir/osd" && mkdir "$dir/osd"
    ceph osd new "$(cat "$dir/osd.uuid")" 0
    ceph-osd -i 0 --mkfs --osd-uuid "$(cat "$dir/osd.uuid")"
    touch "$dir/osd-ready"
fi
ceph-osd -i 0
until_said "the OSD" 60 ' 1 up' ceph --connect-timeout 5 osd stat

if [ ! -e "$dir/admin-ready" ]; then
    # The answer shows the secret key.
    radosgw-admin user create --uid=admin --display-name=Admin --caps='users=*;buckets=*;metadata=*;usage=*;zone=*' \
        --access-key="$rgw_access_key" --secret-key="$rgw_secret_key" >/dev/null
    touch "$dir/admin-ready"
fi

# In the reverse order of their start: each needs the one before until its end.
stop() {
    trap - TERM INT
    kill "$gateway" 2>/dev/null && wait "$gateway" || true
    for daemon in osd mon; do
        pid=$(cat "$dir/run/$daemon.pid" 2>/dev/null) || continue
        kill "$pid" 2>/dev/null || continue
        while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
    done
}
radosgw -n client.rgw -f &
gateway=$!
trap 'stop; exit 0' TERM INT
# If radosgw ends by itself, so does the container, and Docker starts it again.
wait "$gateway" || true
stop
exit 1
