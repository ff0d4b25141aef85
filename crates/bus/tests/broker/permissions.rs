use bus::{Message, PublishError, RpcClient, Topology};
use lapin::BasicProperties;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use messages::{Outcome, Reply, RetryKind};

use crate::fixture::{Broker, Consuming, DEADLINE, command, connect, handler, header, with_broker};

async fn assert_refused(bus: &bus::Bus, exchange: &str, routing_key: &str) {
    let result = bus.publisher().publish(Message::new(exchange, routing_key, Vec::new())).await;
    assert!(
        matches!(&result, Err(PublishError::Refused(reason)) if reason.contains("ACCESS_REFUSED")),
        "{exchange:?}: {result:?}"
    );
}

async fn assert_cannot_consume(broker: &Broker, url: &str, queue: &str) {
    let (_connection, channel) = broker.raw_channel(url).await;
    let options = BasicConsumeOptions::default();
    let result = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await;
    assert!(result.expect_err(queue).to_string().contains("ACCESS_REFUSED"), "{queue}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_asks_and_does_nothing_else() {
    with_broker(async |broker| {
        let admin = broker.admin().await;
        Topology::purser().declare(&admin).await.expect("declared");
        let url = broker.add_usual_user("php-frontend").await;
        let frontend = connect(&url).await.expect("connected");
        let role = connect(&broker.add_usual_user("purser-billing").await).await.expect("connected");
        let answering = handler(async |_| Outcome::Done(Some(Reply::success("create_order", &serde_json::json!({})))));
        let consuming = Consuming::start(&role, "s3.billing", 1, answering);
        RpcClient::new(frontend.clone()).call(command(b"\x80"), DEADLINE).await.expect("an answer");
        consuming.stop().await;

        assert_refused(&frontend, "", "s3.billing").await;
        for exchange in ["s3.parked", "s3.events", "s3.rgw", "amq.topic"] {
            assert_refused(&frontend, exchange, "billing").await;
        }
        for queue in ["s3.billing", "s3.billing.queries", "s3.billing.parked", "s3.history"] {
            assert_cannot_consume(&broker, &url, queue).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_refuses_a_forged_user_id() {
    with_broker(async |broker| {
        let admin = broker.admin().await;
        Topology::of_role(messages::RoleName::Billing).declare(&admin).await.expect("declared");
        let url = broker.add_usual_user("php-frontend").await;
        let (_connection, channel) = broker.raw_channel(&url).await;
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        let forged = BasicProperties::default().with_user_id("purser-billing".into());
        let (exchange, routing_key) = ("s3.commands".into(), "create_order".into());
        let confirm = channel
            .basic_publish(exchange, routing_key, BasicPublishOptions::default(), b"", forged)
            .await
            .expect("sent");
        let error = confirm.await.expect_err("refused");
        assert!(error.to_string().contains("PRECONDITION_FAILED"), "{error}");
        assert_eq!(broker.ready("s3.billing").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_can_answer_retry_park_and_publish_but_not_read_others() {
    with_broker(async |broker| {
        let admin = broker.admin().await;
        Topology::purser().declare(&admin).await.expect("declared");
        let url = broker.add_usual_user("purser-billing").await;
        let role = connect(&url).await.expect("connected");
        let failing = handler(async |delivery: messages::Delivery| match delivery.attempts {
            0 if delivery.queue == "s3.billing" => Outcome::Retry { kind: RetryKind::Failed, error: "once".to_owned() },
            _ => Outcome::Park {
                reason: messages::ParkReason::RefusedUnheard,
                detail: "for the test".to_owned(),
                reply: Some(Reply::success("create_order", &serde_json::json!({}))),
            },
        });
        let consuming = Consuming::start(&role, "s3.billing", 3, failing);
        let frontend = connect(&broker.add_usual_user("php-frontend").await).await.expect("connected");
        RpcClient::new(frontend).call(command(b"\x80"), DEADLINE).await.expect("an answer after a retry");
        let parked = broker.take("s3.billing.parked").await;
        assert_eq!(header(&parked, "x-attempts").as_deref(), Some("1"));
        consuming.stop().await;

        let publisher = role.publisher();
        publisher.publish(Message::new("s3.events", "order.created", Vec::new())).await.expect("an event");
        publisher.publish(Message::new("s3.commands", "provision_account", Vec::new())).await.expect("a command");
        for exchange in ["s3.rgw", "s3.queries"] {
            assert_refused(&role, exchange, "list_plans").await;
        }
        for queue in ["s3.provisioner", "s3.metering", "s3.billing.retry.1s"] {
            assert_cannot_consume(&broker, &url, queue).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rgw_publishes_notifications_only() {
    with_broker(async |broker| {
        let admin = broker.admin().await;
        Topology::purser().declare(&admin).await.expect("declared");
        let url = broker.add_usual_user("rgw").await;
        let rgw = connect(&url).await.expect("connected");
        rgw.publisher().publish(Message::new("s3.rgw", "purser", b"{}".to_vec())).await.expect("a notification");
        assert_eq!(broker.take("s3.metering.rgw").await.data, b"{}");
        assert_refused(&rgw, "", "s3.metering.rgw").await;
        assert_refused(&rgw, "s3.commands", "create_order").await;
        assert_cannot_consume(&broker, &url, "s3.metering.rgw").await;
        let (_connection, channel) = broker.raw_channel(&url).await;
        let confirms = channel.queue_declare("".into(), QueueDeclareOptions::default(), FieldTable::default()).await;
        let confirms = confirms.expect("a queue that the broker names").name().clone();
        channel
            .basic_consume(confirms, "".into(), BasicConsumeOptions::default(), FieldTable::default())
            .await
            .expect("RGW reads the broker's confirms");
    })
    .await;
}
