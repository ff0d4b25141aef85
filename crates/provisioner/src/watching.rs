//! Watched buckets: each location's store is told to send its buckets' changes to a topic, bucket by bucket, by whichever
//! process has claimed them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::{StreamExt, stream};
use history::{Failure, Record, Step};
use messages::{BucketWatched, EventData, Subject};
use model::{BucketName, Location};
use object_store::{ObjectStore, S3Keys, StoreError, Topic};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::Provisioner;
use crate::domain::account::Account;
use crate::store;
use crate::store::watching::Unwatched;

/// The topic is put again: somebody may have removed it.
const PUT_INTERVAL: Duration = Duration::from_mins(10);
/// After work or a wake-up; what wakes isn't committed yet. Doubles while there is nothing to do, or while nothing works.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const IDLE_MAX: Duration = Duration::from_secs(5);
const TROUBLE_MAX: Duration = Duration::from_mins(1);
const BATCH: i64 = 32;
const BUCKETS_AT_ONCE: usize = 4;
/// Longer than a batch takes.
const CLAIM: TimeDelta = TimeDelta::minutes(3);

/// Where a location's store sends changes, and what wakes the task that sees to it.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) topic: Topic,
    /// The topic's name with a fingerprint of all else in it: RGW keeps a copy of the topic in each bucket, so a bucket
    /// with another mark is set up again.
    pub(crate) mark: String,
    /// This process has made the topic as it is configured.
    is_made: AtomicBool,
    woken: Notify,
}

impl Watch {
    pub(crate) fn new(topic: Topic) -> Self {
        let Topic { name, push_endpoint, exchange, ack_level, persistent } = &topic;
        let all_else = format!("{} {exchange} {} {persistent}", push_endpoint.expose_secret(), ack_level.as_str());
        let mark = format!("{name}#{}", hex::encode(&Sha256::digest(all_else)[..8]));
        Self { topic, mark, is_made: AtomicBool::new(false), woken: Notify::new() }
    }
}

impl Provisioner {
    /// How the location's store tells of changed buckets; `None` where it doesn't.
    pub(crate) fn watch(&self, location: &Location) -> Option<&Watch> {
        self.places.get(location)?.as_ref()
    }

    /// Has the location's buckets looked through soon.
    pub(crate) fn wake_watching(&self, location: &Location) {
        if let Some(watch) = self.watch(location) {
            watch.woken.notify_one();
        }
    }

    /// Watches a bucket that was made just now; returns the topic's mark. `None`: there is none, or it must be done later.
    pub(crate) async fn watch_new(&self, account: &Account, keys: &S3Keys, bucket: &BucketName) -> Option<String> {
        let watch = self.watch(&account.location)?;
        if !watch.is_made.load(Ordering::Relaxed) {
            return None;
        }
        let topic = &watch.topic;
        let store = &self.locations.get(&account.location).ok()?.store;
        match notify(store.as_ref(), keys, bucket.as_str(), topic).await {
            Ok(()) => Some(watch.mark.clone()),
            Err(error) => {
                tracing::warn!(s3uid = %account.s3uid, bucket_name = %bucket, %error, "a new bucket is watched later");
                None
            }
        }
    }
}

/// Has a bucket's changes sent to the topic, which is put where it is missing.
async fn notify(store: &dyn ObjectStore, keys: &S3Keys, bucket: &str, topic: &Topic) -> Result<(), StoreError> {
    match store.notify(keys, bucket, &topic.name).await {
        Err(StoreError::NotFound(_)) => {
            store.put_topic(topic).await?;
            store.notify(keys, bucket, &topic.name).await
        }
        notified => notified,
    }
}

/// Sees to a location's buckets until shutdown.
pub(crate) async fn run(provisioner: Arc<Provisioner>, location: Location, soft: CancellationToken) {
    let Some(watch) = provisioner.watch(&location) else { return };
    let mut watcher = Watcher { provisioner: &provisioner, location: &location, watch, put_at: None };
    let mut pause = PAUSE_MIN;
    while !soft.is_cancelled() {
        pause = match watcher.round().await {
            Ok(true) => PAUSE_MIN,
            Ok(false) => (pause * 2).min(IDLE_MAX),
            Err(failure) => {
                tracing::warn!(%location, error = %failure, "buckets can't be watched for now");
                watcher.put_at = None;
                (pause * 2).min(TROUBLE_MAX)
            }
        };
        tokio::select! {
            () = soft.cancelled() => {}
            () = watch.woken.notified() => pause = PAUSE_MIN,
            () = sleep(pause) => {}
        }
    }
}

