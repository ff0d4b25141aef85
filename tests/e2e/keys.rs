//! Looking at keys and replacing them.

use model::BucketName;
use object_store::{ListObjects, ObjectStore, S3Keys};
use reqwest::Method;
use serde_json::json;
use test_support::http::HttpCaller;
use test_support::world::World;

use crate::{events, order, store_of, text};

#[tokio::test]
async fn every_look_at_a_key_is_written_down() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let (_, keys) = store_of(&world, &s3uid).await;
    for (parameter, value) in [("s3_key", "access_key"), ("key_type", "secret_key")] {
        let (_, shown) = world.http("show_key", json!({"s3uid": s3uid, parameter: value})).await;
        assert_eq!(shown["result"], "OK", "{shown}");
        let key = text(&shown["key"]);
        let is_right =
            if value == "access_key" { key == keys.access_key } else { keys.same_as(&keys.access_key, &key) };
        assert!(is_right, "{value}");
    }
    assert_eq!(events(&world, &s3uid).await[4..], ["key_shown", "key_shown"]);
    let (_, refused) = world.http_other("show_key", json!({"s3uid": s3uid, "s3_key": "secret_key"})).await;
    let details = json!({"error": "S3 account not found for this customer"});
    assert_eq!(refused, json!({"code": -1, "message": "s3/show_key: customer not found", "details": details}));
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one_and_is_kept_sealed() {
    let world = World::start().await;
    let (s3uid, bucket) = order(&world).await;
    let (store, old) = store_of(&world, &s3uid).await;
    let name = world.sql("SELECT name FROM billing.orders").await;
    let bucket: BucketName = bucket.parse().unwrap();
    let list = ListObjects::all(bucket);
    store.list_objects(&old, &list).await.unwrap();

    let caller = world.http_caller(Some(&world.customer_token));
    let ask = async |key: &str| {
        let request = caller.request_to(Method::GET, &format!("/storage/newpassword/{name}"));
        HttpCaller::send(request.header("Idempotency-Key", key)).await.unwrap().body
    };
    let first = ask("a").await;
    let password = text(&first["result"]["password"]);
    assert_eq!(ask("a").await, first, "the same key, the same password");
    let new = S3Keys { access_key: old.access_key.clone(), secret_key: password.clone().into() };
    store.list_objects(&new, &list).await.unwrap();
    store.list_objects(&old, &list).await.expect_err("the old password has stopped working");
    let second = text(&ask("b").await["result"]["password"]);
    assert_ne!(second, password);
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    assert_eq!((&account["access_key"], &account["secret_key"]), (&json!(old.access_key), &json!(second)));

    let saved = "SELECT count(*) FROM provisioner.answered_commands WHERE action = 'storage_newpassword'";
    assert_eq!(world.sql(&format!("{saved} AND reply IS NULL AND sealed_reply IS NOT NULL")).await, "2");
    for table in ["provisioner.answered_commands", "history.entries", "provisioner.outbox", "provisioner.intents"] {
        let leaks = world.sql(&format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{second}%'")).await;
        assert_eq!(leaks, "0", "{table}");
    }
}
