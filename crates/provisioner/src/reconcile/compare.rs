//! Reading both sides: database and store, twice where they don't agree.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use futures_util::future::ready;
use futures_util::{StreamExt, TryStreamExt, stream};
use history::Failure;
use messages::DriftDetected;
use model::{Location, S3Uid};
use object_store::{ObjectStore, StoreError};
use secrecy::ExposeSecret;

use crate::Provisioner;
use crate::domain::account::Account;
use crate::domain::drift::{Known, Shown, ShownUser, extra_user};
use crate::store;
use crate::store::reconcile::Look;

/// As many as the store lists at once.
const PAGE: u32 = 1_000;
const USERS_AT_ONCE: usize = 4;

/// Why something can't be compared.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The database doesn't answer: nothing can be compared.
    Database(Failure),
    /// The store doesn't, or doesn't let Purser in: nothing in this location can be.
    Location(String),
    /// It is this account's own.
    Account(String),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Database(failure)
    }
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        if error.is_retryable() { Self::Location(error.to_string()) } else { Self::Account(error.to_string()) }
    }
}

/// What a comparison of one account came to.
pub(super) enum Compared {
    /// There is no active account of this name.
    NotActive,
    /// It is changing.
    Skipped,
    /// Both sides were read; this is where they didn't agree, twice.
    Done(Vec<DriftDetected>),
}

/// Compares database and stores, and changes nothing.
pub(super) struct Comparer<'a> {
    pub(super) provisioner: &'a Provisioner,
    /// For how long what is compared must have been left alone; `None`: not at all.
    pub(super) settled_for: Option<TimeDelta>,
}

impl Comparer<'_> {
    /// The store of a location that answers.
    pub(super) async fn store(&self, location: &Location) -> Result<&dyn ObjectStore, Trouble> {
        let store = self.provisioner.locations.get(location)?.store.as_ref();
        store.health().await?;
        Ok(store)
    }

    /// Compares one account of a location.
    pub(super) async fn account(&self, store: &dyn ObjectStore, s3uid: &S3Uid) -> Result<Compared, Trouble> {
        let first = match self.once(store, s3uid).await? {
            Compared::Done(found) if !found.is_empty() => found,
            compared => return Ok(compared),
        };
        Ok(match self.once(store, s3uid).await? {
            Compared::Done(mut found) => {
                found.retain(|drift| first.iter().any(|seen| is_same(seen, drift)));
                Compared::Done(found)
            }
            compared => compared,
        })
    }

    async fn once(&self, store: &dyn ObjectStore, s3uid: &S3Uid) -> Result<Compared, Trouble> {
        let settled_since = self.settled_for.map(|period| self.provisioner.clock.now() - period);
        let looked = {
            let mut connection = self.provisioner.pool.acquire().await?;
            store::reconcile::look(&mut connection, s3uid, settled_since, self.provisioner.clock.now()).await?
        };
        let (account, buckets) = match looked {
            Look::NotActive => return Ok(Compared::NotActive),
            Look::Changing => return Ok(Compared::Skipped),
            Look::Active(account, buckets) => (account, buckets),
        };
        let known = self.provisioner.known(account, buckets);
        let mut shown = self.provisioner.shown(store, &known).await?;
        if let Some(since) = settled_since {
            // Metering is about to tell of the customer's newest buckets.
            for name in shown.buckets.difference(&known.buckets).cloned().collect::<Vec<_>>() {
                if store.bucket(&name).await?.is_none_or(|bucket| bucket.created_at > since) {
                    shown.buckets.remove(&name);
                }
            }
        }
        Ok(Compared::Done(known.differences(&shown)))
    }

    /// The location's users that look like accounts and are none.
    pub(super) async fn extra_users(
        &self,
        store: &dyn ObjectStore,
        location: &Location,
    ) -> Result<Vec<DriftDetected>, Trouble> {
        let (mut found, mut continuation) = (Vec::new(), None);
        loop {
            let page = store.users(continuation.as_deref(), PAGE).await?;
            // Others, the administrator among them, are somebody else's.
            let users: Vec<S3Uid> = page.names.iter().filter_map(|name| name.parse().ok()).collect();
            found.extend(self.extra_among(store, location, &users).await?);
            continuation = page.next;
            if continuation.is_none() {
                return Ok(found);
            }
        }
    }

    /// Those of these users that exist and are no accounts.
    pub(super) async fn extra_among(
        &self,
        store: &dyn ObjectStore,
        location: &Location,
        users: &[S3Uid],
    ) -> Result<Vec<DriftDetected>, Trouble> {
        let pool = &self.provisioner.pool;
        let names: Vec<String> = users.iter().map(S3Uid::to_string).collect();
        let without_account = store::reconcile::without_account(pool, &names).await?;
        let suspects: Vec<String> = stream::iter(without_account)
            .map(|(name, _)| async move {
                let Ok(s3uid) = name.parse::<S3Uid>() else { return Ok(None) };
                Ok::<_, Trouble>(store.user(&s3uid).await?.map(|_| name))
            })
            .buffer_unordered(USERS_AT_ONCE)
            .try_filter_map(|name| ready(Ok(name)))
            .try_collect()
            .await?;
        if suspects.is_empty() {
            return Ok(Vec::new());
        }
        // Only now is it certain that the user was there while the account wasn't.
        let extra = store::reconcile::without_account(pool, &suspects).await?;
        let drift = |(name, state): (String, Option<String>)| {
            let s3uid = name.parse().ok()?;
            Some(extra_user(location, &s3uid, state.as_deref()))
        };
        Ok(extra.into_iter().filter_map(drift).collect())
    }
}

