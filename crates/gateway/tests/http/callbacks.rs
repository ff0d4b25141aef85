//! Callback keys: what becomes of commands that nobody waits for.

use chrono::TimeDelta;
use messages::Reply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::fixture::{DEADLINE, Fixture, Noted, Settings, refusal, send, send_whole, with_gateway};

async fn call(gateway: &Fixture, form: &[(&str, &str)]) -> (StatusCode, Value) {
    send(gateway.post_to("/eq_callback.php", form)).await
}

async fn check(gateway: &Fixture, key: &str) -> Value {
    let (status, body) = call(gateway, &[("action", "check"), ("key", key)]).await;
    assert_eq!(status, StatusCode::OK);
    body
}

/// Sends a command without waiting; returns its id and its callback key.
async fn send_off(gateway: &Fixture, token: &str) -> (Uuid, String) {
    let form = [("action", "create_order"), ("token", token), ("wait", "0"), ("plan_id", "1")];
    let ((status, headers), body) = send_whole(gateway.post(&form)).await;
    let key = body["callback"].as_str().unwrap_or_else(|| panic!("{body}"));
    assert!(key.len() == 32 && key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{key}");
    let expected = json!({"result": "OK", "action": "create_order", "callback": key});
    assert_eq!((status, &body), (StatusCode::OK, &expected));
    (headers["idempotency-key"].to_str().unwrap().parse().unwrap(), key.to_owned())
}

#[tokio::test]
async fn a_command_is_followed_to_its_end_and_stays_readable() {
    with_gateway(Settings::default(), async |gateway| {
        let token = gateway.customer_token().await;
        let (id, key) = send_off(gateway, &token).await;
        let running = json!({"result": "Not ready", "state": "running", "key": key});
        assert_eq!(check(gateway, &key).await, running, "nobody has taken it");
        gateway.note_command("customer:7", id, "create_order", Noted::Taken).await;
        assert_eq!(check(gateway, &key).await, running);
        sqlx::query("UPDATE shared.commands SET objects_total = 9, objects_deleted = 4")
            .execute(&gateway.pool)
            .await
            .unwrap();
        let progress = check(gateway, &key).await;
        assert_eq!(progress["progress"], json!({"objects_total": 9, "objects_deleted": 4}));

        let reply = json!({"result": "OK", "action": "create_order", "s3uid": "5f8e"});
        gateway.note_command("customer:7", id, "create_order", Noted::Answered(&reply.to_string())).await;
        let done = json!({
            "result": "OK", "state": "done", "scope": "The S3 account is ready.",
            "context": {"action": "create_order", "id": "5f8e", "location": null},
            "reply": reply, "debug": null, "key": key,
        });
        for _ in 0..2 {
            assert_eq!(check(gateway, &key).await, done);
        }
        let by_get = gateway.request(Method::GET, &format!("/eq_callback.php?action=check&key={key}"));
        assert_eq!(send(by_get).await, (StatusCode::OK, done));

        gateway.clock.advance(TimeDelta::days(7));
        assert_eq!(check(gateway, &key).await, json!({"code": -1, "message": "AsyncKey not found"}));
    })
    .await;
}

#[tokio::test]
async fn failed_cancelled_and_secret_are_told_apart() {
    with_gateway(Settings::default(), async |gateway| {
        let token = gateway.customer_token().await;
        for (reply, state, scope) in [
            (json!({"code": -1, "message": "S3 plan not found"}), "failed", "S3 plan not found"),
            (
                json!({"code": -1, "message": "it took too long", "details": {"cancelled": true}}),
                "cancelled",
                "it took too long",
            ),
        ] {
            let (id, key) = send_off(gateway, &token).await;
            gateway.note_command("customer:7", id, "create_order", Noted::Answered(&reply.to_string())).await;
            let shown = check(gateway, &key).await;
            let shown = (&shown["result"], &shown["state"], &shown["scope"], &shown["reply"]);
            assert_eq!(shown, (&json!("OK"), &json!(state), &json!(scope), &reply));
        }
        let (id, key) = send_off(gateway, &token).await;
        gateway.note_command("customer:7", id, "create_order", Noted::AnsweredSecretly).await;
        let secret = check(gateway, &key).await;
        assert_eq!((&secret["state"], secret.get("reply")), (&json!("done"), None));
        assert!(secret["scope"].as_str().unwrap().contains("Idempotency-Key"), "{secret}");
    })
    .await;
}

#[tokio::test]
async fn a_command_that_is_not_waited_for_is_answered_to_nobody() {
    with_gateway(Settings::default(), async |gateway| {
        let (arrived, mut arriving) = mpsc::unbounded_channel();
        let answer = move |delivery: messages::Delivery| {
            arrived.send(delivery).unwrap();
            async { Reply::success("create_order", &json!({})) }
        };
        let token = gateway.customer_token().await;
        let (id, _) = send_off(gateway, &token).await;
        let worker = gateway.answer("s3.billing", answer).await;
        let delivery = tokio::time::timeout(DEADLINE, arriving.recv()).await.unwrap().unwrap();
        let address = Some("reply.nobody".to_owned());
        assert_eq!((delivery.message_id, delivery.reply_to), (Some(id.to_string()), address));
        let body: Value = serde_json::from_slice(&delivery.body).unwrap();
        assert_eq!(body, json!({"plan_id": "1", "principal": {"customer_id": 7, "role": "customer"}}));
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_nobody_takes_is_refused() {
    with_gateway(Settings::default(), async |gateway| {
        let token = gateway.customer_token().await;
        let form = [("action", "create_bucket"), ("token", token.as_str()), ("wait", "0")];
        let message = "nobody works on this kind of request at the moment; nothing was done, please try again";
        assert_eq!(send(gateway.post(&form)).await, refusal(503, message));
    })
    .await;
}

#[tokio::test]
async fn waiting_is_a_matter_of_commands_and_has_a_limit() {
    with_gateway(Settings::default(), async |gateway| {
        let (commands, queries) = (gateway.echo("s3.billing").await, gateway.echo("s3.billing.queries").await);
        let token = gateway.customer_token().await;
        let call = async |action: &'static str, wait: &'static str| {
            send(gateway.post(&[("action", action), ("token", &token), ("wait", wait)])).await
        };
        for (action, wait) in [("create_order", "30"), ("create_order", "1"), ("list_plans", "0"), ("list_plans", "x")]
        {
            let (status, reply) = call(action, wait).await;
            let body = json!({"principal": {"customer_id": 7, "role": "customer"}});
            assert_eq!((status, &reply["echo"]["body"]), (StatusCode::OK, &body), "{action} {wait}: {reply}");
        }
        for wait in ["31", "-1", "1.5", "soon"] {
            let rule = "wait must be an integer from 0 to 30 (seconds)";
            assert_eq!(call("create_order", wait).await, refusal(200, rule), "{wait}");
        }
        commands.stop().await;
        queries.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_publisher_gets_a_key_for_its_own_commands_only() {
    with_gateway(Settings::default(), async |gateway| {
        let token = gateway.customer_token().await;
        let (mine, theirs) = (Uuid::new_v4(), Uuid::new_v4());
        let reply = json!({"result": "OK", "action": "create_bucket", "message": {"status": "success"}}).to_string();
        gateway.note_command("customer:7", mine, "create_bucket", Noted::Answered(&reply)).await;
        gateway.note_command("customer:8", theirs, "create_bucket", Noted::Answered(&reply)).await;
        for (id, state) in [(mine, "done"), (theirs, "running")] {
            let id = id.to_string();
            let form =
                [("action", "register"), ("token", token.as_str()), ("message_id", &id), ("command", "create_bucket")];
            let (status, body) = call(gateway, &form).await;
            assert_eq!((status, &body["result"]), (StatusCode::OK, &json!("OK")));
            assert_eq!(check(gateway, body["key"].as_str().unwrap()).await["state"], state);
        }
    })
    .await;
}

#[tokio::test]
async fn mistakes_are_named() {
    with_gateway(Settings::default(), async |gateway| {
        let token = gateway.customer_token().await;
        let token = token.as_str();
        let id = Uuid::new_v4().to_string();
        let register = ("action", "register");
        let bad_id = "message_id must be the UUID under which the command was sent";
        let bad_command = "command must be the name of an action that changes something";
        for (form, status, message) in [
            (vec![], 200, "action required"),
            (vec![("action", "forget")], 200, "unknown action \"forget\""),
            (vec![("action", "check")], 200, "key required"),
            (vec![("action", "check"), ("key", "0123456789abcdef0123456789abcdef")], 200, "AsyncKey not found"),
            (vec![register], 401, "token required"),
            (vec![register, ("token", "ps_x")], 401, "invalid token"),
            (vec![register, ("token", token), ("message_id", "7"), ("command", "create_bucket")], 200, bad_id),
            (vec![register, ("token", token), ("command", "create_bucket")], 200, bad_id),
            (vec![register, ("token", token), ("message_id", &id)], 200, bad_command),
            (vec![register, ("token", token), ("message_id", &id), ("command", "list_plans")], 200, bad_command),
            (vec![register, ("token", token), ("message_id", &id), ("command", "purge_account")], 200, bad_command),
        ] {
            assert_eq!(call(gateway, &form).await, refusal(status, message), "{form:?}");
        }
        let by_get = gateway.request(Method::GET, "/eq_callback.php?action=register&command=create_bucket");
        assert_eq!(send(by_get).await, refusal(405, "register must be called by POST"));
    })
    .await;
}

#[tokio::test]
async fn expired_keys_are_forgotten() {
    with_gateway(Settings::default(), async |gateway| {
        let token = gateway.customer_token().await;
        send_off(gateway, &token).await;
        gateway.clock.advance(TimeDelta::days(7));
        let count = async || {
            let (count,): (i64,) =
                sqlx::query_as("SELECT count(*) FROM auth.callbacks").fetch_one(&gateway.pool).await.unwrap();
            count
        };
        assert_eq!(count().await, 1);
        gateway.with_another(async || count().await == 0).await;
    })
    .await;
}
