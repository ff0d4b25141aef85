//! The PHP drop-in `deploy/php/s3.php` under PHP's own web server, in front of a deployment.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use crate::deployment::{Deployment, FRONTEND_USER, PortLease};
use crate::services::process::log_tail;

const START_LIMIT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// As many requests are worked on at once: each blocks its process until it is answered.
const WORKERS: &str = "8";

/// A running web server; killed when it is dropped.
#[derive(Debug)]
pub struct PhpServer {
    child: Child,
    log: PathBuf,
    port: PortLease,
}

/// The folder of the drop-in.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/php")
}

impl PhpServer {
    /// Starts it as the PHP frontend of `deployment`, and waits until it answers.
    ///
    /// `variables` are settings of the drop-in beside those that say where broker and gateway are.
    pub async fn start(deployment: &Deployment, variables: &[(&str, &str)]) -> Result<Self> {
        let folder = folder();
        let script = folder.join("s3.php");
        if !script.is_file() {
            bail!("there is no {}", script.display());
        }
        let port = PortLease::take()?;
        let log = deployment.dir().join("php.log");
        let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let mut command = Command::new("php");
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("PURSER")) {
                command.env_remove(name);
            }
        }
        let child = command
            .args(["-S", &format!("127.0.0.1:{}", port.port()), "-t"])
            .arg(&folder)
            .env("PHP_CLI_SERVER_WORKERS", WORKERS)
            .env("PURSER_AMQP_URL", deployment.amqp_url(FRONTEND_USER))
            .env("PURSER_GATEWAY_URL", deployment.gateway_url())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("starting php (package php-cli)")?;
        let mut server = Self { child, log, port };
        server.wait_ready().await?;
        Ok(server)
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.port())
    }

    /// The end of what it has logged.
    pub fn log_tail(&self) -> String {
        log_tail(&self.log)
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("php ended with {status}; {}", self.log_tail());
            }
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port.port())).await.is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("php isn't ready after {} s; {}", START_LIMIT.as_secs(), self.log_tail());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

impl Drop for PhpServer {
    fn drop(&mut self) {
        // The workers would go on without their parent. They share its terminal, so that Ctrl-C ends them all, too.
        let parent = self.child.id();
        let workers = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        for worker in workers.split_whitespace().filter_map(|id| id.parse().ok()) {
            // One that has ended already is what is wanted.
            let _ = kill(Pid::from_raw(worker), Signal::SIGKILL);
        }
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("php (process {parent}) may still run: {error}");
        }
    }
}
