//! Traffic and storage to the byte: what a client sent, what RGW logged, what Purser reports.

use messages::Encoding;
use model::{BucketName, ByteCount, Clock, PlainTime, S3Uid, SystemClock, Timestamp, month_start};
use object_store::ObjectStore;
use object_store::ceph::{CephConfig, CephStore};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::amqp;
use test_support::deployment::{Process, Settings};
use test_support::world::{World, wait_until};

use crate::s3::{S3Client, S3Request};
use crate::traffic::{Counts, Customer, Traffic, counts, everything, logged, reported, sum, table};
use crate::{LIMIT, events, order, store_of, text};

const BLOCK_BYTES: u64 = 4096;
/// Requests whose body is an instruction: RGW counts none of it.
const INSTRUCTIONS: [&str; 3] = ["complete_multipart", "put_bucket_policy", "set_bucket_versioning"];
/// Answers that RGW writes in pieces: it counts what frames them too.
const STREAMED: [&str; 3] = ["copy_obj", "list_bucket", "list_buckets"];
const FRAMES_MAX: u64 = 64;

/// The administrator's view.
pub(crate) fn admin_store(world: &World) -> CephStore {
    let services = world.deployment.services();
    CephStore::new(CephConfig {
        admin_url: services.rgw_url.parse().unwrap(),
        s3_url: services.rgw_url.parse().unwrap(),
        admin_access_key: services.rgw_access_key.clone(),
        admin_secret_key: services.rgw_secret_key.clone().into(),
        request_timeout: LIMIT,
    })
    .unwrap()
}

pub(crate) async fn s3_client(world: &World, s3uid: &str) -> S3Client {
    let (_, keys) = store_of(world, s3uid).await;
    S3Client::new(world.deployment.services().rgw_url.trim_end_matches('/').to_owned(), keys)
}

