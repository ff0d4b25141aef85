//! What goes into the object store's calls and comes out of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DurationRound, TimeDelta};
use model::{BucketName, ByteCount, S3Uid, Timestamp};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};

use crate::{Access, StoreError};

const ACCESS_KEY_CHARS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const SECRET_KEY_CHARS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// How many entries a page of a listing has at most.
pub(crate) const PAGE_LEN_MAX: u32 = 1000;
const QUOTA_BLOCK_BYTES: u64 = 4096;
/// What the usage log counts by.
pub(crate) const HOUR: TimeDelta = TimeDelta::hours(1);
/// radosgw counts buckets in an `int`.
const MAX_BUCKETS_MAX: u32 = i32::MAX as u32;

/// An S3 key pair. `Debug` shows the access key only.
#[derive(Clone)]
pub struct S3Keys {
    /// The public half: 20 characters of `A-Z` and `0-9` where Purser made it.
    pub access_key: String,
    /// The secret half: 40 letters and digits where Purser made it.
    pub secret_key: SecretString,
}

impl S3Keys {
    /// A new, unguessable pair.
    pub fn generate() -> Self {
        Self { access_key: random_text(ACCESS_KEY_CHARS, 20), secret_key: random_text(SECRET_KEY_CHARS, 40).into() }
    }

    /// Whether both halves are the same; the secrets are compared in constant time for their length.
    pub fn same_as(&self, access_key: &str, secret_key: &str) -> bool {
        let (ours, theirs) = (self.secret_key.expose_secret().as_bytes(), secret_key.as_bytes());
        let secrets_differ =
            ours.len() != theirs.len() || ours.iter().zip(theirs).fold(0, |acc, (a, b)| acc | (a ^ b)) != 0;
        self.access_key == access_key && !secrets_differ
    }
}

fn random_text(alphabet: &[u8], len: usize) -> String {
    let mut rng = rand::rng();
    (0..len).map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())])).collect()
}

impl fmt::Debug for S3Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Keys").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// A user to create.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The user's id, on the store the same as in Purser.
    pub uid: S3Uid,
    /// A name for people to read; must not be empty.
    pub display_name: String,
    /// The first key pair, chosen by the caller so that a repeated call finds the same one.
    pub keys: S3Keys,
    /// How many buckets the user may own; at least 1.
    pub max_buckets: u32,
}

/// A user as the store knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUser {
    /// The user's id.
    pub uid: S3Uid,
    /// The name for people.
    pub display_name: String,
    /// All access keys, without their secrets, sorted.
    pub access_keys: Vec<String>,
    /// What the user may do over S3; `None` where that is nothing that Purser sets.
    pub access: Option<Access>,
    /// How many buckets the user may own: `None` is without a limit, 0 is none.
    pub max_buckets: Option<u32>,
    /// How much the user may store over all buckets, compared with sizes as [`quota_size`] counts them.
    pub quota: Option<ByteCount>,
    /// How much each of the user's buckets may hold, counted the same way.
    pub bucket_quota: Option<ByteCount>,
}

/// One page of a list of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamePage {
    /// The names; a page may be empty though others follow.
    pub names: Vec<String>,
    /// How to ask for the next page; `None` at the end.
    pub next: Option<String>,
}

/// A bucket as the administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreBucket {
    /// The owner's id, who need not be a user that Purser made.
    pub owner: String,
    /// When the bucket was made.
    pub created_at: Timestamp,
    /// Its name and what it holds.
    pub usage: BucketUsage,
}

/// What one bucket holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUsage {
    /// The bucket's name, as the store writes it.
    pub name: String,
    /// The exact sum of the objects' sizes, uploads in parts that aren't completed included. Invoices use this.
    pub usage: ByteCount,
    /// The same with every object rounded up to 4 KiB. Quotas use this.
    pub size_actual: ByteCount,
    /// How many objects, as the store counts them: each finished part of an uncompleted upload is one.
    pub objects: u64,
}

/// What one user did in one hour with one bucket, in one category of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRecord {
    /// The bucket's name. `""` stands for requests without a bucket (listing buckets), `"-"` for some failed ones.
    pub bucket: String,
    /// The beginning of the hour; its figures grow until it is over and the store has flushed its log.
    pub hour: Timestamp,
    /// The kind of request, as the store calls it: `put_obj`, `get_obj`, `list_bucket`.
    pub category: String,
    /// Bytes that the store received from the customer.
    pub bytes_in: ByteCount,
    /// Bytes that the store sent to the customer.
    pub bytes_out: ByteCount,
    /// Requests.
    pub operations: u64,
    /// Those of them that succeeded.
    pub successful_operations: u64,
}

