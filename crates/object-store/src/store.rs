//! The one interface to the object store.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use model::{BucketName, ByteCount, S3Uid, Timestamp};

use crate::{
    Access, Administrator, BucketUsage, ListObjects, NamePage, NewUser, ObjectPage, ObjectSummary, ObjectVersion,
    Removal, S3Keys, StoreBucket, StoreError, StoreUser, Topic, UsageRecord, UserUsage, VersionPage,
};

/// An S3 object store with users, quotas and a usage log. Used as `Arc<dyn ObjectStore>`.
///
/// Users are managed with the administrator's credentials, buckets and objects as the user whose keys are passed.
/// A call whose answer got lost can be repeated: see each method for what "already done" means.
#[async_trait]
pub trait ObjectStore: Debug + Send + Sync {
    /// Creates a user with one key pair.
    ///
    /// A user who exists is success only where the store shows the very key pair of `user`; another user, or another
    /// user's access key, is [`StoreError::Conflict`].
    async fn create_user(&self, user: &NewUser) -> Result<(), StoreError>;

    /// The user, or `None` where there is none.
    async fn user(&self, uid: &S3Uid) -> Result<Option<StoreUser>, StoreError>;

    /// Deletes a user without buckets. No such user is success; one with buckets is [`StoreError::Refused`].
    async fn delete_user(&self, uid: &S3Uid) -> Result<(), StoreError>;

