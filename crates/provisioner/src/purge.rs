//! Purges: accounts are emptied page by page and deleted, in the background, by whichever process has the lease.
//!
//! Every step is safe to repeat, so a crash costs nothing but the page at hand: the next attempt lists what is left.
//!
//! First the customer is locked out. Then the purge waits, held by nobody, until metering has read what they used before
//! that; only then the first object goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::try_join_all;
use history::{Failure, Record};
use messages::{AccountDeleted, EventData, Subject};
use model::{BucketName, Timestamp};
use object_store::{Access, ObjectStore, S3Keys, StoreError};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Provisioner;
use crate::domain::account::Account;
use crate::store;
use crate::store::purges::Claim;

const INTERVAL: Duration = Duration::from_millis(500);
/// How many accounts one process purges side by side.
const PURGES_AT_ONCE: usize = 4;
/// Longer than one page takes.
const LEASE: TimeDelta = TimeDelta::minutes(1);
/// As many as the store lists at once; they are deleted by four requests side by side.
const PAGE_MAX: u32 = 1_000;
const DELETE_CHUNK: usize = 250;
/// A bucket that its customer made at the last moment is found in the next round.
const ROUNDS_MAX: usize = 5;
/// After so many pages the next account has its turn.
const PAGES_MAX: usize = 20;
const BACKOFF_SECONDS_MAX: i64 = 600;
/// After so long, an account goes though its last usage wasn't read: RGW's log has it still, and metering can come to it.
const USAGE_WAIT_MAX: TimeDelta = TimeDelta::days(3);
/// A wait as long as this has a reason that somebody should see to; how often they are told.
const USAGE_WAIT_LONG: TimeDelta = TimeDelta::minutes(10);
const TELL_INTERVAL: Duration = Duration::from_mins(5);

/// Purges until shutdown.
pub(crate) async fn run(provisioner: Arc<Provisioner>, soft: CancellationToken) {
    let (places, tasks) = (Arc::new(Semaphore::new(PURGES_AT_ONCE)), TaskTracker::new());
    let mut told_at = Instant::now();
    while timeout(INTERVAL, soft.cancelled()).await.is_err() {
        if told_at.elapsed() >= TELL_INTERVAL {
            told_at = Instant::now();
            tell_of_waiting(&provisioner).await;
        }
        while let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            let now = provisioner.clock.now();
            let claim = match store::purges::claim(&provisioner.pool, now, now + LEASE, now - USAGE_WAIT_MAX).await {
                Ok(Some(claim)) => claim,
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "purges can't be read");
                    break;
                }
            };
            let (provisioner, soft) = (Arc::clone(&provisioner), soft.clone());
            tasks.spawn(async move {
                attempt(&provisioner, &claim, &soft).await;
                drop(place);
            });
        }
    }
    tasks.close();
    tasks.wait().await;
}

/// Says why accounts aren't deleted though nothing fails.
async fn tell_of_waiting(provisioner: &Provisioner) {
    match store::purges::waiting(&provisioner.pool, provisioner.clock.now() - USAGE_WAIT_LONG).await {
        Ok(waiting) => {
            for (location, accounts) in waiting {
                let hours = USAGE_WAIT_MAX.num_hours();
                tracing::warn!(
                    location,
                    accounts,
                    "accounts are not deleted before metering has read their last usage; does it run, and does it read the \
                     usage log of this location? After {hours} hours they go all the same"
                );
            }
        }
        Err(error) => tracing::warn!(%error, "purges can't be read"),
    }
}

/// Why an attempt ends before the account is gone.
enum Interrupted {
    /// The process ends, or others have waited long enough: to be gone on with at once.
    Yielded,
    /// The customer is locked out; what they used is to be read next.
    LockedOut,
    /// Another attempt has the lease.
    Overtaken,
    /// The store won't do it for the account's owner.
    Refused(String),
    Failed(Failure),
}

impl From<Failure> for Interrupted {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StoreError> for Interrupted {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused { .. } => Self::Refused(error.to_string()),
            error => Self::Failed(Failure::Unavailable(error.to_string())),
        }
    }
}

