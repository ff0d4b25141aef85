//! A running process of the binary `purser`, which ends with the test.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use super::{Deployment, PortLease, Ports};
use crate::services::process::log_tail;

const READY_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(40);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// `purser` with the deployment's configuration and nothing of this process's own.
pub(super) fn command(deployment: &Deployment) -> Command {
    let mut command = Command::new(&deployment.config.purser_binary);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("PURSER") || name == "RUST_LOG") {
            command.env_remove(name);
        }
    }
    command
        .env("PURSER_CONFIG", deployment.config_file())
        .envs(deployment.config.settings.variables.iter().map(|(name, value)| (name, value)))
        .current_dir(&deployment.config.dir)
        .stdin(Stdio::null());
    command
}

/// A process of one role, or of all; killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    role: String,
    child: Child,
    log: PathBuf,
    base_url: String,
}

impl Process {
    /// Starts `purser <role>` with a log of its own.
    pub(super) fn start(deployment: &Deployment, role: &str, variables: &[(&str, &str)]) -> Result<Self> {
        let mut command = command(deployment);
        let given = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let address = if matches!(role, "gateway" | "all") {
            given("PURSER__GATEWAY__LISTEN").unwrap_or_else(|| format!("127.0.0.1:{}", deployment.gateway_port()))
        } else {
            let name = "PURSER__HEALTH__LISTEN";
            let address = given(name).map_or_else(|| health_address(deployment), Ok)?;
            command.env(name, &address);
            address
        };
        command.envs(variables.iter().copied()).arg(role);
        let (log, file) = new_log(deployment, role)?;
        let child = command.stdout(file.try_clone()?).stderr(file).spawn();
        let child = child.with_context(|| format!("starting {}", deployment.config.purser_binary.display()))?;
        Ok(Self { role: role.to_owned(), child, log, base_url: format!("http://{address}") })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its role, or `all`.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// Whether it runs, as the very process that was started.
    pub fn is_alive(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Its resident memory now and at most so far, in bytes.
    pub fn memory(&self) -> Result<(u64, u64)> {
        let path = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kibibytes = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
            kibibytes.map(|number: u64| number * 1024).with_context(|| format!("{path} has no {name}"))
        };
        Ok((bytes("VmRSS:")?, bytes("VmHWM:")?))
    }

    /// Where it answers `/metrics` and `/readyz`: `127.0.0.1:8080`.
    pub fn address(&self) -> &str {
        self.base_url.trim_start_matches("http://")
    }

    /// Its metrics, as Prometheus reads them.
    pub async fn metrics(&self) -> Result<String> {
        Ok(crate::http::client()?.get(format!("{}/metrics", self.base_url)).send().await?.text().await?)
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until `/readyz` says so; fails where the process ends before, or after a minute.
    pub async fn wait_ready(&mut self) -> Result<()> {
        let http = crate::http::client()?;
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("`purser {}` ended with {status}; {}", self.role, log_tail(&self.log));
            }
            let answer = http.get(format!("{}/readyz", self.base_url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("`purser {}` isn't ready after {} s; {}", self.role, READY_LIMIT.as_secs(), log_tail(&self.log));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Kills it (SIGKILL), as a crash of the machine would; also a paused one.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal(Signal::SIGTERM)?;
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("`purser {}` runs on after SIGTERM; {}", self.role, log_tail(&self.log));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Freezes it (SIGSTOP).
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it run on (SIGCONT).
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(pid, signal).with_context(|| format!("sending {signal} to `purser {}`", self.role))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("`purser {}` (process {}): {}", self.role, self.id(), log_tail(&self.log));
        }
        if let Err(error) = self.kill() {
            eprintln!("`purser {}` (process {}) may still run: {error:#}", self.role, self.id());
        }
    }
}

/// An address for the health checks of a process that isn't the gateway.
fn health_address(deployment: &Deployment) -> Result<String> {
    let port = match &deployment.ports {
        Ports::Kept(_) => PortLease::take()?.port(),
        Ports::Leased { others, .. } => {
            let lease = PortLease::take()?;
            let port = lease.port();
            others.lock().unwrap_or_else(PoisonError::into_inner).push(lease);
            port
        }
    };
    Ok(format!("127.0.0.1:{port}"))
}

/// A log file that no earlier process of this deployment has written to.
fn new_log(deployment: &Deployment, role: &str) -> Result<(PathBuf, File)> {
    let dir = deployment.config.dir.join("log");
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    for number in 1.. {
        let path = dir.join(format!("{role}-{number}.log"));
        match File::options().append(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("creating {}", path.display())),
        }
    }
    bail!("too many logs in {}", dir.display())
}
