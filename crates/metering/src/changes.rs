//! Buckets that RGW says have changed: gathered for a moment, each read once, acknowledged when it is written.
//!
//! A notification is a hint, never the truth: where its bucket can't be read, its account is marked for the sweep.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::Handler;
use futures_util::future::{BoxFuture, join_all};
use futures_util::{FutureExt, StreamExt, stream};
use history::Failure;
use messages::{Delivery, Outcome, ParkReason, RetryKind};
use model::{Location, S3Uid};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::domain::notification::{ChangedBucket, changed_buckets};
use crate::{Metering, observe, sampling, store};

/// How many notifications are held until their buckets are written.
pub(crate) const PREFETCH: u16 = 2_000;
/// How many buckets of a location are read side by side.
const READ_AT_ONCE: usize = 8;
/// How long a changed bucket waits for its turn; then it is left to the sweep.
const PATIENCE: Duration = Duration::from_secs(15);
/// An account with more changed buckets is read whole: that is one call.
const BUCKETS_MAX: usize = 10;

/// The changes that wait to be read.
#[derive(Debug)]
pub(crate) struct Changes {
    /// `None` once nobody reads them any more.
    waiting: Mutex<Option<HashMap<ChangedBucket, Waiters>>>,
    added: Notify,
}

impl Default for Changes {
    fn default() -> Self {
        Self { waiting: Mutex::new(Some(HashMap::new())), added: Notify::new() }
    }
}

/// Who waits for a bucket. Those who are dropped without an answer have their notification delivered again.
#[derive(Debug, Default)]
struct Waiters(Vec<oneshot::Sender<()>>);

impl Waiters {
    fn answer(self) {
        for waiter in self.0 {
            // A receiver that is gone belongs to a connection that is gone: the broker delivers again.
            let _ = waiter.send(());
        }
    }
}

impl Changes {
    /// What the queue is fed to.
    pub(crate) fn handler(self: &Arc<Self>) -> Handler {
        let changes = Arc::clone(self);
        Arc::new(move |delivery| changes.take(&delivery))
    }

    /// Adds a notification's buckets; it is done when they have been read.
    fn take(&self, delivery: &Delivery) -> BoxFuture<'static, Outcome> {
        let buckets = match changed_buckets(&delivery.body) {
            Ok(buckets) => buckets,
            Err(error) => {
                let detail = format!("this is no bucket notification of RGW: {error}");
                let outcome = Outcome::Park { reason: ParkReason::Undecodable, detail, reply: None };
                return std::future::ready(outcome).boxed();
            }
        };
        observe::notified();
        let receivers: Vec<_> = buckets.into_iter().map(|bucket| self.add(bucket)).collect();
        self.added.notify_one();
        async move {
            if join_all(receivers).await.into_iter().all(|answer| answer.is_ok()) {
                Outcome::Done(None)
            } else {
                Outcome::Retry { kind: RetryKind::Failed, error: "the changed bucket could not be read".to_owned() }
            }
        }
        .boxed()
    }

    fn add(&self, bucket: ChangedBucket) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = waiting.as_mut() {
            waiting.entry(bucket).or_default().0.push(sender);
        }
        receiver
    }

    fn gathered(&self) -> HashMap<ChangedBucket, Waiters> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.replace(HashMap::new()).unwrap_or_default()
    }

    fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Reads what has changed until shutdown; what comes within `delay` is read once.
pub(crate) async fn run(metering: Arc<Metering>, changes: Arc<Changes>, delay: Duration, soft: CancellationToken) {
    let places: HashMap<Location, Arc<Semaphore>> = metering
        .locations
        .iter()
        .map(|(location, _)| (location.clone(), Arc::new(Semaphore::new(READ_AT_ONCE))))
        .collect();
    while !soft.is_cancelled() {
        tokio::select! {
            () = soft.cancelled() => break,
            () = changes.added.notified() => {}
        }
        sleep(delay).await;
        match by_location(&metering, changes.gathered()).await {
            Ok(locations) => {
                for (location, accounts) in locations {
                    let Some(places) = places.get(&location).map(Arc::clone) else { continue };
                    // In a task of its own: a location that answers slowly must not hold up the others.
                    tokio::spawn(read_location(Arc::clone(&metering), location, accounts, places));
                }
            }
            Err(error) => tracing::warn!(%error, "changed buckets can't be looked up; they are announced again"),
        }
    }
    changes.close();
}

/// Of one account: its changed buckets, with those who wait for them.
struct Account {
    s3uid: S3Uid,
    buckets: Vec<(String, Waiters)>,
}

/// Changes by location and account. Those of nobody's are done with.
async fn by_location(
    metering: &Metering,
    gathered: HashMap<ChangedBucket, Waiters>,
) -> Result<HashMap<Location, Vec<Account>>, Failure> {
    let mut accounts: HashMap<S3Uid, Vec<(String, Waiters)>> = HashMap::new();
    for (bucket, waiters) in gathered {
        accounts.entry(bucket.s3uid).or_default().push((bucket.name, waiters));
    }
    let s3uids: Vec<String> = accounts.keys().map(ToString::to_string).collect();
    let places = store::accounts::locations(&metering.pool, &s3uids).await?;
    let mut locations: HashMap<Location, Vec<Account>> = HashMap::new();
    for (s3uid, buckets) in accounts {
        let account = Account { s3uid, buckets };
        match places.get(account.s3uid.as_str()) {
            Some(location) => locations.entry(location.clone()).or_default().push(account),
            None => account.answer(),
        }
    }
    Ok(locations)
}

impl Account {
    fn answer(self) {
        self.buckets.into_iter().for_each(|(_, waiters)| waiters.answer());
    }
}

async fn read_location(metering: Arc<Metering>, location: Location, accounts: Vec<Account>, places: Arc<Semaphore>) {
    stream::iter(accounts)
        .for_each_concurrent(READ_AT_ONCE, |account| {
            let (metering, location, places) = (&metering, &location, &places);
            async move {
                if let Err(error) = read_in_time(metering, location, &account, places).await {
                    tracing::warn!(s3uid = %account.s3uid, %error, "changed buckets can't be read; the sweep will");
                    observe::unread(location);
                    let stale = [account.s3uid.to_string()];
                    if let Err(error) = store::samples::mark_stale(&metering.pool, &stale, metering.clock.now()).await {
                        tracing::warn!(s3uid = %account.s3uid, %error, "an account can't be marked for the sweep");
                        return;
                    }
                }
                account.answer();
            }
        })
        .await;
}

/// Waits for its turn, but not for long: the notifications of a location that is slow must not fill the queue for others.
async fn read_in_time(
    metering: &Metering,
    location: &Location,
    account: &Account,
    places: &Semaphore,
) -> Result<(), Failure> {
    let busy = |_| Failure::Busy(format!("location {location} is slow"));
    let _place = timeout(PATIENCE, places.acquire()).await.map_err(busy)?;
    read_account(metering, location, account).await
}

async fn read_account(metering: &Metering, location: &Location, account: &Account) -> Result<(), Failure> {
    if account.buckets.len() > BUCKETS_MAX {
        return sampling::sample(metering, &account.s3uid, location, None).await;
    }
    for (bucket, _) in &account.buckets {
        sampling::sample(metering, &account.s3uid, location, Some(bucket)).await?;
    }
    Ok(())
}
