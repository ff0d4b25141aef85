//! A deployment of Purser: a database, a virtual host, a configuration, and processes of the binary `purser`.
//!
//! Broker users and database roles belong to the whole server, so all deployments on it share them; their passwords
//! are derived from the administrator's, so that parallel tests agree on them without talking to each other.

mod background;
mod broker;
mod config_file;
mod databases;
mod machine;
mod process;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use url::Url;

use crate::broker::Management;
use crate::database;
use crate::services::Services;
use crate::services::process::write_private;

pub use background::{Background, ROLES};
pub use machine::PortLease;
pub use process::Process;

/// Whose trust the deployment's roles have, and with which `principal` comes over AMQP: the PHP frontend.
pub const FRONTEND_USER: &str = "php-frontend";

/// What a deployment is made of.
#[derive(Debug, Clone)]
pub struct DeploymentConfig {
    /// The name of its database and of its virtual host: at most 60 characters of `a-z`, `0-9` and `_`.
    pub name: String,
    /// Its folder, for the configuration, the sealing key and the logs; made where it doesn't exist.
    pub dir: PathBuf,
    /// The program.
    pub purser_binary: PathBuf,
    /// What the configuration says.
    pub settings: Settings,
}

/// The part of the configuration that tests choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often metering reads every account.
    pub sweep_interval_seconds: u64,
    /// Whether RGW tells of changed buckets. Each such deployment costs radosgw a connection that it keeps.
    pub has_notifications: bool,
    /// After how long an intent is resumed by somebody else.
    pub lease_seconds: u64,
    /// After how long an unfinished order fails.
    pub order_deadline_seconds: u64,
    /// How long an HTTP request waits for its reply.
    pub reply_wait_seconds: u64,
    /// How many free accounts a customer may have.
    pub free_accounts_max: u32,
    /// How many days after it was issued an invoice is due.
    pub payment_term_days: u32,
    /// What happens to services whose invoices aren't paid; nothing by default.
    pub dunning: DunningDays,
    /// WHMCS, where that issues the invoices.
    pub whmcs: Option<WhmcsSettings>,
    /// What is logged.
    pub log_filter: String,
    /// More configuration for every process, as environment variables: `("PURSER__BILLING__PREFETCH", "1")`.
    pub variables: Vec<(String, String)>,
}

/// How many days after an invoice's due date each step comes; a step without days never comes.
#[derive(Debug, Clone, Copy, Default)]
pub struct DunningDays {
    /// The customer is reminded.
    pub reminder: Option<u32>,
    /// The account is locked: reading only.
    pub lock: Option<u32>,
    /// The account is suspended.
    pub suspension: Option<u32>,
    /// The account is deleted.
    pub termination: Option<u32>,
}

/// What Purser is told of a [`crate::whmcs::Whmcs`].
#[derive(Debug, Clone)]
pub struct WhmcsSettings {
    /// Its base address.
    pub url: String,
    /// The number of the products' custom field that holds Purser's order.
    pub order_field: u32,
    /// Pairs of a plan and its product.
    pub products: Vec<(i64, i64)>,
    /// How long one call may take.
    pub timeout_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sweep_interval_seconds: 1,
            has_notifications: false,
            lease_seconds: 3,
            order_deadline_seconds: 60,
            reply_wait_seconds: 20,
            free_accounts_max: 1000,
            payment_term_days: 14,
            dunning: DunningDays::default(),
            whmcs: None,
            log_filter: "info,lapin=off".to_owned(),
            variables: Vec::new(),
        }
    }
}

/// A deployment; one made by [`Deployment::create`] is gone when it is dropped, but for its folder.
pub struct Deployment {
    services: Services,
    config: DeploymentConfig,
    ports: Ports,
    lifetime: Lifetime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    /// Database and virtual host go when it is dropped.
    Test,
    /// They stay.
    Kept,
    /// There is no virtual host, and the database becomes a template.
    Template,
}

/// The ports of a deployment: the gateway's, and one for the health checks of each other process.
enum Ports {
    /// Chosen for each process, and held as long as the deployment lives.
    Leased { gateway: PortLease, others: Mutex<Vec<PortLease>> },
    /// Chosen once, in a file.
    Kept(background::KeptPorts),
}

