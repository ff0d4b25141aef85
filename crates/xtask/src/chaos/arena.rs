//! What is hurt: a deployment on a private broker and database, which it reaches over links that break.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::json;
use test_support::broker::Management;
use test_support::database;
use test_support::deployment::{Deployment, DeploymentConfig, PortLease, Process, Settings};
use test_support::link::Link;
use test_support::services::{Progress, Service, Services, Stack};
use test_support::store_link::StoreLink;
use test_support::world;

/// One of each role and a second one of those that change something, so that work is taken over.
const ROLES: [&str; 6] = ["gateway", "provisioner", "provisioner", "metering", "billing", "billing"];
/// Takes a copy of every event.
pub(super) const EVENTS_QUEUE: &str = "chaos.events";
/// Each may take a minute.
const READY_ATTEMPTS: u32 = 5;
const PRIVATE: [Service; 2] = [Service::RabbitMq, Service::Postgres];

/// A running deployment and everything around it that can be broken.
pub(super) struct Arena {
    // Dropped in this order: the deployment still needs its links.
    pub(super) deployment: Deployment,
    pub(super) broker: Link,
    pub(super) database: Link,
    pub(super) store: StoreLink,
    pub(super) direct: Services,
    pub(super) stack: Arc<Stack>,
}

/// A place in which one process of a role runs, again and again.
pub(super) struct Slot {
    pub(super) role: &'static str,
    process: Process,
    health: Option<PortLease>,
}

impl Arena {
    /// Starts the private services, makes the deployment and its customers; no process runs yet.
    pub(super) async fn start(dir: &Path, purser_binary: &Path, customers: i64, seed: u64) -> Result<Self> {
        let stack = Arc::new(Stack::at(&dir.join("services"))?);
        let starting = Arc::clone(&stack);
        let started = tokio::task::spawn_blocking(move || starting.up_some(&PRIVATE, &Progress::silent())).await?;
        let own = started.context("starting a private RabbitMQ and PostgreSQL")?;
        let store = Services::load()?;
        let direct = Services {
            rgw_url: store.rgw_url,
            rgw_access_key: store.rgw_access_key,
            rgw_secret_key: store.rgw_secret_key,
            ..own
        };
        let mut database_url = url::Url::parse(&direct.postgres_superuser_url)?;
        let server = format!("127.0.0.1:{}", database_url.port().context("PostgreSQL's address has no port")?);
        let database = Link::to(&server).await?;
        let broker = Link::to(&format!("{}:{}", direct.amqp_host, direct.amqp_port)).await?;
        let store = StoreLink::to(&direct.rgw_url, seed).await?;
        if database_url.set_port(Some(database.port())).is_err() {
            bail!("PostgreSQL's address takes no port");
        }
        let breakable = Services {
            amqp_port: broker.port(),
            postgres_superuser_url: database_url.to_string(),
            postgres_socket_url: database_url.to_string(),
            rgw_url: store.url(),
            ..direct.clone()
        };
        let settings = Settings { order_deadline_seconds: 120, has_notifications: false, ..Settings::default() };
        let (name, dir) = (format!("chaos_{seed}"), dir.join("purser"));
        let config = DeploymentConfig { name, dir, purser_binary: purser_binary.to_owned(), settings };
        let deployment = Deployment::create(&breakable, config).await?;
        world::seed(&deployment).await?;
        for id in 3..=customers {
            let (id, email) = (id.to_string(), format!("customer-{id}@example.com"));
            let mut add = vec!["customer", "add", "--id", &id, "--email", &email, "--country", "NL"];
            add.extend(["--currency", "EUR", "--billing-entity", "NL"]);
            deployment.purser_ok(&add).await?;
        }
        let arena = Self { deployment, broker, database, store, direct, stack };
        arena.copy_events().await?;
        Ok(arena)
    }

