//! A private RabbitMQ with its own epmd, Erlang cookie and administrator.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::packages::find_program;
use super::process::{self, http_status, isolated, listens, make_dir, probe, running, wait_for, write_private};
use super::progress::Progress;
use super::settings::{Layout, Settings};
use super::tls::{Files, ServerCertificate};

/// The administrator, in place of the default `guest`.
pub(super) const ADMIN: &str = "purser-admin";

const USER: Option<&str> = Some("rabbitmq");
const START_LIMIT: Duration = Duration::from_mins(3);
/// After it, a process that was started and is not seen has ended.
const APPEARS_LIMIT: Duration = Duration::from_secs(10);
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// Past Debian's wrapper, which would take the system's own cookie.
const CONTROL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";
/// Erlang's own port on loopback; quorum queues count their messages every second, not every five.
const ERLANG_ARGS: &str = "-kernel inet_dist_use_interface {127,0,0,1} -rabbit quorum_tick_interval 1000";
const AMQP_GREETING: &[u8] = b"AMQP\x00\x00\x09\x01";

/// The management page with what moves messages from queue to queue, and what Prometheus reads.
const PLUGINS: &str = "[rabbitmq_management,rabbitmq_prometheus,rabbitmq_shovel,rabbitmq_shovel_management].\n";

/// An operator's `rabbitmq.conf`, and the definitions that it loads.
#[derive(Debug, Clone)]
pub(super) struct OperatorsFiles {
    pub(super) conf: String,
    pub(super) definitions: String,
}

/// Where one broker's files are, and whose configuration it gets.
pub(super) struct Broker {
    dir: PathBuf,
    node: String,
    operators: Option<OperatorsFiles>,
}

impl Broker {
    pub(super) fn new(layout: &Layout) -> Self {
        let (dir, node) = (layout.data_dir.join("rabbitmq"), format!("purser-{}@localhost", layout.id));
        Self { dir, node, operators: None }
    }

    /// With an operator's configuration in place of that for tests; only addresses are our own.
    pub(super) fn with_files(self, operators: Option<OperatorsFiles>) -> Self {
        Self { operators, ..self }
    }

    /// Starts what doesn't run yet and waits until clients can log in.
    pub(super) fn start(
        &self,
        settings: &Settings,
        certificate: Option<&ServerCertificate>,
        progress: &Progress,
    ) -> Result<()> {
        let mut launched = self.launch(settings, certificate, progress)?;
        let began = Instant::now();
        let ready = || {
            if self.broker().is_some() {
                return Ok(answers(settings, certificate.is_some()));
            }
            if self.launcher().is_none() {
                // A process that has only just been forked doesn't show yet that it is ours.
                if launched && began.elapsed() < APPEARS_LIMIT {
                    return Ok(false);
                }
                if launched {
                    bail!("RabbitMQ ended while it started");
                }
                // The one that seemed to run was about to end.
                launched = self.launch(settings, certificate, progress)?;
            }
            Ok(false)
        };
        wait_for(progress, "RabbitMQ", START_LIMIT, &self.dir.join("server.log"), ready)
    }

    /// Starts epmd and the broker; false: the broker, or the script that starts it, runs already.
    fn launch(
        &self,
        settings: &Settings,
        certificate: Option<&ServerCertificate>,
        progress: &Progress,
    ) -> Result<bool> {
        if self.broker().or_else(|| self.launcher()).is_some() {
            return Ok(false);
        }
        make_dir(&self.dir, USER, 0o755)?;
        self.write_files(settings, certificate)?;
        self.start_epmd(settings.epmd_port(), progress)?;
        self.start_broker(settings, certificate.is_some())?;
        Ok(true)
    }

    /// Stops the broker, then its epmd.
    pub(super) fn stop(&self, progress: &Progress) -> Result<()> {
        // After an interrupted start the broker itself may be about to appear.
        let settled = || Ok(self.broker().is_some() || self.launcher().is_none());
        let _ = progress.wait_until("RabbitMQ's process", Duration::from_secs(10), settled);
        let (broker, launcher, epmd) = (self.broker(), self.launcher(), self.epmd());
        for (pid, what) in [(broker, "RabbitMQ"), (launcher, "RabbitMQ's launcher"), (epmd, "epmd")] {
            if let Some(pid) = pid {
                process::stop(pid, Signal::SIGTERM, what, progress)?;
            }
        }
        Ok(())
    }

    /// The process id of the broker, where it runs.
    pub(super) fn broker(&self) -> Option<Pid> {
        running(&self.dir.join("broker.pid"), &self.mark())
    }

    /// The script around the broker, which ends with it.
    fn launcher(&self) -> Option<Pid> {
        running(&self.dir.join("launcher.pid"), &self.mark())
    }

    fn epmd(&self) -> Option<Pid> {
        running(&self.dir.join("epmd.pid"), &self.dir.to_string_lossy())
    }

    /// What only our broker has in its environment.
    fn mark(&self) -> String {
        format!("RABBITMQ_MNESIA_BASE={}", self.dir.join("mnesia").display())
    }

