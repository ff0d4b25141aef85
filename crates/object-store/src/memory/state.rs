//! What a store in memory holds, and who may touch it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use model::{BucketName, ByteCount, S3Uid, Timestamp};
use secrecy::ExposeSecret;

use super::refused;
use crate::{ObjectSummary, S3Keys, StoreError, quota_size};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) users: HashMap<S3Uid, User>,
    pub(super) access_keys: HashMap<String, S3Uid>,
    pub(super) buckets: HashMap<String, Bucket>,
    pub(super) usage: BTreeMap<(S3Uid, Timestamp, String, &'static str), Figures>,
}

#[derive(Debug)]
pub(super) struct User {
    pub(super) display_name: String,
    pub(super) keys: S3Keys,
    pub(super) max_buckets: u32,
    pub(super) quota: Option<ByteCount>,
    pub(super) suspended: bool,
    pub(super) buckets: BTreeSet<String>,
}

#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) owner: S3Uid,
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
        if !user.keys.same_as(&keys.access_key, keys.secret_key.expose_secret()) {
            return Err(refused("SignatureDoesNotMatch", "The S3 key is not valid"));
        }
        if user.suspended {
            return Err(refused("UserSuspended", "The account is suspended"));
        }
        Ok(uid.clone())
    }

    pub(super) fn own_bucket(&mut self, uid: &S3Uid, name: &BucketName) -> Result<&mut Bucket, StoreError> {
        match self.buckets.get_mut(name.as_str()) {
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

    pub(super) fn replace_keys(&mut self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError> {
        let user = self.users.get_mut(uid).ok_or_else(|| StoreError::NotFound(format!("user {uid}")))?;
        if self.access_keys.get(&keys.access_key).is_some_and(|owner| owner != uid) {
            return Err(StoreError::Conflict(format!("the access key of user {uid} exists already")));
        }
        self.access_keys.remove(&user.keys.access_key);
        self.access_keys.insert(keys.access_key.clone(), uid.clone());
        user.keys = keys.clone();
        Ok(())
    }

    /// The real store doesn't count what an overwritten object frees either.
    pub(super) fn has_room(&self, uid: &S3Uid, size: ByteCount) -> bool {
        let Some(quota) = self.users.get(uid).and_then(|user| user.quota) else { return true };
        let used: ByteCount = self.buckets_of(uid).map(|(_, bucket)| bucket.size_actual()).sum();
        used + quota_size(size) <= quota
    }
}

impl Bucket {
    pub(super) fn usage(&self) -> ByteCount {
        self.objects.values().map(Object::size).sum()
    }

    pub(super) fn size_actual(&self) -> ByteCount {
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
