//! The main job: order an account, fill a bucket, read usage and quota, read what happened.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use messages::{
    BucketStatusReply, CreateOrderReply, GetBucketsRmqReply, HistoryEntryReply, HistoryReply, ListPlansReply,
};
use model::{ByteCount, Currency};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use super::caller::Caller;
use super::checks::Checks;
use super::files::{self, CustomerAccess, File};

const PLAN_ID: i64 = 1;
const PLAN_NAMES: [&str; 4] = ["Standard S3 Plan", "Archive S3 Plan", "PS100", "Free S3 Plan"];
const QUOTA_BYTES: u64 = 100_000_000_000;
/// Ceph writes its usage log and Purser measures every second or so; busy machines take longer.
const USAGE_LIMIT: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(500);
const EVENTS: [&str; 4] = ["order_placed", "account_provisioned", "bucket_created", "service_started"];

/// The job over one of the two ways.
pub(super) struct Job {
    caller: Caller,
    first_bucket: String,
    second_bucket: String,
}

/// What was sent and received.
#[derive(Default)]
struct Moved {
    into_first: ByteCount,
    into_second: ByteCount,
    downloaded: ByteCount,
}

impl Moved {
    fn uploaded(&self) -> ByteCount {
        self.into_first + self.into_second
    }

    fn is_measured_in(&self, reply: &GetBucketsRmqReply) -> bool {
        reply.message.len() == 2
            && reply.usage_storage_bytes == self.uploaded().bytes()
            && reply.metering.traffic_in_bytes >= self.uploaded().bytes()
            && reply.metering.traffic_out_bytes >= self.downloaded.bytes()
    }
}

impl Job {
    /// Bucket names are unique in a Ceph cluster: each run has its own.
    pub(super) fn new(caller: Caller, way: &str) -> Self {
        let run = &Uuid::new_v4().simple().to_string()[..8];
        Self {
            caller,
            first_bucket: format!("demo-{way}-{run}-files"),
            second_bucket: format!("demo-{way}-{run}-backup"),
        }
    }

    /// Does it and returns the account's `s3uid`; what is wrong is noted, what makes it impossible is an error.
    pub(super) async fn run(&self, checks: &mut Checks) -> Result<String> {
        self.look_at_plans(checks).await?;
        let s3uid = self.order(checks).await?;
        let moved = self.fill(&s3uid, checks).await?;
        self.read_usage(&s3uid, &moved, checks).await?;
        self.read_history(&s3uid, checks).await?;
        Ok(s3uid)
    }

    /// Looks for the account and what it had stored, after everything was started anew.
    pub(super) async fn read_again(&self, s3uid: &str, checks: &mut Checks) -> Result<()> {
        let reply = self.usage(s3uid).await?;
        let mut names: Vec<_> = reply.message.iter().map(|bucket| bucket.name.as_str()).collect();
        names.sort_unstable();
        checks.equal("the account's buckets", &names, &vec![self.second_bucket.as_str(), self.first_bucket.as_str()]);
        let files = files::samples()?;
        let File { key, body } = files.last().context("there are samples")?;
        let downloaded = CustomerAccess::new(&reply)?.download(&self.first_bucket, key).await?;
        checks.check(format!("{key} still reads as it was"), downloaded == *body);
        Ok(())
    }

    async fn look_at_plans(&self, checks: &mut Checks) -> Result<()> {
        let reply: ListPlansReply = typed(self.caller.call("list_plans", json!({})).await?)?;
        let mut names: Vec<_> = reply.plans.iter().map(|plan| plan.name.as_str()).collect();
        names.dedup();
        checks.equal("plans", &names, &PLAN_NAMES.to_vec());
        let euro = reply.plans.first().and_then(|plan| plan.price.price.get(&Currency::EUR).copied());
        checks.equal("the first one's price in EUR", &euro, &Some(9.8));
        Ok(())
    }

    async fn order(&self, checks: &mut Checks) -> Result<String> {
        let parameters = json!({ "plan_id": PLAN_ID, "bucket_name": self.first_bucket, "location": "NL" });
        let reply: CreateOrderReply = typed(self.caller.call("create_order", parameters).await?)?;
        let s3uid = reply.s3uid.to_string();
        let well_formed = s3uid.len() == 32 && s3uid.bytes().all(|byte| byte.is_ascii_hexdigit());
        checks.check("the new account's s3uid has 32 hex characters", well_formed);
        Ok(s3uid)
    }

