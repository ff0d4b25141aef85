//! A store in memory with the semantics of the real one, for unit tests and benchmarks.
//!
//! It has users, quotas, bucket owners and a usage log that is readable at once; objects have no versions. It is not
//! meant for production.

mod listing;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DurationRound, TimeDelta};
use model::{BucketName, ByteCount, Clock, S3Uid, Timestamp};
use secrecy::ExposeSecret;
use state::{Bucket, Object, State, User};

use crate::{
    BucketUsage, ListObjects, NewUser, ObjectPage, ObjectStore, ObjectSummary, ObjectVersion, Removal, S3Keys,
    StoreError, StoreUser, UsageRecord, VersionPage,
};

const HOUR: TimeDelta = TimeDelta::hours(1);
const KEY_LEN_MAX: usize = 1024;

/// An object store that lives as long as the process.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store, whose objects and usage log are dated by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one S3 request as the owner of `keys` and logs it; `request` returns its answer with the bytes it received
    /// and sent.
    fn s3<T>(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        category: &'static str,
        request: impl FnOnce(&mut State, &S3Uid, Timestamp) -> Result<(T, usize, usize), StoreError>,
    ) -> Result<T, StoreError> {
        let now = self.clock.now();
        let hour = now.duration_trunc(HOUR).unwrap_or(now);
        let mut state = self.state();
        let uid = state.authenticated(keys)?;
        let answer = request(&mut state, &uid, now);
        let figures = state.usage.entry((uid, hour, bucket.to_string(), category)).or_default();
        figures.operations += 1;
        let (answer, bytes_in, bytes_out) = answer?;
        figures.successful_operations += 1;
        figures.bytes_in += bytes_in as u64;
        figures.bytes_out += bytes_out as u64;
        Ok(answer)
    }
}

fn refused(code: &str, message: &str) -> StoreError {
    StoreError::refused(code, message)
}

fn check_key(key: &str) -> Result<(), StoreError> {
    if (1..=KEY_LEN_MAX).contains(&key.len()) {
        return Ok(());
    }
    Err(refused("InvalidObjectName", "Invalid object key: must be 1 to 1024 bytes long"))
}

#[async_trait]
impl ObjectStore for MemoryStore {
    async fn create_user(&self, user: &NewUser) -> Result<(), StoreError> {
        if user.max_buckets == 0 {
            return Err(refused("InvalidArgument", "max_buckets must be at least 1"));
        }
        if user.display_name.is_empty() {
            return Err(refused("InvalidArgument", "The request was refused"));
        }
        let mut state = self.state();
        if let Some(existing) = state.users.get(&user.uid) {
            let ours = existing.keys.same_as(&user.keys.access_key, user.keys.secret_key.expose_secret());
            return if ours { Ok(()) } else { Err(StoreError::Conflict(format!("user {} exists already", user.uid))) };
        }
        if state.access_keys.contains_key(&user.keys.access_key) {
            return Err(StoreError::Conflict(format!("the access key of user {} exists already", user.uid)));
        }
        let new = User {
            display_name: user.display_name.clone(),
            keys: user.keys.clone(),
            max_buckets: user.max_buckets,
            quota: None,
            suspended: false,
            buckets: BTreeSet::new(),
        };
        state.access_keys.insert(user.keys.access_key.clone(), user.uid.clone());
        state.users.insert(user.uid.clone(), new);
        Ok(())
    }

    async fn user(&self, uid: &S3Uid) -> Result<Option<StoreUser>, StoreError> {
        Ok(self.state().users.get(uid).map(|user| StoreUser {
            uid: uid.clone(),
            display_name: user.display_name.clone(),
            access_keys: vec![user.keys.access_key.clone()],
            suspended: user.suspended,
            max_buckets: Some(user.max_buckets),
            quota: user.quota,
        }))
    }

