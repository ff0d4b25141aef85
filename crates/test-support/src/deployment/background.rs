//! Roles as detached processes, found again by their pid files: the deployment of `cargo xtask up`.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use messages::RoleName;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Deployment, PortLease, process};
use crate::services::Progress;
use crate::services::process::{log_tail, running, stop, write_private};

/// All roles, in the order in which they are started.
pub const ROLES: [RoleName; 4] = [RoleName::Provisioner, RoleName::Metering, RoleName::Billing, RoleName::Gateway];

const READY_LIMIT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(30);

/// The ports of a deployment that stays.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct KeptPorts {
    pub(super) gateway: u16,
    provisioner: u16,
    metering: u16,
    billing: u16,
}

impl KeptPorts {
    /// Those in `ports.json`, or free ones, which are written there.
    pub(super) fn load_or_choose(dir: &Path) -> Result<Self> {
        let path = dir.join("ports.json");
        if let Ok(text) = fs::read_to_string(&path) {
            return serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()));
        }
        let leases = [PortLease::take()?, PortLease::take()?, PortLease::take()?, PortLease::take()?];
        let [gateway, provisioner, metering, billing] = leases.map(|lease| lease.port());
        let ports = Self { gateway, provisioner, metering, billing };
        write_private(&path, None, 0o644, &serde_json::to_string(&ports)?)?;
        Ok(ports)
    }

    fn of(self, role: RoleName) -> u16 {
        match role {
            RoleName::Gateway => self.gateway,
            RoleName::Provisioner => self.provisioner,
            RoleName::Metering => self.metering,
            RoleName::Billing => self.billing,
        }
    }
}

/// The roles of the deployment in one folder, made by [`Deployment::keep`], as processes that outlive us.
#[derive(Debug, Clone)]
pub struct Background {
    dir: PathBuf,
}

impl Background {
    /// Those of the deployment in `dir`, which need not exist.
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The process of a role, where it runs.
    pub fn running(&self, role: RoleName) -> Option<Pid> {
        let mark = format!("PURSER_CONFIG={}", self.dir.join("purser.toml").display());
        running(&self.pid_file(role), &mark)
    }

    /// Whether it runs, from this very build and configuration of the deployment.
    pub fn is_current(&self, role: RoleName, deployment: &Deployment) -> Result<bool> {
        let Some(pid) = self.running(role) else { return Ok(false) };
        let started_with = fs::read_to_string(self.pid_file(role))?.lines().nth(1).map(str::to_owned);
        let identity = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
        let same_binary =
            identity(&PathBuf::from(format!("/proc/{pid}/exe"))) == identity(&deployment.config.purser_binary);
        Ok(same_binary && started_with == Some(fingerprint(&deployment.config_file())?))
    }

    /// Starts a role in a session of its own, so that neither the end of this process nor of the terminal ends it.
    pub fn start(&self, role: RoleName, deployment: &Deployment) -> Result<()> {
        let log = self.log_file(role);
        fs::create_dir_all(self.dir.join("log")).context("creating the logs' folder")?;
        let output = File::options().append(true).create(true).open(&log)?;
        let plain = process::command(deployment);
        let mut detached = Command::new("setsid");
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => detached.env(name, value),
                None => detached.env_remove(name),
            };
        }
        if role != RoleName::Gateway {
            let port = KeptPorts::load_or_choose(&self.dir)?.of(role);
            detached.env("PURSER__HEALTH__LISTEN", format!("127.0.0.1:{port}"));
        }
        // A child that leads no process group becomes the program itself: its process id stays.
        detached.arg(plain.get_program()).arg(role.as_str()).current_dir(&self.dir);
        detached.stdin(std::process::Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = detached.spawn().context("running setsid (package util-linux)")?;
        let text = format!("{}\n{}\n", child.id(), fingerprint(&deployment.config_file())?);
        write_private(&self.pid_file(role), None, 0o644, &text)
    }

    /// Waits until a role says that it is ready; fails where it ends before, or after a minute.
    pub async fn wait_ready(&self, role: RoleName) -> Result<()> {
        let http = crate::http::client()?;
        let url = format!("http://127.0.0.1:{}/readyz", KeptPorts::load_or_choose(&self.dir)?.of(role));
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            // The child is setsid for a moment, with the same environment.
            if self.running(role).is_none() {
                bail!("`purser {role}` has ended; {}", log_tail(&self.log_file(role)));
            }
            if http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("`purser {role}` isn't ready in time; {}", log_tail(&self.log_file(role)));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Stops a role, where it runs: it finishes what it is at.
    pub fn stop(&self, role: RoleName, progress: &Progress) -> Result<()> {
        if let Some(pid) = self.running(role) {
            stop(pid, Signal::SIGTERM, &format!("`purser {role}`"), progress)?;
        }
        Ok(())
    }

    /// The log of a role; all its processes write to the same.
    pub fn log_file(&self, role: RoleName) -> PathBuf {
        self.dir.join(format!("log/{role}.log"))
    }

    fn pid_file(&self, role: RoleName) -> PathBuf {
        self.dir.join(format!("{role}.pid"))
    }
}

fn fingerprint(path: &Path) -> Result<String> {
    let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}
