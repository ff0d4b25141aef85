//! What the provisioner says of accounts and buckets.

use model::{BucketName, CustomerId, Location, OrderId, S3Uid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AccountAccess, KeyKind};

/// The provisioner has made an account on RGW; it is usable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountProvisioned {
    /// The order it was made for.
    pub order_id: OrderId,
    /// The account.
    pub s3uid: S3Uid,
    /// Its owner.
    pub customer_id: CustomerId,
    /// Where its data is.
    pub location: Location,
    /// The first bucket.
    pub bucket_name: BucketName,
    /// Why the first bucket could not be made, where it couldn't.
    pub bucket_error: Option<String>,
}

/// The provisioner could not make an account, and nothing of it is left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountProvisionFailed {
    /// The order it was meant for.
    pub order_id: OrderId,
    /// The account that does not exist.
    pub s3uid: S3Uid,
    /// What the caller reads.
    pub reason: String,
}

/// What was made for a failed order is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountReleased {
    /// The order that failed.
    pub order_id: OrderId,
    /// The account that no longer exists.
    pub s3uid: S3Uid,
}

/// A bucket was made for an existing account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BucketCreated {
    /// The account.
    pub s3uid: S3Uid,
    /// The new bucket.
    pub bucket_name: BucketName,
}

/// A bucket was deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BucketDeleted {
    /// The account.
    pub s3uid: S3Uid,
    /// The bucket that no longer exists.
    pub bucket_name: BucketName,
}

/// A file was deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileDeleted {
    /// The account.
    pub s3uid: S3Uid,
    /// The bucket.
    pub bucket_name: BucketName,
    /// The file's key.
    pub filename: String,
}

/// Somebody looked at a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeyShown {
    /// The account.
    pub s3uid: S3Uid,
    /// Which half.
    pub s3_key: KeyKind,
}

/// The account has a new secret key; the old one no longer works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeyRotated {
    /// The account.
    pub s3uid: S3Uid,
    /// The access key, which stays.
    pub access_key: String,
}

/// An account and everything in it is gone from RGW: the proof of its deletion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountDeleted {
    /// The account that no longer exists.
    pub s3uid: S3Uid,
    /// Its owner.
    pub customer_id: CustomerId,
    /// The buckets that it had.
    pub buckets: Vec<String>,
    /// How many objects, all their versions counted, were deleted with it.
    pub objects_deleted: u64,
}

/// The account may store this much from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountQuotaChanged {
    /// The account.
    pub s3uid: S3Uid,
    /// The new quota.
    pub quota_bytes: u64,
    /// The quota before.
    pub previous_quota_bytes: u64,
}

/// RGW tells of the bucket's changes from now on; what changed before may be unseen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BucketWatched {
    /// The account.
    pub s3uid: S3Uid,
    /// The bucket, by any name that RGW allows.
    pub bucket_name: String,
}

/// The account may do this much over S3 from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountAccessChanged {
    /// The account.
    pub s3uid: S3Uid,
    /// What it may do.
    pub access: AccountAccess,
    /// What it might do before.
    pub previous_access: AccountAccess,
}
