//! What accounts use, as metering tells it.

use bytes::Bytes;
use object_store::ObjectStore;
use serde_json::{Value, json};
use test_support::world::{World, wait_until};

use crate::{LIMIT, order, store_of, text};

#[tokio::test]
async fn users_are_filtered_sorted_and_paged() {
    let world = World::start().await;
    let (small, _) = order(&world).await;
    let (large, bucket) = order(&world).await;
    let bob = json!({"plan_id": 4, "bucket_name": world.bucket_name("bob"), "location": "US"});
    let (_, bob) = world.http_other("create_order", bob).await;
    let bob = text(&bob["s3uid"]);
    let (store, keys) = store_of(&world, &large).await;
    let body = Bytes::from(vec![7; 2_000_000]);
    store.put_object(&keys, &bucket.parse().unwrap(), "large", body).await.unwrap();
    wait_until(LIMIT, "metering has seen the file", async || {
        world.http_admin("update_traffic_info", json!({"s3uid": large})).await;
        let (_, users) = world.http("get_users", json!({"s3uid": large})).await;
        users["s3_users"][0]["traffic"].as_f64() >= Some(0.002) && users["s3_users"][0]["storage_usage"] == 2
    })
    .await;

    let found = async |parameters: Value| {
        let (_, reply) = world.http_admin("get_users", parameters).await;
        let users = reply["s3_users"].as_array().unwrap_or_else(|| panic!("{reply}")).iter();
        (users.map(|user| text(&user["s3uid"])).collect::<Vec<_>>(), reply["total"].as_i64().unwrap())
    };
    let own = |ids: &[&String]| ids.iter().map(|id| (*id).clone()).collect::<Vec<_>>();
    for (parameters, expected) in [
        (json!({}), own(&[&small, &large, &bob])),
        (json!({"id": 2}), own(&[&bob])),
        (json!({"plan_id": "1"}), own(&[&small, &large])),
        (json!({"email": "BOB@example.com"}), own(&[&bob])),
        (json!({"billing": "us"}), own(&[&bob])),
        (json!({"bucket_name": bucket}), own(&[&large])),
        (json!({"location": "US"}), own(&[&bob])),
        (json!({"storage_type": "standard", "s3uid": small}), own(&[&small])),
        (json!({"storage_type": "cold"}), own(&[])),
        (json!({"order": "total_traffic_period_gb", "order_by": "desc", "plan_id": 1}), own(&[&large, &small])),
        (json!({"order": "total_storage_peak_gb", "order_by": "ASC", "plan_id": 1}), own(&[&small, &large])),
    ] {
        let total = i64::try_from(expected.len()).unwrap();
        assert_eq!(found(parameters.clone()).await, (expected, total), "{parameters}");
    }
    assert_eq!(found(json!({"limit": 1, "offset": 1})).await, (own(&[&large]), 3));
    assert_eq!(found(json!({"offset": 9})).await, (vec![], 3), "a page beyond the end");

    let long_ago = json!({"s3uid": large, "period_from": "2020-01-01", "period_to": "2020-01-31"});
    let (_, then) = world.http_admin("get_users", long_ago).await;
    assert_eq!((&then["s3_users"][0]["traffic"], &then["s3_users"][0]["storage_usage"]), (&json!(0.0), &json!(0)));
    let (_, theirs) = world.http_other("get_users", json!({})).await;
    assert_eq!((theirs["total"].as_i64(), &theirs["s3_users"][0]["s3uid"]), (Some(1), &json!(bob)));
    for (parameters, message) in [
        (json!({"id": 77}), "customer not found"),
        (json!({"limit": 501}), "limit must be 1 to 500 and offset 0 or more"),
        (json!({"period_from": "soon"}), "period_from must be a date like 2026-01-31, not \"soon\""),
        (json!({"order_by": "up"}), "order_by must be ASC or DESC"),
    ] {
        let (_, refused) = world.http_admin("get_users", parameters).await;
        assert_eq!(refused, json!({"code": -1, "message": message}));
    }
}

#[tokio::test]
async fn the_snapshot_is_the_last_closed_day() {
    let world = World::start().await;
    let (s3uid, bucket) = order(&world).await;
    let (_, new) = world.http("get_buckets", json!({"s3uid": s3uid})).await;
    assert_eq!(new["message"], json!([{"Name": bucket, "Usage": 0}]));
    assert_eq!((&new["snapshot"]["bandwidth_usage"], &new["snapshot"]["storage_usage"]), (&json!(0), &json!(0)));
    world
        .sql(&format!(
            "UPDATE provisioner.accounts SET created_at = created_at - interval '3 days';
             INSERT INTO metering.storage_days VALUES ('{s3uid}', (now() AT TIME ZONE 'UTC')::date - 1, 9, 3000001, now());
             INSERT INTO metering.usage_records
             VALUES ('{s3uid}', '{bucket}', 'put_obj', date_trunc('day', now(), 'UTC') - interval '1 hour', 1500000, 1, 1, 1, now());
             INSERT INTO metering.traffic_days VALUES ('{s3uid}', (now() AT TIME ZONE 'UTC')::date - 1, 1500000, 1, 1)"
        ))
        .await;
    let (_, later) = world.http("get_buckets", json!({"s3uid": s3uid})).await;
    let midnight = world.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T00:00:00Z\"')").await;
    assert_eq!(later["snapshot"], json!({"bandwidth_usage": 2, "storage_usage": 4, "created_at": midnight}));
}
