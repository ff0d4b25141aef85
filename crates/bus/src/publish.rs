//! Publishing, each message with the broker's confirm.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation};
use messages::{CallerAddress, Reply};
use tokio::sync::Semaphore;

use crate::connection::{Bus, Session};
use crate::message::{Message, short};

const CHANNELS_MAX: usize = 64;
/// Longer than any healthy confirm; a broker that blocks publishers (memory alarm) takes longer.
const CONFIRM_LIMIT: Duration = Duration::from_secs(30);

/// Why a message was not, or perhaps not, taken by the broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// It was mandatory and no queue takes it.
    #[error("no queue takes messages with routing key {routing_key:?} at exchange {exchange:?}")]
    Unroutable {
        /// The exchange.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// A queue refused it: it is full.
    #[error("the broker did not take the message: its queue is full")]
    Rejected,
    /// The broker forbids it, or there is no such exchange. Repeating won't help.
    #[error("the broker refuses the message: {0}")]
    Refused(String),
    /// The connection went before the confirm came: it may or may not have been taken. The caller decides to repeat.
    #[error("no confirm from the broker: {0}")]
    Unconfirmed(String),
    /// It can't be put into AMQP.
    #[error("{0}")]
    Invalid(String),
}

/// Publishes on a [`Bus`]; cheap to clone, many may publish at once.
#[derive(Debug, Clone)]
pub struct Publisher {
    bus: Bus,
}

impl Publisher {
    pub(crate) const fn new(bus: Bus) -> Self {
        Self { bus }
    }

    pub(crate) fn user(&self) -> &str {
        self.bus.user()
    }

    /// Publishes and waits for the confirm; waits for a connection first where there is none. At most 30 seconds.
    pub async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let properties = message.properties(self.bus.user())?;
        let options = BasicPublishOptions { mandatory: message.mandatory, ..BasicPublishOptions::default() };
        self.publish_raw(&message.exchange, &message.routing_key, options, &message.body, properties).await
    }

    /// Answers a caller. That nobody waits for the reply any more can't be seen.
    pub async fn publish_reply(&self, caller: &CallerAddress, reply: &Reply) -> Result<(), PublishError> {
        let body = reply.encode(caller.encoding).map_err(|error| PublishError::Invalid(error.to_string()))?;
        // Not mandatory: the broker would return a direct reply even where it arrives.
        let message = Message {
            routing_key: caller.reply_to.clone(),
            content_type: Some(caller.encoding.content_type().to_owned()),
            correlation_id: caller.correlation_id.clone(),
            body,
            ..Message::default()
        };
        self.publish(message).await
    }

    pub(crate) async fn publish_raw(
        &self,
        exchange: &str,
        routing_key: &str,
        options: BasicPublishOptions,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<(), PublishError> {
        let target = Target { exchange: short("exchange", exchange)?, routing_key: short("routing key", routing_key)? };
        let publish = async {
            let session = self.bus.session().await.map_err(|error| unconfirmed(&error))?;
            let publish = session.confirms.publish(&session, target, options, body, properties);
            session.while_alive(publish).await.unwrap_or_else(|lost| Err(unconfirmed(&lost)))
        };
        tokio::time::timeout(CONFIRM_LIMIT, publish)
            .await
            .unwrap_or_else(|_| Err(PublishError::Unconfirmed(format!("none within {} s", CONFIRM_LIMIT.as_secs()))))
    }
}

struct Target {
    exchange: ShortString,
    routing_key: ShortString,
}

/// Channels in confirm mode, each with one message under way at most.
///
/// lapin hands a returned message to whichever confirm comes next on the channel, so with several under way one
/// could be taken for the other; and a channel error (a forbidden exchange) would fail them all.
pub(crate) struct ConfirmChannels {
    idle: Mutex<Vec<Channel>>,
    permits: Semaphore,
}

impl Default for ConfirmChannels {
    fn default() -> Self {
        Self { idle: Mutex::new(Vec::new()), permits: Semaphore::new(CHANNELS_MAX) }
    }
}

impl ConfirmChannels {
    async fn publish(
        &self,
        session: &Session,
        target: Target,
        options: BasicPublishOptions,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<(), PublishError> {
        let _permit = self.permits.acquire().await.map_err(|error| unconfirmed(&error))?;
        // A publish that is abandoned half-way drops the channel, with the confirm that nobody waits for.
        let channel = self.channel(session).await.map_err(|error| broken(&error))?;
        let Target { exchange, routing_key } = target;
        let confirm = channel
            .basic_publish(exchange.clone(), routing_key.clone(), options, body, properties)
            .await
            .map_err(|error| broken(&error))?;
        let confirmation = confirm.await.map_err(|error| broken(&error))?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(channel);
        match confirmation {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => Err(PublishError::Unroutable {
                exchange: exchange.as_str().to_owned(),
                routing_key: routing_key.as_str().to_owned(),
            }),
            Confirmation::Nack(_) => Err(PublishError::Rejected),
            Confirmation::NotRequested => Err(PublishError::Unconfirmed("the channel asks for none".to_owned())),
        }
    }

    async fn channel(&self, session: &Session) -> lapin::Result<Channel> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some(channel) if channel.status().connected() => return Ok(channel),
                Some(_) => {}
                None => break,
            }
        }
        let channel = session.open_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }
}

fn unconfirmed(error: &dyn std::fmt::Display) -> PublishError {
    PublishError::Unconfirmed(error.to_string())
}

/// A channel error is the broker's answer to this message; anything else is the connection's end.
pub(crate) fn broken(error: &lapin::Error) -> PublishError {
    if error.is_amqp_soft_error() {
        PublishError::Refused(error.to_string())
    } else {
        PublishError::Unconfirmed(error.to_string())
    }
}
