//! What is measured: a deployment of Purser with one process per role, on a store that answers at once, with customers
//! and their accounts.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use messages::Encoding;
use serde_json::{Value, json};
use test_support::amqp;
use test_support::deployment::{Deployment, DeploymentConfig, FRONTEND_USER, Process, Settings};
use test_support::http::{self, HttpCaller};
use test_support::services::Services;
use test_support::world;
use tokio::time::Instant;
use uuid::Uuid;

use crate::client::{Call, Client};
use crate::helper::Helper;
use crate::measure::Setting;
use crate::processor_time::{Processes, SERVER};
use crate::store;

/// Many enough that none of them has more under way than one may have.
pub(crate) const CUSTOMERS: usize = 16;
const FIRST_CUSTOMER: i64 = 101;
const ORDERS_AT_ONCE: usize = 16;
const FILL_LIMIT: Duration = Duration::from_mins(2);
const POLL_INTERVAL: Duration = Duration::from_millis(200);
const TRAFFIC_INTERVAL: Duration = Duration::from_secs(1);
/// Each role with the figure under which its process counts, beside all together.
const ROLES: [(&str, &str); 4] = [
    ("provisioner", "cpu_provisioner"),
    ("metering", "cpu_metering"),
    ("billing", "cpu_billing"),
    ("gateway", "cpu_gateway"),
];

/// A deployment of Purser that runs, and its callers.
pub(crate) struct Stage {
    /// Over AMQP, as the PHP frontend.
    pub(crate) client: Client,
    /// Over HTTP, as each of the customers.
    pub(crate) http: Vec<HttpCaller>,
    pub(crate) deployment: Deployment,
    processes: Vec<Process>,
    /// Unless it is the real one.
    stand_in: Option<Helper>,
    machine: Processes,
    _dir: tempfile::TempDir,
}

/// An account of one of the customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// Counted from 0.
    pub(crate) customer: usize,
    pub(crate) s3uid: String,
}

/// A deployment without processes, as production would configure it.
pub(crate) async fn deployment(setting: &Setting, services: &Services, dir: &tempfile::TempDir) -> Result<Deployment> {
    let variable = |name: &str, value: &str| (format!("PURSER__METERING__{name}"), value.to_owned());
    let settings = Settings {
        log_filter: "error,lapin=off".to_owned(),
        sweep_interval_seconds: 900,
        lease_seconds: 30,
        variables: vec![variable("TRAFFIC_INTERVAL_SECONDS", "60"), variable("USAGE_FLUSH_SECONDS", "120")],
        ..Settings::default()
    };
    let config = DeploymentConfig {
        name: format!("bench_{}", &Uuid::new_v4().simple().to_string()[..16]),
        dir: dir.path().to_owned(),
        purser_binary: setting.purser_binary.clone(),
        settings,
    };
    Deployment::create(services, config).await
}

impl Stage {
    /// Starts everything, with plans and customers.
    pub(crate) async fn start(setting: &Setting) -> Result<Arc<Self>> {
        let (store, services) = store::start(&setting.services).await?;
        Self::start_on(setting, &services, Some(store), &[]).await
    }

    /// The same with traffic in all buckets every second, and rounds of metering that read and write it.
    pub(crate) async fn start_with_traffic(setting: &Setting) -> Result<Arc<Self>> {
        let (store, services) = store::start(&setting.services).await?;
        let url = format!("http://{}/traffic?every=1", store.address());
        let often = [("PURSER__METERING__TRAFFIC_INTERVAL_SECONDS", "1")];
        let stage = Self::start_on(setting, &services, Some(store), &often).await?;
        let (running, http) = (Arc::downgrade(&stage), http::client()?);
        tokio::spawn(async move {
            while running.strong_count() > 0 {
                // The store ends with the stage.
                let _ = http.post(&url).send().await;
                tokio::time::sleep(TRAFFIC_INTERVAL).await;
            }
        });
        Ok(stage)
    }

    /// The same on the real store, with more variables for the roles.
    pub(crate) async fn start_on_ceph(setting: &Setting, variables: &[(&str, &str)]) -> Result<Arc<Self>> {
        Self::start_on(setting, &setting.services, None, variables).await
    }

    async fn start_on(
        setting: &Setting,
        services: &Services,
        stand_in: Option<Helper>,
        variables: &[(&str, &str)],
    ) -> Result<Arc<Self>> {
        let dir = tempfile::tempdir()?;
        let deployment = deployment(setting, services, &dir).await?;
        world::seed(&deployment).await?;
        for customer in 0..CUSTOMERS {
            let (id, email) = (customer_id(customer).to_string(), format!("customer{customer}@example.com"));
            let who = ["customer", "add", "--id", &id, "--email", &email, "--country", "NL", "--currency", "EUR"];
            deployment.purser_ok(&[&who[..], &["--billing-entity", "NL"]].concat()).await?;
        }
        let tokens = (0..CUSTOMERS).map(|customer| world::issue_token(&deployment, Some(customer_id(customer))));
        let url = deployment.gateway_url();
        let tokens = try_join_all(tokens).await?;
        let http = tokens.iter().map(|token| HttpCaller::new(&url, Some(token))).collect::<Result<Vec<_>>>()?;
        let mut processes = Vec::new();
        for (role, _) in ROLES {
            processes.push(deployment.spawn(role, variables).await?);
        }
        let client = Client::connect(&deployment.amqp_url(FRONTEND_USER)).await?;
        let machine = setting.machine.processes();
        Ok(Arc::new(Self { client, http, deployment, processes, stand_in, machine, _dir: dir }))
    }

