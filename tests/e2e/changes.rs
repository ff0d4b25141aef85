//! What a customer changes over S3 shows at once: RGW tells of it, and no sweep comes to help.

use std::time::Duration;

use bus::Message;
use bytes::Bytes;
use model::BucketName;
use object_store::ceph::CephStore;
use object_store::{ObjectStore, S3Keys};
use serde_json::{Value, json};
use test_support::amqp::AmqpCaller;
use test_support::deployment::{Process, Settings};
use test_support::proxy::HoldingProxy;
use test_support::world::{World, wait_until};
use tokio::time::Instant;

use crate::metering::wait_until_read;
use crate::{LIMIT, order, store_of, upload};

/// What is promised.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);
const PUTS: usize = 20;
const BURST: usize = 200;

/// A customer's bucket of which RGW tells; metering reads RGW through a proxy.
struct Watched {
    world: World,
    proxy: HoldingProxy,
    s3uid: String,
    store: CephStore,
    keys: S3Keys,
    bucket: BucketName,
}

impl Watched {
    async fn start() -> Self {
        let settings = Settings { sweep_interval_seconds: 3600, has_notifications: true, ..Settings::default() };
        let mut world = World::start_with(settings, &["billing", "provisioner", "gateway"]).await;
        let proxy = HoldingProxy::to(&world.deployment.services().rgw_url).await.unwrap();
        world.processes.push(metering_behind(&world, &proxy).await);
        let (s3uid, bucket) = order(&world).await;
        let (store, keys) = store_of(&world, &s3uid).await;
        wait_until(LIMIT, "RGW tells of the bucket", async || {
            world.sql("SELECT count(*) FROM provisioner.buckets WHERE notified_topic IS NOT NULL").await == "1"
        })
        .await;
        let watched = Self { world, proxy, s3uid, store, keys, bucket: bucket.parse().unwrap() };
        wait_until_read(&watched.world, watched.world.processes.last().unwrap()).await;
        watched
    }

    async fn put(&self, key: &str, size: usize) {
        self.store.put_object(&self.keys, &self.bucket, key, Bytes::from(vec![b'x'; size])).await.unwrap();
    }

    /// The bucket's bytes and objects, as Purser shows them.
    async fn figures(&self) -> (Value, Value) {
        let (_, account) = self.world.http("get_buckets_rmq", json!({"s3uid": self.s3uid})).await;
        let bucket = &account["message"][0];
        (bucket["usage_bytes"].clone(), bucket["objects"].clone())
    }

    async fn wait_for(&self, bytes: usize, objects: usize) {
        let what = format!("{bytes} bytes in {objects} objects");
        wait_until(LIMIT, &what, async || self.figures().await == (json!(bytes), json!(objects))).await;
    }

    /// How often metering has asked RGW what the account or its bucket holds.
    fn readings(&self) -> usize {
        let is_reading = |line: &&String| line.starts_with("GET /admin/bucket?");
        self.proxy.requests().iter().filter(is_reading).count()
    }
}

async fn metering_behind(world: &World, proxy: &HoldingProxy) -> Process {
    world.deployment.spawn("metering", &[("PURSER__LOCATIONS__NL__RGW_URL", &proxy.url())]).await.unwrap()
}

/// A publisher with RGW's rights, and what RGW would send.
async fn publish(rgw: &AmqpCaller, body: impl Into<Vec<u8>>) {
    rgw.publish_raw(Message::new("s3.rgw", "a-topic", body.into())).await.unwrap();
}

fn notification(owner: &str, bucket: &str) -> String {
    let bucket = json!({"name": bucket, "ownerIdentity": {"principalId": owner}});
    json!({"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": bucket}}]}).to_string()
}

