//! The same requests and replies with what people use today.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use serde_json::Value;

use super::{command, query};
use crate::load::{LOAD_FIGURES, Turn, closed_loop};
use crate::measure::{Comparison, Figure, Group, Measure, Sample, Setting, Variant};
use crate::peers::{Order, Peer, PeerHome, PeerJob, Software};
use crate::processor_time::Processes;
use crate::requests::Job;
use crate::stage::{Account, Stage, with_principal};

const IN_FLIGHT: usize = 64;
/// An account does one command at a time: twice as many as are ever under way.
const COMMAND_ACCOUNTS: usize = 2 * IN_FLIGHT;
const QUERY_ACCOUNTS: usize = 16;
const BUCKETS: usize = 10;
/// Of the script for Node.js, the only one that leaves the choice to its caller.
const QUORUM: &str = "bench.quorum";
const CLASSIC: &str = "bench.classic";

pub(super) struct Peers;

#[async_trait]
impl Measure for Peers {
    fn name(&self) -> &'static str {
        "peers"
    }

    fn about(&self) -> &'static str {
        "The requests of `create_bucket` and of `get_buckets_rmq` (10 buckets) with the replies that Purser gave to them, \
         on the same broker. Behind the peers is nothing: no database, no rights, no record; they answer with what they \
         hold in memory. Each is as its documentation has it by default: oslo.messaging with the executor with threads, \
         its queues not durable; Celery with two processes, durable classic queues, results over `rpc://`; amqplib with \
         publisher confirms and direct reply-to, its queue a quorum queue with persistent messages or a classic one that \
         isn't durable. The clients are the peers' own, and take the times themselves. Wanted: *first ÷ this* at least 4 \
         for commands with oslo.messaging, 5 with Celery; for queries 15 with oslo.messaging, 1 with amqplib."
    }

    fn figures(&self) -> &'static [Figure] {
        LOAD_FIGURES
    }

    async fn prepare(&self, setting: &Setting) -> Result<Vec<Group>> {
        let stage = Stage::start(setting).await?;
        let commands = Arc::new(stage.order_accounts(COMMAND_ACCOUNTS).await?);
        let queries = Arc::new(stage.order_accounts(QUERY_ACCOUNTS).await?);
        stage.fill(&queries, BUCKETS).await?;
        let jobs = BTreeMap::from([
            (command::JOB.action, peer_job(&stage, command::JOB, &commands, Some("bucket_name")).await?),
            (query::JOB.action, peer_job(&stage, query::JOB, &queries, None).await?),
        ]);
        let home = Arc::new(PeerHome::prepare(&setting.services, &jobs).await?);
        let oslo = Other::start(setting, &home, "oslo.messaging", Software::Oslo).await?;
        let celery = Other::start(setting, &home, "Celery", Software::Celery).await?;
        let node = Other::start(setting, &home, "Node amqplib, quorum", Software::Node).await?;
        let node_classic = Other { name: "Node amqplib, classic", queue: CLASSIC, ..node.clone() };
        let group = |name: &str, job: Job, accounts: &Arc<Vec<Account>>, others: &[&Other]| {
            let purser = Purser { stage: Arc::clone(&stage), accounts: Arc::clone(accounts), job };
            let mut variants: Vec<Arc<dyn Variant>> = vec![Arc::new(purser)];
            for other in others {
                variants.push(Arc::new(Other { action: job.action, ..(*other).clone() }));
            }
            let name = format!("{name}, {IN_FLIGHT} in flight");
            Group { name, in_flight: IN_FLIGHT, comparison: Comparison::OfFirst, variants }
        };
        Ok(vec![
            group("command", command::JOB, &commands, &[&oslo, &celery, &node]),
            group("query", query::JOB, &queries, &[&oslo, &celery, &node, &node_classic]),
        ])
    }
}

/// What Purser is asked, and what it answers to that.
async fn peer_job(stage: &Stage, job: Job, accounts: &[Account], fresh: Option<&'static str>) -> Result<PeerJob> {
    let request = |account: &Account| with_principal(account.customer, (job.parameters)(account));
    let requests = accounts.iter().map(request).collect::<Result<Vec<Value>>>()?;
    let reply = ask(stage, accounts.first().context("there are accounts")?, job).await?;
    Ok(PeerJob { requests, fresh, reply })
}

async fn ask(stage: &Stage, account: &Account, job: Job) -> Result<Value> {
    let Job { action, is_command, parameters } = job;
    let parameters = parameters(account);
    if is_command {
        stage.command(account.customer, action, parameters).await
    } else {
        stage.query(account.customer, action, parameters).await
    }
}

/// With all that it does for an answer.
struct Purser {
    stage: Arc<Stage>,
    accounts: Arc<Vec<Account>>,
    job: Job,
}

#[async_trait]
impl Variant for Purser {
    fn name(&self) -> &'static str {
        "purser over AMQP"
    }

    async fn run(&self, in_flight: usize, duration: Duration) -> Result<Sample> {
        let (stage, accounts, job) = (Arc::clone(&self.stage), Arc::clone(&self.accounts), self.job);
        let load = closed_loop(in_flight, duration, move |turn: Turn| {
            let (stage, accounts) = (Arc::clone(&stage), Arc::clone(&accounts));
            async move { ask(&stage, &accounts[turn.pick(accounts.len())], job).await.map(drop) }
        });
        self.stage.processes().watch(load).await
    }
}

/// What is compared with it.
#[derive(Clone)]
struct Other {
    name: &'static str,
    action: &'static str,
    queue: &'static str,
    processes: Processes,
    peer: Arc<Peer>,
    /// Goes after the peer.
    _home: Arc<PeerHome>,
}

impl Other {
    async fn start(setting: &Setting, home: &Arc<PeerHome>, name: &'static str, software: Software) -> Result<Self> {
        let peer = home.start(software).await?;
        let processes = setting.machine.processes();
        Ok(Self {
            name,
            action: "",
            queue: QUORUM,
            processes: processes.with_client(peer.client()).with_server_family(peer.server()),
            peer: Arc::new(peer),
            _home: Arc::clone(home),
        })
    }
}

#[async_trait]
impl Variant for Other {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn run(&self, in_flight: usize, duration: Duration) -> Result<Sample> {
        let order = Order { action: self.action, queue: self.queue, in_flight, seconds: duration.as_secs_f64() };
        self.processes.watch(self.peer.run(order)).await
    }
}
