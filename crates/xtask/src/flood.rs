//! `cargo xtask flood`: random messages into live workers, which must survive them and empty their queues.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use messages::Encoding;
use serde_json::json;
use test_support::amqp::{self, AmqpCaller};
use test_support::broker::Management;
use test_support::deployment::{Deployment, DeploymentConfig, FRONTEND_USER, Process, Settings};
use test_support::flood::{self, Counts};
use test_support::services::Services;
use test_support::world::{self, CUSTOMER_ID};
use uuid::Uuid;

use crate::workspace::{self, Profile};

const ROLES: [&str; 4] = ["provisioner", "metering", "billing", "gateway"];
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// Before the parking places are full, as an operator would.
const PARKED_MAX: u64 = 50_000;
const HANDLED_LIMIT: Duration = Duration::from_mins(30);

#[derive(Args)]
pub(crate) struct Arguments {
    /// How many messages are sent
    #[arg(long, default_value_t = 20_000)]
    messages: u64,
    /// The same seed makes the same messages
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Throw nothing away that is parked, so that the parking places become full
    #[arg(long)]
    leave_parked: bool,
    /// Compiled as operators run it
    #[arg(long)]
    release: bool,
}

/// A deployment of its own with one process per role.
pub(crate) struct Stage {
    pub(crate) deployment: Deployment,
    pub(crate) processes: Vec<Process>,
    _dir: tempfile::TempDir,
}

impl Stage {
    /// Starts it on the services that run, with plans and customers.
    pub(crate) async fn start(profile: Profile) -> Result<Self> {
        let services = Services::load().context("no services; `cargo xtask services up` starts them")?;
        let dir = tempfile::tempdir()?;
        let settings = Settings { log_filter: "error,lapin=off".to_owned(), ..Settings::default() };
        let config = DeploymentConfig {
            name: format!("load_{}", &Uuid::new_v4().simple().to_string()[..16]),
            dir: dir.path().to_owned(),
            purser_binary: workspace::build_purser(profile).await?,
            settings,
        };
        let deployment = Deployment::create(&services, config).await?;
        world::seed(&deployment).await?;
        let mut processes = Vec::new();
        for role in ROLES {
            processes.push(deployment.spawn(role, &[]).await?);
        }
        Ok(Self { deployment, processes, _dir: dir })
    }

    /// Fails where a process has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        for process in &mut self.processes {
            if !process.is_alive()? {
                bail!("`purser {}` has ended:\n{}", process.role(), process.log());
            }
        }
        Ok(())
    }

    /// Resident memory now and at most so far, by role.
    pub(crate) fn print_memory(&self, when: &str) -> Result<()> {
        for process in &self.processes {
            let (now, most) = process.memory()?;
            let (role, pid) = (process.role(), process.id());
            println!("   {when}: {role} (process {pid}) {} MB, at most {} MB", now / 1_000_000, most / 1_000_000);
        }
        Ok(())
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let mut stage = Stage::start(Profile::release_if(arguments.release)).await?;
    stage.print_memory("before")?;
    let (started, counts) = (Instant::now(), Counts::default());
    let sending = flood::run(&stage.deployment, arguments.seed, arguments.messages, &counts);
    let watching = watch(&stage.deployment, &counts, !arguments.leave_parked);
    tokio::select! {
        sent = sending => sent?,
        stopped = watching => stopped?,
    }
    println!("   sent in {:.0} s: {counts:?}", started.elapsed().as_secs_f64());
    let handled = flood::wait_until_handled(&stage.deployment, HANDLED_LIMIT);
    let watching = watch(&stage.deployment, &counts, !arguments.leave_parked);
    tokio::select! {
        handled = handled => handled?,
        stopped = watching => stopped?,
    }
    println!("   handled after {:.0} s: all queues but the parked ones are empty", started.elapsed().as_secs_f64());
    stage.check_alive()?;
    stage.print_memory("after")?;
    for (name, count) in counted(&stage.processes).await? {
        println!("   {name} {count}");
    }
    order(&stage.deployment).await?;
    println!("   an ordinary order was answered");
    Ok(())
}

/// Reports now and then and, as an operator would, throws away what is parked. Never ends by itself.
async fn watch(deployment: &Deployment, counts: &Counts, purge: bool) -> Result<()> {
    let management = Management::new(deployment.services())?;
    loop {
        tokio::time::sleep(REPORT_INTERVAL).await;
        let mut waiting = 0;
        for queue in management.queues(deployment.name()).await? {
            let messages = queue.messages.unwrap_or_default();
            if !queue.name.ends_with(".parked") && queue.name != "s3.history" {
                waiting += messages;
            } else if purge && messages > PARKED_MAX && queue.name != "s3.history" {
                management.purge_queue(deployment.name(), &queue.name).await?;
            }
        }
        println!("   {} sent, {waiting} waiting", counts.taken.load(Ordering::Relaxed));
    }
}

/// What the workers counted: messages by outcome, parked ones by reason.
async fn counted(processes: &[Process]) -> Result<BTreeMap<String, f64>> {
    let mut sums = BTreeMap::new();
    for process in processes {
        for line in process.metrics().await?.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let name = series.split('{').next().unwrap_or_default();
            let label = match name {
                "purser_messages_total" => "outcome",
                "purser_bus_parked_total" | "purser_bus_let_go_total" => "reason",
                "purser_bus_retries_total" => "queue",
                _ => continue,
            };
            let of = series.split_once(&format!("{label}=\"")).and_then(|(_, rest)| rest.split('"').next());
            *sums.entry(format!("{name} {}", of.unwrap_or_default())).or_default() += value.parse::<f64>()?;
        }
    }
    Ok(sums)
}

/// As a customer's frontend does it.
async fn order(deployment: &Deployment) -> Result<()> {
    let caller = AmqpCaller::connect(&deployment.amqp_url(FRONTEND_USER), amqp::customer(CUSTOMER_ID)).await?;
    let bucket = format!("flood-{}", &Uuid::new_v4().simple().to_string()[..16]);
    let parameters = json!({"plan_id": 1, "bucket_name": bucket});
    let reply = caller.call("create_order", parameters, Encoding::MessagePack, None).await?;
    if reply["result"] != "OK" {
        bail!("an ordinary order was refused: {reply}");
    }
    caller.close().await;
    Ok(())
}
