//! `get_files` on the real store.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use model::BucketName;
use object_store::ceph::{CephConfig, CephStore};
use object_store::{ListObjects, ObjectStore, S3Keys};
use serde_json::json;
use test_support::deployment::blocking;
use url::Url;

use crate::load::{Turn, closed_loop};
use crate::measure::{Comparison, Effort, Figure, Group, Measure, Sample, Setting, Variant, figure};
use crate::processor_time::Processes;
use crate::stage::{Account, Stage};

const ACTION: &str = "get_files";
const FIGURES: &[Figure] = &[
    figure("p50_ms", "p50 ms", 2),
    figure("p99_ms", "p99 ms", 2),
    figure("operations_per_second", "per second", 1),
    figure("cpu_client", "CPU client", 3),
    figure("cpu_broker", "broker", 3),
    figure("cpu_postgresql", "PostgreSQL", 3),
    figure("cpu_server", "server", 3),
];
/// As many as a page of Purser's has; one more is asked for, which tells whether there is another page.
const PAGE: usize = 100;
/// More than a page.
const FOLDER: usize = 200;
/// One in so many has a name that is searched for.
const RARE: usize = 200;
const SEARCHED: &str = "invoice";
const PUTS_AT_ONCE: usize = 32;
const IN_FLIGHT: usize = 8;
/// A call that empties a large bucket has twelve times as long.
const CALL_LIMIT: Duration = Duration::from_mins(1);

pub(super) struct GetFiles;

#[async_trait]
impl Measure for GetFiles {
    fn name(&self) -> &'static str {
        "get_files"
    }

    fn about(&self) -> &'static str {
        "The first page (100 files) of a folder, each time of another one, and a search through a whole bucket, which ends \
         when there is no further page; over AMQP, on the real radosgw. Floor: the same calls of S3 with the same client, \
         made by the benchmark itself. × floor is of the latency: wanted is at most 1.10 for a page. The store's own \
         processor time isn't shown."
    }

    fn figures(&self) -> &'static [Figure] {
        FIGURES
    }

    async fn prepare(&self, setting: &Setting) -> Result<Vec<Group>> {
        let objects = match setting.effort {
            Effort::Quick => 2_000,
            Effort::Full => 100_000,
        };
        let bucket = Arc::new(Bucket::filled(setting, objects).await?);
        let group = |name: String, in_flight, job| {
            let variant = |way| -> Arc<dyn Variant> { Arc::new(Listing { bucket: Arc::clone(&bucket), job, way }) };
            let variants = vec![variant(Way::Floor), variant(Way::Amqp)];
            Group { name, in_flight, comparison: Comparison::WithFloor, variants }
        };
        Ok(vec![
            group("a page".to_owned(), 1, Job::Page),
            group(format!("a page, {IN_FLIGHT} in flight"), IN_FLIGHT, Job::Page),
            group(format!("a search in {objects} files"), 1, Job::Search),
        ])
    }
}

/// A customer's bucket on the real store; it and its owner are deleted there when this is dropped.
struct Bucket {
    name: BucketName,
    objects: usize,
    account: Account,
    keys: S3Keys,
    store: Arc<CephStore>,
    stage: Arc<Stage>,
    processes: Processes,
}

