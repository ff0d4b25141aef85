//! When nobody answers, or not yet.

use std::sync::Arc;

use messages::Reply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::fixture::{DEADLINE, Settings, refusal, send, send_whole, with_gateway};

const IMPATIENT: Settings = Settings { reply_wait_seconds: 1, ..Settings::DEFAULT };

#[tokio::test]
async fn an_action_without_a_queue_is_unavailable() {
    with_gateway(Settings::default(), async |gateway| {
        let token = gateway.customer_token().await;
        let request = gateway.post(&[("action", "create_bucket"), ("token", &token)]);
        let ((status, headers), body) = send_whole(request).await;
        let message = "nobody works on this kind of request at the moment; nothing was done, please try again";
        assert_eq!((status, body), refusal(503, message));
        assert_eq!(headers["retry-after"], "5");
    })
    .await;
}

#[tokio::test]
async fn a_query_that_nobody_answers_times_out() {
    with_gateway(IMPATIENT, async |gateway| {
        let token = gateway.customer_token().await;
        let answer = send(gateway.post(&[("action", "list_plans"), ("token", &token)])).await;
        assert_eq!(answer, refusal(504, "no answer within 1 seconds; please try again"));
    })
    .await;
}

#[tokio::test]
async fn a_command_that_takes_long_gets_a_callback_and_is_answered_under_its_key() {
    with_gateway(IMPATIENT, async |gateway| {
        let token = gateway.customer_token().await;
        let form = [("action", "create_order"), ("token", token.as_str())];
        let ((status, headers), body) = send_whole(gateway.post(&form)).await;
        assert_eq!((status, &body["result"], &body["action"]), (StatusCode::OK, &json!("OK"), &json!("create_order")));
        assert!(body["callback"].as_str().is_some_and(|key| key.len() == 32), "{body}");
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();

        let worker = gateway.echo("s3.billing").await;
        let end = tokio::time::Instant::now() + DEADLINE;
        let reply = loop {
            let (status, reply) = send(gateway.post(&form).header("Idempotency-Key", &key)).await;
            assert_eq!(status, StatusCode::OK);
            if reply.get("callback").is_none() {
                break reply;
            }
            assert!(tokio::time::Instant::now() < end, "never answered: {reply}");
        };
        assert_eq!(reply["echo"]["message_id"], key.as_str());
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn one_customer_does_not_take_everybody_s_place() {
    with_gateway(Settings { requests_per_customer_max: 1, ..Settings::default() }, async |gateway| {
        let (arrived, release) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let worker = {
            let (arrived, release) = (Arc::clone(&arrived), Arc::clone(&release));
            let answer = move |_| {
                let (arrived, release) = (Arc::clone(&arrived), Arc::clone(&release));
                async move {
                    arrived.notify_one();
                    let _permit = release.acquire().await;
                    Reply::success("list_plans", &json!({}))
                }
            };
            gateway.answer("s3.billing.queries", answer).await
        };
        let token = gateway.customer_token().await;
        let form = [("action", "list_plans"), ("token", token.as_str())];
        let first = tokio::spawn(send(gateway.post(&form)));
        tokio::time::timeout(DEADLINE, arrived.notified()).await.unwrap();
        let message = "1 of your requests are being worked on; wait for one of them to be answered";
        assert_eq!(send(gateway.post(&form)).await, refusal(429, message));
        release.add_permits(10);
        assert_eq!(first.await.unwrap().0, StatusCode::OK);
        assert_eq!(send(gateway.post(&form)).await.0, StatusCode::OK, "the place is free again");
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_too_much_is_refused_before_it_costs_anything() {
    with_gateway(Settings { requests_max: 2, ..Settings::default() }, async |gateway| {
        let (arrived, release) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let worker = {
            let (arrived, release) = (Arc::clone(&arrived), Arc::clone(&release));
            let answer = move |_| {
                let (arrived, release) = (Arc::clone(&arrived), Arc::clone(&release));
                async move {
                    arrived.notify_one();
                    let _permit = release.acquire().await;
                    Reply::success("list_plans", &json!({}))
                }
            };
            gateway.answer("s3.billing.queries", answer).await
        };
        let token = gateway.customer_token().await;
        let form = [("action", "list_plans"), ("token", token.as_str())];
        let first = tokio::spawn(send(gateway.post(&form)));
        tokio::time::timeout(DEADLINE, arrived.notified()).await.unwrap();
        // The database isn't asked.
        let ((status, headers), body) = send_whole(gateway.post(&form)).await;
        let message = "too many requests are being worked on; nothing was done, please try again";
        assert_eq!((status, body), refusal(503, message));
        assert_eq!(headers["retry-after"], "5");
        for action in ["list_plans", "create_bucket"] {
            let another = gateway.post(&[("action", action), ("token", "nonsense")]);
            assert_eq!(send(another).await, refusal(401, "invalid token"), "who has nothing under way finds a place");
        }
        release.add_permits(10);
        assert_eq!(first.await.unwrap().0, StatusCode::OK);
        assert_eq!(send(gateway.post(&form)).await.0, StatusCode::OK, "the place is free again");
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_is_said_and_mended() {
    with_gateway(Settings::default(), async |gateway| {
        let arrived = Arc::new(Notify::new());
        let stuck = {
            let arrived = Arc::clone(&arrived);
            let answer = move |_| {
                arrived.notify_one();
                std::future::pending::<Reply>()
            };
            gateway.answer("s3.billing", answer).await
        };
        let token = gateway.customer_token().await;
        let command = gateway.post(&[("action", "create_order"), ("token", &token)]);
        let waiting = tokio::spawn(send_whole(command));
        tokio::time::timeout(DEADLINE, arrived.notified()).await.unwrap();
        gateway.management.close_connections_of(gateway.broker_user()).await.unwrap();
        let ((status, headers), body) = waiting.await.unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let key = headers["idempotency-key"].to_str().unwrap();
        assert!(body["message"].as_str().unwrap().contains(key), "{body}");

        let worker = gateway.echo("s3.billing.queries").await;
        let end = tokio::time::Instant::now() + DEADLINE;
        loop {
            let (status, body) = send(gateway.post(&[("action", "list_plans"), ("token", &token)])).await;
            if status == StatusCode::OK {
                break;
            }
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
            assert!(tokio::time::Instant::now() < end, "never mended: {body}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        worker.stop().await;
        drop(stuck);
    })
    .await;
}

#[tokio::test]
async fn health_is_served_beside_the_api() {
    with_gateway(Settings::default(), async |gateway| {
        let get = async |path| gateway.request(Method::GET, path).send().await.unwrap();
        // The first answer comes once the gateway is connected.
        let ready = get("/readyz").await;
        assert_eq!(ready.status(), StatusCode::OK);
        let ready: Value = serde_json::from_str(&ready.text().await.unwrap()).unwrap();
        assert_eq!(ready, json!({"ready": true, "checks": {"gateway.broker": "ok", "gateway.database": "ok", "gateway.started": "ok"}}));
        assert_eq!(get("/healthz").await.status(), StatusCode::OK);
        assert_eq!(get("/metrics").await.status(), StatusCode::OK);
    })
    .await;
}
