//! Black-box end-to-end tests: the real binary against the real RabbitMQ, PostgreSQL and radosgw, over AMQP and HTTP.
//!
//! Every test has a database and a virtual host of its own, and accounts and buckets that nobody else has.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as loudly as the test itself")]

mod auth;
mod backup;
mod bad_input;
mod broker_restart;
mod callbacks;
mod changes;
mod crash;
mod deadlines;
mod deletion;
mod doctor;
mod dunning;
mod files;
mod health;
mod history;
mod idempotency;
mod invoices;
mod isolation;
mod key_rotation;
mod keys;
mod locations;
mod locking;
mod main_job;
mod metering;
mod moving;
mod observability;
mod operators;
mod overload;
mod parked;
mod permissions;
mod prometheus;
mod quota;
mod rabbitmq_conf;
mod reconcile;
mod redaction;
mod s3;
mod secrets;
mod security;
mod service_manager;
mod services;
mod steps;
mod storage_http;
mod tls;
mod topology;
mod traces;
mod traffic;
mod upgrade;
mod usage;
mod watching;
mod whmcs;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use model::BucketName;
use object_store::ceph::{CephConfig, CephStore};
use object_store::{ObjectStore, S3Keys};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::http::HttpCaller;
use test_support::world::World;

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// Orders an account for the customer over HTTP; returns its s3uid and its bucket.
async fn order(world: &World) -> (String, String) {
    order_as(world, &world.customer_token).await
}

/// Orders an account with any customer's token.
async fn order_as(world: &World, token: &str) -> (String, String) {
    let bucket = world.bucket_name("first");
    let (status, reply) = world.http_as(token, "create_order", json!({"plan_id": 1, "bucket_name": bucket})).await;
    assert_eq!((status, &reply["result"], &reply["action"]), (200, &json!("OK"), &json!("create_order")), "{reply}");
    (text(&reply["s3uid"]), bucket)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// A store as any S3 client has it: the endpoint and the account's own keys, nothing of Purser's.
fn customer_store(world: &World, account: &Value) -> (CephStore, S3Keys) {
    let url = format!("http://{}", text(&account["endpoint"])).parse().unwrap();
    let services = world.deployment.services();
    let store = CephStore::new(CephConfig {
        admin_url: services.rgw_url.parse().unwrap(),
        s3_url: url,
        admin_access_key: "unused".to_owned(),
        admin_secret_key: "unused".into(),
        request_timeout: LIMIT,
    });
    let keys = S3Keys { access_key: text(&account["access_key"]), secret_key: text(&account["secret_key"]).into() };
    (store.unwrap(), keys)
}

/// The same, of an account that the customer owns.
async fn store_of(world: &World, s3uid: &str) -> (CephStore, S3Keys) {
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    customer_store(world, &account)
}

/// The store as its administrator has it.
fn admin_store(world: &World) -> CephStore {
    let services = world.deployment.services();
    let url: url::Url = services.rgw_url.parse().unwrap();
    let store = CephStore::new(CephConfig {
        admin_url: url.clone(),
        s3_url: url,
        admin_access_key: services.rgw_access_key.clone(),
        admin_secret_key: services.rgw_secret_key.clone().into(),
        request_timeout: LIMIT,
    });
    store.unwrap()
}

/// The state of an account, or of its order, as `/storage/info` shows it to the customer; empty where it doesn't.
async fn storage_state(world: &World, s3uid: &str) -> String {
    let name = world.sql(&format!("SELECT name FROM billing.orders WHERE s3uid = '{s3uid}'")).await;
    let request = world.http_caller(Some(&world.customer_token)).request_to(Method::GET, "/storage/info");
    let info = HttpCaller::send(request).await.unwrap();
    info.body["result"][&name]["state"].as_str().unwrap_or_default().to_owned()
}

/// Uploads small files side by side.
async fn upload(store: &CephStore, keys: &S3Keys, bucket: &str, files: impl IntoIterator<Item = String>) {
    let bucket: BucketName = bucket.parse().unwrap();
    stream::iter(files)
        .map(|key| {
            let bucket = &bucket;
            async move { store.put_object(keys, bucket, &key, Bytes::from_static(b"content")).await }
        })
        .buffer_unordered(32)
        .try_collect::<()>()
        .await
        .unwrap();
}

/// What the history tells of an account, oldest first, but for invoices and credit notes: the first invoice is issued
/// some time after the service has begun, and what is issued at its end depends on that.
async fn events(world: &World, s3uid: &str) -> Vec<String> {
    let (_, history) = world.http("history", json!({"s3uid": s3uid})).await;
    let events = history["data"].as_array().unwrap().iter().map(|entry| text(&entry["event"]));
    let mut events: Vec<String> =
        events.filter(|event| !["invoice_issued", "credit_note_issued"].contains(&event.as_str())).collect();
    events.reverse();
    events
}
