use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bus::{Bus, BusConfig, BusError, Message, PublishError, RpcClient, RpcError};
use messages::Outcome;

use crate::fixture::{Broker, Consuming, DEADLINE, billing, command, connect, eventually, handler, with_broker};

const MESSAGES: u32 = 500;

async fn close_all_connections(broker: &Broker) {
    for name in ["purser-billing", "php-frontend"] {
        broker.management.close_connections_of(&broker.user_name(name)).await.expect("closed");
    }
}

/// Publishes again what is not confirmed, as a relay does.
async fn publish_surely(bus: &Bus, message: Message) {
    loop {
        match bus.publisher().publish(message.clone()).await {
            Ok(()) => return,
            Err(PublishError::Unconfirmed(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_confirmed_message_is_handled_though_connections_are_closed() {
    with_broker(async |broker| {
        let admin = billing(&broker).await;
        let role = connect(&broker.add_usual_user("purser-billing").await).await.expect("connected");
        let frontend = connect(&broker.add_usual_user("php-frontend").await).await.expect("connected");
        let handled = Arc::new(Mutex::new(HashSet::new()));
        let seen = Arc::clone(&handled);
        let collecting = handler(move |delivery| {
            let seen = Arc::clone(&seen);
            async move {
                seen.lock().expect("not poisoned").insert(String::from_utf8_lossy(&delivery.body).into_owned());
                Outcome::Done(None)
            }
        });
        let consuming = Consuming::start(&role, "s3.billing", 3, collecting);
        let count = || handled.lock().expect("not poisoned").len();
        for number in 0..MESSAGES {
            publish_surely(&frontend, command(number.to_string().as_bytes())).await;
            if number % 150 == 100 {
                close_all_connections(&broker).await;
            }
        }
        eventually("all messages", async || (count() == 500).then_some(())).await;
        consuming.stop().await;
        assert_eq!(broker.ready("s3.billing").await, 0);
        assert!(role.is_connected() && frontend.is_connected());
        admin.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_under_way_fail_at_once_and_later_ones_succeed() {
    with_broker(async |broker| {
        let admin = billing(&broker).await;
        let frontend = connect(&broker.add_usual_user("php-frontend").await).await.expect("connected");
        let client = RpcClient::new(frontend.clone());
        let calls = (0..20).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.call(command(b""), DEADLINE * 2).await })
        });
        let calls: Vec<_> = calls.collect();
        eventually("the requests", async || (broker.ready("s3.billing").await == 20).then_some(())).await;
        let start = Instant::now();
        close_all_connections(&broker).await;
        for call in calls {
            let result = call.await.expect("no panic");
            assert!(matches!(result, Err(RpcError::Unconfirmed(_))), "{result:?}");
        }
        assert!(start.elapsed() < DEADLINE, "they did not wait for their timeout");

        let consuming = Consuming::start(
            &admin,
            "s3.billing",
            1,
            handler(async |_| Outcome::Done(Some(messages::Reply::success("create_order", &serde_json::json!({}))))),
        );
        client.call(command(b""), DEADLINE).await.expect("an answer over the new connection");
        consuming.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_an_error_without_the_password() {
    with_broker(async |broker| {
        let wait = Duration::from_secs(1);
        for url in [broker.url("nobody", "hunter2"), "amqp://nobody:hunter2@127.0.0.1:1/x".to_owned()] {
            let config = BusConfig { connect_wait: wait, ..BusConfig::new(url.into(), "bus-test") };
            assert!(!format!("{config:?}").contains("hunter2"));
            let error = Bus::connect(config).await.expect_err("refused");
            assert!(matches!(error, BusError::Connect { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        let error = connect("http://user:hunter2@host").await.expect_err("no broker's URL");
        assert!(matches!(error, BusError::Url(_)) && !error.to_string().contains("hunter2"), "{error}");
    })
    .await;
}