/// What one user did in one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserUsage {
    /// The user's id, which need not be of Purser's making.
    pub uid: String,
    /// The records, at least one, ordered by hour, bucket and category.
    pub records: Vec<UsageRecord>,
}

/// Who manages the store's users for Purser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administrator {
    /// The administrator's id, under which the usage log has their own requests.
    pub uid: String,
    /// What the administrator may do: `users` to `*`, `read`, `write` or `read, write`.
    pub caps: BTreeMap<String, String>,
    /// Whether this is one of the store's own: what such a user does isn't logged.
    pub is_system: bool,
    /// How far the store's clock is ahead of this machine's, at the least: the store tells whole seconds. Negative where
    /// it is behind.
    pub clock_ahead: TimeDelta,
}

/// Where bucket notifications are sent: an exchange of an AMQP broker, with the topic's name as routing key. `Debug` shows
/// no secret.
#[derive(Debug, Clone)]
pub struct Topic {
    /// The name.
    pub name: String,
    /// The broker: `amqp://user:password@host:port/vhost`, user and password percent-encoded.
    pub push_endpoint: SecretString,
    /// The exchange, which must exist.
    pub exchange: String,
    /// What the store waits for.
    pub ack_level: AckLevel,
    /// Whether the store keeps events until the broker has them, instead of sending each within its request.
    pub persistent: bool,
}

/// Which answer of the broker ends the sending of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AckLevel {
    /// None: it is sent and forgotten.
    #[default]
    None,
    /// The broker has it.
    Broker,
    /// The broker has a queue for it.
    Routable,
}

impl AckLevel {
    /// As configuration and store write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Broker => "broker",
            Self::Routable => "routable",
        }
    }
}

/// A text that is no [`AckLevel`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an ack level must be none, broker or routable")]
pub struct InvalidAckLevel;

impl FromStr for AckLevel {
    type Err = InvalidAckLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let levels = [Self::None, Self::Broker, Self::Routable];
        levels.into_iter().find(|level| level.as_str() == text).ok_or(InvalidAckLevel)
    }
}

/// Which objects of a bucket to list.
#[derive(Debug, Clone)]
pub struct ListObjects {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys that begin so; empty for all.
    pub prefix: String,
    /// Keys that hold this after the prefix are summed up as [`ObjectPage::common_prefixes`]; mostly `/`.
    pub delimiter: Option<String>,
    /// Only keys behind this one, which need not exist. One inside a common prefix leaves that prefix out.
    pub start_after: Option<String>,
    /// Where to go on: the [`ObjectPage::next`] of the page before, with everything else as it was. `start_after` then
    /// counts no more.
    pub continuation: Option<String>,
    /// How many objects and common prefixes at most: 1 to 1,000; the store lowers what is more.
    pub max_keys: u32,
}

impl ListObjects {
    /// All objects of a bucket, from the first, in pages as large as they get.
    pub fn all(bucket: BucketName) -> Self {
        Self {
            bucket,
            prefix: String::new(),
            delimiter: None,
            start_after: None,
            continuation: None,
            max_keys: PAGE_LEN_MAX,
        }
    }
}

/// One page of a bucket's objects, in the order of their keys' bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects.
    pub objects: Vec<ObjectSummary>,
    /// What stands for all keys that begin so: the prefix asked for and on to the next delimiter, which is included.
    /// Sorted, each on one page only; empty where no delimiter was given.
    pub common_prefixes: Vec<String>,
    /// How to ask for the next page, which may turn out empty; `None` at the end.
    pub next: Option<String>,
}

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectSummary {
    /// The key.
    pub key: String,
    /// The exact size.
    pub size: ByteCount,
    /// When it was written.
    pub last_modified: Timestamp,
}

/// One version of an object, or a delete marker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectVersion {
    /// The key.
    pub key: String,
    /// The store's id of the version: `null` for one from before versioning. `None` means whatever is current; in a
    /// bucket with versioning, deleting that only adds a delete marker.
    pub version: Option<String>,
}

/// One page of everything that a bucket holds, in the order of the keys' bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionPage {
    /// Versions and delete markers, each with its id.
    pub versions: Vec<ObjectVersion>,
    /// How to ask for the next page, which may turn out empty; `None` at the end.
    pub next: Option<String>,
}

