//! The consume loop: bounded concurrency, rebuilt after any loss, finished in order at shutdown.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use lapin::Channel;
use lapin::Consumer;
use lapin::message::Delivery as RawDelivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use messages::{Delivery, Outcome, ParkReason, Refusal, Reply, RetryKind};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::backoff::Backoff;
use crate::connection::{Bus, BusError, Session};
use crate::inbound::{self, Inbound};
use crate::message::short;
use crate::observe;
use crate::outcome::{Settler, Unsettled};
use crate::topology::Topology;

/// What a role takes; a message with more is parked.
pub(crate) const BODY_BYTES_MAX: usize = 1_048_576;
const REOPEN_WAIT_MS_MAX: u64 = 1_000;
/// After so many consumers that were lost in short order, something in the queue may be killing them.
const LOSSES_MAX: u32 = 3;
/// Losses that lie further apart have nothing to do with each other.
const LOSSES_APART: Duration = Duration::from_mins(10);

/// Decides what becomes of a delivery; it neither acknowledges nor publishes. A panic counts as a failed attempt.
pub type Handler = Arc<dyn Fn(Delivery) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// How stubbornly a message is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a message may fail: at that failure it is parked. 0 and 1 mean that nothing is tried twice.
    pub max_attempts: u32,
}

/// What to consume, and how.
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// A queue of [`Topology`] that belongs to a role: `s3.billing`, `s3.billing.queries`, …
    pub queue: String,
    /// How many deliveries the broker sends ahead.
    pub prefetch: u16,
    /// How many are handled at the same time; at most `prefetch`.
    pub concurrency: u16,
    /// How stubbornly a message is tried.
    pub retry: RetryPolicy,
    /// The broker users of Purser's roles: what a message carries about its earlier life counts from them only.
    pub own_users: Vec<String>,
    /// The broker users whose messages are kept, whatever it takes. Those of others are let go once nothing more can be
    /// parked.
    pub trusted: Vec<String>,
}

/// A configuration that can't work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConsumeError(String);

impl Bus {
    /// Feeds `handler` from a queue until `shutdown` is cancelled or the bus is closed, whatever happens to the
    /// connection or the queue meanwhile. Then it takes nothing new, finishes what is in hand, and returns.
    pub async fn consume(
        &self,
        config: ConsumerConfig,
        handler: Handler,
        shutdown: CancellationToken,
    ) -> Result<(), ConsumeError> {
        let ConsumerConfig { queue, prefetch, concurrency, retry, own_users, trusted } = config;
        if concurrency == 0 || concurrency > prefetch {
            return Err(ConsumeError(format!(
                "the concurrency on {queue} must be between 1 and the prefetch ({prefetch}), not {concurrency}"
            )));
        }
        let role = Topology::role_of(&queue)
            .ok_or_else(|| ConsumeError(format!("{queue:?} must be a role's queue, such as s3.billing")))?;
        short("the queue's name", &queue).map_err(|error| ConsumeError(error.to_string()))?;
        let bus = self.clone();
        let publisher = bus.publisher();
        let settler = Settler { publisher, bus, queue, role, retry, trusted, shutdown: shutdown.clone() };
        observe::show_counters(&settler.queue);
        let worker = Worker {
            handler,
            own_users,
            settler: Arc::new(settler),
            permits: Arc::new(Semaphore::new(concurrency.into())),
            tasks: TaskTracker::new(),
        };
        worker.run(self, prefetch, &shutdown).await;
        worker.tasks.close();
        worker.tasks.wait().await;
        Ok(())
    }
}

/// A consumer with what it lives on.
struct Line {
    session: Arc<Session>,
    channel: Channel,
    consumer: Consumer,
}

/// Why one consumer ended.
enum End {
    Shutdown,
    /// A careful consumer got as many deliveries as another has in hand, and lived.
    Recovered,
    Lost(String),
}

/// How the last consumers ended.
///
/// A message that lapin can't even parse kills the connection, and the broker counts that as a delivery of all that
/// were sent ahead. Taken one by one, it reaches the delivery limit without its neighbours.
struct Losses {
    backoff: Backoff,
    count: u32,
    last: Instant,
    deliveries_since: u16,
    prefetch: u16,
}

impl Losses {
    fn new(prefetch: u16) -> Self {
        let backoff = Backoff::up_to_ms(REOPEN_WAIT_MS_MAX);
        Self { backoff, count: 0, last: Instant::now(), deliveries_since: 0, prefetch }
    }

    /// Whether messages are to be taken one by one.
    const fn call_for_care(&self) -> bool {
        self.count >= LOSSES_MAX
    }

    /// How long to wait for the next consumer.
    fn lost(&mut self) -> Duration {
        let is_apart = self.last.elapsed() > LOSSES_APART;
        self.count = if is_apart { 1 } else { self.count.saturating_add(1) };
        self.last = Instant::now();
        self.deliveries_since = 0;
        self.backoff.next_wait()
    }

    /// After as many deliveries as are sent ahead, or after a while, whatever killed the consumers isn't there any more.
    fn delivered(&mut self) {
        self.backoff.reset();
        self.deliveries_since = self.deliveries_since.saturating_add(1);
        if self.deliveries_since >= self.prefetch || self.last.elapsed() > LOSSES_APART {
            self.count = 0;
        }
    }
}

