//! The containers of `docker-compose.yml`, as a project of its own on free ports.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use test_support::deployment::{FRONTEND_USER, PortLease};
use test_support::world::CUSTOMER_ID;

use super::engine::{Engine, output, run};
use super::images::Variables;
use crate::workspace;

/// One project; it is gone, with its volumes, when this is dropped.
pub(super) struct Project<'e> {
    engine: &'e Engine,
    compose: Vec<PathBuf>,
    images: Variables,
    name: String,
    http: PortLease,
    amqp: PortLease,
    management: PortLease,
    s3: PortLease,
    prometheus: PortLease,
}

impl<'e> Project<'e> {
    pub(super) fn new(engine: &'e Engine, compose: Vec<PathBuf>, images: Variables) -> Result<Self> {
        let [http, amqp, management, s3, prometheus] =
            [PortLease::take()?, PortLease::take()?, PortLease::take()?, PortLease::take()?, PortLease::take()?];
        let name = format!("purser-test-{}", std::process::id());
        Ok(Self { engine, compose, images, name, http, amqp, management, s3, prometheus })
    }

    /// `docker compose up --wait`.
    pub(super) fn up(&self) -> Result<()> {
        self.up_some(&[])
    }

    /// The same for one service of a profile that isn't asked for; what it needs runs already.
    fn up_some(&self, services: &[&str]) -> Result<()> {
        let arguments = [&["up", "--wait", "--no-build", "--quiet-pull"], services].concat();
        let Err(error) = run(&mut self.command(&arguments)?, "docker compose up") else { return Ok(()) };
        let logs = output(&mut self.command(&["logs", "--no-color", "--tail", "20"])?, "docker compose logs")?;
        bail!("{error:#}\n{logs}");
    }

    pub(super) fn gateway_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http.port())
    }

    /// The broker's URL for the PHP frontend.
    pub(super) fn amqp_url(&self) -> Result<String> {
        let secret = format!("/secrets/broker-{FRONTEND_USER}");
        let read = ["run", "--rm", "--no-deps", "--entrypoint", "cat", "prepare", &secret];
        let password = output(&mut self.command(&read)?, "reading the frontend's password")?;
        Ok(format!("amqp://{FRONTEND_USER}:{password}@127.0.0.1:{}/purser", self.amqp.port()))
    }

    /// A token of the demo's customer.
    pub(super) fn customer_token(&self) -> Result<String> {
        let id = CUSTOMER_ID.to_string();
        let issue = ["run", "--rm", "--no-deps", "purser", "token", "issue", "--ttl", "1d", "--customer", &id];
        let printed = output(&mut self.command(&issue)?, "purser token issue")?;
        let token = printed.split_whitespace().find(|word| word.starts_with("ps_"));
        Ok(token.context("`purser token issue` printed no token")?.to_owned())
    }

    /// Stops all containers and starts them again from their volumes.
    pub(super) fn start_again(&self) -> Result<()> {
        run(&mut self.command(&["down"])?, "docker compose down")?;
        self.up()
    }

    /// Starts the Prometheus of the profile `monitoring`; returns its address.
    pub(super) fn start_prometheus(&self) -> Result<String> {
        self.up_some(&["prometheus"])?;
        Ok(format!("http://127.0.0.1:{}", self.prometheus.port()))
    }

    /// What `purser doctor` says; fails where it finds something.
    pub(super) fn doctor(&self) -> Result<String> {
        output(&mut self.command(&["run", "--rm", "--no-deps", "purser", "doctor"])?, "purser doctor")
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let (program, rest) = self.compose.split_first().context("Compose has a program")?;
        let mut command = Command::new(program);
        self.engine.address(&mut command);
        command.args(rest).args(["--progress", "plain", "--project-name", &self.name]).args(arguments);
        command.current_dir(workspace::root());
        // What the machine's own environment says is meant for others.
        for (name, _) in std::env::vars_os() {
            let is_ours = |name: &str| name.starts_with("PURSER_") || name.starts_with("COMPOSE_");
            if name.to_str().is_some_and(is_ours) {
                command.env_remove(name);
            }
        }
        command.envs(self.images.iter().copied());
        let ports = [
            ("PURSER_HTTP_PORT", &self.http),
            ("PURSER_AMQP_PORT", &self.amqp),
            ("PURSER_MANAGEMENT_PORT", &self.management),
            ("PURSER_S3_PORT", &self.s3),
            ("PURSER_PROMETHEUS_PORT", &self.prometheus),
        ];
        command.envs(ports.map(|(name, lease)| (name, lease.port().to_string())));
        Ok(command)
    }
}

impl Drop for Project<'_> {
    fn drop(&mut self) {
        let down = self.command(&["--profile", "*", "down", "--volumes", "--remove-orphans"]);
        if let Err(error) = down.and_then(|mut down| run(&mut down, "docker compose down")) {
            eprintln!("containers of {} may be left: {error:#}", self.name);
        }
    }
}
