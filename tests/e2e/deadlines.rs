//! A command is never done late, and an order that can't be completed leaves nothing behind.

use bus::HeaderValue;
use messages::Encoding;
use serde_json::json;
use test_support::deployment::Settings;
use test_support::world::{World, wait_until};
use uuid::Uuid;

use crate::LIMIT;

#[tokio::test]
async fn an_order_past_its_deadline_fails_and_what_was_made_is_released() {
    let settings = Settings { order_deadline_seconds: 3, ..Settings::default() };
    // Nobody provisions at first.
    let mut world = World::start_with(settings, &["billing", "metering", "gateway"]).await;
    let bucket = world.bucket_name("late");
    let (status, reply) = world.http("create_order", json!({"plan_id": 1, "bucket_name": bucket})).await;
    let message = "S3 account order failed: the account could not be made in time; nothing is charged";
    let details = json!({"cancelled": true});
    assert_eq!((status, reply), (200, json!({"code": -1, "message": message, "details": details})));
    let provisioner = world.deployment.spawn("provisioner", &[]).await.unwrap();
    world.processes.push(provisioner);
    wait_until(LIMIT, "the release is recorded", async || {
        world.sql("SELECT count(*) FROM history.entries WHERE event = 'account.released'").await == "1"
    })
    .await;
    assert_eq!(world.sql("SELECT count(*) FROM provisioner.accounts WHERE state = 'active'").await, "0");
    assert_eq!(world.sql("SELECT count(*) FROM billing.services").await, "0");
    // The name is free: nobody's bucket was left on the store.
    let (_, reply) = world.http("create_order", json!({"plan_id": 1, "bucket_name": bucket})).await;
    assert_eq!(reply["result"], "OK", "{reply}");
}

#[tokio::test]
async fn a_command_past_its_deadline_is_refused() {
    let world = World::start().await;
    let php = world.frontend().await;
    let parameters = json!({"plan_id": 1, "bucket_name": world.bucket_name("late")});
    let mut message = php.message("create_order", parameters, Encoding::Json, Some(Uuid::new_v4())).unwrap();
    message.headers.insert("deadline".to_owned(), HeaderValue::Text("2020-01-01T00:00:00Z".to_owned()));
    let reply = php.call_raw(message).await.unwrap().unwrap();
    assert_eq!(reply["message"], "the command's deadline 2020-01-01T00:00:00+00:00 has passed; nothing was done");
    assert_eq!(world.sql("SELECT count(*) FROM billing.orders").await, "0");
}