    fn write_files(&self, settings: &Settings, certificate: Option<&ServerCertificate>) -> Result<()> {
        let addresses = format!(
            "{listeners}\
             management.tcp.ip = 127.0.0.1\n\
             management.tcp.port = {api}\n\
             prometheus.tcp.ip = 127.0.0.1\n\
             prometheus.tcp.port = {metrics}\n",
            listeners = self.listeners(settings.amqp_port(), certificate)?,
            api = settings.rabbitmq_api_port(),
            metrics = settings.rabbitmq_metrics_port(),
        );
        let for_tests = format!(
            "default_user = {ADMIN}\n\
             default_pass = {password}\n\
             default_user_tags.administrator = true\n\
             collect_statistics_interval = 1000\n\
             management.sample_retention_policies.global.minute = 1\n\
             management.sample_retention_policies.basic.minute = 1\n\
             management.sample_retention_policies.detailed.minute = 1\n\
             disk_free_limit.absolute = 200MB\n\
             log.file.level = info\n",
            password = settings.rabbitmq_password,
        );
        let write = |name: &str, text: &str| write_private(&self.dir.join(name), USER, 0o600, text);
        match &self.operators {
            None => write("rabbitmq.conf", &(addresses + &for_tests))?,
            Some(OperatorsFiles { conf, definitions }) => {
                write("rabbitmq.conf", conf)?;
                write("broker-definitions.json", definitions)?;
                let load = format!("definitions.local.path = {}\n", self.dir.join("broker-definitions.json").display());
                make_dir(&self.dir.join("conf.d"), USER, 0o755)?;
                write("conf.d/90-local.conf", &(addresses + &load))?;
            }
        }
        write_private(&self.dir.join("enabled_plugins"), USER, 0o644, PLUGINS)?;
        write_private(&self.dir.join("rabbitmq-env.conf"), USER, 0o644, "")?;
        let cookie = self.dir.join(".erlang.cookie");
        if !cookie.exists() {
            write_private(&cookie, USER, 0o400, &uuid::Uuid::new_v4().simple().to_string())?;
        }
        Ok(())
    }

    fn listeners(&self, port: u16, certificate: Option<&ServerCertificate>) -> Result<String> {
        let Some(certificate) = certificate else { return Ok(format!("listeners.tcp.1 = 127.0.0.1:{port}\n")) };
        let Files { authority, certificate, key } = certificate.write(&self.dir, USER)?;
        Ok(format!(
            "listeners.tcp = none\n\
             listeners.ssl.1 = 127.0.0.1:{port}\n\
             ssl_options.cacertfile = {}\n\
             ssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\n\
             ssl_options.verify = verify_none\n",
            authority.display(),
            certificate.display(),
            key.display(),
        ))
    }

    fn start_epmd(&self, port: u16, progress: &Progress) -> Result<()> {
        if self.epmd().is_some() {
            return Ok(());
        }
        let log = self.dir.join("epmd.log");
        let mut epmd = isolated(&find_program("setsid")?, USER, &self.dir, &log)?;
        epmd.arg(find_program("epmd")?).args(["-port", &port.to_string(), "-address", "127.0.0.1"]);
        let child = epmd.spawn().context("starting epmd")?;
        write_private(&self.dir.join("epmd.pid"), None, 0o644, &child.id().to_string())?;
        wait_for(progress, "epmd", Duration::from_secs(20), &log, || Ok(listens(port)))
    }

    fn start_broker(&self, settings: &Settings, has_tls: bool) -> Result<()> {
        let path = |name: &str| self.dir.join(name);
        let mut server = isolated(&find_program("setsid")?, USER, &self.dir, &path("server.log"))?;
        server
            .arg(SERVER)
            .env("RABBITMQ_NODENAME", &self.node)
            .env("RABBITMQ_DIST_PORT", settings.erlang_dist_port().to_string())
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ERLANG_ARGS)
            .env("ERL_EPMD_PORT", settings.epmd_port().to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", path("mnesia"))
            .env("RABBITMQ_LOG_BASE", path("log"))
            .env("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf"))
            .env("RABBITMQ_CONFIG_FILES", path("conf.d/*.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins"))
            .env("RABBITMQ_CONF_ENV_FILE", path("rabbitmq-env.conf"))
            .env("RABBITMQ_PID_FILE", path("broker.pid"));
        if !has_tls {
            server
                .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
                .env("RABBITMQ_NODE_PORT", settings.amqp_port().to_string());
        }
        let child = server.spawn().context("starting RabbitMQ")?;
        write_private(&path("launcher.pid"), None, 0o644, &child.id().to_string())
    }
}

impl Broker {
    /// Runs `rabbitmqctl` on this node.
    pub(super) fn control(&self, settings: &Settings, arguments: &[&str]) -> Result<()> {
        let log = self.dir.join("rabbitmqctl.log");
        let mut command = isolated(Path::new(CONTROL), USER, &self.dir, &log)?;
        command
            .args(["--quiet", "--node", &self.node])
            .args(arguments)
            .env("RABBITMQ_CONF_ENV_FILE", self.dir.join("rabbitmq-env.conf"))
            .env("ERL_EPMD_PORT", settings.epmd_port().to_string());
        process::run(command, "rabbitmqctl", &log)
    }
}

/// Whether the management API asks who we are and the broker greets an AMQP client.
fn answers(settings: &Settings, has_tls: bool) -> bool {
    // Frame type 1, channel 0: `connection.start`.
    let greets = || probe(settings.amqp_port(), AMQP_GREETING).starts_with(&[1, 0, 0]);
    http_status(settings.rabbitmq_api_port(), "/api/overview") == Some(401)
        && if has_tls { listens(settings.amqp_port()) } else { greets() }
}
