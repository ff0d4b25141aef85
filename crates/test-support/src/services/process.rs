//! Processes that outlive us: found again by pid file and `/proc`, stopped by pid.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};

use super::progress::Progress;

const PROBE_LIMIT: Duration = Duration::from_secs(2);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The pid in the first line of `pid_file`, where that process is alive and its command line or environment holds `mark`.
///
/// The mark is a path or node name that only our process has, so that a reused pid isn't taken for it.
pub(crate) fn running(pid_file: &Path, mark: &str) -> Option<Pid> {
    let pid: i32 = fs::read_to_string(pid_file).ok()?.lines().next()?.trim().parse().ok()?;
    let holds_mark = |name: &str| {
        fs::read(format!("/proc/{pid}/{name}"))
            .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " ").contains(mark))
    };
    (pid > 1 && (holds_mark("cmdline") || holds_mark("environ"))).then(|| Pid::from_raw(pid))
}

/// Sends `signal` to a process that [`running`] found and waits for its end; SIGKILL after 30 s. True: it ended by itself.
pub(crate) fn stop(pid: Pid, signal: Signal, what: &str, progress: &Progress) -> Result<bool> {
    match kill(pid, signal) {
        Err(Errno::ESRCH) => return Ok(true),
        result => result.with_context(|| format!("stopping {what} (process {pid})"))?,
    }
    let gone = || Ok(is_gone(pid));
    if progress.wait_until(what, STOP_LIMIT, gone).is_ok() {
        return Ok(true);
    }
    progress.check_interrupted()?;
    progress.report(&format!("{what} (process {pid}) did not stop in {} s: killed", STOP_LIMIT.as_secs()));
    kill(pid, Signal::SIGKILL).with_context(|| format!("killing {what} (process {pid})"))?;
    progress.wait_until(what, STOP_LIMIT, gone)?;
    Ok(false)
}

/// A zombie counts as gone: its parent, not we, will collect it.
fn is_gone(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

/// A command with an empty environment but `PATH` and `HOME`, no standard input, and its output appended to `log`.
///
/// As root it runs as `user`, where one is named.
pub(super) fn isolated(program: &Path, user: Option<&str>, home: &Path, log: &Path) -> Result<Command> {
    let output = append(log)?;
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", home)
        .env("LANG", "C.UTF-8")
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    if let Some(owner) = owner(user)? {
        command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw());
    }
    Ok(command)
}

/// Runs `command` to its end; a failure shows the end of `log`.
pub(super) fn run(mut command: Command, what: &str, log: &Path) -> Result<()> {
    let status = command.status().with_context(|| format!("running {what}"))?;
    if !status.success() {
        bail!("{what} failed ({status}):\n{}", log_tail(log));
    }
    Ok(())
}

/// The last lines of a log file, for an error message.
pub(crate) fn log_tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let tail = &lines[lines.len().saturating_sub(15)..];
    format!("the end of {}:\n  {}", log.display(), tail.join("\n  "))
}

/// [`Progress::wait_until`]; a failure other than an interruption shows the end of `log`.
pub(super) fn wait_for(
    progress: &Progress,
    what: &str,
    limit: Duration,
    log: &Path,
    condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    progress.wait_until(what, limit, condition).or_else(|error| {
        progress.check_interrupted()?;
        bail!("{error:#}; {}", log_tail(log))
    })
}

/// The account to run as: `user` when we are root (these programs refuse root), else none.
fn owner(user: Option<&str>) -> Result<Option<User>> {
    let Some(name) = user.filter(|_| Uid::effective().is_root()) else { return Ok(None) };
    let found = User::from_name(name)?;
    Ok(Some(found.with_context(|| format!("there is no user {name}; its Debian package makes one"))?))
}

/// Makes `dir` and gives it to `user` (when we are root).
pub(super) fn make_dir(dir: &Path, user: Option<&str>, mode: u32) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    fs::set_permissions(dir, fs::Permissions::from_mode(mode))?;
    give(dir, user)
}

/// Writes a file that only `user` (we, when not root) can read, in one step.
pub(crate) fn write_private(path: &Path, user: Option<&str>, mode: u32, text: &str) -> Result<()> {
    let draft = path.with_added_extension("new");
    let written = || -> Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        give(&draft, user)?;
        Ok(fs::rename(&draft, path)?)
    };
    written().with_context(|| format!("writing {}", path.display()))
}

fn give(path: &Path, user: Option<&str>) -> Result<()> {
    if let Some(owner) = owner(user)? {
        chown(path, Some(owner.uid.as_raw()), Some(owner.gid.as_raw()))
            .with_context(|| format!("giving {} to {}", path.display(), owner.name))?;
    }
    Ok(())
}

fn append(log: &Path) -> Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(log)
        .with_context(|| format!("opening the log {}", log.display()))
}

/// What `127.0.0.1:port` answers to `request`: its first bytes, empty where there is no answer.
pub(super) fn probe(port: u16, request: &[u8]) -> Vec<u8> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, PROBE_LIMIT)?;
        stream.set_read_timeout(Some(PROBE_LIMIT))?;
        stream.write_all(request)?;
        let mut answer = [0; 64];
        let length = stream.read(&mut answer)?;
        Ok(answer[..length].to_vec())
    };
    ask().unwrap_or_default()
}

/// The status of `GET path` on `127.0.0.1:port`; `None` where no HTTP server answers.
pub(super) fn http_status(port: u16, path: &str) -> Option<u16> {
    let answer = probe(port, format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes());
    String::from_utf8_lossy(&answer).split_whitespace().nth(1)?.parse().ok()
}

/// Whether something listens on `127.0.0.1:port`.
pub(super) fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PROBE_LIMIT).is_ok()
}
