//! The same round on the real radosgw, whose answer takes its time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use model::BucketName;
use object_store::ceph::{CephConfig, CephStore};
use object_store::{ObjectStore, S3Keys};
use serde_json::json;
use test_support::deployment::blocking;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::{POLL_INTERVAL, ROUND_LIMIT, rounds};
use crate::load::Load;
use crate::measure::{Comparison, Group, Sample, Setting, Variant};
use crate::stage::Stage;

const ACCOUNTS: usize = 10;
const BUCKETS: usize = 1_000;
const AT_ONCE: usize = 16;
/// A call that deletes a bucket has twelve times as long.
const CALL_LIMIT: Duration = Duration::from_mins(1);

/// One variant, without a floor: most of its time is radosgw's.
pub(super) async fn group(setting: &Setting) -> Result<Group> {
    let home = Arc::new(Home::filled(setting).await?);
    Ok(Group {
        name: format!("{BUCKETS} buckets on radosgw"),
        in_flight: BUCKETS,
        comparison: Comparison::None,
        variants: vec![Arc::new(Round { home })],
    })
}

/// Accounts on the real store with their buckets; they are deleted there when this is dropped.
struct Home {
    stage: Arc<Stage>,
    store: Arc<CephStore>,
    buckets: Vec<(S3Keys, BucketName)>,
    s3uids: Vec<String>,
}

impl Home {
    async fn filled(setting: &Setting) -> Result<Self> {
        let stage = Stage::start_on_ceph(setting, &[("PURSER__METERING__TRAFFIC_INTERVAL_SECONDS", "1")]).await?;
        let url = Url::parse(&setting.services.rgw_url).context("the store's address is not a URL")?;
        let store = CephStore::new(CephConfig {
            admin_url: url.clone(),
            s3_url: url,
            admin_access_key: setting.services.rgw_access_key.clone(),
            admin_secret_key: setting.services.rgw_secret_key.clone().into(),
            request_timeout: CALL_LIMIT,
        })?;
        let mut home = Self { stage, store: Arc::new(store), buckets: Vec::new(), s3uids: Vec::new() };
        eprintln!("== metering: making {BUCKETS} buckets on radosgw");
        for account in home.stage.order_accounts(ACCOUNTS).await? {
            let asked = json!({ "s3uid": account.s3uid });
            let about = home.stage.query(account.customer, "get_buckets_rmq", asked).await?;
            let text = |value: &serde_json::Value| value.as_str().map(str::to_owned).context("a text in the reply");
            let keys =
                S3Keys { access_key: text(&about["access_key"])?, secret_key: text(&about["secret_key"])?.into() };
            home.s3uids.push(account.s3uid);
            home.buckets.push((keys.clone(), text(&about["message"][0]["name"])?.parse()?));
            for _ in 1..BUCKETS / ACCOUNTS {
                home.buckets.push((keys.clone(), format!("bench-{}", Uuid::new_v4().simple()).parse()?));
            }
        }
        let make = |(keys, bucket): &(S3Keys, BucketName)| {
            let (store, keys, bucket) = (Arc::clone(&home.store), keys.clone(), bucket.clone());
            async move { store.create_bucket(&keys, &bucket).await }
        };
        stream::iter(home.buckets.iter().map(make)).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        Ok(home)
    }

    /// Has one upload in each bucket, and waits until all of that is written; returns how long all rounds took meanwhile.
    async fn round(&self) -> Result<Load> {
        let put = |(keys, bucket): &(S3Keys, BucketName)| {
            let (store, keys, bucket) = (Arc::clone(&self.store), keys.clone(), bucket.clone());
            async move { store.put_object(&keys, &bucket, "picture.jpg", "x".into()).await }
        };
        let uploads = "SELECT coalesce(sum(successful_operations), 0)::bigint FROM metering.usage_records WHERE category = 'put_obj'";
        let before = self.stage.deployment.sql(uploads).await?.parse::<usize>()?;
        let first = rounds(self.stage.metering()?).await?;
        stream::iter(self.buckets.iter().map(put)).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let (deadline, mut last) = (Instant::now() + ROUND_LIMIT, first);
        loop {
            let now = rounds(self.stage.metering()?).await?;
            if now.1 > last.1 {
                last = now;
                let written = self.stage.deployment.sql(uploads).await?.parse::<usize>()?;
                if written == before + BUCKETS {
                    return Ok(Load::together(BUCKETS, Duration::from_secs_f64(now.0 - first.0)));
                }
                ensure!(Instant::now() < deadline, "{} of {BUCKETS} uploads were written", written - before);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let (store, buckets, s3uids) = (Arc::clone(&self.store), self.buckets.clone(), self.s3uids.clone());
        let removed = blocking(async move {
            let purge = |(_, bucket): &(S3Keys, BucketName)| {
                let (store, bucket) = (Arc::clone(&store), bucket.clone());
                async move { store.purge_bucket(bucket.as_str()).await.map(drop) }
            };
            stream::iter(buckets.iter().map(purge)).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            for s3uid in s3uids {
                store.delete_user(&s3uid.parse()?).await?;
            }
            anyhow::Ok(())
        });
        if let Err(error) = removed {
            eprintln!("buckets of the users {} are left on the store: {error:#}", self.s3uids.join(", "));
        }
    }
}

struct Round {
    home: Arc<Home>,
}

#[async_trait]
impl Variant for Round {
    fn name(&self) -> &'static str {
        "purser, an upload in each"
    }

    async fn run(&self, _in_flight: usize, _duration: Duration) -> Result<Sample> {
        self.home.stage.processes().watch(self.home.round()).await
    }
}
