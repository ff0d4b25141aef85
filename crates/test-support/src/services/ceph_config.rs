//! The configuration of the private Ceph: small, fast to start, and with usage and quotas that settle within seconds.

use std::path::Path;

use super::settings::Settings;

/// The `ceph.conf` of a cluster in `dir`.
pub(super) fn render(dir: &Path, fsid: &str, settings: &Settings) -> String {
    let dir = dir.display();
    let (osd_port_first, osd_port_last) = settings.ceph_osd_ports();
    let (mon_port, rgw_port) = (settings.ceph_mon_port(), settings.rgw_port());
    format!(
        "[global]
fsid = {fsid}
mon initial members = a
mon host = v2:127.0.0.1:{mon_port}
ms bind msgr1 = false
# Without authentication radosgw hangs unless its link to the monitor is in this mode.
ms mon client mode = crc
# Each new pool would take two seconds.
paxos propose interval = 0.05
paxos min wait = 0.01
ms bind port min = {osd_port_first}
ms bind port max = {osd_port_last}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
public network = 127.0.0.0/8
auth cluster required = none
auth service required = none
auth client required = none
auth allow insecure global id reclaim = false
keyring = /dev/null
run dir = {dir}/run
pid file = {dir}/run/$type.pid
admin socket = {dir}/run/$name.$pid.asok
log file = {dir}/log/$type.log
mon cluster log file = {dir}/log/cluster.log
crash dir = {dir}/crash
log to stderr = false
err to stderr = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon allow pool delete = true
mon max pg per osd = 2000
mon warn on pool no redundancy = false
{daemons}
[client]
rgw data = {dir}/run
# Without tcp_nodelay each request of a kept connection takes 43 ms.
rgw frontends = beast endpoint=127.0.0.1:{rgw_port} tcp_nodelay=1
{GATEWAY}",
        daemons = daemons(dir.to_string().as_str()),
    )
}

fn daemons(dir: &str) -> String {
    format!(
        "
[mon]
mon data = {dir}/mon
mon data avail crit = 1
mon data avail warn = 2

[osd]
osd data = {dir}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
# memstore writes its content down in an orderly stop only.
osd fast shutdown = false
osd memory target = 939524096
osd class default list = *
osd class load list = *
osd scrub load threshold = 0
osd max object name len = 2048
# An unlimited log of placement groups grows to 650 MB.
osd min pg log entries = 100
osd max pg log entries = 200
osd pg log dups tracked = 200
"
    )
}

/// radosgw's settings that depend on nothing.
const GATEWAY: &str = "rgw thread pool size = 64
rgw num rados handles = 1
rgw num control oids = 1
rgw run sync thread = false
rgw enable usage log = true
rgw usage log flush threshold = 1
rgw usage log tick interval = 1
rgw usage max shards = 4
rgw usage max user shards = 1
rgw dynamic resharding = false
rgw override bucket index max shards = 1
# With 0 or 1, users' quotas come out wrong in both directions.
rgw bucket quota ttl = 600
rgw user quota bucket sync interval = 1
rgw user quota sync interval = 5
rgw user quota sync wait time = 1
rgw gc max objs = 4
rgw gc obj min wait = 2
rgw gc processor period = 2
rgw gc processor max time = 2
rgw lc max objs = 4
rgw print continue = true
# Lets a bucket notification's push address carry a password.
rgw trust forwarded https = true
";
