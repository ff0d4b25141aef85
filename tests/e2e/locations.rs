//! A location whose store is down holds up nobody else, and catches up when it is back.

use std::time::Duration;

use messages::Encoding;
use serde_json::{Value, json};
use test_support::amqp;
use test_support::deployment::{PortLease, Settings};
use test_support::proxy::HoldingProxy;
use test_support::services::Services;
use test_support::world::{OTHER_CUSTOMER_ID, World, wait_until};
use tokio::time::Instant;

use crate::{LIMIT, order, store_of, text, upload};

/// How long NL's commands may take while US is down: less than one call to a store that hangs.
const QUICK: Duration = Duration::from_secs(8);
/// The store is tried again after half a minute at the latest.
const BACK_LIMIT: Duration = Duration::from_mins(2);

/// A world in which US is reached at this address.
async fn world_with_us(url: String) -> World {
    let variables = vec![("PURSER__LOCATIONS__US__RGW_URL".to_owned(), url)];
    World::start_with(Settings { variables, ..Settings::default() }, &["all"]).await
}

/// An account of the other customer, in US.
async fn order_in_us(world: &World) -> String {
    let order = json!({"plan_id": 4, "bucket_name": world.bucket_name("us"), "location": "US"});
    let (_, reply) = world.http_other("create_order", order).await;
    assert_eq!(reply["result"], "OK", "{reply}");
    text(&reply["s3uid"])
}

/// What `/metrics` says of a location; none before its first sweep.
async fn is_available(world: &World, location: &str) -> Option<bool> {
    let request = world.http_caller(None).request_to(reqwest::Method::GET, "/metrics");
    let answer = test_support::http::HttpCaller::send(request).await.unwrap();
    let metrics = text(&answer.body);
    let name = format!(r#"purser_location_available{{location="{location}"}} "#);
    metrics.lines().find_map(|line| line.strip_prefix(name.as_str())).map(|value| value == "1")
}

/// A command to the US account that nobody answers yet: its callback's key.
async fn begin_in_us(world: &World, s3uid: &str, bucket: &str) -> String {
    let mut callback = Value::Null;
    // A busy gateway asks to try again.
    wait_until(LIMIT, "the gateway has taken the command", async || {
        let parameters = json!({"s3uid": s3uid, "bucket_name": bucket, "wait": 0});
        let (_, mut reply) = world.http_other("create_bucket", parameters).await;
        callback = reply["callback"].take();
        callback.is_string()
    })
    .await;
    text(&callback)
}

async fn answer_of(world: &World, callback: &str) -> Value {
    let (_, answer) = world.post_form("/eq_callback.php", &[("action", "check"), ("key", callback)]).await;
    answer
}

/// NL goes on: commands, queries and metering.
async fn assert_nl_goes_on(world: &World, s3uid: &str, first: &str) {
    let php = world.frontend().await;
    let started = Instant::now();
    let parameters = json!({"s3uid": s3uid, "bucket_name": world.bucket_name("nl")});
    let reply = php.call("create_bucket", parameters, Encoding::MessagePack, None).await.unwrap();
    assert_eq!(reply["result"], "OK", "{reply}");
    println!("create_bucket in NL while US is down: {} ms", started.elapsed().as_millis());
    assert!(started.elapsed() < QUICK, "{:?}", started.elapsed());

    let (store, keys) = store_of(world, s3uid).await;
    upload(&store, &keys, first, ["a", "b", "c"].map(str::to_owned)).await;
    let written = Instant::now();
    wait_until(LIMIT, "metering has seen NL's files", async || {
        let (_, report) = world.http("usage_report", json!({"s3uid": s3uid})).await;
        let totals = &report["totals"];
        totals["storage_closing_bytes"] == 21 && totals["traffic_in_bytes"] == 21
    })
    .await;
    println!("metering in NL while US is down: {} ms", written.elapsed().as_millis());
    assert_eq!(is_available(world, "NL").await, Some(true));
}

/// US is back: what was begun there is done, and metering knows of it.
async fn assert_us_catches_up(world: &World, s3uid: &str, bucket: &str, callback: &str) {
    wait_until(BACK_LIMIT, "the command in US is done", async || answer_of(world, callback).await["state"] == "done")
        .await;
    wait_until(BACK_LIMIT, "US is swept again", async || is_available(world, "US").await == Some(true)).await;
    let us = world.frontend().await.asking_for(amqp::customer(OTHER_CUSTOMER_ID));
    let account = us.call("get_buckets_rmq", json!({"s3uid": s3uid}), Encoding::Json, None).await.unwrap();
    let mut buckets = account["message"].as_array().unwrap().iter();
    assert!(buckets.any(|found| found["name"] == json!(bucket)), "{account}");
}

#[tokio::test]
async fn a_location_that_hangs_holds_up_no_other() {
    let proxy = HoldingProxy::to(&Services::load().unwrap().rgw_url).await.unwrap();
    let world = world_with_us(proxy.url()).await;
    let (nl, first) = order(&world).await;
    let us = order_in_us(&world).await;
    proxy.hold(Some(" HTTP/1.1"));
    let bucket = world.bucket_name("us");
    let callback = begin_in_us(&world, &us, &bucket).await;
    wait_until(LIMIT, "US hangs", async || proxy.held() > 0).await;
    assert_nl_goes_on(&world, &nl, &first).await;
    wait_until(LIMIT, "US is known to be down", async || is_available(&world, "US").await == Some(false)).await;
    proxy.hold(None);
    assert_us_catches_up(&world, &us, &bucket, &callback).await;
}

#[tokio::test]
async fn a_location_that_refuses_connections_holds_up_no_other() {
    let rgw_url = Services::load().unwrap().rgw_url;
    let port = PortLease::take().unwrap();
    let proxy = HoldingProxy::on(port.port(), &rgw_url).await.unwrap();
    let world = world_with_us(proxy.url()).await;
    let (nl, first) = order(&world).await;
    let us = order_in_us(&world).await;
    proxy.close().await;
    wait_until(LIMIT, "US is known to be down", async || is_available(&world, "US").await == Some(false)).await;
    let bucket = world.bucket_name("us");
    let callback = begin_in_us(&world, &us, &bucket).await;
    assert_nl_goes_on(&world, &nl, &first).await;
    let _proxy = HoldingProxy::on(port.port(), &rgw_url).await.unwrap();
    assert_us_catches_up(&world, &us, &bucket, &callback).await;
}
