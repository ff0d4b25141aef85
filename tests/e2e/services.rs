//! What becomes of services in the course of time.

use serde_json::json;
use test_support::world::{World, wait_until};

use crate::{LIMIT, events, order};

#[tokio::test]
async fn a_cancellation_gives_the_same_dates_twice_and_can_be_withdrawn() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let parameters = json!({"s3uid": s3uid});
    let (_, first) = world.http("delete_payment_account", parameters.clone()).await;
    let (_, second) = world.http("delete_payment_account", parameters.clone()).await;
    assert_eq!((&first["result"], &first), (&json!("OK"), &second));
    let (_, withdrawn) = world.http("cancel_payment_account_deletion", parameters.clone()).await;
    let expected = json!({
        "result": "OK", "action": "cancel_payment_account_deletion", "termination_date": first["termination_date"],
    });
    assert_eq!(withdrawn, expected);
    let (_, again) = world.http("cancel_payment_account_deletion", parameters).await;
    assert_eq!(again["message"], "the S3 account's service is not cancelled");
    let told = events(&world, &s3uid).await;
    assert_eq!(told[4..], ["service_cancelled", "service_cancellation_withdrawn"]);
}

#[tokio::test]
async fn a_cancelled_account_ends_on_its_date_and_not_before() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    world.http("delete_payment_account", json!({"s3uid": s3uid})).await;
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    assert_eq!(account["result"], "OK", "it works until then: {account}");
    world.sql("UPDATE billing.services SET termination_at = now()").await;
    wait_until(LIMIT, "the account has ended", async || {
        world.sql("SELECT state FROM billing.services").await == "deleted"
    })
    .await;
    let (_, gone) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    assert_eq!(gone["message"], "S3 account not found for this customer");
    let told = events(&world, &s3uid).await;
    assert_eq!(told[4..], ["service_cancelled", "service_terminated", "account_deleted", "service_ended"]);
}

#[tokio::test]
async fn periods_follow_one_another() {
    let world = World::start_with(test_support::deployment::Settings::default(), &["all", "billing"]).await;
    let (s3uid, _) = order(&world).await;
    let earlier = "UPDATE billing.services SET created_at = created_at - interval '70 days',
                       period_start = period_start - interval '70 days', period_end = period_end - interval '70 days'";
    world.sql(earlier).await;
    wait_until(LIMIT, "the running period is the one of today", async || {
        world.sql("SELECT period_start <= now() AND period_end > now() FROM billing.services").await == "t"
    })
    .await;
    let number: usize = world.sql("SELECT period_number FROM billing.services").await.parse().unwrap();
    assert!((3..=4).contains(&number), "{number}");
    let told = events(&world, &s3uid).await;
    assert_eq!(told[4..], vec!["service_renewed"; number - 1], "once each, however many processes run");
}
