use bus::{Bus, HeaderValue, ParkedError};
use messages::{Outcome, ParkReason, RetryKind, RoleName};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::fixture::{Broker, Consuming, DEADLINE, billing, command, connect, handler, with_broker};

/// Parks messages with these bodies in this order, each after as many failures as the role allows.
async fn park(broker: &Broker, role: &Bus, publisher: &Bus, bodies: &[&[u8]]) {
    let failing = handler(async |_| Outcome::Retry { kind: RetryKind::Failed, error: "RGW is away".to_owned() });
    let consuming = Consuming::start(role, "s3.billing", 1, failing);
    for (number, body) in bodies.iter().enumerate() {
        publisher.publisher().publish(command(body)).await.expect("published");
        let wanted = u32::try_from(number + 1).expect("few");
        crate::fixture::eventually("it is parked", async || {
            (broker.ready("s3.billing.parked").await == wanted).then_some(())
        })
        .await;
    }
    consuming.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn held_messages_return_in_their_order_and_one_operator_works_at_a_time() {
    with_broker(async |broker| {
        billing(&broker).await;
        let role = connect(&broker.add_usual_user("purser-billing").await).await.expect("connected");
        let frontend = connect(&broker.add_usual_user("php-frontend").await).await.expect("connected");
        park(&broker, &role, &frontend, &[b"1", b"2", b"3"]).await;
        let own_users = [broker.user_name("purser-billing")];

        let mut seen = Vec::new();
        for _ in 0..3 {
            let operator = broker.admin().await;
            let held = operator.hold_parked(RoleName::Billing, &own_users).await.expect("held");
            seen.push(held.messages().map(|message| (message.id, message.delivery.body.clone())).collect::<Vec<_>>());
            held.release().await.expect("released");
            operator.close().await;
        }
        let (first, second) = (broker.admin().await, broker.admin().await);
        let _held = first.hold_parked(RoleName::Billing, &own_users).await.expect("held");
        let refused = second.hold_parked(RoleName::Billing, &own_users).await.err();
        assert_eq!(refused, Some(ParkedError::InUse));
        let bodies: Vec<_> = seen[0].iter().map(|(_, body)| body.as_slice()).collect();
        assert_eq!(bodies, [b"1", b"2", b"3"]);
        assert!(seen.iter().all(|walk| *walk == seen[0]), "{seen:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_given_back_is_as_it_was_without_its_marks() {
    with_broker(async |broker| {
        billing(&broker).await;
        let role = connect(&broker.add_usual_user("purser-billing").await).await.expect("connected");
        let frontend = connect(&broker.add_usual_user("php-frontend").await).await.expect("connected");
        let own_users = [broker.user_name("purser-billing")];
        park(&broker, &role, &frontend, &[b"1", b"2"]).await;

        let operator = broker.admin().await;
        let held = operator.hold_parked(RoleName::Billing, &own_users).await.expect("held");
        let first = held.messages().next().expect("the first").clone();
        assert_eq!((first.reason.as_str(), first.detail.as_str()), ("out-of-attempts", "RGW is away"));
        held.publish_again(first.id, &role.publisher()).await.expect("published");
        held.take_away(first.id).await.expect("acknowledged");
        held.release().await.expect("released");
        assert_eq!(broker.ready("s3.billing.parked").await, 1);

        let (sender, mut deliveries) = mpsc::unbounded_channel();
        let watching = handler(move |delivery| {
            sender.send(delivery).expect("the test listens");
            async { Outcome::Park { reason: ParkReason::UnknownType, detail: "no such type".to_owned(), reply: None } }
        });
        let consuming = Consuming::start(&role, "s3.billing", 1, watching);
        let given_back = tokio::time::timeout(DEADLINE, deliveries.recv()).await.expect("in time").expect("it runs");
        consuming.stop().await;
        assert_eq!((given_back.attempts, given_back.body.as_slice()), (0, b"1".as_slice()));
        assert_eq!(given_back.message_id, first.delivery.message_id);
        assert_eq!(given_back.publisher, Some(broker.user_name("php-frontend")));

        let held = operator.hold_parked(RoleName::Billing, &own_users).await.expect("held");
        let again = held.messages().last().expect("parked again");
        assert_ne!(again.id, first.id);
        assert_eq!((again.first_error.clone(), again.reason.as_str()), (first.first_error, "unknown-type"));
        assert_eq!(again.last_error.error.as_deref(), Some("no such type"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gains_trust_by_being_parked_and_given_back() {
    with_broker(async |broker| {
        let admin = billing(&broker).await;
        let role = connect(&broker.add_usual_user("purser-billing").await).await.expect("connected");
        let own_users = [broker.user_name("purser-billing")];
        // As the broker parks a message itself: with all that its publisher wrote into the headers.
        let mut forged = command(b"forged");
        forged.exchange = "s3.parked".to_owned();
        forged.routing_key = "billing".to_owned();
        for (name, value) in [
            ("x-publisher", broker.user_name("purser-billing")),
            ("x-source-queue", "s3.billing".to_owned()),
            ("x-parked-id", Uuid::new_v4().to_string()),
        ] {
            forged.headers.insert(name.to_owned(), HeaderValue::from(value));
        }
        admin.publisher().publish(forged).await.expect("published");
        let held = admin.hold_parked(RoleName::Billing, &own_users).await.expect("held");
        let message = held.messages().next().expect("it is there");
        assert_eq!(message.delivery.publisher.as_deref(), Some(admin.user()), "what the broker vouches for");
        let refused = held.publish_again(message.id, &role.publisher()).await;
        assert_eq!(refused, Err(ParkedError::NoSource(RoleName::Billing)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_comes_back_in_the_upper_half_of_its_wait() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let failing = handler(async |_| Outcome::Retry { kind: RetryKind::Failed, error: "RGW is away".to_owned() });
        let consuming = Consuming::start(&bus, "s3.billing", 6, failing);
        bus.publisher().publish(command(b"\x80")).await.expect("published");
        let message = broker.take("s3.billing.retry.5s").await;
        consuming.stop().await;
        let wait: u32 = message.properties.expiration().as_ref().expect("a wait").as_str().parse().expect("a number");
        assert!((2_500..=5_000).contains(&wait), "{wait}");
    })
    .await;
}
