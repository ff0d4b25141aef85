//! An HTTP proxy in front of the object store that makes it answer badly: not at all, too late, or with 503.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const METHODS: [&[u8]; 5] = [b"GET ", b"PUT ", b"POST ", b"HEAD ", b"DELETE "];
/// Longer than any client waits.
const HANG: Duration = Duration::from_secs(40);

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// 503; the store never sees it.
    Unavailable,
    /// The store does it; the connection is cut in place of the answer.
    AnswerLost,
    /// The store does it; no answer ever comes.
    Hang,
    /// The answer comes late.
    Slow(Duration),
}

/// Forwards to one store.
#[derive(Debug)]
pub struct StoreLink {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    fault: Mutex<Option<(StoreFault, u8)>>,
    random: Mutex<StdRng>,
    disturbed: AtomicU64,
}

impl State {
    /// What becomes of the request that begins now.
    fn next(&self) -> Option<StoreFault> {
        let (fault, percent) = (*self.fault.lock().unwrap_or_else(PoisonError::into_inner))?;
        let dice: u8 = self.random.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..100);
        (dice < percent).then(|| {
            self.disturbed.fetch_add(1, Ordering::Relaxed);
            fault
        })
    }
}

impl StoreLink {
    /// Listens on a free loopback port and forwards to `host:port` of `url`; `seed` decides which requests are hit.
    pub async fn to(url: &str, seed: u64) -> Result<Self> {
        let url = url::Url::parse(url)?;
        let (host, port) = (url.host_str(), url.port_or_known_default());
        let server = format!("{}:{}", host.context("the URL has no host")?, port.context("the URL has no port")?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            fault: Mutex::default(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            disturbed: AtomicU64::default(),
        });
        let accepting = Arc::clone(&state);
        let task = tokio::spawn(async move {
            // They end with this task.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (server, state) = (server.clone(), Arc::clone(&accepting));
                connections.spawn(async move {
                    // A connection that breaks is the business of its two ends.
                    let _ = forward(client, &server, &state).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, state, task })
    }

    /// Where it listens: `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, so many percent of the requests meet with `fault`; `None` ends the trouble.
    pub fn disturb(&self, fault: Option<(StoreFault, u8)>) {
        *self.state.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// How many requests met with a fault so far.
    pub fn disturbed(&self) -> u64 {
        self.state.disturbed.load(Ordering::Relaxed)
    }
}

impl Drop for StoreLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection; its client waits for an answer before its next request.
async fn forward(mut client: TcpStream, server: &str, state: &State) -> Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut fault = None;
    loop {
        tokio::select! {
            length = client.read(&mut request) => {
                let part = &request[..length?];
                if METHODS.iter().any(|method| part.starts_with(method)) {
                    fault = state.next();
                }
                if fault == Some(StoreFault::Unavailable) {
                    return Ok(client.write_all(UNAVAILABLE).await?);
                }
                if part.is_empty() {
                    return Ok(());
                }
                server.write_all(part).await?;
            }
            length = server.read(&mut answer) => {
                let part = &answer[..length?];
                match fault {
                    Some(StoreFault::AnswerLost) => return Ok(()),
                    Some(StoreFault::Hang) => {
                        tokio::time::sleep(HANG).await;
                        return Ok(());
                    }
                    Some(StoreFault::Slow(delay)) => {
                        fault = None;
                        tokio::time::sleep(delay).await;
                    }
                    Some(StoreFault::Unavailable) | None => {}
                }
                if part.is_empty() {
                    return Ok(());
                }
                client.write_all(part).await?;
            }
        }
    }
}
