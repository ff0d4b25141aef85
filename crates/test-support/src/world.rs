//! A whole Purser for one end-to-end test, with plans, customers and tokens.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bus::BusConfig;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;
use uuid::Uuid;

use crate::amqp::{self, AmqpCaller};
use crate::broker::{Management, Queue};
use crate::deployment::{Deployment, DeploymentConfig, FRONTEND_USER, Process, Settings};
use crate::http::{HttpCaller, HttpReply};
use crate::services::Services;

/// The customer whose token is [`World::customer_token`]: alice, in NL, paying in EUR.
pub const CUSTOMER_ID: i64 = 1;
/// Another customer: bob, in US, paying in USD.
pub const OTHER_CUSTOMER_ID: i64 = 2;

/// The two customers of the demo and of all tests, as arguments of `purser customer add`.
pub const CUSTOMERS: [[&str; 10]; 2] = [
    ["--id", "1", "--email", "alice@example.com", "--country", "NL", "--currency", "EUR", "--billing-entity", "NL"],
    ["--id", "2", "--email", "bob@example.com", "--country", "US", "--currency", "USD", "--billing-entity", "US"],
];

/// Messages may be counted a second or two late.
const QUIET_LIMIT: Duration = Duration::from_secs(15);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A deployment with running processes and seeds. Dropped after a test that passed, it asserts that no message is
/// stuck in a work queue.
#[derive(Debug)]
pub struct World {
    /// The running processes: `purser all` after [`World::start`]. Tests may stop, replace and add some.
    pub processes: Vec<Process>,
    /// The deployment.
    pub deployment: Deployment,
    /// A token of [`CUSTOMER_ID`].
    pub customer_token: String,
    /// A token of [`OTHER_CUSTOMER_ID`].
    pub other_token: String,
    /// An administrator's token.
    pub admin_token: String,
    messages_may_stay: bool,
    _dir: TempDir,
}

/// The file with the plans of the demo and of all tests.
pub fn plans_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/demo/plans.toml")
}

/// Imports the plans and adds the customers; nothing changes where they are there already.
pub async fn seed(deployment: &Deployment) -> Result<()> {
    let plans = plans_file();
    deployment.purser_ok(&["plan", "import", &plans.to_string_lossy()]).await?;
    for customer in CUSTOMERS {
        deployment.purser_ok(&[&["customer", "add"], &customer[..]].concat()).await?;
    }
    Ok(())
}

/// Issues a token for a customer, or for an administrator where there is none.
pub async fn issue_token(deployment: &Deployment, customer_id: Option<i64>) -> Result<String> {
    let id = customer_id.map(|id| id.to_string());
    let whose = id.as_ref().map_or_else(|| vec!["--admin"], |id| vec!["--customer", id]);
    let printed = deployment.purser_ok(&[&["token", "issue", "--ttl", "30d"], &whose[..]].concat()).await?;
    let token = printed.split_whitespace().find(|word| word.starts_with("ps_"));
    Ok(token.context("`purser token issue` printed no token")?.to_owned())
}

/// Addresses and tokens of a deployment as variables for its callers and operators.
///
/// Names and meaning are an interface: other programs read them.
pub fn environment(
    deployment: &Deployment,
    admin_token: &str,
    customer_token: &str,
) -> Result<Vec<(&'static str, String)>> {
    let services = deployment.services();
    Ok(vec![
        ("PURSER_GATEWAY_URL", deployment.gateway_url()),
        ("PURSER_AMQP_URL", deployment.amqp_url(FRONTEND_USER)),
        ("PURSER_AMQP_ADMIN_URL", deployment.amqp_admin_url()),
        ("PURSER_RABBITMQ_API", services.rabbitmq_api_url.clone()),
        ("PURSER_DATABASE_URL", deployment.database_url()?),
        ("PURSER_S3_ENDPOINT", services.rgw_url.clone()),
        ("PURSER_RGW_ACCESS_KEY", services.rgw_access_key.clone()),
        ("PURSER_RGW_SECRET_KEY", services.rgw_secret_key.clone()),
        ("PURSER_ADMIN_TOKEN", admin_token.to_owned()),
        ("PURSER_CUSTOMER_TOKEN", customer_token.to_owned()),
        ("PURSER_CUSTOMER_ID", CUSTOMER_ID.to_string()),
    ])
}

/// The [`environment`] in the shell's syntax, as `cargo xtask up` writes it to `target/dev/env`.
pub fn environment_file(deployment: &Deployment, admin_token: &str, customer_token: &str) -> Result<String> {
    let line = |(name, value): (&str, String)| format!("export {name}='{}'\n", value.replace('\'', r"'\''"));
    Ok(environment(deployment, admin_token, customer_token)?.into_iter().map(line).collect())
}

