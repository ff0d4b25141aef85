//! The real store: a Ceph cluster, through radosgw's Admin Ops API and S3.

mod admin;
mod answers;
mod breaker;
mod http;
mod notifications;
mod s3;
mod sign;
mod span;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use model::{BucketName, ByteCount, S3Uid, Timestamp};
use secrecy::SecretString;
use url::Url;

use crate::{
    Access, Administrator, BucketUsage, ListObjects, NamePage, NewUser, ObjectPage, ObjectStore, ObjectSummary,
    ObjectVersion, Removal, S3Keys, StoreBucket, StoreError, StoreUser, Topic, UsageRecord, UserUsage, VersionPage,
};

/// In bytes. S3 itself takes 63, but radosgw may be told to take more.
const BUCKET_NAME_LEN_MAX: usize = 255;

/// Where a radosgw is and who its administrator is. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct CephConfig {
    /// The radosgw whose Admin Ops API is used, without `/admin`: `http://127.0.0.1:7480`.
    pub admin_url: Url,
    /// The radosgw that answers S3 in path style; often the same.
    pub s3_url: Url,
    /// The access key of a user with the caps `users=*;buckets=*;usage=*;metadata=read`.
    pub admin_access_key: String,
    /// Its secret key.
    pub admin_secret_key: SecretString,
    /// How long one request may take, until its answer is read whole.
    pub request_timeout: Duration,
}

impl CephConfig {
    fn admin_keys(&self) -> S3Keys {
        S3Keys { access_key: self.admin_access_key.clone(), secret_key: self.admin_secret_key.clone() }
    }
}

/// A Ceph cluster. Cheap to share; holds connection pools for Admin Ops and S3.
///
/// After three requests in a row that got no answer, calls fail at once for a second, then for two and so on to half a
/// minute, each time until one request has tried whether the cluster is back. [`ObjectStore::health`] always asks.
#[derive(Debug)]
pub struct CephStore {
    breaker: Arc<breaker::Breaker>,
    administrator: S3Keys,
    notifications: notifications::Notifications,
    admin: admin::AdminOps,
    s3: s3::S3,
}

impl CephStore {
    /// A store that uses `config`; connects on the first call.
    ///
    /// Fails with [`StoreError::Misconfigured`] where an address isn't `http` or `https`.
    pub fn new(config: CephConfig) -> Result<Self, StoreError> {
        for (setting, url) in [("admin_url", &config.admin_url), ("s3_url", &config.s3_url)] {
            if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
                let reason = format!("{setting} must be like http://127.0.0.1:7480, not {}", url.scheme());
                return Err(StoreError::Misconfigured(reason));
            }
        }
        let breaker = Arc::<breaker::Breaker>::default();
        let http = http::Http::new(config.request_timeout, breaker.clone())?;
        Ok(Self {
            notifications: notifications::Notifications::new(http.clone(), &config),
            admin: admin::AdminOps::new(http, &config),
            s3: s3::S3::new(&config.s3_url, config.request_timeout, breaker.clone()),
            administrator: S3Keys { access_key: config.admin_access_key, secret_key: config.admin_secret_key },
            breaker,
        })
    }
}

/// Whether a bucket may have this name at all: radosgw takes an empty one for all buckets or for none, and reports an
/// error of its own about one that is too long.
fn may_exist(bucket: &str) -> bool {
    (1..=BUCKET_NAME_LEN_MAX).contains(&bucket.len())
}

/// Every error's own words, outermost first: the reason of a network failure stands in the last one.
fn unavailable(error: &dyn std::error::Error) -> StoreError {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    StoreError::Unavailable(words)
}

#[async_trait]
impl ObjectStore for CephStore {
    async fn create_user(&self, user: &NewUser) -> Result<(), StoreError> {
        self.admin.create_user(user).await
    }

    async fn user(&self, uid: &S3Uid) -> Result<Option<StoreUser>, StoreError> {
        let Some(user) = self.admin.user(uid).await? else { return Ok(None) };
        Ok(Some(user.into_store_user(uid)))
    }

    async fn delete_user(&self, uid: &S3Uid) -> Result<(), StoreError> {
        self.admin.delete_user(uid).await
    }

