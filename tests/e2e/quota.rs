//! Quotas that change while the account is in use.

use messages::Encoding;
use model::ByteCount;
use object_store::ObjectStore;
use serde_json::json;
use test_support::world::World;
use uuid::Uuid;

use crate::{admin_store, events, order};

#[tokio::test]
async fn billing_changes_an_account_s_quota_once_in_effect() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let store = admin_store(&world);
    let billing = world.amqp("purser-billing").await;
    let set = async |s3uid: &str, bytes: u64| {
        let parameters = json!({"s3uid": s3uid, "quota_bytes": bytes});
        billing.call("set_account_quota", parameters, Encoding::MessagePack, Some(Uuid::new_v4())).await.unwrap()
    };
    // The second changes nothing and says so to nobody.
    for _ in 0..2 {
        let reply = set(&s3uid, 123_456_789).await;
        assert_eq!((&reply["result"], &reply["s3uid"]), (&json!("OK"), &json!(s3uid)), "{reply}");
    }
    let user = store.user(&s3uid.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(user.quota, Some(ByteCount::from_bytes(123_456_789)));
    assert_eq!(world.sql("SELECT quota_bytes FROM provisioner.accounts").await, "123456789");
    let told = events(&world, &s3uid).await;
    assert_eq!(told.iter().filter(|event| *event == "account_quota_changed").count(), 1, "{told:?}");
    let event = "SELECT data FROM history.entries WHERE event = 'account.quota_changed'";
    let data: serde_json::Value = serde_json::from_str(&world.sql(event).await).unwrap();
    let expected = json!({"s3uid": s3uid, "quota_bytes": 123_456_789, "previous_quota_bytes": 100_000_000_000_u64});
    assert_eq!(data, expected);

    let unknown = set("00000000000000000000000000000000", 1).await;
    assert!(unknown["message"].as_str().unwrap().starts_with("there is no account"), "{unknown}");
}

#[tokio::test]
async fn a_quota_that_was_decided_earlier_changes_nothing_any_more() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let billing = world.amqp("purser-billing").await;
    for (bytes, decided_at, expected) in [
        (500_000_000_000_u64, "2026-11-22T12:00:02Z", 500_000_000_000_u64),
        // Sent before, and held up on its way.
        (900_000_000_000, "2026-11-22T12:00:01Z", 500_000_000_000),
        (200_000_000_000, "2026-11-22T12:00:03Z", 200_000_000_000),
    ] {
        let parameters = json!({"s3uid": s3uid, "quota_bytes": bytes, "decided_at": decided_at});
        let set = billing.call("set_account_quota", parameters, Encoding::Json, Some(Uuid::new_v4())).await.unwrap();
        assert_eq!(set["result"], "OK", "{set}");
        let user = admin_store(&world).user(&s3uid.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(user.quota, Some(ByteCount::from_bytes(expected)), "decided at {decided_at}");
        assert_eq!(world.sql("SELECT quota_bytes FROM provisioner.accounts").await, expected.to_string());
    }
}