impl fmt::Debug for Deployment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Deployment").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Deployment {
    /// Makes a deployment for one test, from scratch; no process runs yet.
    pub async fn create(services: &Services, config: DeploymentConfig) -> Result<Self> {
        let ports = Ports::Leased { gateway: PortLease::take()?, others: Mutex::default() };
        let deployment = Self { services: services.clone(), config, ports, lifetime: Lifetime::Test };
        deployment.write_files()?;
        tokio::try_join!(databases::create_from_template(&deployment), broker::prepare(&deployment))?;
        Ok(deployment)
    }

    /// Makes a deployment that stays, or finds the one that was made before; migrates it either way.
    pub async fn keep(services: &Services, config: DeploymentConfig) -> Result<Self> {
        fs::create_dir_all(&config.dir).with_context(|| format!("creating {}", config.dir.display()))?;
        let ports = Ports::Kept(background::KeptPorts::load_or_choose(&config.dir)?);
        let deployment = Self { services: services.clone(), config, ports, lifetime: Lifetime::Kept };
        deployment.write_files()?;
        tokio::try_join!(databases::create_unless_there(&deployment), broker::prepare(&deployment))?;
        databases::migrate(&deployment).await?;
        Ok(deployment)
    }

    fn write_files(&self) -> Result<()> {
        let dir = &self.config.dir;
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let key_file = self.sealing_key_file();
        if !key_file.exists() {
            write_private(&key_file, None, 0o600, &config_file::random_sealing_key())?;
        }
        write_private(&self.config_file(), None, 0o600, &config_file::render(self)?)
    }

    /// The name of its database and of its virtual host.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The services it uses.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The folder of its files.
    pub fn dir(&self) -> &Path {
        &self.config.dir
    }

    /// `purser.toml`.
    pub fn config_file(&self) -> PathBuf {
        self.config.dir.join("purser.toml")
    }

    fn sealing_key_file(&self) -> PathBuf {
        self.config.dir.join("sealing.key")
    }

    /// Where the gateway listens.
    pub fn gateway_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway_port())
    }

    fn gateway_port(&self) -> u16 {
        match &self.ports {
            Ports::Leased { gateway, .. } => gateway.port(),
            Ports::Kept(ports) => ports.gateway,
        }
    }

    /// The broker's URL for one of the [usual users](bus::BROKER_USERS), such as [`FRONTEND_USER`].
    pub fn amqp_url(&self, user: &str) -> String {
        self.amqp_url_with(user, &broker::password_of(&self.services, user))
    }

    /// The broker's URL for any user.
    pub fn amqp_url_with(&self, user: &str, password: &str) -> String {
        let Services { amqp_host, amqp_port, .. } = &self.services;
        self.amqp_url_at(&format!("{amqp_host}:{amqp_port}"), user, password)
    }

    /// The broker's URL with which radosgw tells of changed buckets.
    fn notification_amqp_url(&self) -> String {
        const USER: &str = "rgw";
        match &self.services.amqp_address_of_rgw {
            None => self.amqp_url(USER),
            Some(address) => self.amqp_url_at(address, USER, &broker::password_of(&self.services, USER)),
        }
    }

    fn amqp_url_at(&self, address: &str, user: &str, password: &str) -> String {
        let scheme = if self.services.tls_ca_file.is_some() { "amqps" } else { "amqp" };
        let (user, password) = (percent_encoded(user), percent_encoded(password));
        format!("{scheme}://{user}:{password}@{address}/{}", self.config.name)
    }

    /// The broker's URL for its administrator.
    pub fn amqp_admin_url(&self) -> String {
        self.amqp_url_with(&self.services.rabbitmq_admin_user, &self.services.rabbitmq_admin_password)
    }

    /// The database's URL for its owner, over TCP.
    pub fn database_url(&self) -> Result<String> {
        let mut url = Url::parse(&self.services.postgres_superuser_url).context("PostgreSQL's address is not a URL")?;
        url.set_path(&self.config.name);
        databases::verify(&mut url, &self.services);
        Ok(url.into())
    }

    /// The database's URL for one of its roles: `purser_gateway`, `purser_provisioner` and so on.
    pub fn database_url_of(&self, role: &str) -> Result<String> {
        databases::url_of(&self.services, &self.config.name, role)
    }

    /// Runs `sql` as the owner; the rows come one a line, with `|` between the columns.
    pub async fn sql(&self, sql: &str) -> Result<String> {
        let (services, name, sql) = (self.services.clone(), self.config.name.clone(), sql.to_owned());
        tokio::task::spawn_blocking(move || database::psql(&services, &name, &sql)).await.context("psql panicked")?
    }

    /// Runs an operator's command, such as `["token", "issue", "--admin"]`, to its end.
    pub async fn purser(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = tokio::process::Command::from(process::command(self));
        let output = command.args(arguments).kill_on_drop(true).output().await;
        output.with_context(|| format!("running {}", self.config.purser_binary.display()))
    }

    /// Starts an operator's command for whoever watches it while it runs; dropped, it is killed.
    pub fn start_purser(&self, arguments: &[&str]) -> Result<tokio::process::Child> {
        let mut command = tokio::process::Command::from(process::command(self));
        let command = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().with_context(|| format!("starting {}", self.config.purser_binary.display()))
    }

    /// [`Deployment::purser`] for a command that must succeed; returns what it printed.
    pub async fn purser_ok(&self, arguments: &[&str]) -> Result<String> {
        let output = self.purser(arguments).await?;
        if !output.status.success() {
            let (errors, printed) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
            bail!("`purser {}` ended with {}:\n{errors}{printed}", arguments.join(" "), output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts `purser <role>` (`gateway`, `provisioner`, `metering`, `billing` or `all`) and waits until it is ready.
    ///
    /// `variables` change this process's configuration only.
    pub async fn spawn(&self, role: &str, variables: &[(&str, &str)]) -> Result<Process> {
        let mut process = self.spawn_unready(role, variables)?;
        process.wait_ready().await?;
        Ok(process)
    }

    /// [`Deployment::spawn`] without the waiting, for processes that are meant to fail or to hang.
    pub fn spawn_unready(&self, role: &str, variables: &[(&str, &str)]) -> Result<Process> {
        Process::start(self, role, variables)
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if self.lifetime != Lifetime::Test {
            return;
        }
        let (services, name) = (self.services.clone(), self.config.name.clone());
        let removed = blocking(async move {
            Management::new(&services)?.delete_vhost(&name).await?;
            database::drop(&services, &name)
        });
        if let Err(error) = removed {
            eprintln!("something of the deployment {} is left: {error:#}", self.config.name);
        }
    }
}

/// Runs a future to its end where nothing can be awaited, such as in `drop`.
pub fn blocking<T: Send + 'static>(future: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future);
    // A runtime can't be entered from within another one: a thread of its own has none.
    std::thread::spawn(run).join().unwrap_or_else(|_| bail!("the work panicked"))
}

pub(crate) fn percent_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
