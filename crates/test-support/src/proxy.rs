//! A TCP proxy that can hold answers back: a process can be stopped between a request's effect and its answer. It also
//! counts requests.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Forwards to one server. While armed, the answer to a request that contains the needle is held back: its connection
/// stays open and silent until the proxy is disarmed.
#[derive(Debug)]
pub struct HoldingProxy {
    address: SocketAddr,
    needle: watch::Sender<Option<String>>,
    held: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl HoldingProxy {
    /// Listens on a free loopback port and forwards to `host:port` of `url`.
    pub async fn to(url: &str) -> Result<Self> {
        Self::on(0, url).await
    }

    /// The same on a port of the test's choice, where nothing may listen yet.
    pub async fn on(port: u16, url: &str) -> Result<Self> {
        let url = url::Url::parse(url)?;
        let server = format!(
            "{}:{}",
            url.host_str().context("the URL has no host")?,
            url.port_or_known_default().context("the URL has no port")?
        );
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (needle, armed) = watch::channel(None);
        let (held, requests) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
        let counts = Counts { held: Arc::clone(&held), requests: Arc::clone(&requests) };
        let task = tokio::spawn(async move {
            // They end with this task.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (server, armed, counts) = (server.clone(), armed.clone(), counts.clone());
                connections.spawn(async move {
                    // A connection that breaks is the business of its two ends.
                    let _ = forward(client, &server, armed, counts).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, needle, held, requests, task })
    }

    /// Where it listens: `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, holds back the answers to requests that contain `needle`; `None` lets everything through, also what
    /// was held back.
    pub fn hold(&self, needle: Option<&str>) {
        self.needle.send_replace(needle.map(str::to_owned));
    }

    /// The first line of each request so far: `GET /admin/user?uid=… HTTP/1.1`.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cuts all connections and refuses new ones from now on.
    pub async fn close(mut self) {
        self.task.abort();
        // It can only say that it was aborted.
        let _ = (&mut self.task).await;
    }

    /// How many answers it has held back: those requests have had their effect.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }
}

impl Drop for HoldingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all connections count together.
#[derive(Debug, Clone)]
struct Counts {
    held: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Counts {
    /// Notes a request that begins here; a client waits for one answer before its next request.
    fn note(&self, text: &str) {
        if let Some(line) = text.lines().next().filter(|line| line.ends_with(" HTTP/1.1")) {
            self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        }
    }
}

async fn forward(
    client: TcpStream,
    server: &str,
    armed: watch::Receiver<Option<String>>,
    counts: Counts,
) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (caught, is_caught) = watch::channel(false);
    let requests = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = from_client.read(&mut buffer).await?;
            if length == 0 {
                return to_server.shutdown().await;
            }
            let text = String::from_utf8_lossy(&buffer[..length]);
            counts.note(&text);
            let needle = armed.borrow().clone();
            if needle.is_some_and(|needle| text.contains(&needle)) {
                caught.send_replace(true);
            }
            to_server.write_all(&buffer[..length]).await?;
        }
    };
    let answers = answer(&mut from_server, &mut to_client, is_caught, armed.clone(), &counts.held);
    tokio::try_join!(requests, answers)?;
    Ok(())
}

async fn answer(
    from_server: &mut (impl AsyncRead + Unpin),
    to_client: &mut (impl AsyncWrite + Unpin),
    is_caught: watch::Receiver<bool>,
    mut armed: watch::Receiver<Option<String>>,
    held: &AtomicUsize,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from_server.read(&mut buffer).await?;
        if *is_caught.borrow() {
            held.fetch_add(1, Ordering::SeqCst);
            // The proxy itself is gone where this fails, and with it whoever waits.
            let _ = armed.wait_for(Option::is_none).await;
        }
        if length == 0 {
            return to_client.shutdown().await;
        }
        to_client.write_all(&buffer[..length]).await?;
    }
}