    async fn fill(&self, s3uid: &str, checks: &mut Checks) -> Result<Moved> {
        let reply = self.usage(s3uid).await?;
        println!("\n   uploading with the account's own keys to http://{}", reply.endpoint);
        let access = CustomerAccess::new(&reply)?;
        let files = files::samples()?;
        let into_first = access.upload(&self.first_bucket, &files).await?;
        let File { key, body } = files.last().context("there are samples")?;
        let downloaded = access.download(&self.first_bucket, key).await?;
        checks.check(format!("{key} reads back as it was"), downloaded == *body);

        let parameters = json!({ "s3uid": s3uid, "bucket_name": self.second_bucket });
        let reply: BucketStatusReply = typed(self.caller.call("create_bucket", parameters).await?)?;
        checks.equal("create_bucket's status", &reply.message.status.as_str(), &"success");
        checks.equal("the new bucket", &reply.message.bucket_name.as_str(), &self.second_bucket.as_str());
        let into_second = access.upload(&self.second_bucket, &files[..1]).await?;
        let downloaded = ByteCount::from_bytes(u64::try_from(downloaded.len())?);
        Ok(Moved { into_first, into_second, downloaded })
    }

    /// Waits until Purser has measured what was uploaded.
    async fn read_usage(&self, s3uid: &str, moved: &Moved, checks: &mut Checks) -> Result<()> {
        let started = Instant::now();
        println!("\n   waiting for the measured usage (Ceph's log and Purser's sweep)");
        loop {
            let reply = self.usage(s3uid).await?;
            if moved.is_measured_in(&reply) || started.elapsed() > USAGE_LIMIT {
                break;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        println!("   measured after {:.1} s", started.elapsed().as_secs_f64());
        let reply = self.caller.call("get_buckets_rmq", json!({ "s3uid": s3uid })).await?;
        let reply: GetBucketsRmqReply = typed(reply)?;
        let uploaded_bytes = moved.uploaded().bytes();
        let mut buckets: Vec<_> =
            reply.message.iter().map(|bucket| (bucket.name.as_str(), bucket.usage_bytes)).collect();
        buckets.sort_unstable();
        let mut expected = vec![
            (self.first_bucket.as_str(), moved.into_first.bytes()),
            (self.second_bucket.as_str(), moved.into_second.bytes()),
        ];
        expected.sort_unstable();
        checks.equal("buckets and their bytes", &buckets, &expected);
        checks.equal("usage_storage_bytes", &reply.usage_storage_bytes, &uploaded_bytes);
        checks.equal("usage_storage in MB, rounded up", &reply.usage_storage, &uploaded_bytes.div_ceil(1_000_000));
        checks.equal("quota_bytes, as the plan says", &reply.quota_bytes, &QUOTA_BYTES);
        checks.equal("quota in MB", &reply.quota, &(QUOTA_BYTES / 1_000_000));
        let traffic_in = reply.metering.traffic_in_bytes;
        checks.check(format!("traffic in: {traffic_in} bytes, at least what was sent"), traffic_in >= uploaded_bytes);
        let (traffic_out, downloaded) = (reply.metering.traffic_out_bytes, moved.downloaded.bytes());
        checks.check(format!("traffic out: {traffic_out} bytes, at least what was read"), traffic_out >= downloaded);
        checks.check("the figures are dated", reply.measured_at.is_some());
        Ok(())
    }

    async fn read_history(&self, s3uid: &str, checks: &mut Checks) -> Result<()> {
        let reply: HistoryReply = typed(self.caller.call("history", json!({ "s3uid": s3uid })).await?)?;
        let newest_first =
            |pair: &[HistoryEntryReply]| pair[0].id > pair[1].id && pair[0].created_at >= pair[1].created_at;
        checks.check("the history's newest entry stands first", reply.data.windows(2).all(newest_first));
        let events: Vec<_> = reply.data.iter().rev().map(|entry| entry.event.as_str()).collect();
        let mut rest = events.iter();
        let in_order = EVENTS.iter().all(|expected| rest.any(|event| event == expected));
        checks.check(format!("what happened, in order: {}", events.join(", ")), in_order);
        // The first invoice may come before or after it.
        let second = reply.data.iter().take(2).any(|entry| entry.description.contains(&self.second_bucket));
        checks.check("the last thing that was done was the second bucket", second);
        Ok(())
    }

    async fn usage(&self, s3uid: &str) -> Result<GetBucketsRmqReply> {
        typed(self.caller.call_silently("get_buckets_rmq", json!({ "s3uid": s3uid })).await?)
    }
}

fn typed<T: DeserializeOwned>(reply: Value) -> Result<T> {
    match serde_json::from_value(reply) {
        Ok(reply) => Ok(reply),
        Err(error) => bail!("the reply has another shape than the messages crate says: {error}"),
    }
}
