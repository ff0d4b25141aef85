//! `get_buckets`: an account's buckets, its traffic, and its last closed day.

use async_trait::async_trait;
use chrono::{NaiveTime, SubsecRound};
use history::Failure;
use messages::{BucketSizeReply, GetBuckets, GetBucketsReply, Refusal, Request, Scope, UsageSnapshotReply};
use model::ByteCount;
use runtime::Query;

use crate::store::buckets::Account;
use crate::{Metering, store};

#[async_trait]
impl Query<GetBuckets> for Metering {
    type Reply = GetBucketsReply;

    async fn answer(&self, request: &Request, parameters: GetBuckets) -> Result<GetBucketsReply, Failure> {
        let account = self.account(request, &parameters).await?;
        let (buckets, bandwidth, snapshot, measured_at) = tokio::try_join!(
            store::buckets::sizes(&self.pool, &account.s3uid),
            store::buckets::traffic_bytes(&self.pool, &account.s3uid, account.period_start),
            self.snapshot(&account),
            store::samples::measured_at(&self.pool, &account.s3uid),
        )?;
        let bucket =
            |bucket: store::buckets::Bucket| BucketSizeReply { name: bucket.name, usage: mb(bucket.usage_bytes) };
        Ok(GetBucketsReply {
            message: buckets.into_iter().map(bucket).collect(),
            bandwidth: mb(bandwidth),
            snapshot,
            measured_at: measured_at.map(|moment| moment.trunc_subsecs(0)),
        })
    }
}

impl Metering {
    async fn account(&self, request: &Request, parameters: &GetBuckets) -> Result<Account, Failure> {
        let refused = |refusal: Refusal| {
            Failure::Refused(Refusal { message: format!("Load bucket error: {}", refusal.message), ..refusal })
        };
        let scope = Scope::of(request.principal, parameters.id).map_err(refused)?;
        let named = parameters.s3uid.as_deref();
        if scope == Scope::Anyone && named.is_none() {
            return Err(refused(Refusal::new("s3uid required")));
        }
        let mut found = store::buckets::accounts(&self.pool, scope, named).await?;
        match (found.pop(), found.is_empty()) {
            (Some(account), true) => Ok(account),
            (Some(_), false) => Err(refused(Refusal::new("s3uid required"))),
            (None, _) => Err(refused(Refusal::account_not_found())),
        }
    }

    async fn snapshot(&self, account: &Account) -> Result<UsageSnapshotReply, Failure> {
        let end = self.clock.now().date_naive().and_time(NaiveTime::MIN).and_utc();
        if account.created_at >= end {
            return Ok(UsageSnapshotReply {
                bandwidth_usage: 0,
                storage_usage: 0,
                created_at: account.created_at.trunc_subsecs(0),
            });
        }
        let day = store::days::that_ends(&self.pool, &account.s3uid, end).await?;
        Ok(UsageSnapshotReply {
            bandwidth_usage: mb(day.traffic_bytes),
            storage_usage: mb(day.stored_bytes),
            created_at: end,
        })
    }
}

fn mb(bytes: i64) -> u64 {
    ByteCount::from_i64(bytes).mb_rounded_up()
}
