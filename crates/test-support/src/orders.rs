//! Orders that nobody waits for: what counts is that each one whose publisher had a confirm is carried out once.

use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt;
use messages::Encoding;
use serde_json::json;
use uuid::Uuid;

use crate::amqp::AmqpCaller;
use crate::world::{World, wait_until};

const AT_ONCE: usize = 4;
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Publishes orders, each until it is confirmed; returns their message ids.
///
/// # Panics
///
/// Where an order can't be written as a message.
pub async fn publish(world: &World, frontend: &AmqpCaller, count: usize) -> Vec<Uuid> {
    let orders = futures_util::stream::iter(0..count).map(|_| {
        let bucket = world.bucket_name("load");
        async move { publish_one(frontend, &bucket).await.unwrap_or_else(|error| panic!("an order: {error:#}")) }
    });
    orders.buffer_unordered(AT_ONCE).collect().await
}

async fn publish_one(frontend: &AmqpCaller, bucket: &str) -> Result<Uuid> {
    let id = Uuid::new_v4();
    let parameters = json!({"plan_id": 1, "bucket_name": bucket});
    let message = frontend.message("create_order", parameters, Encoding::MessagePack, Some(id))?;
    // Unconfirmed: published again under the same id, as a careful publisher does.
    while frontend.publish_raw(message.clone()).await.is_err() {
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
    Ok(id)
}

/// Waits until some orders are under way.
///
/// # Panics
///
/// Where they aren't within the limit.
pub async fn wait_until_begun(world: &World, count: usize, limit: Duration) {
    let begun = format!("SELECT count(*) >= {count} FROM billing.orders");
    wait_until(limit, "some orders are under way", async || world.sql(&begun).await == "t").await;
}

/// Waits until exactly these orders are completed, then looks for anything that was done twice.
///
/// # Panics
///
/// Where they aren't within the limit, or something was.
pub async fn assert_each_completed_once(world: &World, confirmed: &[Uuid], limit: Duration) {
    let completed = "SELECT count(*) FROM billing.orders WHERE state = 'completed'";
    wait_until(limit, "every confirmed order is completed", async || {
        world.deployment.sql(completed).await.is_ok_and(|count| count == confirmed.len().to_string())
    })
    .await;
    for id in confirmed {
        let orders = world.sql(&format!("SELECT count(*) FROM billing.orders WHERE message_id = '{id}'")).await;
        assert_eq!(orders, "1", "orders of the message {id}");
    }
    let provisioned = "SELECT count(*) FROM history.entries WHERE event = 'account.provisioned'";
    for sql in ["SELECT count(*) FROM provisioner.accounts", provisioned] {
        assert_eq!(world.sql(sql).await, confirmed.len().to_string(), "{sql}");
    }
}
