//! A consumer of events, as anybody may bind one: a quorum queue of its own, each message acknowledged.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, Consumer};
use model::{Clock, SystemClock, Timestamp};
use tokio::sync::{Mutex, mpsc};

const PREFETCH: u16 = 1_024;

/// Hears what an exchange sends.
pub(crate) struct Listener {
    heard: Mutex<mpsc::UnboundedReceiver<Heard>>,
}

/// A message that was received.
pub(crate) struct Heard {
    pub(crate) at: Timestamp,
    pub(crate) body: Vec<u8>,
}

impl Listener {
    /// Binds a new queue to `exchange` and consumes it as long as the connection lives.
    pub(crate) async fn bind(connection: &Connection, exchange: &str, routing_key: &str, queue: &str) -> Result<Self> {
        let channel = connection.create_channel().await?;
        channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), queue_kind("quorum")).await?;
        let (bind, consume) = (QueueBindOptions::default(), BasicConsumeOptions::default());
        channel.queue_bind(queue.into(), exchange.into(), routing_key.into(), bind, FieldTable::default()).await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let events = channel.basic_consume(queue.into(), "".into(), consume, FieldTable::default()).await?;
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(hear(events, sender));
        Ok(Self { heard: Mutex::new(receiver) })
    }

    /// Waits for the next message.
    pub(crate) async fn next(&self) -> Result<Heard> {
        self.heard.lock().await.recv().await.context("the connection to the broker was lost")
    }

    /// Waits for so many messages.
    pub(crate) async fn hear(&self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.next().await?;
        }
        Ok(())
    }
}

/// The argument that says what a queue is made of.
pub(crate) fn queue_kind(kind: &str) -> FieldTable {
    BTreeMap::from([("x-queue-type".into(), AMQPValue::LongString(kind.into()))]).into()
}

async fn hear(mut events: Consumer, sender: mpsc::UnboundedSender<Heard>) {
    while let Some(Ok(event)) = events.next().await {
        let at = SystemClock.now();
        if event.ack(BasicAckOptions::default()).await.is_err() || sender.send(Heard { at, body: event.data }).is_err()
        {
            break;
        }
    }
}
