//! What radosgw answers: JSON bodies of Admin Ops, and errors of both APIs.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use model::{ByteCount, S3Uid, Timestamp};
use serde::{Deserialize, Deserializer};

use crate::{
    Access, Administrator, BucketUsage, NamePage, S3Keys, StoreBucket, StoreError, StoreUser, UsageRecord, UserUsage,
};

/// Which of radosgw's APIs was asked; the same status means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    Admin,
    S3,
}

/// The JSON body of an Admin Ops error.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ErrorBody {
    pub(super) code: String,
    pub(super) message: String,
}

/// Decides what an error answer means for the caller. `subject` names what was asked for: `bucket my-bucket`.
pub(super) fn failure(api: Api, status: u16, code: &str, message: &str, subject: &str) -> StoreError {
    let shown = if code.is_empty() { format!("status {status}") } else { format!("{status} {code}") };
    match (api, status, code) {
        (_, _, "SlowDown" | "RequestTimeout" | "ServiceUnavailable" | "InternalError" | "UnknownError") => {
            StoreError::Unavailable(shown)
        }
        (_, _, "RequestTimeTooSkewed") => StoreError::Misconfigured(format!("the clocks differ too much: {shown}")),
        (_, 501, _) => StoreError::Misconfigured(format!("not supported by this radosgw: {shown}")),
        (_, 408 | 429 | 500.., _) => StoreError::Unavailable(shown),
        (Api::Admin, 404, "NoSuchUser") | (Api::S3, 404, _) => StoreError::NotFound(subject.to_owned()),
        (Api::Admin, 401 | 403, _) => {
            StoreError::Misconfigured(format!("the Admin Ops API refuses the administrator's key: {shown}"))
        }
        (Api::Admin, 409, "UserAlreadyExists" | "KeyExists" | "EmailExists") => {
            StoreError::Conflict(format!("{subject} or their access key exists already: {shown}"))
        }
        (Api::Admin, 409, "BucketAlreadyExists") => StoreError::refused(code, "The user still has buckets"),
        (Api::Admin, 400 | 409, _) => StoreError::refused(refusal_code(status, code), refusal_reason(code, message)),
        (Api::Admin, ..) => StoreError::Misconfigured(format!("there is no Admin Ops API at this address: {shown}")),
        (Api::S3, 300..=399, _) => StoreError::Misconfigured(format!("S3 is not at this address: {shown}")),
        (Api::S3, ..) => StoreError::refused(refusal_code(status, code), refusal_reason(code, message)),
    }
}

/// The refusal of an administrator who may not make this call for want of `cap`, such as `usage=write`.
pub(super) fn needs_cap(cap: &str) -> StoreError {
    StoreError::Misconfigured(format!(
        "the Admin Ops API refuses the administrator's key: 403 AccessDenied; the call needs the cap {cap}"
    ))
}

fn refusal_code(status: u16, code: &str) -> String {
    if code.is_empty() { status.to_string() } else { code.to_owned() }
}

/// The reason as a customer may read it; radosgw's own messages are mostly empty.
fn refusal_reason(code: &str, message: &str) -> String {
    let reason = match code {
        "BucketAlreadyExists" | "BucketAlreadyOwnedByYou" => "Bucket name already taken",
        "BucketNotEmpty" => "The bucket is not empty",
        "InvalidBucketName" => "Invalid bucket name",
        "TooManyBuckets" => "The account may not have more buckets",
        "QuotaExceeded" => "The storage quota is used up",
        "EntityTooLarge" => "The object is too large",
        "InvalidObjectName" | "KeyTooLongError" => "Invalid object key: must be 1 to 1024 bytes long",
        "AccessDenied" => "Access denied",
        "UserSuspended" => "The account is suspended",
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" => "The S3 key is not valid",
        _ if message.is_empty() => "The request was refused",
        _ => message,
    };
    reason.to_owned()
}

