//! Black-box end-to-end tests: the real binary against the real RabbitMQ, PostgreSQL and radosgw, over AMQP and HTTP.
//!
//! Every test has a database and a virtual host of its own, and accounts and buckets that nobody else has.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as loudly as the test itself")]

mod bad_input;
mod broker_restart;
mod crash;
mod deadlines;
mod idempotency;
mod isolation;
mod main_job;
mod permissions;
mod secrets;

use std::time::Duration;

use serde_json::{Value, json};
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
