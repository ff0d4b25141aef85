//! `get_buckets_rmq`: what an account holds, from prepared rows.

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use serde_json::json;

use super::IN_FLIGHT;
use crate::load::LOAD_FIGURES;
use crate::measure::{Effort, Figure, Group, Measure, Setting};
use crate::requests::{Answerers, Job};
use crate::stage::{Account, Stage};

pub(super) const JOB: Job = Job {
    action: "get_buckets_rmq",
    is_command: false,
    parameters: |account: &Account| json!({ "s3uid": account.s3uid }),
};

/// How many accounts there are with so many buckets each.
const SMALL: (usize, usize) = (16, 10);
const LARGE: (usize, usize) = (4, 1_000);

pub(super) struct Query;

#[async_trait]
impl Measure for Query {
    fn name(&self) -> &'static str {
        "query"
    }

    fn about(&self) -> &'static str {
        "`get_buckets_rmq` of accounts with 10 (a full run: and with 1,000) buckets, while metering reads every second \
         what all buckets have had of traffic. Floor: the same request to a classic queue that isn't durable, answered by a \
         bare lapin worker with one prepared SELECT of as many rows; metering goes on beside it."
    }

    fn figures(&self) -> &'static [Figure] {
        LOAD_FIGURES
    }

    async fn prepare(&self, setting: &Setting) -> Result<Vec<Group>> {
        let stage = Stage::start_with_traffic(setting).await?;
        let sizes = match setting.effort {
            Effort::Quick => vec![SMALL],
            Effort::Full => vec![SMALL, LARGE],
        };
        let mut filled = Vec::new();
        for (count, buckets) in sizes {
            let accounts = stage.order_accounts(count).await?;
            stage.fill(&accounts, buckets).await?;
            filled.push((buckets, Arc::new(accounts)));
        }
        let answerers = Answerers::start(stage).await?;
        let groups = filled.iter().flat_map(|(buckets, accounts)| {
            let answerers = &answerers;
            IN_FLIGHT.map(|in_flight| {
                answerers.group(format!("{buckets} buckets, {in_flight} in flight"), in_flight, JOB, accounts)
            })
        });
        Ok(groups.collect())
    }
}
