//! Somebody else's account reads exactly like one that doesn't exist.

use messages::Encoding;
use serde_json::json;
use test_support::amqp;
use test_support::world::{OTHER_CUSTOMER_ID, World};

use crate::order;

#[tokio::test]
async fn a_customer_cant_touch_another_s_account() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let missing = "0".repeat(32);
    let bucket = world.bucket_name("stolen");
    let php = world.frontend().await.asking_for(amqp::customer(OTHER_CUSTOMER_ID));
    for (action, parameters) in [
        ("get_buckets_rmq", json!({})),
        ("get_user_info", json!({})),
        ("create_bucket", json!({"bucket_name": bucket})),
        ("delete_bucket", json!({"bucket_name": bucket})),
        ("delete_file", json!({"bucket_name": bucket, "filename": "a"})),
        ("delete_account", json!({})),
        ("delete_payment_account", json!({})),
        ("cancel_payment_account_deletion", json!({})),
        ("history", json!({})),
    ] {
        let mut replies = Vec::new();
        for whose in [&s3uid, &missing, &"x' OR '1'='1".to_owned()] {
            let mut parameters = parameters.clone();
            parameters["s3uid"] = json!(whose);
            let (status, over_http) = world.http_other(action, parameters.clone()).await;
            assert_eq!(status, 200, "{action}");
            replies.push(over_http);
            replies.push(php.call(action, parameters, Encoding::MessagePack, None).await.unwrap());
        }
        for reply in replies {
            assert_eq!(reply, json!({"code": -1, "message": "S3 account not found for this customer"}), "{action}");
        }
    }
    let not_found = "S3 account not found for this customer";
    for whose in [&s3uid, &missing] {
        let (_, reply) = world.http_other("get_buckets", json!({"s3uid": whose})).await;
        assert_eq!(reply, json!({"code": -1, "message": format!("Load bucket error: {not_found}")}));
        let (_, reply) = world.http_other("get_files", json!({"s3uid": whose, "bucket_name": bucket})).await;
        assert_eq!(reply, json!({"code": -1, "message": not_found, "details": {"s3uid": whose}}));
        let (_, reply) = world.http_other("get_users", json!({"s3uid": whose})).await;
        assert_eq!((&reply["s3_users"], &reply["total"]), (&json!([]), &json!(0)));
    }
    let (_, reply) = world.http_other("get_buckets_rmq", json!({"s3uid": s3uid, "id": 1})).await;
    assert_eq!(reply["message"], "id is for administrators; leave it out, or send your own customer id");
    let buckets = world.sql(&format!("SELECT count(*) FROM provisioner.buckets WHERE s3uid = '{s3uid}'")).await;
    assert_eq!(buckets, "1", "nothing was made");
}

#[tokio::test]
async fn without_s3uid_the_only_account_is_meant() {
    let world = World::start().await;
    let (_, reply) = world.http("get_buckets_rmq", json!({})).await;
    assert_eq!(reply["message"], "S3 account not found for this customer");
    let (_, bucket) = order(&world).await;
    let (_, reply) = world.http("get_buckets_rmq", json!({})).await;
    assert_eq!(reply["message"][0]["name"], json!(bucket));
    order(&world).await;
    let (_, reply) = world.http("get_buckets_rmq", json!({})).await;
    assert_eq!(reply["message"], "s3uid required");
}

#[tokio::test]
async fn an_administrator_acts_for_a_customer() {
    let world = World::start().await;
    let parameters = json!({"plan_id": 1, "bucket_name": world.bucket_name("admin")});
    let (_, reply) = world.http_admin("create_order", parameters.clone()).await;
    assert_eq!(reply["message"], "id required: an administrator orders for a customer");
    let mut parameters = parameters;
    parameters["id"] = json!(OTHER_CUSTOMER_ID);
    let (_, reply) = world.http_admin("create_order", parameters).await;
    assert_eq!(reply["result"], "OK", "{reply}");
    let (_, account) = world.http_other("get_buckets_rmq", json!({})).await;
    assert_eq!(account["result"], "OK", "the account is the customer's: {account}");
    let (_, account) = world.http_admin("get_buckets_rmq", json!({"s3uid": reply["s3uid"]})).await;
    assert_eq!(account["result"], "OK");
    let (_, plans) = world.http_admin("list_plans", json!({})).await;
    assert_eq!(plans["plans"][0]["price"]["price"], json!({"EUR": 9.8, "RUB": 950.0, "USD": 10.5}));
}
