//! A store in memory with the semantics of the real one, for unit tests and benchmarks.
//!
//! It has users, quotas, bucket owners, a usage log that is readable at once, and an administrator who is listed and logged
//! like a user; objects have no versions, and notifications are remembered but not sent. It is not meant for production.

mod accounts;
mod listing;
mod log;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DurationRound, TimeDelta};
use model::{BucketName, ByteCount, Clock, S3Uid, Timestamp};
use state::{Bucket, Object, State};

use crate::types::{HOUR, check_max_buckets, check_whole_hours};
use crate::{
    Access, Administrator, BucketUsage, ListObjects, NamePage, NewUser, ObjectPage, ObjectStore, ObjectSummary,
    ObjectVersion, Removal, S3Keys, StoreBucket, StoreError, StoreUser, Topic, UsageRecord, UserUsage, VersionPage,
};

/// The id under which the store's administrator is listed and logged.
const ADMINISTRATOR: &str = "administrator";
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
        bucket: &str,
        category: &'static str,
        request: impl FnOnce(&mut State, &S3Uid, Timestamp) -> Result<(T, usize, usize), StoreError>,
    ) -> Result<T, StoreError> {
        let now = self.clock.now();
        let hour = now.duration_trunc(HOUR).unwrap_or(now);
        let mut state = self.state();
        let uid = state.authenticated(keys)?;
        let answer = match state.check_mask(&uid, bucket, category) {
            Ok(()) => request(&mut state, &uid, now),
            Err(error) => Err(error),
        };
        let entry = (uid.to_string(), hour, bucket.to_owned(), category);
        let figures = state.usage.entry(entry).or_default();
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
        self.state().create_user(user)
    }

    async fn user(&self, uid: &S3Uid) -> Result<Option<StoreUser>, StoreError> {
        Ok(self.state().store_user(uid))
    }

    async fn delete_user(&self, uid: &S3Uid) -> Result<(), StoreError> {
        self.state().delete_user(uid)
    }

    async fn replace_keys(&self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError> {
        self.state().replace_keys(uid, keys)
    }

    async fn set_access(&self, uid: &S3Uid, access: Access) -> Result<(), StoreError> {
        self.state().user_mut(uid)?.access = access;
        Ok(())
    }

    async fn set_user_quota(&self, uid: &S3Uid, quota: ByteCount) -> Result<(), StoreError> {
        self.state().user_mut(uid)?.quota = Some(quota);
        Ok(())
    }

    async fn users(&self, continuation: Option<&str>, max_entries: u32) -> Result<NamePage, StoreError> {
        let state = self.state();
        let uids = state.users.keys().map(S3Uid::as_str).chain([ADMINISTRATOR]);
        Ok(listing::names(uids, continuation, max_entries))
    }

    async fn keys(&self, uid: &S3Uid) -> Result<Option<Vec<S3Keys>>, StoreError> {
        Ok(self.state().users.get(uid).map(|user| user.keys.values().cloned().collect()))
    }

    async fn add_keys(&self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError> {
        self.state().add_keys(uid, keys)
    }

    async fn remove_key(&self, uid: &S3Uid, access_key: &str) -> Result<(), StoreError> {
        self.state().remove_key(uid, access_key);
        Ok(())
    }

    async fn set_max_buckets(&self, uid: &S3Uid, max_buckets: u32) -> Result<(), StoreError> {
        check_max_buckets(max_buckets)?;
        self.state().user_mut(uid)?.max_buckets = max_buckets;
        Ok(())
    }

    async fn set_bucket_quota(&self, uid: &S3Uid, quota: Option<ByteCount>) -> Result<(), StoreError> {
        self.state().user_mut(uid)?.bucket_quota = quota;
        Ok(())
    }

    async fn buckets(&self, continuation: Option<&str>, max_entries: u32) -> Result<NamePage, StoreError> {
        Ok(listing::names(self.state().buckets.keys().map(String::as_str), continuation, max_entries))
    }

    async fn bucket(&self, bucket: &str) -> Result<Option<StoreBucket>, StoreError> {
        Ok(self.state().buckets.get(bucket).map(|found| StoreBucket {
            owner: found.owner.to_string(),
            created_at: found.created_at,
            usage: found.bucket_usage(bucket),
        }))
    }

    async fn create_bucket(&self, keys: &S3Keys, bucket: &BucketName) -> Result<(), StoreError> {
        self.s3(keys, bucket.as_str(), "create_bucket", |state, uid, now| {
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
            state.buckets.insert(bucket.to_string(), Bucket::new(uid.clone(), now));
            Ok(((), 0, 0))
        })
    }

    async fn delete_bucket(&self, keys: &S3Keys, bucket: &BucketName) -> Result<Removal, StoreError> {
        let answer = self.s3(keys, bucket.as_str(), "delete_bucket", |state, uid, _| {
            if !state.own_bucket(uid, bucket.as_str())?.objects.is_empty() {
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
        Ok(self.state().buckets_of(uid).map(|(name, bucket)| bucket.bucket_usage(name)).collect())
    }

    async fn usage(&self, uid: &S3Uid, from: Timestamp, to: Timestamp) -> Result<Vec<UsageRecord>, StoreError> {
        Ok(self.state().usage(uid, from.duration_trunc(HOUR).unwrap_or(from), to))
    }

    async fn usage_of_all(&self, hour: Timestamp) -> Result<Vec<UserUsage>, StoreError> {
        check_whole_hours(hour, hour + HOUR)?;
        Ok(self.state().usage_of_all(hour))
    }

    async fn trim_usage(&self, uid: &S3Uid, from: Timestamp, to: Timestamp) -> Result<(), StoreError> {
        check_whole_hours(from, to)?;
        self.state().usage.retain(|(user, hour, ..), _| user != uid.as_str() || *hour < from || *hour >= to);
        Ok(())
    }

    async fn probe_log(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let hour = now.duration_trunc(HOUR).unwrap_or(now);
        let entry = (ADMINISTRATOR.to_owned(), hour, String::new(), "list_buckets");
        let mut state = self.state();
        let figures = state.usage.entry(entry).or_default();
        figures.operations += 1;
        figures.successful_operations += 1;
        Ok(())
    }

    async fn put_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str, body: Bytes) -> Result<(), StoreError> {
        check_key(key)?;
        self.s3(keys, bucket.as_str(), "put_obj", |state, uid, now| {
            state.own_bucket(uid, bucket.as_str())?;
            let object = Object { body, last_modified: now };
            if !state.has_room(uid, bucket.as_str(), object.size()) {
                return Err(refused("QuotaExceeded", "The storage quota is used up"));
            }
            let bytes_in = object.body.len();
            state.own_bucket(uid, bucket.as_str())?.objects.insert(key.to_owned(), object);
            Ok(((), bytes_in, 0))
        })
    }

    async fn get_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<Bytes, StoreError> {
        check_key(key)?;
        self.s3(keys, bucket.as_str(), "get_obj", |state, uid, _| {
            match state.own_bucket(uid, bucket.as_str())?.objects.get(key) {
                Some(object) => Ok((object.body.clone(), 0, object.body.len())),
                None => Err(StoreError::NotFound(format!("object {bucket}/{key}"))),
            }
        })
    }

    async fn object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<Option<ObjectSummary>, StoreError> {
        check_key(key)?;
        self.s3(keys, bucket.as_str(), "get_obj", |state, uid, _| {
            let object = state.own_bucket(uid, bucket.as_str())?.objects.get(key);
            Ok((object.map(|object| object.summary(key)), 0, 0))
        })
    }

    async fn delete_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<(), StoreError> {
        check_key(key)?;
        self.s3(keys, bucket.as_str(), "delete_obj", |state, uid, _| {
            state.own_bucket(uid, bucket.as_str())?.objects.remove(key);
            Ok(((), 0, 0))
        })
    }

    async fn list_objects(&self, keys: &S3Keys, list: &ListObjects) -> Result<ObjectPage, StoreError> {
        self.s3(keys, list.bucket.as_str(), "list_bucket", |state, uid, _| {
            let bucket = state.own_bucket(uid, list.bucket.as_str())?;
            Ok((listing::objects(&bucket.objects, list), 0, 0))
        })
    }

    async fn delete_objects(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        objects: &[ObjectVersion],
    ) -> Result<(), StoreError> {
        self.s3(keys, bucket.as_str(), "multi_object_delete", |state, uid, _| {
            let bucket = state.own_bucket(uid, bucket.as_str())?;
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
        self.s3(keys, bucket.as_str(), "list_bucket", |state, uid, _| {
            let bucket = state.own_bucket(uid, bucket.as_str())?;
            Ok((listing::versions(&bucket.objects, continuation, max_keys), 0, 0))
        })
    }

    async fn put_topic(&self, topic: &Topic) -> Result<(), StoreError> {
        self.state().topics.insert(topic.name.clone());
        Ok(())
    }

    async fn notify(&self, keys: &S3Keys, bucket: &str, topic: &str) -> Result<(), StoreError> {
        self.s3(keys, bucket, "put_bucket_notification", |state, uid, _| {
            if !state.topics.contains(topic) {
                return Err(StoreError::NotFound(format!("topic {topic}")));
            }
            state.own_bucket(uid, bucket)?.notified_topic = Some(topic.to_owned());
            Ok(((), 0, 0))
        })
    }

    async fn notified_topic(&self, keys: &S3Keys, bucket: &str) -> Result<Option<String>, StoreError> {
        self.s3(keys, bucket, "get_bucket_notification", |state, uid, _| {
            Ok((state.own_bucket(uid, bucket)?.notified_topic.clone(), 0, 0))
        })
    }

    async fn administrator(&self) -> Result<Administrator, StoreError> {
        let caps = [("users", "*"), ("buckets", "*"), ("usage", "*"), ("metadata", "read")];
        let caps = caps.map(|(kind, perm)| (kind.to_owned(), perm.to_owned())).into();
        Ok(Administrator { uid: ADMINISTRATOR.to_owned(), caps, is_system: false, clock_ahead: TimeDelta::zero() })
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_available(&self) -> bool {
        true
    }
}
