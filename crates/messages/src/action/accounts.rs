//! Ending accounts, taking that back, and looking at their keys.

use std::fmt;

use model::{CustomerId, PlainTime, S3Uid, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CommandKey, lenient};

/// Deletes an account with everything in it, at once, and ends its service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeleteAccount {
    /// The account; may be left out by a customer who has only one.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
    /// Why; it goes to the history.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub reason: Option<String>,
}

/// The reply to `delete_account`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeleteAccountReply {
    /// When the account ended.
    pub cancellation_date: PlainTime,
}

/// Cancels an account's service for the end of what is paid, and not before its minimum term.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeletePaymentAccount {
    /// The account; may be left out by a customer who has only one.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// The reply to `delete_payment_account`; asked again, it gives the same dates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeletePaymentAccountReply {
    /// When it was cancelled.
    pub cancellation_date: PlainTime,
    /// When the account ends.
    pub termination_date: PlainTime,
}

/// Withdraws the cancellation of an account's service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CancelPaymentAccountDeletion {
    /// The account; may be left out by a customer who has only one.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// The reply to `cancel_payment_account_deletion`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CancelPaymentAccountDeletionReply {
    /// When the account would have ended.
    pub termination_date: PlainTime,
}

/// Which half of a key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// The secret half.
    SecretKey,
    /// The public half.
    AccessKey,
}

/// Shows one half of an account's S3 key pair. Every look is an event in the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShowKey {
    /// The account; may be left out by a customer who has only one.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// Which half.
    #[serde(alias = "key_type")]
    pub s3_key: KeyKind,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// The reply to `show_key`.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShowKeyReply {
    /// The key.
    pub key: String,
}

impl fmt::Debug for ShowKeyReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShowKeyReply").finish_non_exhaustive()
    }
}

/// Removes an account with everything in it from RGW, in the background. Billing sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PurgeAccount {
    /// The account.
    pub s3uid: S3Uid,
    /// The command whose caller waits for the end, and sees the progress; none where a cancellation took effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<CommandKey>,
}

/// Sets how much an account may store, for example because its plan has changed. Between roles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SetAccountQuota {
    /// The account.
    pub s3uid: S3Uid,
    /// The new quota.
    pub quota_bytes: u64,
    /// When it was decided: what was decided before a command that came first changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
}

/// What an account may do over S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountAccess {
    /// Everything.
    #[default]
    Full,
    /// Reading and listing only.
    ReadOnly,
    /// Nothing: it is suspended.
    None,
}

impl AccountAccess {
    /// Every access, from the most to the least.
    pub const ALL: [Self; 3] = [Self::Full, Self::ReadOnly, Self::None];

    /// The name, as on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ReadOnly => "read_only",
            Self::None => "none",
        }
    }
}

impl fmt::Display for AccountAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Holds an account's service back, for whatever reason an administrator has, or lets it go again. What isn't paid is
/// locked by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HoldService {
    /// The account.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The customer.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
    /// How far.
    pub hold: ServiceHold,
    /// Why; it goes to the history.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub reason: Option<String>,
}

/// How far a service is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceHold {
    /// Not at all.
    None,
    /// Reading only.
    Lock,
    /// Neither reading nor writing.
    Suspension,
}

/// The reply to `hold_service`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HoldServiceReply {
    /// The account.
    pub s3uid: S3Uid,
    /// The service's state now: `running`, `locked`, `off` or `deleting`.
    pub state: String,
}

/// Locks an account, for example because an invoice isn't paid, or opens it again. Between roles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SetAccountAccess {
    /// The account.
    pub s3uid: S3Uid,
    /// What it may do from now on.
    pub access: AccountAccess,
    /// Why; it goes to the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was decided: what was decided before a command that came first changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
}