impl Provisioner {
    /// The database's side of an account.
    pub(super) fn known(&self, account: Account, buckets: Vec<String>) -> Known {
        let topic = self.watch(&account.location).map(|watch| watch.topic.name.clone());
        Known { account, buckets: buckets.into_iter().collect(), topic }
    }

    /// The store's side of an account.
    pub(super) async fn shown(&self, store: &dyn ObjectStore, known: &Known) -> Result<Shown, Trouble> {
        let s3uid = &known.account.s3uid;
        let keys = self.keys(&known.account).map_err(|failure| Trouble::Account(failure.to_string()))?;
        let user = match (store.user(s3uid).await?, store.keys(s3uid).await?) {
            (Some(user), Some(pairs)) => Some(ShownUser {
                keys: pairs
                    .into_iter()
                    .map(|pair| {
                        let is_ours = keys.same_as(&pair.access_key, pair.secret_key.expose_secret());
                        (pair.access_key, is_ours)
                    })
                    .collect(),
                access: user.access,
                quota: user.quota,
            }),
            _ => None,
        };
        let buckets: BTreeSet<String> =
            store.bucket_usages(s3uid).await?.into_iter().map(|bucket| bucket.name).collect();
        let mut owners = BTreeMap::new();
        for name in known.buckets.difference(&buckets) {
            if let Some(bucket) = store.bucket(name).await? {
                owners.insert(name.clone(), bucket.owner);
            }
        }
        let mut topics = BTreeMap::new();
        if known.topic.is_some() && user.as_ref().is_some_and(|user| known.may_ask(user)) {
            for name in known.buckets.intersection(&buckets) {
                let topic = match store.notified_topic(&keys, name).await {
                    Ok(topic) => Ok(topic),
                    Err(StoreError::NotFound(_)) => continue,
                    Err(error) if error.is_retryable() => return Err(error.into()),
                    Err(error) => Err(error.to_string()),
                };
                topics.insert(name.clone(), topic);
            }
        }
        Ok(Shown { user, buckets, owners, topics })
    }
}

/// Whether both are about the same, whatever was seen.
pub(super) fn is_same(one: &DriftDetected, other: &DriftDetected) -> bool {
    one.kind == other.kind && one.subject == other.subject && one.location == other.location
}
