//! The caller that all variants over AMQP share, so that they differ in who answers only: a request with the broker's
//! confirm, and its reply over direct reply-to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use messages::Encoding;
use serde_json::Value;
use tokio::sync::oneshot;
use url::Url;
use uuid::Uuid;

const REPLY_TO: &str = "amq.rabbitmq.reply-to";
const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;

/// Requests that wait for their replies, by correlation id.
type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<Vec<u8>>>>>;

/// Asks and waits on one channel; many calls may be under way at once.
pub(crate) struct Client {
    user: ShortString,
    channel: Channel,
    waiting: Waiting,
    _connection: Connection,
}

/// A request.
pub(crate) struct Call<'a> {
    /// The exchange; empty for the default one.
    pub(crate) exchange: &'a str,
    pub(crate) routing_key: &'a str,
    /// The property `type`.
    pub(crate) action: &'a str,
    pub(crate) persistent: bool,
    pub(crate) body: Vec<u8>,
}

/// A connection to the broker.
pub(crate) async fn connect(url: &str, name: &str) -> Result<Connection> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    Connection::connect(url, properties).await.context("connecting to the broker")
}

impl Client {
    /// Connects; `url` names user, password and virtual host.
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let user = Url::parse(url).context("the broker's address is not a URL")?.username().into();
        let connection = connect(url, "bench client").await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let replies = channel.basic_consume(REPLY_TO.into(), "".into(), options, FieldTable::default()).await?;
        let waiting = Waiting::default();
        tokio::spawn(read_replies(replies, Arc::clone(&waiting)));
        Ok(Self { user, channel, waiting, _connection: connection })
    }

    /// Publishes a request and waits for its confirm and for its reply, which must be a success.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Value> {
        let id = Uuid::new_v4().to_string();
        let (sender, receiver) = oneshot::channel();
        lock(&self.waiting).insert(id.clone(), sender);
        let properties = BasicProperties::default()
            .with_delivery_mode(if call.persistent { PERSISTENT } else { TRANSIENT })
            .with_user_id(self.user.clone())
            .with_type(call.action.into())
            .with_content_type(Encoding::MessagePack.content_type().into())
            .with_message_id(id.as_str().into())
            .with_correlation_id(id.as_str().into())
            .with_reply_to(REPLY_TO.into());
        let (exchange, routing_key) = (call.exchange.into(), call.routing_key.into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm = self.channel.basic_publish(exchange, routing_key, options, &call.body, properties).await?;
        let confirmed = async { confirm.await.context("waiting for the confirm") };
        let answered = async { receiver.await.context("the connection to the broker was lost") };
        let (confirmation, reply) = tokio::try_join!(confirmed, answered)?;
        check(&confirmation)?;
        let reply: Value = Encoding::MessagePack.decode(&reply).context("decoding the reply")?;
        ensure!(reply["result"] == "OK", "{} was refused: {reply}", call.action);
        Ok(reply)
    }
}

/// Fails where the broker has not taken a message.
pub(crate) fn check(confirmation: &Confirmation) -> Result<()> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        refused => bail!("the broker did not take a message: {refused:?}"),
    }
}

/// Hands each reply to its call until the connection ends; then all calls fail.
async fn read_replies(mut replies: Consumer, waiting: Waiting) {
    while let Some(Ok(reply)) = replies.next().await {
        let id = reply.properties.correlation_id().as_ref().map(ShortString::as_str).unwrap_or_default();
        let sender = lock(&waiting).remove(id);
        if let Some(sender) = sender {
            // A call that was given up needs no reply.
            let _ = sender.send(reply.data);
        }
    }
    lock(&waiting).clear();
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Vec<u8>>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