    /// The process of the role metering.
    pub(crate) fn metering(&self) -> Result<&Process> {
        let (process, _) =
            self.processes.iter().zip(ROLES).find(|(_, (role, _))| *role == "metering").context("a role")?;
        Ok(process)
    }

    /// Who takes part when Purser answers.
    pub(crate) fn processes(&self) -> Processes {
        let mut processes = self.machine.clone();
        if let Some(store) = &self.stand_in {
            processes = processes.with("cpu_store", store.process());
        }
        for (process, (_, figure)) in self.processes.iter().zip(ROLES) {
            processes = processes.with(SERVER, process.id()).with(figure, process.id());
        }
        processes
    }

    /// Who takes part when the floor answers.
    pub(crate) fn processes_with(&self, server: &Helper) -> Processes {
        self.machine.clone().with(SERVER, server.process())
    }

    /// Has so many accounts ordered, each with one bucket; neighbours belong to different customers.
    pub(crate) async fn order_accounts(&self, count: usize) -> Result<Vec<Account>> {
        let order = |number: usize| async move {
            let customer = number % CUSTOMERS;
            let reply = self.command(customer, "create_order", json!({ "plan_id": 1, "bucket_name": bucket_name() }));
            let reply = reply.await?;
            let s3uid = reply["s3uid"].as_str().context("an order's answer names the account")?.to_owned();
            anyhow::Ok(Account { customer, s3uid })
        };
        stream::iter((0..count).map(order)).buffered(ORDERS_AT_ONCE).try_collect().await
    }

    /// Fills accounts that have one bucket each, until they have `buckets`, as if over S3; returns when Purser knows.
    pub(crate) async fn fill(&self, accounts: &[Account], buckets: usize) -> Result<()> {
        let http = http::client()?;
        let store = self.stand_in.as_ref().context("only the stand-in for the store can be filled so")?.address();
        for Account { s3uid, .. } in accounts {
            let (more, prefix) = (buckets.saturating_sub(1), bucket_name());
            let url = format!("http://{store}/fill?uid={s3uid}&prefix={prefix}&count={more}");
            http.post(url).send().await?.error_for_status()?;
            let parameters = json!({ "s3uid": s3uid, "principal": amqp::admin() });
            self.command(0, "update_traffic_info", parameters).await?;
        }
        let deadline = Instant::now() + FILL_LIMIT;
        let s3uids: Vec<_> = accounts.iter().map(|account| format!("'{}'", account.s3uid)).collect();
        let sql = format!("SELECT count(*) FROM provisioner.buckets WHERE s3uid IN ({})", s3uids.join(", "));
        let expected = accounts.len() * buckets;
        while self.deployment.sql(&sql).await?.parse::<usize>()? < expected {
            ensure!(Instant::now() < deadline, "Purser doesn't know of {expected} buckets");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Asks for a command as the frontend does for a customer; returns the reply.
    pub(crate) async fn command(&self, customer: usize, action: &str, parameters: Value) -> Result<Value> {
        let body = body(customer, parameters)?;
        self.client.call(Call { exchange: "s3.commands", routing_key: action, action, persistent: true, body }).await
    }

    /// Asks a query so.
    pub(crate) async fn query(&self, customer: usize, action: &str, parameters: Value) -> Result<Value> {
        let body = body(customer, parameters)?;
        self.client.call(Call { exchange: "s3.queries", routing_key: action, action, persistent: false, body }).await
    }
}

/// The parameters as a trusted publisher sends them, for a customer unless they name somebody else.
pub(crate) fn with_principal(customer: usize, mut parameters: Value) -> Result<Value> {
    let map = parameters.as_object_mut().context("parameters are a map")?;
    map.entry("principal").or_insert_with(|| amqp::customer(customer_id(customer)));
    Ok(parameters)
}

/// The same as the body of a message.
pub(crate) fn body(customer: usize, parameters: Value) -> Result<Vec<u8>> {
    Ok(Encoding::MessagePack.encode(&with_principal(customer, parameters)?)?)
}

/// A bucket name that nobody has used.
pub(crate) fn bucket_name() -> String {
    format!("b{}", Uuid::new_v4().simple())
}

fn customer_id(customer: usize) -> i64 {
    FIRST_CUSTOMER + i64::try_from(customer).unwrap_or_default()
}
