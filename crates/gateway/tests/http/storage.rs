//! `/storage/…`: methods, paths, and one envelope for every answer.

use bus::Topology;
use messages::{Refusal, Reply, RoleName};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::fixture::{Fixture, Settings, send, send_whole, storage_refusal, with_gateway};

const IMPATIENT: Settings = Settings { reply_wait_seconds: 1, ..Settings::DEFAULT };

#[tokio::test]
async fn paths_and_bodies_become_parameters() {
    with_gateway(Settings::default(), async |gateway| {
        let queries = gateway.echo("s3.billing.queries").await;
        let commands = gateway.echo("s3.billing").await;
        let token = gateway.customer_token().await;
        let of = |method, path: &str| gateway.request(method, path).bearer_auth(&token);
        for (request, action, parameters) in [
            (of(Method::GET, "/storage/prices"), "storage_prices", json!({})),
            (of(Method::GET, "/storage/info"), "storage_info", json!({})),
            (of(Method::GET, "/storage/info/st%2D7?name=other"), "storage_info", json!({"name": "st-7"})),
            (
                of(Method::POST, "/storage/create").form(&[("name", "PS100")]),
                "storage_create",
                json!({"name": "PS100"}),
            ),
            (of(Method::POST, "/storage/create?name=PS100"), "storage_create", json!({"name": "PS100"})),
            (
                of(Method::POST, "/storage/create").json(&json!({"name": "PS100", "id": 9})),
                "storage_create",
                json!({"name": "PS100", "id": 9}),
            ),
            (of(Method::DELETE, "/storage/delete/st-7"), "storage_delete", json!({"name": "st-7"})),
            (of(Method::POST, "/storage/delete/st-7"), "storage_delete", json!({"name": "st-7"})),
            (of(Method::DELETE, "/storage/undelete/st-7"), "storage_undelete", json!({"name": "st-7"})),
        ] {
            let (status, reply) = send(request.header("Idempotency-Key", "a key")).await;
            let code = if action == "storage_create" { 201 } else { 200 };
            assert_eq!((status.as_u16(), &reply["code"]), (code, &json!(code)), "{reply}");
            let echo = &reply["result"]["echo"];
            let mut expected = parameters;
            expected["principal"] = json!({"customer_id": 7, "role": "customer"});
            assert_eq!((&echo["type"], &echo["body"]), (&json!(action), &expected));
            assert_eq!(echo["message_id"], "47b5a5aa-d0d7-57bf-ac12-f67a9304443e");
        }
        queries.stop().await;
        commands.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_role_s_code_is_the_status() {
    with_gateway(Settings::default(), async |gateway| {
        let answer = async |delivery: messages::Delivery| {
            let action = delivery.message_type.unwrap_or_default();
            let body = String::from_utf8(delivery.body).unwrap();
            match body.as_str() {
                body if body.contains("missing") => Reply::refused(&action, &Refusal::not_found("no such package")),
                body if body.contains("nonsense") => {
                    Reply::from_json_text("{\"code\":-1,\"message\":\"?\"}".to_owned())
                }
                _ => Reply::refused(&action, &Refusal::conflict("it is locked")),
            }
        };
        let worker = gateway.answer("s3.billing", answer).await;
        let token = gateway.customer_token().await;
        let delete = |name| gateway.request(Method::DELETE, &format!("/storage/delete/{name}")).bearer_auth(&token);
        assert_eq!(send(delete("missing")).await, storage_refusal(404, "no such package"));
        assert_eq!(send(delete("locked")).await, storage_refusal(409, "it is locked"));
        let unreadable = "the answer can't be read; the operators have been told";
        assert_eq!(send(delete("nonsense")).await, storage_refusal(502, unreadable));
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_new_password_is_kept_by_nobody_on_the_way() {
    with_gateway(Settings::default(), async |gateway| {
        let admin = gateway.admin().await;
        Topology::of_role(RoleName::Provisioner).declare(&admin).await.unwrap();
        let answer = async |_| Reply::success("storage_newpassword", &json!({"password": "geheim"})).secret();
        let worker = gateway.answer("s3.provisioner", answer).await;
        let token = gateway.customer_token().await;
        let request = gateway.request(Method::GET, &format!("/storage/newpassword/st-7?token={token}"));
        // `send` checks that it says `Cache-Control: no-store`.
        let expected = json!({"code": 200, "message": "ok", "result": {"password": "geheim"}});
        assert_eq!(send(request).await, (StatusCode::OK, expected));
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn every_fault_has_the_envelope() {
    with_gateway(Settings { requests_per_customer_max: 1, ..IMPATIENT }, async |gateway| {
        let token = gateway.customer_token().await;
        let of = |method, path: &str| gateway.request(method, path).bearer_auth(&token);
        let anonymous = |method, path: &str| gateway.request(method, path);
        let paths = "no such path; there are /storage/prices, info, create, delete, undelete and newpassword";
        let large = "x".repeat(5000);
        let media = "the body must be application/x-www-form-urlencoded or application/json, not text/xml";
        let nobody = "nobody works on this kind of request at the moment; nothing was done, please try again";
        for (request, status, message) in [
            (anonymous(Method::GET, "/storage/prices"), 401, "token required"),
            (anonymous(Method::GET, "/storage/prices?token=x"), 401, "invalid token"),
            (of(Method::GET, "/storage"), 404, paths),
            (of(Method::GET, "/storage/"), 404, paths),
            (of(Method::GET, "/storage/nonsense/a"), 404, paths),
            (of(Method::GET, "/storage/create"), 405, "this path must be called by POST"),
            (of(Method::GET, "/storage/delete/a"), 405, "this path must be called by DELETE, POST"),
            (of(Method::POST, "/storage/create").form(&[("a", &large)]), 413, "the body may have at most 4096 bytes"),
            (of(Method::POST, "/storage/create").header("content-type", "text/xml").body("<a/>"), 415, media),
            (
                of(Method::POST, "/storage/create").form(&[("wait", "2")]),
                422,
                "wait must be an integer from 0 to 1 (seconds)",
            ),
            (of(Method::GET, "/storage/newpassword/a"), 503, nobody),
            (of(Method::GET, "/storage/info"), 504, "no answer within 1 seconds; please try again"),
        ] {
            assert_eq!(send(request).await, storage_refusal(status, message));
        }
        too_many(gateway, &token).await;
    })
    .await;
}

async fn too_many(gateway: &Fixture, token: &str) {
    let (arrived, release) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let (arrived, release) = (std::sync::Arc::new(arrived), std::sync::Arc::new(release));
    let worker = {
        let (arrived, release) = (arrived.clone(), release.clone());
        let answer = move |_| {
            let (arrived, release) = (arrived.clone(), release.clone());
            async move {
                arrived.notify_one();
                release.notified().await;
                Reply::success("storage_prices", &json!([]))
            }
        };
        gateway.answer("s3.billing.queries", answer).await
    };
    let prices = || gateway.request(Method::GET, "/storage/prices").bearer_auth(token);
    let first = tokio::spawn(send(prices()));
    arrived.notified().await;
    let message = "1 of your requests are being worked on; wait for one of them to be answered";
    assert_eq!(send(prices()).await, storage_refusal(429, message));
    release.notify_one();
    let _ = first.await.unwrap();
    worker.stop().await;
}

#[tokio::test]
async fn what_takes_long_is_accepted() {
    with_gateway(IMPATIENT, async |gateway| {
        let token = gateway.customer_token().await;
        let request = gateway.request(Method::DELETE, "/storage/delete/st-7").bearer_auth(&token);
        let ((status, headers), body) = send_whole(request.header("Idempotency-Key", "a key")).await;
        assert_eq!((status, &body["code"], &body["message"]), (StatusCode::ACCEPTED, &json!(202), &json!("accepted")));
        assert_eq!(headers["idempotency-key"], "47b5a5aa-d0d7-57bf-ac12-f67a9304443e");
        let key = body["result"]["callback"].as_str().unwrap();
        let check = send(gateway.post_to("/eq_callback.php", &[("action", "check"), ("key", key)])).await;
        assert_eq!(check, (StatusCode::OK, json!({"result": "Not ready", "state": "running", "key": key})));
    })
    .await;
}
