//! TCP proxies in front of PostgreSQL, RabbitMQ and RGW that understand just enough to see a command's steps: they count
//! them, and do something to a chosen one.

mod rabbit;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use wire::{Answer, Answers, Requests, Unit};

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Steps are commits of transactions that wrote something, and single statements that do.
    Postgres,
    /// Steps are messages published, and messages acknowledged.
    Rabbit,
    /// Steps are requests that change something.
    Http,
}

/// What is done to one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is cut before the server hears of it.
    Lost,
    /// It is done, and the connection is cut before the client hears of that.
    Unanswered,
    /// The server hears of it only after [`Steps::release`]: whoever does the same meanwhile does it first.
    Held,
}

/// The step to which something is done: the so-manieth (from 0) with this label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As [`Steps::taken`] shows it.
    pub label: String,
    /// How many equal ones come before.
    pub nth: usize,
    /// What happens then.
    pub fault: Fault,
}

/// The steps that were seen by all proxies together, in their order.
#[derive(Debug, Clone)]
pub struct Steps {
    state: Arc<Mutex<State>>,
    is_released: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    taken: Vec<String>,
    target: Option<Target>,
    is_hit: bool,
    in_hand: u64,
}

impl Default for Steps {
    fn default() -> Self {
        Self { state: Arc::default(), is_released: watch::channel(true).0 }
    }
}

impl Steps {
    /// Starts a proxy that forwards to `server`, `host:port`; its steps' labels begin with `name`.
    pub async fn proxy(&self, name: &str, wire: Wire, server: &str) -> Result<CutProxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (steps, name, server) = (self.clone(), name.to_owned(), server.to_owned());
        let task = tokio::spawn(async move {
            // They end with this task.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (steps, name, server) = (steps.clone(), name.clone(), server.clone());
                connections.spawn(async move {
                    // A connection that breaks is the business of its two ends.
                    let _ = serve(client, &server, wire, &name, steps).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(CutProxy { address, task })
    }

    /// Forgets what was seen and, from now on, does something to this step once; `None`: to none.
    pub fn begin(&self, target: Option<Target>) {
        let is_holding = target.as_ref().is_some_and(|target| target.fault == Fault::Held);
        self.is_released.send_replace(!is_holding);
        let mut state = self.lock();
        (state.taken, state.target, state.is_hit) = (Vec::new(), target, false);
    }

    /// The labels of the steps since [`Steps::begin`].
    pub fn taken(&self) -> Vec<String> {
        self.lock().taken.clone()
    }

    /// Whether the chosen step has come.
    pub fn is_hit(&self) -> bool {
        self.lock().is_hit
    }

    /// Lets a step through that was held.
    pub fn release(&self) {
        self.is_released.send_replace(true);
    }

    /// How many messages were delivered and are not acknowledged yet.
    pub fn in_hand(&self) -> u64 {
        self.lock().in_hand
    }

    fn take(&self, label: String) -> Option<Fault> {
        let mut state = self.lock();
        let before = state.taken.iter().filter(|taken| **taken == label).count();
        let fault = match &state.target {
            Some(target) if target.label == label && target.nth == before => Some(target.fault),
            _ => None,
        };
        state.is_hit |= fault.is_some();
        state.taken.push(label);
        fault
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the proxies; it ends when it is dropped.
#[derive(Debug)]
pub struct CutProxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl CutProxy {
    /// Where it listens: `127.0.0.1:<port>`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for CutProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The messages in hand of one connection; they return to their queue with its end.
struct InHand {
    steps: Steps,
    messages: u64,
}

impl InHand {
    fn change(&mut self, delivered: u64, acknowledged: u64) {
        let acknowledged = acknowledged.min(self.messages + delivered);
        self.messages = self.messages + delivered - acknowledged;
        let mut state = self.steps.lock();
        state.in_hand = state.in_hand + delivered - acknowledged;
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.change(0, self.messages);
    }
}

/// What was held back on one channel.
struct Held {
    channel: u16,
    bytes: Vec<u8>,
}

struct Connection {
    to_server: OwnedWriteHalf,
    steps: Steps,
    held: Option<Held>,
    /// Cut as soon as this is seen.
    last_answer: Option<Answer>,
    in_hand: InHand,
}

async fn serve(client: TcpStream, server: &str, wire: Wire, name: &str, steps: Steps) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    let (mut requests, mut answers) = (Requests::of(wire, name), Answers::of(wire));
    let mut is_released = steps.is_released.subscribe();
    let in_hand = InHand { steps: steps.clone(), messages: 0 };
    let mut connection = Connection { to_server, steps, held: None, last_answer: None, in_hand };
    let (mut sent, mut received) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            length = from_client.read(&mut sent) => {
                requests.push(&sent[..end_unless_some(length?)?]);
                while let Some(unit) = requests.next() {
                    if !connection.forward(unit).await? {
                        drop((from_client, to_client));
                        return drain(connection, from_server).await;
                    }
                }
            }
            length = from_server.read(&mut received) => {
                let bytes = &received[..end_unless_some(length?)?];
                let seen = answers.push(bytes);
                connection.in_hand.change(seen.deliveries, 0);
                if connection.last_answer.is_some_and(|answer| seen.has(answer)) {
                    return Ok(());
                }
                requests.answered();
                to_client.write_all(bytes).await?;
            }
            () = until_true(&mut is_released), if connection.held.is_some() => {
                if let Some(held) = connection.held.take() {
                    connection.to_server.write_all(&held.bytes).await?;
                }
            }
        }
    }
}

async fn until_true(is_released: &mut watch::Receiver<bool>) {
    // The connection holds a sender, so that this can't fail.
    let _ = is_released.wait_for(|released| *released).await;
}

fn end_unless_some(length: usize) -> Result<usize> {
    anyhow::ensure!(length > 0, "one end has closed");
    Ok(length)
}

impl Connection {
    /// False: the connection is cut here.
    async fn forward(&mut self, unit: Unit) -> Result<bool> {
        self.in_hand.change(0, unit.acknowledged);
        if let Some(held) = &mut self.held
            && held.channel == unit.channel
        {
            held.bytes.extend(unit.bytes);
            return Ok(true);
        }
        match unit.step.and_then(|label| self.steps.take(label)) {
            Some(Fault::Lost) => return Ok(false),
            Some(Fault::Held) => {
                self.held = Some(Held { channel: unit.channel, bytes: unit.bytes });
                return Ok(true);
            }
            Some(Fault::Unanswered) => {
                self.last_answer = Some(unit.answer);
                if unit.answer == Answer::None {
                    self.to_server.write_all(&unit.bytes).await?;
                    return Ok(false);
                }
            }
            None => {}
        }
        self.to_server.write_all(&unit.bytes).await?;
        Ok(true)
    }
}

/// Ends the connection behind what was sent: a server reads all of it only where what it sends meanwhile is taken.
async fn drain(mut connection: Connection, mut from_server: OwnedReadHalf) -> Result<()> {
    connection.to_server.shutdown().await?;
    let mut rest = vec![0; 64 * 1024];
    while from_server.read(&mut rest).await? > 0 {}
    Ok(())
}
