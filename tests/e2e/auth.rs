//! Logging in with an API key, as programs of customers do.

use serde_json::json;
use test_support::deployment::Settings;
use test_support::world::World;

use crate::{order_as, text};

#[tokio::test]
async fn a_program_logs_in_with_its_key_until_an_operator_takes_it_back() {
    let world = World::start().await;
    let key = world.deployment.purser_ok(&["api-key", "issue", "--customer", "1", "--ttl", "365d"]).await.unwrap();
    let login = [("action", "login"), ("key", key.as_str())];
    let (status, body) = world.post_form("/auth.php", &login).await;
    assert_eq!((status, &body["result"]["customer_id"]), (200, &json!(1)), "{body}");
    let token = text(&body["result"]["token"]);
    let (s3uid, _) = order_as(&world, &token).await;
    let (_, reply) = world.http("get_user_info", json!({"s3uid": s3uid})).await;
    assert_eq!(reply["result"], "OK", "the account is customer 1's: {reply}");

    let listed = world.deployment.purser_ok(&["api-key", "list"]).await.unwrap();
    let id = listed.split_whitespace().next().unwrap();
    assert!(listed.contains("customer:1") && !listed.contains(&key), "{listed}");
    world.deployment.purser_ok(&["api-key", "revoke", id]).await.unwrap();
    let (status, body) = world.http_as(&token, "list_plans", json!({})).await;
    assert_eq!((status, body), (401, json!({"code": -1, "message": "invalid token"})));
    let (status, body) = world.post_form("/auth.php", &login).await;
    assert_eq!((status, body), (401, json!({"code": -1, "message": "invalid API key"})));
    assert!(world.deployment.purser(&["api-key", "revoke", id]).await.is_ok_and(|output| !output.status.success()));
}

#[tokio::test]
async fn an_api_key_is_for_somebody() {
    let world = World::start_with(Settings::default(), &[]).await;
    for arguments in [&["api-key", "issue"][..], &["api-key", "issue", "--customer", "0"], &["api-key", "revoke", "x"]]
    {
        let output = world.deployment.purser(arguments).await.unwrap();
        assert!(!output.status.success(), "{arguments:?}");
    }
    let key = world.deployment.purser_ok(&["api-key", "issue", "--admin", "--description", "a bot"]).await.unwrap();
    assert!(key.starts_with("pk_") && !key.contains(char::is_whitespace), "one word, for scripts");
    let stored = world.sql("SELECT row_to_json(k) FROM auth.api_keys k").await;
    assert!(stored.contains("a bot") && !stored.contains(&key), "{stored}");
}
