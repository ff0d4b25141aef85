//! Carrying out what a handler decided: answer, retry, park, and only then acknowledge.

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::message::Delivery as RawDelivery;
use lapin::options::{BasicAckOptions, BasicNackOptions, BasicPublishOptions};
use lapin::types::AMQPValue;
use messages::{CallerAddress, Outcome, ParkReason, Reply, RetryKind, RoleName};
use tokio_util::sync::CancellationToken;

use crate::connection::{Bus, Session};
use crate::consume::RetryPolicy;
use crate::inbound::{self, Inbound};
use crate::publish::{PublishError, Publisher};
use crate::topology::{RETRY_DELAYS, RetryDelay, Topology};

const PARKED_EXCHANGE: &str = "s3.parked";
/// Headers share a frame of 128 KiB with the properties.
const NOTE_BYTES_MAX: usize = 1_000;
/// So many quick attempts are made at a busy account before the slower ones.
const QUICK_BUSY_MAX: u32 = 10;
/// After so many waits for a busy account, about half an hour, each further one counts as a failure: something is stuck
/// there, and a person should see it.
const BUSY_MAX: u32 = 1_800;
/// Before a message that could be neither retried nor parked goes back into its queue.
const REQUEUE_WAIT: Duration = Duration::from_secs(1);

/// A delivery that waits for its acknowledgement, and the connection that it came over.
#[derive(Clone, Copy)]
pub(crate) struct Unsettled<'a> {
    pub(crate) session: &'a Session,
    pub(crate) raw: &'a RawDelivery,
}

/// Carries out outcomes for one consumer.
pub(crate) struct Settler {
    pub(crate) bus: Bus,
    pub(crate) publisher: Publisher,
    pub(crate) queue: String,
    pub(crate) role: RoleName,
    pub(crate) retry: RetryPolicy,
    pub(crate) shutdown: CancellationToken,
}

impl Settler {
    /// Never fails: what can't be carried out leads to another delivery.
    pub(crate) async fn settle(&self, unsettled: Unsettled<'_>, inbound: &Inbound, outcome: Outcome) {
        match outcome {
            Outcome::Done(reply) => {
                self.answer(inbound, reply).await;
                self.acknowledge(unsettled).await;
            }
            Outcome::Retry { kind, error } => self.retry(unsettled, inbound, kind, &error).await,
            Outcome::Park { reason, detail, reply } => {
                if self.park(unsettled, inbound, inbound.delivery.attempts, reason, &detail).await {
                    self.answer(inbound, reply).await;
                    self.acknowledge(unsettled).await;
                }
            }
        }
    }

    async fn retry(&self, unsettled: Unsettled<'_>, inbound: &Inbound, kind: RetryKind, error: &str) {
        let kind = if inbound.busy >= BUSY_MAX { RetryKind::Failed } else { kind };
        let (attempts, busy) = match kind {
            RetryKind::Busy => (inbound.delivery.attempts, inbound.busy.saturating_add(1)),
            RetryKind::Failed => (inbound.delivery.attempts.saturating_add(1), inbound.busy),
        };
        let delay = match kind {
            RetryKind::Busy => busy_delay(busy),
            RetryKind::Failed => failed_delay(attempts),
        };
        let spent = kind == RetryKind::Failed && attempts >= self.retry.max_attempts;
        let retry_queue = Topology::retry_queue(&self.queue, delay).filter(|_| !spent);
        let Some(retry_queue) = retry_queue else {
            if self.park(unsettled, inbound, attempts, ParkReason::OutOfAttempts, error).await {
                self.acknowledge(unsettled).await;
            }
            return;
        };
        let mut notes = self.notes(inbound, attempts);
        notes.insert(inbound::BUSY, AMQPValue::LongLongInt(busy.into()));
        notes.insert(inbound::LAST_ERROR, note(error));
        if self.publish_again(unsettled, "", &retry_queue, notes).await {
            metrics::counter!("purser_bus_retries_total", "queue" => self.queue.clone()).increment(1);
            tracing::info!(queue = self.queue, attempts, busy, wait = delay.name, error, "comes back later");
            self.acknowledge(unsettled).await;
        }
    }

    /// Whether the message is safely aside; if not, it goes back into its queue.
    async fn park(
        &self,
        unsettled: Unsettled<'_>,
        inbound: &Inbound,
        attempts: u32,
        reason: ParkReason,
        detail: &str,
    ) -> bool {
        let mut notes = self.notes(inbound, attempts);
        notes.insert("x-parked-reason", note(reason.as_str()));
        notes.insert("x-parked-detail", note(detail));
        notes.insert("x-parked-at", note(&self.bus.clock().now().to_rfc3339()));
        notes.insert("x-source-queue", note(&self.queue));
        let parked = self.publish_again(unsettled, PARKED_EXCHANGE, self.role.as_str(), notes).await;
        if parked {
            let labels = [("queue", self.queue.clone()), ("reason", reason.as_str().to_owned())];
            metrics::counter!("purser_bus_parked_total", &labels).increment(1);
            tracing::warn!(queue = self.queue, reason = reason.as_str(), detail, attempts, "parked a message");
        }
        parked
    }

