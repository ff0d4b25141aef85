//! `auth.php`: API keys, logins, and what becomes of their tokens.

use std::net::{IpAddr, Ipv4Addr};

use chrono::TimeDelta;
use gateway::api_keys;
use model::{Clock, CustomerId, Principal};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::fixture::{Fixture, Settings, refusal, send, send_whole, with_gateway};

const CUSTOMER: Principal = Principal::Customer(CustomerId(7));

async fn api_key(gateway: &Fixture, principal: Principal, ttl: Option<TimeDelta>) -> (i64, String) {
    let (id, key) = api_keys::issue(&gateway.pool, principal, ttl, None, &gateway.clock).await.unwrap();
    (id, key.expose_secret().to_owned())
}

async fn call(gateway: &Fixture, form: &[(&str, &str)]) -> (StatusCode, Value) {
    send(gateway.post_to("/auth.php", form)).await
}

async fn log_in(gateway: &Fixture, key: &str) -> String {
    let (status, body) = call(gateway, &[("action", "login"), ("key", key)]).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["result"]["token"].as_str().unwrap().to_owned()
}

async fn info(gateway: &Fixture, token: &str) -> (StatusCode, Value) {
    call(gateway, &[("action", "info"), ("token", token)]).await
}

#[tokio::test]
async fn a_key_gets_a_token_that_works_until_it_is_logged_out() {
    with_gateway(Settings::default(), async |gateway| {
        let (_, key) = api_key(gateway, CUSTOMER, None).await;
        assert!(key.starts_with("pk_") && key.len() == 46, "{} characters", key.len());
        let (status, body) = call(gateway, &[("action", "login"), ("key", &key)]).await;
        let result = &body["result"];
        let token = result["token"].as_str().unwrap();
        let expires_at = (gateway.clock.now() + TimeDelta::hours(2)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
        assert!(token.starts_with("ps_"));
        let expected = json!({
            "result": {
                "token": token, "role": "customer", "customer_id": 7, "expires_at": expires_at, "ttl": 7200, "fix_ip": 0,
            },
            "action": "login",
        });
        assert_eq!((status, &body), (StatusCode::OK, &expected));

        let worker = gateway.echo("s3.billing.queries").await;
        let (status, reply) = send(gateway.post(&[("action", "list_plans"), ("token", token)])).await;
        assert_eq!((status, &reply["echo"]["body"]["principal"]["customer_id"]), (StatusCode::OK, &json!(7)));
        worker.stop().await;

        let (_, about) = info(gateway, token).await;
        let about = &about["result"];
        assert_eq!((&about["role"], &about["customer_id"], &about["fix_ip"]), (&json!("customer"), &json!(7), &json!(0)));
        assert_eq!(about["expires_at"], expires_at.as_str());
        let actions = about["actions"].as_array().unwrap();
        for (name, allowed) in
            [("create_bucket", true), ("storage_info", true), ("update_traffic_info", false), ("purge_account", false)]
        {
            assert_eq!(actions.contains(&json!(name)), allowed, "{name}");
        }
        let out = call(gateway, &[("action", "logout"), ("token", token)]).await;
        assert_eq!(out, (StatusCode::OK, json!({"result": "OK", "action": "logout"})));
        assert_eq!(info(gateway, token).await, refusal(401, "invalid token"));
        assert_eq!(call(gateway, &[("action", "logout"), ("token", token)]).await, refusal(401, "invalid token"));
    })
    .await;
}

#[tokio::test]
async fn an_administrator_logs_in_too_by_query_or_json() {
    with_gateway(Settings::default(), async |gateway| {
        let (_, key) = api_key(gateway, Principal::Admin(None), None).await;
        let by_query = gateway.request(Method::GET, &format!("/auth.php?action=login&key={key}&ttl=60"));
        let by_json = json!({"action": "login", "key": key, "ttl": 60, "fix_ip": false});
        for request in [by_query, gateway.request(Method::POST, "/auth.php").json(&by_json)] {
            let (status, body) = send(request).await;
            let result = &body["result"];
            assert_eq!((status, &result["role"]), (StatusCode::OK, &json!("admin")), "{body}");
            assert_eq!((&result["customer_id"], &result["ttl"]), (&json!(null), &json!(60)));
            let (_, about) = info(gateway, result["token"].as_str().unwrap()).await;
            assert!(about["result"]["actions"].as_array().unwrap().contains(&json!("update_traffic_info")));
        }
    })
    .await;
}

#[tokio::test]
async fn mistakes_are_named() {
    with_gateway(Settings::default(), async |gateway| {
        let (_, key) = api_key(gateway, CUSTOMER, None).await;
        let ttl = "ttl must be an integer from 60 to 86400 (seconds)";
        for (form, status, message) in [
            (vec![], 200, "action required"),
            (vec![("action", "list_plans")], 200, "unknown action \"list_plans\""),
            (vec![("action", "login")], 200, "key required"),
            (vec![("action", "login"), ("key", &key), ("ttl", "59")], 200, ttl),
            (vec![("action", "login"), ("key", &key), ("ttl", "86401")], 200, ttl),
            (vec![("action", "login"), ("key", &key), ("fix_ip", "2")], 200, "fix_ip must be 0 or 1"),
            (vec![("action", "login"), ("key", "pk_nonsense")], 401, "invalid API key"),
            (vec![("action", "info")], 401, "token required"),
            (vec![("action", "info"), ("token", "ps_nonsense")], 401, "invalid token"),
            (vec![("action", "logout")], 401, "token required"),
        ] {
            assert_eq!(call(gateway, &form).await, refusal(status, message));
        }
        let put = send(gateway.request(Method::PUT, "/auth.php")).await;
        assert_eq!(put, refusal(405, "this path must be called by GET, POST"));
    })
    .await;
}

#[tokio::test]
async fn a_revoked_key_takes_its_tokens_along() {
    with_gateway(Settings::default(), async |gateway| {
        let (id, key) = api_key(gateway, CUSTOMER, None).await;
        let (_, other_key) = api_key(gateway, CUSTOMER, None).await;
        let (token, other_token) = (log_in(gateway, &key).await, log_in(gateway, &other_key).await);
        assert!(api_keys::revoke(&gateway.pool, id, &gateway.clock).await.unwrap());
        assert!(!api_keys::revoke(&gateway.pool, id, &gateway.clock).await.unwrap(), "only once");
        assert_eq!(info(gateway, &token).await, refusal(401, "invalid token"));
        assert_eq!(call(gateway, &[("action", "login"), ("key", &key)]).await, refusal(401, "invalid API key"));
        assert_eq!(info(gateway, &other_token).await.0, StatusCode::OK);
        let listed = api_keys::list(&gateway.pool).await.unwrap();
        let shown: Vec<_> = listed.iter().map(|key| (key.principal, key.revoked_at.is_some())).collect();
        assert_eq!(shown, [(CUSTOMER, true), (CUSTOMER, false)]);
    })
    .await;
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_with_its_key_s() {
    with_gateway(Settings::default(), async |gateway| {
        let (_, key) = api_key(gateway, CUSTOMER, Some(TimeDelta::minutes(90))).await;
        let short = [("action", "login"), ("key", key.as_str()), ("ttl", "60")];
        let short = call(gateway, &short).await.1["result"]["token"].as_str().unwrap().to_owned();
        let (_, capped) = call(gateway, &[("action", "login"), ("key", &key)]).await;
        assert_eq!(capped["result"]["ttl"], 5400);
        gateway.clock.advance(TimeDelta::seconds(60));
        assert_eq!(info(gateway, &short).await, refusal(401, "token expired"));
        gateway.clock.advance(TimeDelta::minutes(89));
        assert_eq!(info(gateway, capped["result"]["token"].as_str().unwrap()).await, refusal(401, "token expired"));
        assert_eq!(call(gateway, &[("action", "login"), ("key", &key)]).await, refusal(401, "invalid API key"));
    })
    .await;
}

#[tokio::test]
async fn a_bound_token_counts_from_one_address_only() {
    const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    with_gateway(Settings { trusted_proxies: &[PROXY], ..Settings::DEFAULT }, async |gateway| {
        let (_, key) = api_key(gateway, CUSTOMER, None).await;
        let from = async |address: &str, form: &[(&str, &str)]| {
            send(gateway.post_to("/auth.php", form).header("X-Forwarded-For", address)).await
        };
        let login = [("action", "login"), ("key", key.as_str()), ("fix_ip", "1")];
        let (_, body) = from("203.0.113.9, 192.0.2.1", &login).await;
        assert_eq!(body["result"]["fix_ip"], 1);
        let token = body["result"]["token"].as_str().unwrap();
        let ask = [("action", "info"), ("token", token)];
        let bound = || refusal(401, "invalid token: bound to another address");
        for (address, is_same) in [
            ("192.0.2.1", true),
            ("198.51.100.3, 192.0.2.1", true),
            ("192.0.2.2", false),
            ("192.0.2.1, 192.0.2.2", false),
        ] {
            let answer = from(address, &ask).await;
            if is_same {
                assert_eq!((answer.0, &answer.1["result"]["fix_ip"]), (StatusCode::OK, &json!(1)), "{address}");
            } else {
                assert_eq!(answer, bound(), "{address}");
            }
        }
        assert_eq!(call(gateway, &ask).await, bound(), "the proxy itself");
        let elsewhere = gateway.post(&[("action", "list_plans"), ("token", token)]);
        assert_eq!(send(elsewhere).await, bound());
    })
    .await;
}

#[tokio::test]
async fn nobody_but_a_trusted_proxy_says_where_a_request_comes_from() {
    with_gateway(Settings::default(), async |gateway| {
        let (_, key) = api_key(gateway, CUSTOMER, None).await;
        let login = [("action", "login"), ("key", key.as_str()), ("fix_ip", "1")];
        let request = gateway.post_to("/auth.php", &login).header("X-Forwarded-For", "192.0.2.1");
        let token = send(request).await.1["result"]["token"].as_str().unwrap().to_owned();
        assert_eq!(info(gateway, &token).await.0, StatusCode::OK, "bound to the peer's address");
        let pretended = gateway.post_to("/auth.php", &[("action", "info"), ("token", &token)]);
        assert_eq!(send(pretended.header("X-Forwarded-For", "192.0.2.2")).await.0, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn whoever_tries_keys_has_to_wait() {
    with_gateway(Settings::default(), async |gateway| {
        let (_, key) = api_key(gateway, CUSTOMER, None).await;
        for _ in 0..10 {
            assert_eq!(call(gateway, &[("action", "login"), ("key", "pk_x")]).await, refusal(401, "invalid API key"));
        }
        let ((status, headers), body) =
            send_whole(gateway.post_to("/auth.php", &[("action", "login"), ("key", &key)])).await;
        let message = "too many failed logins from your address; try again in 301 seconds";
        assert_eq!((status, body), refusal(429, message));
        assert_eq!(headers["retry-after"], "301");
        gateway.clock.advance(TimeDelta::minutes(5));
        log_in(gateway, &key).await;
    })
    .await;
}

#[tokio::test]
async fn tokens_of_logins_are_forgotten_a_day_after_their_end() {
    with_gateway(Settings::default(), async |gateway| {
        let (_, key) = api_key(gateway, CUSTOMER, None).await;
        let (expired, by_operator) = (log_in(gateway, &key).await, gateway.customer_token().await);
        gateway.clock.advance(TimeDelta::hours(27));
        let valid = log_in(gateway, &key).await;
        let count = async || {
            let (count,): (i64,) =
                sqlx::query_as("SELECT count(*) FROM auth.tokens").fetch_one(&gateway.pool).await.unwrap();
            count
        };
        assert_eq!(count().await, 3);
        gateway.with_another(async || count().await == 2).await;
        for (token, message) in [(&expired, "invalid token"), (&by_operator, "token expired")] {
            assert_eq!(info(gateway, token).await, refusal(401, message));
        }
        assert_eq!(info(gateway, &valid).await.0, StatusCode::OK);
    })
    .await;
}
