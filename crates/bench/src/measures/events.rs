//! From the history to a consumer of `s3.events`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ExchangeKind};
use messages::{Encoding, Envelope, Event};
use model::{Clock, CustomerId, SystemClock};
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use test_support::database;
use uuid::Uuid;

use crate::client::{Call, check, connect};
use crate::listener::{Heard, Listener, queue_kind};
use crate::load::{LOAD_FIGURES, Load};
use crate::measure::{Comparison, Effort, Figure, Group, Measure, Sample, Setting, Variant};
use crate::processor_time::Processes;
use crate::stage::{Account, CUSTOMERS, Stage, body, bucket_name};

/// No role wants these, so that nobody works on them but the relay.
const EVENT: &str = "invoice.issued";
const FLOOR_EXCHANGE: &str = "floor.events";
const PERSISTENT: u8 = 2;
/// How many messages the floor has under way at once.
const WINDOW: usize = 256;
/// Events of one subject are published one after the other; a backlog is of many.
const SUBJECTS: usize = 256;

pub(super) struct Events;

#[async_trait]
impl Measure for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn about(&self) -> &'static str {
        "From the history to a consumer that is bound to `s3.events`. *Backlog*: how fast a full outbox is published; \
         floor: the same bodies published with lapin, each with its confirm, 256 under way, to a topic exchange with a \
         stream and the consumer's quorum queue as `s3.events` has them. *One by one*: from the time in the event of a \
         `create_bucket` (just before its row is written) until the consumer has it, and its rate is one over the mean \
         of these times; floor: from the publication. Purser's processor time there is that of the whole command."
    }

    fn figures(&self) -> &'static [Figure] {
        LOAD_FIGURES
    }

    async fn prepare(&self, setting: &Setting) -> Result<Vec<Group>> {
        let stage = Stage::start(setting).await?;
        let accounts = stage.order_accounts(CUSTOMERS).await?;
        let connection = connect(&stage.deployment.amqp_admin_url(), "bench events").await?;
        let floor = Arc::new(Floor::start(&connection, setting).await?);
        let url = database::url(stage.deployment.services(), stage.deployment.name())?;
        let purser = Arc::new(Purser {
            pool: PgPoolOptions::new().max_connections(1).connect_lazy(&url)?,
            backlog: Listener::bind(&connection, "s3.events", EVENT, "bench.backlog").await?,
            buckets: Listener::bind(&connection, "s3.events", "bucket.created", "bench.buckets").await?,
            accounts,
            stage,
            _connection: connection,
        });
        let backlog = match setting.effort {
            Effort::Quick => 5_000,
            Effort::Full => 20_000,
        };
        let group =
            |name: String, in_flight, variants| Group { name, in_flight, comparison: Comparison::WithFloor, variants };
        Ok(vec![
            group(
                format!("backlog of {backlog}"),
                backlog,
                vec![Arc::new(FloorBacklog(Arc::clone(&floor))), Arc::new(PurserBacklog(Arc::clone(&purser)))],
            ),
            group("one by one".to_owned(), 1, vec![Arc::new(FloorOneByOne(floor)), Arc::new(PurserOneByOne(purser))]),
        ])
    }
}

/// An event as the roles record them.
fn event(number: usize) -> Event {
    Event {
        id: Uuid::now_v7(),
        source: "/purser/provisioner".to_owned(),
        event: EVENT.to_owned(),
        subject: format!("account/{:032x}", number % SUBJECTS),
        subject_version: 1,
        time: SystemClock.now(),
        customer_id: Some(CustomerId(1)),
        description: "Bucket b1d8f7a0c5e94b7f8a2c6d3e9f0a1b2c created".to_owned(),
        data: json!({ "s3uid": format!("{number:032x}"), "bucket_name": "b1d8f7a0c5e94b7f8a2c6d3e9f0a1b2c" }),
    }
}

/// Publishes without anything between.
struct Floor {
    channel: Channel,
    listener: Listener,
    processes: Processes,
}

impl Floor {
    async fn start(connection: &Connection, setting: &Setting) -> Result<Self> {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let none = FieldTable::default;
        channel.exchange_declare(FLOOR_EXCHANGE.into(), ExchangeKind::Topic, durable, none()).await?;
        let history = "floor.history";
        channel.queue_declare(history.into(), QueueDeclareOptions::durable(), queue_kind("stream")).await?;
        let bind = QueueBindOptions::default();
        channel.queue_bind(history.into(), FLOOR_EXCHANGE.into(), "#".into(), bind, none()).await?;
        let listener = Listener::bind(connection, FLOOR_EXCHANGE, "#", "bench.floor").await?;
        Ok(Self { channel, listener, processes: setting.machine.processes() })
    }

    async fn publish(&self, event: &Event) -> Result<()> {
        let body = Encoding::MessagePack.encode(event)?;
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_type(EVENT.into())
            .with_content_type(Encoding::MessagePack.content_type().into())
            .with_message_id(event.id.to_string().into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let publish = self.channel.basic_publish(FLOOR_EXCHANGE.into(), EVENT.into(), options, &body, properties);
        check(&publish.await?.await?)
    }
}

struct FloorBacklog(Arc<Floor>);

#[async_trait]
impl Variant for FloorBacklog {
    fn name(&self) -> &'static str {
        "floor"
    }

