//! A role's part of a process: its consumers, its relay, its runner.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::{Bus, ConsumerConfig, Handler, Message, Publisher, RetryPolicy, Topology};
use chrono::TimeDelta;
use futures_util::{StreamExt, stream};
use history::{ExpiredIntent, Journal, Publish, PublishFailure, Relay, ReplySealer, show_pool};
use messages::{Envelope, RoleName};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::lifecycle::Shutdown;
use crate::observe;
use crate::pipeline::{Pipeline, TrustedPublishers};
use crate::routes::Routes;
use crate::shares::Shares;
use crate::traces::{Origin, SpanKind, WorkSpan, publishing, traced};

/// How often the runner looks for interrupted commands.
const RUNNER_INTERVAL: Duration = Duration::from_secs(1);
/// How often answers whose time is over are forgotten.
const FORGET_INTERVAL: Duration = Duration::from_mins(10);
/// After how many failures a message is parked; with the bus's waits that is about two hours.
const ATTEMPTS_MAX: u32 = 16;
/// So many requests are in hand for each that is worked on: they wait there for their caller's turn.
const IN_HAND: u16 = 4;
/// How many interrupted commands the runner reads at once, and works on side by side.
const RESUME_BATCH: i64 = 64;
const RESUMED_AT_ONCE: usize = 16;

/// What a role needs to serve.
#[derive(Debug)]
pub struct Role {
    name: RoleName,
    bus: Bus,
    journal: Journal,
    trusted: TrustedPublishers,
    prefetch: u16,
    command_prefetch: u16,
    /// What still needs the connection after the soft end.
    users: TaskTracker,
}

impl Role {
    /// A role on this connection, that works on at most `prefetch` messages of each of its queues at once.
    pub fn new(name: RoleName, bus: Bus, journal: Journal, trusted: TrustedPublishers, prefetch: u16) -> Self {
        Self { name, bus, journal, trusted, prefetch, command_prefetch: prefetch, users: TaskTracker::new() }
    }

    /// The same role, which can save replies that hold a secret.
    #[must_use]
    pub fn with_sealer(self, sealer: Arc<dyn ReplySealer>) -> Self {
        Self { journal: self.journal.with_sealer(sealer), ..self }
    }

    /// The same role, which does fewer commands at once: each of them is a lot of work.
    #[must_use]
    pub fn with_command_prefetch(self, command_prefetch: u16) -> Self {
        Self { command_prefetch, ..self }
    }

    /// The role's journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Feeds `handler` from one of the role's queues until `shutdown`; to be called before [`Role::start`] for queues
    /// whose messages aren't Purser's own.
    pub fn consume(&self, part: &'static str, queue: &str, prefetch: u16, handler: Handler, shutdown: &Shutdown) {
        let config = self.consumer(queue.to_owned(), prefetch);
        let (bus, soft) = (self.bus.clone(), shutdown.soft().clone());
        let user = self.users.token();
        shutdown.spawn(part, async move {
            let ended = bus.consume(config, traced(handler), soft).await;
            drop(user);
            Ok(ended?)
        });
    }

    fn consumer(&self, queue: String, prefetch: u16) -> ConsumerConfig {
        ConsumerConfig {
            queue,
            prefetch,
            concurrency: prefetch,
            retry: RetryPolicy { max_attempts: ATTEMPTS_MAX },
            own_users: self.trusted.roles.iter().cloned().collect(),
            trusted: self.trusted.roles.union(&self.trusted.frontends).cloned().collect(),
        }
    }

