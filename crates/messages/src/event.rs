//! Events: facts that a role publishes after it committed them.

use std::fmt;

use model::{BucketName, CustomerId, Location, OrderId, PlanId, S3Uid, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What an event is about; events of one subject are published in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// `account/<s3uid>`.
    Account(S3Uid),
    /// `order/<uuid>`.
    Order(OrderId),
    /// `plan/<number>`.
    Plan(PlanId),
    /// `customer/<number>`.
    Customer(CustomerId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(s3uid) => write!(f, "account/{s3uid}"),
            Self::Order(id) => write!(f, "order/{id}"),
            Self::Plan(id) => write!(f, "plan/{id}"),
            Self::Customer(id) => write!(f, "customer/{id}"),
        }
    }
}

/// An event as it is published; `id` to `time` are its CloudEvents attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// `ce-id`: consumers of deltas dedupe by it.
    pub id: Uuid,
    /// `ce-source`: `/purser/<role>`.
    pub source: String,
    /// `ce-type` and routing key: `bucket.created`.
    pub event: String,
    /// `ce-subject`: see [`Subject`].
    pub subject: String,
    /// Grows by one with each event of this source about this subject.
    pub subject_version: i64,
    /// `ce-time`.
    pub time: Timestamp,
    /// The customer whom it concerns.
    pub customer_id: Option<CustomerId>,
    /// One readable sentence.
    pub description: String,
    /// The event's own fields.
    pub data: serde_json::Value,
}

/// The typed data of an event that other roles act on.
pub trait EventData: Serialize + DeserializeOwned + Send + Sync {
    /// `ce-type` and routing key.
    const EVENT: &'static str;
}

/// The provisioner has made an account on RGW; it is usable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountProvisionFailed {
    /// The order it was meant for.
    pub order_id: OrderId,
    /// The account that does not exist.
    pub s3uid: S3Uid,
    /// What the caller reads.
    pub reason: String,
}

/// What was made for a failed order is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountReleased {
    /// The order that failed.
    pub order_id: OrderId,
    /// The account that no longer exists.
    pub s3uid: S3Uid,
}

/// A bucket was made for an existing account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BucketCreated {
    /// The account.
    pub s3uid: S3Uid,
    /// The new bucket.
    pub bucket_name: BucketName,
}

impl EventData for AccountProvisioned {
    const EVENT: &'static str = "account.provisioned";
}

impl EventData for AccountProvisionFailed {
    const EVENT: &'static str = "account.provision_failed";
}

impl EventData for AccountReleased {
    const EVENT: &'static str = "account.released";
}

impl EventData for BucketCreated {
    const EVENT: &'static str = "bucket.created";
}
