//! Asking and waiting for the answer, over RabbitMQ's direct reply-to.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Confirmation, Consumer, PublisherConfirm};
use tokio::sync::{Mutex, oneshot};
use uuid::Uuid;

use crate::connection::{Bus, Session};
use crate::message::{Message, short};
use crate::publish::{PublishError, broken};

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// An answer. `Debug` leaves the body out: it may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct RpcReply {
    /// The property `content_type`.
    pub content_type: Option<String>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl fmt::Debug for RpcReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcReply")
            .field("content_type", &self.content_type)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// No queue takes this kind of request.
    #[error("no queue takes this request")]
    Unroutable,
    /// The queue is full: later, perhaps.
    #[error("the queue for this request is full")]
    Rejected,
    /// The broker forbids it, or there is no such exchange.
    #[error("the broker refuses the request: {0}")]
    Refused(String),
    /// The request was taken; no answer came in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection went: the request may or may not have been taken, and its answer is lost.
    #[error("the connection to the broker was lost: {0}")]
    Unconfirmed(String),
    /// It can't be put into AMQP.
    #[error("{0}")]
    Invalid(String),
}

impl From<PublishError> for RpcError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Unroutable { .. } => Self::Unroutable,
            PublishError::Rejected => Self::Rejected,
            PublishError::Refused(reason) => Self::Refused(reason),
            PublishError::Unconfirmed(reason) => Self::Unconfirmed(reason),
            PublishError::Invalid(reason) => Self::Invalid(reason),
        }
    }
}

/// Asks and waits for answers; cheap to clone, many calls may be under way at once.
#[derive(Clone)]
pub struct RpcClient {
    bus: Bus,
    current: Arc<Mutex<Option<Line>>>,
}

impl fmt::Debug for RpcClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcClient").field("bus", &self.bus).finish_non_exhaustive()
    }
}

/// The channel on which both requests and replies travel: direct reply-to works within one channel only.
#[derive(Clone)]
struct Line {
    session: Arc<Session>,
    channel: Channel,
    pending: Pending,
}

type Answer = Result<RpcReply, RpcError>;

/// By correlation id.
type Waiting = HashMap<String, oneshot::Sender<Answer>>;

/// Calls that wait; `None` when the line is dead.
#[derive(Clone)]
struct Pending(Arc<SyncMutex<Option<Waiting>>>);

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the line still lived.
    fn insert(&self, id: &str, sender: oneshot::Sender<Answer>) -> bool {
        self.lock().as_mut().map(|calls| calls.insert(id.to_owned(), sender)).is_some()
    }

    fn answer(&self, id: &str, answer: Answer) {
        if let Some(sender) = self.lock().as_mut().and_then(|calls| calls.remove(id)) {
            let _ = sender.send(answer);
        }
    }

    fn forget(&self, id: &str) {
        if let Some(calls) = self.lock().as_mut() {
            calls.remove(id);
        }
    }

    fn fail_all(&self, reason: &str) {
        for (_, sender) in self.lock().take().into_iter().flatten() {
            let _ = sender.send(Err(RpcError::Unconfirmed(reason.to_owned())));
        }
    }
}

/// Forgets a call when it ends, also when its future is dropped.
struct Call {
    pending: Pending,
    id: String,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.pending.forget(&self.id);
    }
}

impl RpcClient {
    /// A client on this connection.
    pub fn new(bus: Bus) -> Self {
        Self { bus, current: Arc::default() }
    }

    /// Publishes the request and waits for its reply, at most `timeout` for both together.
    ///
    /// `reply_to` and `correlation_id` are set here.
    pub async fn call(&self, message: Message, timeout: Duration) -> Result<RpcReply, RpcError> {
        let taken = Arc::new(AtomicBool::new(false));
        tokio::time::timeout(timeout, self.ask(message, &taken)).await.unwrap_or_else(|_| {
            Err(if taken.load(Ordering::Acquire) {
                RpcError::Timeout
            } else if self.bus.is_connected() {
                RpcError::Unconfirmed("the broker confirms nothing".to_owned())
            } else {
                RpcError::Unconfirmed("there is no connection".to_owned())
            })
        })
    }

