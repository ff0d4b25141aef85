//! Stores to test, and accounts that clean up after themselves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use model::{BucketName, Clock, S3Uid, SystemClock, Timestamp};
use object_store::ceph::{CephConfig, CephStore};
use object_store::memory::MemoryStore;
use object_store::{ListObjects, NewUser, ObjectPage, ObjectStore, ObjectVersion, S3Keys, StoreError, UsageRecord};
use test_support::services::Services;
use tokio::task::JoinSet;

const FLUSH_DEADLINE: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const WRITERS: usize = 8;

pub(crate) type Store = Arc<dyn ObjectStore>;

pub(crate) fn memory() -> Store {
    Arc::new(MemoryStore::new(Arc::new(SystemClock)))
}

pub(crate) fn ceph() -> Store {
    Arc::new(CephStore::new(ceph_config()).unwrap())
}

pub(crate) fn ceph_config() -> CephConfig {
    let services = Services::load().expect("a radosgw to test against");
    CephConfig {
        admin_url: services.rgw_url.parse().unwrap(),
        s3_url: services.rgw_url.parse().unwrap(),
        admin_access_key: services.rgw_access_key,
        admin_secret_key: services.rgw_secret_key.into(),
        request_timeout: Duration::from_secs(20),
    }
}

/// A user of their own for one test.
pub(crate) struct Account {
    pub(crate) store: Store,
    pub(crate) user: NewUser,
}

impl Account {
    pub(crate) async fn create(store: &Store) -> Self {
        let user =
            NewUser { uid: S3Uid::random(), display_name: "Ada".into(), keys: S3Keys::generate(), max_buckets: 5 };
        store.create_user(&user).await.unwrap();
        Self { store: store.clone(), user }
    }

    pub(crate) fn uid(&self) -> &S3Uid {
        &self.user.uid
    }

    pub(crate) fn keys(&self) -> &S3Keys {
        &self.user.keys
    }

    /// A bucket name that no other test has.
    pub(crate) fn bucket_name(&self, prefix: &str) -> BucketName {
        format!("{prefix}-{}", &self.uid().as_str()[..16]).parse().unwrap()
    }

    pub(crate) async fn create_bucket(&self, prefix: &str) -> BucketName {
        let bucket = self.bucket_name(prefix);
        self.store.create_bucket(self.keys(), &bucket).await.unwrap();
        bucket
    }

    pub(crate) async fn put(&self, bucket: &BucketName, key: &str, len: usize) -> Result<(), StoreError> {
        self.store.put_object(self.keys(), bucket, key, Bytes::from(vec![b'x'; len])).await
    }

    /// Deletes the user with everything they own.
    pub(crate) async fn remove(self) {
        for usage in self.store.bucket_usages(self.uid()).await.unwrap() {
            let bucket: BucketName = usage.name.parse().unwrap();
            self.empty(&bucket, 1000).await;
            self.store.delete_bucket(self.keys(), &bucket).await.unwrap();
        }
        self.store.delete_user(self.uid()).await.unwrap();
    }

    /// Deletes all that the bucket holds, the first page again and again; returns how many entries each page had.
    pub(crate) async fn empty(&self, bucket: &BucketName, max_keys: u32) -> Vec<usize> {
        let mut deleted = Vec::new();
        loop {
            let page = self.store.list_object_versions(self.keys(), bucket, None, max_keys).await.unwrap();
            if page.versions.is_empty() {
                return deleted;
            }
            self.store.delete_objects(self.keys(), bucket, &page.versions).await.unwrap();
            deleted.push(page.versions.len());
        }
    }

    /// Writes objects of one byte, several at a time.
    pub(crate) async fn put_all(&self, bucket: &BucketName, keys: &[String]) {
        let mut writers = JoinSet::new();
        for keys in keys.chunks(keys.len().div_ceil(WRITERS).max(1)) {
            let (store, owner, bucket, keys) = (self.store.clone(), self.keys().clone(), bucket.clone(), keys.to_vec());
            writers.spawn(async move {
                for key in keys {
                    let written = store.put_object(&owner, &bucket, &key, Bytes::from_static(b"x")).await;
                    assert_eq!(written, Ok(()), "{key:?}");
                }
            });
        }
        writers.join_all().await;
    }

    /// The keys of the bucket's objects, page by page.
    pub(crate) async fn all_keys(&self, bucket: &BucketName, max_keys: u32) -> Vec<Vec<String>> {
        let pages = self.pages(ListObjects { max_keys, ..ListObjects::all(bucket.clone()) }).await;
        pages.into_iter().map(|page| page.objects.into_iter().map(|object| object.key).collect()).collect()
    }

    /// A listing to its end.
    pub(crate) async fn pages(&self, mut list: ListObjects) -> Vec<ObjectPage> {
        let mut pages = Vec::new();
        loop {
            let page = self.store.list_objects(self.keys(), &list).await.unwrap();
            list.continuation.clone_from(&page.next);
            pages.push(page);
            if list.continuation.is_none() {
                return pages;
            }
        }
    }

    /// A listing of versions to its end.
    pub(crate) async fn version_pages(&self, bucket: &BucketName, max_keys: u32) -> Vec<Vec<ObjectVersion>> {
        let (mut pages, mut next) = (Vec::new(), None);
        loop {
            let list = self.store.list_object_versions(self.keys(), bucket, next.as_deref(), max_keys);
            let page = list.await.unwrap();
            pages.push(page.versions);
            next = page.next;
            if next.is_none() {
                return pages;
            }
        }
    }
}

/// The code of a refusal; anything else fails the test.
pub(crate) fn refusal_code<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Err(StoreError::Refused { code, .. }) => code,
        other => panic!("expected a refusal, not {other:?}"),
    }
}

/// The account's usage once it is `complete`: radosgw flushes its log late. Fails after the deadline.
pub(crate) async fn when_usage(
    account: &Account,
    from: Timestamp,
    to: Timestamp,
    complete: impl Fn(&[UsageRecord]) -> bool,
) -> Vec<UsageRecord> {
    poll(async || {
        let records = account.store.usage(account.uid(), from, to).await.unwrap();
        complete(&records).then_some(records)
    })
    .await
}

/// Before now by more than the second for which radosgw still logs into the hour that is over.
pub(crate) fn recently() -> Timestamp {
    SystemClock.now() - TimeDelta::seconds(2)
}

/// What `ask` finds, once it finds anything. Fails after the deadline.
pub(crate) async fn poll<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let poll = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    tokio::time::timeout(FLUSH_DEADLINE, poll).await.expect("it shows in time")
}