/// A user. Deliberately without `Debug`: it holds secret keys.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct UserAnswer {
    user_id: String,
    /// A text.
    system: String,
    caps: Vec<CapAnswer>,
    display_name: String,
    suspended: i64,
    op_mask: String,
    max_buckets: i64,
    keys: Vec<KeyAnswer>,
    user_quota: Option<QuotaAnswer>,
    bucket_quota: Option<QuotaAnswer>,
}

#[derive(Deserialize)]
struct CapAnswer {
    #[serde(rename = "type")]
    kind: String,
    perm: String,
}

#[derive(Deserialize)]
struct KeyAnswer {
    access_key: String,
    secret_key: String,
}

#[derive(Deserialize)]
struct QuotaAnswer {
    enabled: bool,
    max_size: i64,
}

impl QuotaAnswer {
    fn limit(&self) -> Option<ByteCount> {
        (self.enabled && self.max_size >= 0).then(|| ByteCount::from_i64(self.max_size))
    }
}

impl UserAnswer {
    /// Whether one of the user's key pairs is `keys`, secret included.
    pub(super) fn has_keys(&self, keys: &S3Keys) -> bool {
        self.keys.iter().any(|key| keys.same_as(&key.access_key, &key.secret_key))
    }

    pub(super) fn access_keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.access_key.as_str())
    }

    pub(super) fn into_keys(self) -> Vec<S3Keys> {
        let keys = self.keys.into_iter();
        let mut keys: Vec<S3Keys> =
            keys.map(|key| S3Keys { access_key: key.access_key, secret_key: key.secret_key.into() }).collect();
        keys.sort_unstable_by(|a, b| a.access_key.cmp(&b.access_key));
        keys
    }

    /// The id, and the caps by what they are for: `users` with `*`.
    pub(super) fn into_administrator(self, clock_ahead: TimeDelta) -> Administrator {
        let caps = self.caps.into_iter().map(|cap| (cap.kind, cap.perm)).collect();
        Administrator { uid: self.user_id, caps, is_system: self.system == "true", clock_ahead }
    }

    pub(super) fn into_store_user(self, uid: &S3Uid) -> StoreUser {
        let mut access_keys: Vec<String> = self.keys.into_iter().map(|key| key.access_key).collect();
        access_keys.sort_unstable();
        StoreUser {
            uid: uid.clone(),
            display_name: self.display_name,
            access_keys,
            access: Access::of_user(self.suspended != 0, &self.op_mask),
            // radosgw writes 0 for "no limit" and -1 for "none".
            max_buckets: match self.max_buckets {
                0 => None,
                limit => Some(u32::try_from(limit.max(0)).unwrap_or(u32::MAX)),
            },
            quota: self.user_quota.and_then(|quota| quota.limit()),
            bucket_quota: self.bucket_quota.and_then(|quota| quota.limit()),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct BucketAnswer {
    bucket: String,
    #[serde(default)]
    owner: String,
    creation_time: Option<Timestamp>,
    #[serde(default)]
    usage: BTreeMap<String, CategoryUsage>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CategoryUsage {
    size: u64,
    size_actual: u64,
    num_objects: u64,
}

impl From<BucketAnswer> for BucketUsage {
    fn from(answer: BucketAnswer) -> Self {
        Self {
            name: answer.bucket,
            usage: answer.usage.values().map(|category| ByteCount::from_bytes(category.size)).sum(),
            size_actual: answer.usage.values().map(|category| ByteCount::from_bytes(category.size_actual)).sum(),
            objects: answer.usage.get("rgw.main").map_or(0, |main| main.num_objects),
        }
    }
}

impl BucketAnswer {
    /// `None` where radosgw doesn't say when the bucket was made.
    pub(super) fn into_store_bucket(mut self) -> Option<StoreBucket> {
        let created_at = self.creation_time?;
        Some(StoreBucket { owner: std::mem::take(&mut self.owner), created_at, usage: self.into() })
    }
}

/// A page of names.
#[derive(Deserialize)]
pub(super) struct NamesAnswer {
    keys: Vec<String>,
    #[serde(default, deserialize_with = "bool_or_text")]
    truncated: bool,
    #[serde(default)]
    marker: String,
}

/// radosgw writes `true` or `"true"`, depending on the list.
fn bool_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum BoolOrText {
        Bool(bool),
        Text(String),
    }
    Ok(match BoolOrText::deserialize(deserializer)? {
        BoolOrText::Bool(truth) => truth,
        BoolOrText::Text(text) => text == "true",
    })
}

impl From<NamesAnswer> for NamePage {
    fn from(answer: NamesAnswer) -> Self {
        Self { names: answer.keys, next: answer.truncated.then_some(answer.marker) }
    }
}

#[derive(Deserialize)]
pub(super) struct UsageAnswer {
    #[serde(default)]
    entries: Vec<UsageOfUser>,
}

#[derive(Deserialize)]
struct UsageOfUser {
    #[serde(default)]
    user: String,
    #[serde(default)]
    buckets: Vec<UsageOfBucket>,
}

#[derive(Deserialize)]
struct UsageOfBucket {
    bucket: String,
    /// The hour's beginning in seconds since 1970.
    epoch: i64,
    #[serde(default)]
    categories: Vec<UsageOfCategory>,
}

#[derive(Deserialize)]
struct UsageOfCategory {
    category: String,
    bytes_sent: u64,
    bytes_received: u64,
    ops: u64,
    successful_ops: u64,
}

impl UsageAnswer {
    /// The hours in `from..to` of one user, ordered by hour, bucket and category.
    pub(super) fn into_records(self, from: Timestamp, to: Timestamp) -> Vec<UsageRecord> {
        records(self.entries.into_iter().flat_map(|user| user.buckets), from, to)
    }

    /// The hours in `from..to` of each user who has any, ordered by the user's id.
    pub(super) fn into_users(self, from: Timestamp, to: Timestamp) -> Vec<UserUsage> {
        let mut users: BTreeMap<String, Vec<UsageOfBucket>> = BTreeMap::new();
        for user in self.entries {
            users.entry(user.user).or_default().extend(user.buckets);
        }
        let usages = users.into_iter().map(|(uid, buckets)| UserUsage { uid, records: records(buckets, from, to) });
        usages.filter(|usage| !usage.records.is_empty()).collect()
    }
}

/// radosgw may split one hour of one bucket over several entries (a bucket that changed its owner); they are added.
fn records(entries: impl IntoIterator<Item = UsageOfBucket>, from: Timestamp, to: Timestamp) -> Vec<UsageRecord> {
    let mut records = BTreeMap::new();
    for entry in entries {
        let Some(hour) = Timestamp::from_timestamp_secs(entry.epoch) else { continue };
        if hour < from || hour >= to {
            continue;
        }
        for figures in entry.categories {
            let key = (hour, entry.bucket.clone(), figures.category.clone());
            let record = records.entry(key).or_insert_with(|| UsageRecord {
                bucket: entry.bucket.clone(),
                hour,
                category: figures.category,
                bytes_in: ByteCount::ZERO,
                bytes_out: ByteCount::ZERO,
                operations: 0,
                successful_operations: 0,
            });
            record.bytes_in += ByteCount::from_bytes(figures.bytes_received);
            record.bytes_out += ByteCount::from_bytes(figures.bytes_sent);
            record.operations += figures.ops;
            record.successful_operations += figures.successful_ops;
        }
    }
    records.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_say_what_to_do() {
        for (api, status, code, kind) in [
            (Api::Admin, 404, "NoSuchUser", "NotFound"),
            (Api::Admin, 404, "NoSuchBucket", "Misconfigured"),
            (Api::Admin, 404, "", "Misconfigured"),
            (Api::Admin, 405, "MethodNotAllowed", "Misconfigured"),
            (Api::Admin, 403, "AccessDenied", "Misconfigured"),
            (Api::Admin, 403, "SignatureDoesNotMatch", "Misconfigured"),
            (Api::Admin, 403, "RequestTimeTooSkewed", "Misconfigured"),
            (Api::Admin, 409, "UserAlreadyExists", "Conflict"),
            (Api::Admin, 409, "KeyExists", "Conflict"),
            (Api::Admin, 409, "BucketAlreadyExists", "Refused"),
            (Api::Admin, 400, "InvalidArgument", "Refused"),
            (Api::Admin, 503, "SlowDown", "Unavailable"),
            (Api::Admin, 502, "", "Unavailable"),
            (Api::Admin, 501, "NotImplemented", "Misconfigured"),
            (Api::S3, 404, "NoSuchBucket", "NotFound"),
            (Api::S3, 409, "BucketAlreadyExists", "Refused"),
            (Api::S3, 403, "QuotaExceeded", "Refused"),
            (Api::S3, 403, "RequestTimeTooSkewed", "Misconfigured"),
            (Api::S3, 400, "RequestTimeout", "Unavailable"),
            (Api::S3, 301, "PermanentRedirect", "Misconfigured"),
            (Api::S3, 500, "InternalError", "Unavailable"),
            (Api::S3, 501, "NotImplemented", "Misconfigured"),
            (Api::S3, 200, "UnknownError", "Unavailable"),
            (Api::S3, 200, "AccessDenied", "Refused"),
            (Api::S3, 418, "", "Refused"),
        ] {
            let error = failure(api, status, code, "", "user x");
            assert!(format!("{error:?}").starts_with(kind), "{api:?} {status} {code}: {error:?}");
        }
    }

    #[test]
    fn users_are_read_as_radosgw_writes_them() {
        let read = |text: &str| {
            let answer: UserAnswer = serde_json::from_str(text).unwrap();
            answer.into_store_user(&S3Uid::random())
        };
        for (max_buckets, expected) in [("0", None), ("-1", Some(0)), ("5", Some(5)), ("42997033", Some(42_997_033))] {
            let user = read(&format!(r#"{{"suspended": 1, "max_buckets": {max_buckets}}}"#));
            assert_eq!((user.access, user.max_buckets, user.quota), (Some(Access::Suspended), expected, None));
        }
        for (enabled, max_size, expected) in
            [(true, 10, Some(10)), (true, 0, Some(0)), (true, -1, None), (false, 10, None)]
        {
            let user = read(&format!(r#"{{"user_quota": {{"enabled": {enabled}, "max_size": {max_size}}}}}"#));
            assert_eq!(user.quota, expected.map(ByteCount::from_bytes), "{enabled} {max_size}");
        }
    }

    #[test]
    fn uploads_in_parts_count_where_radosgw_counts_them() {
        let answer: BucketAnswer = serde_json::from_str(
            r#"{"bucket": "b", "usage": {"rgw.main": {"size": 5242880, "size_actual": 5242880, "num_objects": 1},
                "rgw.multimeta": {"size": 0, "size_actual": 0, "size_utilized": 27, "num_objects": 1}}}"#,
        )
        .unwrap();
        let usage = BucketUsage::from(answer);
        assert_eq!((usage.usage.bytes(), usage.size_actual.bytes(), usage.objects), (5_242_880, 5_242_880, 1));
    }

    #[test]
    fn split_hours_are_added_and_others_left_out() {
        let entry = |epoch: i64, bytes: u64| {
            format!(
                r#"{{"bucket": "", "epoch": {epoch}, "categories": [{{"category": "list_buckets", "bytes_sent": {bytes},
                    "bytes_received": 0, "ops": 1, "successful_ops": 1}}]}}"#
            )
        };
        let entries = [entry(0, 1), entry(3600, 2), entry(3600, 4), entry(7200, 8)].join(",");
        let answer: UsageAnswer =
            serde_json::from_str(&format!(r#"{{"entries": [{{"user": "u", "buckets": [{entries}]}}]}}"#)).unwrap();
        let hour = |secs| Timestamp::from_timestamp_secs(secs).unwrap();
        let records = answer.into_records(hour(3600), hour(7200));
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].hour, records[0].bytes_out.bytes(), records[0].operations), (hour(3600), 6, 2));
    }
}
