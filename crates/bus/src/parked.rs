//! Parked messages as an operator has them: looked at without taking them, given back to their queue, or taken away.

mod read;

use std::sync::Arc;
use std::time::Duration;

use lapin::Channel;
use lapin::message::Delivery as RawDelivery;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use messages::{Delivery, RoleName};
use model::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::connection::{Bus, BusError, Session};
use crate::inbound;
use crate::outcome::note;
use crate::publish::{PublishError, Publisher};

/// The broker may take a moment to notice that a lost connection is gone.
const LOCK_LIMIT: Duration = Duration::from_secs(10);
const LOCK_INTERVAL: Duration = Duration::from_millis(200);
/// A connection that is lost so often at the same message is lost because of it.
const LOSSES_MAX: usize = 3;

/// A message that was set aside.
#[derive(Debug, Clone)]
pub struct ParkedMessage {
    /// Names it for as long as it is parked.
    pub id: Uuid,
    /// In whose parked messages it is.
    pub role: RoleName,
    /// Properties and body, and how often it had failed; `queue` is where it came from, empty where that isn't known.
    pub delivery: Delivery,
    /// The value of a [`ParkReason`](messages::ParkReason), or what the broker gives: `delivery_limit`.
    pub reason: String,
    /// The reason in words.
    pub detail: String,
    /// When it was set aside.
    pub parked_at: Option<Timestamp>,
    /// What went wrong first, and when.
    pub first_error: NotedFailure,
    /// What went wrong last, and when.
    pub last_error: NotedFailure,
    /// All its headers, as JSON.
    pub headers: serde_json::Map<String, Value>,
    /// The broker user that put it there.
    pub user_id: Option<String>,
}

/// What went wrong, and when, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotedFailure {
    /// What went wrong.
    pub error: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
}

/// Why parked messages can't be seen or moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParkedError {
    /// Another connection holds them.
    #[error("somebody else is at work on the parked messages; try again when they are done")]
    InUse,
    /// The broker doesn't do what is asked.
    #[error("{what}: {reason}")]
    Broker {
        /// What was tried.
        what: String,
        /// The broker's answer.
        reason: String,
    },
    /// There is no connection.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The message isn't known to have come from a queue of its role.
    #[error("it isn't known from which of {0}'s queues the message came")]
    NoSource(RoleName),
    /// It wasn't published again, or perhaps.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// All parked messages of a role, held by this connection. Once it is released or dropped, those that weren't taken
/// away are back in their places.
pub struct HeldMessages {
    session: Arc<Session>,
    channel: Channel,
    /// Declared the lock, which lives as long as the connection.
    _lock: Channel,
    held: Vec<(ParkedMessage, RawDelivery)>,
    /// How many weren't looked at, because the first of them kills the connection.
    pub unreadable: u32,
}

impl Bus {
    /// Takes hold of all parked messages of a role, over an administrator's connection that is used for nothing else: a
    /// message that can't be read breaks it. `own_users` are the broker users
    /// of the roles: what a message carries about its earlier life counts from them only.
    pub async fn hold_parked(&self, role: RoleName, own_users: &[String]) -> Result<HeldMessages, ParkedError> {
        let mut last = usize::MAX;
        let mut losses = 0;
        loop {
            let limit = if losses >= LOSSES_MAX { last } else { usize::MAX };
            match self.walk(role, own_users, limit).await? {
                Ok(held) => return Ok(held),
                Err(reached) if losses >= LOSSES_MAX => {
                    let reason = format!("the connection was lost at message {}", reached + 1);
                    return Err(failed(&queue_of(role), &reason));
                }
                Err(reached) => {
                    losses = if reached == last { losses + 1 } else { 1 };
                    last = reached;
                }
            }
        }
    }

    /// Gets one after the other. `Err`: after how many the connection was lost.
    async fn walk(
        &self,
        role: RoleName,
        own_users: &[String],
        limit: usize,
    ) -> Result<Result<HeldMessages, usize>, ParkedError> {
        let (session, lock) = self.lock_parked(role).await?;
        let queue = queue_of(role);
        let mut held = Vec::new();
        let mut left = 0;
        let walked = session
            .while_alive(async {
                let channel = session.open_channel().await?;
                while held.len() < limit {
                    let options = BasicGetOptions { no_ack: false };
                    let Some(got) = channel.basic_get(queue.as_str().into(), options).await? else { break };
                    left = got.message_count;
                    let mut raw = got.delivery;
                    held.push((read::parked(role, &mut raw, own_users), raw));
                }
                if limit == 0 {
                    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
                    left = channel
                        .queue_declare(queue.as_str().into(), options, FieldTable::default())
                        .await?
                        .message_count();
                }
                Ok::<_, lapin::Error>(channel)
            })
            .await;
        match walked {
            Ok(Ok(channel)) => {
                let unreadable = if limit == usize::MAX { 0 } else { left };
                read::make_ids_unique(held.iter_mut().map(|(message, _)| message));
                Ok(Ok(HeldMessages { session, channel, _lock: lock, held, unreadable }))
            }
            Ok(Err(error)) if error.is_amqp_soft_error() => Err(failed(&queue, &error)),
            Ok(Err(_)) | Err(_) => Ok(Err(held.len())),
        }
    }

