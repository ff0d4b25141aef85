//! The main job: order an account, fill its bucket, read usage and quota, see what happened.

use bytes::Bytes;
use messages::Encoding;
use model::BucketName;
use object_store::ObjectStore;
use serde_json::json;
use test_support::world::{World, wait_until};

use crate::{LIMIT, customer_store, events, text};

#[tokio::test]
async fn a_php_style_publisher_orders_fills_and_reads_an_account() {
    let world = World::start().await;
    let php = world.frontend().await;
    let call = async |action, parameters| php.call(action, parameters, Encoding::MessagePack, None).await.unwrap();

    let plans = call("list_plans", json!({})).await;
    assert_eq!(plans["plans"][0]["price"]["price"], json!({"EUR": 9.8}), "a customer sees their own currency");

    let first = world.bucket_name("first");
    let ordered = call("create_order", json!({"plan_id": 1, "bucket_name": first, "location": "us-east-1"})).await;
    let s3uid = text(&ordered["s3uid"]);
    assert_eq!(ordered, json!({"result": "OK", "action": "create_order", "s3uid": s3uid}));

    let second = world.bucket_name("second");
    let created = call("create_bucket", json!({"s3uid": s3uid, "bucket_name": second})).await;
    let message = json!({"status": "success", "bucket_name": second});
    assert_eq!(created, json!({"result": "OK", "action": "create_bucket", "message": message}));

    let account = call("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    let (store, keys) = customer_store(&world, &account);
    let bucket: BucketName = first.parse().unwrap();
    store.put_object(&keys, &bucket, "folder/a.bin", Bytes::from(vec![1; 1_500_000])).await.unwrap();
    store.put_object(&keys, &bucket, "b.txt", Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(store.get_object(&keys, &bucket, "b.txt").await.unwrap(), "hello");

    wait_until(LIMIT, "what was sent and received shows", async || {
        let account = call("get_buckets_rmq", json!({"s3uid": s3uid})).await;
        let metering = &account["metering"];
        account["usage_storage_bytes"] == 1_500_005
            && metering["traffic_in_bytes"].as_u64() >= Some(1_500_005)
            && metering["traffic_out_bytes"].as_u64() >= Some(5)
    })
    .await;
    let (status, account) = world.http("get_user_info", json!({"s3uid": s3uid})).await;
    assert_eq!((status, &account["action"]), (200, &json!("get_buckets_rmq")));
    let buckets = json!([
        {"name": first, "usage": 2, "usage_bytes": 1_500_005, "objects": 2},
        {"name": second, "usage": 0, "usage_bytes": 0, "objects": 0},
    ]);
    assert_eq!(account["message"], buckets);
    assert_eq!((&account["usage_storage"], &account["quota"]), (&json!(2), &json!(100_000)));
    assert_eq!(account["metering"]["total_storage_gb"], json!(0.001_500_005));
    assert_eq!(
        events(&world, &s3uid).await,
        ["order_placed", "account_provisioned", "bucket_created", "service_started", "bucket_created"]
    );
}

#[tokio::test]
async fn every_history_entry_reaches_the_events_in_order_with_cloud_events_attributes() {
    let world = World::start().await;
    let (s3uid, _) = crate::order(&world).await;
    let counts = "SELECT (SELECT count(*) FROM billing.documents),
                         (SELECT count(*) FROM billing.outbox) + (SELECT count(*) FROM provisioner.outbox)";
    wait_until(LIMIT, "the invoice, and empty outboxes", async || world.sql(counts).await == "1|0").await;
    let recorded = world
        .sql(&format!(
            "SELECT source, subject_version, event FROM history.entries WHERE subject = 'account/{s3uid}' ORDER BY id"
        ))
        .await;
    assert_eq!(
        recorded.lines().collect::<Vec<_>>(),
        [
            "/purser/billing|1|order.placed",
            "/purser/provisioner|1|account.provisioned",
            "/purser/provisioner|2|bucket.created",
            "/purser/billing|2|service.started",
            "/purser/billing|3|invoice.issued",
        ]
    );
    let count = world.sql("SELECT count(*) FROM history.entries").await.parse().unwrap();
    world.wait_for_messages("s3.history", count, LIMIT).await;
}

#[tokio::test]
async fn a_bucket_that_the_customer_makes_over_s3_itself_appears() {
    let world = World::start().await;
    let (s3uid, _) = crate::order(&world).await;
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    let (store, keys) = customer_store(&world, &account);
    let own = world.bucket_name("own");
    store.create_bucket(&keys, &own.parse().unwrap()).await.unwrap();
    wait_until(LIMIT, "the bucket shows", async || {
        let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
        account["message"].as_array().unwrap().iter().any(|bucket| bucket["name"] == json!(own))
    })
    .await;
}

#[tokio::test]
async fn a_bucket_that_the_customer_deletes_over_s3_itself_disappears_and_can_be_made_again() {
    let world = World::start().await;
    let (s3uid, bucket) = crate::order(&world).await;
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    let (store, keys) = customer_store(&world, &account);
    store.delete_bucket(&keys, &bucket.parse().unwrap()).await.unwrap();
    wait_until(LIMIT, "the bucket is gone", async || {
        let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
        account["message"] == json!([])
    })
    .await;
    let (_, created) = world.http("create_bucket", json!({"s3uid": s3uid, "bucket_name": bucket})).await;
    assert_eq!(created["result"], "OK", "{created}");
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    assert_eq!(account["message"][0]["name"], json!(bucket));
}

#[tokio::test]
async fn an_order_whose_bucket_name_is_taken_keeps_the_account() {
    let world = World::start().await;
    let (_, taken) = crate::order_as(&world, &world.other_token).await;
    for (action, complaint) in [
        (
            "create_order",
            "S3 account was being created, but a bucket creation error occurred - Bucket name already taken",
        ),
        (
            "create_account",
            "S3 account was being created, however a bucket creation error occurred - Bucket name already taken. Please \
             notify the administrator.",
        ),
    ] {
        let (status, reply) = world.http(action, json!({"plan_id": 1, "bucket_name": taken})).await;
        assert_eq!((status, &reply["code"], &reply["message"]), (200, &json!(-1), &json!(complaint)));
        let s3uid = text(&reply["details"]["s3uid"]);
        let other = world.bucket_name("other");
        let (_, created) = world.http("create_bucket", json!({"s3uid": s3uid, "bucket_name": other})).await;
        assert_eq!(created["result"], "OK", "the account is usable: {created}");
    }
}