async fn attempt(provisioner: &Provisioner, claim: &Claim, soft: &CancellationToken) {
    let purge = Purge { provisioner, claim, soft, pages: AtomicUsize::new(0) };
    let interrupted = match purge.account().await {
        Ok(()) => return,
        Err(interrupted) => interrupted,
    };
    let now = provisioner.clock.now();
    let (not_before, error) = match interrupted {
        Interrupted::LockedOut | Interrupted::Overtaken => return,
        Interrupted::Yielded => (now, None),
        Interrupted::Refused(reason) => failed(claim, now, reason),
        Interrupted::Failed(failure) => failed(claim, now, failure.to_string()),
    };
    if let Err(error) = store::purges::release(&provisioner.pool, claim, not_before, error.as_deref()).await {
        tracing::warn!(s3uid = %claim.s3uid, %error, "a purge keeps its lease until that ends");
    }
}

/// When a failed attempt is followed by another, and why it failed.
fn failed(claim: &Claim, now: Timestamp, error: String) -> (Timestamp, Option<String>) {
    let wait = BACKOFF_SECONDS_MAX.min(1 << claim.failures.clamp(0, 16));
    tracing::warn!(s3uid = %claim.s3uid, attempts = claim.attempt, error, wait_seconds = wait, "a purge goes on later");
    (now + TimeDelta::seconds(wait), Some(error))
}

struct Purge<'a> {
    provisioner: &'a Provisioner,
    claim: &'a Claim,
    soft: &'a CancellationToken,
    /// How many pages this attempt has deleted.
    pages: AtomicUsize,
}

