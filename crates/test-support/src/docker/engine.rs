//! The Docker that works here, or a private one from Debian's packages.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::command::{exists, succeeds};
use crate::services::{Progress, packages};

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Where Debian's client is, which can build without a plugin.
const DEBIAN_CLIENT: &str = "/usr/bin/docker";

/// A Docker that answers. A private one ends with it; its images stay for the next time.
pub(super) struct Engine {
    client: PathBuf,
    private: Option<Private>,
}

/// `dockerd` as our child, which changes nothing in the machine's firewall.
struct Private {
    daemon: Child,
    /// Short, because a socket's path must be.
    run_dir: TempDir,
    data_dir: PathBuf,
}

impl Engine {
    /// The Docker that works here; else a private one, kept in `dir`. Fails where none can run, and says why.
    pub(super) fn find_or_start(dir: &Path, progress: &Progress) -> Result<Self> {
        let found = Self { client: client(), private: None };
        if found.answers() {
            progress.report("using the Docker that runs here");
            return Ok(found);
        }
        let programs = [("dockerd", "docker.io"), ("iptables", "iptables")];
        let missing: Vec<_> = programs.iter().filter(|(name, _)| !exists(name)).map(|(_, package)| *package).collect();
        packages::install(&missing, &dir.join("packages.log"), progress)?;
        let mut engine = Self { client: client(), private: Some(Private::start(dir)?) };
        engine.wait_until_it_answers(&dir.join("dockerd.log"))?;
        progress.report("started a private Docker");
        Ok(engine)
    }

    /// The program `docker`.
    pub(super) fn client(&self) -> &Path {
        &self.client
    }

    /// A `docker` command.
    pub(super) fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.client);
        command.args(arguments).env("DOCKER_BUILDKIT", "1");
        self.address(&mut command);
        command
    }

    /// Points a command that reads `DOCKER_HOST` at this Docker.
    pub(super) fn address(&self, command: &mut Command) {
        if let Some(private) = &self.private {
            command.env("DOCKER_HOST", private.socket_url()).env_remove("DOCKER_CONTEXT");
        }
    }

    fn answers(&self) -> bool {
        succeeds(self.docker(&["version"]))
    }

    fn wait_until_it_answers(&mut self, log: &Path) -> Result<()> {
        let started = Instant::now();
        while !self.answers() {
            let has_ended = self.private.as_mut().is_some_and(|it| matches!(it.daemon.try_wait(), Ok(Some(_))));
            if has_ended || started.elapsed() > START_LIMIT {
                let said = fs::read_to_string(log).unwrap_or_default();
                let end: Vec<_> = said.lines().rev().take(5).collect();
                bail!("dockerd doesn't answer: {}", end.into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}

impl Private {
    fn start(dir: &Path) -> Result<Self> {
        let (run_dir, data_dir) = (tempfile::tempdir()?, dir.join("docker"));
        fs::create_dir_all(&data_dir)?;
        let log = File::create(dir.join("dockerd.log"))?;
        let socket = run_dir.path().join("docker.sock");
        let daemon = Command::new("dockerd")
            .arg("--data-root")
            .arg(&data_dir)
            .arg("--exec-root")
            .arg(run_dir.path().join("exec"))
            .arg("--pidfile")
            .arg(run_dir.path().join("pid"))
            .arg("--host")
            .arg(format!("unix://{}", socket.display()))
            // Compose makes its own network; the default one would stay behind.
            .args([
                "--bridge=none",
                "--ip=127.0.0.1",
                "--iptables=false",
                "--ip6tables=false",
                "--ip-forward=false",
                "--ip-masq=false",
            ])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for us: the containers are taken down first.
            .process_group(0)
            .spawn()
            .context("starting dockerd")?;
        Ok(Self { daemon, run_dir, data_dir })
    }

    fn socket_url(&self) -> String {
        format!("unix://{}", self.run_dir.path().join("docker.sock").display())
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if let Ok(None) = self.daemon.try_wait() {
            let _ = Command::new("kill").arg(self.daemon.id().to_string()).status();
        }
        let started = Instant::now();
        while !matches!(self.daemon.try_wait(), Ok(Some(_)) | Err(_)) {
            if started.elapsed() > STOP_LIMIT {
                let _ = self.daemon.kill();
                let _ = self.daemon.wait();
                break;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        // dockerd mounts its data folder over itself.
        let _ = Command::new("umount").arg(&self.data_dir).stderr(Stdio::null()).status();
    }
}

fn client() -> PathBuf {
    let debian = PathBuf::from(DEBIAN_CLIENT);
    if debian.is_file() { debian } else { "docker".into() }
}