    /// The headers that a retried and a parked message have in common.
    fn notes(&self, inbound: &Inbound, attempts: u32) -> BTreeMap<&'static str, AMQPValue> {
        let first = inbound.first_failed_at.clone().unwrap_or_else(|| self.bus.clock().now().to_rfc3339());
        BTreeMap::from([
            (inbound::ATTEMPTS, AMQPValue::LongLongInt(attempts.into())),
            (inbound::FIRST_FAILED_AT, note(&first)),
            // Empty where nobody is known, so that the message doesn't come back as our own.
            (inbound::PUBLISHER, note(inbound.delivery.publisher.as_deref().unwrap_or_default())),
        ])
    }

    /// Publishes the message whole to another place; where that fails, it goes back into its queue after a while.
    async fn publish_again(
        &self,
        unsettled: Unsettled<'_>,
        exchange: &str,
        routing_key: &str,
        notes: BTreeMap<&'static str, AMQPValue>,
    ) -> bool {
        let published = match inbound::again(&unsettled.raw.properties, self.bus.user(), notes) {
            Ok(properties) => {
                let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                self.publisher.publish_raw(exchange, routing_key, options, &unsettled.raw.data, properties).await
            }
            Err(reason) => Err(PublishError::Invalid(reason)),
        };
        let Err(error) = published else { return true };
        tracing::error!(queue = self.queue, exchange, routing_key, %error, "can't move a message; it stays");
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = tokio::time::sleep(REQUEUE_WAIT) => {}
        }
        let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        self.finish(unsettled.session, unsettled.raw.acker.nack(options)).await;
        false
    }

    async fn answer(&self, inbound: &Inbound, reply: Option<Reply>) {
        let Some((reply, caller)) = reply.zip(CallerAddress::of(&inbound.delivery)) else { return };
        if let Err(error) = self.publisher.publish_reply(&caller, &reply).await {
            tracing::warn!(queue = self.queue, %error, "the reply did not leave; the caller may ask again");
        }
    }

    async fn acknowledge(&self, unsettled: Unsettled<'_>) {
        self.finish(unsettled.session, unsettled.raw.acker.ack(BasicAckOptions::default())).await;
    }

    /// Where this fails the channel is gone, and the broker delivers again.
    async fn finish(&self, session: &Session, settled: impl Future<Output = lapin::Result<bool>>) {
        match session.while_alive(settled).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => tracing::debug!(queue = self.queue, "the channel is gone: not acknowledged"),
            Ok(Err(error)) => tracing::debug!(queue = self.queue, %error, "not acknowledged"),
            Err(lost) => tracing::debug!(queue = self.queue, %lost, "not acknowledged"),
        }
    }
}

/// Quick at first: the other command is usually done in a moment.
fn busy_delay(busy: u32) -> RetryDelay {
    RETRY_DELAYS[usize::from(busy > QUICK_BUSY_MAX)]
}

/// Growing with each failed attempt, the first of which is 1.
fn failed_delay(attempts: u32) -> RetryDelay {
    let last = RETRY_DELAYS.len() - 1;
    RETRY_DELAYS[usize::try_from(attempts.max(1)).unwrap_or(last).min(last)]
}

fn note(text: &str) -> AMQPValue {
    let mut end = text.len().min(NOTE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    AMQPValue::LongString(text[..end].into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_with_failures_and_stay_short_while_busy() {
        let failed: Vec<_> = [0, 1, 2, 3, 4, 5, 6, u32::MAX].map(|attempts| failed_delay(attempts).name).into();
        assert_eq!(failed, ["1s", "1s", "5s", "30s", "2m", "10m", "10m", "10m"]);
        let busy: Vec<_> = [1, 10, 11, u32::MAX].map(|times| busy_delay(times).name).into();
        assert_eq!(busy, ["100ms", "100ms", "1s", "1s"]);
    }

    #[test]
    fn long_notes_are_cut_between_characters() {
        let AMQPValue::LongString(text) = note(&"ü".repeat(600)) else { panic!("a text") };
        assert_eq!(text.as_bytes().len(), NOTE_BYTES_MAX);
        let AMQPValue::LongString(text) = note(&format!("a{}", "ü".repeat(600))) else { panic!("a text") };
        assert_eq!(text.as_bytes().len(), NOTE_BYTES_MAX - 1);
    }
}
