//! `usage_report`: what an account used, in a table.

use model::{CustomerId, PlainTime, S3Uid};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{GapKind, lenient};

/// Reads what an account used from one hour to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageReport {
    /// The account; may be left out by a customer who has only one.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
    /// The first hour (UTC): `2026-11-01` or `2026-11-01 13:00:00`. The beginning of the running month where absent.
    #[serde(default, deserialize_with = "lenient::optional_moment")]
    pub from: Option<PlainTime>,
    /// The end, which is not included any more. The end of the running hour where absent.
    #[serde(default, deserialize_with = "lenient::optional_moment")]
    pub to: Option<PlainTime>,
    /// What one row stands for; a day where absent.
    #[serde(default)]
    pub by: Option<UsageSection>,
}

/// What one row of a report stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageSection {
    /// An hour in which something was stored or transferred.
    Hour,
    /// A day of UTC in which something was stored or transferred.
    Day,
    /// A bucket.
    Bucket,
}

/// The reply to `usage_report`. All figures are exact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageReportReply {
    /// The account.
    pub s3uid: S3Uid,
    /// The first hour.
    pub from: PlainTime,
    /// The end.
    pub to: PlainTime,
    /// What one row stands for.
    pub by: UsageSection,
    /// In order of time or of the buckets' names.
    pub rows: Vec<UsageRowReply>,
    /// Of the whole report.
    pub totals: UsageTotalsReply,
    /// Traffic by RGW's categories: `put_obj`, `get_obj`.
    pub categories: Vec<UsageCategoryReply>,
    /// Hours before this one no longer change, unless RGW itself corrects them; absent before there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_until: Option<PlainTime>,
    /// When the account was last read; absent before the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_at: Option<PlainTime>,
    /// Where RGW's log is known to lack something.
    pub gaps: Vec<UsageGapReply>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageRowReply {
    /// The beginning of the hour or day, or the bucket's name. RGW's own names for what is no bucket's: empty for
    /// requests to none, `-` for some that failed.
    pub section: String,
    /// What was used.
    #[serde(flatten)]
    pub usage: UsageTotalsReply,
}

/// What was used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageTotalsReply {
    /// Received from the customer.
    pub traffic_in_bytes: u64,
    /// Sent to the customer.
    pub traffic_out_bytes: u64,
    /// Requests.
    pub operations: u64,
    /// Those that succeeded.
    pub successful_operations: u64,
    /// Bytes × hours, as a decimal in a text.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub storage_byte_hours: Decimal,
    /// The most that was stored at once.
    pub storage_peak_bytes: u64,
    /// Stored at the end.
    pub storage_closing_bytes: u64,
}

/// Traffic of one of RGW's categories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageCategoryReply {
    /// RGW's name.
    pub category: String,
    /// Received from the customer.
    pub traffic_in_bytes: u64,
    /// Sent to the customer.
    pub traffic_out_bytes: u64,
    /// Requests.
    pub operations: u64,
    /// Those that succeeded.
    pub successful_operations: u64,
}

/// A gap in RGW's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageGapReply {
    /// The beginning of the hour.
    pub hour: PlainTime,
    /// Why something may be missing.
    pub kind: GapKind,
    /// What was seen.
    pub detail: String,
}
