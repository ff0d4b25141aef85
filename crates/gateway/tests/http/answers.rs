//! What callers read, from their own mistakes to a role's reply.

use model::Principal;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::fixture::{Settings, refusal, send, send_whole, with_gateway};

#[tokio::test]
async fn a_query_carries_parameters_and_principal_and_brings_the_reply() {
    with_gateway(Settings::default(), async |gateway| {
        let worker = gateway.echo("s3.billing.queries").await;
        let token = gateway.customer_token().await;
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let request = gateway
            .request(Method::GET, "/s3.php?action=history&id=3&filter[kind]=x&list[]=a&list[]=b")
            .bearer_auth(&token)
            .header("traceparent", traceparent);
        let (status, reply) = send(request).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!((&reply["result"], &reply["action"]), (&json!("OK"), &json!("history")));
        let echo = &reply["echo"];
        assert_eq!(
            echo["body"],
            json!({
                "id": "3", "filter": {"kind": "x"}, "list": ["a", "b"],
                "principal": {"customer_id": 7, "role": "customer"},
            })
        );
        assert_eq!(echo["type"], "history");
        assert_eq!(echo["content_type"], "application/json");
        assert_eq!(echo["publisher"], gateway.broker_user());
        assert_eq!(echo["traceparent"], traceparent);
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_command_travels_under_its_idempotency_key() {
    with_gateway(Settings::default(), async |gateway| {
        let worker = gateway.echo("s3.billing").await;
        let token = gateway.token(Principal::Admin(None)).await;
        let body = json!({"action": "create_order", "token": token, "plan_id": 5, "principal": {"role": "customer"}});
        let request = |key: Option<&'static str>| {
            let request = gateway.request(Method::POST, "/s3.php?plan_id=4").json(&body);
            key.into_iter().fold(request, |request, key| request.header("Idempotency-Key", key))
        };
        let (status, reply) = send(request(Some("0198c0de-0000-7000-8000-000000000001"))).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(reply["echo"]["message_id"], "0198c0de-0000-7000-8000-000000000001");
        assert_eq!(reply["echo"]["body"], json!({"plan_id": 5, "principal": {"customer_id": null, "role": "admin"}}));
        let mut ids = Vec::new();
        for key in [Some("order 17"), Some("order 17"), None, None] {
            ids.push(send(request(key)).await.1["echo"]["message_id"].clone());
        }
        assert_eq!(ids[0], ids[1]);
        assert!(ids[1] != ids[2] && ids[2] != ids[3], "{ids:?}");
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_role_s_words_are_passed_on_as_they_are() {
    with_gateway(Settings::default(), async |gateway| {
        let text = "{\"code\":-1, \"message\":\"S3 account not found for this customer\",\"n\":1.10}";
        let answer = async |_| messages::Reply::from_json_text(text.to_owned());
        let worker = gateway.answer("s3.billing.queries", answer).await;
        let token = gateway.customer_token().await;
        let response = gateway.post(&[("action", "list_plans"), ("token", &token)]).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.text().await.unwrap(), text);
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn mistakes_are_named_in_order() {
    with_gateway(Settings::default(), async |gateway| {
        for (form, status, message) in [
            (vec![], 200, "action required"),
            (vec![("action", ""), ("token", "x")], 200, "action required"),
            (vec![("action", "nonsense")], 200, "unknown action \"nonsense\""),
            (vec![("action", "provision_account")], 200, "unknown action \"provision_account\""),
            (vec![("action", "list_plans")], 401, "token required"),
        ] {
            assert_eq!(send(gateway.post(&form)).await, refusal(status, message));
        }
        let ((status, headers), body) = send_whole(gateway.request(Method::GET, "/s3.php?action=create_order")).await;
        assert_eq!((status, body), refusal(405, "create_order must be called by POST"));
        assert_eq!(headers["allow"], "POST");
        let ((status, headers), body) = send_whole(gateway.request(Method::PUT, "/s3.php")).await;
        assert_eq!((status, body), refusal(405, "this path must be called by GET, POST"));
        assert_eq!(headers["allow"], "GET, POST");
        for path in ["/", "/s4.php", "/s3.php/x"] {
            let answer = send(gateway.request(Method::POST, path)).await;
            assert_eq!(answer, refusal(404, "no such path; the API is at /s3.php"));
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_that_are_not_read_are_refused() {
    with_gateway(Settings::default(), async |gateway| {
        let large = "x".repeat(5000);
        let answer = send(gateway.post(&[("action", "list_plans"), ("a", &large)])).await;
        assert_eq!(answer, refusal(413, "the body may have at most 4096 bytes"));
        let post = || gateway.request(Method::POST, "/s3.php?action=list_plans");
        let xml = send(post().header("content-type", "text/xml").body("<a/>")).await;
        let types = "the body must be application/x-www-form-urlencoded or application/json, not text/xml";
        assert_eq!(xml, refusal(415, types));
        let broken = send(post().header("content-type", "application/json").body("{")).await;
        let json = "the body is no valid JSON: EOF while parsing an object at line 1 column 1";
        assert_eq!(broken, refusal(400, json));
    })
    .await;
}