impl Purge<'_> {
    async fn account(&self) -> Result<(), Interrupted> {
        let account = store::accounts::deleting(&self.provisioner.pool, &self.claim.s3uid).await?;
        let Some(account) = account else {
            return Err(Failure::Unavailable(format!("account {} is not being deleted", self.claim.s3uid)).into());
        };
        let store = self.provisioner.location(&account)?.store.as_ref();
        let keys = self.provisioner.keys(&account)?;
        if !self.claim.is_locked_out {
            return Err(self.lock_out(store, &keys, &account).await?);
        }
        match store.replace_keys(&account.s3uid, &keys).await {
            Ok(()) => self.empty(store, &keys, &account).await?,
            // An earlier attempt came as far as this.
            Err(StoreError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.conclude(&account).await
    }

    /// Takes the account's keys from the customer, and its objects from everybody else who may read them.
    async fn lock_out(
        &self,
        store: &dyn ObjectStore,
        keys: &S3Keys,
        account: &Account,
    ) -> Result<Interrupted, Interrupted> {
        match store.replace_keys(&account.s3uid, keys).await {
            Ok(()) => store.set_access(&account.s3uid, Access::Suspended).await?,
            // Whoever isn't there uses nothing more either.
            Err(StoreError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let now = self.provisioner.clock.now();
        let is_noted = store::purges::set_locked_out(&self.provisioner.pool, self.claim, now).await?;
        Ok(if is_noted { Interrupted::LockedOut } else { Interrupted::Overtaken })
    }

    /// Deletes all buckets with what they hold, then the user.
    async fn empty(&self, store: &dyn ObjectStore, keys: &S3Keys, account: &Account) -> Result<(), Interrupted> {
        store.set_access(&account.s3uid, Access::Full).await?;
        for round in 0..ROUNDS_MAX {
            let buckets = store.bucket_usages(&account.s3uid).await?;
            if round == 0 && !self.claim.is_counted {
                let objects: u64 = buckets.iter().map(|bucket| bucket.objects).sum();
                let objects = i64::try_from(objects).unwrap_or(i64::MAX);
                store::purges::set_total(&self.provisioner.pool, self.claim, objects).await?;
            }
            for bucket in buckets {
                // Written down before it goes: the proof must not miss it.
                self.progress(0, Some(&bucket.name)).await?;
                self.bucket(store, keys, &bucket.name).await?;
            }
            match store.delete_user(&account.s3uid).await {
                Err(StoreError::Refused { .. }) => {}
                deleted => return Ok(deleted?),
            }
        }
        Err(Failure::Unavailable("the account gets new buckets all the time".to_owned()).into())
    }

    /// Deletes a bucket with what it holds: page by page, as its owner; by the administrator's slower way where its name
    /// or its policy is in the way of that.
    async fn bucket(&self, store: &dyn ObjectStore, keys: &S3Keys, name: &str) -> Result<(), Interrupted> {
        if let Ok(bucket) = name.parse() {
            match self.emptied(store, keys, &bucket).await {
                Err(Interrupted::Refused(reason)) => {
                    tracing::warn!(s3uid = %self.claim.s3uid, bucket_name = name, reason, "a bucket is purged as the administrator");
                }
                ended => return ended,
            }
        }
        // Whoever was overtaken may find a bucket of this name that is another customer's by now.
        self.progress(0, None).await?;
        match store.bucket(name).await? {
            Some(bucket) if bucket.owner == self.claim.s3uid.as_str() => {
                Ok(store.purge_bucket(name).await.map(drop)?)
            }
            _ => Ok(()),
        }
    }

    async fn emptied(&self, store: &dyn ObjectStore, keys: &S3Keys, bucket: &BucketName) -> Result<(), Interrupted> {
        let mut continuation = None;
        loop {
            if self.soft.is_cancelled() || self.pages.load(Ordering::Relaxed) >= PAGES_MAX {
                return Err(Interrupted::Yielded);
            }
            let page = match store.list_object_versions(keys, bucket, continuation.as_deref(), PAGE_MAX).await {
                Err(StoreError::NotFound(_)) => return Ok(()),
                page => page?,
            };
            if page.versions.is_empty() {
                continuation = page.next;
                if continuation.is_none() {
                    break;
                }
                continue;
            }
            let chunks = page.versions.chunks(DELETE_CHUNK);
            try_join_all(chunks.map(|chunk| store.delete_objects(keys, bucket, chunk))).await?;
            self.pages.fetch_add(1, Ordering::Relaxed);
            self.progress(page.versions.len(), None).await?;
            // Listed from the start again: what was there is gone.
            continuation = None;
        }
        store.delete_bucket(keys, bucket).await?;
        Ok(())
    }

    async fn progress(&self, objects: usize, bucket: Option<&str>) -> Result<(), Interrupted> {
        let lease_until: Timestamp = self.provisioner.clock.now() + LEASE;
        let objects = i64::try_from(objects).unwrap_or(i64::MAX);
        if store::purges::progress(&self.provisioner.pool, self.claim, objects, bucket, lease_until).await? {
            Ok(())
        } else {
            Err(Interrupted::Overtaken)
        }
    }

    /// Writes down that everything is gone, with the proof in the history.
    async fn conclude(&self, account: &Account) -> Result<(), Interrupted> {
        let mut step = self.provisioner.journal.step().await?;
        let now = step.now();
        let Some(purged) = store::purges::finish(step.connection(), self.claim, now).await? else {
            return Err(Interrupted::Overtaken);
        };
        store::accounts::conclude_deletion(step.connection(), &account.s3uid, now).await?;
        store::buckets::delete_of_account(step.connection(), &account.s3uid).await?;
        let buckets = purged.buckets_deleted;
        step.record(Record {
            event: AccountDeleted::EVENT,
            subject: Subject::Account(account.s3uid.clone()),
            customer_id: Some(account.customer_id),
            actor: "provisioner",
            description: format!(
                "S3 account deleted with {} buckets and {} objects",
                buckets.len(),
                purged.objects_deleted
            ),
            data: &AccountDeleted {
                s3uid: account.s3uid.clone(),
                customer_id: account.customer_id,
                buckets,
                objects_deleted: u64::try_from(purged.objects_deleted).unwrap_or_default(),
            },
            traceparent: None,
        })
        .await?;
        Ok(step.commit().await?)
    }
}
