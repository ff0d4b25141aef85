//! What others take for the same job: the scripts in `tests/bench-peers/`, a server and a client of each, as processes of
//! their own.

mod installation;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use test_support::broker::VirtualHost;
use test_support::services::Services;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::Mutex;
use uuid::Uuid;

use self::installation::Installation;
use crate::load::Load;

const READY: &str = "ready";
/// A peer whose server has ended would wait for ever.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is compared with Purser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Software {
    Oslo,
    Celery,
    Node,
}

impl Software {
    fn script(self) -> &'static str {
        match self {
            Self::Oslo => "oslo.py",
            Self::Celery => "celery_tasks.py",
            Self::Node => "node.cjs",
        }
    }
}

/// What a peer is to do for an action.
#[derive(Debug, Serialize)]
pub(crate) struct PeerJob {
    /// The parameters to send, by turns.
    pub(crate) requests: Vec<Value>,
    /// The parameter that is new in each request.
    pub(crate) fresh: Option<&'static str>,
    /// What is answered.
    pub(crate) reply: Value,
}

/// A load for a peer's client.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Order {
    pub(crate) action: &'static str,
    /// Where the software lets the caller choose.
    pub(crate) queue: &'static str,
    pub(crate) in_flight: usize,
    pub(crate) seconds: f64,
}

/// What a client says of a load that it has carried out.
#[derive(Debug, Deserialize)]
struct Told {
    operations: usize,
    seconds: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Where peers run: their libraries, a virtual host of their own, and what they are to do.
pub(crate) struct PeerHome {
    installation: Installation,
    vhost: VirtualHost,
    jobs: PathBuf,
    _dir: tempfile::TempDir,
}

impl PeerHome {
    /// Installs what is missing.
    pub(crate) async fn prepare(services: &Services, jobs: &BTreeMap<&'static str, PeerJob>) -> Result<Self> {
        ensure!(services.tls_ca_file.is_none(), "the peers speak to a broker without TLS only");
        let installation = Installation::find_or_make().await?;
        let name = format!("bench_peers_{}", &Uuid::new_v4().simple().to_string()[..16]);
        let vhost = VirtualHost::create(services, &name).await?;
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("jobs.json");
        std::fs::write(&path, serde_json::to_vec(jobs)?).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self { installation, vhost, jobs: path, _dir: dir })
    }

    /// Starts a server and a client.
    pub(crate) async fn start(&self, software: Software) -> Result<Peer> {
        let server = self.process(software, "server").await?;
        let client = self.process(software, "client").await?;
        Ok(Peer { client_process: client.process, client: Mutex::new(client), server })
    }

    async fn process(&self, software: Software, part: &'static str) -> Result<Script> {
        let name = software.script();
        let log = self.installation.log(&format!("{name}-{part}"));
        let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let mut child = self
            .installation
            .command(name)
            .arg(part)
            .env("BENCH_AMQP_URL", self.vhost.plain_admin_url())
            .env("BENCH_JOBS", &self.jobs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let process = child.id().context("a child that runs has an id")?;
        let input = child.stdin.take().context("the child's input is a pipe")?;
        let output = BufReader::new(child.stdout.take().context("the child's output is a pipe")?);
        let mut script = Script { process, input, output, log, _child: child };
        let ready = async {
            // Some say more than this when they start.
            while script.line().await? != READY {}
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, ready).await.with_context(|| format!("{name} {part} isn't ready in time"))??;
        Ok(script)
    }
}

/// A server and a client that asks it.
pub(crate) struct Peer {
    client_process: u32,
    client: Mutex<Script>,
    server: Script,
}

impl Peer {
    /// The client's process.
    pub(crate) fn client(&self) -> u32 {
        self.client_process
    }

    /// The server's first process.
    pub(crate) fn server(&self) -> u32 {
        self.server.process
    }

    /// Has the client ask; it takes the times itself.
    pub(crate) async fn run(&self, order: Order) -> Result<Load> {
        let mut client = self.client.lock().await;
        let asked = async {
            let line = serde_json::to_string(&order)? + "\n";
            client.input.write_all(line.as_bytes()).await.context("writing to a peer's client")?;
            client.line().await
        };
        let answer =
            tokio::time::timeout(PATIENCE, asked).await.context("a peer's client doesn't come to an end")??;
        let Told { operations, seconds, p50_ms, p99_ms } = serde_json::from_str(&answer).context("a peer's figures")?;
        let load = Load::together(operations, Duration::from_secs_f64(seconds));
        Ok(load.told("p50_ms", p50_ms).told("p99_ms", p99_ms))
    }
}

/// A process that ends when its input does, which is when this is dropped.
struct Script {
    process: u32,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    log: PathBuf,
    _child: Child,
}

impl Script {
    /// The next line that it says; fails where it has ended.
    async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line).await? == 0 {
            bail!("a peer has ended; its errors are in {}", self.log.display());
        }
        Ok(line.trim().to_owned())
    }
}
