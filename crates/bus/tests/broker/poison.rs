//! A message that this client can't even parse, which kills its connection.

use std::collections::BTreeSet;

use bus::{HeaderValue, Message, Topology};
use messages::{Outcome, RoleName};
use tokio::sync::mpsc;

use crate::fixture::{
    Broker, Consuming, DEADLINE, REWRITTEN, billing, command, connect, eventually, handler, with_broker,
};

/// Publishes a command with a property that is not UTF-8.
async fn publish_poison(broker: &Broker, body: &[u8]) {
    let publisher = connect(&broker.rewriting_url().await).await.expect("connected");
    let poison = Message { app_id: Some(REWRITTEN.to_owned()), ..command(body) };
    publisher.publisher().publish(poison).await.expect("the broker takes it");
    publisher.close().await;
}

/// Publishes a command with more headers than fit into a frame of ours, as a client with the broker's frames can.
async fn publish_large_headers(broker: &Broker, body: &[u8]) {
    let publisher = connect(&format!("{}?frame_max=131072", broker.admin_url())).await.expect("connected");
    let headers = (0..300).map(|number| (format!("x-note-{number}"), HeaderValue::Text("n".repeat(200))));
    let message = Message { headers: headers.collect(), ..command(body) };
    publisher.publisher().publish(message).await.expect("the broker takes it");
    publisher.close().await;
}

async fn limit_deliveries(broker: &Broker) {
    let definitions = Topology::purser().definitions_json();
    let policies = serde_json::json!({"policies": definitions["policies"]});
    broker.management.import_definitions(&broker.vhost, &policies).await.expect("the delivery limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_message_blocks_nobody_and_takes_nobody_down() {
    blocks_nobody_and_takes_nobody_down(publish_poison).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_with_more_headers_than_fit_into_a_frame() {
    blocks_nobody_and_takes_nobody_down(publish_large_headers).await;
}

async fn blocks_nobody_and_takes_nobody_down(publish_poison: impl AsyncFn(&Broker, &[u8])) {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        limit_deliveries(&broker).await;
        let good: BTreeSet<_> = (0..50).map(|number| format!("good {number}").into_bytes()).collect();
        for (number, body) in good.iter().enumerate() {
            if number == 20 {
                publish_poison(&broker, b"broken").await;
            }
            bus.publisher().publish(command(body)).await.expect("published");
        }
        let (sender, mut deliveries) = mpsc::unbounded_channel();
        let handler = handler(move |delivery| {
            sender.send(delivery.body).expect("the test listens");
            async { Outcome::Done(None) }
        });
        let consuming = Consuming::start(&bus, "s3.billing", 1, handler);
        let mut seen = BTreeSet::new();
        while seen.len() < good.len() {
            let body = tokio::time::timeout(DEADLINE, deliveries.recv()).await.expect("in time").expect("it runs");
            seen.insert(body);
        }
        assert_eq!(seen, good);
        eventually("the broken one aside", async || (broker.ready("s3.billing.parked").await == 1).then_some(())).await;
        bus.publisher().publish(command(b"later")).await.expect("published");
        let later = async { while deliveries.recv().await.expect("it runs") != b"later" {} };
        tokio::time::timeout(DEADLINE, later).await.expect("the queue moves");
        consuming.stop().await;
        assert_eq!((broker.ready("s3.billing").await, broker.ready("s3.billing.parked").await), (0, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_lies_before_it_and_how_much_lies_behind() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let parked = async |body: &[u8]| {
            let message = Message::new("s3.parked", "billing", body.to_vec());
            bus.publisher().publish(message).await.expect("published");
        };
        parked(b"1").await;
        parked(b"2").await;
        let publisher = connect(&broker.rewriting_url().await).await.expect("connected");
        let poison = Message { app_id: Some(REWRITTEN.to_owned()), ..Message::new("s3.parked", "billing", Vec::new()) };
        publisher.publisher().publish(poison).await.expect("the broker takes it");
        parked(b"3").await;

        let operator = connect(&broker.admin_url()).await.expect("connected");
        let held = operator.hold_parked(RoleName::Billing, &[]).await.expect("what can be seen");
        let bodies: Vec<_> = held.messages().map(|message| message.delivery.body.clone()).collect();
        assert_eq!((bodies, held.unreadable), (vec![b"1".to_vec(), b"2".to_vec()], 2));
        held.release().await.expect("released");
        assert_eq!(broker.ready("s3.billing.parked").await, 4);
    })
    .await;
}
