//! Requests that are answered by the floor or by Purser, over AMQP or over HTTP.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use async_trait::async_trait;
use serde_json::Value;
use test_support::http::HttpReply;

use crate::client::{Call, Client};
use crate::floor;
use crate::helper::Helper;
use crate::load::{Turn, closed_loop, open_loop};
use crate::measure::{Comparison, Group, Sample, Variant};
use crate::stage::{Account, Stage, body};

/// How long the rate is measured of which half is asked for.
const RATE_TIME: Duration = Duration::from_secs(3);

/// One kind of request.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    pub(crate) action: &'static str,
    /// A command survives a restart of the broker; a query needn't.
    pub(crate) is_command: bool,
    pub(crate) parameters: fn(&Account) -> Value,
}

/// Who can be asked: Purser, and the floor on the same broker and database.
pub(crate) struct Answerers {
    stage: Arc<Stage>,
    floor: Helper,
    floor_client: Client,
}

impl Answerers {
    /// Starts the floor beside Purser, with copies of Purser's accounts and buckets.
    pub(crate) async fn start(stage: Arc<Stage>) -> Result<Arc<Self>> {
        let floor = floor::start(&stage.deployment).await?;
        let floor_client = Client::connect(&stage.deployment.amqp_admin_url()).await?;
        Ok(Arc::new(Self { stage, floor, floor_client }))
    }

    /// The three ways of the same job, the floor first.
    pub(crate) fn group(
        self: &Arc<Self>,
        name: String,
        in_flight: usize,
        job: Job,
        accounts: &Arc<Vec<Account>>,
    ) -> Group {
        let variants = [Way::Floor, Way::Amqp, Way::Http].map(|way| self.variant(job, accounts, way, None));
        Group { name, in_flight, comparison: Comparison::WithFloor, variants: variants.into() }
    }

    /// The floor and Purser over AMQP at half the rate that Purser reaches with so many in flight: how long they take when they
    /// don't wait for each other.
    pub(crate) async fn group_at_half_load(
        self: &Arc<Self>,
        in_flight: usize,
        job: Job,
        accounts: &Arc<Vec<Account>>,
    ) -> Result<Group> {
        let full = self.variant(job, accounts, Way::Amqp, None);
        full.run(in_flight, RATE_TIME / 3).await?;
        let sample = full.run(in_flight, RATE_TIME).await?;
        let per_second = sample.get("operations_per_second").unwrap_or_default() / 2.0;
        let variants = [Way::Floor, Way::Amqp].map(|way| self.variant(job, accounts, way, Some(per_second)));
        let name = format!("at {per_second:.0} per second");
        Ok(Group { name, in_flight, comparison: Comparison::WithFloor, variants: variants.into() })
    }

    fn variant(
        self: &Arc<Self>,
        job: Job,
        accounts: &Arc<Vec<Account>>,
        way: Way,
        per_second: Option<f64>,
    ) -> Arc<dyn Variant> {
        Arc::new(Requests { answerers: Arc::clone(self), accounts: Arc::clone(accounts), job, way, per_second })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Floor,
    Amqp,
    Http,
}

struct Requests {
    answerers: Arc<Answerers>,
    accounts: Arc<Vec<Account>>,
    job: Job,
    way: Way,
    /// How often is asked; as often as it is answered, where nothing is said.
    per_second: Option<f64>,
}

#[async_trait]
impl Variant for Requests {
    fn name(&self) -> &'static str {
        match self.way {
            Way::Floor => "floor",
            Way::Amqp => "purser over AMQP",
            Way::Http => "purser over HTTP",
        }
    }

    async fn run(&self, in_flight: usize, duration: Duration) -> Result<Sample> {
        let Self { answerers, job, way, .. } = self;
        let processes = match way {
            Way::Floor => answerers.stage.processes_with(&answerers.floor),
            Way::Amqp | Way::Http => answerers.stage.processes(),
        };
        let (answerers, accounts, job, way) = (Arc::clone(answerers), Arc::clone(&self.accounts), *job, *way);
        let operation = move |turn: Turn| {
            let (answerers, accounts) = (Arc::clone(&answerers), Arc::clone(&accounts));
            async move { ask(&answerers, &accounts[turn.pick(accounts.len())], job, way).await }
        };
        match self.per_second {
            Some(per_second) => processes.watch(open_loop(per_second, duration, operation)).await,
            None => processes.watch(closed_loop(in_flight, duration, operation)).await,
        }
    }
}

async fn ask(answerers: &Answerers, account: &Account, job: Job, way: Way) -> Result<()> {
    let Job { action, is_command, parameters } = job;
    let parameters = parameters(account);
    let (client, exchange, routing_key) = match (way, is_command) {
        (Way::Http, _) => {
            let reply = answerers.stage.http[account.customer].call(action, &parameters).await?;
            let HttpReply { status, body, .. } = reply;
            ensure!(status == 200 && body["result"] == "OK", "{action} over HTTP: {status} {body}");
            return Ok(());
        }
        (Way::Floor, false) => (&answerers.floor_client, "", floor::QUERIES),
        (Way::Floor, true) => (&answerers.floor_client, "", floor::COMMANDS),
        (Way::Amqp, false) => (&answerers.stage.client, "s3.queries", action),
        (Way::Amqp, true) => (&answerers.stage.client, "s3.commands", action),
    };
    let body = body(account.customer, parameters)?;
    client.call(Call { exchange, routing_key, action, persistent: is_command, body }).await.map(drop)
}
