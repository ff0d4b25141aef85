//! Carrying out what a handler decided: answer, retry, park, and only then acknowledge.

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::Channel;
use lapin::message::Delivery as RawDelivery;
use lapin::options::{BasicAckOptions, BasicNackOptions, BasicPublishOptions};
use lapin::types::AMQPValue;
use messages::{CallerAddress, Outcome, ParkReason, Reply, RetryKind, RoleName, is_direct};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::connection::{Bus, Session};
use crate::consume::RetryPolicy;
use crate::inbound::{self, Inbound, NotedError};
use crate::observe;
use crate::publish::{PublishError, Publisher};
use crate::topology::{RETRY_DELAYS, RetryDelay, Topology};

const PARKED_EXCHANGE: &str = "s3.parked";
/// Headers share a frame of 128 KiB with the properties.
const NOTE_BYTES_MAX: usize = 1_000;
/// So many quick attempts are made at a busy account before the slower ones.
const QUICK_BUSY_MAX: u32 = 10;
/// So many attempts are made, each after a second, before those with longer waits.
const EARLY_BUSY_MAX: u32 = 100;
/// After so many waits for a busy account, about half an hour, each further one counts as a failure: something is stuck
/// there, and a person should see it. What a role sends of its own accord waits on: nobody would send it again.
const BUSY_MAX: u32 = 600;
/// Before a message that could be neither retried nor parked goes back into its queue.
const REQUEUE_WAIT: Duration = Duration::from_secs(1);

/// A delivery that waits for its acknowledgement, and the connection and channel that it came over.
#[derive(Clone, Copy)]
pub(crate) struct Unsettled<'a> {
    pub(crate) session: &'a Session,
    pub(crate) channel: &'a Channel,
    pub(crate) raw: &'a RawDelivery,
}

/// Where a message goes that is published again, and how long it waits there.
#[derive(Clone, Copy)]
struct Place<'a> {
    exchange: &'a str,
    routing_key: &'a str,
    wait_ms: Option<u32>,
}

/// Carries out outcomes for one consumer.
pub(crate) struct Settler {
    pub(crate) bus: Bus,
    pub(crate) publisher: Publisher,
    pub(crate) queue: String,
    pub(crate) role: RoleName,
    pub(crate) retry: RetryPolicy,
    pub(crate) trusted: Vec<String>,
    pub(crate) shutdown: CancellationToken,
}

/// Why a message is put aside.
#[derive(Clone, Copy)]
struct Parking<'a> {
    attempts: u32,
    reason: ParkReason,
    detail: &'a str,
}

impl Settler {
    /// Never fails: what can't be carried out leads to another delivery.
    pub(crate) async fn settle(&self, unsettled: Unsettled<'_>, inbound: &Inbound, outcome: Outcome) {
        match outcome {
            Outcome::Done(reply) => {
                self.answer(unsettled, inbound, reply).await;
                self.acknowledge(unsettled).await;
            }
            Outcome::Retry { kind, error } => self.retry(unsettled, inbound, kind, &error).await,
            Outcome::Postpone => self.postpone(unsettled, inbound).await,
            Outcome::Park { reason, detail, reply } => {
                let parking = Parking { attempts: inbound.delivery.attempts, reason, detail: &detail };
                self.put_aside(unsettled, inbound, parking, reply).await;
            }
        }
    }

    async fn retry(&self, unsettled: Unsettled<'_>, inbound: &Inbound, kind: RetryKind, error: &str) {
        let is_stuck = kind == RetryKind::Busy && inbound.busy >= BUSY_MAX && !inbound.is_internal;
        let kind = if is_stuck { RetryKind::Failed } else { kind };
        let (mut attempts, mut busy) = (inbound.delivery.attempts, inbound.busy);
        let counter = match kind {
            RetryKind::Busy => &mut busy,
            RetryKind::Failed => &mut attempts,
        };
        *counter = counter.saturating_add(1);
        let delay = match kind {
            RetryKind::Busy => busy_delay(busy),
            RetryKind::Failed => failed_delay(attempts),
        };
        let spent = kind == RetryKind::Failed && attempts >= self.retry.max_attempts;
        let retry_queue = Topology::retry_queue(&self.queue, delay).filter(|_| !spent);
        let Some(retry_queue) = retry_queue else {
            let parking = Parking { attempts, reason: ParkReason::OutOfAttempts, detail: error };
            return self.put_aside(unsettled, inbound, parking, None).await;
        };
        let mut notes = self.notes(inbound, attempts, error);
        notes.insert(inbound::BUSY, AMQPValue::LongLongInt(busy.into()));
        let place = Place { exchange: "", routing_key: &retry_queue, wait_ms: Some(jittered_ms(delay)) };
        match self.publish_again(unsettled, place, notes).await {
            Ok(()) => {
                observe::retries(&self.queue).increment(1);
                let wait_seconds = f64::from(delay.wait_ms) / 1e3;
                tracing::info!(queue = self.queue, attempts, busy, wait_seconds, error, "comes back later");
                self.acknowledge(unsettled).await;
            }
            Err(failure) => self.give_back(unsettled, &failure).await,
        }
    }

