//! Publishing, each message with the broker's confirm.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation};
use messages::{CallerAddress, Refusal, Reply};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

use crate::connection::{Bus, Session};
use crate::message::{Message, short};
use crate::outcome::Unsettled;
use crate::topology::MESSAGE_BYTES_MAX;

pub(crate) const CHANNELS_MAX: usize = 64;
/// How long a message waits for a connection and a channel. Apart from the confirm's limit: with one for both, whoever has
/// waited long gives up in the midst of publishing, which costs the channel, and a new one costs those behind more.
const TURN_LIMIT: Duration = Duration::from_secs(30);
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

    /// Publishes and waits for the confirm; waits for a connection first where there is none. At most
    /// 30 seconds until it is sent, and 30 until it is confirmed.
    pub async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let properties = message.properties(self.bus.user())?;
        let options = BasicPublishOptions { mandatory: message.mandatory, ..BasicPublishOptions::default() };
        self.publish_raw(&message.exchange, &message.routing_key, options, &message.body, properties).await
    }

    /// Answers a caller. That nobody waits for the reply any more can't be seen.
    pub async fn publish_reply(&self, caller: &CallerAddress, reply: &Reply) -> Result<(), PublishError> {
        self.publish(reply_message(caller, reply)?).await
    }

    /// Answers a caller over direct reply-to, on the delivery's own channel and so ahead of its acknowledgement: the
    /// broker can't take the one without the other, and a confirm would say no more, because such a reply is kept nowhere.
    pub(crate) async fn publish_ahead(
        &self,
        unsettled: Unsettled<'_>,
        caller: &CallerAddress,
        reply: &Reply,
    ) -> Result<(), PublishError> {
        let message = reply_message(caller, reply)?;
        let routing_key = short("routing key", &message.routing_key)?;
        let (options, properties) = (BasicPublishOptions::default(), message.properties(self.bus.user())?);
        let publish = unsettled.channel.basic_publish("".into(), routing_key, options, &message.body, properties);
        let sent = unsettled.session.while_alive(publish).await.map_err(|lost| unconfirmed(&lost))?;
        sent.map(drop).map_err(|error| broken(&error))
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
        let turn_until = Instant::now() + TURN_LIMIT;
        let session = timeout_at(turn_until, self.bus.session()).await.map_err(|_| not_sent())?;
        let session = session.map_err(|error| unconfirmed(&error))?;
        let turn =
            timeout_at(turn_until, session.while_alive(session.confirms.turn())).await.map_err(|_| not_sent())?;
        let turn = turn.map_err(|lost| unconfirmed(&lost))??;
        let publish = session.confirms.publish(&session, turn, target, options, body, properties);
        let confirmed = timeout(CONFIRM_LIMIT, session.while_alive(publish)).await;
        let in_vain = |_| Err(PublishError::Unconfirmed(format!("none within {} s", CONFIRM_LIMIT.as_secs())));
        confirmed.map_or_else(in_vain, |outcome| outcome.unwrap_or_else(|lost| Err(unconfirmed(&lost))))
    }
}

fn reply_message(caller: &CallerAddress, reply: &Reply) -> Result<Message, PublishError> {
    let encode =
        |reply: &Reply| reply.encode(caller.encoding).map_err(|error| PublishError::Invalid(error.to_string()));
    let mut body = encode(reply)?;
    if body.len() > MESSAGE_BYTES_MAX {
        // The broker would close the channel, and the request would come back again and again.
        let message = format!("the answer has {} bytes; the limit is {MESSAGE_BYTES_MAX}: ask for less", body.len());
        body = encode(&Reply::refused("", &Refusal::new(message)))?;
    }
    // Not mandatory: the broker would return a direct reply even where it arrives.
    Ok(Message {
        routing_key: caller.reply_to.clone(),
        content_type: Some(caller.encoding.content_type().to_owned()),
        correlation_id: caller.correlation_id.clone(),
        body,
        ..Message::default()
    })
}

fn not_sent() -> PublishError {
    let seconds = TURN_LIMIT.as_secs();
    PublishError::Unconfirmed(format!("not sent within {seconds} s: no connection, or too much is under way"))
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
    /// Waits for one of the channels.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, PublishError> {
        self.permits.acquire().await.map_err(|error| unconfirmed(&error))
    }

    async fn publish(
        &self,
        session: &Session,
        _turn: SemaphorePermit<'_>,
        target: Target,
        options: BasicPublishOptions,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<(), PublishError> {
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

#[cfg(test)]
mod tests {
    use messages::Encoding;

    use super::*;

    #[test]
    fn an_answer_that_the_broker_would_not_take_is_refused_in_words() {
        let caller = CallerAddress {
            reply_to: "reply.php".to_owned(),
            correlation_id: Some("7".to_owned()),
            encoding: Encoding::Json,
        };
        let list = |bytes: usize| Reply::from_json_text(format!("{{\"data\":\"{}\"}}", "x".repeat(bytes)));
        let fits = reply_message(&caller, &list(MESSAGE_BYTES_MAX - 11)).unwrap();
        assert_eq!(fits.body.len(), MESSAGE_BYTES_MAX);
        let refused = reply_message(&caller, &list(MESSAGE_BYTES_MAX)).unwrap();
        assert_eq!(
            String::from_utf8(refused.body).unwrap(),
            r#"{"code":-1,"message":"the answer has 16777227 bytes; the limit is 16777216: ask for less"}"#
        );
        assert_eq!((refused.routing_key, refused.correlation_id), (fits.routing_key, fits.correlation_id));
    }
}
