//! Buckets as the administrator sees them, whoever owns them.

use model::S3Uid;
use reqwest::Method;

use super::{AdminOps, subject};
use crate::ceph::answers::BucketAnswer;
use crate::ceph::http::Ask;
use crate::ceph::may_exist;
use crate::{BucketUsage, NamePage, Removal, StoreBucket, StoreError};

impl AdminOps {
    pub(in crate::ceph) async fn buckets(
        &self,
        continuation: Option<&str>,
        max_entries: u32,
    ) -> Result<NamePage, StoreError> {
        self.names("metadata/bucket", &[], continuation, max_entries).await
    }

    pub(in crate::ceph) async fn bucket(&self, bucket: &str) -> Result<Option<StoreBucket>, StoreError> {
        if !may_exist(bucket) {
            return Ok(None);
        }
        let (parameters, subject) = ([("bucket", bucket), ("stats", "True")], format!("bucket {bucket}"));
        match self.get_json::<BucketAnswer>("bucket", &parameters, &subject).await {
            Ok(answer) => match answer.into_store_bucket() {
                Some(bucket) => Ok(Some(bucket)),
                None => Err(StoreError::Misconfigured(format!("the answer about {subject} has no creation time"))),
            },
            Err(error) => self.none_if_missing(error).await,
        }
    }

    pub(in crate::ceph) async fn purge_bucket(&self, bucket: &str) -> Result<Removal, StoreError> {
        if !may_exist(bucket) {
            return Ok(Removal::Absent);
        }
        let parameters = [("bucket", bucket), ("purge-objects", "true")];
        let subject = format!("bucket {bucket}");
        match self.exchange(Method::DELETE, "bucket", &parameters, &subject, Ask::Slowly).await {
            Ok(_) => Ok(Removal::Removed),
            Err(error) => Ok(self.none_if_missing(error).await?.unwrap_or(Removal::Absent)),
        }
    }

    /// Tells a missing bucket from a radosgw without Admin Ops: that says the same of the bucket that it takes `admin`
    /// for.
    async fn none_if_missing<T>(&self, error: StoreError) -> Result<Option<T>, StoreError> {
        match error {
            StoreError::Misconfigured(reason) if reason.contains("NoSuchBucket") => self.health().await.map(|()| None),
            error => Err(error),
        }
    }

    pub(in crate::ceph) async fn bucket_usages(&self, uid: &S3Uid) -> Result<Vec<BucketUsage>, StoreError> {
        let parameters = [("uid", uid.as_str()), ("stats", "True")];
        let buckets: Vec<BucketAnswer> = match self.get_json("bucket", &parameters, &subject(uid)).await {
            Ok(buckets) => buckets,
            Err(StoreError::NotFound(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut usages: Vec<BucketUsage> = buckets.into_iter().map(BucketUsage::from).collect();
        usages.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(usages)
    }
}