#[derive(Clone)]
struct Worker {
    handler: Handler,
    own_users: Vec<String>,
    settler: Arc<Settler>,
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Worker {
    async fn run(&self, bus: &Bus, prefetch: u16, shutdown: &CancellationToken) {
        let mut losses = Losses::new(prefetch);
        loop {
            let careful = losses.call_for_care();
            let opened = tokio::select! {
                () = shutdown.cancelled() => return,
                opened = self.open(bus, if careful { 1 } else { prefetch }) => opened,
            };
            let reason = match opened {
                Ok(Ok(line)) => {
                    let session = Arc::clone(&line.session);
                    match session.while_alive(self.feed(line, careful, &mut losses, shutdown)).await {
                        Ok(End::Shutdown) => return,
                        Ok(End::Recovered) => continue,
                        Ok(End::Lost(reason)) => reason,
                        Err(lost) => lost.to_string(),
                    }
                }
                Ok(Err(reason)) => reason,
                // The bus is closed.
                Err(_) => return,
            };
            tracing::warn!(queue = self.settler.queue, reason, "lost the consumer; making a new one");
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(losses.lost()) => {}
            }
        }
    }

    /// A consumer on a channel of its own, or why there is none.
    async fn open(&self, bus: &Bus, prefetch: u16) -> Result<Result<Line, String>, BusError> {
        let session = bus.session().await?;
        let open = async {
            let channel = session.open_channel().await?;
            channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
            let (queue, options) = (self.settler.queue.as_str().into(), BasicConsumeOptions::default());
            let consumer = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?;
            Ok((channel, consumer))
        };
        let opened = session.while_alive(open).await;
        Ok(match opened {
            Ok(Ok((channel, consumer))) => Ok(Line { session, channel, consumer }),
            Ok(Err(error)) => Err(lapin::Error::to_string(&error)),
            Err(lost) => Err(lost.to_string()),
        })
    }

    async fn feed(&self, line: Line, careful: bool, losses: &mut Losses, shutdown: &CancellationToken) -> End {
        let Line { session, channel, mut consumer } = line;
        loop {
            let permit = tokio::select! {
                () = shutdown.cancelled() => None,
                permit = Arc::clone(&self.permits).acquire_owned() => permit.ok(),
            };
            let Some(permit) = permit else { break };
            let next = tokio::select! {
                () = shutdown.cancelled() => break,
                next = consumer.next() => next,
            };
            let raw = match next {
                Some(Ok(raw)) => raw,
                Some(Err(error)) => return End::Lost(error.to_string()),
                None => return End::Lost("the broker ended it: its queue was deleted or moved".to_owned()),
            };
            losses.delivered();
            // The channel lives until its last delivery is acknowledged.
            let (worker, session, channel) = (self.clone(), Arc::clone(&session), channel.clone());
            self.tasks.spawn(async move {
                worker.handle(&session, &channel, raw).await;
                drop((channel, permit));
            });
            if careful && !losses.call_for_care() {
                break;
            }
        }
        if let Err(error) = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await {
            tracing::debug!(queue = self.settler.queue, %error, "the consumer is gone already");
        }
        if shutdown.is_cancelled() { End::Shutdown } else { End::Recovered }
    }

    async fn handle(&self, session: &Session, channel: &Channel, raw: RawDelivery) {
        let too_large = (raw.data.len() > BODY_BYTES_MAX)
            .then(|| format!("the body has {} bytes; the limit is {BODY_BYTES_MAX}", raw.data.len()));
        let body = if too_large.is_some() { Vec::new() } else { raw.data.clone() };
        let mut inbound = inbound::read(&self.settler.queue, &raw.properties, body, &self.own_users);
        let span = tracing::info_span!(
            "delivery",
            queue = self.settler.queue,
            message_type = inbound.delivery.message_type,
            message_id = inbound.delivery.message_id,
            trace_id = inbound.delivery.traceparent.as_deref().and_then(messages::trace_id),
        );
        let outcome = match inbound.defect.take().or(too_large) {
            Some(defect) => undecodable(inbound.delivery.message_type.as_deref().unwrap_or_default(), defect),
            None => self.ask_handler(&inbound).instrument(span.clone()).await,
        };
        self.settler.settle(Unsettled { session, channel, raw: &raw }, &inbound, outcome).instrument(span).await;
    }

    async fn ask_handler(&self, inbound: &Inbound) -> Outcome {
        let delivery = inbound.delivery.clone();
        let handled = AssertUnwindSafe(async { (self.handler)(delivery).await }).catch_unwind().await;
        handled.unwrap_or_else(|_| {
            tracing::error!("the handler panicked");
            Outcome::Retry { kind: RetryKind::Failed, error: "the handler panicked".to_owned() }
        })
    }
}

fn undecodable(action: &str, defect: String) -> Outcome {
    let reply = Some(Reply::refused(action, &Refusal::new(defect.clone())));
    Outcome::Park { reason: ParkReason::Undecodable, detail: defect, reply }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn care_begins_after_losses_in_short_order_and_ends_with_as_many_deliveries_as_are_sent_ahead() {
        let mut losses = Losses::new(4);
        for loss in 1..=3 {
            assert!(!losses.call_for_care(), "before loss {loss}");
            losses.delivered();
            losses.lost();
        }
        assert!(losses.call_for_care(), "although there were deliveries in between");
        for _ in 0..3 {
            losses.delivered();
        }
        losses.lost();
        for _ in 0..3 {
            losses.delivered();
            assert!(losses.call_for_care(), "the last loss is too near");
        }
        losses.delivered();
        assert!(!losses.call_for_care());
    }
    #[tokio::test(start_paused = true)]
    async fn losses_that_lie_far_apart_have_nothing_to_do_with_each_other() {
        let mut losses = Losses::new(4);
        for _ in 0..10 {
            losses.lost();
            tokio::time::advance(LOSSES_APART + Duration::from_secs(1)).await;
            assert!(!losses.call_for_care());
        }
        for _ in 0..3 {
            losses.lost();
        }
        assert!(losses.call_for_care());
        tokio::time::advance(LOSSES_APART + Duration::from_secs(1)).await;
        losses.delivered();
        assert!(!losses.call_for_care());
    }
}
