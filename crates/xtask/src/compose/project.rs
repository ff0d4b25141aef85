//! The containers of `docker-compose.yml`, as a project of its own on free ports.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use messages::RoleName;
use test_support::deployment::{FRONTEND_USER, PortLease, ROLES};
use test_support::docker::{Docker, Images, output, run};
use test_support::services::Services;
use test_support::world::CUSTOMER_ID;

use crate::workspace;

/// One project; it is gone, with its volumes, when this is dropped.
pub(super) struct Project<'d> {
    docker: &'d Docker,
    compose: Vec<PathBuf>,
    images: Images,
    name: String,
    http: PortLease,
    amqp: PortLease,
    management: PortLease,
    s3: PortLease,
    prometheus: PortLease,
    postgres: PortLease,
}

impl<'d> Project<'d> {
    pub(super) fn new(docker: &'d Docker, compose: Vec<PathBuf>, images: Images) -> Result<Self> {
        let (http, amqp, management) = (PortLease::take()?, PortLease::take()?, PortLease::take()?);
        let (s3, prometheus, postgres) = (PortLease::take()?, PortLease::take()?, PortLease::take()?);
        let name = format!("purser-test-{}", std::process::id());
        Ok(Self { docker, compose, images, name, http, amqp, management, s3, prometheus, postgres })
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
        let password = self.secret(&format!("broker-{FRONTEND_USER}"))?;
        Ok(format!("amqp://{FRONTEND_USER}:{password}@127.0.0.1:{}/purser", self.amqp.port()))
    }

    /// RabbitMQ, PostgreSQL and Ceph as their administrators reach them.
    pub(super) fn services(&self) -> Result<Services> {
        let password = self.secret("database-owner")?;
        let database_url = format!("postgres://postgres:{password}@127.0.0.1:{}/postgres", self.postgres.port());
        Ok(Services {
            amqp_host: "127.0.0.1".to_owned(),
            amqp_port: self.amqp.port(),
            rabbitmq_admin_user: "admin".to_owned(),
            rabbitmq_admin_password: self.secret("broker-admin")?,
            rabbitmq_api_url: format!("http://127.0.0.1:{}", self.management.port()),
            postgres_superuser_url: database_url.clone(),
            postgres_socket_url: database_url,
            rgw_url: format!("http://127.0.0.1:{}", self.s3.port()),
            rgw_access_key: self.secret("rgw-access-key")?,
            rgw_secret_key: self.secret("rgw-secret-key")?,
            amqp_address_of_rgw: Some("rabbitmq:5672".to_owned()),
            tls_ca_file: None,
        })
    }

    /// What `prepare` keeps under this name.
    fn secret(&self, name: &str) -> Result<String> {
        let file = format!("/secrets/{name}");
        let read = ["run", "--rm", "--no-deps", "--entrypoint", "cat", "prepare", &file];
        output(&mut self.command(&read)?, &format!("reading the secret {name}"))
    }

    /// Ends the roles; RabbitMQ, PostgreSQL and Ceph go on.
    pub(super) fn stop_roles(&self) -> Result<()> {
        let stop = [&["stop"], &ROLES.map(RoleName::as_str)[..]].concat();
        run(&mut self.command(&stop)?, "docker compose stop")
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
        self.docker.address(&mut command);
        command.args(rest).args(["--file", "docker-compose.yml", "--file", "deploy/docker/tests.yml"]);
        command.args(["--progress", "plain", "--project-name", &self.name]).args(arguments);
        command.current_dir(workspace::root());
        // What the machine's own environment says is meant for others.
        for (name, _) in std::env::vars_os() {
            let is_ours = |name: &str| name.starts_with("PURSER_") || name.starts_with("COMPOSE_");
            if name.to_str().is_some_and(is_ours) {
                command.env_remove(name);
            }
        }
        command.envs(self.images.variables());
        let ports = [
            ("PURSER_HTTP_PORT", &self.http),
            ("PURSER_AMQP_PORT", &self.amqp),
            ("PURSER_MANAGEMENT_PORT", &self.management),
            ("PURSER_S3_PORT", &self.s3),
            ("PURSER_PROMETHEUS_PORT", &self.prometheus),
            ("PURSER_POSTGRES_PORT", &self.postgres),
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
