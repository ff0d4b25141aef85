//! Making buckets and reading what they hold.

use std::fmt;

use model::{BucketName, CustomerId, Timestamp};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lenient;

/// Makes a bucket in an existing account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreateBucket {
    /// The account; may be left out by a customer who has only one.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The new bucket.
    #[serde(alias = "bucket", deserialize_with = "lenient::text")]
    pub bucket_name: BucketName,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// Deletes an empty bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeleteBucket {
    /// The account; may be left out by a customer who has only one.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The bucket.
    #[serde(alias = "bucket", deserialize_with = "lenient::text")]
    pub bucket_name: BucketName,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// The reply to `create_bucket` and `delete_bucket`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BucketStatusReply {
    /// What was done.
    pub message: BucketStatus,
}

/// `{"status":"success","bucket_name":…}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BucketStatus {
    /// Always `success`.
    pub status: String,
    /// The bucket.
    pub bucket_name: BucketName,
}

impl BucketStatusReply {
    /// It was done.
    pub fn success(bucket_name: BucketName) -> Self {
        Self { message: BucketStatus { status: "success".to_owned(), bucket_name } }
    }
}

/// Reads an account's buckets, usage, quota, traffic and credentials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetBucketsRmq {
    /// The account; may be left out by a customer who has only one.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// The reply to `get_buckets_rmq`. Amounts without unit in their name are MB, rounded up.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetBucketsRmqReply {
    /// One entry per bucket, by name.
    pub message: Vec<BucketUsageReply>,
    /// All buckets together, in MB.
    pub usage_storage: u64,
    /// The same, exactly.
    pub usage_storage_bytes: u64,
    /// What may be stored, in MB.
    pub quota: u64,
    /// The same, exactly.
    pub quota_bytes: u64,
    /// Traffic and storage of the running period.
    pub metering: MeteringReply,
    /// The S3 access key.
    pub access_key: String,
    /// The S3 secret key.
    pub secret_key: String,
    /// The host name (and port, where it isn't the default) of the S3 endpoint.
    pub endpoint: String,
    /// When the figures were last read from the store; absent before the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_at: Option<Timestamp>,
}

/// One bucket's usage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BucketUsageReply {
    /// The bucket.
    pub name: String,
    /// MB, rounded up.
    pub usage: u64,
    /// The same, exactly.
    pub usage_bytes: u64,
    /// How many objects it holds.
    pub objects: u64,
}

/// Traffic and storage of the running period; GB are 10⁹ bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeteringReply {
    /// In plus out.
    #[serde(with = "rust_decimal::serde::float")]
    #[schemars(with = "f64")]
    pub total_traffic_gb: Decimal,
    /// Stored now.
    #[serde(with = "rust_decimal::serde::float")]
    #[schemars(with = "f64")]
    pub total_storage_gb: Decimal,
    /// Received from the customer.
    pub traffic_in_bytes: u64,
    /// Sent to the customer.
    pub traffic_out_bytes: u64,
}

impl fmt::Debug for GetBucketsRmqReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetBucketsRmqReply").field("message", &self.message).finish_non_exhaustive()
    }
}
