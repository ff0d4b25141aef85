//! Accounts that are deleted with everything in them.

use object_store::{Access, ListObjects, ObjectStore, StoreError};
use serde_json::json;
use test_support::deployment::Settings;
use test_support::world::{CUSTOMER_ID, World, wait_until};
use uuid::Uuid;

use crate::{LIMIT, admin_store, events, order, store_of, text, upload};

/// More than the store lists at once.
const FILES: usize = 2_300;

#[tokio::test]
async fn an_account_goes_with_all_its_files_while_a_worker_is_killed() {
    let mut world = World::start_with(Settings::default(), &["billing", "metering", "gateway", "provisioner"]).await;
    let (s3uid, bucket) = order(&world).await;
    let (store, keys) = store_of(&world, &s3uid).await;
    upload(&store, &keys, &bucket, (0..FILES).map(|n| format!("folder {}/file-{n}", n % 7))).await;
    let second = world.bucket_name("second");
    world.http("create_bucket", json!({"s3uid": s3uid, "bucket_name": second})).await;

    let parameters = json!({"s3uid": s3uid, "reason": "a test", "wait": 0});
    let (_, reply) = world.http_admin("delete_account", parameters).await;
    let key = text(&reply["callback"]);
    let progress = async || world.sql("SELECT objects_deleted FROM provisioner.purges").await;
    wait_until(LIMIT, "the first files are gone", async || !matches!(progress().await.as_str(), "" | "0")).await;
    world.processes.pop().unwrap().kill().unwrap();
    let (_, running) = world.post_form("/eq_callback.php", &[("action", "check"), ("key", &key)]).await;
    if running["result"] == "Not ready" {
        assert_eq!(running["progress"]["objects_total"], FILES, "{running}");
        assert!(running["progress"]["objects_deleted"].as_u64() >= Some(1_000), "{running}");
    }
    // The lease of the one that was killed ends in a minute; nobody need wait for that here.
    world.sql("UPDATE provisioner.purges SET lease_until = started_at").await;
    world.processes.push(world.deployment.spawn("provisioner", &[]).await.unwrap());

    wait_until(LIMIT, "the account is gone", async || {
        let (_, reply) = world.post_form("/eq_callback.php", &[("action", "check"), ("key", &key)]).await;
        reply["state"] == "done" && reply["reply"]["cancellation_date"].is_string()
    })
    .await;
    assert_eq!(store.user(&s3uid.parse().unwrap()).await.ok().flatten(), None);
    let (_, gone) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    assert_eq!(gone["message"], "S3 account not found for this customer");
    let told = events(&world, &s3uid).await;
    assert_eq!(told[told.len() - 3..], ["service_terminated", "account_deleted", "service_ended"]);
    let proof = world.sql("SELECT data FROM history.entries WHERE event = 'account.deleted'").await;
    let proof: serde_json::Value = serde_json::from_str(&proof).unwrap();
    assert!(proof["objects_deleted"].as_u64() >= Some(FILES as u64), "{proof}");
    assert_eq!(proof["buckets"].as_array().unwrap().len(), 2, "{proof}");
}

#[tokio::test]
async fn the_same_deletion_twice_is_one() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let admin = world.http_caller(Some(&world.admin_token));
    let (key, parameters) = (Uuid::new_v4().to_string(), json!({"s3uid": s3uid}));
    let (first, twin) = tokio::join!(
        admin.call_with_key("delete_account", &parameters, Some(&key)),
        admin.call_with_key("delete_account", &parameters, Some(&key)),
    );
    let first = first.unwrap().body;
    assert_eq!((&first["result"], &first), (&json!("OK"), &twin.unwrap().body));
    let (_, again) = world.http_admin("delete_account", parameters).await;
    assert_eq!(again["message"], "S3 account not found for this customer");
    assert_eq!(world.sql("SELECT count(*) FROM history.entries WHERE event = 'service.terminated'").await, "1");
}

#[tokio::test]
async fn a_customer_deletes_only_after_the_minimum_term() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let (_, refused) = world.http("delete_account", json!({"s3uid": s3uid})).await;
    let end = world.sql("SELECT to_char(period_end AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM billing.services");
    let message = text(&refused["message"]);
    assert!(message.contains(&end.await) && message.contains("delete_payment_account"), "{message}");
    let free = json!({"plan_id": 4, "bucket_name": world.bucket_name("free")});
    let (_, ordered) = world.http("create_order", free).await;
    let (_, deleted) = world.http("delete_account", json!({"s3uid": ordered["s3uid"], "id": CUSTOMER_ID})).await;
    assert!(deleted["result"] == "OK" && deleted["cancellation_date"].is_string(), "{deleted}");
}