    /// Starts consumers, relay and runner; they end with `shutdown`.
    pub fn start<S: Send + Sync + 'static>(self, state: Arc<S>, routes: Routes<S>, shutdown: &Shutdown) {
        observe::describe();
        let (name, prefetch, command_prefetch) = (self.name, self.prefetch, self.command_prefetch);
        let in_hand = |worked_on: u16| worked_on.saturating_mul(IN_HAND);
        let (commands_in_hand, queries_in_hand) = (in_hand(command_prefetch), in_hand(prefetch));
        let pipeline = Arc::new(Pipeline {
            state,
            journal: self.journal.clone(),
            routes,
            trusted: self.trusted.clone(),
            commands: Shares::new(command_prefetch, commands_in_hand),
            queries: Shares::new(prefetch, queries_in_hand),
            ending: shutdown.soft().clone(),
        });
        let requests = |is_crowded| {
            let pipeline = Arc::clone(&pipeline);
            handler(move |delivery| {
                let pipeline = Arc::clone(&pipeline);
                async move { pipeline.request(delivery, is_crowded).await }
            })
        };
        let events = {
            let pipeline = Arc::clone(&pipeline);
            handler(move |delivery| {
                let pipeline = Arc::clone(&pipeline);
                async move { pipeline.event(delivery).await }
            })
        };
        self.consume("commands", &format!("s3.{name}"), commands_in_hand, requests(false), shutdown);
        self.consume("crowded commands", &Topology::crowded_queue(name), commands_in_hand, requests(true), shutdown);
        self.consume("queries", &format!("s3.{name}.queries"), queries_in_hand, requests(false), shutdown);
        self.consume("events", &format!("s3.{name}.events"), prefetch, events, shutdown);
        let users = self.users;
        let showing = show_pool(self.journal.pool().clone(), name, shutdown.soft().clone());
        shutdown.spawn("pool", async move {
            showing.await;
            Ok(())
        });

        let relay = Relay::new(self.journal.clone(), BusPublisher(self.bus.publisher()));
        let (user, soft) = (users.token(), shutdown.soft().clone());
        shutdown.spawn("relay", async move {
            relay.run(soft).await;
            drop(user);
            Ok(())
        });
        let (publisher, user, soft) = (self.bus.publisher(), users.token(), shutdown.soft().clone());
        shutdown.spawn("runner", async move {
            run(pipeline, publisher, soft).await;
            drop(user);
            Ok(())
        });
        let (bus, soft) = (self.bus, shutdown.soft().clone());
        shutdown.spawn("connection", async move {
            soft.cancelled().await;
            users.close();
            users.wait().await;
            bus.close().await;
            Ok(())
        });
    }
}

fn handler<F, R>(function: F) -> Handler
where
    F: Fn(messages::Delivery) -> R + Send + Sync + 'static,
    R: Future<Output = messages::Outcome> + Send + 'static,
{
    Arc::new(move |delivery| Box::pin(function(delivery)))
}

/// The bus, as the relay publishes to it.
struct BusPublisher(Publisher);

#[async_trait]
impl Publish for BusPublisher {
    async fn publish(&self, envelope: &Envelope, body: Vec<u8>) -> Result<(), PublishFailure> {
        let mut message = Message::from_envelope(envelope.clone(), body);
        let span = publishing(&mut message);
        self.0.publish(message).await.map_err(|error| {
            span.fail("unpublished");
            PublishFailure(error.to_string())
        })
    }
}

/// Resumes commands whose attempt has gone silent, and forgets old answers.
///
/// A redelivery resumes them too; whoever is first takes the slot. The runner waits one second longer, so that
/// in the common case of a restarted worker the redelivery does it.
async fn run<S: Send + Sync + 'static>(pipeline: Arc<Pipeline<S>>, publisher: Publisher, soft: CancellationToken) {
    let silence = TimeDelta::seconds(1);
    let mut forget_at = Instant::now();
    while timeout(RUNNER_INTERVAL, soft.cancelled()).await.is_err() {
        match pipeline.journal.expired_intents(silence, RESUME_BATCH).await {
            // Side by side: a store that is down must not hold up the commands of another.
            Ok(intents) => {
                stream::iter(intents)
                    .take_until(soft.cancelled())
                    .for_each_concurrent(RESUMED_AT_ONCE, |intent| resume(&pipeline, &publisher, intent))
                    .await;
            }
            Err(error) => tracing::warn!(%error, "the runner can't read intents"),
        }
        if Instant::now() >= forget_at {
            forget_at = Instant::now() + FORGET_INTERVAL;
            if let Err(error) = pipeline.journal.forget_expired().await {
                tracing::warn!(%error, "expired answers can't be forgotten");
            }
        }
    }
}

async fn resume<S: Send + Sync + 'static>(pipeline: &Pipeline<S>, publisher: &Publisher, intent: ExpiredIntent) {
    let request = intent.request;
    let origin = Origin { traceparent: request.traceparent.as_deref(), message_id: request.message_id };
    let span = WorkSpan::begin(SpanKind::Internal, || format!("resume {}", request.action), origin, Instant::now());
    if let Some((caller, reply)) = span.run(pipeline.resume(request)).await
        && let Err(error) = publisher.publish_reply(&caller, &reply).await
    {
        tracing::warn!(subject = intent.subject, %error, "a reply was not delivered");
    }
}