impl Bucket {
    async fn filled(setting: &Setting, objects: usize) -> Result<Self> {
        let stage = Stage::start_on_ceph(setting, &[]).await?;
        let account = stage.order_accounts(1).await?.pop().context("an account was ordered")?;
        let about = stage.query(account.customer, "get_buckets_rmq", json!({ "s3uid": account.s3uid })).await?;
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned).context("a text in the reply");
        let url = Url::parse(&setting.services.rgw_url).context("the store's address is not a URL")?;
        let config = CephConfig {
            admin_url: url.clone(),
            s3_url: url,
            admin_access_key: setting.services.rgw_access_key.clone(),
            admin_secret_key: setting.services.rgw_secret_key.clone().into(),
            request_timeout: CALL_LIMIT,
        };
        let bucket = Self {
            name: text(&about["message"][0]["name"])?.parse()?,
            objects,
            keys: S3Keys { access_key: text(&about["access_key"])?, secret_key: text(&about["secret_key"])?.into() },
            account,
            store: Arc::new(CephStore::new(config)?),
            stage,
            processes: setting.machine.processes(),
        };
        eprintln!("== get_files: storing {objects} files");
        let put = |number: usize| {
            let (bucket, key) = (&bucket, key(number));
            async move { bucket.store.put_object(&bucket.keys, &bucket.name, &key, "x".into()).await }
        };
        stream::iter((0..objects).map(put)).buffer_unordered(PUTS_AT_ONCE).try_collect::<()>().await?;
        Ok(bucket)
    }

    fn prefix(&self, turn: Turn) -> String {
        folder(turn.pick(self.objects / FOLDER))
    }

    /// A page as S3 gives it.
    async fn list_page(&self, prefix: String) -> Result<()> {
        let max_keys = u32::try_from(PAGE + 1)?;
        let list = ListObjects { prefix, max_keys, ..ListObjects::all(self.name.clone()) };
        let page = self.store.list_objects(&self.keys, &list).await?;
        ensure!(page.objects.len() == PAGE + 1, "S3 listed {} files", page.objects.len());
        Ok(())
    }

    /// A page as Purser gives it.
    async fn ask_for_page(&self, prefix: String) -> Result<()> {
        let parameters = json!({ "s3uid": self.account.s3uid, "bucket_name": self.name, "prefix": prefix });
        let reply = self.stage.query(self.account.customer, ACTION, parameters).await?;
        let files = reply["files"]["items"].as_array().map_or(0, Vec::len);
        ensure!(files == PAGE, "Purser listed {files} files");
        Ok(())
    }

    /// What is searched for, from all pages of the bucket.
    async fn list_and_search(&self) -> Result<()> {
        let mut list = ListObjects::all(self.name.clone());
        let mut found = 0;
        loop {
            let page = self.store.list_objects(&self.keys, &list).await?;
            found += page.objects.iter().filter(|object| object.key.contains(SEARCHED)).count();
            if page.next.is_none() {
                break;
            }
            list.continuation = page.next;
        }
        self.check_found(found)
    }

    async fn ask_for_search(&self) -> Result<()> {
        let mut parameters = json!({ "s3uid": self.account.s3uid, "bucket_name": self.name, "search": SEARCHED });
        let mut found = 0;
        loop {
            let mut reply = self.stage.query(self.account.customer, ACTION, parameters.clone()).await?;
            found += reply["files"]["items"].as_array().map_or(0, Vec::len);
            let next = reply["next_token"].take();
            if next.is_null() {
                break;
            }
            parameters["continuation_token"] = next;
        }
        self.check_found(found)
    }

    fn check_found(&self, found: usize) -> Result<()> {
        ensure!(found == self.objects / RARE, "{found} files were found");
        Ok(())
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let (store, name, s3uid) = (Arc::clone(&self.store), self.name.clone(), self.account.s3uid.clone());
        let removed = blocking(async move {
            store.purge_bucket(name.as_str()).await?;
            Ok(store.delete_user(&s3uid.parse()?).await?)
        });
        if let Err(error) = removed {
            eprintln!("the bucket {} of user {} is left on the store: {error:#}", self.name, self.account.s3uid);
        }
    }
}

fn folder(number: usize) -> String {
    format!("2026/{number:04}/")
}

fn key(number: usize) -> String {
    let kind = if number.is_multiple_of(RARE) { SEARCHED } else { "picture" };
    format!("{}{kind}-{number:06}.dat", folder(number / FOLDER))
}

#[derive(Clone, Copy)]
enum Job {
    Page,
    Search,
}

#[derive(Clone, Copy)]
enum Way {
    Floor,
    Amqp,
}

struct Listing {
    bucket: Arc<Bucket>,
    job: Job,
    way: Way,
}

#[async_trait]
impl Variant for Listing {
    fn name(&self) -> &'static str {
        match self.way {
            Way::Floor => "floor",
            Way::Amqp => "purser over AMQP",
        }
    }

    async fn run(&self, in_flight: usize, duration: Duration) -> Result<Sample> {
        let processes = match self.way {
            Way::Floor => self.bucket.processes.clone(),
            Way::Amqp => self.bucket.stage.processes(),
        };
        let (bucket, job, way) = (Arc::clone(&self.bucket), self.job, self.way);
        let load = closed_loop(in_flight, duration, move |turn: Turn| {
            let bucket = Arc::clone(&bucket);
            async move {
                match (job, way) {
                    (Job::Page, Way::Floor) => bucket.list_page(bucket.prefix(turn)).await,
                    (Job::Page, Way::Amqp) => bucket.ask_for_page(bucket.prefix(turn)).await,
                    (Job::Search, Way::Floor) => bucket.list_and_search().await,
                    (Job::Search, Way::Amqp) => bucket.ask_for_search().await,
                }
            }
        });
        processes.watch(load).await
    }
}