    async fn replace_keys(&self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError> {
        self.admin.replace_keys(uid, keys).await
    }

    async fn set_access(&self, uid: &S3Uid, access: Access) -> Result<(), StoreError> {
        self.admin.set_access(uid, access).await
    }

    async fn set_user_quota(&self, uid: &S3Uid, quota: ByteCount) -> Result<(), StoreError> {
        self.admin.set_user_quota(uid, quota).await
    }

    async fn users(&self, continuation: Option<&str>, max_entries: u32) -> Result<NamePage, StoreError> {
        self.admin.users(continuation, max_entries).await
    }

    async fn keys(&self, uid: &S3Uid) -> Result<Option<Vec<S3Keys>>, StoreError> {
        Ok(self.admin.user(uid).await?.map(answers::UserAnswer::into_keys))
    }

    async fn add_keys(&self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError> {
        self.admin.add_keys(uid, keys).await
    }

    async fn remove_key(&self, uid: &S3Uid, access_key: &str) -> Result<(), StoreError> {
        self.admin.remove_key(uid, access_key).await
    }

    async fn set_max_buckets(&self, uid: &S3Uid, max_buckets: u32) -> Result<(), StoreError> {
        self.admin.set_max_buckets(uid, max_buckets).await
    }

    async fn set_bucket_quota(&self, uid: &S3Uid, quota: Option<ByteCount>) -> Result<(), StoreError> {
        self.admin.set_bucket_quota(uid, quota).await
    }

    async fn buckets(&self, continuation: Option<&str>, max_entries: u32) -> Result<NamePage, StoreError> {
        self.admin.buckets(continuation, max_entries).await
    }

    async fn bucket(&self, bucket: &str) -> Result<Option<StoreBucket>, StoreError> {
        self.admin.bucket(bucket).await
    }

    async fn create_bucket(&self, keys: &S3Keys, bucket: &BucketName) -> Result<(), StoreError> {
        self.s3.create_bucket(keys, bucket).await
    }

    async fn delete_bucket(&self, keys: &S3Keys, bucket: &BucketName) -> Result<Removal, StoreError> {
        self.s3.delete_bucket(keys, bucket).await
    }

    async fn purge_bucket(&self, bucket: &str) -> Result<Removal, StoreError> {
        self.admin.purge_bucket(bucket).await
    }

    async fn bucket_usages(&self, uid: &S3Uid) -> Result<Vec<BucketUsage>, StoreError> {
        self.admin.bucket_usages(uid).await
    }

    async fn usage(&self, uid: &S3Uid, from: Timestamp, to: Timestamp) -> Result<Vec<UsageRecord>, StoreError> {
        self.admin.usage(uid, from, to).await
    }

    async fn usage_of_all(&self, hour: Timestamp) -> Result<Vec<UserUsage>, StoreError> {
        self.admin.usage_of_all(hour).await
    }

    async fn trim_usage(&self, uid: &S3Uid, from: Timestamp, to: Timestamp) -> Result<(), StoreError> {
        self.admin.trim_usage(uid, from, to).await
    }

    async fn probe_log(&self) -> Result<(), StoreError> {
        self.s3.list_buckets(&self.administrator).await
    }

    async fn put_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str, body: Bytes) -> Result<(), StoreError> {
        self.s3.put_object(keys, bucket, key, body).await
    }

    async fn get_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<Bytes, StoreError> {
        self.s3.get_object(keys, bucket, key).await
    }

    async fn object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<Option<ObjectSummary>, StoreError> {
        self.s3.object(keys, bucket, key).await
    }

    async fn delete_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<(), StoreError> {
        self.s3.delete_object(keys, bucket, key).await
    }

    async fn list_objects(&self, keys: &S3Keys, list: &ListObjects) -> Result<ObjectPage, StoreError> {
        self.s3.list_objects(keys, list).await
    }

    async fn delete_objects(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        objects: &[ObjectVersion],
    ) -> Result<(), StoreError> {
        self.s3.delete_objects(keys, bucket, objects).await
    }

    async fn list_object_versions(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        continuation: Option<&str>,
        max_keys: u32,
    ) -> Result<VersionPage, StoreError> {
        self.s3.list_object_versions(keys, bucket, continuation, max_keys).await
    }

    async fn put_topic(&self, topic: &Topic) -> Result<(), StoreError> {
        self.notifications.put_topic(topic).await
    }

    async fn notify(&self, keys: &S3Keys, bucket: &str, topic: &str) -> Result<(), StoreError> {
        self.notifications.notify(keys, bucket, topic).await
    }

    async fn notified_topic(&self, keys: &S3Keys, bucket: &str) -> Result<Option<String>, StoreError> {
        self.notifications.notified_topic(keys, bucket).await
    }

    async fn administrator(&self) -> Result<Administrator, StoreError> {
        self.admin.administrator().await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.admin.health().await
    }

    fn is_available(&self) -> bool {
        self.breaker.is_passable()
    }
}