    async fn copy_events(&self) -> Result<()> {
        let definitions = json!({
            "queues": [{
                "name": EVENTS_QUEUE, "durable": true, "auto_delete": false, "arguments": { "x-queue-type": "quorum" }
            }],
            "bindings": [{
                "source": "s3.events", "destination": EVENTS_QUEUE, "destination_type": "queue",
                "routing_key": "#", "arguments": {}
            }],
        });
        self.management()?.import_definitions(self.deployment.name(), &definitions).await
    }

    pub(super) fn management(&self) -> Result<Management> {
        Management::new(&self.direct)
    }

    /// The rows of an SQL query, one a line; asked past the link.
    pub(super) async fn sql(&self, sql: &str) -> Result<String> {
        let (services, name, sql) = (self.direct.clone(), self.deployment.name().to_owned(), sql.to_owned());
        tokio::task::spawn_blocking(move || database::psql(&services, &name, &sql)).await?
    }

    /// Starts one process for each of the roles, and waits until all are ready.
    pub(super) async fn start_roles(&self) -> Result<Vec<Slot>> {
        let mut slots = Vec::new();
        for role in ROLES {
            let health = if role == "gateway" { None } else { Some(PortLease::take()?) };
            let process = self.spawn(role, health.as_ref())?;
            slots.push(Slot { role, process, health });
        }
        for slot in &mut slots {
            slot.process.wait_ready().await?;
        }
        Ok(slots)
    }

    fn spawn(&self, role: &str, health: Option<&PortLease>) -> Result<Process> {
        let address = health.map(|lease| format!("127.0.0.1:{}", lease.port()));
        let variables: Vec<_> = address.iter().map(|address| ("PURSER__HEALTH__LISTEN", address.as_str())).collect();
        self.deployment.spawn_unready(role, &variables)
    }

    /// Starts a private service again after it was killed.
    pub(super) async fn start_service(&self, service: Service) -> Result<()> {
        let stack = Arc::clone(&self.stack);
        tokio::task::spawn_blocking(move || stack.up_some(&[service], &Progress::silent())).await??;
        Ok(())
    }

    /// Runs something slow of the private services.
    pub(super) async fn with_stack(&self, work: impl FnOnce(&Stack) -> Result<()> + Send + 'static) -> Result<()> {
        let stack = Arc::clone(&self.stack);
        tokio::task::spawn_blocking(move || work(&stack)).await?
    }

    /// Removes the deployment, then stops the private services.
    pub(super) async fn stop(self) -> Result<()> {
        let Self { deployment, broker, database, store, direct: _, stack } = self;
        tokio::task::spawn_blocking(move || drop(deployment)).await?;
        drop((broker, database, store));
        tokio::task::spawn_blocking(move || stack.down(&Progress::silent())).await?
    }
}

impl Slot {
    /// Kills the process (SIGKILL).
    pub(super) fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts another one in its place.
    pub(super) fn start_again(&mut self, arena: &Arena) -> Result<()> {
        self.process = arena.spawn(self.role, self.health.as_ref())?;
        Ok(())
    }

    /// Asks it to end, waits until it has, and starts another one.
    pub(super) async fn restart(&mut self, arena: &Arena) -> Result<()> {
        self.process.stop().await?;
        self.start_again(arena)
    }

    /// Freezes it, or lets it run on.
    pub(super) fn freeze(&self, frozen: bool) -> Result<()> {
        if frozen { self.process.pause() } else { self.process.resume() }
    }

    /// Starts another one where it has ended, as any supervisor does: a role that finds no broker doesn't start. True
    /// where that was so.
    pub(super) fn supervise(&mut self, arena: &Arena) -> Result<bool> {
        let has_ended = self.process.has_ended()?;
        if has_ended {
            self.start_again(arena)?;
        }
        Ok(has_ended)
    }

    /// Waits until it is ready; on a busy machine that takes its time.
    pub(super) async fn wait_ready(&mut self, arena: &Arena) -> Result<()> {
        for _ in 1..READY_ATTEMPTS {
            if self.process.wait_ready().await.is_ok() {
                return Ok(());
            }
            self.supervise(arena)?;
        }
        self.process.wait_ready().await
    }
}