impl World {
    /// A world with `purser all` running and ready.
    pub async fn start() -> Self {
        Self::start_with(Settings::default(), &["all"]).await
    }

    /// A world with these settings and roles running, each in a process of its own.
    ///
    /// # Panics
    ///
    /// Where something can't be started; the message says what.
    pub async fn start_with(settings: Settings, roles: &[&str]) -> Self {
        let services = Services::load().unwrap_or_else(|error| panic!("starting a world: {error:#}"));
        Self::start_on(&services, settings, roles).await
    }

    /// [`World::start_with`] on services of the test's own choice.
    ///
    /// # Panics
    ///
    /// Where something can't be started; the message says what.
    pub async fn start_on(services: &Services, settings: Settings, roles: &[&str]) -> Self {
        Self::try_start(services, settings, roles).await.unwrap_or_else(|error| panic!("starting a world: {error:#}"))
    }

    async fn try_start(services: &Services, settings: Settings, roles: &[&str]) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let config = DeploymentConfig {
            name: format!("test_{}", &Uuid::new_v4().simple().to_string()[..16]),
            dir: dir.path().to_owned(),
            purser_binary: binary_under_test()?,
            settings,
        };
        let deployment = Deployment::create(services, config).await?;
        let start_all = async {
            let mut processes =
                roles.iter().map(|role| deployment.spawn_unready(role, &[])).collect::<Result<Vec<_>>>()?;
            for process in &mut processes {
                process.wait_ready().await?;
            }
            Ok(processes)
        };
        let (processes, (), customer_token, other_token, admin_token) = tokio::try_join!(
            start_all,
            seed(&deployment),
            issue_token(&deployment, Some(CUSTOMER_ID)),
            issue_token(&deployment, Some(OTHER_CUSTOMER_ID)),
            issue_token(&deployment, None),
        )?;
        let messages_may_stay = false;
        Ok(Self { processes, deployment, customer_token, other_token, admin_token, messages_may_stay, _dir: dir })
    }

    /// POSTs an action to `s3.php` as the customer.
    ///
    /// # Panics
    ///
    /// Where the gateway doesn't answer.
    pub async fn http(&self, action: &str, parameters: Value) -> (u16, Value) {
        self.http_as(&self.customer_token, action, parameters).await
    }

    /// [`World::http`] as the other customer.
    pub async fn http_other(&self, action: &str, parameters: Value) -> (u16, Value) {
        self.http_as(&self.other_token, action, parameters).await
    }

    /// [`World::http`] as the administrator.
    pub async fn http_admin(&self, action: &str, parameters: Value) -> (u16, Value) {
        self.http_as(&self.admin_token, action, parameters).await
    }

    /// [`World::http`] with any token.
    ///
    /// # Panics
    ///
    /// Where the gateway doesn't answer.
    pub async fn http_as(&self, token: &str, action: &str, parameters: Value) -> (u16, Value) {
        let reply = self.http_caller(Some(token)).call(action, &parameters).await;
        let HttpReply { status, body, .. } = reply.unwrap_or_else(|error| panic!("{action} over HTTP: {error:#}"));
        (status, body)
    }

    /// Sends an HTTP form to any path of the gateway, without a token but those in the form.
    ///
    /// # Panics
    ///
    /// Where the gateway doesn't answer.
    pub async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let request = self.http_caller(None).request_to(reqwest::Method::POST, path).form(form);
        let reply = HttpCaller::send(request).await.unwrap_or_else(|error| panic!("{path}: {error:#}"));
        (reply.status, reply.body)
    }

    /// A client of the gateway with any token, or none.
    ///
    /// # Panics
    ///
    /// Where this machine has no HTTP client.
    pub fn http_caller(&self, token: Option<&str>) -> HttpCaller {
        HttpCaller::new(&self.deployment.gateway_url(), token).expect("an HTTP client")
    }

    /// A publisher as the PHP frontend, asking for the customer.
    pub async fn frontend(&self) -> AmqpCaller {
        self.amqp(FRONTEND_USER).await
    }

    /// A publisher as any of the usual broker users, asking for the customer.
    ///
    /// # Panics
    ///
    /// Where the broker doesn't let the user in.
    pub async fn amqp(&self, user: &str) -> AmqpCaller {
        let mut config = BusConfig::new(self.deployment.amqp_url(user).into(), "a client");
        config.ca_file.clone_from(&self.deployment.services().tls_ca_file);
        let caller = AmqpCaller::connect_with(config, amqp::customer(CUSTOMER_ID)).await;
        caller.unwrap_or_else(|error| panic!("connecting as {user}: {error:#}"))
    }

    /// The rows of an SQL query as the owner, one a line, with `|` between the columns.
    ///
    /// # Panics
    ///
    /// Where PostgreSQL refuses it.
    pub async fn sql(&self, sql: &str) -> String {
        self.deployment.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:#}"))
    }

    /// The broker's management API.
    ///
    /// # Panics
    ///
    /// Where this machine has no HTTP client.
    pub fn management(&self) -> Management {
        Management::new(self.deployment.services()).expect("an HTTP client")
    }

    /// The messages in a queue, ready and unacknowledged, as the broker counted a moment ago; see [`Queue`].
    ///
    /// # Panics
    ///
    /// Where there is no such queue.
    pub async fn queue_messages(&self, queue: &str) -> Option<u64> {
        let count = self.management().queue_messages(self.deployment.name(), queue).await;
        count.unwrap_or_else(|error| panic!("counting {queue}: {error:#}"))
    }

    /// Waits until a queue holds this many messages.
    ///
    /// # Panics
    ///
    /// Where it doesn't within the limit.
    pub async fn wait_for_messages(&self, queue: &str, messages: u64, limit: Duration) {
        let what = format!("{messages} messages in {queue}");
        wait_until(limit, &what, async || self.queue_messages(queue).await == Some(messages)).await;
    }

    /// A bucket name that nobody has used on this store.
    pub fn bucket_name(&self, prefix: &str) -> String {
        format!("{prefix}-{}", &Uuid::new_v4().simple().to_string()[..16])
    }

    /// For tests that end with messages in work queues on purpose: says nothing about them when dropped.
    pub fn messages_may_stay(&mut self) {
        self.messages_may_stay = true;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() || self.messages_may_stay {
            return;
        }
        let (services, vhost) = (self.deployment.services().clone(), self.deployment.name().to_owned());
        let quiet = crate::deployment::blocking(async move { no_message_is_stuck(&services, &vhost).await });
        if let Err(error) = quiet {
            panic!("after the test: {error:#}");
        }
    }
}

