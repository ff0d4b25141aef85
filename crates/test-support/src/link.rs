//! A TCP proxy that breaks: it cuts connections in the middle of a message and refuses new ones.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// So many bytes are never forwarded.
const UNLIMITED: i64 = i64::MAX / 2;

/// Forwards to one server, byte by byte, until it is told to break.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    is_open: watch::Sender<bool>,
    /// Grows with each cut; whoever sees it grow ends.
    cuts: watch::Sender<u64>,
    /// How many bytes may pass before the next cut.
    bytes_left: AtomicI64,
}

impl State {
    fn cut(&self) {
        self.bytes_left.store(UNLIMITED, Ordering::SeqCst);
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How many of these bytes may pass.
    fn pass(&self, length: usize) -> usize {
        let wanted = i64::try_from(length).unwrap_or(UNLIMITED);
        let left = self.bytes_left.fetch_sub(wanted, Ordering::SeqCst);
        usize::try_from(left.clamp(0, wanted)).unwrap_or(length)
    }
}

impl Link {
    /// Listens on a free loopback port and forwards to `server`, which is `host:port`.
    pub async fn to(server: &str) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            is_open: watch::Sender::new(true),
            cuts: watch::Sender::new(0),
            bytes_left: AtomicI64::new(UNLIMITED),
        });
        let (server, accepting) = (server.to_owned(), Arc::clone(&state));
        let task = tokio::spawn(async move {
            // They end with this task.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                if *accepting.is_open.borrow() {
                    let (server, state) = (server.clone(), Arc::clone(&accepting));
                    connections.spawn(async move {
                        // A connection that breaks is the business of its two ends.
                        let _ = forward(client, &server, &state).await;
                    });
                }
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, state, task })
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Cuts all connections once `bytes` more have passed, whatever they are part of; new ones are taken.
    pub fn cut_after(&self, bytes: u32) {
        self.state.bytes_left.store(bytes.into(), Ordering::SeqCst);
    }

    /// Cuts all connections now, and lets nobody in until [`Link::open`].
    pub fn close(&self) {
        self.state.is_open.send_replace(false);
        self.state.cut();
    }

    /// Everything passes again.
    pub fn open(&self) {
        self.state.bytes_left.store(UNLIMITED, Ordering::SeqCst);
        self.state.is_open.send_replace(true);
    }

    /// How often connections were cut so far.
    pub fn cuts(&self) -> u64 {
        *self.state.cuts.borrow()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(client: TcpStream, server: &str, state: &State) -> Result<()> {
    let mut cuts = state.cuts.subscribe();
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = copy(from_client, to_server, state) => {}
        () = copy(from_server, to_client, state) => {}
        _ = cuts.changed() => {}
    }
    Ok(())
}

async fn copy(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, state: &State) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length) = from.read(&mut buffer).await {
        let passing = state.pass(length);
        let written = to.write_all(&buffer[..passing]).await;
        if passing < length {
            state.cut();
        }
        if length == 0 || passing < length || written.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets.
    async fn echo() -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    let _ = tokio::io::copy(&mut reader, &mut writer).await;
                });
            }
        });
        address
    }

    async fn ask(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
        let _ = stream.write_all(text).await;
        let mut answer = vec![0; text.len()];
        let mut read = 0;
        while read < answer.len() {
            match stream.read(&mut answer[read..]).await {
                Ok(length) if length > 0 => read += length,
                _ => break,
            }
        }
        answer.truncate(read);
        answer
    }

    #[tokio::test]
    async fn a_message_is_cut_in_its_middle_and_a_closed_link_lets_nobody_in() {
        let link = Link::to(&echo().await).await.expect("a link");
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, link.port()));
        let mut stream = connect().await.expect("connected");
        assert_eq!(ask(&mut stream, b"hello").await, b"hello");
        // Five bytes there, two back.
        link.cut_after(7);
        assert_eq!(ask(&mut stream, b"hello").await, b"he");
        assert_eq!(link.cuts(), 1);
        let mut stream = connect().await.expect("connected again");
        assert_eq!(ask(&mut stream, b"hello").await, b"hello");
        link.close();
        assert_eq!(ask(&mut stream, b"hello").await, b"");
        let mut stream = connect().await.expect("the port is open");
        assert_eq!(ask(&mut stream, b"hello").await, b"");
        link.open();
        let mut stream = connect().await.expect("connected");
        assert_eq!(ask(&mut stream, b"hello").await, b"hello");
    }
}
