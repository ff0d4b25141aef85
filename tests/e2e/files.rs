//! Browsing buckets, and deleting files and buckets.

use std::collections::BTreeSet;

use bytes::Bytes;
use object_store::ObjectStore;
use serde_json::{Value, json};
use test_support::world::World;

use crate::{events, order, store_of, text, upload};

/// All pages of a listing: every key once, in order.
async fn all_keys(world: &World, parameters: &Value) -> Vec<String> {
    let (mut keys, mut parameters) = (Vec::new(), parameters.clone());
    loop {
        let (_, page) = world.http("get_files", parameters.clone()).await;
        let items = page["files"]["items"].as_array().unwrap_or_else(|| panic!("{page}"));
        assert!(items.len() <= 100, "a page is never longer");
        keys.extend(items.iter().map(|item| text(&item["original_key"])));
        match page.get("next_token") {
            Some(token) => parameters["continuation_token"] = token.clone(),
            None => return keys,
        }
    }
}

#[tokio::test]
async fn pages_and_searches_find_every_file_once_and_in_order() {
    let world = World::start().await;
    let (s3uid, bucket) = order(&world).await;
    let (store, keys) = store_of(&world, &s3uid).await;
    let files: BTreeSet<String> = (0..1_250).map(|n| format!("{}/photo {n:04}.JPG", n % 3)).collect();
    upload(&store, &keys, &bucket, files.iter().cloned()).await;
    let whole = json!({"s3uid": s3uid, "bucket_name": bucket});

    let listed = all_keys(&world, &whole).await;
    assert!(listed.iter().eq(files.iter()), "{} files", listed.len());
    for (search, expected) in [("00.jpg", 13), ("photo 12", 50), ("0/photo", 417), ("nothing", 0), ("1", 0)] {
        let mut parameters = whole.clone();
        parameters["search"] = json!(search);
        parameters["max_keys"] = json!(7);
        let found = all_keys(&world, &parameters).await;
        let matches = |key: &&String| {
            let name = if search.contains('/') { key.as_str() } else { key.rsplit('/').next().unwrap() };
            name.to_lowercase().contains(search)
        };
        assert!(found.iter().eq(files.iter().filter(matches)), "{search}");
        assert!(expected == 0 || found.len() == expected, "{search}: {}", found.len());
    }
    let (_, third) =
        world.http("get_files", json!({"s3uid": s3uid, "bucket": bucket, "page": 3, "limit": "100"})).await;
    assert_eq!(third["files"]["items"][0]["key"], json!(listed[200]));
    let tree = json!({"s3uid": s3uid, "bucket_name": bucket, "delimiter": "/", "max_keys": 2});
    let (_, tree) = world.http("get_files", tree).await;
    let folder = |key| json!({"key": key, "original_key": key});
    assert_eq!(tree["files"], json!({"items": [], "folders": [folder("0/"), folder("1/")]}));
    assert!(tree["next_token"].is_string());
}

#[tokio::test]
async fn files_and_buckets_are_deleted() {
    let world = World::start().await;
    let (s3uid, bucket) = order(&world).await;
    let (store, keys) = store_of(&world, &s3uid).await;
    let odd = "odd ü & name\n?.txt";
    store.put_object(&keys, &bucket.parse().unwrap(), odd, Bytes::from_static(b"12345")).await.unwrap();
    let file = json!({"s3uid": s3uid, "bucket_name": bucket, "filename": odd});

    let (_, listed) = world.http("get_files", json!({"s3uid": s3uid, "bucket_name": bucket})).await;
    let item = &listed["files"]["items"][0];
    let shown = (&item["original_key"], &item["key"], &item["size"]);
    assert_eq!(shown, (&json!(odd), &json!("odd ü & name\u{fffd}?.txt"), &json!(5)));

    let (_, refused) = world.http("delete_bucket", json!({"s3uid": s3uid, "bucket_name": bucket})).await;
    assert_eq!(refused, json!({"code": -1, "message": "Delete S3 bucket error: Bucket not empty or access denied"}));
    let (_, deleted) = world.http("delete_file", file.clone()).await;
    assert_eq!(deleted, json!({"result": "OK", "action": "delete_file", "message": "File deleted successfully"}));
    let (_, again) = world.http("delete_file", file).await;
    assert_eq!(again, json!({"code": -1, "message": "File not found"}));
    let (_, deleted) = world.http("delete_bucket", json!({"s3uid": s3uid, "bucket_name": bucket})).await;
    assert_eq!(deleted["message"], json!({"status": "success", "bucket_name": bucket}));
    for action in ["get_buckets_rmq", "get_buckets"] {
        let (_, buckets) = world.http(action, json!({"s3uid": s3uid})).await;
        assert_eq!(buckets["message"], json!([]), "{action} knows at once");
    }
    assert_eq!(events(&world, &s3uid).await[4..], ["file_deleted", "bucket_deleted"]);
}

#[tokio::test]
async fn other_people_s_buckets_and_files_are_out_of_reach() {
    let world = World::start().await;
    let (_, theirs) = order(&world).await;
    let (_, mine) = world
        .http_other("create_order", json!({"plan_id": 1, "bucket_name": world.bucket_name("mine"), "location": "NL"}))
        .await;
    let with = |more: Value| {
        let mut parameters = json!({"s3uid": mine["s3uid"], "bucket_name": theirs});
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        parameters
    };
    let (_, files) = world.http_other("get_files", with(json!({}))).await;
    assert_eq!((&files["code"], &files["message"]), (&json!(-1), &json!("S3 bucket not found")), "{files}");
    let (_, file) = world.http_other("delete_file", with(json!({"file": "a"}))).await;
    assert_eq!(file["message"], "S3 bucket not found");
    let (_, bucket) = world.http_other("delete_bucket", with(json!({}))).await;
    assert_eq!(bucket["message"], "Delete S3 bucket error: Bucket not empty or access denied");
}
