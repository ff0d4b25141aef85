//! `create_bucket` on a store that answers at once.

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use serde_json::json;

use super::IN_FLIGHT;
use crate::load::LOAD_FIGURES;
use crate::measure::{Figure, Group, Measure, Setting};
use crate::requests::{Answerers, Job};
use crate::stage::{Account, Stage, bucket_name};

pub(super) const JOB: Job = Job {
    action: "create_bucket",
    is_command: true,
    parameters: |account: &Account| json!({ "s3uid": account.s3uid, "bucket_name": bucket_name() }),
};

/// An account does one command at a time: twice as many as are ever under way.
const ACCOUNTS: usize = 256;

pub(super) struct Command;

#[async_trait]
impl Measure for Command {
    fn name(&self) -> &'static str {
        "command"
    }

    fn about(&self) -> &'static str {
        "`create_bucket` from its publication to its reply, on a store that answers at once. Floor: the same request to a \
         quorum queue, answered by a bare lapin worker with one PostgreSQL transaction of four statements (idempotency \
         key, account, bucket, outbox). Purser's processor time includes all that follows: the event, the relay, \
         metering's reading. The last group is asked at half the rate that Purser reached, however long the answers take."
    }

    fn figures(&self) -> &'static [Figure] {
        LOAD_FIGURES
    }

    async fn prepare(&self, setting: &Setting) -> Result<Vec<Group>> {
        let stage = Stage::start(setting).await?;
        let accounts = Arc::new(stage.order_accounts(ACCOUNTS).await?);
        let answerers = Answerers::start(stage).await?;
        let group = |in_flight| answerers.group(format!("{in_flight} in flight"), in_flight, JOB, &accounts);
        let mut groups = Vec::from(IN_FLIGHT.map(group));
        groups.push(answerers.group_at_half_load(128, JOB, &accounts).await?);
        Ok(groups)
    }
}
