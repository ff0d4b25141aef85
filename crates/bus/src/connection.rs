//! One connection to the broker that heals itself.
//!
//! A supervisor connects, waits for the loss, and connects again with growing waits. A session (connection and
//! channels) is torn down and built anew as a whole: nobody has to reason about half-recovered channels.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, Event};
use model::{Clock, SystemClock};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::backoff::Backoff;
use crate::observe;
use crate::publish::{ConfirmChannels, Publisher};

pub(crate) const HEARTBEAT_S: u16 = 15;
/// A connection keeps 32 frames for each direction: with the 128 KiB that brokers propose, 8 MB that are seldom used.
const FRAME_BYTES_MAX: u32 = 32 * 1024;
const DIAL_LIMIT: Duration = Duration::from_secs(20);
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
const DEFAULT_CONNECT_WAIT: Duration = Duration::from_secs(30);

/// How to connect.
#[derive(Debug, Clone)]
pub struct BusConfig {
    /// `amqp://user:password@host:5672/vhost` (or `amqps://…`); without a path the virtual host is `/`.
    pub url: SecretString,
    /// Certificates of authorities, as PEM, that are trusted with `amqps` beside those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// What operators see in the broker's list of connections, and the label of the metrics.
    pub name: String,
    /// How long the first connection is tried for.
    pub connect_wait: Duration,
    /// Dates retries and parked messages.
    pub clock: Arc<dyn Clock>,
}

impl BusConfig {
    /// Tries for 30 seconds and uses the machine's clock.
    pub fn new(url: SecretString, name: impl Into<String>) -> Self {
        Self { url, ca_file: None, name: name.into(), connect_wait: DEFAULT_CONNECT_WAIT, clock: Arc::new(SystemClock) }
    }
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// The URL can't be read. It isn't repeated: it holds a password.
    #[error("the broker's URL must look like amqp://user:password@host:5672/vhost: {0}")]
    Url(String),
    /// The file with certificates can't be used.
    #[error("the certificates in {}: {reason}", file.display())]
    CaFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The broker can't be reached or refuses the login.
    #[error("no connection to the broker as {user:?} after {waited_s} s: {reason}")]
    Connect {
        /// The broker user.
        user: String,
        /// How long it was tried for.
        waited_s: u64,
        /// What the last attempt met.
        reason: String,
    },
    /// [`Bus::close`] was called.
    #[error("the bus is closed")]
    Closed,
}

/// A live connection with its publishing channels.
pub(crate) struct Session {
    connection: Connection,
    pub(crate) confirms: ConfirmChannels,
    lost: CancellationToken,
    blocked: AtomicBool,
}

/// The session ended while something was under way on it.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the connection to the broker was lost")]
pub(crate) struct Lost;

impl Session {
    pub(crate) async fn open_channel(&self) -> lapin::Result<Channel> {
        self.connection.create_channel().await
    }

    /// Runs an operation on this session. Begun at the very moment of the loss, lapin's own would never end.
    pub(crate) async fn while_alive<T>(&self, operation: impl Future<Output = T>) -> Result<T, Lost> {
        tokio::select! {
            biased;
            result = operation => Ok(result),
            () = self.lost.cancelled() => Err(Lost),
        }
    }
}

/// One self-healing connection. Clones share it; it closes with [`Bus::close`] or with the last clone.
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

