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
use crate::load::{Turn, closed_loop};
use crate::measure::{Comparison, Group, Sample, Variant};
use crate::stage::{Account, Stage, body};

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
        let requests = |way: Way| -> Arc<dyn Variant> {
            Arc::new(Requests { answerers: Arc::clone(self), accounts: Arc::clone(accounts), job, way })
        };
        let variants = vec![requests(Way::Floor), requests(Way::Amqp), requests(Way::Http)];
        Group { name, in_flight, comparison: Comparison::WithFloor, variants }
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
        let load = closed_loop(in_flight, duration, move |turn: Turn| {
            let (answerers, accounts) = (Arc::clone(&answerers), Arc::clone(&accounts));
            async move { ask(&answerers, &accounts[turn.pick(accounts.len())], job, way).await }
        });
        processes.watch(load).await
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
