use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bus::{HeaderValue, Message, Topology};
use lapin::options::QueueDeleteOptions;
use messages::{Delivery, Outcome, ParkReason, Refusal, Reply, RetryKind, RoleName};
use tokio::sync::{Semaphore, mpsc};

use crate::fixture::{Consuming, DEADLINE, billing, command, eventually, handler, header, with_broker};

fn retry(kind: RetryKind) -> Outcome {
    Outcome::Retry { kind, error: "RGW is away".to_owned() }
}

/// A handler that shows the test each delivery.
fn watched(
    decide: impl Fn(&Delivery) -> Outcome + Send + Sync + 'static,
) -> (bus::Handler, mpsc::UnboundedReceiver<Delivery>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let decide = Arc::new(decide);
    let handler = handler(move |delivery| {
        let outcome = decide(&delivery);
        sender.send(delivery).expect("the test listens");
        async move { outcome }
    });
    (handler, receiver)
}

async fn next(deliveries: &mut mpsc::UnboundedReceiver<Delivery>) -> Delivery {
    tokio::time::timeout(DEADLINE, deliveries.recv()).await.expect("a delivery in time").expect("the consumer runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_returns_to_its_queue_and_is_parked_in_the_end() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let publisher = crate::fixture::connect(&broker.add_usual_user("php-frontend").await).await.expect("connected");
        let (handler, mut deliveries) = watched(|_| retry(RetryKind::Failed));
        let consuming = Consuming::start(&bus, "s3.billing", 2, handler);
        let mut message = command(b"\x81\xa1a\x01");
        message.correlation_id = Some("correlation".to_owned());
        message.headers.insert("tracestate".to_owned(), HeaderValue::from("a=b"));
        message.headers.insert("deadline".to_owned(), HeaderValue::from("2099-01-01T00:00:00Z"));
        let id = message.message_id.clone();
        publisher.publisher().publish(message).await.expect("published");

        for attempts in [0, 1] {
            let delivery = next(&mut deliveries).await;
            assert_eq!(delivery.attempts, attempts);
            assert_eq!(delivery.queue, "s3.billing");
            assert_eq!(delivery.publisher.as_deref(), Some(broker.user_name("php-frontend").as_str()));
            assert_eq!((delivery.message_id, delivery.body.as_slice()), (id.clone(), b"\x81\xa1a\x01".as_slice()));
            assert!(delivery.deadline.is_some() && delivery.correlation_id.as_deref() == Some("correlation"));
        }
        let parked = broker.take("s3.billing.parked").await;
        assert_eq!(parked.data, b"\x81\xa1a\x01");
        let expected = [
            ("x-parked-reason", "out-of-attempts"),
            ("x-parked-detail", "RGW is away"),
            ("x-source-queue", "s3.billing"),
            ("x-publisher", &broker.user_name("php-frontend")),
            ("x-attempts", "2"),
            ("x-first-error", "RGW is away"),
            ("x-last-error", "RGW is away"),
            ("tracestate", "a=b"),
        ];
        for (name, value) in expected {
            assert_eq!(header(&parked, name).as_deref(), Some(value), "{name}");
        }
        let moments = ["x-first-failed-at", "x-last-failed-at", "x-parked-at"].map(|name| header(&parked, name));
        assert!(moments[0].is_some() && moments.is_sorted(), "{moments:?}");
        assert!(header(&parked, "x-parked-id").is_some_and(|id| id.parse::<uuid::Uuid>().is_ok()));
        assert_eq!(parked.properties.message_id().as_ref().map(ToString::to_string), id);
        consuming.stop().await;
        assert_eq!(broker.ready("s3.billing").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_message_returns_without_counting_an_attempt() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let seen = AtomicU32::new(0);
        let (handler, mut deliveries) = watched(move |_| match seen.fetch_add(1, Ordering::Relaxed) {
            0..3 => retry(RetryKind::Busy),
            _ => Outcome::Done(None),
        });
        let consuming = Consuming::start(&bus, "s3.billing.events", 1, handler);
        let event = Message::new("s3.events", "account.released", b"\x80".to_vec());
        bus.publisher().publish(event).await.expect("published");
        for _ in 0..4 {
            let delivery = next(&mut deliveries).await;
            assert_eq!((delivery.attempts, delivery.queue.as_str()), (0, "s3.billing.events"));
        }
        consuming.stop().await;
        assert_eq!(broker.ready("s3.billing.parked").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_of_one_caller_s_waits_in_a_queue_of_its_own_and_fails_as_it_would_have() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let publisher = crate::fixture::connect(&broker.add_usual_user("php-frontend").await).await.expect("connected");
        let failed_before = AtomicU32::new(0);
        let (handler, mut first_seen) = watched(move |_| match failed_before.fetch_add(1, Ordering::Relaxed) {
            0 => retry(RetryKind::Failed),
            _ => Outcome::Postpone,
        });
        let consuming = Consuming::start(&bus, "s3.billing", 2, handler);
        publisher.publisher().publish(command(b"\x80")).await.expect("published");
        assert_eq!(next(&mut first_seen).await.attempts, 0);
        assert_eq!(next(&mut first_seen).await.attempts, 1);

        let (handler, mut crowded) = watched(|_| retry(RetryKind::Failed));
        let consuming_crowded = Consuming::start(&bus, &Topology::crowded_queue(RoleName::Billing), 2, handler);
        let delivery = next(&mut crowded).await;
        assert_eq!((delivery.attempts, delivery.queue.as_str()), (1, "s3.billing.crowded"), "that was no failure");
        assert_eq!(delivery.publisher.as_deref(), Some(broker.user_name("php-frontend").as_str()));
        let parked = broker.take("s3.billing.parked").await;
        for (name, value) in [("x-source-queue", "s3.billing"), ("x-first-error", "RGW is away"), ("x-attempts", "2")] {
            assert_eq!(header(&parked, name).as_deref(), Some(value), "{name}");
        }
        consuming.stop().await;
        consuming_crowded.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_handler_costs_an_attempt_and_nothing_else() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let handler = handler(|delivery| {
            assert_ne!(delivery.body, b"bad", "before there is a future");
            async move {
                assert_ne!(delivery.body, b"worse", "inside of it");
                Outcome::Done(None)
            }
        });
        let consuming = Consuming::start(&bus, "s3.billing", 1, handler);
        for body in [b"bad".as_slice(), b"good", b"worse", b"good"] {
            bus.publisher().publish(command(body)).await.expect("published");
        }
        let mut parked = Vec::new();
        for _ in 0..2 {
            let message = broker.take("s3.billing.parked").await;
            assert_eq!(header(&message, "x-parked-detail").as_deref(), Some("the handler panicked"));
            parked.push(message.delivery.data);
        }
        parked.sort();
        assert_eq!(parked, [b"bad".to_vec(), b"worse".to_vec()]);
        consuming.stop().await;
        assert_eq!((broker.ready("s3.billing").await, broker.ready("s3.billing.parked").await), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_parked_and_its_caller_is_told() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let (handler, mut deliveries) = watched(|_| Outcome::Park {
            reason: ParkReason::UnknownType,
            detail: "no such type".to_owned(),
            reply: Some(Reply::refused("", &Refusal::new("no such type"))),
        });
        let consuming = Consuming::start(&bus, "s3.billing", 1, handler);
        let client = bus::RpcClient::new(bus.clone());

        let reply = client.call(command(&vec![0; 1_048_577]), DEADLINE).await.expect("told");
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(text.contains("the body has 1048577 bytes; the limit is 1048576"), "{text}");
        let parked = broker.take("s3.billing.parked").await;
        for name in ["x-parked-id", "x-first-failed-at", "x-last-failed-at"] {
            assert!(header(&parked, name).is_some(), "{name}, at first sight");
        }
        assert_eq!(header(&parked, "x-first-error"), header(&parked, "x-parked-detail"));
        assert_eq!(
            (parked.data.len(), header(&parked, "x-parked-reason").as_deref()),
            (1_048_577, Some("undecodable"))
        );

        let mut late = command(b"");
        late.headers.insert("deadline".to_owned(), HeaderValue::from("soon"));
        client.call(late, DEADLINE).await.expect("told");
        let parked = broker.take("s3.billing.parked").await;
        assert!(header(&parked, "x-parked-detail").expect("a detail").contains("RFC 3339"));
        assert!(deliveries.try_recv().is_err(), "the handler saw neither");

        client.call(command(b"\x80"), DEADLINE).await.expect("told");
        let parked = broker.take("s3.billing.parked").await;
        assert_eq!(header(&parked, "x-parked-reason").as_deref(), Some("unknown-type"));
        assert_eq!(next(&mut deliveries).await.body, b"\x80");
        consuming.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_finishes_what_is_in_hand_and_leaves_the_rest() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let (started, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(0)));
        let (counter, waiting) = (Arc::clone(&started), Arc::clone(&gate));
        let handler = handler(move |_| {
            let (counter, waiting) = (Arc::clone(&counter), Arc::clone(&waiting));
            async move {
                counter.fetch_add(1, Ordering::SeqCst);
                waiting.acquire().await.expect("open").forget();
                Outcome::Done(None)
            }
        });
        for _ in 0..40 {
            bus.publisher().publish(command(b"")).await.expect("published");
        }
        let consuming = Consuming::start(&bus, "s3.billing", 1, handler);
        eventually("16 under way", async || (started.load(Ordering::SeqCst) == 16).then_some(())).await;
        consuming.cancel();
        assert_eq!(broker.ready("s3.billing").await, 8, "all that the prefetch left");
        assert!(!consuming.is_finished(), "it waits for those in hand");
        gate.add_permits(40);
        consuming.stop().await;
        assert_eq!(started.load(Ordering::SeqCst), 16);
        eventually("the rest back in the queue", async || (broker.ready("s3.billing").await == 24).then_some(())).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_is_consumed_again_once_it_is_back() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let (handler, mut deliveries) = watched(|_| Outcome::Done(None));
        let consuming = Consuming::start(&bus, "s3.billing.queries", 1, handler);
        let query = |body: &[u8]| Message::new("s3.queries", "list_plans", body.to_vec());
        bus.publisher().publish(query(b"1")).await.expect("published");
        assert_eq!(next(&mut deliveries).await.body, b"1");
        let (_connection, channel) = broker.raw_channel(&broker.admin_url()).await;
        channel.queue_delete("s3.billing.queries".into(), QueueDeleteOptions::default()).await.expect("deleted");
        Topology::of_role(RoleName::Billing).declare(&bus).await.expect("declared again");
        bus.publisher().publish(query(b"2")).await.expect("published");
        assert_eq!(next(&mut deliveries).await.body, b"2");
        consuming.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_parking_place_holds_up_nobody() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let full = serde_json::json!({
            "pattern": r"^s3\.billing\.parked$", "apply-to": "queues", "priority": 1,
            "definition": {"max-length": 1, "overflow": "reject-publish"},
        });
        broker.management.put_policy(&broker.vhost, "full", &full).await.expect("a policy");
        let ballast = Message::new("s3.parked", "billing", b"ballast".to_vec());
        eventually("a full queue", async || bus.publisher().publish(ballast.clone()).await.is_err().then_some(()))
            .await;
        let filled = broker.ready("s3.billing.parked").await;

        let (handler, mut deliveries) = watched(|delivery| match delivery.body.as_slice() {
            b"good" => Outcome::Done(None),
            _ => Outcome::Park {
                reason: ParkReason::UnknownType,
                detail: "no such type".to_owned(),
                reply: Some(Reply::refused("", &Refusal::new("no such type"))),
            },
        });
        let everything = bus::Permissions { configure: "^$", write: ".*", read: ".*" };
        let stranger =
            crate::fixture::connect(&broker.add_user("stranger", everything).await).await.expect("connected");
        for _ in 0..40 {
            stranger.publisher().publish(command(b"strange")).await.expect("published");
            bus.publisher().publish(command(b"unheard")).await.expect("published");
        }
        bus.publisher().publish(command(b"good")).await.expect("published");
        let consuming = Consuming::start(&bus, "s3.billing", 1, handler);
        while next(&mut deliveries).await.body != b"good" {}
        bus::RpcClient::new(bus.clone()).call(command(b"heard"), DEADLINE).await.expect("told");

        let kept = async || (broker.ready("s3.billing.retry.10m").await == 40).then_some(());
        eventually("those of the trusted, unheard, waiting", kept).await;
        consuming.stop().await;
        assert_eq!((broker.ready("s3.billing").await, broker.ready("s3.billing.parked").await), (0, filled));
        broker.management.delete_user(&broker.user_name("stranger")).await.expect("the user goes");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_addresses_for_replies_harm_nobody() {
    with_broker(async |broker| {
        let bus = billing(&broker).await;
        let url = broker.add_usual_user("php-frontend").await;
        let client = crate::fixture::connect(&url).await.expect("connected");
        let reply = || Reply::success("create_order", &serde_json::json!({}));
        let (handler, mut deliveries) = watched(move |_| Outcome::Done(Some(reply())));
        let consuming = Consuming::start(&bus, "s3.billing", 2, handler);
        // Nothing, no base64, no term, an atom, somebody who isn't there with and without a key, the longest.
        let pid = "g2dkAA1ub25vZGVAbm9ob3N0AAAAAQAAAAAA";
        let made_up =
            ["", ".", "!!!", "g1h2", "AAAA", "g2QAAWE=", "g2QAAWE=.a", pid, &format!("{pid}.key"), &"A".repeat(233)];
        for name in made_up {
            let reply_to = Some(format!("amq.rabbitmq.reply-to.{name}"));
            let message = Message { reply_to, ..command(b"\x80") };
            let id = message.message_id.clone();
            client.publisher().publish(message).await.expect("published");
            assert_eq!(next(&mut deliveries).await.message_id, id, "{name:?} comes once");
        }
        let rpc = bus::RpcClient::new(client);
        for _ in 0..3 {
            let answered = rpc.call(command(b"\x80"), DEADLINE).await;
            assert!(answered.is_ok(), "{answered:?}");
            next(&mut deliveries).await;
        }
        consuming.stop().await;
        assert!(deliveries.try_recv().is_err(), "nothing was delivered twice");
    })
    .await;
}
