//! What accounts use, as metering has measured it.

use model::{BucketName, Currency, CustomerId, PlainTime, PlanId, S3Uid, ServiceId, Timestamp};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lenient;

/// Reads an account's buckets with their sizes, its traffic, and its last closed day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetBuckets {
    /// The account; may be left out by a customer who has only one.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// The reply to `get_buckets`. Amounts are MB, rounded up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetBucketsReply {
    /// One entry per bucket, by name.
    pub message: Vec<BucketSizeReply>,
    /// Traffic of the running period, in plus out, in MB.
    pub bandwidth: u64,
    /// The last closed day.
    pub snapshot: UsageSnapshotReply,
    /// When the account was last read from the store; absent before the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_at: Option<Timestamp>,
}

/// One bucket's size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct BucketSizeReply {
    /// The bucket.
    pub name: String,
    /// MB, rounded up.
    pub usage: u64,
}

/// An account's last closed day; zeros at the account's creation before there is one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageSnapshotReply {
    /// Traffic of that day, in plus out, in MB.
    pub bandwidth_usage: u64,
    /// Stored at the end of that day, in MB.
    pub storage_usage: u64,
    /// The end of that day.
    pub created_at: Timestamp,
}

/// Lists accounts with what they used in a period. Customers see their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetUsers {
    /// One customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
    /// One plan.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub plan_id: Option<PlanId>,
    /// One account.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The customer's e-mail address, in any case.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub email: Option<String>,
    /// The operator's entity that bills the customer.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub billing: Option<String>,
    /// The account that has this bucket.
    #[serde(default, alias = "bucket", deserialize_with = "lenient::optional_text")]
    pub bucket_name: Option<BucketName>,
    /// One location; codes only, aliases are the frontends'.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub location: Option<String>,
    /// The plan's storage type.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub storage_type: Option<String>,
    /// The first day; the running period's where absent.
    #[serde(default, deserialize_with = "lenient::optional_date")]
    pub period_from: Option<chrono::NaiveDate>,
    /// The last day; today where absent.
    #[serde(default, deserialize_with = "lenient::optional_date")]
    pub period_to: Option<chrono::NaiveDate>,
    /// How many accounts to skip.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub offset: Option<i64>,
    /// How many accounts at most: 1 to 500, 50 by default.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub limit: Option<i64>,
    /// What to sort by; customer and account where absent.
    #[serde(default)]
    pub order: Option<UserOrder>,
    /// In which direction; ascending where absent.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub order_by: Option<SortDirection>,
}

/// What accounts can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserOrder {
    /// Traffic in the period.
    TotalTrafficPeriodGb,
    /// The most that was stored in the period.
    TotalStoragePeakGb,
}

/// A direction of sorting; read in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^([Aa][Ss][Cc]|[Dd][Ee][Ss][Cc])$"))]
pub enum SortDirection {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

impl TryFrom<String> for SortDirection {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.to_ascii_uppercase().as_str() {
            "ASC" => Ok(Self::Ascending),
            "DESC" => Ok(Self::Descending),
            _ => Err("must be ASC or DESC"),
        }
    }
}

impl From<SortDirection> for String {
    fn from(direction: SortDirection) -> Self {
        match direction {
            SortDirection::Ascending => "ASC",
            SortDirection::Descending => "DESC",
        }
        .to_owned()
    }
}

/// The reply to `get_users`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetUsersReply {
    /// This page.
    pub s3_users: Vec<UserReply>,
    /// How many accounts match, on all pages.
    pub total: i64,
}

/// One account with its customer, its service and what it used in the period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserReply {
    /// The customer.
    pub id: CustomerId,
    /// The account.
    pub s3uid: S3Uid,
    /// The customer's e-mail address.
    pub email: String,
    /// The location.
    pub region: String,
    /// The operator's entity that bills the customer.
    pub billing: String,
    /// What the customer pays in.
    pub currency: Currency,
    /// GB, in plus out.
    #[serde(with = "rust_decimal::serde::float")]
    #[schemars(with = "f64")]
    pub traffic: Decimal,
    /// The same.
    #[serde(with = "rust_decimal::serde::float")]
    #[schemars(with = "f64")]
    pub total_traffic_period_gb: Decimal,
    /// MB stored at the end of the period, rounded up.
    pub storage_usage: u64,
    /// The most that was stored in the period, in GB.
    #[serde(with = "rust_decimal::serde::float")]
    #[schemars(with = "f64")]
    pub total_storage_peak_gb: Decimal,
    /// What the plan costs per payment period.
    pub price: UserPriceReply,
    /// The service.
    pub service: UserServiceReply,
    /// When the account was last read from the store; absent before the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_at: Option<Timestamp>,
}

/// What an account's plan costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserPriceReply {
    /// In the operator's base currency.
    #[serde(with = "rust_decimal::serde::float")]
    #[schemars(with = "f64")]
    pub base_price: Decimal,
    /// In the customer's.
    #[serde(with = "rust_decimal::serde::float")]
    #[schemars(with = "f64")]
    pub price: Decimal,
}

/// An account's service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserServiceReply {
    /// The service's number.
    pub id: ServiceId,
    /// The customer.
    pub entity_id: CustomerId,
    /// The service's readable name, as `/storage` shows it.
    pub service_ident: String,
    /// The plan.
    pub plan_id: PlanId,
    /// `monthly`, `yearly`, or a term such as `3M`.
    pub period: String,
    /// When the running period began.
    pub period_start: Timestamp,
    /// When it ends.
    pub period_end: Timestamp,
    /// When the next payment is due.
    pub next_commit_date: Timestamp,
    /// `active`, `cancelled` or `suspended`.
    pub status: String,
}

/// Reads accounts' traffic and storage from RGW now. For administrators.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateTrafficInfo {
    /// One account.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// One customer's accounts.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// The reply to `update_traffic_info`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateTrafficInfoReply {
    /// How many accounts were read.
    pub accounts: u64,
    /// When.
    pub measured_at: PlainTime,
}
