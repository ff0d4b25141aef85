//! A TCP proxy that can hold answers back: a process can be stopped between a request's effect and its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards to one server. While armed, the answer to a request that contains the needle is held back: its connection
/// stays open and silent until the proxy is disarmed.
#[derive(Debug)]
pub struct HoldingProxy {
    address: SocketAddr,
    needle: watch::Sender<Option<String>>,
    held: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl HoldingProxy {
    /// Listens on a free loopback port and forwards to `host:port` of `url`.
    pub async fn to(url: &str) -> Result<Self> {
        let url = url::Url::parse(url)?;
        let server = format!(
            "{}:{}",
            url.host_str().context("the URL has no host")?,
            url.port_or_known_default().context("the URL has no port")?
        );
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (needle, armed) = watch::channel(None);
        let held = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&held);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, armed, held) = (server.clone(), armed.clone(), Arc::clone(&counter));
                tokio::spawn(async move {
                    // A connection that breaks is the business of its two ends.
                    let _ = forward(client, &server, armed, held).await;
                });
            }
        });
        Ok(Self { address, needle, held, task })
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

async fn forward(
    client: TcpStream,
    server: &str,
    armed: watch::Receiver<Option<String>>,
    held: Arc<AtomicUsize>,
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
            let needle = armed.borrow().clone();
            if needle.is_some_and(|needle| String::from_utf8_lossy(&buffer[..length]).contains(&needle)) {
                caught.send_replace(true);
            }
            to_server.write_all(&buffer[..length]).await?;
        }
    };
    let answers = answer(&mut from_server, &mut to_client, is_caught, armed.clone(), &held);
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