    /// Moves a command to those that are too many of one caller's; what is known of it stays as it is.
    async fn postpone(&self, unsettled: Unsettled<'_>, inbound: &Inbound) {
        let crowded = Topology::crowded_queue(self.role);
        let mut notes = BTreeMap::from([
            (inbound::ATTEMPTS, AMQPValue::LongLongInt(inbound.delivery.attempts.into())),
            (inbound::BUSY, AMQPValue::LongLongInt(inbound.busy.into())),
            (inbound::PUBLISHER, note(inbound.delivery.publisher.as_deref().unwrap_or_default())),
        ]);
        let (first, last) = (&inbound.first, &inbound.last);
        let known = [
            (inbound::FIRST_ERROR, &first.error),
            (inbound::FIRST_FAILED_AT, &first.at),
            (inbound::LAST_ERROR, &last.error),
            (inbound::LAST_FAILED_AT, &last.at),
        ];
        notes.extend(known.into_iter().filter_map(|(name, value)| Some((name, note(value.as_deref()?)))));
        let place = Place { exchange: "", routing_key: &crowded, wait_ms: None };
        match self.publish_again(unsettled, place, notes).await {
            Ok(()) => {
                observe::postponed(&self.queue).increment(1);
                self.acknowledge(unsettled).await;
            }
            Err(failure) => self.give_back(unsettled, &failure).await,
        }
    }

    /// Parks a message and tells its caller. A full parking place holds up nobody: what was answered or came from a
    /// stranger is let go then, the rest comes back after the longest wait, as often as it takes.
    async fn put_aside(&self, unsettled: Unsettled<'_>, inbound: &Inbound, parking: Parking<'_>, reply: Option<Reply>) {
        let moved = match self.park(unsettled, inbound, parking).await {
            Err(PublishError::Rejected) => {
                let told = self.answer(unsettled, inbound, reply).await;
                let kept = inbound.delivery.publisher.as_ref().is_some_and(|user| self.trusted.contains(user));
                match Topology::retry_queue(&self.queue, RETRY_DELAYS[RETRY_DELAYS.len() - 1]) {
                    Some(retry_queue) if kept && !told => {
                        let notes = self.notes(inbound, parking.attempts, parking.detail);
                        let place = Place { exchange: "", routing_key: &retry_queue, wait_ms: None };
                        self.publish_again(unsettled, place, notes).await
                    }
                    // Nobody misses a query.
                    _ => {
                        observe::let_go(&self.queue, parking.reason).increment(1);
                        Ok(())
                    }
                }
            }
            Ok(()) => {
                self.answer(unsettled, inbound, reply).await;
                Ok(())
            }
            failed => failed,
        };
        match moved {
            Ok(()) => self.acknowledge(unsettled).await,
            Err(failure) => self.give_back(unsettled, &failure).await,
        }
    }

    async fn park(
        &self,
        unsettled: Unsettled<'_>,
        inbound: &Inbound,
        Parking { attempts, reason, detail }: Parking<'_>,
    ) -> Result<(), PublishError> {
        let mut notes = self.notes(inbound, attempts, detail);
        notes.insert(inbound::PARKED_ID, note(&Uuid::now_v7().to_string()));
        notes.insert(inbound::PARKED_REASON, note(reason.as_str()));
        notes.insert(inbound::PARKED_DETAIL, note(detail));
        notes.insert(inbound::PARKED_AT, note(&self.bus.clock().now().to_rfc3339()));
        notes.insert(inbound::SOURCE_QUEUE, note(Topology::entrance(&self.queue)));
        let place = Place { exchange: PARKED_EXCHANGE, routing_key: self.role.as_str(), wait_ms: None };
        let parked = self.publish_again(unsettled, place, notes).await;
        match &parked {
            Ok(()) => {
                observe::parked(&self.queue, reason).increment(1);
                tracing::warn!(queue = self.queue, reason = reason.as_str(), detail, attempts, "parked a message");
            }
            Err(failure) => {
                let reason = reason.as_str();
                tracing::error!(queue = self.queue, reason, detail, attempts, error = %failure, "a message can't be parked");
            }
        }
        parked
    }