/// Waits until the work queues hold nothing that waits for a worker.
async fn no_message_is_stuck(services: &Services, vhost: &str) -> Result<()> {
    let management = Management::new(services)?;
    let deadline = Instant::now() + QUIET_LIMIT;
    loop {
        let mut queues = management.queues(vhost).await?;
        queues.retain(|queue| is_work_queue(&queue.name) && queue.ready.is_some_and(|ready| ready > 0));
        if queues.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let shown = |queue: &Queue| format!("{} in {}", queue.ready.unwrap_or_default(), queue.name);
            bail!("messages are stuck: {}", queues.iter().map(shown).collect::<Vec<_>>().join(", "));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn is_work_queue(name: &str) -> bool {
    bus::WORKER_ROLES.iter().any(|role| {
        let rest = name.strip_prefix("s3.").and_then(|name| name.strip_prefix(role.as_str()));
        matches!(rest, Some("" | ".events" | ".queries" | ".crowded" | ".rgw"))
    })
}

/// Polls `condition` until it holds.
///
/// # Panics
///
/// Where it doesn't within the limit.
pub async fn wait_until(limit: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let held = tokio::time::timeout(limit, async {
        while !condition().await {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    });
    assert!(held.await.is_ok(), "waited {} s in vain for {what}", limit.as_secs());
}

/// `purser` of the build that the running test belongs to; cargo builds it before the tests of its package.
fn binary_under_test() -> Result<PathBuf> {
    let test = std::env::current_exe().context("finding the running test")?;
    let dir = test.parent().and_then(Path::parent).context("the running test lies in no target folder")?;
    let binary = dir.join("purser");
    if !binary.exists() {
        bail!("{} is missing: build it with `cargo build -p purser`", binary.display());
    }
    Ok(binary)
}

#[cfg(test)]
mod tests {
    use super::is_work_queue;

    #[test]
    fn retries_and_parked_messages_are_not_stuck() {
        for (name, work) in [
            ("s3.billing", true),
            ("s3.billing.events", true),
            ("s3.billing.crowded", true),
            ("s3.metering.rgw", true),
            ("s3.billing.parked", false),
            ("s3.billing.retry.1s", false),
            ("s3.history", false),
            ("s3.billings", false),
        ] {
            assert_eq!(is_work_queue(name), work, "{name}");
        }
    }
}