/// What became of something that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It was there and is gone now.
    Removed,
    /// It wasn't there.
    Absent,
}

/// How much of a quota an object of `size` takes: rounded up to 4 KiB.
pub const fn quota_size(size: ByteCount) -> ByteCount {
    ByteCount::from_bytes(size.bytes().div_ceil(QUOTA_BLOCK_BYTES).saturating_mul(QUOTA_BLOCK_BYTES))
}

/// Refuses what radosgw would take for no limit, or for nonsense.
pub(crate) fn check_max_buckets(max_buckets: u32) -> Result<(), StoreError> {
    match max_buckets {
        0 => Err(StoreError::refused("InvalidArgument", "max_buckets must be at least 1")),
        1..=MAX_BUCKETS_MAX => Ok(()),
        _ => Err(StoreError::refused("InvalidArgument", format!("max_buckets must be at most {MAX_BUCKETS_MAX}"))),
    }
}

/// Refuses a period that isn't one of whole hours.
pub(crate) fn check_whole_hours(from: Timestamp, to: Timestamp) -> Result<(), StoreError> {
    let is_whole = |time: Timestamp| time.duration_trunc(HOUR) == Ok(time);
    if from < to && is_whole(from) && is_whole(to) {
        return Ok(());
    }
    Err(StoreError::refused("InvalidArgument", "the period must be of whole hours"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_keys_have_the_usual_form_and_differ() {
        let (keys, other) = (S3Keys::generate(), S3Keys::generate());
        assert_eq!(keys.access_key.len(), 20);
        assert!(keys.access_key.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
        assert_eq!(keys.secret_key.expose_secret().len(), 40);
        assert!(keys.secret_key.expose_secret().bytes().all(|b| b.is_ascii_alphanumeric()));
        assert!(keys.same_as(&keys.access_key, keys.secret_key.expose_secret()));
        assert!(!keys.same_as(&keys.access_key, other.secret_key.expose_secret()));
        assert!(!keys.same_as(&other.access_key, keys.secret_key.expose_secret()));
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let keys = S3Keys::generate();
        let shown = format!("{keys:?}");
        assert!(shown.contains(&keys.access_key));
        assert!(!shown.contains(keys.secret_key.expose_secret()));
    }

    #[test]
    fn ack_levels_are_read_as_they_are_written() {
        for level in [AckLevel::None, AckLevel::Broker, AckLevel::Routable] {
            assert_eq!(level.as_str().parse(), Ok(level));
        }
        for text in ["", "None", "all", "none "] {
            assert_eq!(text.parse::<AckLevel>(), Err(InvalidAckLevel), "{text:?}");
        }
    }

    #[test]
    fn a_topic_hides_its_broker_s_password() {
        let topic = Topic {
            name: "purser".into(),
            push_endpoint: "amqp://rgw:very-secret@127.0.0.1:5672/s3".into(),
            exchange: "s3.rgw".into(),
            ack_level: AckLevel::None,
            persistent: false,
        };
        let shown = format!("{topic:?}");
        assert!(shown.contains("s3.rgw") && !shown.contains("very-secret"), "{shown}");
    }

    #[test]
    fn only_whole_hours_make_a_period() {
        let time = |text: &str| format!("2026-03-01T{text}Z").parse::<Timestamp>().unwrap();
        for (from, to, valid) in [
            ("10:00:00", "11:00:00", true),
            ("00:00:00", "23:00:00", true),
            ("10:00:00", "10:00:00", false),
            ("11:00:00", "10:00:00", false),
            ("10:00:01", "11:00:00", false),
            ("10:00:00", "10:59:59", false),
            ("10:00:00", "11:00:00.5", false),
        ] {
            assert_eq!(check_whole_hours(time(from), time(to)).is_ok(), valid, "{from} {to}");
        }
        for (max_buckets, valid) in [(0, false), (1, true), (i32::MAX as u32, true), (1 << 31, false)] {
            assert_eq!(check_max_buckets(max_buckets).is_ok(), valid, "{max_buckets}");
        }
    }

    #[test]
    fn quotas_count_blocks_of_4_kib() {
        for (size, counted) in [(0, 0), (1, 4096), (4096, 4096), (4097, 8192)] {
            assert_eq!(quota_size(ByteCount::from_bytes(size)).bytes(), counted, "{size}");
        }
    }
}