struct Watcher<'a> {
    provisioner: &'a Provisioner,
    location: &'a Location,
    watch: &'a Watch,
    /// When the topic was put last; `None` where it may be missing.
    put_at: Option<Instant>,
}

impl Watcher<'_> {
    /// Puts the topic where that is due, and watches some buckets. False: there were none to watch.
    async fn round(&mut self) -> Result<bool, Failure> {
        let place = self.provisioner.locations.get(self.location).map_err(|error| unavailable(&error))?;
        let store = place.store.as_ref();
        if self.put_at.is_none_or(|put_at| put_at.elapsed() >= PUT_INTERVAL) {
            store.put_topic(&self.watch.topic).await.map_err(|error| unavailable(&error))?;
            self.watch.is_made.store(true, Ordering::Relaxed);
            self.put_at = Some(Instant::now());
        }
        let (pool, now) = (&self.provisioner.pool, self.provisioner.clock.now());
        let claimed = store::watching::claim(pool, self.location, &self.watch.mark, now, now + CLAIM, BATCH).await?;
        if claimed.is_empty() {
            return Ok(false);
        }
        let (is_down, is_missing) = (AtomicBool::new(false), AtomicBool::new(false));
        stream::iter(&claimed)
            .for_each_concurrent(BUCKETS_AT_ONCE, |bucket| async {
                match self.bucket(store, bucket).await {
                    Ok(()) => {}
                    Err(Trouble::Bucket) => is_missing.store(true, Ordering::Relaxed),
                    Err(Trouble::Everything) => is_down.store(true, Ordering::Relaxed),
                }
            })
            .await;
        if is_missing.into_inner() {
            // It may have been for want of the topic.
            self.put_at = None;
        }
        if is_down.into_inner() {
            return Err(Failure::Unavailable("the object store or the database doesn't answer".to_owned()));
        }
        Ok(true)
    }

    /// Watches one bucket; one that fails waits and holds up no other.
    async fn bucket(&self, store: &dyn ObjectStore, bucket: &Unwatched) -> Result<(), Trouble> {
        let (pool, now, s3uid) = (&self.provisioner.pool, self.provisioner.clock.now(), &bucket.account.s3uid);
        let watched = match self.provisioner.keys(&bucket.account) {
            Ok(keys) => store.notify(&keys, &bucket.name, &self.watch.topic.name).await,
            Err(failure) => Err(StoreError::Misconfigured(failure.to_string())),
        };
        let noted = match &watched {
            Ok(()) => self.conclude(bucket).await,
            Err(StoreError::Unavailable(_)) => store::watching::give_back(pool, bucket, now).await,
            Err(error) => {
                tracing::warn!(%s3uid, bucket_name = bucket.name, %error, "a bucket is watched later");
                store::watching::postpone(pool, bucket, now).await
            }
        };
        if let Err(failure) = noted {
            tracing::warn!(%s3uid, bucket_name = bucket.name, error = %failure, "a bucket stays claimed for a while");
            return Err(Trouble::Everything);
        }
        match watched {
            Ok(()) => Ok(()),
            Err(StoreError::Unavailable(_)) => Err(Trouble::Everything),
            Err(_) => Err(Trouble::Bucket),
        }
    }

    async fn conclude(&self, bucket: &Unwatched) -> Result<(), Failure> {
        let mut step = self.provisioner.journal.step().await?;
        if store::watching::set_topic(step.connection(), bucket, &self.watch.mark).await? {
            record(&mut step, &bucket.account, &bucket.name, "provisioner").await?;
        }
        step.commit().await
    }
}

/// Why a bucket isn't watched yet.
enum Trouble {
    Bucket,
    /// Others would fare the same.
    Everything,
}

/// Records that a bucket's changes are told from now on, and not which ones were before.
pub(crate) async fn record(step: &mut Step, account: &Account, bucket_name: &str, actor: &str) -> Result<(), Failure> {
    step.record(Record {
        event: BucketWatched::EVENT,
        subject: Subject::Account(account.s3uid.clone()),
        customer_id: Some(account.customer_id),
        actor,
        description: format!("Changes of bucket {bucket_name} are told from now on"),
        data: &BucketWatched { s3uid: account.s3uid.clone(), bucket_name: bucket_name.to_owned() },
        traceparent: None,
    })
    .await
}

fn unavailable(error: &StoreError) -> Failure {
    Failure::Unavailable(error.to_string())
}
