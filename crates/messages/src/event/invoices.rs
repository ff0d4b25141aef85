//! What billing says of money.

use chrono::NaiveDate;
use model::{Currency, PlanId, S3Uid, ServiceId};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::action::SettledReply;

/// An invoice or a credit note was issued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceIssued {
    /// Its number.
    pub number: String,
    /// The service.
    pub service_id: ServiceId,
    /// The account.
    pub s3uid: S3Uid,
    /// Of all amounts, which are negative in a credit note.
    pub currency: Currency,
    /// Net.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub net: Decimal,
    /// Tax.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub tax: Decimal,
    /// Net and tax.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub gross: Decimal,
    /// The last day on which it is paid in time.
    pub due_date: NaiveDate,
}

/// What the system that issues the invoices must be told can't be told by Purser: a person must look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvoicingTaskParked {
    /// The task.
    pub task_id: i64,
    /// The account.
    pub s3uid: S3Uid,
    /// What is to be told, in words.
    pub what: String,
    /// Why it can't be.
    pub detail: String,
}

/// A customer has paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentReceived {
    /// The payment.
    pub payment_id: Uuid,
    /// What the bank or the payment service calls it.
    pub reference: String,
    /// The currency.
    pub currency: Currency,
    /// How much.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub amount: Decimal,
    /// What it settled.
    pub settled: Vec<SettledReply>,
    /// What of it became credit.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub credited: Decimal,
}

/// A service's invoices are overdue: its customer is reminded, its account is locked or suspended. Or they are paid, and
/// it is restored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceDunned {
    /// The service.
    pub service_id: ServiceId,
    /// The account.
    pub s3uid: S3Uid,
    /// When its oldest unpaid invoice was due; absent once everything is paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_date: Option<NaiveDate>,
    /// The currency.
    pub currency: Currency,
    /// What is overdue.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub overdue: Decimal,
}

/// A service has another plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServicePlanChanged {
    /// The service.
    pub service_id: ServiceId,
    /// The account.
    pub s3uid: S3Uid,
    /// The first day under the new plan.
    pub from: NaiveDate,
    /// The plan that it has now.
    pub plan_id: PlanId,
    /// Its version.
    pub plan_version: i32,
    /// The plan that it had.
    pub previous_plan_id: PlanId,
    /// Its version.
    pub previous_plan_version: i32,
}
