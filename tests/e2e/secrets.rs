//! Secrets are sealed, hashed, and in no log, table or queue that keeps them.

use messages::Encoding;
use serde_json::json;
use test_support::world::World;

use crate::{order, text};

#[tokio::test]
async fn no_secret_is_readable_at_rest() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    let php = world.frontend().await;
    php.call("get_buckets_rmq", json!({"s3uid": s3uid}), Encoding::MessagePack, None).await.unwrap();
    // A token that strays into a message must not go any further either.
    let stray = json!({"s3uid": s3uid, "bucket_name": world.bucket_name("b"), "token": world.customer_token});
    php.call("create_bucket", stray, Encoding::Json, None).await.unwrap();

    let secrets = [text(&account["secret_key"]), world.customer_token.clone(), world.admin_token.clone()];
    let dump = tokio::process::Command::new("pg_dump")
        .args(["--data-only", "--inserts", &world.deployment.database_url().unwrap()])
        .output()
        .await
        .unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let dump = String::from_utf8_lossy(&dump.stdout);
    assert!(dump.contains(&s3uid), "the dump has the data");
    let log: String = world.processes.iter().map(test_support::deployment::Process::log).collect();
    assert!(log.contains("create_order"), "the log has the commands");
    for secret in &secrets {
        assert!(secret.len() >= 32, "a secret");
        // A bytea column is dumped in hex.
        let as_hex = hex::encode(secret);
        for (place, content) in [("database", &*dump), ("log", &log)] {
            assert!(!content.contains(secret) && !content.contains(&as_hex), "a secret lies in the {place}");
        }
    }
}

#[tokio::test]
async fn a_revoked_or_unknown_token_is_refused() {
    let world = World::start().await;
    let token = test_support::world::issue_token(&world.deployment, Some(1)).await.unwrap();
    let (status, _) = world.http_as(&token, "list_plans", json!({})).await;
    assert_eq!(status, 200);
    world.deployment.purser_ok(&["token", "revoke", &token]).await.unwrap();
    for bad in [token.as_str(), "ps_nonsense", "x"] {
        let (status, reply) = world.http_as(bad, "list_plans", json!({})).await;
        assert_eq!((status, &reply["code"], &reply["message"]), (401, &json!(-1), &json!("invalid token")), "{bad}");
    }
}