struct Inner {
    user: String,
    clock: Arc<dyn Clock>,
    session: watch::Receiver<Option<Arc<Session>>>,
    stop: CancellationToken,
    supervisor: Mutex<Option<JoinHandle<()>>>,
    _stop_on_drop: DropGuard,
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("user", &self.inner.user)
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

impl Bus {
    /// Connects, trying again for `config.connect_wait`, and keeps the connection alive from then on.
    pub async fn connect(config: BusConfig) -> Result<Self, BusError> {
        observe::describe();
        let mut uri: AMQPUri = config.url.expose_secret().parse().map_err(BusError::Url)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        uri.query.frame_max.get_or_insert(FRAME_BYTES_MAX);
        let user = uri.authority.userinfo.username.clone();
        let dialer = Dialer { uri, ca: certificates(config.ca_file)?, name: config.name };
        let first = dialer.dial_first(config.connect_wait, &user).await?;
        let (sender, session) = watch::channel(None);
        let stop = CancellationToken::new();
        let connected = live(first, &sender);
        let supervisor = tokio::spawn(supervise(dialer, connected, sender, stop.clone()));
        let inner = Inner {
            user,
            clock: config.clock,
            session,
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
            supervisor: Mutex::new(Some(supervisor)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether there is a connection at this moment.
    pub fn is_connected(&self) -> bool {
        self.inner.session.borrow().is_some()
    }

    /// Whether the broker takes no messages for now, as it does when it is short of memory or disk space.
    pub fn is_blocked(&self) -> bool {
        self.inner.session.borrow().as_ref().is_some_and(|session| session.blocked.load(Ordering::Relaxed))
    }

    /// The broker user of this connection; the broker vouches for it in `user_id`.
    pub fn user(&self) -> &str {
        &self.inner.user
    }

    /// A publisher on this connection.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(self.clone())
    }

    /// Closes the connection. Stop consuming first: what is unacknowledged is delivered again.
    pub async fn close(&self) {
        self.inner.stop.cancel();
        if let Some(supervisor) = self.inner.supervisor.lock().await.take() {
            let _ = supervisor.await;
        }
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.inner.clock.as_ref()
    }

    /// The live session; waits for one.
    pub(crate) async fn session(&self) -> Result<Arc<Session>, BusError> {
        let mut receiver = self.inner.session.clone();
        let session = tokio::select! {
            () = self.inner.stop.cancelled() => return Err(BusError::Closed),
            session = receiver.wait_for(Option::is_some) => session.map_err(|_| BusError::Closed)?.clone(),
        };
        session.ok_or(BusError::Closed)
    }
}

/// Certificates as PEM.
fn certificates(file: Option<PathBuf>) -> Result<Option<String>, BusError> {
    let Some(file) = file else { return Ok(None) };
    match std::fs::read_to_string(&file) {
        Ok(pem) if pem.contains("-----BEGIN CERTIFICATE-----") => Ok(Some(pem)),
        Ok(_) => Err(BusError::CaFile { file, reason: "there is none as PEM".to_owned() }),
        Err(error) => Err(BusError::CaFile { file, reason: error.to_string() }),
    }
}

struct Dialer {
    uri: AMQPUri,
    ca: Option<String>,
    name: String,
}

impl Dialer {
    async fn dial(&self) -> Result<Connection, String> {
        let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let tls = OwnedTLSConfig { identity: None, cert_chain: self.ca.clone() };
        let runtime = lapin::runtime::default_runtime().map_err(|error| error.to_string())?;
        let connection = Connection::connect_uri_with_config(self.uri.clone(), properties, tls, runtime);
        match tokio::time::timeout(DIAL_LIMIT, connection).await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the broker did not finish the handshake within {} s", DIAL_LIMIT.as_secs())),
        }
    }

    async fn dial_first(&self, wait: Duration, user: &str) -> Result<Connection, BusError> {
        let deadline = tokio::time::Instant::now() + wait;
        let mut backoff = Backoff::default();
        loop {
            let reason = match self.dial().await {
                Ok(connection) => return Ok(connection),
                Err(reason) => reason,
            };
            let next = tokio::time::Instant::now() + backoff.next_wait();
            if next >= deadline {
                return Err(BusError::Connect { user: user.to_owned(), waited_s: wait.as_secs(), reason });
            }
            tracing::info!(connection = self.name, reason, "the broker is not there yet");
            tokio::time::sleep_until(next).await;
        }
    }

    async fn dial_again(&self) -> Connection {
        let mut backoff = Backoff::default();
        loop {
            tokio::time::sleep(backoff.next_wait()).await;
            match self.dial().await {
                Ok(connection) => return connection,
                Err(reason) => tracing::warn!(connection = self.name, reason, "still no connection to the broker"),
            }
        }
    }
}

fn live(connection: Connection, sender: &watch::Sender<Option<Arc<Session>>>) -> Arc<Session> {
    let session = Arc::new(Session {
        connection,
        confirms: ConfirmChannels::default(),
        lost: CancellationToken::new(),
        blocked: AtomicBool::new(false),
    });
    sender.send_replace(Some(Arc::clone(&session)));
    session
}

async fn supervise(
    dialer: Dialer,
    mut session: Arc<Session>,
    sender: watch::Sender<Option<Arc<Session>>>,
    stop: CancellationToken,
) {
    let gauge = observe::connected(&dialer.name);
    loop {
        gauge.set(1.0);
        let lost = tokio::select! {
            () = stop.cancelled() => None,
            reason = loss(&session) => Some(reason),
        };
        sender.send_replace(None);
        session.lost.cancel();
        gauge.set(0.0);
        let Some(reason) = lost else { break };
        tracing::warn!(connection = dialer.name, reason, "lost the connection to the broker");
        let connection = tokio::select! {
            () = stop.cancelled() => return,
            connection = dialer.dial_again() => connection,
        };
        tracing::info!(connection = dialer.name, "connected to the broker again");
        session = live(connection, &sender);
    }
    let closed = tokio::time::timeout(CLOSE_LIMIT, session.connection.close(200, "closing".into())).await;
    if !matches!(closed, Ok(Ok(()))) {
        tracing::debug!(connection = dialer.name, "the connection did not close in order");
    }
}

/// Returns when the connection is lost, with the reason.
async fn loss(session: &Session) -> String {
    let connection = &session.connection;
    let mut events = connection.events_listener().boxed();
    // An event from before the listener is not heard: the status tells, at once and then regularly.
    let mut interval = tokio::time::interval(STATUS_INTERVAL);
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = interval.tick() => None,
        };
        let reason = match event {
            Some(Event::Error(error)) => error.to_string(),
            Some(Event::ConnectionBlocked(reason)) => {
                tracing::warn!(reason, "the broker takes no messages for now");
                session.blocked.store(true, Ordering::Relaxed);
                continue;
            }
            Some(Event::ConnectionUnblocked) => {
                tracing::info!("the broker takes messages again");
                session.blocked.store(false, Ordering::Relaxed);
                continue;
            }
            Some(_) => continue,
            None => "the connection is closed".to_owned(),
        };
        if !connection.status().connected() {
            return reason;
        }
    }
}
