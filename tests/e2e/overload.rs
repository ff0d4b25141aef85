//! Too much of everything: one customer's flood doesn't keep another waiting, and garbage stops nobody.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use messages::Encoding;
use serde_json::json;
use test_support::amqp::customer;
use test_support::deployment::Settings;
use test_support::flood::{self, Counts};
use test_support::world::{CUSTOMER_ID, OTHER_CUSTOMER_ID, World, wait_until};
use uuid::Uuid;

use crate::order;

const ORDERS: usize = 1_000;
const QUERIES: usize = 500;
const GARBAGE: u64 = 20_000;
const HANDLED_LIMIT: Duration = Duration::from_mins(5);

#[tokio::test]
async fn one_customer_s_flood_of_orders_does_not_keep_another_waiting() {
    // Without a deadline that a slow machine might miss.
    let settings = Settings { order_deadline_seconds: 3600, ..Settings::default() };
    let mut world = World::start_with(settings, &["all"]).await;
    world.messages_may_stay();
    let php = world.frontend().await;
    stream::iter(0..ORDERS)
        .for_each_concurrent(64, |_| {
            let parameters = json!({"plan_id": 1, "bucket_name": world.bucket_name("flood")});
            let message = php.message("create_order", parameters, Encoding::MessagePack, Some(Uuid::new_v4())).unwrap();
            async { php.publish_raw(message).await.unwrap() }
        })
        .await;

    let bob = php.asking_for(customer(OTHER_CUSTOMER_ID));
    let parameters = json!({"plan_id": 1, "bucket_name": world.bucket_name("bob")});
    let message = bob.message("create_order", parameters, Encoding::MessagePack, Some(Uuid::new_v4())).unwrap();
    bob.publish_raw(message).await.unwrap();
    let answered = async |customer_id: i64| -> usize {
        let sql = format!(
            "SELECT count(*) FROM billing.answered_commands WHERE principal = 'customer:{customer_id}' \
             AND answered_at IS NOT NULL"
        );
        world.sql(&sql).await.parse().unwrap()
    };
    wait_until(HANDLED_LIMIT, "the answer to the other customer", async || answered(OTHER_CUSTOMER_ID).await == 1)
        .await;
    let before = answered(CUSTOMER_ID).await;
    assert!(before < ORDERS / 2, "{before} of the flood's orders came first");
}

#[tokio::test]
async fn one_customer_s_flood_of_queries_is_refused_and_another_s_are_answered() {
    let variables = vec![("PURSER__BILLING__PREFETCH".to_owned(), "2".to_owned())];
    let world = World::start_with(Settings { variables, ..Settings::default() }, &["all"]).await;
    let php = world.frontend().await;
    let bob = php.asking_for(customer(OTHER_CUSTOMER_ID));
    let ask = |caller: &test_support::amqp::AmqpCaller| {
        let caller = caller.clone();
        async move { caller.call("list_plans", json!({}), Encoding::MessagePack, None).await.unwrap() }
    };
    let flood = join_all((0..QUERIES).map(|_| ask(&php)));
    let polite = async {
        for _ in 0..20 {
            let reply = ask(&bob).await;
            assert_eq!(reply["result"], "OK", "{reply}");
        }
    };
    let (replies, ()) = tokio::join!(flood, polite);
    let refusal = json!({"code": -1, "message": "too many of your requests are being worked on; please try again"});
    let refused = replies.iter().filter(|reply| **reply == refusal).count();
    let answered = replies.iter().filter(|reply| reply["result"] == "OK").count();
    assert_eq!(refused + answered, QUERIES);
    assert!(refused > 0 && answered > 0, "{refused} refused, {answered} answered");
}

#[tokio::test]
async fn random_messages_leave_every_worker_alive_and_no_queue_filled() {
    let settings = Settings { log_filter: "error,lapin=off".to_owned(), ..Settings::default() };
    let mut world = World::start_with(settings, &["provisioner", "metering", "billing", "gateway"]).await;
    let counts = Counts::default();
    flood::run(&world.deployment, 1, GARBAGE, &counts).await.unwrap();
    assert_eq!(counts.sent(), GARBAGE);
    assert!(counts.taken.load(Ordering::Relaxed) > GARBAGE / 2, "{counts:?}");
    flood::wait_until_handled(&world.deployment, HANDLED_LIMIT).await.unwrap();
    for process in &mut world.processes {
        assert!(process.is_alive().unwrap(), "{}", process.role());
    }
    order(&world).await;
}
