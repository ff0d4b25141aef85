//! Every call of the store, through the script.

use async_trait::async_trait;
use bytes::Bytes;
use model::{BucketName, ByteCount, S3Uid, Timestamp};

use super::{FaultyStore, Method};
use crate::{
    Access, Administrator, BucketUsage, ListObjects, NamePage, NewUser, ObjectPage, ObjectStore, ObjectSummary,
    ObjectVersion, Removal, S3Keys, StoreBucket, StoreError, StoreUser, Topic, UsageRecord, UserUsage, VersionPage,
};

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn create_user(&self, user: &NewUser) -> Result<(), StoreError> {
        self.run(Method::CreateUser, self.inner.create_user(user)).await
    }

    async fn user(&self, uid: &S3Uid) -> Result<Option<StoreUser>, StoreError> {
        self.run(Method::User, self.inner.user(uid)).await
    }

    async fn delete_user(&self, uid: &S3Uid) -> Result<(), StoreError> {
        self.run(Method::DeleteUser, self.inner.delete_user(uid)).await
    }

    async fn replace_keys(&self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError> {
        self.run(Method::ReplaceKeys, self.inner.replace_keys(uid, keys)).await
    }

    async fn set_access(&self, uid: &S3Uid, access: Access) -> Result<(), StoreError> {
        self.run(Method::SetAccess, self.inner.set_access(uid, access)).await
    }

    async fn set_user_quota(&self, uid: &S3Uid, quota: ByteCount) -> Result<(), StoreError> {
        self.run(Method::SetUserQuota, self.inner.set_user_quota(uid, quota)).await
    }

    async fn users(&self, continuation: Option<&str>, max_entries: u32) -> Result<NamePage, StoreError> {
        self.run(Method::Users, self.inner.users(continuation, max_entries)).await
    }

    async fn keys(&self, uid: &S3Uid) -> Result<Option<Vec<S3Keys>>, StoreError> {
        self.run(Method::Keys, self.inner.keys(uid)).await
    }

    async fn add_keys(&self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError> {
        self.run(Method::AddKeys, self.inner.add_keys(uid, keys)).await
    }

    async fn remove_key(&self, uid: &S3Uid, access_key: &str) -> Result<(), StoreError> {
        self.run(Method::RemoveKey, self.inner.remove_key(uid, access_key)).await
    }

    async fn set_max_buckets(&self, uid: &S3Uid, max_buckets: u32) -> Result<(), StoreError> {
        self.run(Method::SetMaxBuckets, self.inner.set_max_buckets(uid, max_buckets)).await
    }

    async fn set_bucket_quota(&self, uid: &S3Uid, quota: Option<ByteCount>) -> Result<(), StoreError> {
        self.run(Method::SetBucketQuota, self.inner.set_bucket_quota(uid, quota)).await
    }

    async fn buckets(&self, continuation: Option<&str>, max_entries: u32) -> Result<NamePage, StoreError> {
        self.run(Method::Buckets, self.inner.buckets(continuation, max_entries)).await
    }

    async fn bucket(&self, bucket: &str) -> Result<Option<StoreBucket>, StoreError> {
        self.run(Method::Bucket, self.inner.bucket(bucket)).await
    }

    async fn create_bucket(&self, keys: &S3Keys, bucket: &BucketName) -> Result<(), StoreError> {
        self.run(Method::CreateBucket, self.inner.create_bucket(keys, bucket)).await
    }

    async fn delete_bucket(&self, keys: &S3Keys, bucket: &BucketName) -> Result<Removal, StoreError> {
        self.run(Method::DeleteBucket, self.inner.delete_bucket(keys, bucket)).await
    }

    async fn purge_bucket(&self, bucket: &str) -> Result<Removal, StoreError> {
        self.run(Method::PurgeBucket, self.inner.purge_bucket(bucket)).await
    }

    async fn bucket_usages(&self, uid: &S3Uid) -> Result<Vec<BucketUsage>, StoreError> {
        self.run(Method::BucketUsages, self.inner.bucket_usages(uid)).await
    }

    async fn usage(&self, uid: &S3Uid, from: Timestamp, to: Timestamp) -> Result<Vec<UsageRecord>, StoreError> {
        self.run(Method::Usage, self.inner.usage(uid, from, to)).await
    }

    async fn usage_of_all(&self, hour: Timestamp) -> Result<Vec<UserUsage>, StoreError> {
        self.run(Method::UsageOfAll, self.inner.usage_of_all(hour)).await
    }

    async fn trim_usage(&self, uid: &S3Uid, from: Timestamp, to: Timestamp) -> Result<(), StoreError> {
        self.run(Method::TrimUsage, self.inner.trim_usage(uid, from, to)).await
    }

    async fn probe_log(&self) -> Result<(), StoreError> {
        self.run(Method::ProbeLog, self.inner.probe_log()).await
    }

    async fn put_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str, body: Bytes) -> Result<(), StoreError> {
        self.run(Method::PutObject, self.inner.put_object(keys, bucket, key, body)).await
    }

    async fn get_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<Bytes, StoreError> {
        self.run(Method::GetObject, self.inner.get_object(keys, bucket, key)).await
    }

    async fn object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<Option<ObjectSummary>, StoreError> {
        self.run(Method::Object, self.inner.object(keys, bucket, key)).await
    }

    async fn delete_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<(), StoreError> {
        self.run(Method::DeleteObject, self.inner.delete_object(keys, bucket, key)).await
    }

    async fn list_objects(&self, keys: &S3Keys, list: &ListObjects) -> Result<ObjectPage, StoreError> {
        self.run(Method::ListObjects, self.inner.list_objects(keys, list)).await
    }

    async fn delete_objects(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        objects: &[ObjectVersion],
    ) -> Result<(), StoreError> {
        self.run(Method::DeleteObjects, self.inner.delete_objects(keys, bucket, objects)).await
    }

    async fn list_object_versions(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        continuation: Option<&str>,
        max_keys: u32,
    ) -> Result<VersionPage, StoreError> {
        self.run(Method::ListObjectVersions, self.inner.list_object_versions(keys, bucket, continuation, max_keys))
            .await
    }

    async fn put_topic(&self, topic: &Topic) -> Result<(), StoreError> {
        self.run(Method::PutTopic, self.inner.put_topic(topic)).await
    }

    async fn notify(&self, keys: &S3Keys, bucket: &str, topic: &str) -> Result<(), StoreError> {
        self.run(Method::Notify, self.inner.notify(keys, bucket, topic)).await
    }

    async fn notified_topic(&self, keys: &S3Keys, bucket: &str) -> Result<Option<String>, StoreError> {
        self.run(Method::NotifiedTopic, self.inner.notified_topic(keys, bucket)).await
    }

    async fn administrator(&self) -> Result<Administrator, StoreError> {
        self.run(Method::Administrator, self.inner.administrator()).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.run(Method::Health, self.inner.health()).await
    }

    fn is_available(&self) -> bool {
        self.inner.is_available()
    }
}
