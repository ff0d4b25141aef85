//! Commands that nobody waits for, and what their callback keys tell.

use messages::Encoding;
use serde_json::{Value, json};
use test_support::world::{World, wait_until};
use uuid::Uuid;

use crate::{LIMIT, text};

/// Sends a command without waiting; returns its callback key.
async fn send_off(world: &World, action: &str, mut parameters: Value) -> String {
    parameters["wait"] = json!(0);
    let (status, reply) = world.http(action, parameters).await;
    assert_eq!((status, &reply["result"], &reply["action"]), (200, &json!("OK"), &json!(action)), "{reply}");
    text(&reply["callback"])
}

/// Asks until the command has come to an end.
async fn ended(world: &World, key: &str) -> Value {
    let mut last = Value::Null;
    wait_until(LIMIT, "the command's end", async || {
        let (status, reply) = world.post_form("/eq_callback.php", &[("action", "check"), ("key", key)]).await;
        assert_eq!((status, reply.get("code")), (200, None), "{reply}");
        last = reply;
        last["result"] != "Not ready"
    })
    .await;
    last
}

#[tokio::test]
async fn an_order_that_nobody_waits_for_is_followed_to_its_end() {
    let world = World::start().await;
    let bucket = world.bucket_name("async");
    let key = send_off(&world, "create_order", json!({"plan_id": 1, "bucket_name": bucket})).await;
    let done = ended(&world, &key).await;
    let s3uid = text(&done["reply"]["s3uid"]);
    assert_eq!((&done["state"], &done["context"]["id"]), (&json!("done"), &json!(s3uid)), "{done}");
    let (_, info) = world.http("get_user_info", json!({"s3uid": s3uid})).await;
    assert_eq!(info["message"][0]["name"], bucket, "{info}");
    assert_eq!(ended(&world, &key).await, done, "it can be read again");
}

#[tokio::test]
async fn a_refusal_is_told_too() {
    let world = World::start().await;
    for (parameters, message) in [
        (json!({"plan_id": 77, "bucket_name": world.bucket_name("none")}), "S3 plan not found"),
        (json!({"plan_id": 1}), "bucket_name required"),
    ] {
        let key = send_off(&world, "create_order", parameters).await;
        let failed = ended(&world, &key).await;
        assert_eq!((&failed["state"], &failed["scope"]), (&json!("failed"), &json!(message)), "{failed}");
        assert_eq!(failed["reply"], json!({"code": -1, "message": message}));
    }
    assert_eq!(world.sql("SELECT count(*) FROM billing.orders").await, "0");
}

#[tokio::test]
async fn a_command_over_amqp_gets_a_key_on_request() {
    let world = World::start().await;
    let (php, id) = (world.frontend().await, Uuid::new_v4());
    let parameters = json!({"plan_id": 1, "bucket_name": world.bucket_name("php")});
    php.publish_raw(php.message("create_order", parameters, Encoding::MessagePack, Some(id)).unwrap()).await.unwrap();
    let id = id.to_string();
    let register = async |token: &str| {
        let form = [("action", "register"), ("token", token), ("message_id", &id), ("command", "create_order")];
        let (status, reply) = world.post_form("/eq_callback.php", &form).await;
        assert_eq!((status, &reply["result"]), (200, &json!("OK")), "{reply}");
        text(&reply["key"])
    };
    let mine = register(&world.customer_token).await;
    assert_eq!(ended(&world, &mine).await["state"], "done");
    let theirs = register(&world.other_token).await;
    let (_, reply) = world.post_form("/eq_callback.php", &[("action", "check"), ("key", &theirs)]).await;
    assert_eq!(reply["result"], "Not ready", "another customer's command isn't shown: {reply}");
}
