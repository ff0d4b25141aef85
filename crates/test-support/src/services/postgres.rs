//! A private PostgreSQL cluster: password authentication on loopback and on its own socket.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::packages::find_program;
use super::process::{self, isolated, make_dir, run, running, wait_for, write_private};
use super::progress::Progress;
use super::settings::{Layout, Settings};
use super::tls::{Files, ServerCertificate};

const USER: Option<&str> = Some("postgres");
const START_LIMIT: Duration = Duration::from_secs(90);
/// Who may connect: over the socket, and over TCP with TLS.
const TLS_ONLY: &str = "local all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
const CRASH_LIMIT: Duration = Duration::from_secs(20);

/// Where one cluster's files are.
pub(super) struct Cluster {
    dir: PathBuf,
}

impl Cluster {
    pub(super) fn new(layout: &Layout) -> Self {
        Self { dir: layout.data_dir.join("postgres") }
    }

    /// Starts the server unless it runs, and waits until it takes connections.
    pub(super) fn start(
        &self,
        settings: &Settings,
        certificate: Option<&ServerCertificate>,
        progress: &Progress,
    ) -> Result<()> {
        if self.server().is_none() {
            make_dir(&self.dir, USER, 0o755)?;
            if !self.data().exists() {
                self.init(settings, certificate)?;
            }
            self.start_server(settings, progress)?;
        }
        let ready = || self.answers(settings);
        wait_for(progress, "PostgreSQL", START_LIMIT, &self.server_log(), ready)
    }

    /// Stops the server; open connections are cut.
    pub(super) fn stop(&self, progress: &Progress) -> Result<()> {
        if let Some(pid) = self.server() {
            process::stop(pid, Signal::SIGINT, "PostgreSQL", progress)?;
        }
        Ok(())
    }

    /// The process id of the server, where it runs.
    pub(super) fn server(&self) -> Option<Pid> {
        running(&self.pid_file(), &self.data().to_string_lossy())
    }

    /// The superuser's address over TCP.
    pub(super) fn tcp_url(settings: &Settings) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/postgres", settings.postgres_password, settings.postgres_port())
    }

    /// The superuser's address over the Unix socket; libpq and sqlx both read it.
    pub(super) fn socket_url(&self, settings: &Settings) -> String {
        let (password, port) = (&settings.postgres_password, settings.postgres_port());
        format!("postgres://postgres:{password}@localhost:{port}/postgres?host={}", self.dir.display())
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn pid_file(&self) -> PathBuf {
        self.data().join("postmaster.pid")
    }

    /// The output of initdb and `pg_ctl`.
    fn tools_log(&self) -> PathBuf {
        self.dir.join("tools.log")
    }

    /// The server's own log, which it opens itself.
    fn server_log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// Makes the cluster beside its place and moves it there when it is whole.
    fn init(&self, settings: &Settings, certificate: Option<&ServerCertificate>) -> Result<()> {
        let (draft, password_file) = (self.dir.join("data.new"), self.dir.join("password"));
        if draft.exists() {
            fs::remove_dir_all(&draft).with_context(|| format!("removing {}", draft.display()))?;
        }
        write_private(&password_file, USER, 0o600, &settings.postgres_password)?;
        let mut initdb = isolated(&find_program("initdb")?, USER, &self.dir, &self.tools_log())?;
        initdb
            .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"])
            .arg(format!("--pwfile={}", password_file.display()))
            .arg(&draft);
        run(initdb, "initdb", &self.tools_log())?;
        fs::remove_file(&password_file)?;
        let config = format!(
            "listen_addresses = '127.0.0.1'\n\
             port = {port}\n\
             unix_socket_directories = '{socket_dir}'\n\
             max_connections = 400\n\
             timezone = 'UTC'\n\
             log_timezone = 'UTC'\n",
            port = settings.postgres_port(),
            socket_dir = self.dir.display(),
        );
        let config = match certificate {
            None => config,
            Some(certificate) => {
                let Files { certificate, key, .. } = certificate.write(&self.dir, USER)?;
                write_private(&draft.join("pg_hba.conf"), USER, 0o600, TLS_ONLY)?;
                format!(
                    "{config}ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\n",
                    certificate.display(),
                    key.display()
                )
            }
        };
        // The server reads this file after postgresql.conf; `ALTER SYSTEM` rewrites it and keeps these lines.
        write_private(&draft.join("postgresql.auto.conf"), USER, 0o600, &config)?;
        Ok(fs::rename(&draft, self.data())?)
    }

    /// `pg_ctl` gives the server a session of its own and waits for it.
    fn start_server(&self, settings: &Settings, progress: &Progress) -> Result<()> {
        // After a crash the server's old children hold its shared memory for a moment, and a start fails.
        let limit = if self.pid_file().exists() { CRASH_LIMIT } else { Duration::ZERO };
        let started = || {
            let mut pg_ctl = isolated(&find_program("pg_ctl")?, USER, &self.dir, &self.tools_log())?;
            pg_ctl.arg("-D").arg(self.data()).arg("-l").arg(self.server_log());
            pg_ctl.args(["-w", "-t", &START_LIMIT.as_secs().to_string(), "start"]);
            Ok(pg_ctl.status().context("running pg_ctl")?.success())
        };
        let what = format!("PostgreSQL to start on port {}", settings.postgres_port());
        wait_for(progress, &what, limit, &self.server_log(), started)
    }

    fn answers(&self, settings: &Settings) -> Result<bool> {
        let port = settings.postgres_port().to_string();
        let mut pg_isready = Command::new(find_program("pg_isready")?);
        pg_isready.args(["-q", "-h", "127.0.0.1", "-p", &port]).stdin(Stdio::null()).stdout(Stdio::null());
        Ok(self.server().is_some() && pg_isready.status().context("running pg_isready")?.success())
    }
}