/// The bytes that metering has of the account's uploads.
async fn uploaded(world: &World, s3uid: &str) -> u64 {
    let sum = "SELECT coalesce(sum(bytes_in), 0) FROM metering.usage_records WHERE category = 'put_obj' AND s3uid =";
    world.sql(&format!("{sum} '{s3uid}'")).await.parse().unwrap()
}

#[tokio::test]
async fn nothing_is_deleted_before_the_last_usage_was_read() {
    let mut world = World::start_with(Settings::default(), &["billing", "provisioner", "gateway", "metering"]).await;
    let (s3uid, bucket) = order(&world).await;
    let (store, keys) = store_of(&world, &s3uid).await;
    wait_until(LIMIT, "the location's log is read", async || {
        world.sql("SELECT count(*) FROM metering.log_watermarks WHERE location = 'NL'").await == "1"
    })
    .await;
    world.processes.pop().unwrap().stop().await.unwrap();
    upload(&store, &keys, &bucket, (0..20).map(|n| format!("file-{n}"))).await;
    assert_eq!(uploaded(&world, &s3uid).await, 0);

    world.http_admin("delete_account", json!({"s3uid": s3uid, "wait": 0})).await;
    let locked_out = "SELECT locked_out_at IS NOT NULL AND lease_until = locked_out_at FROM provisioner.purges";
    wait_until(LIMIT, "the customer is locked out", async || world.sql(locked_out).await == "t").await;
    let refused = store.list_objects(&keys, &ListObjects::all(bucket.parse().unwrap())).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    let admin = admin_store(&world);
    let user = admin.user(&s3uid.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(user.access, Some(Access::Suspended));
    let kept = admin.bucket(&bucket).await.unwrap().unwrap();
    assert_eq!(kept.usage.objects, 20);
    world.processes.push(world.deployment.spawn("metering", &[]).await.unwrap());
    wait_until(LIMIT, "the account is gone", async || {
        world.sql("SELECT state FROM provisioner.accounts").await == "deleted"
    })
    .await;
    assert_eq!(uploaded(&world, &s3uid).await, 20 * 7, "read before");
    let order = "SELECT w.complete_until >= p.locked_out_at AND p.finished_at > p.locked_out_at
                 FROM provisioner.purges p, metering.log_watermarks w WHERE w.location = 'NL'";
    assert_eq!(world.sql(order).await, "t");
    let attempts = world.sql("SELECT attempt, failures FROM provisioner.purges").await;
    assert_eq!(attempts, "2|0", "one to lock out, one to delete, none to wait");
}

#[tokio::test]
async fn what_was_used_until_the_deletion_is_known_when_it_is_answered() {
    let world = World::start().await;
    let (s3uid, bucket) = order(&world).await;
    let (store, keys) = store_of(&world, &s3uid).await;
    upload(&store, &keys, &bucket, (0..30).map(|n| format!("file-{n}"))).await;
    let (_, deleted) = world.http_admin("delete_account", json!({"s3uid": s3uid})).await;
    assert_eq!(deleted["result"], "OK", "{deleted}");
    assert_eq!(uploaded(&world, &s3uid).await, 30 * 7);
}

#[tokio::test]
async fn an_account_waits_three_days_for_its_usage_to_be_read_and_no_longer() {
    let mut world = World::start_with(Settings::default(), &["billing", "gateway", "provisioner"]).await;
    world.messages_may_stay();
    let (s3uid, _) = order(&world).await;
    world.http_admin("delete_account", json!({"s3uid": s3uid, "wait": 0})).await;
    let locked_out = async || world.sql("SELECT count(locked_out_at) FROM provisioner.purges").await == "1";
    wait_until(LIMIT, "the customer is locked out", locked_out).await;
    assert_eq!(world.sql("SELECT state FROM provisioner.accounts").await, "deleting");
    world.sql("UPDATE provisioner.purges SET locked_out_at = locked_out_at - interval '3 days'").await;
    wait_until(LIMIT, "the account is gone", async || {
        world.sql("SELECT state FROM provisioner.accounts").await == "deleted"
    })
    .await;
}
