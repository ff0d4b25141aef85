//! A store in memory with the semantics of the real one, for unit tests and benchmarks.
//!
//! It has users, quotas, bucket owners and a usage log that is readable at once; it is not meant for production.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DurationRound, TimeDelta};
use model::{BucketName, ByteCount, Clock, S3Uid, Timestamp};
use secrecy::ExposeSecret;

use crate::{
    BucketUsage, ListObjects, NewUser, ObjectPage, ObjectStore, ObjectSummary, S3Keys, StoreError, StoreUser,
    UsageRecord, quota_size,
};

const HOUR: TimeDelta = TimeDelta::hours(1);
const KEY_LEN_MAX: usize = 1024;
const PAGE_LEN_MAX: u32 = 1000;

/// An object store that lives as long as the process.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    users: HashMap<S3Uid, User>,
    access_keys: HashMap<String, S3Uid>,
    buckets: HashMap<String, Bucket>,
    usage: BTreeMap<(S3Uid, Timestamp, String, &'static str), Figures>,
}

#[derive(Debug)]
struct User {
    display_name: String,
    keys: S3Keys,
    max_buckets: u32,
    quota: Option<ByteCount>,
    buckets: BTreeSet<String>,
}

#[derive(Debug)]
struct Bucket {
    owner: S3Uid,
    objects: BTreeMap<String, Object>,
}

#[derive(Debug)]
struct Object {
    body: Bytes,
    last_modified: Timestamp,
}

#[derive(Debug, Default, Clone, Copy)]
struct Figures {
    bytes_in: u64,
    bytes_out: u64,
    operations: u64,
    successful_operations: u64,
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

impl State {
    fn authenticated(&self, keys: &S3Keys) -> Result<S3Uid, StoreError> {
        let owner = self.access_keys.get(&keys.access_key).and_then(|uid| self.users.get_key_value(uid));
        let Some((uid, user)) = owner else { return Err(refused("InvalidAccessKeyId", "The S3 key is not valid")) };
        if !user.keys.same_as(&keys.access_key, keys.secret_key.expose_secret()) {
            return Err(refused("SignatureDoesNotMatch", "The S3 key is not valid"));
        }
        Ok(uid.clone())
    }

    fn own_bucket(&mut self, uid: &S3Uid, name: &BucketName) -> Result<&mut Bucket, StoreError> {
        match self.buckets.get_mut(name.as_str()) {
            None => Err(StoreError::NotFound(format!("bucket {name}"))),
            Some(bucket) if bucket.owner != *uid => Err(refused("AccessDenied", "Access denied")),
            Some(bucket) => Ok(bucket),
        }
    }

    fn buckets_of(&self, uid: &S3Uid) -> impl Iterator<Item = (&String, &Bucket)> {
        let names = self.users.get(uid).into_iter().flat_map(|user| &user.buckets);
        names.filter_map(|name| self.buckets.get_key_value(name))
    }

    fn user_mut(&mut self, uid: &S3Uid) -> Result<&mut User, StoreError> {
        self.users.get_mut(uid).ok_or_else(|| StoreError::NotFound(format!("user {uid}")))
    }

    /// The real store doesn't count what an overwritten object frees either.
    fn has_room(&self, uid: &S3Uid, size: ByteCount) -> bool {
        let Some(quota) = self.users.get(uid).and_then(|user| user.quota) else { return true };
        let used: ByteCount = self.buckets_of(uid).map(|(_, bucket)| bucket.size_actual()).sum();
        used + quota_size(size) <= quota
    }
}

impl Bucket {
    fn usage(&self) -> ByteCount {
        self.objects.values().map(Object::size).sum()
    }

    fn size_actual(&self) -> ByteCount {
        self.objects.values().map(|object| quota_size(object.size())).sum()
    }
}

impl Object {
    fn size(&self) -> ByteCount {
        ByteCount::from_bytes(self.body.len() as u64)
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
            suspended: false,
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

    async fn delete_bucket(&self, keys: &S3Keys, bucket: &BucketName) -> Result<(), StoreError> {
        let answer = self.s3(keys, bucket, "delete_bucket", |state, uid, _| {
            if !state.own_bucket(uid, bucket)?.objects.is_empty() {
                return Err(refused("BucketNotEmpty", "The bucket is not empty"));
            }
            state.buckets.remove(bucket.as_str());
            state.user_mut(uid)?.buckets.remove(bucket.as_str());
            Ok(((), 0, 0))
        });
        if let Err(StoreError::NotFound(_)) = answer { Ok(()) } else { answer }
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
            let max_keys = list.max_keys.min(PAGE_LEN_MAX) as usize;
            let after = list.continuation.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let matching = bucket.objects.range::<str, _>((after, Bound::Unbounded));
            let mut matching = matching.filter(|(key, _)| key.starts_with(&list.prefix));
            let objects: Vec<ObjectSummary> = matching
                .by_ref()
                .take(max_keys)
                .map(|(key, object)| ObjectSummary {
                    key: key.clone(),
                    size: object.size(),
                    last_modified: object.last_modified,
                })
                .collect();
            let last_key = objects.last().map(|object| object.key.clone());
            let next = last_key.filter(|_| matching.next().is_some());
            Ok((ObjectPage { objects, next }, 0, 0))
        })
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