    /// A session that holds the lock: while one operator holds the messages, another would see none.
    async fn lock_parked(&self, role: RoleName) -> Result<(Arc<Session>, Channel), ParkedError> {
        // An exclusive queue, gone with its connection.
        let lock = format!("{}.lock", queue_of(role));
        let deadline = Instant::now() + LOCK_LIMIT;
        loop {
            let session = self.session().await?;
            let declared = session
                .while_alive(async {
                    let channel = session.open_channel().await?;
                    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
                    channel.queue_declare(lock.as_str().into(), options, FieldTable::default()).await?;
                    Ok::<_, lapin::Error>(channel)
                })
                .await;
            match declared {
                Ok(Ok(channel)) => return Ok((session, channel)),
                Ok(Err(error)) if error.is_amqp_soft_error() && !error.to_string().contains("RESOURCE_LOCKED") => {
                    return Err(failed(&lock, &error));
                }
                _ if Instant::now() >= deadline => return Err(ParkedError::InUse),
                _ => tokio::time::sleep(LOCK_INTERVAL).await,
            }
        }
    }
}

impl HeldMessages {
    /// The messages, in the order of their queue.
    pub fn messages(&self) -> impl Iterator<Item = &ParkedMessage> {
        self.held.iter().map(|(message, _)| message)
    }

    /// Publishes a held message to the queue it came from, without its parked marks and with its attempts before it,
    /// but otherwise as it was. The parked one stays until [`HeldMessages::take_away`].
    ///
    /// `publisher` must be the role's own: who published the message first counts from a role only.
    pub async fn publish_again(&self, id: Uuid, publisher: &Publisher) -> Result<(), ParkedError> {
        let Some((message, raw)) = self.held.iter().find(|(message, _)| message.id == id) else { return Ok(()) };
        let source = message.delivery.queue.as_str();
        if source.is_empty() {
            return Err(ParkedError::NoSource(message.role));
        }
        let mut notes = std::collections::BTreeMap::from([
            (inbound::ATTEMPTS, AMQPValue::LongLongInt(0)),
            (inbound::PUBLISHER, note(message.delivery.publisher.as_deref().unwrap_or_default())),
        ]);
        for (failure, error, at) in [
            (&message.first_error, inbound::FIRST_ERROR, inbound::FIRST_FAILED_AT),
            (&message.last_error, inbound::LAST_ERROR, inbound::LAST_FAILED_AT),
        ] {
            notes.extend(failure.error.as_deref().map(|text| (error, note(text))));
            notes.extend(failure.at.map(|moment| (at, note(&moment.to_rfc3339()))));
        }
        let properties = inbound::again(&raw.properties, publisher.user(), notes).map_err(PublishError::Invalid)?;
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        Ok(publisher.publish_raw("", source, options, &message.delivery.body, properties).await?)
    }

    /// Removes a held message from the parked ones.
    pub async fn take_away(&self, id: Uuid) -> Result<(), ParkedError> {
        let Some((message, raw)) = self.held.iter().find(|(message, _)| message.id == id) else { return Ok(()) };
        let what = || queue_of(message.role);
        match self.session.while_alive(raw.acker.ack(BasicAckOptions::default())).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(failed(&what(), &"the channel is gone")),
            Ok(Err(error)) => Err(failed(&what(), &error)),
            Err(lost) => Err(failed(&what(), &lost)),
        }
    }

    /// Puts back what wasn't taken away, and waits until that is done.
    pub async fn release(self) -> Result<(), ParkedError> {
        let closed = self.session.while_alive(self.channel.close(200, "released".into())).await;
        match closed {
            // With the connection the messages go back by themselves.
            Ok(Ok(())) | Err(_) => Ok(()),
            Ok(Err(error)) => Err(failed("releasing the messages", &error)),
        }
    }
}

fn queue_of(role: RoleName) -> String {
    format!("s3.{role}.parked")
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> ParkedError {
    ParkedError::Broker { what: what.to_owned(), reason: error.to_string() }
}
