//! Buckets whose changes RGW tells of, whoever made them.

use bytes::Bytes;
use messages::{BucketDiscovered, BucketVanished, Encoding, Envelope, Event, EventData};
use model::{Clock, SystemClock, Timestamp};
use object_store::ObjectStore;
use serde_json::json;
use test_support::amqp::AmqpCaller;
use test_support::deployment::Settings;
use test_support::world::{World, wait_until};
use uuid::Uuid;

use crate::{LIMIT, order, store_of};

/// Without metering, so that RGW's messages stay to be counted.
const ROLES: [&str; 3] = ["billing", "gateway", "provisioner"];

async fn start() -> World {
    let mut world = World::start_with(Settings { has_notifications: true, ..Settings::default() }, &ROLES).await;
    world.messages_may_stay();
    world
}

/// Tells the provisioner something as metering does.
async fn tell<D: EventData>(metering: &AmqpCaller, s3uid: &str, data: &D, time: Timestamp) {
    let event = Event {
        id: Uuid::now_v7(),
        source: "/purser/metering".to_owned(),
        event: D::EVENT.to_owned(),
        subject: format!("account/{s3uid}"),
        subject_version: 1,
        time,
        customer_id: None,
        description: "a test".to_owned(),
        data: serde_json::to_value(data).unwrap(),
    };
    let body = Encoding::MessagePack.encode(&event).unwrap();
    metering.publish_raw(bus::Message::from_envelope(Envelope::event(&event, None), body)).await.unwrap();
}

fn discovered(s3uid: &str, bucket_name: &str) -> BucketDiscovered {
    BucketDiscovered { s3uid: s3uid.parse().unwrap(), bucket_name: bucket_name.to_owned(), measured_at: None }
}

/// The topic of a bucket, as the database has it, without the fingerprint; empty where there is none.
async fn noted_topic(world: &World, bucket: &str) -> String {
    world
        .sql(&format!("SELECT split_part(notified_topic, '#', 1) FROM provisioner.buckets WHERE name = '{bucket}'"))
        .await
}

async fn watched_events(world: &World) -> String {
    world.sql("SELECT count(*) FROM history.entries WHERE event = 'bucket.watched'").await
}

#[tokio::test]
async fn what_happens_in_a_new_bucket_is_told_from_the_first_file_on() {
    let world = start().await;
    let (s3uid, first) = order(&world).await;
    let (store, keys) = store_of(&world, &s3uid).await;
    let second = world.bucket_name("second");
    let (_, made) = world.http("create_bucket", json!({"s3uid": s3uid, "bucket_name": second})).await;
    assert_eq!(made["message"]["status"], "success", "{made}");
    for bucket in [&first, &second] {
        store.put_object(&keys, &bucket.parse().unwrap(), "a.txt", Bytes::from_static(b"content")).await.unwrap();
    }
    world.wait_for_messages("s3.metering.rgw", 2, LIMIT).await;
    let topic = format!("{}-NL", world.deployment.name());
    for bucket in [&first, &second] {
        assert_eq!(noted_topic(&world, bucket).await, topic, "{bucket}");
    }
    assert_eq!(watched_events(&world).await, "0", "nothing happened there before it was watched");
}

#[tokio::test]
async fn a_bucket_made_over_s3_is_watched_once_it_is_found() {
    let world = start().await;
    let (s3uid, _) = order(&world).await;
    let (store, keys) = store_of(&world, &s3uid).await;
    let name = world.bucket_name("over-s3");
    store.create_bucket(&keys, &name.parse().unwrap()).await.unwrap();
    let metering = world.amqp("purser-metering").await;
    let now = SystemClock.now();
    // One that can't be watched, and of a name that Purser wouldn't give: it holds up nobody.
    tell(&metering, &s3uid, &discovered(&s3uid, "Not_There"), now).await;
    tell(&metering, &s3uid, &discovered(&s3uid, &name), now).await;
    let topic = format!("{}-NL", world.deployment.name());
    wait_until(LIMIT, "the bucket is watched", async || noted_topic(&world, &name).await == topic).await;
    assert_eq!(watched_events(&world).await, "1");
    store.put_object(&keys, &name.parse().unwrap(), "a.txt", Bytes::from_static(b"content")).await.unwrap();
    world.wait_for_messages("s3.metering.rgw", 1, LIMIT).await;
    assert_eq!(noted_topic(&world, "Not_There").await, "");
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    assert_eq!(account["message"].as_array().map(Vec::len), Some(3), "{account}");

    let is_deleted = async |name: &str| {
        world.sql(&format!("SELECT deleted_at IS NOT NULL FROM provisioner.buckets WHERE name = '{name}'")).await
    };
    let vanished =
        |name: &str| BucketVanished { s3uid: s3uid.parse().unwrap(), bucket_name: name.to_owned(), measured_at: None };
    let older = now - chrono::TimeDelta::seconds(1);
    tell(&metering, &s3uid, &vanished(&name), older).await;
    tell(&metering, &s3uid, &vanished("Not_There"), SystemClock.now()).await;
    wait_until(LIMIT, "the bucket has vanished", async || is_deleted("Not_There").await == "t").await;
    assert_eq!(is_deleted(&name).await, "f", "the news was older than the bucket");
    // An old message that comes again brings nothing back; a new one does.
    tell(&metering, &s3uid, &discovered(&s3uid, "Not_There"), now).await;
    tell(&metering, &s3uid, &discovered(&s3uid, "another"), now).await;
    wait_until(LIMIT, "both are read", async || is_deleted("another").await == "f").await;
    assert_eq!(is_deleted("Not_There").await, "t");
    // Nor does a reading from before, however late it was written down; nor does it take away what was made since.
    let of_before = BucketDiscovered { measured_at: Some(now), ..discovered(&s3uid, "Not_There") };
    tell(&metering, &s3uid, &of_before, SystemClock.now()).await;
    tell(&metering, &s3uid, &BucketVanished { measured_at: Some(older), ..vanished(&name) }, SystemClock.now()).await;
    tell(&metering, &s3uid, &discovered(&s3uid, "a-third"), now).await;
    wait_until(LIMIT, "all are read", async || is_deleted("a-third").await == "f").await;
    assert_eq!((is_deleted("Not_There").await.as_str(), is_deleted(&name).await.as_str()), ("t", "f"));
    tell(&metering, &s3uid, &discovered(&s3uid, "Not_There"), SystemClock.now()).await;
    wait_until(LIMIT, "the bucket is back", async || is_deleted("Not_There").await == "f").await;
}

#[tokio::test]
async fn another_topic_is_given_to_all_buckets() {
    let mut world = start().await;
    let (s3uid, bucket) = order(&world).await;
    let (store, keys) = store_of(&world, &s3uid).await;
    world.processes.pop().unwrap().stop().await.unwrap();
    let topic = format!("{}-other", world.deployment.name());
    let variables = [("PURSER__LOCATIONS__NL__NOTIFICATION_TOPIC", topic.as_str())];
    world.processes.push(world.deployment.spawn("provisioner", &variables).await.unwrap());
    wait_until(LIMIT, "the bucket has its new topic", async || noted_topic(&world, &bucket).await == topic).await;
    assert_eq!(store.notified_topic(&keys, &bucket).await.unwrap(), Some(topic));
    assert_eq!(watched_events(&world).await, "1");
}
