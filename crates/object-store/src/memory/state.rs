//! What a store in memory holds, and who may touch it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use model::{ByteCount, S3Uid, Timestamp};
use secrecy::ExposeSecret;

use super::refused;
use crate::{Access, BucketUsage, ObjectSummary, S3Keys, StoreError, quota_size};

/// The categories of requests that only read.
const READING: [&str; 3] = ["get_obj", "list_bucket", "get_bucket_notification"];

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) users: HashMap<S3Uid, User>,
    pub(super) access_keys: HashMap<String, S3Uid>,
    pub(super) buckets: HashMap<String, Bucket>,
    /// By user, hour, bucket and category.
    pub(super) usage: BTreeMap<(String, Timestamp, String, &'static str), Figures>,
    pub(super) topics: BTreeSet<String>,
}

#[derive(Debug)]
pub(super) struct User {
    pub(super) display_name: String,
    /// By access key.
    pub(super) keys: BTreeMap<String, S3Keys>,
    pub(super) max_buckets: u32,
    pub(super) quota: Option<ByteCount>,
    pub(super) bucket_quota: Option<ByteCount>,
    pub(super) access: Access,
    pub(super) buckets: BTreeSet<String>,
}

#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) owner: S3Uid,
    pub(super) created_at: Timestamp,
    pub(super) notified_topic: Option<String>,
    pub(super) objects: BTreeMap<String, Object>,
}

#[derive(Debug)]
pub(super) struct Object {
    pub(super) body: Bytes,
    pub(super) last_modified: Timestamp,
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Figures {
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) operations: u64,
    pub(super) successful_operations: u64,
}

impl State {
    pub(super) fn authenticated(&self, keys: &S3Keys) -> Result<S3Uid, StoreError> {
        let owner = self.access_keys.get(&keys.access_key).and_then(|uid| self.users.get_key_value(uid));
        let Some((uid, user)) = owner else { return Err(refused("InvalidAccessKeyId", "The S3 key is not valid")) };
        let own = user.keys.get(&keys.access_key);
        if !own.is_some_and(|own| own.same_as(&keys.access_key, keys.secret_key.expose_secret())) {
            return Err(refused("SignatureDoesNotMatch", "The S3 key is not valid"));
        }
        if user.access == Access::Suspended {
            return Err(refused("UserSuspended", "The account is suspended"));
        }
        Ok(uid.clone())
    }

    /// Refuses a reader what isn't reading. As in the real store, a bucket that isn't there is noticed first.
    pub(super) fn check_mask(&self, uid: &S3Uid, bucket: &str, category: &str) -> Result<(), StoreError> {
        let is_reader = self.users.get(uid).is_some_and(|user| user.access == Access::ReadOnly);
        if !is_reader || READING.contains(&category) {
            return Ok(());
        }
        if category != "create_bucket" && !self.buckets.contains_key(bucket) {
            return Err(StoreError::NotFound(format!("bucket {bucket}")));
        }
        Err(refused("AccessDenied", "Access denied"))
    }

    pub(super) fn own_bucket(&mut self, uid: &S3Uid, name: &str) -> Result<&mut Bucket, StoreError> {
        match self.buckets.get_mut(name) {
            None => Err(StoreError::NotFound(format!("bucket {name}"))),
            Some(bucket) if bucket.owner != *uid => Err(refused("AccessDenied", "Access denied")),
            Some(bucket) => Ok(bucket),
        }
    }

    pub(super) fn buckets_of(&self, uid: &S3Uid) -> impl Iterator<Item = (&String, &Bucket)> {
        let names = self.users.get(uid).into_iter().flat_map(|user| &user.buckets);
        names.filter_map(|name| self.buckets.get_key_value(name))
    }

    pub(super) fn user_mut(&mut self, uid: &S3Uid) -> Result<&mut User, StoreError> {
        self.users.get_mut(uid).ok_or_else(|| StoreError::NotFound(format!("user {uid}")))
    }

    /// The real store doesn't count what an overwritten object frees either.
    pub(super) fn has_room(&self, uid: &S3Uid, bucket: &str, size: ByteCount) -> bool {
        let Some(user) = self.users.get(uid) else { return false };
        let fits =
            |quota: Option<ByteCount>, used: ByteCount| quota.is_none_or(|quota| used + quota_size(size) <= quota);
        let in_all = self.buckets_of(uid).map(|(_, bucket)| bucket.size_actual()).sum();
        let in_bucket = self.buckets.get(bucket).map_or(ByteCount::ZERO, Bucket::size_actual);
        fits(user.quota, in_all) && fits(user.bucket_quota, in_bucket)
    }
}

impl Bucket {
    pub(super) fn new(owner: S3Uid, created_at: Timestamp) -> Self {
        Self { owner, created_at, notified_topic: None, objects: BTreeMap::new() }
    }

    pub(super) fn bucket_usage(&self, name: &str) -> BucketUsage {
        BucketUsage {
            name: name.to_owned(),
            usage: self.usage(),
            size_actual: self.size_actual(),
            objects: self.objects.len() as u64,
        }
    }

    fn usage(&self) -> ByteCount {
        self.objects.values().map(Object::size).sum()
    }

    fn size_actual(&self) -> ByteCount {
        self.objects.values().map(|object| quota_size(object.size())).sum()
    }
}

impl Object {
    pub(super) fn size(&self) -> ByteCount {
        ByteCount::from_bytes(self.body.len() as u64)
    }

    pub(super) fn summary(&self, key: &str) -> ObjectSummary {
        ObjectSummary { key: key.to_owned(), size: self.size(), last_modified: self.last_modified }
    }
}