#[tokio::test]
async fn an_upload_shows_within_seconds() {
    let watched = Watched::start().await;
    let mut latencies = Vec::new();
    for number in 1..=PUTS {
        watched.put(&format!("file-{number}"), 1000).await;
        let written = Instant::now();
        watched.wait_for(1000 * number, number).await;
        latencies.push(written.elapsed());
    }
    let first = latencies[0];
    latencies.sort();
    let (median, longest) = (latencies[PUTS / 2], latencies[PUTS - 1]);
    println!(
        "{PUTS} uploads, each shown after: median {} ms, longest {} ms, the first {} ms",
        median.as_millis(),
        longest.as_millis(),
        first.as_millis()
    );
    // A busy machine may take its time once.
    assert!(median < SHOWN_WITHIN, "{latencies:?}");

    watched.store.delete_object(&watched.keys, &watched.bucket, "file-1").await.unwrap();
    watched.wait_for(1000 * (PUTS - 1), PUTS - 1).await;
}

#[tokio::test]
async fn a_burst_is_read_a_few_times() {
    let watched = Watched::start().await;
    let before = watched.readings();
    let Watched { store, keys, bucket, .. } = &watched;
    let started = Instant::now();
    upload(store, keys, bucket.as_str(), (0..BURST).map(|number| format!("file-{number}"))).await;
    let written = Instant::now();
    watched.wait_for(BURST * b"content".len(), BURST).await;
    watched.world.wait_for_messages("s3.metering.rgw", 0, LIMIT).await;
    let readings = watched.readings() - before;
    println!(
        "{BURST} uploads in {} ms, shown {} ms after the last; RGW was asked {readings} times",
        (written - started).as_millis(),
        written.elapsed().as_millis()
    );
    // Changes are gathered for 200 ms before a reading.
    let most = started.elapsed().as_millis() / 200 + 2;
    assert!((1..=most).contains(&(readings as u128)), "{readings} readings, at most {most} expected");
    assert!(readings < BURST / 4, "{readings}");
}

#[tokio::test]
async fn what_isnt_rgw_s_or_isnt_ours_changes_nothing() {
    let watched = Watched::start().await;
    let rgw = watched.world.amqp("rgw").await;
    let garbage = ["", "{}", "no JSON", r#"{"Records":[{}]}"#, "\u{0}\u{1}"];
    for body in garbage {
        publish(&rgw, body).await;
    }
    let readings = watched.readings();
    let bucket = watched.bucket.as_str();
    let foreign = ["somebody", &"f".repeat(32), "' OR 1=1 --"].map(|owner| notification(owner, bucket));
    for body in foreign.iter().map(String::as_str).chain([r#"{"Records":[]}"#]) {
        publish(&rgw, body).await;
    }
    let state =
        "SELECT (SELECT count(*) FROM metering.measured_accounts), (SELECT count(*) FROM metering.bucket_usage)";
    let before = watched.world.sql(state).await;
    watched.world.wait_for_messages("s3.metering.parked", garbage.len() as u64, LIMIT).await;
    watched.world.wait_for_messages("s3.metering.rgw", 0, LIMIT).await;
    assert_eq!((watched.world.sql(state).await, watched.readings()), (before, readings), "nobody's bucket is read");

    // The owner is RGW's word; whose bucket it is, RGW is asked.
    publish(&rgw, notification(&watched.s3uid, "somebody-s-bucket")).await;
    watched.put("file", 77).await;
    watched.wait_for(77, 1).await;
    watched.world.wait_for_messages("s3.metering.rgw", 0, LIMIT).await;
    let names = watched.world.sql("SELECT bucket_name FROM metering.bucket_usage").await;
    assert_eq!(names, bucket);
    rgw.close().await;
}

#[tokio::test]
async fn metering_killed_before_it_has_read_reads_after_its_restart() {
    let mut watched = Watched::start().await;
    watched.proxy.hold(Some("GET /admin/bucket?"));
    watched.put("file", 4321).await;
    wait_until(LIMIT, "RGW's answer to metering is held back", async || watched.proxy.held() > 0).await;
    assert_eq!(watched.figures().await, (json!(0), json!(0)));
    watched.world.processes.pop().unwrap().kill().unwrap();
    watched.proxy.hold(None);
    let metering = metering_behind(&watched.world, &watched.proxy).await;
    watched.world.processes.push(metering);
    watched.wait_for(4321, 1).await;
}