    /// `taken` becomes true once the broker has confirmed the request.
    async fn ask(&self, mut message: Message, taken: &Arc<AtomicBool>) -> Answer {
        let id = Uuid::new_v4().to_string();
        message.reply_to = Some(REPLY_TO.to_owned());
        message.correlation_id = Some(id.clone());
        let properties = message.properties(self.bus.user())?;
        let exchange = short("exchange", &message.exchange)?;
        let routing_key = short("routing key", &message.routing_key)?;
        let options = BasicPublishOptions { mandatory: message.mandatory, ..BasicPublishOptions::default() };

        let Line { session, channel, pending } = self.line().await?;
        let (sender, receiver) = oneshot::channel();
        if !pending.insert(&id, sender) {
            return Err(RpcError::Unconfirmed("the connection is closing".to_owned()));
        }
        let _call = Call { pending: pending.clone(), id: id.clone() };
        let ask_and_wait = async {
            let confirm = channel
                .basic_publish(exchange, routing_key, options, &message.body, properties)
                .await
                .map_err(|error| broken(&error))?;
            tokio::spawn(watch_confirm(confirm, id, pending, Arc::clone(taken)));
            receiver.await.unwrap_or_else(|_| Err(RpcError::Unconfirmed("the connection is closing".to_owned())))
        };
        session.while_alive(ask_and_wait).await.unwrap_or_else(|lost| Err(unconfirmed(&lost)))
    }

    /// The living line, or a new one.
    async fn line(&self) -> Result<Line, RpcError> {
        let mut current = self.current.lock().await;
        if let Some(line) = current.as_ref().filter(|line| line.channel.status().connected()) {
            return Ok(line.clone());
        }
        *current = None;
        let session = self.bus.session().await.map_err(|error| unconfirmed(&error))?;
        let opened = session.while_alive(open_line(&session)).await.map_err(|lost| unconfirmed(&lost))?;
        let (channel, replies) = opened.map_err(|error| unconfirmed(&error))?;
        let line = Line { session, channel, pending: Pending(Arc::new(SyncMutex::new(Some(Waiting::new())))) };
        tokio::spawn(read_replies(replies, line.pending.clone()));
        *current = Some(line.clone());
        Ok(line)
    }
}

async fn open_line(session: &Session) -> lapin::Result<(Channel, Consumer)> {
    let channel = session.open_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let replies = channel.basic_consume(REPLY_TO.into(), "".into(), options, FieldTable::default()).await?;
    Ok((channel, replies))
}

fn unconfirmed(error: &dyn fmt::Display) -> RpcError {
    RpcError::Unconfirmed(error.to_string())
}

/// Ends calls whose request wasn't taken.
///
/// lapin may hand one call's returned message to another's confirm: its correlation id says whose it is.
async fn watch_confirm(confirm: PublisherConfirm, id: String, pending: Pending, taken: Arc<AtomicBool>) {
    let (answer, returned) = match confirm.await {
        Ok(Confirmation::Ack(returned)) => {
            taken.store(true, Ordering::Release);
            (None, returned)
        }
        Ok(Confirmation::Nack(returned)) => (Some(RpcError::Rejected), returned),
        Ok(Confirmation::NotRequested) => (None, None),
        Err(error) => (Some(broken(&error).into()), None),
    };
    if let Some(error) = answer {
        pending.answer(&id, Err(error));
    }
    if let Some(id) = returned.and_then(|message| message.properties.correlation_id().clone()) {
        pending.answer(id.as_str(), Err(RpcError::Unroutable));
    }
}

async fn read_replies(mut replies: Consumer, pending: Pending) {
    let mut reason = "the reply channel was closed".to_owned();
    while let Some(delivery) = replies.next().await {
        match delivery {
            Ok(delivery) => {
                let Some(id) = delivery.properties.correlation_id().clone() else { continue };
                let content_type = delivery.properties.content_type().as_ref().map(ToString::to_string);
                pending.answer(id.as_str(), Ok(RpcReply { content_type, body: delivery.data }));
            }
            Err(error) => {
                reason = error.to_string();
                break;
            }
        }
    }
    pending.fail_all(&reason);
}