    /// The headers that a retried and a parked message have in common.
    fn notes(&self, inbound: &Inbound, attempts: u32, error: &str) -> BTreeMap<&'static str, AMQPValue> {
        let now = self.bus.clock().now().to_rfc3339();
        let NotedError { error: first_error, at: first_failed_at } = &inbound.first;
        BTreeMap::from([
            (inbound::ATTEMPTS, AMQPValue::LongLongInt(attempts.into())),
            (inbound::FIRST_ERROR, note(first_error.as_deref().unwrap_or(error))),
            (inbound::FIRST_FAILED_AT, note(first_failed_at.as_ref().unwrap_or(&now))),
            (inbound::LAST_ERROR, note(error)),
            (inbound::LAST_FAILED_AT, note(&now)),
            // Empty where nobody is known, so that the message doesn't come back as our own.
            (inbound::PUBLISHER, note(inbound.delivery.publisher.as_deref().unwrap_or_default())),
        ])
    }

    /// Publishes the message whole to another place.
    async fn publish_again(
        &self,
        unsettled: Unsettled<'_>,
        place: Place<'_>,
        notes: BTreeMap<&'static str, AMQPValue>,
    ) -> Result<(), PublishError> {
        let Place { exchange, routing_key, wait_ms } = place;
        let again = inbound::again(&unsettled.raw.properties, self.bus.user(), notes);
        let mut properties = again.map_err(PublishError::Invalid)?;
        if let Some(wait_ms) = wait_ms {
            properties = properties.with_expiration(wait_ms.to_string().into());
        }
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        self.publisher.publish_raw(exchange, routing_key, options, &unsettled.raw.data, properties).await
    }

    /// Puts a message that can't be moved back into its queue, after a while.
    async fn give_back(&self, unsettled: Unsettled<'_>, failure: &PublishError) {
        tracing::error!(queue = self.queue, error = %failure, "can't move a message; it stays");
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = tokio::time::sleep(REQUEUE_WAIT) => {}
        }
        let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        self.finish(unsettled.session, unsettled.raw.acker.nack(options)).await;
    }

    /// Whether there is a caller, and the broker has taken the reply for them.
    async fn answer(&self, unsettled: Unsettled<'_>, inbound: &Inbound, reply: Option<Reply>) -> bool {
        let Some((reply, caller)) = reply.zip(CallerAddress::of(&inbound.delivery)) else { return false };
        let sent = if is_direct(&caller.reply_to) {
            self.publisher.publish_ahead(unsettled, &caller, &reply).await
        } else {
            self.publisher.publish_reply(&caller, &reply).await
        };
        if let Err(error) = &sent {
            tracing::warn!(queue = self.queue, %error, "the reply did not leave; the caller may ask again");
        }
        sent.is_ok()
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
            Err(lost) => tracing::debug!(queue = self.queue, error = %lost, "not acknowledged"),
        }
    }
}

/// Quick at first: the other command is usually done in a moment.
fn busy_delay(busy: u32) -> RetryDelay {
    RETRY_DELAYS[usize::from(busy > QUICK_BUSY_MAX) + usize::from(busy > EARLY_BUSY_MAX)]
}

/// Growing with each failed attempt, the first of which is 1.
fn failed_delay(attempts: u32) -> RetryDelay {
    let last = RETRY_DELAYS.len() - 1;
    RETRY_DELAYS[usize::try_from(attempts.max(1)).unwrap_or(last).min(last)]
}

/// Between a half and the whole of the wait, so that what failed together doesn't come back at the same moment. The
/// queue's own limit is the whole: behind a message that waits longer this one comes no later than that.
fn jittered_ms(delay: RetryDelay) -> u32 {
    rand::random_range(delay.wait_ms / 2..=delay.wait_ms)
}

pub(crate) fn note(text: &str) -> AMQPValue {
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
        let busy: Vec<_> = [1, 10, 11, 100, 101, u32::MAX].map(|times| busy_delay(times).name).into();
        assert_eq!(busy, ["100ms", "100ms", "1s", "1s", "5s", "5s"]);
    }

    #[test]
    fn waits_are_spread_over_the_upper_half() {
        for delay in RETRY_DELAYS {
            let waits: Vec<_> = (0..500).map(|_| jittered_ms(delay)).collect();
            assert!(waits.iter().all(|wait| (delay.wait_ms / 2..=delay.wait_ms).contains(wait)), "{}", delay.name);
            let quarter = delay.wait_ms / 4;
            let late = waits.iter().filter(|wait| **wait > delay.wait_ms - quarter).count();
            assert!(late > 0 && late < waits.len(), "{}: some early, some late", delay.name);
        }
    }

    #[test]
    fn long_notes_are_cut_between_characters() {
        let AMQPValue::LongString(text) = note(&"ü".repeat(600)) else { panic!("a text") };
        assert_eq!(text.as_bytes().len(), NOTE_BYTES_MAX);
        let AMQPValue::LongString(text) = note(&format!("a{}", "ü".repeat(600))) else { panic!("a text") };
        assert_eq!(text.as_bytes().len(), NOTE_BYTES_MAX - 1);
    }
}
