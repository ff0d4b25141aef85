//! `get_buckets_rmq`: what an account holds, may hold and used, with its credentials. Reads prepared rows only.

use async_trait::async_trait;
use chrono::SubsecRound;
use history::Failure;
use messages::{BucketUsageReply, GetBucketsRmq, GetBucketsRmqReply, MeteringReply, Refusal, Request};
use model::ByteCount;
use runtime::Query;
use secrecy::ExposeSecret;

use super::{requested_account, scope};
use crate::Provisioner;
use crate::store;
use crate::store::usage::Overview;

#[async_trait]
impl Query<GetBucketsRmq> for Provisioner {
    type Reply = GetBucketsRmqReply;

    async fn answer(&self, request: &Request, parameters: GetBucketsRmq) -> Result<GetBucketsRmqReply, Failure> {
        let month_start = model::month_start(self.clock.now());
        let scope = scope(request, parameters.s3uid.as_deref(), parameters.id)?;
        let s3uid = match parameters.s3uid {
            Some(s3uid) => s3uid,
            None => requested_account(&self.pool, request, None, parameters.id).await?.s3uid.to_string(),
        };
        let overview = store::usage::overview(&self.pool, scope, &s3uid, month_start).await?;
        let Overview { account, buckets, traffic_in_bytes, traffic_out_bytes, measured_at } =
            overview.ok_or_else(Refusal::account_not_found)?;
        let keys = self.keys(&account)?;
        let endpoint = self.location(&account)?.endpoint.clone();
        let message: Vec<BucketUsageReply> = buckets
            .into_iter()
            .map(|bucket| {
                let usage = ByteCount::from_i64(bucket.usage_bytes);
                BucketUsageReply {
                    name: bucket.name,
                    usage: usage.mb_rounded_up(),
                    usage_bytes: usage.bytes(),
                    objects: u64::try_from(bucket.objects).unwrap_or(0),
                }
            })
            .collect();
        let stored: ByteCount = message.iter().map(|bucket| ByteCount::from_bytes(bucket.usage_bytes)).sum();
        let quota = ByteCount::from_i64(account.quota_bytes);
        let traffic_in = ByteCount::from_i64(traffic_in_bytes);
        let traffic_out = ByteCount::from_i64(traffic_out_bytes);
        Ok(GetBucketsRmqReply {
            message,
            usage_storage: stored.mb_rounded_up(),
            usage_storage_bytes: stored.bytes(),
            quota: quota.mb_rounded_up(),
            quota_bytes: quota.bytes(),
            metering: MeteringReply {
                total_traffic_gb: (traffic_in + traffic_out).gb(),
                total_storage_gb: stored.gb(),
                traffic_in_bytes: traffic_in.bytes(),
                traffic_out_bytes: traffic_out.bytes(),
            },
            access_key: keys.access_key,
            secret_key: keys.secret_key.expose_secret().to_owned(),
            endpoint,
            measured_at: measured_at.map(|moment| moment.trunc_subsecs(0)),
        })
    }
}
