//! Every broker user tries everything; only what is listed here works.

use bus::{BROKER_USERS, Topology};
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeBindOptions,
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ExchangeKind};

use crate::fixture::{Broker, with_broker};

/// What a broker user may publish to and consume from.
struct Rights {
    user: &'static str,
    exchanges: &'static [&'static str],
    queues: &'static [&'static str],
}

/// Replies and retries go over the default exchange.
const WORKER_EXCHANGES: &[&str] = &["", "s3.commands", "s3.events", "s3.parked"];

const RIGHTS: [Rights; 6] = [
    Rights { user: "purser-gateway", exchanges: &["s3.commands", "s3.queries"], queues: &[] },
    Rights { user: "php-frontend", exchanges: &["s3.commands", "s3.queries"], queues: &[] },
    Rights { user: "rgw", exchanges: &["s3.rgw"], queues: &[] },
    Rights {
        user: "purser-provisioner",
        exchanges: WORKER_EXCHANGES,
        queues: &[
            "s3.provisioner",
            "s3.provisioner.queries",
            "s3.provisioner.events",
            "s3.provisioner.crowded",
            "s3.provisioner.parked",
        ],
    },
    Rights {
        user: "purser-metering",
        exchanges: WORKER_EXCHANGES,
        queues: &[
            "s3.metering",
            "s3.metering.queries",
            "s3.metering.events",
            "s3.metering.crowded",
            "s3.metering.parked",
            "s3.metering.rgw",
        ],
    },
    Rights {
        user: "purser-billing",
        exchanges: WORKER_EXCHANGES,
        queues: &["s3.billing", "s3.billing.queries", "s3.billing.events", "s3.billing.crowded", "s3.billing.parked"],
    },
];

/// A client that opens a channel for each attempt: a refusal closes it.
struct Client {
    connection: Connection,
    user: &'static str,
}

impl Client {
    async fn new(broker: &Broker, user: &'static str) -> Self {
        let (connection, _) = broker.raw_channel(&broker.add_usual_user(user).await).await;
        Self { connection, user }
    }

    async fn expect<T>(&self, allowed: bool, what: &str, attempt: impl AsyncFnOnce(Channel) -> lapin::Result<T>) {
        let channel = self.connection.create_channel().await.expect("a channel");
        let tried = attempt(channel.clone()).await.map(drop);
        match tried {
            Ok(()) if allowed => channel.close(200, "done".into()).await.expect("closed"),
            Err(error) if !allowed => {
                assert!(error.to_string().contains("ACCESS_REFUSED"), "{} {what}: {error}", self.user);
            }
            other => panic!("{} {what}: {other:?}", self.user),
        }
    }

    async fn refused<T>(&self, what: &str, attempt: impl AsyncFnOnce(Channel) -> lapin::Result<T>) {
        self.expect(false, what, attempt).await;
    }

    /// Publishes with a routing key that leads nowhere.
    async fn publish(&self, allowed: bool, exchange: &str) {
        self.expect(allowed, &format!("publishes to {exchange:?}"), async |channel| {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            channel.basic_publish(exchange.into(), "nowhere".into(), options, b"", properties).await?.await
        })
        .await;
    }

    /// Reads without taking anything away.
    async fn read(&self, allowed: bool, queue: &str) {
        let table = FieldTable::default;
        // A stream is read with a limit only; the refusal comes first.
        self.expect(allowed, &format!("consumes from {queue}"), async |channel| {
            channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), table()).await
        })
        .await;
        self.expect(allowed, &format!("takes from {queue}"), async |channel| {
            channel.basic_get(queue.into(), BasicGetOptions::default()).await
        })
        .await;
    }

    async fn change_queue(&self, queue: &str) {
        let table = FieldTable::default;
        self.refused(&format!("deletes {queue}"), async |channel| {
            channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await
        })
        .await;
        self.refused(&format!("declares {queue} anew"), async |channel| {
            channel.queue_declare(queue.into(), QueueDeclareOptions::default(), table()).await
        })
        .await;
        for exchange in ["s3.events", "s3.commands", "amq.topic"] {
            self.refused(&format!("binds {queue} to {exchange}"), async |channel| {
                channel
                    .queue_bind(queue.into(), exchange.into(), "#".into(), QueueBindOptions::default(), table())
                    .await
            })
            .await;
            self.refused(&format!("unbinds {queue} from {exchange}"), async |channel| {
                channel.queue_unbind(queue.into(), exchange.into(), "#".into(), table()).await
            })
            .await;
        }
    }

    async fn change_exchange(&self, exchange: &str) {
        let table = FieldTable::default;
        self.refused(&format!("deletes {exchange}"), async |channel| {
            channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await
        })
        .await;
        self.refused(&format!("binds {exchange} to s3.events"), async |channel| {
            let (from, options) = ("s3.events".into(), ExchangeBindOptions::default());
            channel.exchange_bind(exchange.into(), from, "#".into(), options, table()).await
        })
        .await;
    }

    async fn make(&self) {
        let table = FieldTable::default;
        for name in ["mine", "s3.billing.more", "reply.mine", &format!("reply.{}", self.user)] {
            self.refused(&format!("declares {name}"), async |channel| {
                channel.queue_declare(name.into(), QueueDeclareOptions::default(), table()).await
            })
            .await;
        }
        self.refused("declares an exchange", async |channel| {
            let options = ExchangeDeclareOptions::default();
            channel.exchange_declare("mine".into(), ExchangeKind::Fanout, options, table()).await
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_user_does_what_it_needs_and_nothing_else() {
    assert_eq!(RIGHTS.len(), BROKER_USERS.len());
    with_broker(async |broker| {
        let topology = Topology::purser();
        topology.declare(&broker.admin().await).await.expect("declared");
        for Rights { user, exchanges, queues } in RIGHTS {
            let client = Client::new(&broker, user).await;
            let own = topology.exchanges.iter().map(|exchange| exchange.name);
            for exchange in own.clone().chain(["", "amq.direct", "amq.topic", "amq.fanout"]) {
                client.publish(exchanges.contains(&exchange), exchange).await;
            }
            for exchange in own {
                client.change_exchange(exchange).await;
            }
            for queue in &topology.queues {
                client.read(queues.contains(&queue.name.as_str()), &queue.name).await;
                client.change_queue(&queue.name).await;
                if !queues.contains(&queue.name.as_str()) {
                    client
                        .refused(&format!("empties {}", queue.name), async |channel| {
                            channel.queue_purge(queue.name.as_str().into(), QueuePurgeOptions::default()).await
                        })
                        .await;
                }
            }
            client.make().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_publishes_under_another_s_name() {
    with_broker(async |broker| {
        Topology::purser().declare(&broker.admin().await).await.expect("declared");
        for Rights { user, exchanges, .. } in RIGHTS {
            let client = Client::new(&broker, user).await;
            for (other, _) in BROKER_USERS.into_iter().filter(|(other, _)| *other != user) {
                let channel = client.connection.create_channel().await.expect("a channel");
                channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
                let forged = BasicProperties::default().with_user_id(broker.user_name(other).into());
                let (exchange, options) = (exchanges[0].into(), BasicPublishOptions::default());
                let confirm =
                    channel.basic_publish(exchange, "nowhere".into(), options, b"", forged).await.expect("sent");
                let error = confirm.await.expect_err("refused").to_string();
                assert!(error.contains("PRECONDITION_FAILED"), "{user} as {other}: {error}");
            }
        }
    })
    .await;
}
