//! `/storage/…`: packages with German prices. Their replies are the envelope `{code, message, result}`.

use std::fmt;

use model::{CustomerId, PlainTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lenient;

/// Lists what can be ordered; the reply is a list of [`StoragePlan`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoragePrices {
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// Reads packages; the reply is a map from name to [`StoragePackage`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StorageInfo {
    /// One package; all where absent.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub name: Option<String>,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// Orders a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StorageCreate {
    /// The plan's name: `PS100`.
    #[serde(deserialize_with = "lenient::text")]
    pub name: String,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// The result of `storage_create`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StorageCreated {
    /// The package's name, which is also the name of its first bucket.
    pub name: String,
}

/// Cancels a package for the end of what is paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StorageDelete {
    /// The package.
    #[serde(deserialize_with = "lenient::text")]
    pub name: String,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// The result of `storage_delete`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StorageDeleted {
    /// When the package ends.
    pub expiry: PlainTime,
}

/// Withdraws a package's cancellation; the result is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StorageUndelete {
    /// The package.
    #[serde(deserialize_with = "lenient::text")]
    pub name: String,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// Gives a package a new secret key; the old one stops working.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StorageNewPassword {
    /// The package.
    #[serde(deserialize_with = "lenient::text")]
    pub name: String,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// The result of `storage_newpassword`.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoragePassword {
    /// The new secret key.
    pub password: String,
}

impl fmt::Debug for StoragePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoragePassword").finish_non_exhaustive()
    }
}

/// A plan as `/storage/prices` shows it. Sizes are GB; traffic of 0 is without a limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoragePlan {
    /// `P`: private.
    #[serde(rename = "type")]
    pub kind: String,
    /// The plan's name.
    pub name: String,
    /// What may be stored.
    pub size: u64,
    /// Included incoming traffic.
    pub traffic_in: u64,
    /// Included outgoing traffic.
    pub traffic_out: u64,
    /// 1: reachable over FTPS; -1: not.
    pub ftps: i8,
    /// The minimum term: `1M`.
    pub minterm: String,
    /// What it costs.
    pub price: StoragePricing,
}

/// The three prices of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoragePricing {
    /// Per payment period.
    pub ground: StoragePrice,
    /// Per further 1,000 MB of traffic.
    pub traffic: StoragePrice,
    /// Once.
    pub setup: StoragePrice,
}

/// A price with the tax of the customer's country; amounts with a decimal comma: `4,99`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoragePrice {
    /// Without tax.
    pub net: String,
    /// Percent: `19.0`.
    pub tax: String,
    /// With tax.
    pub gross: String,
}

/// A package as `/storage/info` shows it. Sizes are GB; traffic of 0 is without a limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoragePackage {
    /// The plan's name.
    pub tariff: String,
    /// `P`: private.
    #[serde(rename = "type")]
    pub kind: String,
    /// What may be stored.
    pub size: u64,
    /// What is stored, rounded up.
    pub used: u64,
    /// Included incoming traffic.
    pub traffic_in: u64,
    /// Included outgoing traffic.
    pub traffic_out: u64,
    /// 1: reachable over FTPS; -1: not.
    pub ftps: i8,
    /// The S3 endpoint.
    pub hostname: String,
    /// The S3 access key; empty while the package is being made.
    pub username: String,
    /// The minimum term: `12M`.
    pub minterm: String,
    /// `1M` or `1Y`.
    pub payment_period: String,
    /// `locked`, `ordered`, `initializing`, `running`, `off` or `deleting`.
    pub state: String,
    /// What it costs.
    pub price: StoragePricing,
    /// When it was ordered.
    pub order_datetime: PlainTime,
    /// When it was cancelled; empty where it wasn't.
    pub termination_datetime: String,
    /// The last moment to cancel for the end of the running period.
    pub max_termination_datetime: PlainTime,
    /// When it ends; empty where it wasn't cancelled.
    pub expiry_datetime: String,
}
