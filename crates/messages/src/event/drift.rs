//! Where database and RGW don't agree.

use std::fmt;

use model::{Location, S3Uid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What doesn't agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// An account has no user on RGW.
    UserMissing,
    /// RGW has a user that looks like an account and is none.
    UserExtra,
    /// The account's key pair isn't among the user's.
    KeyMissing,
    /// The user has key pairs that Purser didn't make.
    KeyExtra,
    /// RGW lets the user do more, or less, than the account may.
    Suspension,
    /// The user's quota isn't the account's.
    Quota,
    /// A bucket that Purser knows isn't there.
    BucketMissing,
    /// A bucket of the account that Purser doesn't know.
    BucketExtra,
    /// A bucket that Purser knows belongs to somebody else.
    BucketOwner,
    /// RGW doesn't tell of the bucket's changes.
    Notification,
}

impl DriftKind {
    /// Every kind, in the order of reports.
    pub const ALL: [Self; 10] = [
        Self::UserMissing,
        Self::UserExtra,
        Self::KeyMissing,
        Self::KeyExtra,
        Self::Suspension,
        Self::Quota,
        Self::BucketMissing,
        Self::BucketExtra,
        Self::BucketOwner,
        Self::Notification,
    ];

    /// The name, as on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserMissing => "user_missing",
            Self::UserExtra => "user_extra",
            Self::KeyMissing => "key_missing",
            Self::KeyExtra => "key_extra",
            Self::Suspension => "suspension",
            Self::Quota => "quota",
            Self::BucketMissing => "bucket_missing",
            Self::BucketExtra => "bucket_extra",
            Self::BucketOwner => "bucket_owner",
            Self::Notification => "notification",
        }
    }
}

impl fmt::Display for DriftKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Database and RGW don't agree, or (`drift.resolved`) agree again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DriftDetected {
    /// Where.
    pub location: Location,
    /// What.
    pub kind: DriftKind,
    /// The account, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3uid: Option<S3Uid>,
    /// The user, key or bucket on RGW.
    pub subject: String,
    /// What the database says, without secrets.
    pub expected: String,
    /// What RGW says, without secrets.
    pub found: String,
}
