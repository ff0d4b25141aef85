//! Reading what happened.

use model::{PlanId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lenient;

/// Reads what happened to a plan or an account, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// A plan.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<PlanId>,
    /// An account.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// How many entries at most (100 by default, 500 at most).
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub limit: Option<i64>,
    /// How many entries to skip.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub offset: Option<i64>,
}

/// The reply to `history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryReply {
    /// Newest first.
    pub data: Vec<HistoryEntryReply>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntryReply {
    /// Grows with time.
    pub id: i64,
    /// The event's type with `_` for `.`, as `s3.php` writes it: `bucket_created`.
    pub event: String,
    /// One readable sentence.
    pub description: String,
    /// When.
    pub created_at: Timestamp,
}