/// Waits until metering has read the only account because it is new; from then on it waits for the next sweep.
pub(crate) async fn wait_until_read(world: &World, metering: &Process) {
    wait_until(LIMIT, "the new account's last event is handled", async || {
        metering.log().lines().any(|line| line.contains(r#"handled event="bucket.created""#))
    })
    .await;
    wait_until(LIMIT, "the new account is read", async || {
        world.sql("SELECT count(*) FROM metering.measured_accounts WHERE stale_since IS NULL").await == "1"
    })
    .await;
}

/// What RGW counts is what was sent: always the requests, and the contents of objects to the byte.
fn assert_logged_as_sent(rgw: &Traffic, sent: &Traffic) {
    let requests = |traffic: &Traffic| -> Vec<_> {
        let row = |(name, counts): (&String, &Counts)| (name.clone(), counts.operations, counts.successful);
        traffic.iter().map(row).collect()
    };
    assert_eq!(requests(rgw), requests(sent));
    for (name, sent) in sent {
        let rgw = rgw[name];
        let bytes_in = if INSTRUCTIONS.contains(&name.as_str()) { 0 } else { sent.bytes_in };
        assert_eq!(rgw.bytes_in, bytes_in, "{name}: bytes received");
        let frames = if STREAMED.contains(&name.as_str()) { FRAMES_MAX } else { 0 };
        assert!((sent.bytes_out..=sent.bytes_out + frames).contains(&rgw.bytes_out), "{name}: {sent:?}, {rgw:?}");
    }
}

/// The reports by hour, day and bucket are cuts through the same figures.
async fn assert_reports_agree(world: &World, s3uid: &str, rgw: &Traffic) {
    let total = sum(rgw.values().copied());
    let internal = world.frontend().await.asking_for(amqp::admin());
    for by in ["hour", "day", "bucket"] {
        let parameters = json!({"s3uid": s3uid, "by": by});
        let (_, over_http) = world.http("usage_report", parameters.clone()).await;
        let over_amqp = internal.call("usage_report", parameters, Encoding::MessagePack, None).await.unwrap();
        for report in [&over_http, &over_amqp] {
            assert_eq!(&reported(report), rgw, "{by}");
            assert_eq!(counts(&report["totals"]), total, "{by}");
            assert_eq!(sum(report["rows"].as_array().unwrap().iter().map(counts)), total, "{by}: {report}");
            assert_eq!(report["gaps"], json!([]), "{by}");
        }
    }
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    let metering = &account["metering"];
    assert_eq!(metering["traffic_in_bytes"], json!(total.bytes_in));
    assert_eq!(metering["traffic_out_bytes"], json!(total.bytes_out));
    let megabytes = ByteCount::from_bytes(total.bytes_in + total.bytes_out).mb_rounded_up();
    let (_, buckets) = world.http("get_buckets", json!({"s3uid": s3uid})).await;
    assert_eq!(buckets["bandwidth"], json!(megabytes));
}

/// Everything that tells of storage says what RGW's bucket stats say, and when it was read.
async fn assert_storage_agrees(world: &World, store: &CephStore, s3uid: &str, last_change: Timestamp) {
    let rgw = store.bucket_usages(&uid(s3uid)).await.unwrap();
    let total: u64 = rgw.iter().map(|bucket| bucket.usage.bytes()).sum();
    let expected: Vec<Value> = rgw
        .iter()
        .map(|bucket| {
            let (bytes, megabytes) = (bucket.usage.bytes(), bucket.usage.mb_rounded_up());
            json!({"name": bucket.name, "usage": megabytes, "usage_bytes": bytes, "objects": bucket.objects})
        })
        .collect();
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    assert_eq!((&account["message"], &account["usage_storage_bytes"]), (&json!(expected), &json!(total)));

    let (_, sizes) = world.http("get_buckets", json!({"s3uid": s3uid})).await;
    let expected: Vec<Value> =
        rgw.iter().map(|bucket| json!({"Name": bucket.name, "Usage": bucket.usage.mb_rounded_up()})).collect();
    assert_eq!(sizes["message"], json!(expected));

    let (_, users) = world.http("get_users", json!({"s3uid": s3uid})).await;
    assert_eq!(users["s3_users"][0]["storage_usage"], json!(ByteCount::from_bytes(total).mb_rounded_up()));

    let (_, report) = world.http("usage_report", json!({"s3uid": s3uid, "by": "bucket"})).await;
    assert_eq!(report["totals"]["storage_closing_bytes"], json!(total));
    for bucket in &rgw {
        let row = report["rows"].as_array().unwrap().iter().find(|row| row["section"] == json!(bucket.name));
        assert_eq!(row.unwrap()["storage_closing_bytes"], json!(bucket.usage.bytes()), "{report}");
    }
    let read_at: PlainTime = text(&report["measured_at"]).parse().unwrap();
    assert!(read_at.0 >= last_change, "{report}");
    for measured_at in [&account["measured_at"], &sizes["measured_at"], &users["s3_users"][0]["measured_at"]] {
        let measured_at: Timestamp = text(measured_at).parse().unwrap();
        assert!(measured_at >= last_change, "{measured_at}, {last_change}");
    }
}

fn uid(s3uid: &str) -> S3Uid {
    s3uid.parse().unwrap()
}

#[tokio::test]
async fn traffic_and_storage_are_right_to_the_byte() {
    let world = World::start().await;
    let (s3uid, files) = order(&world).await;
    let (store, own) = (admin_store(&world), world.bucket_name("own"));
    // The first bucket is Purser's own request with the customer's keys.
    let mut noted = Traffic::new();
    wait_until(LIMIT, "RGW has logged the order's bucket", async || {
        noted = logged(&store, &s3uid).await;
        noted.contains_key("create_bucket")
    })
    .await;
    let mut customer = Customer { s3: s3_client(&world, &s3uid).await, noted };
    everything(&mut customer, &files, &own).await;
    let (sent, last_change) = (customer.noted, SystemClock.now());

    let mut rgw = Traffic::new();
    wait_until(LIMIT, "RGW has logged everything", async || {
        rgw = logged(&store, &s3uid).await;
        sum(rgw.values().copied()).operations >= sum(sent.values().copied()).operations
    })
    .await;
    let mut ours = Traffic::new();
    wait_until(LIMIT, "metering has read it", async || {
        let (_, report) = world.http("usage_report", json!({"s3uid": s3uid})).await;
        ours = reported(&report);
        let read_at = report["measured_at"].as_str().and_then(|time| time.parse::<PlainTime>().ok());
        ours == rgw && read_at.is_some_and(|read_at| read_at.0 >= last_change)
    })
    .await;
    println!("{}", table([&sent, &rgw, &ours]));
    assert_logged_as_sent(&rgw, &sent);
    assert_reports_agree(&world, &s3uid, &rgw).await;
    assert_storage_agrees(&world, &store, &s3uid, last_change).await;
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    let names: Vec<_> = account["message"].as_array().unwrap().iter().map(|bucket| text(&bucket["name"])).collect();
    assert_eq!(names, [files, own], "the bucket that was made over S3 is there");
    let discovered = events(&world, &s3uid).await.into_iter().filter(|event| event == "bucket_discovered").count();
    assert_eq!(discovered, 1);
}

#[tokio::test]
async fn update_traffic_info_reads_now() {
    let interval = |name: &str| (format!("PURSER__METERING__{name}_INTERVAL_SECONDS"), "3600".to_owned());
    let settings = Settings { variables: vec![interval("SWEEP"), interval("TRAFFIC")], ..Settings::default() };
    let world = World::start_with(settings, &["all"]).await;
    let (s3uid, bucket) = order(&world).await;
    wait_until_read(&world, &world.processes[0]).await;
    let client = s3_client(&world, &s3uid).await;
    let put = S3Request::new(Method::PUT, format!("/{bucket}/file"), vec![b'x'; 1234]);
    assert_eq!(client.send(&put).await.status, 200);
    let store = admin_store(&world);
    wait_until(LIMIT, "RGW has logged it", async || {
        logged(&store, &s3uid).await.get("put_obj").is_some_and(|put| put.bytes_in == 1234)
    })
    .await;
    let figures = async || {
        let (_, report) = world.http("usage_report", json!({"s3uid": s3uid})).await;
        (report["totals"]["traffic_in_bytes"].as_u64(), report["totals"]["storage_closing_bytes"].as_u64())
    };
    assert_eq!(figures().await, (Some(0), Some(0)));
    let (_, reply) = world.http_admin("update_traffic_info", json!({"s3uid": s3uid})).await;
    assert_eq!((&reply["result"], &reply["accounts"]), (&json!("OK"), &json!(1)), "{reply}");
    assert_eq!(figures().await, (Some(1234), Some(1234)), "the reply comes after the reading");
}

#[tokio::test]
async fn each_crossing_of_the_quota_is_one_event() {
    let world = World::start().await;
    let (s3uid, bucket) = order(&world).await;
    let quota = ByteCount::from_bytes(100 * BLOCK_BYTES);
    admin_store(&world).set_user_quota(&uid(&s3uid), quota).await.unwrap();
    world
        .sql(&format!("UPDATE provisioner.accounts SET quota_bytes = {} WHERE s3uid = '{s3uid}'", quota.bytes()))
        .await;
    let (store, keys) = store_of(&world, &s3uid).await;
    let bucket: BucketName = bucket.parse().unwrap();
    let crossings = async || -> Vec<String> {
        let (_, history) = world.http("history", json!({"s3uid": s3uid})).await;
        let entries = history["data"].as_array().unwrap().iter().rev();
        let quota = entries.filter(|entry| text(&entry["event"]).starts_with("quota_"));
        quota.map(|entry| format!("{}: {}", text(&entry["event"]), text(&entry["description"]))).collect()
    };
    let reached = |percent: u8| format!("quota_threshold_reached: {percent} % of the quota reached");
    let left = |percent: u8| format!("quota_threshold_left: {percent} % of the quota no longer reached");
    let mut expected = Vec::new();
    // Of 100 blocks; what has one byte more than a block takes two.
    for (key, size, crossed) in [
        ("a", 79 * BLOCK_BYTES, vec![]),
        ("b", 1, vec![reached(80)]),
        ("c", 9 * BLOCK_BYTES + 1, vec![reached(90)]),
        ("d", 10 * BLOCK_BYTES, vec![reached(100)]),
        ("d", 0, vec![left(100)]),
        ("a", 0, vec![left(90), left(80)]),
    ] {
        if size == 0 {
            store.delete_object(&keys, &bucket, key).await.unwrap();
        } else {
            let body = vec![b'x'; usize::try_from(size).unwrap()];
            store.put_object(&keys, &bucket, key, body.into()).await.unwrap();
        }
        let changed = SystemClock.now();
        expected.extend(crossed);
        wait_until(LIMIT, "the sweep has seen the change", async || {
            let (_, report) = world.http("usage_report", json!({"s3uid": s3uid})).await;
            report["measured_at"]
                .as_str()
                .and_then(|time| time.parse::<PlainTime>().ok())
                .is_some_and(|at| at.0 > changed)
        })
        .await;
        assert_eq!(crossings().await, expected, "{key}: {size} bytes");
    }
}

#[tokio::test]
async fn a_report_is_its_owner_s_and_says_what_would_be_right() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let absent = json!({"code": -1, "message": "S3 account not found for this customer"});
    for whose in [&s3uid, &"0".repeat(32)] {
        assert_eq!(world.http_other("usage_report", json!({"s3uid": whose})).await.1, absent);
    }
    assert_eq!(world.http_admin("usage_report", json!({})).await.1["message"], "s3uid required");
    let now = month_start(SystemClock.now());
    let (_, report) = world.http("usage_report", json!({"account_id": s3uid})).await;
    assert_eq!((&report["s3uid"], &report["from"]), (&json!(s3uid), &json!(PlainTime(now).to_string())), "{report}");
    for (parameters, message) in [
        (json!({"from": "2026-01-01 10:30:00"}), "from must be a full hour of UTC, not 2026-01-01 10:30:00"),
        (
            json!({"from": "2026-01-02", "to": "2026-01-01"}),
            "from 2026-01-02 00:00:00 must be before to 2026-01-01 00:00:00",
        ),
        (json!({"from": "2026-01-01", "to": "2026-03-01", "by": "hour"}), "a report covers at most 31 days by hour"),
    ] {
        let (_, refused) = world.http("usage_report", parameters).await;
        assert_eq!(refused, json!({"code": -1, "message": message}));
    }
}
