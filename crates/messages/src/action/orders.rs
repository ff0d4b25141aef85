//! Ordering an account, and the two internal commands that follow from it.

use model::{BucketName, CustomerId, Location, OrderId, PlanId, S3Uid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lenient;

/// Orders an account with its first bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreateOrder {
    /// The plan.
    #[serde(deserialize_with = "lenient::integer")]
    pub plan_id: PlanId,
    /// The first bucket.
    #[serde(alias = "bucket", deserialize_with = "lenient::text")]
    pub bucket_name: BucketName,
    /// Where; the default location where absent. Aliases such as `us-east-1` are the configuration's.
    #[serde(default)]
    pub location: Option<String>,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// The same order under its other name; its failure text differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CreateAccount(pub CreateOrder);

/// The reply to `create_order` and `create_account`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreateOrderReply {
    /// The new account.
    pub s3uid: S3Uid,
}

/// Makes an ordered account on RGW: user, keys, quota, first bucket. Billing sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProvisionAccount {
    /// The order; also the command's `message_id`.
    pub order_id: OrderId,
    /// The account's name, chosen by billing when it took the order.
    pub s3uid: S3Uid,
    /// The owner.
    pub customer_id: CustomerId,
    /// Where.
    pub location: Location,
    /// The first bucket.
    pub bucket_name: BucketName,
    /// What may be stored, in bytes.
    pub quota_bytes: u64,
}

/// Takes back what was made for an order that failed. Billing sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseAccount {
    /// The order that failed.
    pub order_id: OrderId,
    /// The account.
    pub s3uid: S3Uid,
}
