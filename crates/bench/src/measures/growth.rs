//! The same requests beside more and more accounts, buckets and history.

mod seed;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::{amqp, database};

use super::{command, query};
use crate::load::{LOAD_FIGURES, Turn, closed_loop};
use crate::measure::{Comparison, Effort, Figure, Group, Measure, Sample, Setting, Variant};
use crate::requests::Job;
use crate::stage::{Account, Stage};

/// Of whom is asked, beside all others.
const ACCOUNTS: usize = 64;
const BUCKETS: usize = 10;
/// How many others there are.
const SIZES: [(&str, usize); 4] =
    [("64 accounts", 0), ("10,000 accounts", 10_000), ("100,000 accounts", 100_000), ("1,000,000 accounts", 1_000_000)];

const LIST: Job = Job { action: "get_users", is_command: false, parameters: |_| json!({ "limit": 50 }) };
const LIST_ALL: Job =
    Job { action: "get_users", is_command: false, parameters: |_| json!({ "limit": 50, "principal": amqp::admin() }) };
const JOBS: [(&str, Job, usize); 4] = [
    ("get_buckets_rmq", query::JOB, 16),
    ("create_bucket", command::JOB, 16),
    ("get_users of a customer", LIST, 16),
    ("get_users of an administrator", LIST_ALL, 1),
];

pub(super) struct Growth;

#[async_trait]
impl Measure for Growth {
    fn name(&self) -> &'static str {
        "growth"
    }

    fn about(&self) -> &'static str {
        "Requests over AMQP to deployments of different sizes: the first has 64 accounts, the others have so many more, each \
         with ten buckets, a service and ten history entries. × floor is × the first: 1 where the size costs nothing."
    }

    fn figures(&self) -> &'static [Figure] {
        LOAD_FIGURES
    }

    async fn prepare(&self, setting: &Setting) -> Result<Vec<Group>> {
        let sizes: &[(&str, usize)] = match setting.effort {
            Effort::Quick => &SIZES[..3],
            Effort::Full => &SIZES,
        };
        let mut homes = Vec::new();
        for (name, others) in sizes {
            homes.push((*name, Arc::new(Home::start(setting, *others).await?)));
        }
        let groups = JOBS.map(|(what, job, in_flight)| {
            let of_size = |(name, home): &(&'static str, Arc<Home>)| -> Arc<dyn Variant> {
                Arc::new(Asked { name, home: Arc::clone(home), job })
            };
            Group {
                name: format!("{what}, {in_flight} in flight"),
                in_flight,
                comparison: Comparison::WithFloor,
                variants: homes.iter().map(of_size).collect(),
            }
        });
        Ok(groups.into())
    }
}

/// A deployment of some size.
struct Home {
    stage: Arc<Stage>,
    accounts: Arc<Vec<Account>>,
}

impl Home {
    async fn start(setting: &Setting, others: usize) -> Result<Self> {
        let stage = Stage::start(setting).await?;
        let accounts = stage.order_accounts(ACCOUNTS).await?;
        stage.fill(&accounts, BUCKETS).await?;
        let url = database::url(&setting.services, stage.deployment.name())?;
        let mut connection = PgConnection::connect(&url).await?;
        for statement in seed::statements(others) {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.context("making accounts")?;
        }
        Ok(Self { stage, accounts: Arc::new(accounts) })
    }
}

struct Asked {
    name: &'static str,
    home: Arc<Home>,
    job: Job,
}

#[async_trait]
impl Variant for Asked {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn run(&self, in_flight: usize, duration: Duration) -> Result<Sample> {
        let (home, job) = (Arc::clone(&self.home), self.job);
        let load = closed_loop(in_flight, duration, move |turn: Turn| {
            let home = Arc::clone(&home);
            async move {
                let Account { customer, .. } = home.accounts[turn.pick(home.accounts.len())];
                let parameters = (job.parameters)(&home.accounts[turn.pick(home.accounts.len())]);
                let asked = if job.is_command {
                    home.stage.command(customer, job.action, parameters).await
                } else {
                    home.stage.query(customer, job.action, parameters).await
                };
                asked.map(drop)
            }
        });
        self.home.stage.processes().watch(load).await
    }
}
