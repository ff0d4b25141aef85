//! A stream read again: what it holds from a moment on, published once more to an exchange of the operator's choice.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::DateTime;
use futures_util::StreamExt;
use lapin::message::Delivery as RawDelivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Consumer};
use model::Timestamp;
use tokio::time::timeout;

use crate::connection::{Bus, BusError, Lost, Session};
use crate::inbound;
use crate::publish::PublishError;

/// What a stream gives with each message: its place.
const OFFSET: &str = "x-stream-offset";
/// Tells a replayed message from the first one: its place in the stream.
const REPLAYED_OFFSET: &str = "x-replayed-offset";
const PREFETCH: u16 = 500;
/// A stream that has more sends it at once.
const SILENCE: Duration = Duration::from_secs(1);
const SILENCES_MAX: u32 = 5;

/// What is published again, and where.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The stream's queue.
    pub stream: String,
    /// From this moment on, by the header `ce-time`.
    pub from: Timestamp,
    /// Before this moment.
    pub until: Timestamp,
    /// An exchange of the operator's.
    pub exchange: String,
}

/// How far a replay has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// How many messages the broker has confirmed.
    pub published: u64,
    /// How many no queue wanted: nothing is bound to the exchange for their routing keys.
    pub unrouted: u64,
}

/// Why a replay ended early. What was published before stays published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// There is no connection.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The stream can't be read.
    #[error("the stream {stream:?} can't be read: {reason}")]
    Stream {
        /// Its name.
        stream: String,
        /// The broker's answer.
        reason: String,
    },
    /// The exchange doesn't take a message.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl Bus {
    /// Publishes what the stream holds from `from` until `until` once more, in its order, each with the broker's confirm,
    /// as this connection's user, with all properties and headers but the `user_id` as they were and `x-replayed-offset`
    /// beside. Ends where the stream ended when it was called. `progress` is told after each message.
    pub async fn replay(
        &self,
        replay: &Replay,
        mut progress: impl FnMut(Replayed) + Send,
    ) -> Result<Replayed, ReplayError> {
        let broken = |error: Broken| ReplayError::Stream { stream: replay.stream.clone(), reason: error.to_string() };
        let started_at = self.clock().now();
        let session = self.session().await?;
        let mut done = Replayed::default();
        let Some(last_chunk) = first_of_last_chunk(&session, &replay.stream).await.map_err(broken)? else {
            return Ok(done);
        };
        let start = AMQPValue::Timestamp(u64::try_from(replay.from.timestamp()).unwrap_or_default());
        let mut reader = Reader::open(&session, &replay.stream, start).await.map_err(broken)?;
        // What is published late stands behind what happened after it: only the stream's end is the end.
        while let Some(message) = reader.next(last_chunk).await.map_err(broken)? {
            let Some(happened_at) = time_of(&message) else { continue };
            if reader.offset >= last_chunk && happened_at >= started_at {
                break;
            }
            if (replay.from..replay.until).contains(&happened_at) {
                match self.publish_replayed(replay, &message, reader.offset).await {
                    Ok(()) => done.published += 1,
                    Err(PublishError::Unroutable { .. }) => done.unrouted += 1,
                    Err(error) => return Err(error.into()),
                }
                progress(done);
            }
        }
        reader.close().await.map_err(broken)?;
        Ok(done)
    }

    async fn publish_replayed(&self, replay: &Replay, message: &RawDelivery, offset: i64) -> Result<(), PublishError> {
        let notes = BTreeMap::from([(REPLAYED_OFFSET, AMQPValue::LongLongInt(offset))]);
        let mut headers = message.properties.headers().as_ref().map(FieldTable::inner).cloned().unwrap_or_default();
        headers.remove(OFFSET);
        let original = message.properties.clone().with_headers(FieldTable::from(headers));
        let properties = inbound::again(&original, self.user(), notes).map_err(PublishError::Invalid)?;
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let routing_key = message.routing_key.as_str();
        self.publisher().publish_raw(&replay.exchange, routing_key, options, &message.data, properties).await
    }
}

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    #[error("a message came without its place in the stream: is this queue a stream?")]
    NoOffset,
}

/// The place of the first message of what was written last; `None` for an empty stream.
async fn first_of_last_chunk(session: &Session, stream: &str) -> Result<Option<i64>, Broken> {
    let mut reader = Reader::open(session, stream, AMQPValue::LongString("last".into())).await?;
    let first = reader.next(-1).await?.map(|_| reader.offset);
    reader.close().await?;
    Ok(first)
}

/// A consumer of a stream.
struct Reader<'a> {
    session: &'a Session,
    channel: Channel,
    consumer: Consumer,
    /// The place of the last message that was read; before the first one less than any.
    offset: i64,
}

impl<'a> Reader<'a> {
    async fn open(session: &'a Session, stream: &str, start: AMQPValue) -> Result<Self, Broken> {
        let open = async {
            let channel = session.open_channel().await?;
            channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
            let mut arguments = FieldTable::default();
            arguments.insert(OFFSET.into(), start);
            let options = BasicConsumeOptions::default();
            let consumer = channel.basic_consume(stream.into(), "".into(), options, arguments).await?;
            Ok::<_, lapin::Error>((channel, consumer))
        };
        let (channel, consumer) = session.while_alive(open).await??;
        Ok(Self { session, channel, consumer, offset: -1 })
    }

    /// The next message; `None` once nothing comes after that of the place `end`, or nothing at all.
    async fn next(&mut self, end: i64) -> Result<Option<RawDelivery>, Broken> {
        let mut silences = 0;
        let message = loop {
            match timeout(SILENCE, self.session.while_alive(self.consumer.next())).await {
                Ok(message) => break message?.ok_or(Lost)??,
                Err(_) if self.offset >= end => return Ok(None),
                // Nothing is as late as what was asked for.
                Err(_) if self.offset < 0 && silences >= SILENCES_MAX => return Ok(None),
                Err(_) => silences += 1,
            }
        };
        let headers = message.properties.headers().as_ref().map(FieldTable::inner);
        let offset = headers.and_then(|headers| headers.get(OFFSET)).and_then(inbound::integer);
        self.offset = offset.ok_or(Broken::NoOffset)?;
        // A stream keeps what it gave; this asks for more.
        let acknowledge = self.channel.basic_ack(message.delivery_tag, BasicAckOptions::default());
        self.session.while_alive(acknowledge).await??;
        Ok(Some(message))
    }

    async fn close(self) -> Result<(), Broken> {
        Ok(self.session.while_alive(self.channel.close(200, "read".into())).await??)
    }
}

fn time_of(message: &RawDelivery) -> Option<Timestamp> {
    let headers = message.properties.headers().as_ref()?.inner();
    let text = headers.get("ce-time").and_then(inbound::text)?;
    Some(DateTime::parse_from_rfc3339(&text).ok()?.to_utc())
}