    async fn run(&self, in_flight: usize, duration: Duration) -> Result<Sample> {
        let floor = &self.0;
        let load = async {
            let mut backlogs = Repeated::for_at_least(duration);
            while backlogs.go_on() {
                let started = Instant::now();
                let publish =
                    stream::iter(0..in_flight).map(|number| async move { floor.publish(&event(number)).await });
                let publish = publish.buffer_unordered(WINDOW).try_collect::<()>();
                tokio::try_join!(publish, floor.listener.hear(in_flight))?;
                backlogs.took.push(started.elapsed());
            }
            anyhow::Ok(backlogs.of(in_flight))
        };
        floor.processes.watch(load).await
    }
}

struct FloorOneByOne(Arc<Floor>);

#[async_trait]
impl Variant for FloorOneByOne {
    fn name(&self) -> &'static str {
        "floor"
    }

    async fn run(&self, _in_flight: usize, duration: Duration) -> Result<Sample> {
        let floor = &self.0;
        let load = async {
            let mut events = Repeated::for_at_least(duration);
            while events.go_on() {
                let event = event(0);
                let ((), heard) = tokio::try_join!(floor.publish(&event), floor.listener.next())?;
                events.took.push(delay(&event, &heard)?);
            }
            anyhow::Ok(Load::one_by_one(events.took))
        };
        floor.processes.watch(load).await
    }
}

/// Records, and leaves the rest to the relay.
struct Purser {
    pool: PgPool,
    backlog: Listener,
    buckets: Listener,
    accounts: Vec<Account>,
    stage: Arc<Stage>,
    _connection: Connection,
}

impl Purser {
    /// Puts so many events into the outbox at once, as one long transaction would.
    async fn record(&self, count: usize) -> Result<()> {
        let (mut subjects, mut envelopes, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
        for event in (0..count).map(event) {
            envelopes.push(serde_json::to_string(&Envelope::event(&event, None))?);
            bodies.push(serde_json::to_string(&event)?);
            subjects.push(event.subject);
        }
        sqlx::query(
            "INSERT INTO provisioner.outbox (subject, envelope, body, created_at)
             SELECT subject, envelope::jsonb, body, now() FROM unnest($1::text[], $2::text[], $3::text[])
                 AS rows (subject, envelope, body)",
        )
        .bind(&subjects)
        .bind(&envelopes)
        .bind(&bodies)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Makes a bucket; returns how long its event took.
    async fn make_bucket(&self, account: &Account) -> Result<Duration> {
        let (action, name) = ("create_bucket", bucket_name());
        let body = body(account.customer, json!({ "s3uid": account.s3uid, "bucket_name": name }))?;
        let call = Call { exchange: "s3.commands", routing_key: action, action, persistent: true, body };
        let hear = async {
            loop {
                let heard = self.buckets.next().await?;
                let event: Event = Encoding::MessagePack.decode(&heard.body)?;
                // Those of the orders may still be on their way.
                if event.data["bucket_name"] == name {
                    return delay(&event, &heard);
                }
            }
        };
        Ok(tokio::try_join!(self.stage.client.call(call), hear)?.1)
    }
}

struct PurserBacklog(Arc<Purser>);

#[async_trait]
impl Variant for PurserBacklog {
    fn name(&self) -> &'static str {
        "purser"
    }

    async fn run(&self, in_flight: usize, duration: Duration) -> Result<Sample> {
        let purser = &self.0;
        let load = async {
            let mut backlogs = Repeated::for_at_least(duration);
            while backlogs.go_on() {
                purser.record(in_flight).await?;
                let committed = Instant::now();
                purser.backlog.hear(in_flight).await?;
                backlogs.took.push(committed.elapsed());
            }
            anyhow::Ok(backlogs.of(in_flight))
        };
        purser.stage.processes().watch(load).await
    }
}

struct PurserOneByOne(Arc<Purser>);

#[async_trait]
impl Variant for PurserOneByOne {
    fn name(&self) -> &'static str {
        "purser"
    }

    async fn run(&self, _in_flight: usize, duration: Duration) -> Result<Sample> {
        let purser = &self.0;
        let mut accounts = purser.accounts.iter().cycle();
        let load = async {
            let mut events = Repeated::for_at_least(duration);
            while events.go_on() {
                events.took.push(purser.make_bucket(accounts.next().context("there are accounts")?).await?);
            }
            anyhow::Ok(Load::one_by_one(events.took))
        };
        purser.stage.processes().watch(load).await
    }
}

/// From an event's own time until it was heard.
fn delay(event: &Event, heard: &Heard) -> Result<Duration> {
    (heard.at - event.time).to_std().context("an event is heard after its time")
}

/// Something done again and again until the time is over, at least once.
struct Repeated {
    begun: Instant,
    time: Duration,
    /// How long each took.
    took: Vec<Duration>,
}

impl Repeated {
    fn for_at_least(time: Duration) -> Self {
        Self { begun: Instant::now(), time, took: Vec::new() }
    }

    fn go_on(&self) -> bool {
        self.took.is_empty() || self.begun.elapsed() < self.time
    }

    /// The load of backlogs of `count` each.
    fn of(&self, count: usize) -> Load {
        Load::together(count * self.took.len(), self.took.iter().sum())
    }
}
