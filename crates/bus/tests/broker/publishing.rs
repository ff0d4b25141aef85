use std::time::{Duration, Instant};

use bus::{Message, PublishError, RpcClient, RpcError};
use futures_util::future::join_all;
use messages::{Encoding, Outcome, Reply};
use serde_json::{Value, json};

use crate::fixture::{Consuming, DEADLINE, billing, command, handler, with_broker};

fn question(number: i64) -> Message {
    Message {
        message_type: Some("list_plans".to_owned()),
        content_type: Some("application/msgpack".to_owned()),
        expiration_ms: Some(30_000),
        persistent: false,
        ..Message::new(
            "s3.queries",
            "list_plans",
            Encoding::MessagePack.encode(&json!({"number": number})).expect("encodable"),
        )
    }
}

fn nowhere() -> Message {
    Message { routing_key: "no_such_action".to_owned(), ..command(b"") }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_calls_gets_its_own_answer() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let echo = handler(async |delivery| {
            let asked: Value = Encoding::MessagePack.decode(&delivery.body).expect("a map");
            Outcome::Done(Some(Reply::success("list_plans", &asked)))
        });
        let consuming = Consuming::start(&bus, "s3.billing.queries", 0, echo);
        let client = RpcClient::new(bus.clone());
        let calls = (0..200).map(|number| {
            let client = client.clone();
            async move {
                let reply = client.call(question(number), DEADLINE).await.expect("an answer");
                assert_eq!(reply.content_type.as_deref(), Some("application/msgpack"));
                let body: Value = Encoding::MessagePack.decode(&reply.body).expect("a map");
                assert_eq!(body, json!({"result": "OK", "action": "list_plans", "number": number}));
            }
        });
        join_all(calls).await;
        consuming.stop().await;
        bus.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_nobody_takes_are_told_apart_from_unanswered_ones() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let client = RpcClient::new(bus.clone());
        let calls = (0..100).map(|number| {
            let client = client.clone();
            async move {
                if number % 2 == 0 {
                    assert_eq!(client.call(nowhere(), DEADLINE).await, Err(RpcError::Unroutable));
                } else {
                    let patience = Duration::from_secs(2);
                    assert_eq!(client.call(question(number), patience).await, Err(RpcError::Timeout));
                }
            }
        });
        let start = Instant::now();
        join_all(calls).await;
        assert!(start.elapsed() < DEADLINE);
        bus.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_concurrent_messages_exactly_the_unroutable_ones_fail() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let publisher = bus.publisher();
        let attempts = (0..400).map(|number| {
            let publisher = publisher.clone();
            async move {
                let message = if number % 3 == 0 { nowhere() } else { command(b"x") };
                (number, publisher.publish(message).await)
            }
        });
        for (number, result) in join_all(attempts).await {
            let unroutable = matches!(result, Err(PublishError::Unroutable { .. }));
            assert_eq!(unroutable, number % 3 == 0, "{number}: {result:?}");
            assert!(unroutable || result.is_ok(), "{number}: {result:?}");
        }
        assert_eq!(broker.ready("s3.billing").await, 266);
        bus.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_exchange_is_refused_and_hurts_nobody_else() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let publisher = bus.publisher();
        let wrong = Message { exchange: "s3.nowhere".to_owned(), ..command(b"") };
        let (refused, taken) = tokio::join!(publisher.publish(wrong), publisher.publish(command(b"")));
        assert!(matches!(&refused, Err(PublishError::Refused(reason)) if reason.contains("NOT_FOUND")), "{refused:?}");
        taken.expect("its own channel");
        bus.close().await;
        let closed = publisher.publish(command(b"")).await;
        assert!(matches!(closed, Err(PublishError::Unconfirmed(_))), "{closed:?}");
    })
    .await;
}