    /// Makes `keys` the user's only key pair: a known access key gets the new secret, other access keys are removed.
    ///
    /// The pair that is there already is success. No such user is [`StoreError::NotFound`], another user's access key
    /// [`StoreError::Conflict`].
    async fn replace_keys(&self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError>;

    /// Lets the user do this much over S3 from now on. What they own stays as it is, keys and limits, too. What is so
    /// already is success; no such user is [`StoreError::NotFound`].
    async fn set_access(&self, uid: &S3Uid, access: Access) -> Result<(), StoreError>;

    /// Limits what the user stores over all buckets, in sizes as [`crate::quota_size`] counts them.
    async fn set_user_quota(&self, uid: &S3Uid, quota: ByteCount) -> Result<(), StoreError>;

    /// One page of all users' ids, those that Purser didn't make included, in the store's own order. `continuation` is
    /// the [`NamePage::next`] of the page before, `max_entries` 1 to 1,000.
    async fn users(&self, continuation: Option<&str>, max_entries: u32) -> Result<NamePage, StoreError>;

    /// All key pairs of a user, sorted by access key, or `None` where there is no such user.
    async fn keys(&self, uid: &S3Uid) -> Result<Option<Vec<S3Keys>>, StoreError>;

    /// Gives the user one key pair more: a known access key gets the new secret, other pairs stay.
    ///
    /// No such user is [`StoreError::NotFound`], another user's access key [`StoreError::Conflict`].
    async fn add_keys(&self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError>;

    /// Takes one key pair from the user. No such pair, or no such user, is success; another user's pair stays.
    async fn remove_key(&self, uid: &S3Uid, access_key: &str) -> Result<(), StoreError>;

    /// Limits how many buckets the user may own: at least 1, at most 2³¹ − 1, anything else is
    /// [`StoreError::Refused`]. Buckets beyond the limit stay. No such user is [`StoreError::NotFound`].
    async fn set_max_buckets(&self, uid: &S3Uid, max_buckets: u32) -> Result<(), StoreError>;

    /// Limits what each of the user's buckets holds, beside the limit over all of them, in sizes as
    /// [`crate::quota_size`] counts them; `None` lifts the limit. No such user is [`StoreError::NotFound`].
    async fn set_bucket_quota(&self, uid: &S3Uid, quota: Option<ByteCount>) -> Result<(), StoreError>;

    /// One page of all buckets' names, whoever made them, in the store's own order. `continuation` and `max_entries` as
    /// for [`Self::users`].
    async fn buckets(&self, continuation: Option<&str>, max_entries: u32) -> Result<NamePage, StoreError>;

    /// A bucket with its owner and what it holds, or `None` where there is none.
    async fn bucket(&self, bucket: &str) -> Result<Option<StoreBucket>, StoreError>;

    /// Creates a bucket of the user. The user's own bucket is success; another's is [`StoreError::Refused`].
    async fn create_bucket(&self, keys: &S3Keys, bucket: &BucketName) -> Result<(), StoreError>;

    /// Deletes an empty bucket, with its uncompleted uploads. No such bucket is success, which the answer tells; one
    /// that isn't empty is [`StoreError::Refused`].
    async fn delete_bucket(&self, keys: &S3Keys, bucket: &BucketName) -> Result<Removal, StoreError>;

    /// Deletes a bucket with everything in it, whatever its name and whatever policy its owner gave it, as the
    /// administrator. For what [`Self::delete_objects`] can't do; a large bucket takes longer than one call may, so it is
    /// to be repeated. No such bucket is success, which the answer tells.
    async fn purge_bucket(&self, bucket: &str) -> Result<Removal, StoreError>;

    /// What each of the user's buckets holds, ordered by name; empty where there is no such user.
    async fn bucket_usages(&self, uid: &S3Uid) -> Result<Vec<BucketUsage>, StoreError>;

    /// The user's requests in the hours that begin at `from` or later and before `to`, as far as the store has flushed
    /// its log; ordered by hour, bucket and category. `from` and `to` are rounded down and up to whole hours.
    ///
    /// What a store logs in an hour's first second may stand in the hour before: radosgw's hours end that late.
    async fn usage(&self, uid: &S3Uid, from: Timestamp, to: Timestamp) -> Result<Vec<UsageRecord>, StoreError>;

    /// What all users did in the one hour that begins at `hour`, as far as the store has flushed its log: one entry for
    /// each user who did something, ordered by their ids. Users whom Purser doesn't know and such as are deleted are
    /// included. An `hour` that isn't whole is [`StoreError::Refused`].
    async fn usage_of_all(&self, hour: Timestamp) -> Result<Vec<UserUsage>, StoreError>;

    /// Deletes the user's usage records of the hours from `from` and before `to`, of no other hour and no other user.
    ///
    /// Both must be whole hours and `from` before `to`, else it is [`StoreError::Refused`]. Nothing there is success. What
    /// the store flushes later stays.
    async fn trim_usage(&self, uid: &S3Uid, from: Timestamp, to: Timestamp) -> Result<(), StoreError>;

    /// Makes one S3 request as the administrator that the usage log must show: `list_buckets` under the administrator's
    /// id, with the bucket `""`.
    async fn probe_log(&self) -> Result<(), StoreError>;

    /// Writes an object, replacing what has its key.
    async fn put_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str, body: Bytes) -> Result<(), StoreError>;

    /// Reads an object whole.
    async fn get_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<Bytes, StoreError>;

    /// An object without its contents, or `None` where the bucket has no such object. No such bucket is
    /// [`StoreError::NotFound`].
    async fn object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<Option<ObjectSummary>, StoreError>;

    /// Deletes an object. No such object is success.
    async fn delete_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<(), StoreError>;

    /// One page of a bucket's objects.
    async fn list_objects(&self, keys: &S3Keys, list: &ListObjects) -> Result<ObjectPage, StoreError>;

    /// Deletes many objects or versions at once: up to 1,000 are one request. Missing ones are success.
    ///
    /// Where some can't be deleted, the others of their request are; the error has the code of the first that can't.
    async fn delete_objects(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        objects: &[ObjectVersion],
    ) -> Result<(), StoreError>;

    /// One page of everything that a bucket holds, old versions and delete markers included; in a bucket without
    /// versioning, its objects. `continuation` is the [`VersionPage::next`] of the page before, `max_keys` 1 to 1,000.
    ///
    /// To empty a bucket, delete its first page with [`Self::delete_objects`] until that page is empty.
    async fn list_object_versions(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        continuation: Option<&str>,
        max_keys: u32,
    ) -> Result<VersionPage, StoreError>;

    /// Makes the topic to which bucket notifications are sent, or replaces it.
    ///
    /// A bucket keeps the topic as it was when [`Self::notify`] named it: after a change, that is to be repeated.
    async fn put_topic(&self, topic: &Topic) -> Result<(), StoreError>;

    /// Sends the bucket's changes (`s3:ObjectCreated:*` and `s3:ObjectRemoved:*`) to the topic, as the bucket's owner.
    ///
    /// It is the bucket's one notification with the id `purser` afterwards; others stay as they are. No such bucket or
    /// topic is [`StoreError::NotFound`].
    async fn notify(&self, keys: &S3Keys, bucket: &str, topic: &str) -> Result<(), StoreError>;

    /// The topic of the bucket's notification with the id `purser`; `None` where there is none, or more than one, which
    /// [`Self::notify`] puts right. No such bucket is [`StoreError::NotFound`].
    async fn notified_topic(&self, keys: &S3Keys, bucket: &str) -> Result<Option<String>, StoreError>;

    /// Who the administrator is, and how far the store's clock is ahead.
    async fn administrator(&self) -> Result<Administrator, StoreError>;

    /// Whether the store answers and lets the administrator in. It is always asked, also where other calls fail at once
    /// because it was down a moment ago.
    async fn health(&self) -> Result<(), StoreError>;

    /// Whether a call would be tried: `false` while calls fail at once because the store is down.
    fn is_available(&self) -> bool;
}
