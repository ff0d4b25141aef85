//! What metering says of usage and quotas.

use model::{Location, S3Uid, Timestamp};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an account used in one hour, complete. Of two records of the same account and hour, the one with the higher
/// revision counts.
///
/// Hours without traffic and without a change of what is stored have no record: what was stored when the last one ended
/// is still stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageRecorded {
    /// The account.
    pub s3uid: S3Uid,
    /// Where it is.
    pub location: Location,
    /// The beginning of the hour.
    pub hour: Timestamp,
    /// 1, and one more with each correction.
    pub revision: i32,
    /// What RGW's usage log says, by bucket and category.
    pub traffic: Vec<TrafficInHour>,
    /// The buckets whose content changed in this hour.
    pub storage: Vec<StorageInHour>,
    /// Stored in all buckets when the hour ended.
    pub closing_bytes: u64,
    /// The most that was stored in all buckets together.
    pub peak_bytes: u64,
}

/// One bucket and category of RGW's usage log in one hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrafficInHour {
    /// RGW's own: empty for requests to no bucket, `-` for some that failed.
    pub bucket_name: String,
    /// RGW's own: `put_obj`, `get_obj`, `list_bucket`.
    pub category: String,
    /// Received from the customer.
    pub bytes_in: u64,
    /// Sent to the customer.
    pub bytes_out: u64,
    /// Requests.
    pub operations: u64,
    /// Those that succeeded.
    pub successful_operations: u64,
}

/// What one bucket held in one hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StorageInHour {
    /// The bucket.
    pub bucket_name: String,
    /// Bytes × hours over the whole hour.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub byte_hours: Decimal,
    /// The most that was seen.
    pub peak_bytes: u64,
    /// Held when the hour ended.
    pub closing_bytes: u64,
    /// Objects when the hour ended.
    pub closing_objects: u64,
}

/// Why usage may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapKind {
    /// RGW's log lacks requests that Purser itself made in that hour: RGW lost a part of its log.
    LostFlush,
    /// RGW's log shows less than it did: it was trimmed by somebody else. What was read before counts.
    Shrunk,
    /// A bucket grew by more than the log says it received.
    UnloggedGrowth,
}

impl GapKind {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::LostFlush, Self::Shrunk, Self::UnloggedGrowth];

    /// The name, as on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LostFlush => "lost_flush",
            Self::Shrunk => "shrunk",
            Self::UnloggedGrowth => "unlogged_growth",
        }
    }
}

/// RGW's usage log is incomplete; what it lacks is not made up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageGapDetected {
    /// Where.
    pub location: Location,
    /// The beginning of the hour.
    pub hour: Timestamp,
    /// Why.
    pub kind: GapKind,
    /// The account, where only one is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3uid: Option<S3Uid>,
    /// What was seen.
    pub detail: String,
}

/// An account reached, or (`quota.threshold_left`) fell back below, a part of its quota.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QuotaThresholdCrossed {
    /// The account.
    pub s3uid: S3Uid,
    /// 80, 90 or 100.
    pub threshold_percent: u8,
    /// Used, as RGW counts for quotas: each object rounded up to 4 KiB.
    pub used_bytes: u64,
    /// The quota.
    pub quota_bytes: u64,
}

/// A bucket appeared that Purser didn't make: the customer made it over S3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BucketDiscovered {
    /// The account.
    pub s3uid: S3Uid,
    /// The bucket, by any name that RGW allows.
    pub bucket_name: String,
    /// When RGW was asked: the bucket may have been deleted since. Events of former versions don't say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_at: Option<Timestamp>,
}

/// A bucket is gone that Purser didn't delete: the customer deleted it over S3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BucketVanished {
    /// The account.
    pub s3uid: S3Uid,
    /// The bucket.
    pub bucket_name: String,
    /// When RGW was asked: the bucket may have been made since. Events of former versions don't say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_at: Option<Timestamp>,
}
