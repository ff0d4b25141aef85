//! The same command again is answered again and done once.

use messages::Encoding;
use serde_json::json;
use test_support::deployment::PortLease;
use test_support::http::HttpCaller;
use test_support::world::{World, wait_until};
use uuid::Uuid;

use crate::{LIMIT, text};

#[tokio::test]
async fn the_same_message_id_creates_one_order_also_when_both_arrive_at_once() {
    let world =
        World::start_with(test_support::deployment::Settings::default(), &["all", "billing", "provisioner"]).await;
    let callers = [world.frontend().await, world.frontend().await];
    for round in 0..5 {
        let (id, bucket) = (Uuid::new_v4(), world.bucket_name("once"));
        let calls = (0..6).map(|n| {
            let encoding = if n % 2 == 0 { Encoding::MessagePack } else { Encoding::Json };
            callers[n % 2].call("create_order", json!({"plan_id": "1", "bucket_name": bucket}), encoding, Some(id))
        });
        let replies = futures_util::future::try_join_all(calls).await.unwrap();
        let s3uid = text(&replies[0]["s3uid"]);
        assert!(replies.iter().all(|reply| *reply == replies[0]), "round {round}: {replies:?}");
        let again = callers[0].call("create_order", json!({"plan_id": 1, "bucket": bucket}), Encoding::Json, Some(id));
        assert_eq!(again.await.unwrap()["s3uid"], json!(s3uid), "later, and written differently");
    }
    for table in ["billing.orders", "billing.services", "provisioner.accounts", "provisioner.buckets"] {
        assert_eq!(world.sql(&format!("SELECT count(*) FROM {table}")).await, "5", "{table}");
    }
}

#[tokio::test]
async fn the_same_id_for_something_else_is_refused() {
    let world = World::start().await;
    let php = world.frontend().await;
    let (id, bucket) = (Uuid::new_v4(), world.bucket_name("once"));
    let call = async |action, parameters| php.call(action, parameters, Encoding::MessagePack, Some(id)).await.unwrap();
    let first = call("create_order", json!({"plan_id": 1, "bucket_name": bucket})).await;
    assert_eq!(first["result"], "OK", "{first}");
    let refusal = format!("message_id {id} was used before for another command; a new command needs a new id");
    for (action, parameters) in [
        ("create_order", json!({"plan_id": 2, "bucket_name": bucket})),
        ("create_account", json!({"plan_id": 1, "bucket_name": bucket})),
    ] {
        assert_eq!(call(action, parameters).await, json!({"code": -1, "message": refusal}));
    }
    let other = php.asking_for(test_support::amqp::customer(2));
    let parameters = json!({"plan_id": 1, "bucket_name": world.bucket_name("other")});
    let reply = other.call("create_order", parameters, Encoding::Json, Some(id)).await.unwrap();
    assert_eq!(reply["result"], "OK", "ids are unique per customer: {reply}");
}

#[tokio::test]
async fn an_idempotency_key_does_the_same_over_http() {
    let world = World::start().await;
    let client = world.http_caller(Some(&world.customer_token));
    let parameters = json!({"plan_id": 1, "bucket_name": world.bucket_name("key")});
    let (first, twin) = tokio::join!(
        client.call_with_key("create_order", &parameters, Some("order-4711")),
        client.call_with_key("create_order", &parameters, Some("order-4711")),
    );
    let first = first.unwrap().body;
    assert_eq!((&first["result"], &first), (&json!("OK"), &twin.unwrap().body));
    let other = json!({"plan_id": 1, "bucket_name": world.bucket_name("key")});
    let refused = client.call_with_key("create_order", &other, Some("order-4711")).await.unwrap();
    assert_eq!((refused.status, &refused.body["code"]), (200, &json!(-1)));
    assert_eq!(world.sql("SELECT count(*) FROM billing.orders").await, "1");
}

#[tokio::test]
async fn equal_orders_racing_in_two_gateways_are_one() {
    let mut world = World::start().await;
    let port = PortLease::take().unwrap();
    let listen = format!("127.0.0.1:{}", port.port());
    let second = world.deployment.spawn("gateway", &[("PURSER__GATEWAY__LISTEN", &listen)]).await.unwrap();
    world.processes.push(second);
    let second = HttpCaller::new(&format!("http://{listen}"), Some(&world.customer_token)).unwrap();
    wait_until(LIMIT, "the second gateway answers", async || second.call("list_plans", &json!({})).await.is_ok()).await;
    let first = world.http_caller(Some(&world.customer_token));
    for round in 0..3 {
        let (key, parameters) =
            (format!("race {round}"), json!({"plan_id": 1, "bucket_name": world.bucket_name("race")}));
        let (one, other) = tokio::join!(
            first.call_with_key("create_order", &parameters, Some(&key)),
            second.call_with_key("create_order", &parameters, Some(&key)),
        );
        let one = one.unwrap().body;
        assert_eq!((&one["result"], &one), (&json!("OK"), &other.unwrap().body), "round {round}");
    }
    assert_eq!(world.sql("SELECT count(*) FROM billing.orders").await, "3");
}

#[tokio::test]
async fn a_refusal_is_saved_too() {
    let world = World::start().await;
    let php = world.frontend().await;
    let (id, parameters) = (Uuid::new_v4(), json!({"plan_id": 77, "bucket_name": world.bucket_name("none")}));
    for _ in 0..2 {
        let reply = php.call("create_order", parameters.clone(), Encoding::MessagePack, Some(id)).await.unwrap();
        assert_eq!(reply, json!({"code": -1, "message": "S3 plan not found"}));
    }
    assert_eq!(world.sql("SELECT count(*) FROM billing.answered_commands WHERE reply IS NOT NULL").await, "1");
}