    async fn delete_user(&self, uid: &S3Uid) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.buckets_of(uid).next().is_some() {
            return Err(refused("BucketAlreadyExists", "The user still has buckets"));
        }
        if let Some(user) = state.users.remove(uid) {
            state.access_keys.remove(&user.keys.access_key);
        }
        Ok(())
    }

    async fn replace_keys(&self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError> {
        self.state().replace_keys(uid, keys)
    }

    async fn set_suspended(&self, uid: &S3Uid, suspended: bool) -> Result<(), StoreError> {
        self.state().user_mut(uid)?.suspended = suspended;
        Ok(())
    }

    async fn set_user_quota(&self, uid: &S3Uid, quota: ByteCount) -> Result<(), StoreError> {
        self.state().user_mut(uid)?.quota = Some(quota);
        Ok(())
    }

    async fn create_bucket(&self, keys: &S3Keys, bucket: &BucketName) -> Result<(), StoreError> {
        self.s3(keys, bucket, "create_bucket", |state, uid, _| {
            match state.buckets.get(bucket.as_str()) {
                Some(existing) if existing.owner == *uid => return Ok(((), 0, 0)),
                Some(_) => return Err(refused("BucketAlreadyExists", "Bucket name already taken")),
                None => {}
            }
            let user = state.user_mut(uid)?;
            if user.buckets.len() as u64 >= u64::from(user.max_buckets) {
                return Err(refused("TooManyBuckets", "The account may not have more buckets"));
            }
            user.buckets.insert(bucket.to_string());
            state.buckets.insert(bucket.to_string(), Bucket { owner: uid.clone(), objects: BTreeMap::new() });
            Ok(((), 0, 0))
        })
    }

    async fn delete_bucket(&self, keys: &S3Keys, bucket: &BucketName) -> Result<Removal, StoreError> {
        let answer = self.s3(keys, bucket, "delete_bucket", |state, uid, _| {
            if !state.own_bucket(uid, bucket)?.objects.is_empty() {
                return Err(refused("BucketNotEmpty", "The bucket is not empty"));
            }
            state.buckets.remove(bucket.as_str());
            state.user_mut(uid)?.buckets.remove(bucket.as_str());
            Ok((Removal::Removed, 0, 0))
        });
        if let Err(StoreError::NotFound(_)) = answer { Ok(Removal::Absent) } else { answer }
    }

    async fn purge_bucket(&self, bucket: &str) -> Result<Removal, StoreError> {
        let mut state = self.state();
        let Some(purged) = state.buckets.remove(bucket) else { return Ok(Removal::Absent) };
        state.user_mut(&purged.owner)?.buckets.remove(bucket);
        Ok(Removal::Removed)
    }

    async fn bucket_usages(&self, uid: &S3Uid) -> Result<Vec<BucketUsage>, StoreError> {
        let usage = |(name, bucket): (&String, &Bucket)| BucketUsage {
            name: name.clone(),
            usage: bucket.usage(),
            size_actual: bucket.size_actual(),
            objects: bucket.objects.len() as u64,
        };
        Ok(self.state().buckets_of(uid).map(usage).collect())
    }

    async fn usage(&self, uid: &S3Uid, from: Timestamp, to: Timestamp) -> Result<Vec<UsageRecord>, StoreError> {
        let from = from.duration_trunc(HOUR).unwrap_or(from);
        let state = self.state();
        let hours = state.usage.iter().filter(|((owner, hour, ..), _)| owner == uid && *hour >= from && *hour < to);
        let records = hours.map(|((_, hour, bucket, category), figures)| UsageRecord {
            bucket: bucket.clone(),
            hour: *hour,
            category: (*category).to_owned(),
            bytes_in: ByteCount::from_bytes(figures.bytes_in),
            bytes_out: ByteCount::from_bytes(figures.bytes_out),
            operations: figures.operations,
            successful_operations: figures.successful_operations,
        });
        Ok(records.collect())
    }

    async fn put_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str, body: Bytes) -> Result<(), StoreError> {
        check_key(key)?;
        self.s3(keys, bucket, "put_obj", |state, uid, now| {
            state.own_bucket(uid, bucket)?;
            let object = Object { body, last_modified: now };
            if !state.has_room(uid, object.size()) {
                return Err(refused("QuotaExceeded", "The storage quota is used up"));
            }
            let bytes_in = object.body.len();
            state.own_bucket(uid, bucket)?.objects.insert(key.to_owned(), object);
            Ok(((), bytes_in, 0))
        })
    }

    async fn get_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<Bytes, StoreError> {
        check_key(key)?;
        self.s3(keys, bucket, "get_obj", |state, uid, _| match state.own_bucket(uid, bucket)?.objects.get(key) {
            Some(object) => Ok((object.body.clone(), 0, object.body.len())),
            None => Err(StoreError::NotFound(format!("object {bucket}/{key}"))),
        })
    }

    async fn object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<Option<ObjectSummary>, StoreError> {
        check_key(key)?;
        self.s3(keys, bucket, "get_obj", |state, uid, _| {
            let object = state.own_bucket(uid, bucket)?.objects.get(key);
            Ok((object.map(|object| object.summary(key)), 0, 0))
        })
    }

    async fn delete_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<(), StoreError> {
        check_key(key)?;
        self.s3(keys, bucket, "delete_obj", |state, uid, _| {
            state.own_bucket(uid, bucket)?.objects.remove(key);
            Ok(((), 0, 0))
        })
    }

    async fn list_objects(&self, keys: &S3Keys, list: &ListObjects) -> Result<ObjectPage, StoreError> {
        self.s3(keys, &list.bucket, "list_bucket", |state, uid, _| {
            let bucket = state.own_bucket(uid, &list.bucket)?;
            Ok((listing::objects(&bucket.objects, list), 0, 0))
        })
    }

    async fn delete_objects(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        objects: &[ObjectVersion],
    ) -> Result<(), StoreError> {
        self.s3(keys, bucket, "multi_object_delete", |state, uid, _| {
            let bucket = state.own_bucket(uid, bucket)?;
            for object in objects {
                if object.version.as_deref().is_none_or(|version| version == listing::NO_VERSION) {
                    bucket.objects.remove(&object.key);
                }
            }
            Ok(((), 0, 0))
        })
    }

    async fn list_object_versions(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        continuation: Option<&str>,
        max_keys: u32,
    ) -> Result<VersionPage, StoreError> {
        self.s3(keys, bucket, "list_bucket", |state, uid, _| {
            let bucket = state.own_bucket(uid, bucket)?;
            Ok((listing::versions(&bucket.objects, continuation, max_keys), 0, 0))
        })
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
